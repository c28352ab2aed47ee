/* Lanes: the sequences of one answer that are written side by side, each in every view that the method wants.
 *
 *   row 0 .. W-1                     the prompt in W views; with one lane the answer goes on there
 *   row W + (s L + lane) W + view    L lanes, in two sets s: a set is forked from the other when beams change places
 *
 * A step reads one token of every lane and view in one run of the session. Takes: ids. Gives: scores [V] of each lane.
 */
#ifndef PC_DECODE_LANES_H
#define PC_DECODE_LANES_H

#include "decode/method.h"
#include "model/session.h"

/* Set the first group, {0} for the rest; release with pc_lanes_clear. */
typedef struct pc_lanes {
    pc_session *session;
    int64_t vocabulary;      /* V */
    int64_t most;            /* L */
    int64_t views;           /* W: 1, or 2 */
    int tap_count;           /* layers that the method wants of the session */
    const pc_method *method; /* NULL = the model's own logits */
    const void *config;

    int64_t count;   /* lanes in use; whoever steps with parents may set it to that of the lanes to come */
    int64_t written; /* tokens that the lanes have read */
    int64_t set;
    float *scores;   /* [L,V] */
    float *first;    /* [V] behind the prompt */
    pc_session_piece *pieces; /* [L*W] */
} pc_lanes;

/* Rows that a session needs for lanes; with one lane there is no fork. */
int64_t pc_lanes_rows(int64_t most, int64_t views);

pc_status pc_lanes_init(pc_lanes *lanes);
void pc_lanes_clear(pc_lanes *lanes);

/* The prompts were read into rows 0 .. W-1. */
void pc_lanes_ready(pc_lanes *lanes);
/* `count` lanes begin behind the prompts of `lengths` [W] tokens; may be called again and again. */
void pc_lanes_begin(pc_lanes *lanes, int64_t count, const int64_t *lengths);
/* Lane i becomes what lane parents[i] was (NULL: stays) and reads ids[i]; a negative id: it reads nothing more. */
pc_status pc_lanes_step(pc_lanes *lanes, const int32_t *parents, const int32_t *ids);
/* `count` lanes begin behind the prompts and read ids[lane] [each >= 1]. */
pc_status pc_lanes_reread(pc_lanes *lanes, int64_t count, const int64_t *lengths, const int32_t *const *ids, int64_t each);
/* pc_session_attention of a lane that has just read, in its first view */
const float *pc_lanes_attention(const pc_lanes *lanes, int64_t lane);
/* [V], the caller's to change until the next step. -INFINITY = never. */
float *pc_lanes_scores(const pc_lanes *lanes, int64_t lane);

#endif
