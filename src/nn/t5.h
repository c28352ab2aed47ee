/* Encoder and decoder blocks of T5, of its gated successors (v1.1, FLAN), and of their kin.
 *
 * x [T,D] -> RMS norm -> attention with relative position bias -> (decoder: RMS norm -> attention to the source) -> RMS
 * norm -> MLP, each added to x. Positions enter through the bias alone; one table serves all blocks of a stack.
 */
#ifndef PC_NN_T5_H
#define PC_NN_T5_H

#include "nn/layers.h"
#include "ops/relative_bias.h"

typedef struct pc_t5_config {
    int64_t width;     /* D */
    int64_t heads;     /* H */
    int64_t head_size; /* E; H E need not be D */
    int64_t hidden;    /* F */
    int64_t buckets;   /* of the position bias */
    int64_t max_distance;
    pc_activation activation;
    bool gated; /* act(wi_0 x) * wi_1 x instead of act(wi x) */
    double eps;
} pc_t5_config;

typedef enum pc_t5_side { PC_T5_ENCODER, PC_T5_DECODER } pc_t5_side;

typedef struct pc_t5_attention_weights {
    pc_norm_weights norm;
    pc_linear_weights q, k, v, o;
} pc_t5_attention_weights;

typedef struct pc_t5_block_weights {
    pc_t5_attention_weights self;
    pc_t5_attention_weights cross; /* decoder only */
    pc_norm_weights norm;
    pc_glu_weights mlp; /* gate (wi_0) only when gated; up = wi or wi_1; down = wo */
} pc_t5_block_weights;

/* Names as transformers': <name>.layer.0.SelfAttention.q.weight ..., name being "encoder.block.3". A scope with std 0
 * gives T5's own initial values. */
void pc_t5_block_declare(pc_scope *scope, pc_t5_block_weights *weights, const pc_t5_config *config, pc_t5_side side,
                         const char *name);
/* <name>.weight [buckets,H]; name is "encoder.block.0.layer.0.SelfAttention.relative_attention_bias". */
pc_param *pc_t5_bias_declare(pc_scope *scope, const pc_t5_config *config, const char *name);

/* The bias of a stack by distance, f32 [H,2M+1] (ops/relative_bias.h). */
pc_tensor *pc_t5_bias(const pc_build *build, pc_param *table, const pc_t5_config *config, pc_t5_side side);

/* Keys and values of a layer that are kept from run to run: those of the source for attention to it, and the decoder's own. */
typedef struct pc_t5_cache {
    pc_tensor *keys, *values; /* [rows of the cache,H,E] */
    pc_tensor *rows;          /* i32 [T]: the cache row where each row's own key is kept */
    pc_tensor *source_rows;   /* i32 [S]: the same of the source's rows */
    pc_tensor *pages;         /* as ops/attention.h has them, of page_rows rows */
    int64_t page_rows;
} pc_t5_cache;

/* What a block reads beside x; ranges as in ops/attention.h. */
typedef struct pc_t5_io {
    pc_tensor *ranges;        /* i32 [T,4]: rows of x (or of the cache) that each row sees; a decoder's own row is the last */
    pc_tensor *bias;          /* f32 [H,2M+1] */
    pc_tensor *source;        /* f32 [S,D], the encoder's last states; NULL in an encoder block */
    pc_tensor *source_ranges; /* i32 [T,4]: rows of source (or of the cache) that each row sees */
    const pc_t5_cache *cache; /* of a decoder block, or NULL: keys are those of x and source alone */
} pc_t5_io;

pc_tensor *pc_t5_block_forward(const pc_build *build, const pc_t5_block_weights *weights, const pc_t5_config *config,
                               pc_tensor *x, const pc_t5_io *io);

#endif
