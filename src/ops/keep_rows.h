/* Which rows of a text go on when only the best-attended of some may: FastV's choice among a picture's tokens. */
#ifndef PC_OPS_KEEP_ROWS_H
#define PC_OPS_KEEP_ROWS_H

#include "tensor/graph.h"

typedef struct pc_keep_rows_params {
    double keep; /* share of each group that stays, 0 .. 1 */
} pc_keep_rows_params;

/* in[0] weights [R,C] (ops/look.h); in[1] judges i32 [T]: the row of `weights` that judges row t, -1: it stays; in[2] columns i32
 * [T]: t's column there; in[3] [T',..]: of it only T' counts, T less what leaves. out i32 [T']: the rows that stay, in their order:
 * of the n rows that one judge has, the pc_kept_of(n, keep) with the largest weights, of equal ones the first. No gradient. */
extern const pc_op pc_op_keep_rows;
pc_tensor *pc_keep_rows(pc_graph *graph, pc_tensor *weights, pc_tensor *judges, pc_tensor *columns, pc_tensor *like,
                        pc_keep_rows_params params);

/* How many of n rows stay: keep * n, rounded, and at least one of some. */
int64_t pc_kept_of(int64_t n, double keep);

#endif
