/* `percept eval compare A B`: is one evaluation better than another of the same questions? */
#include "cli/eval_compare.h"

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/str.h"
#include "cli/options.h"
#include "eval/compare.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct compare_options {
    bool json;
} compare_options;

static const pc_field fields[] = {
    {.name = "json", .type = PC_FIELD_BOOL, .offset = offsetof(compare_options, json), .fallback = "false", .help = "print JSON"},
};

static const pc_options options = {
    .usage = "percept eval compare A B [--json]\n\n"
             "A and B are folders of --output_path. For every task that both have: the difference of the accuracies with its 95 %\n"
             "interval (paired bootstrap over the questions), and McNemar's exact p.",
    .fields = {fields, sizeof fields / sizeof fields[0]},
    .min_arguments = 2,
    .max_arguments = 2,
};

static pc_status to_json(const pc_comparison *c, pc_json *into, const char *task)
{
    pc_json *one = pc_json_new_object();
    const struct {
        const char *key;
        int64_t value;
    } counts[] = {{"asked", c->asked}, {"right_a", c->right_a}, {"right_b", c->right_b}, {"only_a", c->only_a}, {"only_b", c->only_b}};
    PC_TRY(pc_json_set(into, task, one));
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        PC_TRY(pc_json_set(one, counts[i].key, pc_json_new_integer(counts[i].value)));
    }
    PC_TRY(pc_json_set(one, "difference", pc_json_new_number(c->difference)));
    PC_TRY(pc_json_set(one, "low", pc_json_new_number(c->low)));
    PC_TRY(pc_json_set(one, "high", pc_json_new_number(c->high)));
    return pc_json_set(one, "p", pc_json_new_number(c->p));
}

static void print(const pc_comparison *c, const char *task)
{
    double n = (double)c->asked / 100;
    printf("%-24s %7" PRId64 "   A %5.1f %%   B %5.1f %%   B - A %+5.1f (%+.1f to %+.1f)   right alone %" PRId64 ", %" PRId64
           "   p = %.2g\n", task, c->asked, (double)c->right_a / n, (double)c->right_b / n, 100 * c->difference, 100 * c->low,
           100 * c->high, c->only_a, c->only_b, c->p);
}

static int is_samples(const struct dirent *entry)
{
    return pc_starts_with(entry->d_name, "samples_") && pc_ends_with(entry->d_name, ".jsonl");
}

/* *out = folder/name when that is there. */
static pc_status find(char **out, const char *folder, const char *name)
{
    *out = pc_path_join(folder, name);
    return *out ? PC_OK : pc_fail_memory(strlen(name), "a path");
}

static pc_status compare_one(pc_json *results, const char *folder_a, const char *folder_b, const char *name, bool json)
{
    char *a = NULL, *b = NULL, task[128];
    pc_comparison found;
    pc_status status;
    snprintf(task, sizeof task, "%.*s", (int)(strlen(name) - strlen("samples_.jsonl")), name + strlen("samples_"));
    PC_GO(find(&a, folder_a, name));
    PC_GO(find(&b, folder_b, name));
    if (pc_path_exists(b)) {
        PC_GO(pc_compare_samples(&found, a, b));
        PC_GO(to_json(&found, results, task));
        if (!json) {
            print(&found, task);
        }
    }
done:
    pc_free(a);
    pc_free(b);
    return status;
}

static pc_status compare(const char *a, const char *b, bool json)
{
    struct dirent **entry = NULL;
    int count = scandir(a, &entry, is_samples, alphasort);
    pc_json *results = pc_json_new_object();
    pc_str text = {0};
    pc_status status = count < 0 ? pc_fail(PC_ERR_IO, "%s: no such folder", a) : PC_OK;
    for (int i = 0; status == PC_OK && i < count; i++) {
        status = compare_one(results, a, b, entry[i]->d_name, json);
    }
    if (status == PC_OK && !pc_json_length(results)) {
        status = pc_fail(PC_ERR_USAGE, "%s and %s have no task in common", a, b);
    }
    if (status == PC_OK && json && (status = pc_json_write(&text, results, 0)) == PC_OK) {
        puts(text.data);
    }
    for (int i = 0; i < count; i++) {
        free(entry[i]);
    }
    free(entry);
    pc_json_free(results);
    pc_str_clear(&text);
    return status;
}

pc_status pc_cli_eval_compare(int argc, char **argv)
{
    compare_options o = {0};
    pc_arguments arguments;
    pc_status status = pc_options_parse(&options, &o, &arguments, argc, argv);
    if (status == PC_OK && !arguments.help) {
        status = compare(arguments.items[0], arguments.items[1], o.json);
    }
    pc_fields_clear(&options.fields, &o);
    return status;
}
