/* What the files of a session share; not for anybody else. */
#ifndef PC_MODEL_SESSION_INTERNAL_H
#define PC_MODEL_SESSION_INTERNAL_H

#include "model/memory.h"
#include "model/session.h"
#include "ops/attention.h"
#include "tensor/exec.h"

typedef struct vision_graph {
    pc_graph *graph;
    pc_exec *exec;
    pc_tensor *pixels; /* [1,3,Y,X] */
    pc_tensor *tokens; /* [Q,D'] */
    pc_tensor *count;  /* i32 [1]: how many of them count, or NULL: all */
    pc_tensor *detail_pixels, *detail; /* [1,3,Y,X], [S,M] of a second tower, or NULL */
    pc_tensor *question, *length; /* i32 [1,L], [1], of a connector that reads, or NULL */
    int64_t room;      /* L */
    int32_t *ids;      /* [L] */
    int32_t asked;     /* ids that count */
} vision_graph;

typedef struct text_graph {
    pc_graph *graph;
    pc_exec *exec;
    pc_reading in;
    pc_tensor *last;   /* i32 [R]: the rows whose logits are wanted */
    pc_tensor *logits; /* [R,V] */
    pc_tensor *hidden; /* [T,D'], or NULL */
    pc_llm_look look;  /* of the last layer, or of the one behind which rows leave */
    pc_llm_drop drop;  /* with pc_session_drops */
    pc_llm_tap taps[PC_SESSION_TAPS];
    pc_tensor *tapped[PC_SESSION_TAPS]; /* [R,V] */
} text_graph;

/* FastV: tokens of pictures that leave between layers. In the layers behind, the keys of a prompt's tokens that stayed stand side by
 * side at the end of its places, so that what follows has the same place in every layer. */
typedef struct drop_state {
    int64_t *dropped, *whole; /* [rows]: tokens that left, of a prompt of so many */
    /* Staging of one chunk; the last three of what goes on. */
    int32_t *judges, *columns;     /* [chunk] */
    int32_t *rows, *last;          /* [chunk], [R] */
    pc_attention_range *ranges;    /* [chunk] */
} drop_state;

struct pc_session {
    const pc_model *model;
    const pc_backend *backend;
    pc_session_options options;
    vision_graph vision;
    text_graph text;
    pc_layer_cache *layers; /* cache inputs of the text graph */
    pc_cache *cache;
    pc_memory *memory;  /* or NULL */
    bool apart;         /* pc_model_pictures_apart */
    int32_t *follow;    /* [rows,context]: the position behind what a row holds up to each place */
    int64_t horizon;    /* length that the frequencies in use are for; counts beyond rotary_limit only */
    float *frequencies; /* [E/2] */
    float *spread;      /* [E,E] or NULL */
    float *logits;      /* [rows,tail,V]: of the last tokens, the last one at the end */
    float *tapped;      /* [rows,taps,V] */
    float *hidden;      /* [rows,context,D'] or NULL */
    float *attention;   /* [rows,context] or NULL */
    /* Staging of one chunk. */
    int32_t *ids, *positions /* [chunk,A] */, *inside, *rows, *soft_rows, *types;
    pc_attention_range *ranges;
    pc_session_piece *parts; /* [2,rows]: what is left of pieces that are read by steps, and a step */
    float *soft; /* [chunk,D'] */
    int32_t *sides;     /* [2,chunk]: rows of the source, and of the target */
    int64_t *sources;   /* [rows]: tokens of the source of each row that holds something; encoder-decoders */
    int32_t *last;      /* [R] */
    int64_t *last_places; /* [R]: where in `logits` */
    int64_t *tails;       /* [rows]: logits that the newest piece of a row has left */
    drop_state drop;
    int64_t *token_rows;  /* [chunk]: whose token, and its place there; with keep_hidden */
    int64_t *token_places;
};

/* Whether tokens leave between layers (FastV). */
static inline bool pc_session_drops(const pc_session *session)
{
    return session->model->visual.kind == PC_VISUAL_FASTV;
}

/* session_drop.c. What follows does nothing, or says 0 or PC_OK, for a session in which no token leaves. */
pc_status pc_session_drop_allocate(pc_session *session);
void pc_session_drop_free(pc_session *session);
/* Inputs of the text graph, and its look. */
void pc_session_drop_declare(pc_session *session);
/* PC_ERR_DATA for pictures behind text that was read before, and for text behind a prompt of which a part was forgotten. */
pc_status pc_session_drop_check(pc_session *session, const pc_session_piece *piece);
/* Tokens of a piece that are read in one run: all, when it has pictures. */
int64_t pc_session_drop_at_once(const pc_session *session, const pc_session_piece *piece);
/* A run begins; tokens [from, to) of a piece are staged as numbers `first`, ... of it, their wanted logits from number `lasts` on. */
typedef struct drop_run {
    int64_t kept; /* tokens that go on */
} drop_run;
void pc_session_drop_stage(pc_session *session, drop_run *run, const pc_session_piece *piece, int64_t from, int64_t to,
                           int64_t first, int64_t lasts);
pc_status pc_session_drop_bind(pc_session *session, const drop_run *run, int64_t tokens, int64_t lasts);
/* Row `row` was cut to `length` tokens; row `to` has become a beginning of `from`. */
void pc_session_drop_cut(pc_session *session, int64_t row, int64_t length);
void pc_session_drop_share(pc_session *session, int64_t to, int64_t from);

/* The graph for pictures of this size, and questions of up to `room` ids (session_see.c); an encoder of native resolution gets another
 * one for each size. */
pc_status pc_session_build_vision(pc_session *session, int64_t height, int64_t width, int64_t room);
void pc_session_drop_vision(pc_session *session);

/* The frequencies of the rotary positions for texts of this length. */
void pc_session_turn_for(pc_session *session, int64_t length);

/* Tokens that the last one of a text of this length sees: with a window no more than fit it and its sinks. */
int64_t pc_session_stands(const pc_session *session, int64_t length);

static inline int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

#endif
