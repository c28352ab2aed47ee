/* Average precision of detections as Pascal VOC defines it (Everingham et al. 2010): detections of all pictures by falling
 * score; each belongs to the object of its picture with the largest IoU, and is right when that reaches the threshold and
 * the object was not found before. AP is the area under the precision made non-increasing ("ap"), or the mean at 11
 * recalls ("ap_11", VOC 2007); mean over categories. Boxes include their border pixels. */
#include "base/memory.h"
#include "eval/metric/boxes.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const double thresholds[] = {0.1, 0.3, 0.5, 0.75};
enum { THRESHOLDS = sizeof thresholds / sizeof *thresholds };

typedef struct scoring {
    pc_boxes objects, detections;
    bool *found;                    /* of each object */
    double *precision, *recall;     /* of each detection of a category */
} scoring;

static int by_score(const void *a, const void *b)
{
    const pc_box *x = a, *y = b;
    if (x->score != y->score) {
        return x->score > y->score ? -1 : 1;
    }
    return (x->image > y->image) - (x->image < y->image);
}

static bool is_right(scoring *s, const pc_box *detection, size_t g, size_t count, double threshold)
{
    size_t best = count;
    double most = -1;
    for (size_t k = g; k < g + count; k++) {
        double iou = s->objects.box[k].image == detection->image ? pc_box_iou(detection, &s->objects.box[k], 1) : -1;
        if (iou > most) {
            most = iou;
            best = k;
        }
    }
    if (most < threshold || s->found[best]) {
        return false;
    }
    return s->found[best] = true;
}

static double eleven_points(const scoring *s, size_t n)
{
    double sum = 0;
    for (int r = 0; r <= 10; r++) {
        double most = 0;
        for (size_t i = 0; i < n; i++) {
            most = s->recall[i] >= r * 0.1 ? fmax(most, s->precision[i]) : most;
        }
        sum += most;
    }
    return sum / 11;
}

static double area(const scoring *s, size_t n)
{
    double sum = 0, most = 0;
    for (size_t i = n; i-- > 0;) {
        most = fmax(most, s->precision[i]);
        sum += most * (s->recall[i] - (i ? s->recall[i - 1] : 0));
    }
    return sum;
}

static void category_ap(double ap[2], scoring *s, size_t d, size_t detections, size_t g, size_t objects, double threshold)
{
    double right = 0;
    for (size_t k = g; k < g + objects; k++) {
        s->found[k] = false;
    }
    for (size_t i = 0; i < detections; i++) {
        right += is_right(s, &s->detections.box[d + i], g, objects, threshold);
        s->precision[i] = right / (double)(i + 1);
        s->recall[i] = right / (double)objects;
    }
    ap[0] += area(s, detections);
    ap[1] += eleven_points(s, detections);
}

static pc_status set_means(pc_json *corpus, scoring *s)
{
    for (int t = 0; t < THRESHOLDS; t++) {
        double ap[2] = {0};
        int categories = 0;
        char key[32];
        for (size_t g = 0, d = 0, objects; g < s->objects.count; g += objects, categories++) {
            objects = pc_boxes_run(&s->objects, g, false);
            for (; d < s->detections.count && pc_box_compare_category(&s->detections.box[d], &s->objects.box[g]) < 0; d++) {
            }
            bool some = d < s->detections.count && pc_box_compare_category(&s->detections.box[d], &s->objects.box[g]) == 0;
            size_t detections = some ? pc_boxes_run(&s->detections, d, false) : 0;
            qsort(s->detections.box + d, detections, sizeof(pc_box), by_score);
            category_ap(ap, s, d, detections, g, objects, thresholds[t]);
        }
        snprintf(key, sizeof key, "ap@%g", thresholds[t]);
        PC_TRY(pc_metric_set(corpus, key, categories ? ap[0] / categories : 0));
        snprintf(key, sizeof key, "ap_11@%g", thresholds[t]);
        PC_TRY(pc_metric_set(corpus, key, categories ? ap[1] / categories : 0));
    }
    return PC_OK;
}

static pc_status voc_ap(pc_json *corpus, pc_json *details, const pc_metric_items *items, const double *values)
{
    scoring s = {0};
    pc_status status;
    (void)details;
    (void)values;
    PC_GO(pc_boxes_read(&s.objects, items, false));
    PC_GO(pc_boxes_read(&s.detections, items, true));
    PC_GO(PC_NEW_ARRAY(s.found, s.objects.count, "found objects"));
    PC_GO(PC_NEW_ARRAY(s.precision, s.detections.count, "precisions"));
    PC_GO(PC_NEW_ARRAY(s.recall, s.detections.count, "recalls"));
    PC_GO(set_means(corpus, &s));
done:
    pc_free(s.objects.box);
    pc_free(s.detections.box);
    pc_free(s.found);
    pc_free(s.precision);
    pc_free(s.recall);
    return status;
}

const pc_metric pc_metric_voc_ap = {
    .name = "voc_ap", .help = "detection: Pascal VOC's AP of boxes, every point and 11 points", .version = "voc_ap-1", .scale = 1,
    .missing_allowed = true, .corpus = voc_ap};
