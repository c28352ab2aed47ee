/* CIDEr (Vedantam et al. 2015): cosine of n-gram vectors weighted by inverse document frequency, mean over n = 1..4 and over
 * the references, times 10.
 *
 *   weight(g) = count * (ln #items - ln max(1, items whose references hold g))
 *   CIDEr:    sum_g h_g r_g / (|h| |r|)
 *   CIDEr-D:  sum_g min(h_g, r_g) r_g / (|h| |r|) * exp(-d^2 / (2 * 6^2)),  d = difference in number of bigrams
 *
 * What coco-caption prints as "CIDEr" is CIDEr-D, so `cider` is that; `cider_plain` is the first formula. The document
 * frequencies are the scored set's own: a single item scores 0.
 */
#include "base/memory.h"
#include "eval/metric/captions.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double SIGMA = 6; /* of the penalty for another length */

typedef struct cider {
    pc_captions captions;
    pc_ngrams documents; /* count = items whose references hold it */
    double log_items;
    bool d;
} cider;

static double weight(const cider *c, const pc_ngram *gram)
{
    const pc_ngram *seen = pc_ngrams_find(&c->documents, gram);
    return gram->count * (c->log_items - log(seen ? seen->count : 1));
}

/* --- document frequencies --- */

static size_t merge_equal(pc_ngram *gram, size_t count, bool sum)
{
    size_t kept = 0;
    qsort(gram, count, sizeof *gram, pc_ngram_compare);
    for (size_t i = 0; i < count; i++) {
        if (kept && pc_ngram_compare(&gram[kept - 1], &gram[i]) == 0) {
            gram[kept - 1].count += sum;
        } else {
            gram[kept] = gram[i];
            gram[kept++].count = 1;
        }
    }
    return kept;
}

static pc_status count_documents(cider *c)
{
    const pc_captions *captions = &c->captions;
    size_t all = 0, at = 0;
    for (size_t i = 0; i < captions->count; i++) {
        for (size_t k = 0; k < captions->references[i]; k++) {
            all += captions->reference[i][k].grams.count;
        }
    }
    PC_TRY(PC_NEW_ARRAY(c->documents.gram, all, "document frequencies"));
    for (size_t i = 0; i < captions->count; i++) {
        pc_ngram *own = c->documents.gram + at;
        size_t count = 0;
        for (size_t k = 0; k < captions->references[i]; k++) {
            const pc_ngrams *grams = &captions->reference[i][k].grams;
            if (grams->count) {
                memcpy(own + count, grams->gram, grams->count * sizeof *own);
            }
            count += grams->count;
        }
        at += merge_equal(own, count, false);
    }
    c->documents.count = merge_equal(c->documents.gram, at, true);
    return PC_OK;
}

/* --- similarity --- */

static void norms(double out[PC_NGRAM_MAX], const cider *c, const pc_ngrams *grams)
{
    double squares[PC_NGRAM_MAX] = {0};
    for (size_t i = 0; i < grams->count; i++) {
        double w = weight(c, &grams->gram[i]);
        squares[grams->gram[i].n - 1] += w * w;
    }
    for (int n = 0; n < PC_NGRAM_MAX; n++) {
        out[n] = sqrt(squares[n]);
    }
}

static double bigrams(const pc_caption *caption)
{
    return caption->text.count ? (double)caption->text.count - 1 : 0;
}

/* The sum over n of the similarities with one reference. */
static double similarity(const cider *c, const pc_caption *h, const pc_caption *r)
{
    double dot[PC_NGRAM_MAX] = {0}, h_norm[PC_NGRAM_MAX], r_norm[PC_NGRAM_MAX], sum = 0;
    for (size_t i = 0; i < h->grams.count; i++) {
        const pc_ngram *gram = &h->grams.gram[i], *same = pc_ngrams_find(&r->grams, gram);
        if (same) {
            double a = weight(c, gram), b = weight(c, same);
            dot[gram->n - 1] += (c->d && b < a ? b : a) * b;
        }
    }
    norms(h_norm, c, &h->grams);
    norms(r_norm, c, &r->grams);
    double delta = bigrams(h) - bigrams(r);
    for (int n = 0; n < PC_NGRAM_MAX; n++) {
        double both = h_norm[n] * r_norm[n];
        sum += (both > 0 ? dot[n] / both : dot[n]) * (c->d ? exp(-delta * delta / (2 * SIGMA * SIGMA)) : 1);
    }
    return sum;
}

static pc_status score(pc_json *corpus, pc_json *details, const pc_metric_items *items, const char *name, bool d)
{
    cider c = {.d = d, .log_items = log((double)items->count)};
    double sum = 0;
    pc_status status;
    PC_GO(pc_captions_read(&c.captions, items));
    PC_GO(count_documents(&c));
    for (size_t i = 0; i < items->count; i++) {
        double one = 0;
        for (size_t k = 0; k < c.captions.references[i]; k++) {
            one += similarity(&c, &c.captions.candidate[i], &c.captions.reference[i][k]);
        }
        one *= 10.0 / PC_NGRAM_MAX / (double)c.captions.references[i];
        PC_GO(pc_metric_set(pc_json_at(details, i), name, one));
        sum += one;
    }
    PC_GO(pc_metric_set(corpus, name, sum / (double)items->count));
done:
    pc_captions_clear(&c.captions);
    pc_free(c.documents.gram);
    return status;
}

static pc_status cider_coco(pc_json *corpus, pc_json *details, const pc_metric_items *items, const double *values)
{
    (void)values;
    return score(corpus, details, items, "cider", true);
}

static pc_status cider_d(pc_json *corpus, pc_json *details, const pc_metric_items *items, const double *values)
{
    (void)values;
    return score(corpus, details, items, "cider_d", true);
}

static pc_status cider_plain(pc_json *corpus, pc_json *details, const pc_metric_items *items, const double *values)
{
    (void)values;
    return score(corpus, details, items, "cider_plain", false);
}

const pc_metric pc_metric_cider = {
    .name = "cider", .help = "captions: what coco-caption prints as CIDEr (that is CIDEr-D)", .version = "cider-1", .scale = 1,
    .corpus = cider_coco};
const pc_metric pc_metric_cider_d = {
    .name = "cider_d", .help = "captions: CIDEr-D", .version = "cider-1", .scale = 1, .corpus = cider_d};
const pc_metric pc_metric_cider_plain = {
    .name = "cider_plain", .help = "captions: CIDEr without clipping and length penalty", .version = "cider-1", .scale = 1,
    .corpus = cider_plain};
