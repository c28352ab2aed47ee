/* Boxes of objects in pictures, as detection metrics compare them. */
#ifndef PC_EVAL_METRIC_BOXES_H
#define PC_EVAL_METRIC_BOXES_H

#include "eval/metric/metric.h"

typedef struct pc_box {
    const char *category; /* a name, or NULL when it is a number */
    int64_t number;
    size_t image;              /* index of the item */
    double x, y, width, height; /* pixels; x, y = upper left corner */
    double area;               /* pixels; of the object's mask when the file tells it */
    double score;              /* of a detection */
    bool crowd;                /* an annotation of several objects, which may be matched more than once */
} pc_box;

typedef struct pc_boxes {
    pc_box *box; /* by category, then image, then falling score; otherwise in file order */
    size_t count, capacity;
} pc_boxes;

/* From "references": [{"category", "bbox": [x, y, w, h], "area"?, "iscrowd"?}] of every item, or (detections) from
 * "prediction": [{"category", "bbox", "score"}]; an item without prediction has none. pc_free(out->box) also after a failure. */
pc_status pc_boxes_read(pc_boxes *out, const pc_metric_items *items, bool detections);
int pc_box_compare_category(const pc_box *a, const pc_box *b);
/* Boxes from `at` on that have the category of box[at] (and its image). */
size_t pc_boxes_run(const pc_boxes *boxes, size_t at, bool same_image);

/* Four numbers of a JSON array. PC_ERR_DATA names `where` and key. */
pc_status pc_box_numbers(double out[4], const pc_json *array, const char *key, const char *where);
/* Intersection over union of two boxes; `pixel` = 1 counts both borders in (Pascal VOC), 0 does not. */
double pc_box_iou(const pc_box *a, const pc_box *b, double pixel);
double pc_box_intersection(const pc_box *a, const pc_box *b, double pixel);

#endif
