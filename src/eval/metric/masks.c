/* Masks (referring and reasoning segmentation; LISA, Lai et al. 2024): cIoU = sum of intersections / sum of unions over the set;
 * gIoU = mean of I / (U + 1e-5), 1 where both masks are empty.
 *
 * A mask is COCO's uncompressed run-length code {"size": [rows, columns], "counts": [n0, n1, ...]}: runs of 0 and 1 in turn,
 * down the columns. The prediction is one, "references" holds one.
 */
#include "base/memory.h"
#include "eval/metric/metric.h"

typedef struct runs {
    const pc_json *counts;
    int64_t pixels;
    size_t at;     /* of the run at hand */
    int64_t left;  /* of its pixels */
} runs;

static pc_status open_mask(runs *out, const pc_json *mask, const char *which, const char *where)
{
    const pc_json *size = pc_json_get(mask, "size");
    int64_t rows = pc_json_integer(pc_json_at(size, 0), -1), columns = pc_json_integer(pc_json_at(size, 1), -1), sum = 0;
    *out = (runs){.counts = pc_json_get(mask, "counts")};
    if (rows < 0 || columns < 0 || rows > INT32_MAX || columns > INT32_MAX || !pc_json_is_array(out->counts)) {
        return pc_fail(PC_ERR_DATA, "%s: %s: expected {\"size\": [rows, columns], \"counts\": [...]}", where, which);
    }
    out->pixels = rows * columns;
    for (size_t i = 0; i < pc_json_length(out->counts); i++) {
        int64_t run = pc_json_integer(pc_json_at(out->counts, i), -1);
        if (run < 0 || run > out->pixels - sum) {
            return pc_fail(PC_ERR_DATA, "%s: %s: counts: bad run at %zu", where, which, i);
        }
        sum += run;
    }
    if (sum != out->pixels) {
        return pc_fail(PC_ERR_DATA, "%s: %s: counts: %lld pixels, size says %lld", where, which, (long long)sum,
                       (long long)out->pixels);
    }
    out->left = pc_json_integer(pc_json_at(out->counts, 0), 0);
    return PC_OK;
}

static void skip_empty(runs *mask)
{
    while (mask->left == 0 && mask->at + 1 < pc_json_length(mask->counts)) {
        mask->left = pc_json_integer(pc_json_at(mask->counts, ++mask->at), 0);
    }
}

static void compare(double *both, double *either, runs *a, runs *b)
{
    *both = *either = 0;
    for (int64_t left = a->pixels; left > 0;) {
        skip_empty(a);
        skip_empty(b);
        int64_t step = a->left < b->left ? a->left : b->left;
        bool in_a = a->at % 2, in_b = b->at % 2;
        *both += in_a && in_b ? (double)step : 0;
        *either += in_a || in_b ? (double)step : 0;
        a->left -= step;
        b->left -= step;
        left -= step;
    }
}

static pc_status masks(pc_json *corpus, pc_json *details, const pc_metric_items *items, const double *values)
{
    double intersections = 0, unions = 0, sum = 0;
    (void)values;
    for (size_t i = 0; i < items->count; i++) {
        const pc_metric_item *item = &items->item[i];
        const pc_json *truth = pc_json_get(item->reference, "references");
        runs a, b;
        double both, either;
        PC_TRY(open_mask(&a, item->prediction, "prediction", item->where));
        PC_TRY(open_mask(&b, pc_json_is_array(truth) ? pc_json_at(truth, 0) : truth, "references", item->where));
        if (a.pixels != b.pixels) {
            return pc_fail(PC_ERR_DATA, "%s: prediction: a mask of another size", item->where);
        }
        compare(&both, &either, &a, &b);
        double one = both / (either + 1e-5) + (either == 0);
        intersections += both;
        unions += either;
        sum += one;
        PC_TRY(pc_metric_set(pc_json_at(details, i), "iou", one));
    }
    PC_TRY(pc_metric_set(corpus, "giou", sum / (double)items->count));
    return pc_metric_set(corpus, "ciou", unions > 0 ? intersections / unions : 0);
}

const pc_metric pc_metric_masks = {
    .name = "masks", .help = "segmentation: gIoU and cIoU of run-length masks", .version = "masks-1", .scale = 1, .corpus = masks};
