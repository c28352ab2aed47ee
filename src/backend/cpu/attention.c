/* Attention, forward. For each block of queries and each key head:
 *
 *   S^T [keys, rows]  = K Q^T              tiles; the rows' queries lie in the vector lanes
 *   m [rows]          = max over keys      so the softmax needs no horizontal sums
 *   P^T               = exp(scale S^T - m), l = sum over keys in order
 *   O [rows, E]       = P V, then / l      P^T is already in the layout of a panel
 *
 * The scores of one block are kept whole (some hundred KiB, in the second-level cache for usual lengths), not rescaled
 * tile by tile as in Dao et al. 2022: the maximum is exact before the first sum, so a row's result depends on its keys
 * alone, and a short range pays nothing for rescaling.
 */
#include "backend/cpu/attention_blocks.h"
#include "backend/cpu/stored.h"

#include <math.h>
#include <string.h>

enum {
    KEYS_PACKED = 64,   /* keys transposed at a time */
    VALUES_AT_ONCE = 256, /* keys of a block of the second product: P^T stays near */
};

typedef struct scratch_of_thread {
    float *q;        /* [rows][E], gathered when heads share the block */
    float *q_panel;  /* [E][rows] */
    float *k_panel;  /* [E][KEYS_PACKED] */
    float *scores;   /* [2 S][rows] */
    float *out;      /* [rows][E] */
    float *keys;     /* [KEYS_PACKED][E], keys that lie in blocks */
    float *values;   /* [VALUES_AT_ONCE][E], values that are not f32 */
    float *max, *sum;  /* [rows] */
    int32_t *low, *high; /* [2][rows] */
    size_t bytes;
} scratch_of_thread;

typedef struct work {
    pc_attention_view v;
    const pc_cpu_level *level;
    const pc_tensor *q, *k, *values;
    const pc_tensor *sinks; /* q for the keys of the prefix range, or NULL */
    const pc_attention_range *ranges;
    const int32_t *pages; /* or NULL */
    int64_t page_rows;
    const float *bias; /* or NULL */
    float *out, *lse;
    pc_query_block *blocks;
    char *of_threads;
    size_t thread_bytes;
} work;

static scratch_of_thread place(const pc_attention_view *v, void *base)
{
    scratch_of_thread s;
    const size_t rows = (size_t)v->most_rows, size = (size_t)v->size;
    size_t at = 0;
    s.q = pc_cpu_carve(base, &at, rows * size * sizeof(float));
    s.q_panel = pc_cpu_carve(base, &at, rows * size * sizeof(float));
    s.k_panel = pc_cpu_carve(base, &at, KEYS_PACKED * size * sizeof(float));
    s.scores = pc_cpu_carve(base, &at, 2 * (size_t)v->most_keys * rows * sizeof(float));
    s.out = pc_cpu_carve(base, &at, rows * size * sizeof(float));
    s.keys = pc_cpu_carve(base, &at, KEYS_PACKED * size * sizeof(float));
    s.values = pc_cpu_carve(base, &at, VALUES_AT_ONCE * size * sizeof(float));
    s.max = pc_cpu_carve(base, &at, rows * sizeof(float));
    s.sum = pc_cpu_carve(base, &at, rows * sizeof(float));
    s.low = pc_cpu_carve(base, &at, 2 * rows * sizeof(int32_t));
    s.high = pc_cpu_carve(base, &at, 2 * rows * sizeof(int32_t));
    s.bytes = at;
    return s;
}

typedef struct job {
    const work *w;
    const pc_query_block *block;
    int64_t key_head, chunk;
    int64_t rows, width; /* rows of the block; padded to whole vectors */
    scratch_of_thread s;
} job;

static void pack_queries(const job *j, const pc_tensor *from)
{
    const pc_attention_view *v = &j->w->v;
    const float *q = pc_f32(from);
    const pc_cpu_gemm *gemm = j->w->level->f32;
    const int64_t first = pc_attention_row(v, j->block->first, j->key_head, j->chunk, 0);
    pc_cpu_matrix rows = {q + first * v->size, PC_F32, v->heads * v->size, 1};
    if (pc_attention_chunk_heads(v, j->chunk) > 1) {
        for (int64_t r = 0; r < j->rows; r++) {
            const int64_t row = pc_attention_row(v, j->block->first, j->key_head, j->chunk, r);
            memcpy(j->s.q + r * v->size, q + row * v->size, (size_t)v->size * sizeof(float));
        }
        rows.data = j->s.q;
        rows.row_stride = v->size;
    }
    gemm->pack(j->s.q_panel, j->width, &rows, j->rows, v->size);
}

/* Where in k or v, in numbers, key row `key` of the ranges begins. *count is cut to the rows that follow it there. */
static int64_t key_at(const job *j, int64_t key, int64_t *count)
{
    const work *w = j->w;
    if (w->pages) {
        const int64_t in_page = key % w->page_rows;
        *count = pc_least(*count, w->page_rows - in_page);
        key = w->pages[key / w->page_rows] * w->page_rows + in_page;
    }
    return (key * w->v.key_heads + j->key_head) * w->v.size;
}

/* out [count][E] = rows from number `at` on. */
static void read_rows(const job *j, float *out, const pc_tensor *tensor, int64_t at, int64_t count)
{
    const pc_attention_view *v = &j->w->v;
    for (int64_t i = 0; i < count; i++) {
        pc_cpu_read_stored(j->w->level, out + i * v->size, tensor->data, tensor->dtype, at + i * v->key_heads * v->size, v->size);
    }
}

/* `count` keys from number `at` on, as gemm->pack reads them: where they lie, but for those in blocks. */
static pc_cpu_matrix key_rows(const job *j, int64_t at, int64_t count)
{
    const pc_tensor *k = j->w->k;
    const pc_attention_view *v = &j->w->v;
    if (pc_dtype_is_block(k->dtype)) {
        read_rows(j, j->s.keys, k, at, count);
        return (pc_cpu_matrix){j->s.keys, PC_F32, v->size, 1};
    }
    return (pc_cpu_matrix){(const char *)k->data + (size_t)at * pc_dtype_size(k->dtype), k->dtype, v->key_heads * v->size, 1};
}

static void score_piece(const job *j, pc_key_piece piece, float *scores)
{
    const pc_attention_view *v = &j->w->v;
    const pc_cpu_gemm *gemm = j->w->level->f32;
    int64_t count;
    for (int64_t key = piece.low; key < piece.high; key += count) {
        count = pc_least(KEYS_PACKED, piece.high - key);
        const int64_t at = key_at(j, key, &count), width = pc_round_up(count, gemm->lanes);
        const pc_cpu_matrix keys = key_rows(j, at, count);
        gemm->pack(j->s.k_panel, width, &keys, count, v->size);
        const pc_cpu_product product = {
            .a = j->s.k_panel, .lda = width, .b = j->s.q_panel, .ldb = j->width,
            .c = scores + (key - piece.low) * j->width, .ldc = j->width, .m = count, .n = j->width, .k = v->size};
        pc_cpu_multiply(gemm, &product);
    }
}

/* The bias goes in before the scale does. */
static void add_bias(const job *j, pc_key_piece piece, float *scores)
{
    const work *w = j->w;
    const float inverse = 1 / w->v.scale;
    for (int64_t r = 0; w->bias && r < j->rows; r++) {
        const pc_attention_bias bias = pc_attention_bias_of(&w->v, w->bias, w->ranges, j->block->first, j->key_head, j->chunk, r);
        for (int64_t key = piece.low; key < piece.high; key++) {
            scores[(key - piece.low) * j->width + r] += inverse * bias.row[pc_attention_bias_at(&bias, key)];
        }
    }
}

static void mix_piece(const job *j, pc_key_piece piece, const float *scores, bool load)
{
    const pc_attention_view *v = &j->w->v;
    const pc_tensor *values = j->w->values;
    int64_t count;
    for (int64_t key = piece.low; key < piece.high; key += count) {
        count = pc_least(VALUES_AT_ONCE, piece.high - key);
        const int64_t at = key_at(j, key, &count);
        pc_cpu_product product = {
            .a = scores + (key - piece.low) * j->width, .lda = j->width, .b = j->s.values, .ldb = v->size,
            .c = j->s.out, .ldc = v->size, .m = j->rows, .n = v->size, .k = count, .load = load};
        if (values->dtype == PC_F32) {
            product.b = pc_f32(values) + at;
            product.ldb = v->key_heads * v->size;
        } else {
            read_rows(j, j->s.values, values, at, count);
        }
        pc_cpu_multiply(j->w->level->f32, &product);
        load = true;
    }
}

static void find_seen(const job *j)
{
    const int64_t heads = pc_attention_chunk_heads(&j->w->v, j->chunk);
    for (int64_t r = 0; r < j->width; r++) {
        for (int piece = 0; piece < 2; piece++) {
            pc_key_piece seen = {0, 0};
            if (r < j->rows) {
                seen = pc_attention_seen(&j->w->ranges[j->block->first + r / heads], piece, j->block->piece[piece]);
            }
            j->s.low[piece * j->width + r] = seen.low;
            j->s.high[piece * j->width + r] = seen.high;
        }
        j->s.max[r] = -INFINITY;
        j->s.sum[r] = 0;
    }
}

static void finish_rows(const job *j)
{
    const pc_attention_view *v = &j->w->v;
    for (int64_t r = 0; r < j->rows; r++) {
        const int64_t row = pc_attention_row(v, j->block->first, j->key_head, j->chunk, r);
        const float sum = j->s.sum[r];
        if (sum == 0) { /* saw no key */
            memset(j->w->out + row * v->size, 0, (size_t)v->size * sizeof(float));
            j->w->lse[row] = -INFINITY;
        } else {
            j->w->level->rows->scale(j->w->out + row * v->size, j->s.out + r * v->size, 1.0f / sum, v->size);
            j->w->lse[row] = j->s.max[r] + logf(sum);
        }
    }
}

static void run_item(void *context, int64_t item, int thread)
{
    const work *w = context;
    const pc_attention_view *v = &w->v;
    const int64_t units = v->key_heads * v->chunks;
    const int64_t unit = item % units;
    const pc_cpu_rows *rows = w->level->rows;
    job j = {.w = w, .block = &w->blocks[item / units], .key_head = unit / v->chunks, .chunk = unit % v->chunks};
    j.s = place(v, w->of_threads + w->thread_bytes * (size_t)thread);
    j.rows = j.block->count * pc_attention_chunk_heads(v, j.chunk);
    j.width = pc_round_up(j.rows, w->level->f32->lanes);
    find_seen(&j);
    float *scores = j.s.scores;
    for (int i = 0; i < 2; i++) {
        const int64_t keys = j.block->piece[i].high - j.block->piece[i].low;
        if (i == 0 || w->sinks) {
            pack_queries(&j, i == 0 && w->sinks ? w->sinks : w->q);
        }
        score_piece(&j, j.block->piece[i], scores);
        add_bias(&j, j.block->piece[i], scores);
        rows->score_max(j.s.max, scores, j.width, (int)j.width, keys, j.s.low + i * j.width, j.s.high + i * j.width, v->scale);
        scores += keys * j.width;
    }
    scores = j.s.scores;
    for (int i = 0; i < 2; i++) {
        const int64_t keys = j.block->piece[i].high - j.block->piece[i].low;
        rows->score_exp(scores, j.s.sum, j.s.max, j.width, (int)j.width, keys, j.s.low + i * j.width,
                        j.s.high + i * j.width, v->scale);
        mix_piece(&j, j.block->piece[i], scores, scores > j.s.scores);
        scores += keys * j.width;
    }
    finish_rows(&j);
}

static pc_attention_view planned(const pc_node *node, const pc_cpu_level *level)
{
    pc_attention_view v = pc_attention_view_of(node, level);
    v.queries = node->in[0]->max.dim[0];
    v.keys = node->in[1]->max.dim[0];
    return v;
}

static size_t scratch(const pc_node *node, const pc_cpu_level *level, int threads)
{
    const pc_attention_view v = planned(node, level);
    size_t bytes = 0;
    pc_cpu_carve(NULL, &bytes, (size_t)v.queries * sizeof(pc_query_block));
    return bytes + place(&v, NULL).bytes * (size_t)threads;
}

static void run(const pc_call *call, const pc_cpu_level *level)
{
    const pc_node *node = call->node;
    size_t at = 0;
    work w = {
        .v = pc_attention_view_of(node, level),
        .level = level,
        .q = node->in[0],
        .k = node->in[1],
        .values = node->in[2],
        .ranges = node->in[3]->data,
        .sinks = node->inputs > 6 ? node->in[6] : NULL,
        .pages = node->inputs > 5 && node->in[5] ? pc_i32(node->in[5]) : NULL,
        .page_rows = ((const pc_attention_params *)node->params)->page_rows,
        .bias = node->in[4] ? pc_f32(node->in[4]) : NULL,
        .out = pc_f32_mut(node->out[0]),
        .lse = pc_f32_mut(node->out[1]),
    };
    if (w.v.queries == 0 || w.v.heads == 0 || w.v.size == 0) {
        return;
    }
    w.blocks = pc_cpu_carve(call->scratch, &at, (size_t)node->in[0]->max.dim[0] * sizeof(pc_query_block));
    w.of_threads = (char *)call->scratch + at;
    w.thread_bytes = place(&w.v, NULL).bytes;
    const int64_t blocks = pc_attention_cut(&w.v, w.ranges, w.blocks);
    pc_pool_run(call->pool, blocks * w.v.key_heads * w.v.chunks, run_item, &w);
}

static bool supports(const pc_node *node)
{
    const bool stored = pc_cpu_stored(node->in[1]->dtype) && pc_cpu_stored(node->in[2]->dtype);
    return (!node->in[4] || node->in[4]->dtype == PC_F32) && node->in[0]->dtype == PC_F32 && stored
           && node->in[3]->dtype == PC_I32 && node->out[0]->dtype == PC_F32
           && (node->inputs < 7 || !node->in[6] || node->in[6]->dtype == PC_F32);
}

const pc_cpu_kernel pc_cpu_kernel_attention = {
    .op = &pc_op_attention, .run = run, .scratch = scratch, .supports = supports};
