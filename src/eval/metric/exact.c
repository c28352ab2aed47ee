/* Exact match with any of the references: lower case, trimmed, without a final period. GQA's and easy-VQA's rule. */
#include "eval/metric/metric.h"
#include "prompt/match.h"

static pc_status exact(double *value, pc_json *detail, const pc_metric_item *item)
{
    bool same = false;
    (void)detail;
    for (size_t i = 0; !same && i < pc_metric_reference_count(item); i++) {
        const char *truth;
        PC_TRY(pc_metric_reference(&truth, item, i));
        PC_TRY(pc_match_exact(item->text, truth, &same));
    }
    *value = same;
    return PC_OK;
}

static const char *const groups[] = {"kind", "type", "category", "split", NULL};

const pc_metric pc_metric_exact = {
    .name = "exact", .help = "equal to a reference but for case, outer white space and a final period (GQA, easy-VQA)",
    .version = "exact-1", .scale = 100, .groups = groups, .item = exact};
