#include "decode/search.h"

#include "base/memory.h"
#include "base/signal.h"

#include <string.h>

void pc_found_clear(pc_found *found)
{
    pc_ids_clear(&found->ids);
    pc_free(found->log_probabilities);
    *found = (pc_found){0};
}

pc_status pc_found_add(pc_found *found, int32_t id, float log_probability)
{
    PC_TRY(pc_grow(&found->log_probabilities, &found->capacity, found->ids.count + 1, sizeof(float), "an answer"));
    PC_TRY(pc_ids_push(&found->ids, id));
    found->log_probabilities[found->ids.count - 1] = log_probability;
    return PC_OK;
}

/* --- beams --- */

static void normalise(float *scores, int64_t count)
{
    double sum = pc_log_sum(scores, count);
    for (int64_t i = 0; i < count; i++) {
        scores[i] = (float)((double)scores[i] - sum);
    }
}

pc_status pc_search_weigh(const pc_search *search, const pc_beams *beams, int64_t beam, float *scores)
{
    size_t count;
    const int32_t *history = pc_beams_history(beams, beam, &count);
    normalise(scores, search->lanes->vocabulary);
    return search->draws ? pc_sampling_apply(search->sampling, scores, history, count)
                         : pc_sampling_penalise(search->sampling, scores, history, count);
}

static pc_status step_beams(const pc_search *search, pc_beams *beams, int32_t *parents, int32_t *ids, bool *over)
{
    for (int64_t i = 0; i < search->how->beams; i++) {
        PC_TRY(pc_search_weigh(search, beams, i, pc_lanes_scores(search->lanes, i)));
    }
    PC_TRY(pc_beams_advance(beams, search->lanes->scores, parents, ids, over));
    return *over ? PC_OK : pc_lanes_step(search->lanes, parents, ids);
}

static pc_status run_beams(const pc_search *search, pc_beams *beams)
{
    int32_t *parents = NULL, *ids = NULL;
    int64_t count = search->how->beams;
    pc_status status;
    PC_GO(PC_NEW_ARRAY(parents, (size_t)count, "beams"));
    PC_GO(PC_NEW_ARRAY(ids, (size_t)count, "beams"));
    pc_lanes_begin(search->lanes, count, search->lengths);
    for (bool over = false; !over && !pc_signal_pending();) {
        PC_GO(step_beams(search, beams, parents, ids, &over));
    }
done:
    pc_free(parents);
    pc_free(ids);
    return status;
}

pc_status pc_search_beams(const pc_search *search, pc_found *out)
{
    pc_beams *beams = NULL;
    if (search->how->method && search->how->method->over_trust) {
        return pc_search_over_trust(search, out);
    }
    const pc_beams_setup setup = {.how = search->how, .vocabulary = (size_t)search->lanes->vocabulary,
                                  .prompt = search->prompt, .ends = search->ends, .most = search->most,
                                  .draws = search->draws, .seed = search->sampling->seed};
    pc_status status;
    pc_ids_reset(&out->ids);
    PC_GO(pc_beams_new(&beams, &setup));
    PC_GO(run_beams(search, beams));
    const pc_beam_answer best = pc_beams_best(beams);
    for (size_t i = 0; i < best.count; i++) {
        PC_GO(pc_found_add(out, best.ids[i], best.log_probabilities[i]));
    }
done:
    pc_beams_free(beams);
    return status;
}

/* --- choices --- */

/* Log-probabilities of up to L choices side by side. */
static pc_status judge_some(const pc_search *search, const pc_ids *choices, int64_t count, int32_t *ids, double *sums)
{
    pc_lanes *lanes = search->lanes;
    bool left = true;
    pc_lanes_begin(lanes, count, search->lengths);
    for (size_t at = 0; left && !pc_signal_pending(); at++) {
        left = false;
        for (int64_t i = 0; i < count; i++) {
            const float *scores = pc_lanes_scores(lanes, i);
            if (at < choices[i].count) {
                sums[i] += (double)scores[choices[i].data[at]] - pc_log_sum(scores, lanes->vocabulary);
            }
            ids[i] = at + 1 < choices[i].count ? choices[i].data[at] : -1;
            left = left || ids[i] >= 0;
        }
        PC_TRY(pc_lanes_step(lanes, NULL, ids));
    }
    return PC_OK;
}

pc_status pc_search_choices(const pc_search *search, const pc_ids *choices, size_t count, double *sums)
{
    int32_t *ids = NULL;
    int64_t most = search->lanes->most;
    pc_status status;
    PC_GO(PC_NEW_ARRAY(ids, (size_t)most, "choices"));
    memset(sums, 0, count * sizeof *sums);
    for (size_t at = 0; at < count; at += (size_t)most) {
        int64_t now = (int64_t)(count - at) < most ? (int64_t)(count - at) : most;
        PC_GO(judge_some(search, choices + at, now, ids, sums + at));
    }
done:
    pc_free(ids);
    return status;
}
