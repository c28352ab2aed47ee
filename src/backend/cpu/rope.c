/* Rotary positions: cosines and sines once for each row, then all its heads. */
#include "ops/rope.h"

#include "backend/cpu/node.h"

#include <string.h>

typedef struct work {
    const pc_cpu_rows *rows;
    const float *x, *frequency;
    const int32_t *position;
    float *out;
    const pc_rope_params *params;
    int64_t heads, size, half;
    float sign;
    void (*turn)(float *out, const float *x, const float *cosine, const float *sine, float sign, int64_t n);
    float *of_threads; /* [threads][2 * half]: cosines, sines */
} work;

/* Cosines and sines of row t: one section of frequencies after the other. */
static void angles_of(const work *w, int64_t t, float *cosine, float *sine)
{
    int axes = pc_rope_axes(w->params);
    for (int64_t axis = 0, at = 0; axis < axes; at += w->params->sections[axis++]) {
        int64_t count = axes > 1 ? w->params->sections[axis] : w->half;
        w->rows->rope_angles(cosine + at, sine + at, w->position[t * axes + axis], w->frequency + at, count);
    }
}

static void rope_piece(void *context, int64_t from, int64_t to, int thread)
{
    const work *w = context;
    float *cosine = w->of_threads + thread * 2 * w->half;
    float *sine = cosine + w->half;
    const int64_t turned = 2 * w->half;
    for (int64_t t = from; t < to; t++) {
        angles_of(w, t, cosine, sine);
        for (int64_t h = 0; h < w->heads; h++) {
            const int64_t at = (t * w->heads + h) * w->size;
            w->turn(w->out + at, w->x + at, cosine, sine, w->sign, w->half);
            if (turned < w->size && w->out != w->x) {
                memcpy(w->out + at + turned, w->x + at + turned, (size_t)(w->size - turned) * sizeof(float));
            }
        }
    }
}

static void run(const pc_call *call, const pc_cpu_level *level)
{
    const pc_node *node = call->node;
    const pc_rope_params *params = node->params;
    work w = {
        .rows = level->rows,
        .params = params,
        .x = pc_f32(node->in[0]),
        .frequency = pc_f32(node->in[2]),
        .position = pc_i32(node->in[1]),
        .out = pc_f32_mut(node->out[0]),
        .heads = node->in[0]->shape.dim[1],
        .size = node->in[0]->shape.dim[2],
        .half = pc_shape_count(&node->in[2]->shape),
        .sign = params->inverse ? -1.0f : 1.0f,
        .turn = params->interleaved ? level->rows->rope_pairs : level->rows->rope_halves,
        .of_threads = call->scratch,
    };
    pc_cpu_run_pieces(call->pool, node->in[0]->shape.dim[0], pc_cpu_rows_in_block(w.heads * w.size), rope_piece, &w);
}

static size_t scratch(const pc_node *node, const pc_cpu_level *level, int threads)
{
    (void)level;
    return (size_t)threads * 2 * (size_t)pc_shape_count(&node->in[2]->max) * sizeof(float);
}

const pc_cpu_kernel pc_cpu_kernel_rope = {.op = &pc_op_rope, .run = run, .scratch = scratch};
