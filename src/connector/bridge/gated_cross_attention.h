/* Gated cross-attention (Flamingo): blocks before every n-th layer of a decoder that let its rows read media.
 *
 * Takes: soft tokens of all pictures, [S,M], and which of them each row sees. The gates start at 0, so that a new block changes
 * nothing. Here is the block; the bridge around it is in the source.
 */
#ifndef PC_CONNECTOR_BRIDGE_GATED_CROSS_ATTENTION_H
#define PC_CONNECTOR_BRIDGE_GATED_CROSS_ATTENTION_H

#include "connector/bridge/bridge.h"
#include "ops/attention.h"

typedef struct pc_gated_config {
    int64_t width;       /* D, of the decoder */
    int64_t media_width; /* M */
    int64_t heads;       /* H */
    int64_t head_size;   /* E */
    int64_t hidden;      /* F, 4 D in Flamingo */
    int64_t every;       /* n: blocks stand before layers n-1, 2n-1, ... */
    double eps;
} pc_gated_config;

typedef struct pc_gated_block_weights {
    pc_norm_weights attention_norm, mlp_norm;
    pc_linear_weights q; /* [H E, D] */
    pc_linear_weights kv; /* [2 H E, M]: keys, then values */
    pc_linear_weights o; /* [D, H E] */
    pc_mlp_weights mlp;
    pc_param *attention_gate, *mlp_gate; /* [1] */
} pc_gated_block_weights;

/* Blocks of a decoder with `layers` layers. */
int64_t pc_gated_blocks(const pc_gated_config *config, int64_t layers);
/* Names as OpenFlamingo's: <name>.attn.norm.weight, .attn.to_q.weight, .attn_gate, .ff.0.weight ... */
void pc_gated_block_declare(pc_scope *scope, pc_gated_block_weights *weights, const pc_gated_config *config,
                            const char *name);
/* x [T,D] -> [T,D]: x += tanh(attention_gate) attention(norm x, media); x += tanh(mlp_gate) mlp(norm x). */
pc_tensor *pc_gated_block_forward(const pc_build *build, const pc_gated_block_weights *weights,
                                  const pc_gated_config *config, pc_tensor *x, const pc_bridge_input *in, int64_t block);

/* Flamingo's mask: a row sees the Q = `queries` soft tokens of the last picture before it; image_of[t] = pictures up to
 * row t, 0 = none. ranges [rows]. */
void pc_media_ranges(pc_attention_range *ranges, const int32_t *image_of, int64_t rows, int64_t queries);

#endif
