/* Beam search that looks one token ahead at what attention makes of the answer, and goes back when it leans on one token.
 *
 *   each beam: its N likeliest tokens are read;  a = last layer's weights, largest of the heads, over their sum
 *   s_j = 1e-7 prod over answer tokens i >= j of (sigma a_ij)      for every token j of the answer
 *   penalty = max_j s_j, found at token l;  while the answer is short: - the weight of the pictures
 *   score of a candidate = logit - alpha penalty, of all other tokens -999;  then the usual step of the beams
 *   l the same for more than r steps in every beam -> back to the step behind l, which must choose other tokens
 *
 * Source: Huang et al. 2023, arXiv:2311.17911, sections 3.2 and 3.3; the authors' generation/utils.py (opera_beam_search).
 * Easy to get wrong: s is rounded to half precision, so that most of it is 0 and l then is the first token, from where nothing
 * goes back; the step that is done again chooses among all tokens, by their logits alone; what it has refused stays refused
 * until the search goes back to the token before. Here a picture is its soft tokens; there one token more.
 */
#include "base/dtype.h"
#include "base/memory.h"
#include "base/signal.h"
#include "decode/search.h"

#include <math.h>
#include <string.h>

enum {
    SHORT = 10, /* tokens of an answer whose penalty is about the pictures */
    FIRST = 10, /* tokens from where on one goes back */
};
static const float NOT_ASKED = -999;
static const double TINY = 1e-7;
static const double LARGEST_HALF = 65504;

/* A step of the search: as it was before a token was chosen, and what was chosen. */
typedef struct moment {
    pc_beams_state *beams;
    double *products;      /* [B, written] */
    int64_t *leans;        /* [B]: l */
    int32_t *parents, *ids; /* [B] */
} moment;

typedef struct refusal {
    int64_t step;
    int32_t beam, id;
} refusal;

typedef struct doubt {
    const pc_search *search;
    const pc_over_trust *how;
    pc_beams *beams;
    int64_t count, each;   /* B, N */
    int64_t most, written; /* tokens of the answer */
    int64_t *homes;        /* [B]: the lane that has read a beam */
    double *products, *next; /* [B, most]: over the rows so far, of each column */
    double *row;           /* [most]: weights of the answer's tokens, times sigma */
    int32_t *candidates;   /* [B,N] */
    float *logits;         /* [B,N] */
    float *scores;         /* [B,V] */
    int32_t *parents, *ids; /* [B*N] */
    int64_t *leans;        /* [N] */
    moment *moments;       /* [most] */
    int64_t *returns;      /* [most + 2]: how often the search went back to a step */
    refusal *refusals;
    size_t refused, capacity;
} doubt;

/* --- making --- */

static void clear_moment(moment *m)
{
    pc_beams_state_free(m->beams);
    pc_free(m->products);
    pc_free(m->leans);
    pc_free(m->parents);
    pc_free(m->ids);
    *m = (moment){0};
}

static void clear(doubt *d)
{
    for (int64_t i = 0; d->moments && i < d->most; i++) {
        clear_moment(&d->moments[i]);
    }
    pc_free(d->homes);
    pc_free(d->products);
    pc_free(d->next);
    pc_free(d->row);
    pc_free(d->candidates);
    pc_free(d->logits);
    pc_free(d->scores);
    pc_free(d->parents);
    pc_free(d->ids);
    pc_free(d->leans);
    pc_free(d->moments);
    pc_free(d->returns);
    pc_free(d->refusals);
    pc_beams_free(d->beams);
}

/* Candidates are read even where they are the last tokens. */
static pc_status find_room(doubt *d)
{
    const pc_lanes *lanes = d->search->lanes;
    d->most = (int64_t)d->search->most;
    for (int64_t i = 0; i < lanes->views; i++) {
        const int64_t room = pc_session_context(lanes->session) - d->search->lengths[i];
        d->most = room < d->most ? room : d->most;
    }
    return d->most > 0 ? PC_OK : pc_fail(PC_ERR_DATA, "the prompt leaves no room for an answer (raise the context with -c)");
}

static pc_status make(doubt *d)
{
    const size_t count = (size_t)d->count, all = (size_t)(d->count * d->each), vocabulary = (size_t)d->search->lanes->vocabulary;
    const pc_beams_setup setup = {.how = d->search->how, .vocabulary = vocabulary, .prompt = d->search->prompt,
                                  .ends = d->search->ends, .most = (size_t)d->most, .draws = d->search->draws,
                                  .seed = d->search->sampling->seed};
    PC_TRY(PC_NEW_ARRAY(d->homes, count, "a search"));
    PC_TRY(pc_new_array(&d->products, count, (size_t)d->most * sizeof(double), "a search"));
    PC_TRY(pc_new_array(&d->next, count, (size_t)d->most * sizeof(double), "a search"));
    PC_TRY(PC_NEW_ARRAY(d->row, (size_t)d->most, "a search"));
    PC_TRY(PC_NEW_ARRAY(d->candidates, all, "a search"));
    PC_TRY(PC_NEW_ARRAY(d->logits, all, "a search"));
    PC_TRY(pc_new_array(&d->scores, count, vocabulary * sizeof(float), "a search"));
    PC_TRY(PC_NEW_ARRAY(d->parents, all, "a search"));
    PC_TRY(PC_NEW_ARRAY(d->ids, all, "a search"));
    PC_TRY(PC_NEW_ARRAY(d->leans, (size_t)d->each, "a search"));
    PC_TRY(PC_NEW_ARRAY(d->moments, (size_t)d->most, "a search"));
    PC_TRY(PC_NEW_ARRAY(d->returns, (size_t)d->most + 2, "a search"));
    return pc_beams_new(&d->beams, &setup);
}

/* --- looking ahead --- */

static bool is_chosen(const int32_t *ids, int64_t count, int32_t id)
{
    for (int64_t i = 0; i < count; i++) {
        if (ids[i] == id) {
            return true;
        }
    }
    return false;
}

/* The N likeliest tokens of a beam, the likeliest first. */
static void find_candidates(doubt *d, int64_t beam)
{
    const float *scores = pc_lanes_scores(d->search->lanes, d->homes[beam]);
    int32_t *ids = d->candidates + beam * d->each;
    for (int64_t c = 0; c < d->each; c++) {
        ids[c] = -1;
        for (int64_t i = 0; i < d->search->lanes->vocabulary; i++) {
            if ((ids[c] < 0 || scores[i] > scores[ids[c]]) && !is_chosen(ids, c, (int32_t)i)) {
                ids[c] = (int32_t)i;
            }
        }
        d->logits[beam * d->each + c] = scores[ids[c]];
    }
}

static pc_status read_candidates(doubt *d)
{
    for (int64_t i = 0; i < d->count * d->each; i++) {
        d->parents[i] = (int32_t)d->homes[i / d->each];
        d->ids[i] = d->candidates[i];
    }
    d->search->lanes->count = d->count * d->each;
    return pc_lanes_step(d->search->lanes, d->parents, d->ids);
}

/* d->row [written + 1] of the token that a lane has just read; returns the weight of the pictures. */
static double look(doubt *d, int64_t lane)
{
    const float *weights = pc_lanes_attention(d->search->lanes, lane);
    const int64_t prompt = d->search->lengths[0], length = prompt + d->written + 1;
    double sum = 0, seen = 0;
    for (int64_t i = 0; i < length; i++) {
        sum += (double)weights[i];
    }
    for (int64_t j = 0; j <= d->written; j++) {
        d->row[j] = d->how->scale_factor * (double)weights[prompt + j] / sum;
    }
    for (size_t s = 0; s < d->search->slot_count; s++) {
        const pc_slot *slot = &d->search->slots[s];
        for (size_t i = slot->first; i < slot->first + slot->count; i++) {
            seen += (double)weights[i];
        }
    }
    return seen / sum;
}

static double to_half(double x)
{
    return (double)pc_f16_to_f32(pc_f32_to_f16((float)(x < LARGEST_HALF ? x : LARGEST_HALF)));
}

/* max_j s_j with d->row as the newest row of a beam; *at = the first such j. */
static double trust(const doubt *d, int64_t beam, int64_t *at)
{
    const double *products = d->products + beam * d->most;
    double most = -1;
    for (int64_t j = 0; j <= d->written; j++) {
        double s = to_half(TINY * (j < d->written ? products[j] : 1) * d->row[j]);
        if (s > most) {
            most = s;
            *at = j;
        }
    }
    return most;
}

/* The commonest of values, of several the smallest. */
static int64_t commonest(const int64_t *values, int64_t count)
{
    int64_t best = 0, best_times = 0;
    for (int64_t i = 0; i < count; i++) {
        int64_t times = 0;
        for (int64_t k = 0; k < count; k++) {
            times += values[k] == values[i];
        }
        if (times > best_times || (times == best_times && values[i] < best)) {
            best = values[i];
            best_times = times;
        }
    }
    return best;
}

/* Penalties of all candidates; leans[beam] = l. */
static void penalise(doubt *d, int64_t *leans)
{
    for (int64_t b = 0; b < d->count; b++) {
        for (int64_t c = 0; c < d->each; c++) {
            const int64_t lane = b * d->each + c;
            const double seen = look(d, lane), most = trust(d, b, &d->leans[c]);
            d->logits[lane] -= (float)(d->how->penalty_weights * (d->written + 1 <= SHORT ? -seen : most));
        }
        leans[b] = commonest(d->leans, d->each);
    }
}

static pc_status remember(doubt *d)
{
    moment *m = &d->moments[d->written];
    const size_t count = (size_t)d->count, written = (size_t)d->written;
    clear_moment(m);
    if (d->written > d->how->window + 2) {
        moment *old = &d->moments[d->written - d->how->window - 3]; /* where it leaned still counts */
        pc_beams_state_free(old->beams);
        pc_free(old->products);
        old->beams = NULL;
        old->products = NULL;
    }
    PC_TRY(pc_beams_save(d->beams, &m->beams));
    PC_TRY(PC_NEW_ARRAY(m->products, count * written + 1, "a search"));
    PC_TRY(PC_NEW_ARRAY(m->leans, count, "a search"));
    PC_TRY(PC_NEW_ARRAY(m->parents, count, "a search"));
    PC_TRY(PC_NEW_ARRAY(m->ids, count, "a search"));
    for (size_t b = 0; b < count; b++) {
        memcpy(m->products + b * written, d->products + b * (size_t)d->most, written * sizeof(double));
    }
    penalise(d, m->leans);
    return PC_OK;
}

/* --- going back --- */

/* True when every beam leaned on token l in more than `threshold` steps. */
static bool all_lean(const doubt *d, int64_t l)
{
    for (int64_t b = 0; b < d->count; b++) {
        int64_t times = 0;
        for (int64_t n = 0; n <= d->written; n++) {
            times += d->moments[n].leans && d->moments[n].leans[b] == l;
        }
        if (times <= d->how->threshold) {
            return false;
        }
    }
    return true;
}

/* The step to go back to, or -1. */
static int64_t find_return(doubt *d)
{
    const int64_t l = commonest(d->moments[d->written].leans, d->count);
    int64_t step = l + 1;
    if (l < FIRST || !all_lean(d, l) || step >= d->how->window) {
        return -1;
    }
    step -= d->returns[step] >= d->each;
    if (d->returns[step] >= d->each) {
        return -1;
    }
    d->returns[step]++;
    const int64_t oldest = d->written - d->how->window;
    return step > oldest ? step : oldest > 1 ? oldest : 1;
}

static void drop_refusals(doubt *d, int64_t step)
{
    size_t kept = 0;
    for (size_t i = 0; i < d->refused; i++) {
        if (d->refusals[i].step != step) {
            d->refusals[kept++] = d->refusals[i];
        }
    }
    d->refused = kept;
}

/* What the step chose is refused from now on. */
static pc_status refuse(doubt *d, int64_t step, const moment *m)
{
    drop_refusals(d, step + 1);
    for (int64_t b = 0; b < d->count; b++) {
        PC_TRY(pc_grow(&d->refusals, &d->capacity, d->refused + 1, sizeof *d->refusals, "a search"));
        d->refusals[d->refused++] = (refusal){step, m->parents[b], m->ids[b]};
    }
    return PC_OK;
}

static pc_status reread(doubt *d)
{
    const int32_t **ids = NULL;
    size_t prompt = d->search->prompt->count, count;
    PC_TRY(PC_NEW_ARRAY(ids, (size_t)d->count, "a search"));
    for (int64_t b = 0; b < d->count; b++) {
        ids[b] = pc_beams_history(d->beams, b, &count) + prompt;
        d->homes[b] = b;
    }
    pc_status status = pc_lanes_reread(d->search->lanes, d->count, d->search->lengths, ids, (int64_t)count - (int64_t)prompt);
    pc_free(ids);
    return status;
}

/* Scores of the step that is done again: the logits, shifted so that the least is what a refused token gets. */
static void score_again(doubt *d, int64_t step)
{
    const int64_t vocabulary = d->search->lanes->vocabulary;
    for (int64_t b = 0; b < d->count; b++) {
        const float *logits = pc_lanes_scores(d->search->lanes, b);
        float *scores = d->scores + b * vocabulary, low = INFINITY;
        for (int64_t i = 0; i < vocabulary; i++) {
            low = logits[i] < low ? logits[i] : low;
        }
        for (int64_t i = 0; i < vocabulary; i++) {
            scores[i] = logits[i] - (low - NOT_ASKED);
        }
    }
    for (size_t i = 0; i < d->refused; i++) {
        if (d->refusals[i].step == step) {
            d->scores[d->refusals[i].beam * vocabulary + d->refusals[i].id] = NOT_ASKED;
        }
    }
}

static pc_status go_back(doubt *d, int64_t step)
{
    const int64_t to = step < d->written ? step : d->written - 1;
    const moment *m = &d->moments[to];
    pc_beams_restore(d->beams, m->beams);
    for (int64_t b = 0; b < d->count; b++) {
        memcpy(d->products + b * d->most, m->products + b * to, (size_t)to * sizeof(double));
    }
    PC_TRY(refuse(d, step, m));
    for (int64_t n = to + 1; n <= d->written; n++) {
        clear_moment(&d->moments[n]);
    }
    d->written = to;
    PC_TRY(reread(d));
    score_again(d, step);
    return PC_OK;
}

/* --- one step --- */

static void score_candidates(doubt *d)
{
    const int64_t vocabulary = d->search->lanes->vocabulary;
    for (int64_t i = 0; i < d->count * vocabulary; i++) {
        d->scores[i] = NOT_ASKED;
    }
    for (int64_t i = 0; i < d->count * d->each; i++) {
        d->scores[i / d->each * vocabulary + d->candidates[i]] = d->logits[i];
    }
}

/* The candidate lane of what each beam chose into homes; false when one chose something else. */
static bool find_homes(doubt *d)
{
    for (int64_t b = 0; b < d->count; b++) {
        const int32_t *ids = d->candidates + d->parents[b] * d->each;
        int64_t c = 0;
        while (c < d->each && ids[c] != d->ids[b]) {
            c++;
        }
        if (c == d->each) {
            return false;
        }
        d->homes[b] = d->parents[b] * d->each + c;
    }
    return true;
}

/* The beams have moved: lanes that have read them, and their products. */
static pc_status settle(doubt *d, bool again)
{
    if (again) {
        d->search->lanes->count = d->count;
        PC_TRY(pc_lanes_step(d->search->lanes, d->parents, d->ids));
        for (int64_t b = 0; b < d->count; b++) {
            d->homes[b] = b;
        }
    } else if (!find_homes(d)) {
        PC_TRY(reread(d));
    }
    for (int64_t b = 0; b < d->count; b++) {
        const double *before = d->products + d->parents[b] * d->most;
        double *after = d->next + b * d->most;
        (void)look(d, d->homes[b]);
        for (int64_t j = 0; j <= d->written; j++) {
            after[j] = (j < d->written ? before[j] : 1) * d->row[j];
        }
    }
    double *swap = d->products;
    d->products = d->next;
    d->next = swap;
    d->written++;
    return PC_OK;
}

static pc_status step(doubt *d, bool *over)
{
    for (int64_t b = 0; b < d->count; b++) {
        find_candidates(d, b);
    }
    PC_TRY(read_candidates(d));
    PC_TRY(remember(d));
    const int64_t back = find_return(d);
    if (back < 0) {
        score_candidates(d);
    } else {
        PC_TRY(go_back(d, back));
    }
    for (int64_t b = 0; b < d->count; b++) {
        PC_TRY(pc_search_weigh(d->search, d->beams, b, d->scores + b * d->search->lanes->vocabulary));
    }
    PC_TRY(pc_beams_advance(d->beams, d->scores, d->parents, d->ids, over));
    if (*over) {
        return PC_OK;
    }
    memcpy(d->moments[d->written].parents, d->parents, (size_t)d->count * sizeof *d->parents);
    memcpy(d->moments[d->written].ids, d->ids, (size_t)d->count * sizeof *d->ids);
    return settle(d, back >= 0);
}

pc_status pc_search_over_trust(const pc_search *search, pc_found *out)
{
    const pc_over_trust *how = search->how->method->over_trust(search->how->config);
    doubt d = {.search = search, .how = how, .count = search->how->beams, .each = how->candidates};
    pc_status status;
    pc_ids_reset(&out->ids);
    d.each = d.each < search->lanes->vocabulary ? d.each : search->lanes->vocabulary;
    PC_GO(find_room(&d));
    PC_GO(make(&d));
    pc_lanes_begin(search->lanes, d.count, search->lengths);
    for (int64_t b = 0; b < d.count; b++) {
        d.homes[b] = b;
    }
    for (bool over = false; !over && !pc_signal_pending();) {
        PC_GO(step(&d, &over));
    }
    const pc_beam_answer best = pc_beams_best(d.beams);
    for (size_t i = 0; i < best.count; i++) {
        PC_GO(pc_found_add(out, best.ids[i], best.log_probabilities[i]));
    }
done:
    clear(&d);
    return status;
}
