/* Moves without arithmetic: pictures to rows of patches and back, and the transpose of a matrix. */
#include "backend/cpu/node.h"
#include "ops/patches.h"
#include "ops/transpose.h"

#include <string.h>

typedef struct work {
    const float *from;
    float *to;
    int64_t channels, rows, columns, patch; /* of the grid */
    int64_t height, width;                  /* of the picture, or of the matrix */
} work;

/* Items are rows of the grid, of all images; a line of a patch is contiguous on both sides. */
static void move_patches(const work *w, int64_t begin, int64_t end, bool back)
{
    const int64_t features = w->channels * w->patch * w->patch;
    for (int64_t row = begin; row < end; row++) {
        const int64_t image = row / w->rows;
        for (int64_t i = 0; i < w->channels * w->patch * w->columns; i++) {
            const int64_t column = i % w->columns, y = i / w->columns % w->patch, channel = i / w->columns / w->patch;
            const int64_t line = (image * w->channels + channel) * w->height + row % w->rows * w->patch + y;
            const int64_t pixel = line * w->width + column * w->patch;
            const int64_t feature = (row * w->columns + column) * features + (channel * w->patch + y) * w->patch;
            memcpy(w->to + (back ? pixel : feature), w->from + (back ? feature : pixel), (size_t)w->patch * sizeof(float));
        }
    }
}

static void patches_piece(void *context, int64_t from, int64_t to, int thread)
{
    (void)thread;
    move_patches(context, from, to, false);
}

static void patches_grad_piece(void *context, int64_t from, int64_t to, int thread)
{
    (void)thread;
    move_patches(context, from, to, true);
}

static void run_grid(const pc_call *call, const pc_tensor *pixels, pc_cpu_piece piece)
{
    const pc_node *node = call->node;
    const int64_t patch = ((const pc_patches_params *)node->params)->patch;
    work w = {
        .from = pc_f32(node->in[0]),
        .to = pc_f32_mut(node->out[0]),
        .channels = pixels->shape.dim[1],
        .rows = pixels->shape.dim[2] / patch,
        .columns = pixels->shape.dim[3] / patch,
        .patch = patch,
        .height = pixels->shape.dim[2],
        .width = pixels->shape.dim[3],
    };
    pc_cpu_run_pieces(call->pool, pixels->shape.dim[0] * w.rows,
                      pc_cpu_rows_in_block(w.channels * patch * patch * w.columns), piece, &w);
}

static void run_patches(const pc_call *call, const pc_cpu_level *level)
{
    (void)level;
    run_grid(call, call->node->in[0], patches_piece);
}

static void run_patches_grad(const pc_call *call, const pc_cpu_level *level)
{
    pc_tensor *pixels = call->node->out[0];
    const int64_t patch = ((const pc_patches_params *)call->node->params)->patch;
    (void)level;
    if (pixels->shape.dim[2] % patch || pixels->shape.dim[3] % patch) {
        memset(pc_f32_mut(pixels), 0, pc_tensor_bytes(pixels)); /* the margin that no patch covers */
    }
    run_grid(call, pixels, patches_grad_piece);
}

enum { SQUARE = 32 }; /* 32 x 32 floats of both sides fit the first-level cache */

static void transpose_piece(void *context, int64_t from, int64_t to, int thread)
{
    const work *w = context;
    (void)thread;
    for (int64_t c0 = 0; c0 < w->width; c0 += SQUARE) {
        const int64_t c1 = pc_least(c0 + SQUARE, w->width);
        for (int64_t r = from; r < to; r++) {
            for (int64_t c = c0; c < c1; c++) {
                w->to[c * w->height + r] = w->from[r * w->width + c];
            }
        }
    }
}

static void run_transpose(const pc_call *call, const pc_cpu_level *level)
{
    const pc_node *node = call->node;
    work w = {.from = pc_f32(node->in[0]), .to = pc_f32_mut(node->out[0])};
    (void)level;
    w.height = node->in[0]->shape.dim[0];
    w.width = node->in[0]->shape.dim[1];
    pc_cpu_run_pieces(call->pool, w.height, SQUARE, transpose_piece, &w);
}

const pc_cpu_kernel pc_cpu_kernel_patches = {.op = &pc_op_patches, .run = run_patches};
const pc_cpu_kernel pc_cpu_kernel_patches_grad = {.op = &pc_op_patches_grad, .run = run_patches_grad};
const pc_cpu_kernel pc_cpu_kernel_transpose = {.op = &pc_op_transpose, .run = run_transpose};
