/* SugarCrepe (Hsieh et al. 2023), Winoground-like pairs: the true caption must score higher than the false one. The prediction is
 * {"positive": score, "negative": score}; "type" of the reference line (add_att, swap_obj ...) is a group. */
#include "eval/metric/metric.h"

static pc_status sugarcrepe(double *value, pc_json *detail, const pc_metric_item *item)
{
    const pc_json *positive = pc_json_get(item->prediction, "positive"), *negative = pc_json_get(item->prediction, "negative");
    (void)detail;
    if (!pc_json_is_number(positive) || !pc_json_is_number(negative)) {
        return pc_fail(PC_ERR_DATA, "%s: the prediction of id '%.80s' is not {\"positive\": number, \"negative\": number}", item->where,
                       item->id);
    }
    *value = pc_json_number(positive, 0) > pc_json_number(negative, 0);
    return PC_OK;
}

static const char *const groups[] = {"type", NULL};

const pc_metric pc_metric_sugarcrepe = {
    .name = "sugarcrepe", .help = "% of pairs whose true caption scores higher", .version = "sugarcrepe-1", .scale = 100,
    .groups = groups, .item = sugarcrepe};
