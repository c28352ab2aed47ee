/* A metric: answers and the truth -> numbers. One file in eval/metric/ and one line in list.h for each.
 *
 * Flow: two JSONL files, or the samples of a benchmark -> pc_metric_items -> pc_metric_score -> values of the whole set
 * ("corpus") and of each item. No model is needed. The same answers give the same bytes.
 */
#ifndef PC_EVAL_METRIC_METRIC_H
#define PC_EVAL_METRIC_METRIC_H

#include "base/json.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One answer with what it is compared with; all borrowed from the items. */
typedef struct pc_metric_item {
    const char *id;            /* a number is written in decimal */
    const char *text;          /* the prediction; "" when it is not a text */
    const pc_json *prediction; /* the value under "prediction"; NULL when the answer is missing */
    const pc_json *predicted;  /* the whole line of the predictions, or NULL */
    const pc_json *reference;  /* the whole line of the references */
    char where[320];           /* "references.jsonl:12", for messages */
} pc_metric_item;

typedef struct pc_metric_items {
    pc_metric_item *item;
    size_t count;
    const char *data; /* file or folder of what the metric knows beside (synonyms, word lists), or NULL; borrowed */
    struct pc_json_lines *answers, *truths; /* what the items borrow from */
} pc_metric_items;

typedef struct pc_metric {
    const char *name;
    const char *help;    /* one line */
    const char *version; /* equal versions score the same */
    double scale;        /* of the mean of `item`: 1 or 100 */
    /* An item without prediction is scored as well (an image without detections, for example). */
    bool missing_allowed;
    /* Keys of the reference line whose values get a mean of their own; ends with NULL; may be NULL. */
    const char *const *groups;
    /* The value of one item; may put further fields into `detail`. NULL: the metric has only `corpus`. */
    pc_status (*item)(double *value, pc_json *detail, const pc_metric_item *item);
    /* Values of the whole set into `corpus`, further ones of each item into details[i], an array of objects that already
     * hold "id" and, behind `item`, the metric's name. values: what `item` gave, or NULL. May be NULL. */
    pc_status (*corpus)(pc_json *corpus, pc_json *details, const pc_metric_items *items, const double *values);
} pc_metric;

/* The metric of that name; PC_ERR_USAGE with a suggestion. */
pc_status pc_metric_find(const pc_metric **out, const char *name);
/* The i-th one of list.h, NULL past the last. */
const pc_metric *pc_metric_at(size_t i);

/* A line of `predictions` is {"id", "prediction"}, one of `references` {"id", "references": [...]} and what the metric
 * asks for. Order: that of the references. PC_ERR_DATA names file and line: an id twice, an id that the other file
 * has not (a reference without prediction is fine for a metric that allows it). pc_metric_items_clear also after a
 * failure. */
pc_status pc_metric_read(pc_metric_items *out, const pc_metric *metric, const char *predictions, const char *references);
/* From the samples of a benchmark (eval/samples.h), an array that must outlive the items: "answer" is the prediction, "truth"
 * the reference. */
pc_status pc_metric_take_samples(pc_metric_items *out, const pc_json *samples, const char *where);
void pc_metric_items_clear(pc_metric_items *items);

/* *out = {"metric", "version", "n", "corpus": {...}} and, when `per_item`, "items": [{"id", ...}]; pc_json_free. */
pc_status pc_metric_score(pc_json **out, const pc_metric *metric, const pc_metric_items *items, bool per_item);

/* For metrics. The i-th text of "references" (an array of texts, or one text); PC_ERR_DATA when it is none. */
size_t pc_metric_reference_count(const pc_metric_item *item);
pc_status pc_metric_reference(const char **out, const pc_metric_item *item, size_t i);
pc_status pc_metric_set(pc_json *into, const char *key, double value);
pc_status pc_metric_set_text(pc_json *into, const char *key, const char *text);

#endif
