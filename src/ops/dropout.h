/* Dropout (Srivastava et al. 2014): numbers are dropped at random, the others scaled so that the mean stays. */
#ifndef PC_OPS_DROPOUT_H
#define PC_OPS_DROPOUT_H

#include "tensor/graph.h"

/* Shared by all nodes of a graph; changed before each run. */
typedef struct pc_dropout_draw {
    uint64_t seed;
    uint64_t number; /* of the micro-batch, from the training's start */
    bool off;        /* validation: everything passes */
} pc_dropout_draw;

typedef struct pc_dropout_params {
    const pc_dropout_draw *draw; /* outlives the graph */
    uint64_t place;              /* tells the nodes of a graph apart; below 2^24 */
    double rate;                 /* share that is dropped, 0 <= rate < 1 */
} pc_dropout_params;

/* y_i = x_i / (1 - rate), or 0 where element i is dropped: a pure function of (seed, number, place, i), so that it depends on
 * no thread, and a node made again (its gradient is one) drops the same elements. */
extern const pc_op pc_op_dropout;
pc_tensor *pc_dropout(pc_graph *graph, pc_tensor *x, pc_dropout_params params);

/* y[n] = elements [first, first + n) from x; the definition, for kernels. first is a multiple of 4. */
void pc_dropout_piece(const pc_dropout_params *params, float *y, const float *x, int64_t first, int64_t n);

#endif
