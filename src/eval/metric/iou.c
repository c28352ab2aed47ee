/* Referring expressions (RefCOCO, RefCOCO+, RefCOCOg): the IoU of the box that the answer names with the true one; right from
 * 0.5 on. The answer is a box or a text whose first four numbers within brackets are one: left, top, right, bottom; all at
 * most 1.5: shares of the picture; all at most 1000: thousandths; else pixels (lmms-eval's and VLMEvalKit's reading).
 *
 * A reference line has "bbox": [left, top, right, bottom] in pixels, "width", "height" of the picture.
 */
#include "eval/metric/boxes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool four_numbers(double out[4], const char *text)
{
    for (; (text = strpbrk(text, "[(")) != NULL;) {
        const char *at = text += strspn(text, "[( ");
        int found = 0;
        for (; found < 4; found++) {
            char *end;
            out[found] = strtod(at, &end);
            if (end == at || !isfinite(out[found])) {
                break;
            }
            at = end + strspn(end, ", ()[]");
        }
        if (found == 4) {
            return true;
        }
    }
    return false;
}

static void scale(double b[4], double width, double height)
{
    double most = fmax(fmax(b[0], b[1]), fmax(b[2], b[3]));
    double unit = most <= 1.5 ? 1 : most <= 1000 ? 1000 : 0;
    for (int i = 0; unit > 0 && i < 4; i++) {
        b[i] *= (i % 2 ? height : width) / unit;
    }
}

static pc_box corners(const double b[4])
{
    return (pc_box){.x = b[0], .y = b[1], .width = fmax(0, b[2] - b[0]), .height = fmax(0, b[3] - b[1])};
}

static pc_status overlap(double *out, const pc_metric_item *item)
{
    double truth[4], found[4];
    double width = pc_json_get_number(item->reference, "width", 0), height = pc_json_get_number(item->reference, "height", 0);
    PC_TRY(pc_box_numbers(truth, pc_json_get(item->reference, "bbox"), "bbox", item->where));
    if (!(width > 0 && height > 0)) {
        return pc_fail(PC_ERR_DATA, "%s: width and height of the picture are needed", item->where);
    }
    *out = 0;
    if (pc_json_is_array(item->prediction)) {
        PC_TRY(pc_box_numbers(found, item->prediction, "prediction", item->where));
    } else if (!four_numbers(found, item->text)) {
        return PC_OK;
    }
    scale(found, width, height);
    pc_box a = corners(found), b = corners(truth);
    *out = pc_box_iou(&a, &b, 0);
    return PC_OK;
}

static pc_status iou(double *value, pc_json *detail, const pc_metric_item *item)
{
    (void)detail;
    return overlap(value, item);
}

static pc_status refcoco(double *value, pc_json *detail, const pc_metric_item *item)
{
    double both;
    PC_TRY(overlap(&both, item));
    *value = both >= 0.5;
    return pc_metric_set(detail, "iou", both);
}

static const char *const groups[] = {"split", NULL};

const pc_metric pc_metric_iou = {
    .name = "iou", .help = "mean IoU of the box in the answer", .version = "iou-1", .scale = 1, .groups = groups, .item = iou};
const pc_metric pc_metric_refcoco = {
    .name = "refcoco", .help = "% of boxes in the answers with IoU >= 0.5 (RefCOCO, +, g)", .version = "refcoco-1", .scale = 100,
    .groups = groups, .item = refcoco};
