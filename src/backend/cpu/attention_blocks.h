/* How attention is cut: neighbouring queries that see nearly the same keys make a block.
 *
 * What a row gets does not depend on the cut: its sums run over its own keys in order, and keys of its block that it
 * doesn't see add exact zeros. So blocks may follow the batch, and a row alone equals the row in any batch.
 */
#ifndef PC_BACKEND_CPU_ATTENTION_BLOCKS_H
#define PC_BACKEND_CPU_ATTENTION_BLOCKS_H

#include "backend/cpu/node.h"
#include "ops/attention.h"

typedef struct pc_key_piece {
    int32_t low, high; /* key rows that some query of the block sees: through prefix (piece 0) or main range (piece 1) */
} pc_key_piece;

typedef struct pc_query_block {
    int32_t first, count; /* queries */
    pc_key_piece piece[2];
} pc_query_block;

typedef struct pc_attention_view {
    int64_t queries, keys, heads, key_heads, size; /* T, S, H, K, E */
    int64_t group;       /* query heads of a key head */
    int64_t chunk;       /* of them that share a block's rows */
    int64_t chunks;      /* in a group */
    int64_t most_rows;   /* of a block: a row is one query of one head */
    int64_t block_rows;  /* rows aimed at; a run that ends a little behind them stays whole */
    int64_t most_keys;   /* planned S */
    float scale;
    int64_t distances;   /* 2M+1, with a bias */
    bool by_row;         /* the bias goes by PC_PLACE_ROW */
} pc_attention_view;

/* Of the run-time dims, with the limits from the planned ones. */
pc_attention_view pc_attention_view_of(const pc_node *node, const pc_cpu_level *level);

/* Fill blocks (room for T of them); returns their number. */
int64_t pc_attention_cut(const pc_attention_view *view, const pc_attention_range *ranges, pc_query_block *blocks);

/* Row r of a block with its first query t0, in chunk `chunk` of the key head: which row of q [T*H]. */
int64_t pc_attention_row(const pc_attention_view *view, int64_t t0, int64_t key_head, int64_t chunk, int64_t r);
/* Heads in a chunk (the last may be smaller). */
int64_t pc_attention_chunk_heads(const pc_attention_view *view, int64_t chunk);

/* The keys of a piece that row r's query sees, counted from the piece's first. */
pc_key_piece pc_attention_seen(const pc_attention_range *range, int piece, pc_key_piece of);

/* A row's own bias: of one head, centred on the key where its query stands. */
typedef struct pc_attention_bias {
    const float *row;    /* [2M+1] */
    int64_t place, most; /* key row of the query; M */
    int64_t at;          /* of `row` in the whole bias */
} pc_attention_bias;
pc_attention_bias pc_attention_bias_of(const pc_attention_view *view, const float *bias, const pc_attention_range *ranges,
                                       int64_t t0, int64_t key_head, int64_t chunk, int64_t r);

static inline int64_t pc_attention_bias_at(const pc_attention_bias *bias, int64_t key)
{
    const int64_t away = key - bias->place;
    return bias->most + pc_most(-bias->most, pc_least(bias->most, away));
}

/* C[m,n] (+)= A B from panels, by tiles. */
typedef struct pc_cpu_product {
    const float *a, *b;
    float *c;
    int64_t lda, ldb, ldc;
    int64_t m, n, k;
    bool load;
} pc_cpu_product;
void pc_cpu_multiply(const pc_cpu_gemm *gemm, const pc_cpu_product *product);

#endif
