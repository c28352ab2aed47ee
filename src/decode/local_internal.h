/* Inside of the answerer that decodes with a model of this process: what local.c and the local_*.c files share. */
#ifndef PC_DECODE_LOCAL_INTERNAL_H
#define PC_DECODE_LOCAL_INTERNAL_H

#include "decode/draft.h"
#include "decode/end.h"
#include "decode/input.h"
#include "decode/local.h"
#include "decode/search.h"
#include "decode/stop.h"

enum { PC_LOCAL_VIEWS = 2 };

/* Tokens that the session has read on a guess: behind the newest id, ids[at] is the next one to come true. */
typedef struct pc_ahead {
    int32_t *ids; /* [1 + draft_tokens]: the newest id, then the guess */
    size_t count, at;
} pc_ahead;

struct pc_local {
    const pc_model *model;
    const pc_backend *backend;
    const pc_template *chat;
    pc_decoding decoding; /* what it points to is the caller's */
    bool forgets;         /* the session has a window */
    bool probabilities;
    int64_t top;
    pc_session *session;
    pc_pictures pictures;
    pc_sampling sampling;
    double temperature;
    pc_lanes lanes;
    pc_input inputs[PC_LOCAL_VIEWS]; /* one for each view */
    pc_ids end_ids;     /* ids at which an answer ends */
    pc_ids history;     /* prompt and answer, for the samplers */
    pc_found found;     /* of a search */
    pc_draft *draft;    /* or NULL */
    pc_ahead ahead;
    pc_votes votes;
    pc_local_report report;
    size_t token_capacity, choice_capacity;
};

/* One answer in the making. */
typedef struct pc_answering {
    pc_local *local;
    const pc_answer_request *request;
    pc_answer *out;
    pc_token_stream stream;
    pc_stop stop;
    pc_str piece, ready;
} pc_answering;

/* True when a signal came; the answer is cancelled then. */
bool pc_local_stopped(pc_answering *a);
/* Most tokens of an answer; 0 of the request = as many as fit. */
size_t pc_local_most_tokens(const pc_answering *a);

/* The log-probability of the newest id, and with the scores [V] the likeliest others. */
pc_status pc_local_note(pc_local *local, const float *scores, int32_t id, double log_probability);
pc_status pc_local_add_id(pc_local *local, int32_t id);
/* Hand on what has become certain; *on = false when the listener has heard enough. */
pc_status pc_local_emit(pc_answering *a, bool *on);
/* The text of one id: stream -> stop texts -> listener. *end tells when it ends the answer. */
pc_status pc_local_say(pc_answering *a, int32_t id, bool *end);
/* What was held back comes out at the end, unless a stop text has cut it off. */
pc_status pc_local_finish_text(pc_answering *a);

/* Three ways to write behind lanes that have begun, whose prompts have `lengths` [W] tokens: token by token, by beams, or one of
 * the request's choices, of which the report has all. */
pc_status pc_local_generate(pc_answering *a);
pc_status pc_local_beams(pc_answering *a, const int64_t *lengths);
pc_status pc_local_choose(pc_answering *a, const int64_t *lengths);

/* Read the newest id and a guess at what follows, in one run; or nothing, when the newest id was guessed. */
pc_status pc_local_read_ahead(pc_answering *a, int32_t id);
/* Forget what was read on a guess that didn't come true. */
void pc_local_end_ahead(pc_local *local);

#endif
