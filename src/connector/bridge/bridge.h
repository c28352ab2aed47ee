/* A bridge: what lets the layers of a language model read media inside, through hooks (nn/hook.h): a feature-level interface.
 * One file in connector/bridge/ and one line in list.h for each.
 *
 * A connector makes soft tokens of the features as ever. A bridge that keeps them apart reads them between the layers, while a
 * placeholder stands for the picture in the text (Flamingo); another lets them stand in the text and has weights of its own
 * for them (CogVLM); a third does so and reads the picture in detail besides, as a second tower sees it (CogAgent).
 */
#ifndef PC_CONNECTOR_BRIDGE_BRIDGE_H
#define PC_CONNECTOR_BRIDGE_BRIDGE_H

#include "base/field.h"
#include "nn/hook.h"

/* What it stands between. */
typedef struct pc_bridge_dims {
    int64_t media;                       /* M: width of soft tokens, or of what a second tower gives */
    int64_t queries;                     /* Q: of them for a picture */
    int64_t width, layers;               /* D and blocks of the language model */
    int64_t heads, key_heads, head_size; /* H, K, E of its attention */
    int64_t hidden;                      /* F of its MLP */
} pc_bridge_dims;

/* Keys and values of the pictures seen so far, of one block: [S',H,E]. */
typedef struct pc_bridge_memory {
    pc_tensor *keys, *values; /* inputs of the graph */
} pc_bridge_memory;

typedef struct pc_bridge_input {
    /* For a bridge that keeps soft tokens apart, or reads details. */
    pc_tensor *media;         /* f32 [S,M]: soft tokens (details) of new pictures; without memory of all; NULL: none at all */
    pc_tensor *seen;          /* i32 [T,4]: which rows of the memory (without one: of media) each row of the text reads */
    pc_bridge_memory *memory; /* one for each block, or NULL */
    pc_tensor *memory_rows;   /* i32 [S]: where in the memory each row of media is kept */
    /* For those whose soft tokens stand in the text. */
    pc_tensor *types;         /* i32 [T]: 1 = a row of the text that is a picture's, 0 = a token's; NULL: all are tokens' */
} pc_bridge_input;

/* A bridge in one graph; borrowed while the graph is built. */
typedef struct pc_bridge {
    const void *config, *weights;
    pc_bridge_dims dims;
    pc_bridge_input in;
} pc_bridge;

typedef struct pc_bridge_type {
    const char *name; /* "gated_cross_attention" */
    bool apart;       /* soft tokens stay out of the text, their width is the connector's own */
    bool detail;      /* needs the features of a second tower beside the soft tokens, which stand in the text */
    bool source;      /* it reads the source of an encoder-decoder, and goes with no other language model */
    pc_field_table fields;
    size_t config_size, weights_size;
    pc_status (*check)(const void *config, const pc_bridge_dims *dims, const char *where);
    void (*declare)(pc_scope *scope, const void *config, const pc_bridge_dims *dims, void *weights);
    pc_hook (*hook)(const pc_bridge *bridge);
    /* What a memory holds, where soft tokens are apart or details are read: blocks, and heads and head size of a row. */
    void (*memory)(const void *config, const pc_bridge_dims *dims, int64_t *blocks, int64_t *heads, int64_t *head_size);
} pc_bridge_type;

enum { PC_BRIDGE_MAX_BLOCKS = 256 };

/* Attention of q [T,H,E] over k, v [S,H,E] of new pictures, which the memory of `block` takes up first where there is one. */
pc_tensor *pc_bridge_attend(const pc_build *build, const pc_bridge_input *in, int64_t block, pc_tensor *q, pc_tensor *k,
                            pc_tensor *v, double scale);

const pc_bridge_type *pc_bridge_find(const char *name); /* NULL when unknown */
const char *pc_bridge_names(void);

#endif
