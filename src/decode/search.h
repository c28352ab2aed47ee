/* Whole answers looked for over lanes: by beam search, or the likeliest of given texts.
 *
 * Takes: lanes whose prompt is read. Gives: ids of the answer with their log-probabilities.
 */
#ifndef PC_DECODE_SEARCH_H
#define PC_DECODE_SEARCH_H

#include "decode/beam.h"
#include "decode/decoding.h"
#include "decode/lanes.h"
#include "decode/sampler.h"
#include "prompt/prompt.h"
#include "text/ids.h"

typedef struct pc_search {
    pc_lanes *lanes;
    pc_sampling *sampling;   /* penalties, and with `draws` all samplers */
    const pc_decoding *how;
    const int64_t *lengths;  /* [W] tokens of the prompts */
    const pc_ids *prompt;    /* of the first view */
    const pc_ids *ends;      /* ids at which an answer ends */
    size_t most;             /* tokens of an answer, >= 1 */
    bool draws;
    const pc_slot *slots;    /* of the prompt's pictures, as the next */
    size_t slot_count;
} pc_search;

/* Initialise with {0}; release with pc_found_clear. */
typedef struct pc_found {
    pc_ids ids;
    float *log_probabilities; /* [ids.count] */
    size_t capacity;
} pc_found;

void pc_found_clear(pc_found *found);
pc_status pc_found_add(pc_found *found, int32_t id, float log_probability);

/* *out is overwritten. A signal ends the search with the best answer so far. */
pc_status pc_search_beams(const pc_search *search, pc_found *out);
/* The same by the method's over_trust (over_trust.c); lanes->most is at least beams * candidates. */
pc_status pc_search_over_trust(const pc_search *search, pc_found *out);
/* Scores [V] of `beam` become log-probabilities of its next token, the samplers applied: as transformers, to log-probabilities. */
pc_status pc_search_weigh(const pc_search *search, const pc_beams *beams, int64_t beam, float *scores);
/* sums[i] = log-probability of choices[i] [count], each at least one id. */
pc_status pc_search_choices(const pc_search *search, const pc_ids *choices, size_t count, double *sums);

#endif
