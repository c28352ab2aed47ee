#include "eval/metric/boxes.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

pc_status pc_box_numbers(double out[4], const pc_json *array, const char *key, const char *where)
{
    bool good = pc_json_is_array(array) && pc_json_length(array) == 4;
    for (size_t i = 0; good && i < 4; i++) {
        const pc_json *number = pc_json_at(array, i);
        out[i] = pc_json_number(number, 0);
        good = pc_json_is_number(number) && isfinite(out[i]) && fabs(out[i]) < 1e9;
    }
    return good ? PC_OK : pc_fail(PC_ERR_DATA, "%s: %s: expected four numbers", where, key);
}

static pc_status read_box(pc_box *out, const pc_json *node, size_t image, bool detection, const char *where)
{
    const pc_json *category = pc_json_get(node, "category");
    double b[4];
    PC_TRY(pc_box_numbers(b, pc_json_get(node, "bbox"), detection ? "prediction: bbox" : "references: bbox", where));
    *out = (pc_box){.category = pc_json_text(category), .number = pc_json_integer(category, 0), .image = image,
                    .x = b[0], .y = b[1], .width = b[2], .height = b[3]};
    if (b[2] < 0 || b[3] < 0) {
        return pc_fail(PC_ERR_DATA, "%s: bbox: negative width or height", where);
    }
    if (!out->category && !pc_json_is_integer(category)) {
        return pc_fail(PC_ERR_DATA, "%s: category: expected a text or an integer", where);
    }
    if (detection && !pc_json_is_number(pc_json_get(node, "score"))) {
        return pc_fail(PC_ERR_DATA, "%s: prediction: score: expected a number", where);
    }
    out->score = detection ? pc_json_get_number(node, "score", 0) : 0;
    out->area = detection ? b[2] * b[3] : pc_json_get_number(node, "area", b[2] * b[3]);
    out->crowd = !detection && (pc_json_get_integer(node, "iscrowd", 0) || pc_json_get_bool(node, "iscrowd", false));
    return PC_OK;
}

int pc_box_compare_category(const pc_box *a, const pc_box *b)
{
    if (!a->category || !b->category) {
        return a->category ? 1 : b->category ? -1 : (a->number > b->number) - (a->number < b->number);
    }
    return strcmp(a->category, b->category);
}

static int compare(const void *a, const void *b)
{
    const pc_box *x = a, *y = b;
    int category = pc_box_compare_category(x, y);
    if (category || x->image != y->image) {
        return category ? category : x->image < y->image ? -1 : 1;
    }
    return (x->score < y->score) - (x->score > y->score);
}

/* Merge sort: equal boxes stay in file order. */
static pc_status sort(pc_boxes *boxes)
{
    pc_box *from = boxes->box, *to = NULL;
    PC_TRY(PC_NEW_ARRAY(to, boxes->count, "boxes to sort"));
    for (size_t width = 1; width < boxes->count; width *= 2) {
        for (size_t low = 0; low < boxes->count; low += 2 * width) {
            size_t middle = low + width < boxes->count ? low + width : boxes->count;
            size_t high = low + 2 * width < boxes->count ? low + 2 * width : boxes->count;
            size_t a = low, b = middle;
            for (size_t k = low; k < high; k++) {
                bool left = a < middle && (b >= high || compare(&from[a], &from[b]) <= 0);
                to[k] = left ? from[a++] : from[b++];
            }
        }
        pc_box *swapped = from;
        from = to;
        to = swapped;
    }
    boxes->box = from;
    pc_free(to);
    return PC_OK;
}

pc_status pc_boxes_read(pc_boxes *out, const pc_metric_items *items, bool detections)
{
    *out = (pc_boxes){0};
    for (size_t i = 0; i < items->count; i++) {
        const pc_metric_item *item = &items->item[i];
        const pc_json *list = detections ? item->prediction : pc_json_get(item->reference, "references");
        if (!pc_json_is_array(list) && !(detections && !list)) {
            return pc_fail(PC_ERR_DATA, "%s: %s: expected an array of boxes", item->where,
                           detections ? "prediction" : "references");
        }
        for (size_t k = 0; k < pc_json_length(list); k++) {
            PC_TRY(pc_grow(&out->box, &out->capacity, out->count + 1, sizeof *out->box, "boxes"));
            PC_TRY(read_box(&out->box[out->count], pc_json_at(list, k), i, detections, item->where));
            out->count++;
        }
    }
    return sort(out);
}

size_t pc_boxes_run(const pc_boxes *boxes, size_t at, bool same_image)
{
    const pc_box *first = &boxes->box[at];
    size_t end = at;
    while (end < boxes->count && pc_box_compare_category(&boxes->box[end], first) == 0 &&
           (!same_image || boxes->box[end].image == first->image)) {
        end++;
    }
    return end - at;
}

double pc_box_intersection(const pc_box *a, const pc_box *b, double pixel)
{
    double width = fmin(a->x + a->width, b->x + b->width) - fmax(a->x, b->x) + pixel;
    double height = fmin(a->y + a->height, b->y + b->height) - fmax(a->y, b->y) + pixel;
    return width > 0 && height > 0 ? width * height : 0;
}

double pc_box_iou(const pc_box *a, const pc_box *b, double pixel)
{
    double both = pc_box_intersection(a, b, pixel);
    double all = (a->width + pixel) * (a->height + pixel) + (b->width + pixel) * (b->height + pixel) - both;
    return all > 0 ? both / all : 0;
}
