/* ROUGE-L as coco-caption computes it (Lin 2004): over the longest common subsequence of words,
 *
 *   P = max over references of LCS / |candidate|,  R = max of LCS / |reference|   (each maximum for itself)
 *   F = (1 + b^2) P R / (R + b^2 P),  b = 1.2;  the corpus' value is the mean
 */
#include "base/memory.h"
#include "eval/metric/captions.h"

#include <math.h>

static const double BETA = 1.2;

static pc_status longest_common(size_t *out, const pc_words *a, const pc_words *b)
{
    size_t *row = NULL;
    PC_TRY(PC_NEW_ARRAY(row, b->count + 1, "a row of subsequences"));
    for (size_t i = 0; i < a->count; i++) {
        size_t diagonal = 0;
        for (size_t k = 0; k < b->count; k++) {
            size_t above = row[k + 1];
            if (a->id[i] == b->id[k]) {
                row[k + 1] = diagonal + 1;
            } else if (row[k] > above) {
                row[k + 1] = row[k];
            }
            diagonal = above;
        }
    }
    *out = row[b->count];
    pc_free(row);
    return PC_OK;
}

static double ratio(size_t part, size_t whole)
{
    return whole ? (double)part / (double)whole : 0;
}

static pc_status score_item(double *out, const pc_caption *candidate, const pc_caption *references, size_t count)
{
    double p = 0, r = 0;
    for (size_t k = 0; k < count; k++) {
        size_t common;
        PC_TRY(longest_common(&common, &candidate->text, &references[k].text));
        p = fmax(p, ratio(common, candidate->text.count));
        r = fmax(r, ratio(common, references[k].text.count));
    }
    *out = p > 0 && r > 0 ? (1 + BETA * BETA) * p * r / (r + BETA * BETA * p) : 0;
    return PC_OK;
}

static pc_status rouge_l(pc_json *corpus, pc_json *details, const pc_metric_items *items, const double *values)
{
    pc_captions captions;
    double sum = 0;
    pc_status status;
    (void)values;
    PC_GO(pc_captions_read(&captions, items));
    for (size_t i = 0; i < captions.count; i++) {
        double one;
        PC_GO(score_item(&one, &captions.candidate[i], captions.reference[i], captions.references[i]));
        PC_GO(pc_metric_set(pc_json_at(details, i), "rouge_l", one));
        sum += one;
    }
    PC_GO(pc_metric_set(corpus, "rouge_l", sum / (double)captions.count));
done:
    pc_captions_clear(&captions);
    return status;
}

const pc_metric pc_metric_rouge_l = {
    .name = "rouge_l", .help = "captions: ROUGE-L (coco-caption)", .version = "rouge_l-1", .scale = 1, .corpus = rouge_l};
