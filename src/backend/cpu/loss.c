/* Losses. Rows are computed by all threads; their sum is made on one, in order, in double. */
#include "ops/loss.h"
#include "ops/preference.h"

#include "backend/cpu/node.h"

#include <math.h>
#include <string.h>

typedef struct work {
    const pc_cpu_rows *rows;
    int64_t width;
    double smoothing, dloss;
    const float *logits, *weights, *lse_in;
    const int32_t *targets, *starts; /* starts NULL: one target a row */
    float *out, *lse;
    double *row_loss;
} work;

static int64_t first_target(const work *w, int64_t row)
{
    return w->starts ? w->starts[row] : row;
}

static void cross_entropy_piece(void *context, int64_t from, int64_t to, int thread)
{
    const work *w = context;
    (void)thread;
    for (int64_t r = from; r < to; r++) {
        const float *x = w->logits + r * w->width;
        const float top = w->rows->max(x, w->width);
        const double lse = (double)top + log((double)w->rows->sum_exp(x, top, w->width));
        const double mean = w->smoothing > 0 ? (double)w->rows->sum(x, w->width) / (double)w->width : 0;
        w->lse[r] = (float)lse;
        w->row_loss[r] = 0;
        for (int64_t t = first_target(w, r); t < first_target(w, r + 1); t++) {
            w->row_loss[r] += (double)w->weights[t]
                              * (lse - (1 - w->smoothing) * (double)x[w->targets[t]] - w->smoothing * mean);
        }
    }
}

static void run_cross_entropy(const pc_call *call, const pc_cpu_level *level)
{
    const pc_node *node = call->node;
    const int64_t rows = pc_shape_rows(&node->in[0]->shape);
    work w = {
        .rows = level->rows,
        .width = pc_shape_last(&node->in[0]->shape),
        .smoothing = ((const pc_cross_entropy_params *)node->params)->label_smoothing,
        .logits = pc_f32(node->in[0]),
        .targets = pc_i32(node->in[1]),
        .weights = pc_f32(node->in[2]),
        .starts = node->in[3] ? pc_i32(node->in[3]) : NULL,
        .lse = pc_f32_mut(node->out[1]),
        .row_loss = call->scratch,
    };
    double loss = 0;
    pc_cpu_run_pieces(call->pool, rows, pc_cpu_rows_in_block(w.width), cross_entropy_piece, &w);
    for (int64_t r = 0; r < rows; r++) {
        loss += w.row_loss[r];
    }
    pc_f32_mut(node->out[0])[0] = (float)loss;
}

static size_t cross_entropy_scratch(const pc_node *node, const pc_cpu_level *level, int threads)
{
    (void)level;
    (void)threads;
    return (size_t)pc_shape_rows(&node->in[0]->max) * sizeof(double);
}

static void cross_entropy_grad_piece(void *context, int64_t from, int64_t to, int thread)
{
    const work *w = context;
    (void)thread;
    for (int64_t r = from; r < to; r++) {
        float *out = w->out + r * w->width;
        double weight = 0;
        for (int64_t t = first_target(w, r); t < first_target(w, r + 1); t++) {
            weight += w->dloss * (double)w->weights[t];
        }
        if (weight == 0) { /* a row that is dropped */
            memset(out, 0, (size_t)w->width * sizeof *out);
        } else {
            w->rows->exp_scaled(out, w->logits + r * w->width, w->lse_in[r], (float)weight,
                                (float)(weight * w->smoothing / (double)w->width), w->width);
        }
        for (int64_t t = first_target(w, r); t < first_target(w, r + 1); t++) {
            out[w->targets[t]] -= (float)(w->dloss * (double)w->weights[t] * (1 - w->smoothing));
        }
    }
}

static void run_cross_entropy_grad(const pc_call *call, const pc_cpu_level *level)
{
    const pc_node *node = call->node;
    work w = {
        .rows = level->rows,
        .width = pc_shape_last(&node->in[0]->shape),
        .smoothing = ((const pc_cross_entropy_params *)node->params)->label_smoothing,
        .dloss = node->in[4] ? (double)pc_f32(node->in[4])[0] : 1,
        .logits = pc_f32(node->in[0]),
        .targets = pc_i32(node->in[1]),
        .weights = pc_f32(node->in[2]),
        .lse_in = pc_f32(node->in[3]),
        .starts = node->in[5] ? pc_i32(node->in[5]) : NULL,
        .out = pc_f32_mut(node->out[0]),
    };
    pc_cpu_run_pieces(call->pool, pc_shape_rows(&node->in[0]->shape), pc_cpu_rows_in_block(w.width),
                      cross_entropy_grad_piece, &w);
}

/* --- losses of single tokens --- */

static void token_losses_piece(void *context, int64_t from, int64_t to, int thread)
{
    const work *w = context;
    (void)thread;
    for (int64_t r = from; r < to; r++) {
        const float *x = w->logits + r * w->width;
        const float top = w->rows->max(x, w->width);
        const double lse = (double)top + log((double)w->rows->sum_exp(x, top, w->width));
        w->lse[r] = (float)lse;
        w->out[r] = (float)(lse - (double)x[w->targets[r]]);
    }
}

static void run_token_losses(const pc_call *call, const pc_cpu_level *level)
{
    const pc_node *node = call->node;
    work w = {
        .rows = level->rows,
        .width = pc_shape_last(&node->in[0]->shape),
        .logits = pc_f32(node->in[0]),
        .targets = pc_i32(node->in[1]),
        .out = pc_f32_mut(node->out[0]),
        .lse = pc_f32_mut(node->out[1]),
    };
    pc_cpu_run_pieces(call->pool, pc_shape_rows(&node->in[0]->shape), pc_cpu_rows_in_block(w.width), token_losses_piece,
                      &w);
}

/* --- SigLIP: rows of the [B,B] logits --- */

static double softplus(double x) { return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x)); }

static void sigmoid_piece(void *context, int64_t from, int64_t to, int thread)
{
    const work *w = context;
    (void)thread;
    for (int64_t r = from; r < to; r++) {
        double sum = 0;
        for (int64_t c = 0; c < w->width; c++) {
            const double x = (double)w->logits[r * w->width + c];
            sum += softplus(r == c ? -x : x);
        }
        w->row_loss[r] = sum;
    }
}

static void run_sigmoid_loss(const pc_call *call, const pc_cpu_level *level)
{
    const pc_node *node = call->node;
    const int64_t batch = node->in[0]->shape.dim[0];
    work w = {.rows = level->rows, .width = batch, .logits = pc_f32(node->in[0]), .row_loss = call->scratch};
    double loss = 0;
    pc_cpu_run_pieces(call->pool, batch, 1, sigmoid_piece, &w);
    for (int64_t r = 0; r < batch; r++) {
        loss += w.row_loss[r];
    }
    pc_f32_mut(node->out[0])[0] = (float)(batch ? loss / (double)batch : 0);
}

static void sigmoid_grad_piece(void *context, int64_t from, int64_t to, int thread)
{
    const work *w = context;
    (void)thread;
    for (int64_t i = from * w->width; i < to * w->width; i++) {
        const double z = i / w->width == i % w->width ? 1 : -1;
        w->out[i] = (float)(-w->dloss * z / (1 + exp(z * (double)w->logits[i])));
    }
}

static void run_sigmoid_loss_grad(const pc_call *call, const pc_cpu_level *level)
{
    const pc_node *node = call->node;
    const int64_t batch = node->in[0]->shape.dim[0];
    work w = {.rows = level->rows, .width = batch, .logits = pc_f32(node->in[0]), .out = pc_f32_mut(node->out[0])};
    w.dloss = (double)pc_f32(node->in[1])[0] / (double)pc_most(batch, 1);
    pc_cpu_run_pieces(call->pool, batch, 1, sigmoid_grad_piece, &w);
}

const pc_cpu_kernel pc_cpu_kernel_cross_entropy = {
    .op = &pc_op_cross_entropy, .run = run_cross_entropy, .scratch = cross_entropy_scratch};
const pc_cpu_kernel pc_cpu_kernel_cross_entropy_grad = {.op = &pc_op_cross_entropy_grad, .run = run_cross_entropy_grad};
const pc_cpu_kernel pc_cpu_kernel_token_losses = {.op = &pc_op_token_losses, .run = run_token_losses};
const pc_cpu_kernel pc_cpu_kernel_sigmoid_loss = {
    .op = &pc_op_sigmoid_loss, .run = run_sigmoid_loss, .scratch = cross_entropy_scratch};
const pc_cpu_kernel pc_cpu_kernel_sigmoid_loss_grad = {.op = &pc_op_sigmoid_loss_grad, .run = run_sigmoid_loss_grad};
