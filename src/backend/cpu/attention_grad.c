/* Attention, backward. An item is a key head and a run of query blocks whose keys no other run sees; it goes through its
 * blocks in order, and through each block's keys in order (with a bias, whose gradient all blocks share, there is one run):
 *
 *   S [rows, keys] = Q K^T         dP = dO V^T
 *   P = exp(scale S - lse)         dS = P (dP - dO . O) scale      where the row sees the key, else 0
 *   dV += P^T dO                   dK += dS^T Q                    dQ += dS K
 *
 * S and dS lie row by row, which is the panel layout of P^T and dS^T; only dS is transposed, for dQ.
 * Source: Dao et al. 2022 (arXiv:2205.14135), algorithm 4.
 */
#include "backend/cpu/attention_blocks.h"

#include <limits.h>
#include <string.h>

enum { KEYS_AT_ONCE = 64 };

typedef struct scratch_of_thread {
    float *q, *dout, *dq;              /* [rows][E] */
    float *q_panel, *dout_panel;       /* [E][rows] */
    float *k_panel, *v_panel;          /* [E][KEYS_AT_ONCE] */
    float *s, *ds;                     /* [rows][KEYS_AT_ONCE] */
    float *ds_panel;                   /* [KEYS_AT_ONCE][rows] */
    float *lse, *delta;                /* [rows] */
    size_t bytes;
} scratch_of_thread;

/* Blocks [first, next.first) of an item; it clears the gradient of keys [key, next.key). */
typedef struct part {
    int64_t first, key;
} part;

typedef struct work {
    pc_attention_view v;
    const pc_cpu_level *level;
    const float *q, *k, *values, *out, *lse, *dout;
    const pc_attention_range *ranges;
    const float *bias; /* or NULL, as dbias */
    float *dq, *dk, *dv, *dbias;
    pc_query_block *blocks;
    part *parts;
    int64_t part_count;
    char *of_threads;
    size_t thread_bytes;
} work;

static scratch_of_thread place(const pc_attention_view *v, void *base)
{
    scratch_of_thread s;
    const size_t rows = (size_t)v->most_rows * sizeof(float), keys = KEYS_AT_ONCE * sizeof(float);
    const size_t size = (size_t)v->size;
    size_t at = 0;
    s.q = pc_cpu_carve(base, &at, rows * size);
    s.dout = pc_cpu_carve(base, &at, rows * size);
    s.dq = pc_cpu_carve(base, &at, rows * size);
    s.q_panel = pc_cpu_carve(base, &at, rows * size);
    s.dout_panel = pc_cpu_carve(base, &at, rows * size);
    s.k_panel = pc_cpu_carve(base, &at, keys * size);
    s.v_panel = pc_cpu_carve(base, &at, keys * size);
    s.s = pc_cpu_carve(base, &at, rows * KEYS_AT_ONCE);
    s.ds = pc_cpu_carve(base, &at, rows * KEYS_AT_ONCE);
    s.ds_panel = pc_cpu_carve(base, &at, rows * KEYS_AT_ONCE);
    s.lse = pc_cpu_carve(base, &at, rows);
    s.delta = pc_cpu_carve(base, &at, rows);
    s.bytes = at;
    return s;
}

typedef struct job {
    const work *w;
    const pc_query_block *block;
    int64_t key_head, chunk, heads;
    int64_t rows, width;
    scratch_of_thread s;
} job;

static int64_t row_of(const job *j, int64_t r)
{
    return pc_attention_row(&j->w->v, j->block->first, j->key_head, j->chunk, r);
}

static void gather_rows(const job *j)
{
    const work *w = j->w;
    const int64_t size = w->v.size;
    const pc_cpu_gemm *gemm = w->level->f32;
    for (int64_t r = 0; r < j->rows; r++) {
        const int64_t row = row_of(j, r);
        memcpy(j->s.q + r * size, w->q + row * size, (size_t)size * sizeof(float));
        memcpy(j->s.dout + r * size, w->dout + row * size, (size_t)size * sizeof(float));
        j->s.lse[r] = w->lse[row];
        j->s.delta[r] = w->level->rows->dot(w->dout + row * size, w->out + row * size, size);
    }
    gemm->pack(j->s.q_panel, j->width, &(pc_cpu_matrix){j->s.q, PC_F32, size, 1}, j->rows, size);
    gemm->pack(j->s.dout_panel, j->width, &(pc_cpu_matrix){j->s.dout, PC_F32, size, 1}, j->rows, size);
}

/* The keys [low, high) of a strip that row r sees: scores get their bias, or the bias the scores' gradients. */
static void bias_of_row(const job *j, int64_t r, int64_t key, int64_t low, int64_t high, bool back)
{
    const work *w = j->w;
    const pc_attention_bias bias = pc_attention_bias_of(&w->v, w->bias, w->ranges, j->block->first, j->key_head, j->chunk, r);
    const float inverse = 1 / w->v.scale;
    for (int64_t i = low; i < high; i++) {
        const int64_t at = pc_attention_bias_at(&bias, key + i);
        if (back) {
            w->dbias[bias.at + at] += inverse * j->s.ds[r * KEYS_AT_ONCE + i];
        } else {
            j->s.s[r * KEYS_AT_ONCE + i] += inverse * bias.row[at];
        }
    }
}

/* S and dP of a strip of keys, then P and dS in their place. */
static void score_strip(const job *j, int piece, int64_t key, int64_t count)
{
    const work *w = j->w;
    const pc_attention_view *v = &w->v;
    const pc_cpu_gemm *gemm = w->level->f32;
    const int64_t stride = v->key_heads * v->size, at = key * stride + j->key_head * v->size;
    const int64_t width = pc_round_up(count, gemm->lanes);
    gemm->pack(j->s.k_panel, width, &(pc_cpu_matrix){w->k + at, PC_F32, stride, 1}, count, v->size);
    gemm->pack(j->s.v_panel, width, &(pc_cpu_matrix){w->values + at, PC_F32, stride, 1}, count, v->size);
    pc_cpu_product product = {.a = j->s.q_panel, .lda = j->width, .b = j->s.k_panel, .ldb = width, .c = j->s.s,
                              .ldc = KEYS_AT_ONCE, .m = j->rows, .n = width, .k = v->size};
    pc_cpu_multiply(gemm, &product);
    product.a = j->s.dout_panel;
    product.b = j->s.v_panel;
    product.c = j->s.ds;
    pc_cpu_multiply(gemm, &product);
    for (int64_t r = 0; r < j->rows; r++) {
        const pc_key_piece seen = pc_attention_seen(&w->ranges[j->block->first + r / j->heads], piece,
                                                    (pc_key_piece){(int32_t)key, (int32_t)(key + count)});
        const int64_t low = pc_least(pc_most(seen.low, 0), count);
        const int64_t high = pc_most(low, pc_least(seen.high, count));
        float *p = j->s.s + r * KEYS_AT_ONCE;
        float *ds = j->s.ds + r * KEYS_AT_ONCE;
        memset(p, 0, (size_t)low * sizeof *p);
        memset(ds, 0, (size_t)low * sizeof *ds);
        if (w->bias) {
            bias_of_row(j, r, key, low, high, false);
        }
        w->level->rows->score_grad(p + low, ds + low, j->s.lse[r], j->s.delta[r], v->scale, high - low);
        if (w->bias) {
            bias_of_row(j, r, key, low, high, true);
        }
        memset(p + high, 0, (size_t)(count - high) * sizeof *p);
        memset(ds + high, 0, (size_t)(count - high) * sizeof *ds);
    }
}

static void strip(const job *j, int piece, int64_t key, int64_t count, bool first)
{
    const work *w = j->w;
    const pc_attention_view *v = &w->v;
    const pc_cpu_gemm *gemm = w->level->f32;
    const int64_t stride = v->key_heads * v->size, at = key * stride + j->key_head * v->size;
    score_strip(j, piece, key, count);
    pc_cpu_product product = {.a = j->s.s, .lda = KEYS_AT_ONCE, .b = j->s.dout, .ldb = v->size, .c = w->dv + at,
                              .ldc = stride, .m = count, .n = v->size, .k = j->rows, .load = true};
    pc_cpu_multiply(gemm, &product);
    product.a = j->s.ds;
    product.b = j->s.q;
    product.c = w->dk + at;
    pc_cpu_multiply(gemm, &product);
    gemm->pack(j->s.ds_panel, j->width, &(pc_cpu_matrix){j->s.ds, PC_F32, KEYS_AT_ONCE, 1}, j->rows, count);
    product = (pc_cpu_product){.a = j->s.ds_panel, .lda = j->width, .b = w->k + at, .ldb = stride, .c = j->s.dq,
                               .ldc = v->size, .m = j->rows, .n = v->size, .k = count, .load = !first};
    pc_cpu_multiply(gemm, &product);
}

static void run_block(job *j)
{
    const work *w = j->w;
    const int64_t size = w->v.size;
    j->heads = pc_attention_chunk_heads(&w->v, j->chunk);
    j->rows = j->block->count * j->heads;
    j->width = pc_round_up(j->rows, w->level->f32->lanes);
    gather_rows(j);
    bool first = true;
    for (int piece = 0; piece < 2; piece++) {
        const pc_key_piece keys = j->block->piece[piece];
        for (int64_t key = keys.low; key < keys.high; key += KEYS_AT_ONCE) {
            strip(j, piece, key, pc_least(KEYS_AT_ONCE, keys.high - key), first);
            first = false;
        }
    }
    for (int64_t r = 0; r < j->rows; r++) {
        float *to = w->dq + row_of(j, r) * size;
        if (first) {
            memset(to, 0, (size_t)size * sizeof *to);
        } else {
            memcpy(to, j->s.dq + r * size, (size_t)size * sizeof *to);
        }
    }
}

static void run_item(void *context, int64_t item, int thread)
{
    const work *w = context;
    const pc_attention_view *v = &w->v;
    const part *own = &w->parts[item / v->key_heads];
    job j = {.w = w, .key_head = item % v->key_heads};
    j.s = place(v, w->of_threads + w->thread_bytes * (size_t)thread);
    if (w->bias) {
        const size_t numbers = (size_t)(v->group * v->distances);
        memset(w->dbias + (size_t)j.key_head * numbers, 0, numbers * sizeof(float));
    }
    for (int64_t key = own[0].key; key < own[1].key; key++) {
        const int64_t at = (key * v->key_heads + j.key_head) * v->size;
        memset(w->dk + at, 0, (size_t)v->size * sizeof(float));
        memset(w->dv + at, 0, (size_t)v->size * sizeof(float));
    }
    for (int64_t block = own[0].first; block < own[1].first; block++) {
        j.block = &w->blocks[block];
        for (j.chunk = 0; j.chunk < v->chunks; j.chunk++) {
            run_block(&j);
        }
    }
}

static pc_key_piece keys_of(const pc_query_block *block)
{
    pc_key_piece all = {INT32_MAX, 0};
    for (int i = 0; i < 2; i++) {
        if (block->piece[i].low < block->piece[i].high) {
            all.low = block->piece[i].low < all.low ? block->piece[i].low : all.low;
            all.high = block->piece[i].high > all.high ? block->piece[i].high : all.high;
        }
    }
    return all;
}

/* A new part begins where all keys before are below all keys behind. parts has room for count + 2. */
static int64_t cut_parts(const work *w, int64_t count)
{
    part *parts = w->parts;
    if (w->bias) {
        parts[0] = (part){0, 0};
        parts[1] = (part){count, w->v.keys};
        return 1;
    }
    int32_t lowest = INT32_MAX; /* parts[i].key: first the lowest key of block i and all behind it */
    for (int64_t i = count - 1; i >= 0; i--) {
        const pc_key_piece keys = keys_of(&w->blocks[i]);
        lowest = keys.low < lowest ? keys.low : lowest;
        parts[i].key = lowest;
    }
    int64_t made = 1;
    int32_t highest = keys_of(&w->blocks[0]).high;
    parts[0] = (part){0, 0};
    for (int64_t i = 1; i < count; i++) {
        const int64_t low = parts[i].key;
        const pc_key_piece keys = keys_of(&w->blocks[i]);
        if (low >= highest && low < INT32_MAX) {
            parts[made++] = (part){i, low};
        }
        highest = keys.high > highest ? keys.high : highest;
    }
    parts[made] = (part){count, w->v.keys};
    return made;
}

static size_t scratch(const pc_node *node, const pc_cpu_level *level, int threads)
{
    const pc_attention_view v = pc_attention_view_of(node, level);
    const size_t queries = (size_t)node->in[0]->max.dim[0];
    size_t bytes = 0;
    pc_cpu_carve(NULL, &bytes, queries * sizeof(pc_query_block));
    pc_cpu_carve(NULL, &bytes, (queries + 2) * sizeof(part));
    return bytes + place(&v, NULL).bytes * (size_t)threads;
}

static void run(const pc_call *call, const pc_cpu_level *level)
{
    const pc_node *node = call->node;
    const size_t queries = (size_t)node->in[0]->max.dim[0];
    size_t at = 0;
    work w = {
        .v = pc_attention_view_of(node, level),
        .level = level,
        .q = pc_f32(node->in[0]),
        .k = pc_f32(node->in[1]),
        .values = pc_f32(node->in[2]),
        .ranges = node->in[3]->data,
        .out = pc_f32(node->in[5]),
        .lse = pc_f32(node->in[6]),
        .dout = pc_f32(node->in[7]),
        .dq = pc_f32_mut(node->out[0]),
        .dk = pc_f32_mut(node->out[1]),
        .dv = pc_f32_mut(node->out[2]),
        .bias = node->in[4] ? pc_f32(node->in[4]) : NULL,
        .dbias = node->in[4] ? pc_f32_mut(node->out[3]) : NULL,
    };
    if (w.v.heads == 0 || w.v.size == 0) {
        return;
    }
    if (w.v.queries == 0) {
        memset(w.dk, 0, pc_tensor_bytes(node->out[1]));
        memset(w.dv, 0, pc_tensor_bytes(node->out[2]));
        if (w.dbias) {
            memset(w.dbias, 0, pc_tensor_bytes(node->out[3]));
        }
        return;
    }
    w.blocks = pc_cpu_carve(call->scratch, &at, queries * sizeof(pc_query_block));
    w.parts = pc_cpu_carve(call->scratch, &at, (queries + 2) * sizeof(part));
    w.of_threads = (char *)call->scratch + at;
    w.thread_bytes = place(&w.v, NULL).bytes;
    w.part_count = cut_parts(&w, pc_attention_cut(&w.v, w.ranges, w.blocks));
    pc_pool_run(call->pool, w.part_count * w.v.key_heads, run_item, &w);
}

static bool supports(const pc_node *node) { return pc_cpu_plain(node); }

const pc_cpu_kernel pc_cpu_kernel_attention_grad = {
    .op = &pc_op_attention_grad, .run = run, .scratch = scratch, .supports = supports};
