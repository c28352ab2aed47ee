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
    pc_llm_look look;  /* of the last layer */
    pc_llm_tap taps[PC_SESSION_TAPS];
    pc_tensor *tapped[PC_SESSION_TAPS]; /* [R,V] */
} text_graph;

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
    int64_t *token_rows;  /* [chunk]: whose token, and its place there; with keep_hidden */
    int64_t *token_places;
};

/* The frequencies of the rotary positions for texts of this length. */
void pc_session_turn_for(pc_session *session, int64_t length);

/* Tokens that the last one of a text of this length sees: with a window no more than fit it and its sinks. */
int64_t pc_session_stands(const pc_session *session, int64_t length);

static inline int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

#endif
