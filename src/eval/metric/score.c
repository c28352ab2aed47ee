/* The frame of every metric: values of items, their mean, the means of groups, and what the metric adds. */
#include "base/memory.h"
#include "base/str.h"
#include "eval/metric/metric.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define PC_METRIC(name) extern const pc_metric pc_metric_##name;
#include "eval/metric/list.h"
#undef PC_METRIC

static const pc_metric *const metrics[] = {
#define PC_METRIC(name) &pc_metric_##name,
#include "eval/metric/list.h"
#undef PC_METRIC
};
enum { METRICS = sizeof metrics / sizeof metrics[0] };

const pc_metric *pc_metric_at(size_t i)
{
    return i < METRICS ? metrics[i] : NULL;
}

pc_status pc_metric_find(const pc_metric **out, const char *name)
{
    const char *names[METRICS];
    for (size_t i = 0; i < METRICS; i++) {
        names[i] = metrics[i]->name;
        if (strcmp(names[i], name) == 0) {
            *out = metrics[i];
            return PC_OK;
        }
    }
    const char *near = pc_nearest_name(name, names, METRICS, sizeof names[0]);
    return pc_fail(PC_ERR_USAGE, "unknown metric '%s'%s%s%s", name, near ? "; did you mean '" : "", near ? near : "",
                   near ? "'?" : "");
}

/* --- means --- */

/* A group's name: a text, or a number or truth value as JSON writes it. */
static pc_status group_name(pc_str *out, const pc_json *value)
{
    pc_str_reset(out);
    return pc_json_is_string(value) ? pc_str_puts(out, pc_json_text(value)) : pc_json_write(out, value, 0);
}

static pc_status add_to_group(pc_json *group, const char *name, double value)
{
    pc_json *one = pc_json_get(group, name);
    double sum = pc_json_get_number(one, "value", 0) + value;
    int64_t count = pc_json_get_integer(one, "n", 0) + 1;
    if (!one) {
        PC_TRY(pc_json_set(group, name, one = pc_json_new_object()));
    }
    PC_TRY(pc_metric_set(one, "value", sum));
    return pc_json_set(one, "n", pc_json_new_integer(count));
}

static pc_status group_means(pc_json *corpus, const char *key, const pc_metric *metric, const pc_metric_items *items,
                             const double *values)
{
    pc_json *group = pc_json_new_object();
    pc_str name = {0};
    pc_status status = group ? PC_OK : pc_fail_memory(0, "a group's means");
    for (size_t i = 0; status == PC_OK && i < items->count; i++) {
        const pc_json *value = pc_json_get(items->item[i].reference, key);
        if (value) {
            PC_GO(group_name(&name, value));
            PC_GO(add_to_group(group, name.data ? name.data : "", values[i]));
        }
    }
    for (void *it = group ? pc_json_first(group) : NULL; it; it = pc_json_next(group, it)) {
        pc_json *one = pc_json_value(it);
        double mean = pc_json_get_number(one, "value", 0) / (double)pc_json_get_integer(one, "n", 1);
        PC_GO(pc_metric_set(one, "value", metric->scale * mean));
    }
    if (pc_json_length(group)) {
        status = pc_json_set(corpus, key, group);
        group = NULL;
    }
done:
    pc_json_free(group);
    pc_str_clear(&name);
    return status;
}

static pc_status means(pc_json *corpus, const pc_metric *metric, const pc_metric_items *items, const double *values)
{
    double sum = 0, squares = 0, n = (double)items->count;
    for (size_t i = 0; i < items->count; i++) {
        sum += values[i];
    }
    double mean = n > 0 ? sum / n : 0;
    for (size_t i = 0; i < items->count; i++) {
        squares += (values[i] - mean) * (values[i] - mean);
    }
    PC_TRY(pc_metric_set(corpus, metric->name, metric->scale * mean));
    PC_TRY(pc_metric_set(corpus, "stderr", n > 1 ? metric->scale * sqrt(squares / (n - 1) / n) : 0));
    for (size_t g = 0; metric->groups && metric->groups[g]; g++) {
        PC_TRY(group_means(corpus, metric->groups[g], metric, items, values));
    }
    return PC_OK;
}

/* --- the whole --- */

static pc_status score_items(pc_json *corpus, pc_json *details, const pc_metric *metric, const pc_metric_items *items)
{
    double *values = NULL;
    pc_status status = PC_OK;
    for (size_t i = 0; i < items->count; i++) {
        pc_json *detail = pc_json_new_object();
        PC_GO(pc_json_push(details, detail));
        PC_GO(pc_metric_set_text(detail, "id", items->item[i].id));
    }
    if (metric->item) {
        PC_GO(PC_NEW_ARRAY(values, items->count, "values of items"));
        for (size_t i = 0; i < items->count; i++) {
            pc_json *detail = pc_json_at(details, i);
            PC_GO(metric->item(&values[i], detail, &items->item[i]));
            PC_GO(pc_metric_set(detail, metric->name, values[i]));
        }
        PC_GO(means(corpus, metric, items, values));
    }
    PC_GO(metric->corpus ? metric->corpus(corpus, details, items, values) : PC_OK);
done:
    pc_free(values);
    return status;
}

pc_status pc_metric_score(pc_json **out, const pc_metric *metric, const pc_metric_items *items, bool per_item)
{
    pc_json *json = pc_json_new_object(), *details = pc_json_new_array(), *corpus;
    pc_status status;
    *out = NULL;
    PC_GO(pc_metric_set_text(json, "metric", metric->name));
    PC_GO(pc_metric_set_text(json, "version", metric->version));
    PC_GO(pc_json_set(json, "n", pc_json_new_integer((int64_t)items->count)));
    PC_GO(pc_json_set(json, "corpus", corpus = pc_json_new_object()));
    PC_GO(score_items(corpus, details, metric, items));
    if (per_item) {
        pc_json *given = details;
        details = NULL;
        PC_GO(pc_json_set(json, "items", given));
    }
    *out = json;
    json = NULL;
done:
    pc_json_free(json);
    pc_json_free(details);
    return status;
}
