/* `percept score`: answers that were made elsewhere, judged by the metrics of `percept eval`. */
#include "base/memory.h"
#include "base/str.h"
#include "cli/command.h"
#include "cli/options.h"
#include "eval/metric/metric.h"

#include <inttypes.h>
#include <stdio.h>

typedef struct score_options {
    char *predictions, *references, *data;
    bool json;
} score_options;

static const pc_field fields[] = {
    {.name = "predictions", .type = PC_FIELD_TEXT, .offset = offsetof(score_options, predictions),
     .help = "JSONL file of {\"id\", \"prediction\"}"},
    {.name = "references", .type = PC_FIELD_TEXT, .offset = offsetof(score_options, references),
     .help = "JSONL file of {\"id\", \"references\": [...]} and the metric's own fields"},
    {.name = "data", .type = PC_FIELD_TEXT, .offset = offsetof(score_options, data),
     .help = "file or folder of what the metric knows beside: synonyms, word lists"},
    {.name = "json", .type = PC_FIELD_BOOL, .offset = offsetof(score_options, json), .fallback = "false",
     .help = "print JSON, with the values of each item"},
};

/* "subject.NAT.value    89.1" for each number below the node. Depth is bounded: metrics nest three levels at most. */
static void print_values(const pc_json *node, const char *prefix)
{
    for (void *it = pc_json_first(node); it; it = pc_json_next(node, it)) {
        const pc_json *value = pc_json_value(it);
        char name[160];
        snprintf(name, sizeof name, "%s%s%s", prefix, *prefix ? "." : "", pc_json_key(it));
        if (pc_json_is_object(value)) {
            print_values(value, name);
        } else if (pc_json_is_integer(value)) {
            printf("%-36s %12" PRId64 "\n", name, pc_json_integer(value, 0));
        } else if (pc_json_is_number(value)) {
            printf("%-36s %19.6f\n", name, pc_json_number(value, 0));
        }
    }
}

static pc_status print(const pc_json *result, bool json)
{
    pc_str text = {0};
    if (!json) {
        printf("%-36s %12" PRId64 "\n", "n", pc_json_get_integer(result, "n", 0));
        print_values(pc_json_get(result, "corpus"), "");
        return PC_OK;
    }
    pc_status status = pc_json_write(&text, result, 0);
    if (status == PC_OK) {
        puts(text.data);
    }
    pc_str_clear(&text);
    return status;
}

static pc_status score(const score_options *o, const char *name)
{
    const pc_metric *metric;
    pc_metric_items items = {0};
    pc_json *result = NULL;
    pc_status status;
    PC_GO(pc_metric_find(&metric, name));
    if (!o->predictions || !o->references) {
        return pc_fail(PC_ERR_USAGE, "%s is needed", o->predictions ? "--references FILE" : "--predictions FILE");
    }
    PC_GO(pc_metric_read(&items, metric, o->predictions, o->references));
    items.data = o->data;
    PC_GO(pc_metric_score(&result, metric, &items, o->json));
    PC_GO(print(result, o->json));
done:
    pc_json_free(result);
    pc_metric_items_clear(&items);
    return status;
}

static pc_status usage(pc_str *out)
{
    PC_TRY(pc_str_puts(out, "percept score METRIC --predictions P.jsonl --references R.jsonl [--json]\n\n"
                            "Judges answers that were made elsewhere; no model is needed. METRIC is one of:\n"));
    for (size_t i = 0; pc_metric_at(i); i++) {
        PC_TRY(pc_str_printf(out, "\n    %-16s %s", pc_metric_at(i)->name, pc_metric_at(i)->help));
    }
    return PC_OK;
}

static pc_status run(int argc, char **argv)
{
    score_options o = {0};
    pc_arguments arguments;
    pc_str text = {0};
    pc_options spec = {.fields = {fields, sizeof fields / sizeof fields[0]}, .min_arguments = 1, .max_arguments = 1};
    pc_status status;
    PC_GO(usage(&text));
    spec.usage = text.data;
    PC_GO(pc_options_parse(&spec, &o, &arguments, argc, argv));
    PC_GO(arguments.help ? PC_OK : score(&o, arguments.items[0]));
done:
    pc_fields_clear(&spec.fields, &o);
    pc_str_clear(&text);
    return status;
}

const pc_command pc_command_score = {
    .name = "score", .summary = "judge answers that were made elsewhere by a metric", .run = run};
