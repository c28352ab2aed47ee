#include "learn.h"

#include "ops/adamw.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { STEPS = 6, MOST_MOMENTS = 128 };

typedef struct optimizer {
    pc_graph *graph;
    pc_exec *exec;
    pc_adamw_step step;
    float *moments[MOST_MOMENTS];
    int count;
} optimizer;

static pc_tensor *lasting(optimizer *o, const pc_param *param, float *data)
{
    pc_tensor *tensor = pc_graph_input(o->graph, param->name, PC_F32, param->shape);
    tensor->data = data;
    return tensor;
}

static void new_optimizer(optimizer *o, pc_params *params, double rate)
{
    *o = (optimizer){.step = {.beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .gradient_scale = 1, .scale_rate = 1}};
    assert_int_equal(pc_graph_new(&o->graph), PC_OK);
    for (size_t i = 0; i < params->count; i++) {
        pc_param *param = &params->items[i]->param;
        if (!param->trains) {
            continue;
        }
        assert_true(o->count + 2 <= MOST_MOMENTS);
        float **moments = &o->moments[o->count];
        o->count += 2;
        for (int m = 0; m < 2; m++) {
            moments[m] = pc_calloc((size_t)pc_shape_count(&param->shape), sizeof(float));
            assert_non_null(moments[m]);
        }
        pc_adamw(o->graph, pc_graph_param(o->graph, param), lasting(o, param, param->grad), lasting(o, param, moments[0]),
                 lasting(o, param, moments[1]), (pc_adamw_params){&o->step, rate, 0});
    }
    assert_int_equal(pc_exec_new(&o->exec, o->graph, NULL), PC_OK);
}

static void free_optimizer(optimizer *o)
{
    pc_exec_free(o->exec);
    pc_graph_free(o->graph);
    for (int i = 0; i < o->count; i++) {
        pc_free(o->moments[i]);
    }
}

void check_learns(pc_exec *exec, const pc_tensor *loss, pc_params *params, double rate)
{
    optimizer o;
    double first = 0, last = INFINITY;
    new_optimizer(&o, params, rate);
    for (int step = 0; step <= STEPS; step++) {
        pc_params_zero_gradients(params);
        assert_int_equal(pc_exec_run(exec), PC_OK);
        double now = pc_f32(loss)[0];
        if (!(now < last)) {
            fail_msg("step %d: loss %g, before %g", step, now, last);
        }
        first = step ? first : now;
        last = now;
        o.step.correction1 = 1 - pow(o.step.beta1, step + 1);
        o.step.correction2 = 1 - pow(o.step.beta2, step + 1);
        assert_int_equal(pc_exec_run(o.exec), PC_OK);
    }
    if (last > 0.8 * first) {
        fail_msg("the loss fell from %g to %g only", first, last);
    }
    free_optimizer(&o);
}
