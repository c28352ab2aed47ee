/* What `percept bench --kernels` measures: nodes at the shapes that training a small model has. */
#ifndef PC_CLI_BENCH_CASES_H
#define PC_CLI_BENCH_CASES_H

#include "tensor/op.h"

typedef struct pc_bench_input {
    pc_dtype dtype;
    pc_shape shape;  /* ndim 0: absent */
    int64_t below;   /* i32: values count up modulo this; with a segment: keys, when there are more than rows */
    int64_t segment; /* attention ranges: sequences of this length; negative = causal */
} pc_bench_input;

typedef struct pc_bench_case {
    const pc_op *op;
    const char *what; /* shapes, for people */
    const void *params;
    int inputs, outputs;
    pc_bench_input in[PC_MAX_INPUTS];
    pc_dtype compute;
    bool arithmetic; /* bound by arithmetic, not by memory */
    bool one_thread;
} pc_bench_case;

extern const pc_bench_case pc_bench_cases[];
extern const int pc_bench_case_count;

/* Values for an input; pc_free. NULL when memory is short. */
void *pc_bench_data(const pc_bench_input *input);

#endif
