/* A language model: embeddings -> hidden states. One file in llm/ and one line in list.h for each.
 *
 * Hidden states, not logits, leave it: language head, value head and reward head are blocks on top.
 */
#ifndef PC_LLM_LLM_H
#define PC_LLM_LLM_H

#include "base/field.h"
#include "nn/hook.h"
#include "ops/look.h"

/* Memory of one layer's keys and values: rows [S, K*E] in pages that all sequences of a session share. */
typedef struct pc_layer_cache {
    pc_tensor *keys, *values; /* inputs of the graph, f32, bf16, f16, q8_0 or q4_0, [S,K,E] */
} pc_layer_cache;

enum { PC_CACHE_PAGE = 64 }; /* rows of a page */

/* A look at the hidden states behind layer `layer`, as the head would get them if the model ended there. */
typedef struct pc_llm_tap {
    int layer;         /* 0 = the embeddings */
    pc_tensor *hidden; /* [T,D] behind the final norm; NULL when the model has no such layer or gives none */
} pc_llm_tap;

/* A look at what attention layer `layer` gives weight to, for chosen rows. */
typedef struct pc_llm_look {
    int layer;            /* from 0 */
    pc_look_heads heads;
    pc_tensor *rows;      /* i32 [R] */
    int64_t columns;      /* C: most keys of a row */
    pc_tensor *weights;   /* f32 [R,C] (ops/look.h); NULL when the model has no such layer or shows none */
} pc_llm_look;

/* Rows that leave before layer `layer`, by the attention of the layer below: io.look has to be about that one. What `like` and the
 * last three say is about the T' rows that go on. */
typedef struct pc_llm_drop {
    int layer;             /* 1 .. layers - 1 */
    double keep;           /* ops/keep_rows.h, as the next two */
    pc_tensor *judges;     /* i32 [T] */
    pc_tensor *columns;    /* i32 [T] */
    pc_tensor *cache_rows; /* i32 [T']; of the layers from this one on */
    pc_tensor *ranges;     /* i32 [T',4] */
    pc_tensor *rows;       /* i32 [R]: io.rows among those that go on */
} pc_llm_drop;

typedef struct pc_llm_io {
    pc_tensor *embeddings; /* f32 [T,D] */
    pc_tensor *positions;  /* i32 [T], or [T,A] when a position has A numbers (pc_llm_info.axes) */
    pc_tensor *inside;     /* i32 [T,1]: where each row stands for what is in its prefix range (attention sinks), or NULL: at its
                            * position; with pc_llm_info.streams */
    pc_tensor *ranges;     /* i32 [T,4]: key rows that each row sees, its own the last (rows through `pages` with a cache) */
    pc_layer_cache *cache; /* one for each layer, or NULL: keys are the T rows themselves */
    pc_tensor *cache_rows; /* i32 [T]: the cache row where each row's key is kept */
    pc_tensor *pages;      /* i32 [P]: page of the cache that holds key rows [i * PC_CACHE_PAGE, ...) of the ranges */
    pc_tensor *spread;     /* f32 [E,E] or NULL: an orthogonal matrix that queries and keys go through before the cache, which
                            * changes no product */
    pc_tensor *frequencies;/* f32 [E/2]: rotary frequencies (pc_llm_type.frequencies) */
    pc_tensor *source_rows, *target_rows; /* i32 [S], [T-S]: rows of either side (ops/sides.h); with pc_llm_info.source */
    pc_tensor *rows;       /* i32 [R]: the rows whose states are wanted, in this order; NULL = all */
    const pc_hooks *hooks; /* or NULL */
    pc_llm_tap *taps;      /* [tap_count]: filled by forward */
    int tap_count;
    pc_llm_look *look;     /* filled by forward; or NULL */
    const pc_llm_drop *drop; /* or NULL; needs `cache`, `rows` and a type that `drops` */
} pc_llm_io;

typedef struct pc_llm_info {
    int64_t width;      /* D */
    int64_t layers;
    int64_t vocabulary; /* V */
    int64_t context;    /* longest sequence it was made for */
    int64_t heads;      /* H; 0 = as many as key heads */
    int64_t key_heads;  /* K */
    int64_t head_size;  /* E */
    int64_t hidden;     /* F of the MLP; 0 = it has none of the usual shape */
    bool tied;          /* the head is the embedding table */
    int64_t axes;       /* A: numbers of one position: 1, or 3 for M-RoPE (time, row, column) */
    bool position_table; /* there are no positions from `context` on */
    bool by_distance;    /* positions are distances between rows of a text: rows that see parts of it in other places don't do */
    bool streams;       /* a row's place may be another for the keys of its prefix range: forward heeds io->inside */
    bool source;        /* an encoder-decoder: a text is its source, all read at once, then `start` and what is written */
    int64_t start;      /* the id that ends a source and opens what is written */
    bool rotary_of_prompt; /* and on that of the prompt alone: what is written behind it changes nothing */
    int64_t rotary_limit; /* the rotary frequencies depend on the length of texts beyond this; 0 = they never do */
} pc_llm_info;

typedef struct pc_llm_type {
    const char *model_type; /* "llama" */
    const char *gguf;       /* name of its architecture in GGUF files, whose configuration is a pc_decoder_config; NULL = none */
    pc_field_table fields;
    size_t config_size, weights_size;
    /* What the field table cannot say: nested and derived settings; json may be NULL. NULL = nothing. */
    pc_status (*read)(void *config, const pc_json *json, const char *where);
    pc_status (*check)(const void *config, const char *where);
    void (*info)(const void *config, pc_llm_info *out);
    void (*declare)(pc_scope *scope, const void *config, void *weights);
    /* Rotary frequencies for a text of `length` tokens: head_size / 2 values. */
    void (*frequencies)(const void *config, int64_t length, float *out);
    pc_tensor *(*embed)(const pc_build *build, const void *weights, pc_tensor *ids); /* i32 [T] -> f32 [T,D] */
    bool narrows; /* forward heeds io->rows; without this they are taken from all of its rows */
    bool drops;   /* and io->drop */
    /* -> f32 [T,D], or [R,D] with io->rows, after the final norm. */
    pc_tensor *(*forward)(const pc_build *build, const void *config, const void *weights, const pc_llm_io *io);
    /* hidden [R,D] -> logits f32 [R,V]. */
    pc_tensor *(*head)(const pc_build *build, const void *config, const void *weights, pc_tensor *hidden);
} pc_llm_type;

/* For the attention of layer `index` of a forward pass: io->look, if it is about this layer. q [T,H,E], or [R,H,E] when it is
 * of the wanted rows alone (`narrow`, io->rows, which are then those looked at). */
void pc_llm_look_at(pc_graph *graph, const pc_llm_io *io, int index, pc_tensor *q, pc_tensor *k, double scale);

const pc_llm_type *pc_llm_find(const char *model_type); /* NULL when unknown */
const char *pc_llm_names(void);

#endif
