/* Weights of attention for a few rows: one row after another, its heads in order. */
#include "ops/look.h"

#include "backend/cpu/stored.h"
#include "ops/attention.h"

#include <math.h>
#include <string.h>

typedef struct work {
    const pc_node *node;
    const pc_cpu_level *level;
    const pc_cpu_rows *rows;
    const pc_look_params *params;
    int64_t heads, key_heads, size;
    char *of_threads;
    size_t thread_bytes;
} work;

/* Scores [C], then a key [E] that is not f32. */
static size_t thread_bytes(int64_t columns, int64_t size)
{
    size_t at = 0;
    (void)pc_cpu_carve(NULL, &at, (size_t)columns * sizeof(float));
    (void)pc_cpu_carve(NULL, &at, (size_t)size * sizeof(float));
    return at;
}

static float dot(const work *w, const float *q, int64_t key, float *spare)
{
    const pc_tensor *k = w->node->in[1];
    if (k->dtype == PC_F32) {
        return w->rows->dot(q, pc_f32(k) + key * w->size, w->size);
    }
    pc_cpu_read_stored(w->level, spare, k->data, k->dtype, key * w->size, w->size);
    return w->rows->dot(q, spare, w->size);
}

/* scores[i] of one head for the keys that the row sees; their number. */
static int64_t score(const work *w, int64_t r, int64_t h, float *scores, float *spare)
{
    const pc_attention_range range = ((const pc_attention_range *)w->node->in[2]->data)[r];
    const int32_t from[2] = {range.prefix_begin, range.begin}, to[2] = {range.prefix_end, range.end};
    const int32_t *pages = w->node->in[3] ? pc_i32(w->node->in[3]) : NULL;
    const float *q = pc_f32(w->node->in[0]) + (r * w->heads + h) * w->size;
    const int64_t kh = h / (w->heads / w->key_heads), page_rows = w->params->page_rows;
    int64_t count = 0;
    for (int piece = 0; piece < 2; piece++) {
        for (int64_t row = from[piece]; row < to[piece]; row++) {
            const int64_t place = pages ? pages[row / page_rows] * page_rows + row % page_rows : row;
            scores[count++] = (float)w->params->scale * dot(w, q, place * w->key_heads + kh, spare);
        }
    }
    return count;
}

static void join(const work *w, float *out, const float *weights, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        out[i] = w->params->heads == PC_LOOK_MOST ? fmaxf(out[i], weights[i]) : out[i] + weights[i] / (float)w->heads;
    }
}

static void look_rows(void *context, int64_t begin, int64_t end, int thread)
{
    const work *w = context;
    size_t at = 0;
    char *base = w->of_threads + (size_t)thread * w->thread_bytes;
    float *scores = pc_cpu_carve(base, &at, (size_t)w->params->columns * sizeof(float));
    float *spare = pc_cpu_carve(base, &at, (size_t)w->size * sizeof(float));
    for (int64_t r = begin; r < end; r++) {
        float *out = pc_f32_mut(w->node->out[0]) + r * w->params->columns;
        memset(out, 0, (size_t)w->params->columns * sizeof *out);
        for (int64_t h = 0; h < w->heads; h++) {
            const int64_t count = score(w, r, h, scores, spare);
            const float top = w->rows->max(scores, count);
            const float sum = count ? w->rows->sum_exp(scores, top, count) : 1;
            w->rows->exp_scaled(scores, scores, top, 1 / sum, 0, count);
            join(w, out, scores, count);
        }
    }
}

static void run(const pc_call *call, const pc_cpu_level *level)
{
    const pc_node *node = call->node;
    const pc_shape *q = &node->in[0]->shape;
    work w = {.node = node, .level = level, .rows = level->rows, .params = node->params, .heads = q->dim[1],
              .key_heads = node->in[1]->shape.dim[1], .size = q->dim[2], .of_threads = call->scratch};
    w.thread_bytes = thread_bytes(w.params->columns, w.size);
    pc_cpu_run_pieces(call->pool, q->dim[0], 1, look_rows, &w);
}

static size_t scratch(const pc_node *node, const pc_cpu_level *level, int threads)
{
    (void)level;
    return (size_t)threads * thread_bytes(((const pc_look_params *)node->params)->columns, node->in[0]->max.dim[2]);
}

static bool supports(const pc_node *node)
{
    return node->in[0]->dtype == PC_F32 && pc_cpu_stored(node->in[1]->dtype);
}

const pc_cpu_kernel pc_cpu_kernel_look = {.op = &pc_op_look, .run = run, .scratch = scratch, .supports = supports};
