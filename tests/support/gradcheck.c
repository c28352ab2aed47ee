#include "gradcheck.h"

#include "ops/add.h"
#include "ops/multiply.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const double STEP = 1e-3;
static const double RELATIVE = 1e-6, ABSOLUTE = 1e-7;

static int64_t planned(const check *c, int64_t dim)
{
    if (dim == CHECK_NO_ROWS) {
        return 2 + c->slack;
    }
    return dim < 0 ? -dim + c->slack : dim;
}

static int64_t at_run(int64_t dim)
{
    return dim == CHECK_NO_ROWS ? 0 : dim < 0 ? -dim : dim;
}

static check_value *new_value(check *c, pc_dtype dtype, pc_shape shape)
{
    assert_true(c->count < CHECK_MAX_VALUES);
    check_value *value = &c->values[c->count++];
    pc_shape max = shape;
    value->shape = shape;
    for (int i = 0; i < shape.ndim; i++) {
        max.dim[i] = planned(c, shape.dim[i]);
        value->shape.dim[i] = at_run(shape.dim[i]);
    }
    value->data = pc_calloc((size_t)pc_shape_count(&value->shape), pc_dtype_size(dtype));
    assert_non_null(value->data);
    value->tensor = pc_graph_input(c->graph, "input", dtype, max);
    return value;
}

static check_value *new_numbers(check *c, pc_shape shape)
{
    check_value *value = new_value(c, PC_F64, shape);
    int64_t count = pc_shape_count(&value->shape);
    for (int64_t i = 0; i < count; i++) {
        double x = pc_rng_normal(&c->rng);
        /* Far enough from 0, where ReLU has a kink. */
        ((double *)value->data)[i] = x + (x < 0 ? -0.05 : 0.05);
    }
    return value;
}

pc_tensor *check_wanted(check *c, pc_shape shape)
{
    check_value *value = new_numbers(c, shape);
    value->wanted = true;
    pc_graph_want_grad(c->graph, value->tensor);
    return value->tensor;
}

pc_tensor *check_fixed(check *c, pc_shape shape)
{
    return new_numbers(c, shape)->tensor;
}

pc_tensor *check_ints(check *c, pc_shape shape, const int32_t *values)
{
    check_value *value = new_value(c, PC_I32, shape);
    memcpy(value->data, values, (size_t)pc_shape_count(&value->shape) * sizeof *values);
    return value->tensor;
}

double *check_numbers(check *c, const pc_tensor *input)
{
    for (int i = 0; i < c->count; i++) {
        if (c->values[i].tensor == input) {
            return c->values[i].data;
        }
    }
    fail_msg("not an input of the case");
    return NULL;
}

void check_out(check *c, pc_tensor *out)
{
    check_value *value = new_numbers(c, pc_graph_failed(c->graph) ? pc_dims(1, 1) : out->max);
    value->weighs = true;
    pc_tensor *part = pc_dot(c->graph, out, value->tensor);
    c->total = c->total ? pc_add(c->graph, c->total, part) : part;
}

/* The weights of an output take its run-time shape, which the shape rules before it tell. */
static void bind_weights(check *c, pc_exec *exec, const pc_node *node)
{
    for (int i = 0; i < c->count; i++) {
        if (c->values[i].weighs && node->inputs == 2 && node->in[1] == c->values[i].tensor) {
            assert_int_equal(pc_exec_bind(exec, c->values[i].tensor, c->values[i].data, node->in[0]->shape), PC_OK);
        }
    }
}

static void bind_all(check *c, pc_exec *exec)
{
    for (int i = 0; i < c->count; i++) {
        check_value *value = &c->values[i];
        if (!value->weighs) {
            assert_int_equal(pc_exec_bind(exec, value->tensor, value->data, value->shape), PC_OK);
        }
    }
    for (int i = 0; i < pc_graph_nodes(c->graph); i++) {
        pc_node *node = pc_graph_node(c->graph, i);
        bind_weights(c, exec, node);
        if (node->op->shape(node) != PC_OK) {
            fail_msg("shapes at run time: %s", pc_error());
        }
    }
}

static double run(pc_exec *exec, const pc_tensor *loss)
{
    if (pc_exec_run(exec) != PC_OK) {
        fail_msg("run: %s", pc_error());
    }
    return pc_tensor_get(loss, 0);
}

static double difference(pc_exec *exec, const pc_tensor *loss, double *x)
{
    static const double at[] = {-2, -1, 1, 2}, weight[] = {1, -8, 8, -1};
    double kept = *x, sum = 0;
    for (int i = 0; i < 4; i++) {
        *x = kept + at[i] * STEP;
        sum += weight[i] * run(exec, loss);
    }
    *x = kept;
    return sum / (12 * STEP);
}

static void compare(pc_exec *exec, const pc_tensor *loss, const check_value *value, int index)
{
    const pc_tensor *grad = value->tensor->grad;
    int64_t count = pc_shape_count(&value->shape);
    assert_non_null(grad);
    assert_int_equal(grad->dtype, PC_F64);
    run(exec, loss);
    if (!pc_shape_equal(&grad->shape, &value->shape)) {
        char a[96], b[96];
        fail_msg("gradient of input %d has shape %s, expected %s", index, pc_shape_text(&grad->shape, a),
                 pc_shape_text(&value->shape, b));
    }
    double *found = pc_calloc((size_t)count, sizeof *found);
    assert_non_null(found);
    memcpy(found, grad->data, (size_t)count * sizeof *found);
    for (int64_t i = 0; i < count; i++) {
        double expected = difference(exec, loss, (double *)value->data + i);
        if (!(fabs(expected - found[i]) <= ABSOLUTE + RELATIVE * fabs(expected))) {
            fail_msg("gradient of input %d, element %lld: expected %.10g, found %.10g", index, (long long)i, expected,
                     found[i]);
        }
    }
    pc_free(found);
}

static void check_once(check_case build, void (*visit)(const pc_node *node), int64_t slack)
{
    check c = {.slack = slack};
    pc_exec *exec;
    pc_rng_init(&c.rng, 7, 0);
    assert_int_equal(pc_graph_new(&c.graph), PC_OK);
    build(&c);
    pc_tensor *loss = pc_keep(c.graph, c.total);
    pc_graph_backward(c.graph, loss);
    if (pc_graph_finish(c.graph) != PC_OK) {
        fail_msg("build: %s", pc_error());
    }
    assert_int_equal(pc_exec_new(&exec, c.graph, NULL), PC_OK);
    bind_all(&c, exec);
    for (int i = 0; i < c.count; i++) {
        if (c.values[i].wanted) {
            compare(exec, loss, &c.values[i], i);
        }
    }
    for (int i = 0; visit && i < pc_graph_nodes(c.graph); i++) {
        visit(pc_graph_node(c.graph, i));
    }
    pc_exec_free(exec);
    pc_graph_free(c.graph);
    for (int i = 0; i < c.count; i++) {
        pc_free(c.values[i].data);
    }
}

void check_gradients(check_case build, void (*visit)(const pc_node *node))
{
    check_once(build, visit, 0);
    check_once(build, visit, 3);
}
