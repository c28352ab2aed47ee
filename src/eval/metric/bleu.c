/* BLEU-1 to 4 as coco-caption computes it (Papineni et al. 2002; scorer by David Chiang): counts clipped at the maximum over
 * the references, the reference length closest to the candidate's (tie: the shorter), both summed over the corpus.
 *
 *   P_n = prod_{k<=n} (correct_k + 1e-15) / (guess_k + 1e-9)      BLEU-n = P_n^(1/n) * min(1, exp(1 - 1/r))
 *   r = (length + 1e-15) / (reference length + 1e-9)
 */
#include "eval/metric/captions.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const double TINY = 1e-15, SMALL = 1e-9; /* coco-caption's bleu_scorer.py */

typedef struct counts {
    double correct[PC_NGRAM_MAX], guess[PC_NGRAM_MAX];
    double length, reference;
} counts;

static double closest_length(const pc_caption *references, size_t count, size_t length)
{
    size_t best = references[0].text.count;
    for (size_t k = 1; k < count; k++) {
        size_t other = references[k].text.count;
        long a = labs((long)best - (long)length), b = labs((long)other - (long)length);
        if (b < a || (b == a && other < best)) {
            best = other;
        }
    }
    return (double)best;
}

static void count_item(counts *out, const pc_caption *candidate, const pc_caption *references, size_t count)
{
    *out = (counts){.length = (double)candidate->text.count};
    out->reference = closest_length(references, count, candidate->text.count);
    for (int n = 1; n <= PC_NGRAM_MAX; n++) {
        out->guess[n - 1] = fmax(0, out->length - n + 1);
    }
    for (size_t i = 0; i < candidate->grams.count; i++) {
        const pc_ngram *gram = &candidate->grams.gram[i];
        int most = 0;
        for (size_t k = 0; k < count; k++) {
            const pc_ngram *same = pc_ngrams_find(&references[k].grams, gram);
            most = same && same->count > most ? same->count : most;
        }
        out->correct[gram->n - 1] += most < gram->count ? most : gram->count;
    }
}

static void add(counts *sum, const counts *one)
{
    for (int n = 0; n < PC_NGRAM_MAX; n++) {
        sum->correct[n] += one->correct[n];
        sum->guess[n] += one->guess[n];
    }
    sum->length += one->length;
    sum->reference += one->reference;
}

static pc_status set_scores(pc_json *into, const counts *c)
{
    double product = 1, ratio = (c->length + TINY) / (c->reference + SMALL);
    for (int n = 0; n < PC_NGRAM_MAX; n++) {
        char key[16];
        snprintf(key, sizeof key, "bleu_%d", n + 1);
        product *= (c->correct[n] + TINY) / (c->guess[n] + SMALL);
        PC_TRY(pc_metric_set(into, key, pow(product, 1.0 / (n + 1)) * (ratio < 1 ? exp(1 - 1 / ratio) : 1)));
    }
    return PC_OK;
}

static pc_status bleu(pc_json *corpus, pc_json *details, const pc_metric_items *items, const double *values)
{
    pc_captions captions;
    counts sum = {0};
    pc_status status;
    (void)values;
    PC_GO(pc_captions_read(&captions, items));
    for (size_t i = 0; i < captions.count; i++) {
        counts one;
        count_item(&one, &captions.candidate[i], captions.reference[i], captions.references[i]);
        add(&sum, &one);
        PC_GO(set_scores(pc_json_at(details, i), &one));
    }
    PC_GO(set_scores(corpus, &sum));
    PC_GO(pc_metric_set(corpus, "length", sum.length));
    PC_GO(pc_metric_set(corpus, "reference_length", sum.reference));
done:
    pc_captions_clear(&captions);
    return status;
}

const pc_metric pc_metric_bleu = {
    .name = "bleu", .help = "captions: BLEU-1 to 4 of the corpus (coco-caption)", .version = "bleu-1", .scale = 1, .corpus = bleu};
