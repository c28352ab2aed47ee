/* Average precision of detections as COCO defines it (Lin et al. 2014; cocodataset/cocoapi, cocoeval.py, boxes).
 *
 * For each category, range of areas and threshold t in .50, .55 ... .95: detections by falling score take the free object with
 * the largest IoU >= t. Precision is made non-increasing and read at 101 recalls 0, .01 ... 1; AP is the mean over
 * categories, thresholds and recalls; AR the mean of the largest recall with at most 1, 10, 100 detections of a category in a picture.
 *
 * Easy to get wrong: objects outside the range of areas, and crowds, are ignored, and so are detections that match them
 * or match nothing and lie outside the range; an object that counts is preferred to an ignored one; a crowd is matched any
 * number of times, and its "IoU" is intersection / area of the detection. A category without objects is left out.
 */
#include "base/memory.h"
#include "eval/metric/boxes.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { THRESHOLDS = 10, RECALLS = 101, DETECTIONS = 100 };
static const double RECALL_STEP = 0.01; /* multiplied, as numpy.linspace does: it decides where a recall is met exactly */

static const struct {
    const char *name;
    double low, high; /* pixels */
} ranges[] = {{"", 0, 1e10}, {"small", 0, 32 * 32}, {"medium", 32 * 32, 96 * 96}, {"large", 96 * 96, 1e10}};
enum { RANGES = sizeof ranges / sizeof *ranges };

/* A detection after matching; tp and ignored hold one bit for each threshold. */
typedef struct judged {
    double score;
    size_t order, rank; /* over all pictures; within its picture */
    unsigned tp, ignored;
} judged;

typedef struct scoring {
    pc_boxes objects, detections;
    judged *judged;
    size_t judged_count;
    int *matched;  /* scratch: of each object of a picture */
    size_t *order; /* scratch: objects of a picture, ignored ones last */
    size_t counted; /* objects of the category that aren't ignored */
} scoring;

typedef struct sums {
    double precision[THRESHOLDS], recall;
    int categories;
} sums;

static bool outside(const pc_box *box, int range)
{
    return box->area < ranges[range].low || box->area > ranges[range].high;
}

static bool ignored(const pc_box *box, int range)
{
    return box->crowd || outside(box, range);
}

/* COCO's overlap. */
static double overlap(const pc_box *detection, const pc_box *object)
{
    if (!object->crowd) {
        return pc_box_iou(detection, object, 0);
    }
    double area = detection->width * detection->height;
    return area > 0 ? pc_box_intersection(detection, object, 0) / area : 0;
}

/* The object that a detection takes at a threshold, or -1. */
static int take(const scoring *s, const pc_box *detection, const pc_box *object, size_t count, int range, double threshold)
{
    double best = fmin(threshold, 1 - 1e-10);
    int found = -1;
    for (size_t k = 0; k < count; k++) {
        int g = (int)s->order[k];
        if (s->matched[g] && !object[g].crowd) {
            continue;
        }
        if (found >= 0 && !ignored(&object[found], range) && ignored(&object[g], range)) {
            break;
        }
        double iou = overlap(detection, &object[g]);
        if (iou >= best) {
            best = iou;
            found = g;
        }
    }
    return found;
}

static void order_objects(scoring *s, const pc_box *object, size_t count, int range)
{
    size_t at = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t g = 0; g < count; g++) {
            if (ignored(&object[g], range) == (pass == 1)) {
                s->order[at++] = g;
            }
        }
    }
}

static void match_picture(scoring *s, const pc_box *detection, size_t detections, const pc_box *object, size_t objects, int range)
{
    size_t first = s->judged_count;
    detections = detections < DETECTIONS ? detections : DETECTIONS;
    order_objects(s, object, objects, range);
    for (size_t d = 0; d < detections; d++) {
        s->judged[s->judged_count++] = (judged){.score = detection[d].score, .order = first + d, .rank = d};
    }
    for (int t = 0; t < THRESHOLDS; t++) {
        memset(s->matched, 0, objects * sizeof *s->matched);
        for (size_t d = 0; d < detections; d++) {
            int g = take(s, &detection[d], object, objects, range, 0.5 + 0.05 * t);
            judged *out = &s->judged[first + d];
            if (g >= 0) {
                s->matched[g] = 1;
            }
            bool passed_over = g >= 0 ? ignored(&object[g], range) : outside(&detection[d], range);
            out->ignored |= (unsigned)passed_over << t;
            out->tp |= (unsigned)(g >= 0 && !passed_over) << t;
        }
    }
}

/* --- curves --- */

static int by_score(const void *a, const void *b)
{
    const judged *x = a, *y = b;
    if (x->score != y->score) {
        return x->score > y->score ? -1 : 1;
    }
    return x->order < y->order ? -1 : 1;
}

/* *recall = the largest with at most `most` detections of a picture; the mean precision is returned. */
static pc_status curve(double *mean, double *recall, const scoring *s, int t, size_t most)
{
    double *precision = NULL, *reached = NULL, tp = 0, fp = 0, sum = 0;
    pc_status status;
    size_t n = 0;
    PC_GO(PC_NEW_ARRAY(precision, s->judged_count, "precisions"));
    PC_GO(PC_NEW_ARRAY(reached, s->judged_count, "recalls"));
    for (size_t i = 0; i < s->judged_count; i++) {
        const judged *d = &s->judged[i];
        if (d->rank >= most) {
            continue;
        }
        tp += d->tp >> t & 1;
        fp += !(d->tp >> t & 1) && !(d->ignored >> t & 1);
        reached[n] = tp / (double)s->counted;
        precision[n++] = tp / (fp + tp + DBL_EPSILON);
    }
    for (size_t i = n; i-- > 1;) {
        precision[i - 1] = fmax(precision[i - 1], precision[i]);
    }
    for (size_t r = 0, i = 0; r < RECALLS; r++) {
        for (; i < n && reached[i] < (double)r * RECALL_STEP; i++) {
        }
        sum += i < n ? precision[i] : 0;
    }
    *mean = sum / RECALLS;
    *recall = n ? reached[n - 1] : 0;
done:
    pc_free(precision);
    pc_free(reached);
    return status;
}

static pc_status add_category(sums out[RANGES][3], scoring *s, int range)
{
    static const size_t most[3] = {1, 10, DETECTIONS};
    if (!s->counted) {
        return PC_OK;
    }
    qsort(s->judged, s->judged_count, sizeof *s->judged, by_score);
    for (int m = range ? 2 : 0; m < 3; m++) {
        out[range][m].categories++;
        for (int t = 0; t < THRESHOLDS; t++) {
            double precision, recall;
            PC_TRY(curve(&precision, &recall, s, t, most[m]));
            out[range][m].precision[t] += precision;
            out[range][m].recall += recall / THRESHOLDS;
        }
    }
    return PC_OK;
}

/* --- walking over categories and pictures: both lists are sorted by category, then picture --- */

static int compare_runs(const scoring *s, size_t d, size_t g)
{
    if (d == s->detections.count || g == s->objects.count) {
        return d < s->detections.count ? -1 : 1;
    }
    return pc_box_compare_category(&s->detections.box[d], &s->objects.box[g]);
}

static void match_category(scoring *s, size_t d, size_t d_end, size_t g, size_t g_end, int range)
{
    s->judged_count = s->counted = 0;
    for (size_t k = g; k < g_end; k++) {
        s->counted += !ignored(&s->objects.box[k], range);
    }
    while (d < d_end) {
        const pc_box *detection = &s->detections.box[d];
        size_t detections = pc_boxes_run(&s->detections, d, true), objects = 0;
        for (; g < g_end && s->objects.box[g].image < detection->image; g++) {
        }
        if (g < g_end && s->objects.box[g].image == detection->image) {
            objects = pc_boxes_run(&s->objects, g, true);
        }
        match_picture(s, detection, detections, s->objects.box + g, objects, range);
        d += detections;
    }
}

static pc_status all_categories(sums out[RANGES][3], scoring *s)
{
    size_t d = 0, g = 0;
    while (d < s->detections.count || g < s->objects.count) {
        int order = compare_runs(s, d, g);
        size_t d_end = d + (order <= 0 ? pc_boxes_run(&s->detections, d, false) : 0);
        size_t g_end = g + (order >= 0 ? pc_boxes_run(&s->objects, g, false) : 0);
        for (int range = 0; range < RANGES && g_end > g; range++) {
            match_category(s, d, d_end, g, g_end, range);
            PC_TRY(add_category(out, s, range));
        }
        d = d_end;
        g = g_end;
    }
    return PC_OK;
}

/* -1 where no category has an object, as the original. */
static double over(double sum, int count)
{
    return count ? sum / count : -1;
}

static pc_status set_values(pc_json *corpus, sums out[RANGES][3])
{
    static const char *const ap[RANGES] = {"AP", "AP_small", "AP_medium", "AP_large"};
    static const char *const ar[RANGES] = {"AR_100", "AR_small", "AR_medium", "AR_large"};
    for (int range = 0; range < RANGES; range++) {
        const sums *one = &out[range][2];
        double sum = 0;
        for (int t = 0; t < THRESHOLDS; t++) {
            sum += one->precision[t] / THRESHOLDS;
        }
        PC_TRY(pc_metric_set(corpus, ap[range], over(sum, one->categories)));
        PC_TRY(pc_metric_set(corpus, ar[range], over(one->recall, one->categories)));
    }
    PC_TRY(pc_metric_set(corpus, "AP_50", over(out[0][2].precision[0], out[0][2].categories)));
    PC_TRY(pc_metric_set(corpus, "AP_75", over(out[0][2].precision[5], out[0][2].categories)));
    PC_TRY(pc_metric_set(corpus, "AR_1", over(out[0][0].recall, out[0][0].categories)));
    return pc_metric_set(corpus, "AR_10", over(out[0][1].recall, out[0][1].categories));
}

static pc_status coco_ap(pc_json *corpus, pc_json *details, const pc_metric_items *items, const double *values)
{
    scoring s = {0};
    sums out[RANGES][3];
    pc_status status;
    (void)details;
    (void)values;
    memset(out, 0, sizeof out);
    PC_GO(pc_boxes_read(&s.objects, items, false));
    PC_GO(pc_boxes_read(&s.detections, items, true));
    PC_GO(PC_NEW_ARRAY(s.judged, s.detections.count, "judged detections"));
    PC_GO(PC_NEW_ARRAY(s.matched, s.objects.count, "matched objects"));
    PC_GO(PC_NEW_ARRAY(s.order, s.objects.count, "an order of objects"));
    PC_GO(all_categories(out, &s));
    PC_GO(set_values(corpus, out));
done:
    pc_free(s.objects.box);
    pc_free(s.detections.box);
    pc_free(s.judged);
    pc_free(s.matched);
    pc_free(s.order);
    return status;
}

const pc_metric pc_metric_coco_ap = {
    .name = "coco_ap", .help = "detection: COCO's AP and AR of boxes", .version = "coco_ap-1", .scale = 1, .missing_allowed = true,
    .corpus = coco_ap};
