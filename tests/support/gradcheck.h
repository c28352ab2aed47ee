/* Gradients against central differences, in doubles, by the reference kernels alone.
 *
 * A case builds a small graph from check_wanted / check_fixed / check_ints and hands its results to check_out; their dot
 * products with random numbers make the scalar. check_gradients compares the gradient of every wanted input with a
 * four-point difference, element by element, and fails the running cmocka test where they differ.
 */
#ifndef PC_TESTS_SUPPORT_GRADCHECK_H
#define PC_TESTS_SUPPORT_GRADCHECK_H

#include "base/rng.h"
#include "tensor/exec.h"

enum { CHECK_MAX_VALUES = 24, CHECK_NO_ROWS = -1000 };

typedef struct check_value {
    pc_tensor *tensor;
    pc_shape shape; /* at run time */
    void *data;
    bool wanted;
    bool weighs; /* made by check_out */
} check_value;

typedef struct check {
    pc_graph *graph;
    pc_rng rng;
    int64_t slack; /* rows that are planned beyond those of the run */
    check_value values[CHECK_MAX_VALUES];
    int count;
    pc_tensor *total;
} check;

typedef void (*check_case)(check *c);

/* Inputs of F64 normal numbers. A negative dim -n has n elements at run time and more in the plan; CHECK_NO_ROWS has
 * none at run time. */
pc_tensor *check_wanted(check *c, pc_shape shape);
pc_tensor *check_fixed(check *c, pc_shape shape);
pc_tensor *check_ints(check *c, pc_shape shape, const int32_t *values);
/* The numbers of an input, to change before the run. */
double *check_numbers(check *c, const pc_tensor *input);
void check_out(check *c, pc_tensor *out);

/* Runs the case twice: with the planned dims, and with fewer rows than planned. `visit` (or NULL) sees every node. */
void check_gradients(check_case build, void (*visit)(const pc_node *node));

#endif
