/* Beam search over log-probabilities: which sequences go on, which have ended, when it is over. Knows no model.
 *
 *   candidates = the (1 + end ids) b best of running score + ln p, over the b beams of a group
 *   an ended candidate among the first b -> ended answers, with score / tokens ^ length_penalty; the first b others run on
 *
 * Equal to transformers' beam search (generation/utils.py, _beam_search). Groups: diverse beam search, Vijayakumar et al.
 * 2016 (arXiv:1610.02424), each group with its own ended answers. Sampling: beams drawn without replacement by the
 * Gumbel-top-k trick (Kool et al. 2019, arXiv:1903.06059).
 */
#ifndef PC_DECODE_BEAM_H
#define PC_DECODE_BEAM_H

#include "decode/decoding.h"
#include "text/ids.h"

typedef struct pc_beams pc_beams;

typedef struct pc_beams_setup {
    const pc_decoding *how; /* beams, groups, diversity, length_penalty, early_stopping; borrowed for the call */
    size_t vocabulary;      /* V */
    const pc_ids *prompt, *ends; /* borrowed for the call; ids at which a sequence ends */
    size_t most;            /* tokens of an answer, >= 1 */
    bool draws;             /* candidates are drawn */
    uint64_t seed;          /* of the draws */
} pc_beams_setup;

pc_status pc_beams_new(pc_beams **out, const pc_beams_setup *setup);
void pc_beams_free(pc_beams *beams);

/* Prompt and answer so far of a beam; *count ids. Valid until the next pc_beams_advance. */
const int32_t *pc_beams_history(const pc_beams *beams, int64_t beam, size_t *count);

/* scores [B,V]: log-probabilities of the next token of each beam; -INFINITY = never. Beam i becomes what parents[i] was, and
 * reads ids[i]. *over: the search has ended, and there is nothing more to read. PC_ERR_DATA when no candidate is left. */
pc_status pc_beams_advance(pc_beams *beams, const float *scores, int32_t *parents, int32_t *ids, bool *over);

/* Where a search stands, to go back there; pc_beams_state_free. */
typedef struct pc_beams_state pc_beams_state;
pc_status pc_beams_save(const pc_beams *beams, pc_beams_state **out);
void pc_beams_restore(pc_beams *beams, const pc_beams_state *state); /* of the same search */
void pc_beams_state_free(pc_beams_state *state);                     /* NULL is fine */

/* The best answer so far: an ended one, or else the best that runs; log_probabilities [count] as they were given. */
typedef struct pc_beam_answer {
    const int32_t *ids;
    const float *log_probabilities;
    size_t count;
    double score; /* with the length penalty when it has ended, else the sum */
} pc_beam_answer;
pc_beam_answer pc_beams_best(const pc_beams *beams);

#endif
