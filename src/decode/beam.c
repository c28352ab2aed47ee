#include "decode/beam.h"

#include "base/memory.h"
#include "base/rng.h"

#include <math.h>
#include <string.h>

/* What stands for a sequence that is not there; far from any log-probability (transformers' number). */
#define NOWHERE (-1e9)

typedef struct sequence {
    int32_t *ids;  /* [prompt + most] */
    float *parts;  /* [most] log-probabilities of the answer's tokens */
    size_t count;  /* tokens of the answer */
    double score;
    bool ended;
} sequence;

typedef struct candidate {
    double score, key; /* ordered by key: the score, or the score with a draw */
    int64_t beam;      /* within its group */
    int32_t id;
} candidate;

typedef struct group {
    sequence *running, *next, *ended; /* [b] each; ended by falling score, and `score` NOWHERE where there is none */
    bool improvable;
    bool over;
} group;

struct pc_beams {
    pc_beams_setup setup;
    int64_t each;          /* b: beams of a group */
    int64_t groups, wide;  /* candidates that are looked at */
    double diversity, length_penalty;
    int early_stopping;
    size_t prompt, written;
    int32_t *ends;
    size_t end_count;
    group *group;
    sequence *sequences;   /* [groups * 3 * b] */
    candidate *candidates; /* [wide] */
    int32_t *taken;        /* [B] ids that beams of earlier groups took in this step */
    pc_rng rng;
};

/* --- making --- */

static pc_status make_sequences(pc_beams *beams)
{
    int64_t each = beams->each;
    PC_TRY(PC_NEW_ARRAY(beams->group, (size_t)beams->groups, "beams"));
    PC_TRY(PC_NEW_ARRAY(beams->sequences, (size_t)(beams->groups * 3 * each), "beams"));
    for (int64_t i = 0; i < beams->groups * 3 * each; i++) {
        sequence *s = &beams->sequences[i];
        PC_TRY(PC_NEW_ARRAY(s->ids, beams->prompt + beams->setup.most, "beams"));
        PC_TRY(PC_NEW_ARRAY(s->parts, beams->setup.most, "beams"));
        memcpy(s->ids, beams->setup.prompt->data, beams->prompt * sizeof *s->ids);
        s->score = NOWHERE;
    }
    for (int64_t g = 0; g < beams->groups; g++) {
        beams->group[g] = (group){.running = beams->sequences + 3 * g * each,
                                  .next = beams->sequences + (3 * g + 1) * each,
                                  .ended = beams->sequences + (3 * g + 2) * each, .improvable = true};
        beams->group[g].running[0].score = 0; /* at first all beams are the same one */
    }
    return PC_OK;
}

pc_status pc_beams_new(pc_beams **out, const pc_beams_setup *setup)
{
    pc_beams *beams = NULL;
    const pc_decoding *how = setup->how;
    pc_status status;
    *out = NULL;
    PC_TRY(PC_NEW(beams, "beams"));
    beams->setup = *setup;
    beams->groups = how->groups;
    beams->each = how->beams / how->groups;
    beams->diversity = how->diversity;
    beams->length_penalty = how->length_penalty;
    beams->early_stopping = how->early_stopping;
    beams->prompt = setup->prompt->count;
    beams->end_count = setup->ends->count;
    beams->wide = beams->each * (int64_t)(beams->end_count > 0 ? 1 + beams->end_count : 2);
    pc_rng_init(&beams->rng, setup->seed, 0);
    PC_GO(PC_NEW_ARRAY(beams->ends, beams->end_count, "beams"));
    if (beams->end_count) {
        memcpy(beams->ends, setup->ends->data, beams->end_count * sizeof *beams->ends);
    }
    PC_GO(PC_NEW_ARRAY(beams->candidates, (size_t)beams->wide + 1, "beams"));
    PC_GO(PC_NEW_ARRAY(beams->taken, (size_t)how->beams, "beams"));
    PC_GO(make_sequences(beams));
    beams->setup.how = NULL;
    beams->setup.prompt = beams->setup.ends = NULL;
    *out = beams;
    return PC_OK;
done:
    pc_beams_free(beams);
    return status;
}

void pc_beams_free(pc_beams *beams)
{
    if (!beams) {
        return;
    }
    for (int64_t i = 0; beams->sequences && i < beams->groups * 3 * beams->each; i++) {
        pc_free(beams->sequences[i].ids);
        pc_free(beams->sequences[i].parts);
    }
    pc_free(beams->sequences);
    pc_free(beams->group);
    pc_free(beams->ends);
    pc_free(beams->candidates);
    pc_free(beams->taken);
    pc_free(beams);
}

const int32_t *pc_beams_history(const pc_beams *beams, int64_t beam, size_t *count)
{
    *count = beams->prompt + beams->written;
    return beams->group[beam / beams->each].running[beam % beams->each].ids;
}

/* --- one step --- */

static bool is_end(const pc_beams *beams, int32_t id)
{
    for (size_t i = 0; i < beams->end_count; i++) {
        if (beams->ends[i] == id) {
            return true;
        }
    }
    return false;
}

/* Put a candidate in its place among the `have` best so far, of at most `wide`; equals stay in order. */
static int64_t insert(candidate *best, int64_t have, int64_t wide, candidate found)
{
    int64_t at = have < wide ? have++ : wide;
    for (; at > 0 && best[at - 1].key < found.key; at--) {
        best[at] = best[at - 1];
    }
    best[at] = found;
    return have;
}

static int64_t times_taken(const pc_beams *beams, int64_t taken, int32_t id)
{
    int64_t times = 0;
    for (int64_t i = 0; i < taken; i++) {
        times += beams->taken[i] == id;
    }
    return times;
}

/* The best candidates of group g into beams->candidates, by falling key; their number. */
static int64_t find_candidates(pc_beams *beams, int64_t g, const float *scores)
{
    int64_t have = 0;
    size_t vocabulary = beams->setup.vocabulary;
    for (int64_t b = 0; b < beams->each; b++) {
        double before = beams->group[g].running[b].score;
        const float *row = scores + (size_t)(g * beams->each + b) * vocabulary;
        for (size_t id = 0; id < vocabulary; id++) {
            candidate found = {.score = before + (double)row[id], .beam = b, .id = (int32_t)id};
            if (!(row[id] > -INFINITY)) {
                continue;
            }
            if (beams->diversity > 0 && g > 0) {
                found.score -= beams->diversity * (double)times_taken(beams, g * beams->each, found.id);
            }
            found.key = found.score;
            if (beams->setup.draws) {
                found.key -= log(-log(1 - pc_rng_uniform(&beams->rng)));
            }
            if (have < beams->wide || found.key > beams->candidates[have - 1].key) {
                have = insert(beams->candidates, have, beams->wide, found);
            }
        }
    }
    return have;
}

/* Drawn candidates are looked at by falling score, as if they had been found so. */
static void sort_drawn(pc_beams *beams, int64_t have)
{
    candidate *c = beams->candidates;
    for (int64_t i = 0; i < have; i++) {
        c[i].key = c[i].score;
        insert(c, i, i + 1, c[i]);
    }
}

static void copy_with(pc_beams *beams, sequence *to, const sequence *from, const candidate *next, float part)
{
    memcpy(to->ids + beams->prompt, from->ids + beams->prompt, beams->written * sizeof *to->ids);
    memcpy(to->parts, from->parts, beams->written * sizeof *to->parts);
    to->ids[beams->prompt + beams->written] = next->id;
    to->parts[beams->written] = part;
    to->count = beams->written + 1;
    to->score = next->score;
}

/* An ended candidate takes its place, unless all that have ended are better. */
static void keep_ended(pc_beams *beams, group *of, const candidate *c, float part)
{
    double score = c->score / pow((double)(beams->written + 1), beams->length_penalty);
    int64_t at = beams->each - 1;
    if (!(score > of->ended[at].score)) {
        return;
    }
    sequence spare = of->ended[at];
    for (; at > 0 && of->ended[at - 1].score < score; at--) {
        of->ended[at] = of->ended[at - 1];
    }
    of->ended[at] = spare;
    copy_with(beams, &of->ended[at], &of->running[c->beam], c, part);
    of->ended[at].score = score;
    of->ended[at].ended = true;
}

/* `length`: tokens of the answers that run on. */
static bool can_improve(const pc_beams *beams, const group *of, size_t length)
{
    bool longest = beams->early_stopping == PC_BEAM_NEVER && beams->length_penalty > 0;
    double best = of->running[0].score / pow((double)(longest ? beams->setup.most : length), beams->length_penalty);
    const sequence *worst = &of->ended[beams->each - 1];
    return !worst->ended || best > worst->score;
}

/* The candidates of a group take their places: ended ones, then those that run on. */
static pc_status place(pc_beams *beams, int64_t g, int64_t have, const float *scores, int32_t *parents, int32_t *ids)
{
    group *of = &beams->group[g];
    bool last = beams->written + 1 == beams->setup.most, full = of->ended[beams->each - 1].ended;
    bool closed = !of->improvable || (full && beams->early_stopping == PC_BEAM_FIRST);
    int64_t next = 0, first = g * beams->each;
    for (int64_t i = 0; i < have; i++) {
        const candidate *c = &beams->candidates[i];
        float part = scores[(size_t)(first + c->beam) * beams->setup.vocabulary + (size_t)c->id];
        bool ends = last || is_end(beams, c->id);
        if (ends && i < beams->each && !closed) {
            keep_ended(beams, of, c, part);
        }
        if (!ends && next < beams->each) {
            copy_with(beams, &of->next[next], &of->running[c->beam], c, part);
            parents[first + next] = (int32_t)(first + c->beam);
            ids[first + next++] = c->id;
        }
    }
    of->over = last || next == 0;
    for (; next > 0 && next < beams->each; next++) { /* fewer than beams: the first one again, as if nowhere */
        copy_with(beams, &of->next[next], &of->next[0], &(candidate){.score = NOWHERE, .id = ids[first]}, 0);
        of->next[next].ids[beams->prompt + beams->written] = ids[first];
        parents[first + next] = parents[first];
        ids[first + next] = ids[first];
    }
    return of->over && !of->ended[0].ended && !last ? pc_fail(PC_ERR_DATA, "a beam search has no token left to take") : PC_OK;
}

/* A group that is over keeps its rows busy with anything; nobody looks. */
static void idle(const pc_beams *beams, int64_t g, int32_t *parents, int32_t *ids)
{
    for (int64_t i = g * beams->each; i < (g + 1) * beams->each; i++) {
        parents[i] = (int32_t)i;
        ids[i] = -1;
        beams->taken[i] = -1;
    }
}

pc_status pc_beams_advance(pc_beams *beams, const float *scores, int32_t *parents, int32_t *ids, bool *over)
{
    *over = true;
    for (int64_t g = 0; g < beams->groups; g++) {
        group *of = &beams->group[g];
        if (of->over) {
            idle(beams, g, parents, ids);
            continue;
        }
        int64_t have = find_candidates(beams, g, scores);
        if (beams->setup.draws) {
            sort_drawn(beams, have);
        }
        PC_TRY(place(beams, g, have, scores, parents, ids));
        if (of->over) {
            idle(beams, g, parents, ids);
            continue;
        }
        memcpy(beams->taken + g * beams->each, ids + g * beams->each, (size_t)beams->each * sizeof *ids);
        sequence *swap = of->running;
        of->running = of->next;
        of->next = swap;
        of->improvable = of->improvable && can_improve(beams, of, beams->written + 1);
        of->over = !of->improvable || (beams->early_stopping == PC_BEAM_FIRST && of->ended[beams->each - 1].ended);
        *over = *over && of->over;
    }
    beams->written++;
    return PC_OK;
}

/* --- going back --- */

struct pc_beams_state {
    size_t written;
    pc_rng rng;
    group *group;       /* [groups]: what is said of them; their sequences lie below */
    sequence *sequences; /* [groups * 2 * b]: those that run, then those that ended, of each group */
    int32_t *ids;       /* [groups * 2 * b, written], as the next */
    float *parts;
};

void pc_beams_state_free(pc_beams_state *state)
{
    if (state) {
        pc_free(state->group);
        pc_free(state->sequences);
        pc_free(state->ids);
        pc_free(state->parts);
        pc_free(state);
    }
}

/* The i-th sequence that a state knows of. */
static sequence *sequence_at(const pc_beams *beams, int64_t i)
{
    const group *of = &beams->group[i / (2 * beams->each)];
    int64_t in_group = i % (2 * beams->each);
    return in_group < beams->each ? &of->running[in_group] : &of->ended[in_group - beams->each];
}

pc_status pc_beams_save(const pc_beams *beams, pc_beams_state **out)
{
    pc_beams_state *state = NULL;
    const size_t count = (size_t)(beams->groups * 2 * beams->each), written = beams->written;
    pc_status status;
    *out = NULL;
    PC_TRY(PC_NEW(state, "beams"));
    state->written = written;
    state->rng = beams->rng;
    PC_GO(PC_NEW_ARRAY(state->group, (size_t)beams->groups, "beams"));
    PC_GO(PC_NEW_ARRAY(state->sequences, count, "beams"));
    PC_GO(PC_NEW_ARRAY(state->ids, count * written + 1, "beams"));
    PC_GO(PC_NEW_ARRAY(state->parts, count * written + 1, "beams"));
    memcpy(state->group, beams->group, (size_t)beams->groups * sizeof *state->group);
    for (size_t i = 0; i < count; i++) {
        state->sequences[i] = *sequence_at(beams, (int64_t)i);
        memcpy(state->ids + i * written, state->sequences[i].ids + beams->prompt, written * sizeof *state->ids);
        memcpy(state->parts + i * written, state->sequences[i].parts, written * sizeof *state->parts);
    }
    *out = state;
    return PC_OK;
done:
    pc_beams_state_free(state);
    return status;
}

void pc_beams_restore(pc_beams *beams, const pc_beams_state *state)
{
    const size_t count = (size_t)(beams->groups * 2 * beams->each), written = state->written;
    beams->written = written;
    beams->rng = state->rng;
    for (int64_t g = 0; g < beams->groups; g++) { /* which memory is whose stays as it is now */
        beams->group[g].improvable = state->group[g].improvable;
        beams->group[g].over = state->group[g].over;
    }
    for (size_t i = 0; i < count; i++) {
        sequence *to = sequence_at(beams, (int64_t)i);
        const sequence *from = &state->sequences[i];
        memcpy(to->ids + beams->prompt, state->ids + i * written, written * sizeof *state->ids);
        memcpy(to->parts, state->parts + i * written, written * sizeof *state->parts);
        to->count = from->count;
        to->score = from->score;
        to->ended = from->ended;
    }
}

pc_beam_answer pc_beams_best(const pc_beams *beams)
{
    const sequence *best = NULL;
    for (int pass = 0; pass < 2 && !best; pass++) {
        for (int64_t g = 0; g < beams->groups; g++) {
            const sequence *s = pass ? &beams->group[g].running[0] : &beams->group[g].ended[0];
            best = (pass || s->ended) && (!best || s->score > best->score) ? s : best;
        }
    }
    return (pc_beam_answer){.ids = best->ids + beams->prompt, .log_probabilities = best->parts, .count = best->count,
                            .score = best->score};
}
