/* Descriptions of drawn scenes: which objects do they name that aren't there (data/scenes_claims.h)? CHAIR's figures (Rohrbach
 * et al. 2018), an object being a colour with a shape, each as often as it is there.
 *
 *   chair_s = descriptions with a wrong object / descriptions;  chair_i = wrong mentions / mentions;  both in percent
 *   recall = objects that are there and named / objects that are there;  named = mentions of a description
 */
#include "data/scenes_claims.h"
#include "eval/metric/metric.h"

typedef struct sums {
    double captions, wrong_captions, named, wrong, there, found;
} sums;

static double percent(double part, double whole)
{
    return whole > 0 ? 100 * part / whole : 0;
}

static pc_status score_item(sums *sum, const pc_metric_item *item, pc_json *detail)
{
    const char *truth;
    PC_TRY(pc_metric_reference(&truth, item, 0));
    pc_scene_agreement a = pc_scene_compare(item->text, truth);
    sum->captions++;
    sum->wrong_captions += a.wrong > 0;
    sum->named += a.named;
    sum->wrong += a.wrong;
    sum->there += a.there;
    sum->found += a.found;
    PC_TRY(pc_metric_set(detail, "named", a.named));
    PC_TRY(pc_metric_set(detail, "wrong", a.wrong));
    return pc_metric_set(detail, "found", a.found);
}

static pc_status corpus_of(pc_json *corpus, pc_json *details, const pc_metric_items *items, const double *values)
{
    sums sum = {0};
    (void)values;
    for (size_t i = 0; i < items->count; i++) {
        PC_TRY(score_item(&sum, &items->item[i], pc_json_at(details, i)));
    }
    PC_TRY(pc_metric_set(corpus, "chair_s", percent(sum.wrong_captions, sum.captions)));
    PC_TRY(pc_metric_set(corpus, "chair_i", percent(sum.wrong, sum.named)));
    PC_TRY(pc_metric_set(corpus, "recall", percent(sum.found, sum.there)));
    return pc_metric_set(corpus, "named", sum.captions > 0 ? sum.named / sum.captions : 0);
}

const pc_metric pc_metric_scene_claims = {
    .name = "scene_claims", .help = "descriptions of drawn scenes: objects named that aren't there, and recall",
    .version = "scene-claims-1", .scale = 100, .corpus = corpus_of};
