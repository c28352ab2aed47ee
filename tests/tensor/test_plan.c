/* Memory planning, run-time shapes, sticky failure, and the gradients of parameters.
 *
 * Random graphs run twice: with planned memory, and with memory that is never reused. Every value that any node makes must
 * be the same to the last bit; so no value was overwritten while something still read it.
 */
#include "base/rng.h"
#include "ops/activation.h"
#include "ops/add.h"
#include "ops/attention.h"
#include "ops/loss.h"
#include "ops/matmul.h"
#include "ops/multiply.h"
#include "ops/norm.h"
#include "ops/rope.h"
#include "ops/rows.h"
#include "tensor/exec.h"
#include "tensor/plan.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { WIDTH = 8, ROWS = 6, VALUES = 24, PARAMS = 4, SEEDS = 120 };

/* --- random graphs --- */

typedef struct fuzz {
    pc_graph *graph;
    pc_rng rng;
    pc_tensor *x, *ids, *positions, *ranges, *frequencies, *targets, *weights;
    pc_tensor *values[VALUES + 1]; /* f32 [T,D] */
    int count;
    pc_param params[PARAMS];
    float data[PARAMS][WIDTH * WIDTH], grad[PARAMS][WIDTH * WIDTH];
} fuzz;

static pc_tensor *any(fuzz *f)
{
    return f->values[pc_rng_below(&f->rng, (uint64_t)f->count)];
}

static pc_tensor *any_param(fuzz *f, int from, int to)
{
    return pc_graph_param(f->graph, &f->params[from + (int)pc_rng_below(&f->rng, (uint64_t)(to - from))]);
}

static pc_tensor *attend(fuzz *f)
{
    pc_shape heads = pc_dims(3, -1, 2, WIDTH / 2);
    pc_tensor *q = pc_reshape(f->graph, any(f), heads), *k = pc_reshape(f->graph, any(f), heads);
    pc_rope_params rope = {0};
    q = pc_rope(f->graph, q, f->positions, f->frequencies, rope);
    q = pc_attention(f->graph, q, k, pc_reshape(f->graph, any(f), heads), f->ranges, NULL, 0.5);
    return pc_reshape(f->graph, q, pc_dims(2, -1, WIDTH));
}

static pc_tensor *grow_and_cut(fuzz *f)
{
    pc_tensor *x = pc_reshape(f->graph, any(f), pc_dims(3, 1, -1, WIDTH));
    x = pc_slice(f->graph, pc_prepend(f->graph, x, any_param(f, 2, 4)), 1, 0);
    return pc_reshape(f->graph, x, pc_dims(2, -1, WIDTH));
}

static pc_tensor *random_node(fuzz *f)
{
    pc_graph *g = f->graph;
    switch (pc_rng_below(&f->rng, 12)) {
    case 0: return pc_linear(g, any(f), any_param(f, 0, 2), any_param(f, 2, 4), any(f), PC_F32);
    case 1: return pc_linear(g, any(f), any_param(f, 0, 2), NULL, NULL, PC_F32);
    case 2: return pc_add(g, any(f), any(f));
    case 3: return pc_add(g, any(f), any_param(f, 2, 4));
    case 4: return pc_multiply(g, any(f), any(f));
    case 5: return pc_activate(g, any(f), PC_ACT_SILU);
    case 6: return pc_glu(g, any(f), any(f), PC_ACT_GELU);
    case 7: return pc_rms_norm(g, any(f), any_param(f, 2, 4), 1e-3);
    case 8: return pc_layer_norm(g, any(f), any_param(f, 2, 4), any_param(f, 2, 4), 1e-3);
    case 9: return pc_put_rows(g, any(f), pc_take_rows(g, any(f), f->ids), f->ids);
    case 10: return attend(f);
    default: return grow_and_cut(f);
    }
}

static void make_params(fuzz *f)
{
    for (int i = 0; i < PARAMS; i++) {
        f->params[i] = (pc_param){
            .name = (char *)"parameter",
            .dtype = PC_F32,
            .shape = i < 2 ? pc_dims(2, WIDTH, WIDTH) : pc_dims(1, WIDTH),
            .data = f->data[i],
            .grad = f->grad[i],
            .trains = i != 1,
        };
        for (int j = 0; j < WIDTH * WIDTH; j++) {
            f->data[i][j] = (float)(0.4 * pc_rng_normal(&f->rng));
        }
    }
}

static void build(fuzz *f, uint64_t seed)
{
    memset(f, 0, sizeof *f);
    pc_rng_init(&f->rng, seed, 1);
    make_params(f);
    assert_int_equal(pc_graph_new(&f->graph), PC_OK);
    f->x = pc_graph_input(f->graph, "x", PC_F32, pc_dims(2, ROWS, WIDTH));
    f->ids = pc_graph_input(f->graph, "ids", PC_I32, pc_dims(1, 2));
    f->positions = pc_graph_input(f->graph, "positions", PC_I32, pc_dims(1, ROWS));
    f->ranges = pc_graph_input(f->graph, "ranges", PC_I32, pc_dims(2, ROWS, 4));
    f->frequencies = pc_graph_input(f->graph, "frequencies", PC_F32, pc_dims(1, 2));
    f->targets = pc_graph_input(f->graph, "targets", PC_I32, pc_dims(1, ROWS));
    f->weights = pc_graph_input(f->graph, "weights", PC_F32, pc_dims(1, ROWS));
    pc_graph_want_grad(f->graph, f->x);
    f->values[f->count++] = f->x;
    while (f->count < VALUES) {
        f->values[f->count] = random_node(f);
        if (pc_rng_below(&f->rng, 8) == 0) {
            pc_keep(f->graph, f->values[f->count]);
        }
        f->count++;
    }
    pc_tensor *last = pc_add(f->graph, f->values[VALUES - 1], f->values[VALUES - 2]);
    last = pc_rms_norm(f->graph, pc_add(f->graph, last, f->x), any_param(f, 2, 4), 1e-3);
    pc_tensor *loss = pc_keep(f->graph, pc_cross_entropy(f->graph, last, f->targets, f->weights));
    pc_graph_backward(f->graph, loss);
    if (pc_graph_finish(f->graph) != PC_OK) {
        fail_msg("seed %d: %s", (int)seed, pc_error());
    }
}

/* --- running them --- */

/* What a run leaves: a hash of every value at the time it was made, and of those that must last at the end. */
typedef struct record {
    uint64_t made[4096];
    int count;
    uint64_t kept;
} record;

static uint64_t hash(uint64_t state, const void *data, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        state = (state ^ ((const uint8_t *)data)[i]) * 1099511628211u;
    }
    return state;
}

static void observe(void *user, const pc_node *node)
{
    record *r = user;
    uint64_t state = 1469598103934665603u;
    for (int i = 0; i < node->outputs; i++) {
        /* A gradient in a parameter's memory is shaped like the product that adds to it. */
        state = hash(state, node->out[i]->data, pc_tensor_bytes(node->out[i]));
    }
    assert_true(r->count < 4096);
    r->made[r->count++] = state;
}

typedef struct batch {
    float x[ROWS * WIDTH];
    int32_t ids[2], positions[ROWS], targets[ROWS];
    int32_t ranges[ROWS * 4];
    float frequencies[2], weights[ROWS];
} batch;

static void fill(batch *b, uint64_t seed, int rows)
{
    pc_rng rng;
    pc_rng_init(&rng, seed, 2);
    for (int i = 0; i < ROWS * WIDTH; i++) {
        b->x[i] = (float)pc_rng_normal(&rng);
    }
    for (int t = 0; t < rows; t++) {
        int32_t range[] = {0, t > 1, t > 1, t + 1};
        memcpy(b->ranges + 4 * t, range, sizeof range);
        b->positions[t] = t;
        b->targets[t] = (int32_t)pc_rng_below(&rng, WIDTH);
        b->weights[t] = t % 3 == 1 ? 0 : 0.25f;
    }
    b->ids[0] = rows - 1;
    b->ids[1] = 0;
    b->frequencies[0] = 1;
    b->frequencies[1] = 0.1f;
}

static void run(fuzz *f, pc_exec *exec, const batch *b, int rows, record *r)
{
    memset(r, 0, sizeof *r);
    memset(f->grad, 0, sizeof f->grad);
    pc_exec_bind(exec, f->x, b->x, pc_dims(2, rows, WIDTH));
    pc_exec_bind(exec, f->ids, b->ids, pc_dims(1, rows > 1 ? 2 : 1));
    pc_exec_bind(exec, f->positions, b->positions, pc_dims(1, rows));
    pc_exec_bind(exec, f->ranges, b->ranges, pc_dims(2, rows, 4));
    pc_exec_bind(exec, f->frequencies, b->frequencies, pc_dims(1, 2));
    pc_exec_bind(exec, f->targets, b->targets, pc_dims(1, rows));
    pc_exec_bind(exec, f->weights, b->weights, pc_dims(1, rows));
    pc_exec_observe(exec, observe, r);
    if (pc_exec_run(exec) != PC_OK) {
        fail_msg("run: %s", pc_error());
    }
    r->kept = hash(1, f->grad, sizeof f->grad);
    for (int i = 0; i < f->count; i++) {
        if (f->values[i]->keep) {
            r->kept = hash(r->kept, f->values[i]->data, pc_tensor_bytes(f->values[i]));
        }
    }
    r->kept = hash(r->kept, f->x->grad->data, pc_tensor_bytes(f->x->grad));
}

static void same(const record *a, const record *b, uint64_t seed)
{
    assert_int_equal(a->count, b->count);
    for (int i = 0; i < a->count; i++) {
        if (a->made[i] != b->made[i]) {
            fail_msg("seed %d: node %d differs", (int)seed, i);
        }
    }
    assert_true(a->kept == b->kept);
}

static void planned_memory_gives_what_separate_memory_gives(void **state)
{
    static fuzz planned, separate;
    static record a, b, again;
    static batch numbers;
    (void)state;
    size_t planned_bytes = 0, separate_bytes = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        pc_exec *one, *two;
        build(&planned, seed);
        build(&separate, seed);
        assert_int_equal(pc_exec_new(&one, planned.graph, NULL), PC_OK);
        assert_int_equal(pc_exec_new_tracing(&two, separate.graph, NULL), PC_OK);
        fill(&numbers, seed, ROWS);
        run(&planned, one, &numbers, ROWS, &a);
        run(&separate, two, &numbers, ROWS, &b);
        same(&a, &b, seed);
        for (int rows = 1; rows < ROWS; rows += 2) {
            fill(&numbers, seed + 1000, rows);
            run(&planned, one, &numbers, rows, &again);
            run(&separate, two, &numbers, rows, &b);
            same(&again, &b, seed);
        }
        fill(&numbers, seed, ROWS);
        run(&planned, one, &numbers, ROWS, &again); /* other dims in between leave nothing behind */
        same(&again, &a, seed);
        planned_bytes += pc_exec_arena_bytes(one);
        separate_bytes += pc_exec_arena_bytes(two);
        pc_exec_free(one);
        pc_exec_free(two);
        pc_graph_free(planned.graph);
        pc_graph_free(separate.graph);
    }
    assert_true(planned_bytes < separate_bytes / 2);
}

static pc_tensor *root_of(pc_tensor *tensor)
{
    while (tensor->storage == PC_STORE_VIEW) {
        tensor = tensor->base;
    }
    return tensor;
}

/* Values alive at node n (made before or at n, read at n or later) never lie over each other, unless they share one
 * root on purpose. Written against the graph, not the planner's own lists. */
static void live_values_never_overlap(void **state)
{
    static fuzz f;
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        size_t bytes;
        build(&f, seed);
        assert_int_equal(pc_plan_memory(f.graph, false, &bytes), PC_OK);
        int nodes = pc_graph_nodes(f.graph), count = 0;
        static pc_tensor *roots[4096];
        static int first[4096], last[4096];
        for (int n = 0; n < nodes; n++) {
            pc_node *node = pc_graph_node(f.graph, n);
            for (int side = 0; side < node->outputs + node->inputs; side++) {
                pc_tensor *tensor = side < node->outputs ? node->out[side] : node->in[side - node->outputs];
                pc_tensor *root = tensor ? root_of(tensor) : NULL;
                if (!root || root->storage != PC_STORE_PLANNED) {
                    continue;
                }
                int i = 0;
                while (i < count && roots[i] != root) {
                    i++;
                }
                if (i == count) {
                    roots[count] = root;
                    first[count++] = n;
                }
                last[i] = tensor->keep ? nodes : last[i] < n ? n : last[i];
                size_t end = (size_t)root->offset + (size_t)pc_shape_count(&root->max) * pc_dtype_size(root->dtype);
                assert_true(end <= bytes);
            }
        }
        for (int i = 0; i < count; i++) {
            for (int j = 0; j < i; j++) {
                int64_t size_i = pc_shape_count(&roots[i]->max) * (int64_t)pc_dtype_size(roots[i]->dtype);
                int64_t size_j = pc_shape_count(&roots[j]->max) * (int64_t)pc_dtype_size(roots[j]->dtype);
                bool in_time = first[i] <= last[j] && first[j] <= last[i];
                bool in_space = roots[i]->offset < roots[j]->offset + size_j && roots[j]->offset < roots[i]->offset + size_i;
                assert_false(in_time && in_space);
            }
        }
        memset(last, 0, sizeof last);
        pc_graph_free(f.graph);
    }
}

/* --- in-place sharing --- */

static bool share(const pc_tensor *a, const pc_tensor *b)
{
    return root_of((pc_tensor *)a) == root_of((pc_tensor *)b);
}

static void results_take_over_memory_only_where_it_ends(void **state)
{
    (void)state;
    pc_graph *g;
    size_t bytes;
    assert_int_equal(pc_graph_new(&g), PC_OK);
    pc_tensor *x = pc_graph_input(g, "x", PC_F32, pc_dims(2, 4, 32));
    pc_tensor *a = pc_scale(g, x, 2);          /* an input's memory is the caller's */
    pc_tensor *b = pc_scale(g, a, 3);          /* a is read again below */
    pc_tensor *c = pc_add(g, b, a);            /* both end here: takes b's */
    pc_tensor *d = pc_multiply(g, c, c);       /* one tensor in both places */
    pc_tensor *e = pc_reshape(g, d, pc_dims(1, 128));
    pc_tensor *h = pc_activate(g, e, PC_ACT_TANH); /* through the view */
    pc_tensor *k = pc_keep(g, pc_scale(g, h, 2));
    pc_tensor *l = pc_keep(g, pc_scale(g, k, 2)); /* k is kept */
    assert_int_equal(pc_graph_finish(g), PC_OK);
    assert_int_equal(pc_plan_memory(g, false, &bytes), PC_OK);
    assert_false(share(a, x));
    assert_false(share(b, a));
    assert_true(share(c, b));
    assert_false(share(d, c));
    assert_true(share(h, d));
    assert_true(share(k, h));
    assert_false(share(l, k));
    assert_int_equal(bytes, 2 * 4 * 32 * sizeof(float)); /* two values live at a time, all the way */
    pc_graph_free(g);
}

static void a_cache_is_written_where_it_lies(void **state)
{
    (void)state;
    pc_graph *g;
    pc_exec *exec;
    float cache[4 * 2] = {1, 2, 3, 4, 5, 6, 7, 8}, x[4] = {10, 20, 30, 40};
    const float expected[] = {30, 40, 3, 4, 5, 6, 10, 20};
    int32_t ids[] = {3, 0};
    assert_int_equal(pc_graph_new(&g), PC_OK);
    pc_tensor *in = pc_graph_input(g, "cache", PC_F32, pc_dims(2, 4, 2));
    pc_tensor *rows = pc_graph_input(g, "x", PC_F32, pc_dims(2, 2, 2)), *at = pc_graph_input(g, "ids", PC_I32, pc_dims(1, 2));
    pc_tensor *out = pc_keep(g, pc_scale(g, pc_store_rows(g, in, rows, at), 1));
    assert_int_equal(pc_exec_new(&exec, g, NULL), PC_OK);
    pc_exec_bind(exec, in, cache, pc_dims(2, 4, 2));
    pc_exec_bind(exec, rows, x, pc_dims(2, 2, 2));
    pc_exec_bind(exec, at, ids, pc_dims(1, 2));
    assert_int_equal(pc_exec_run(exec), PC_OK);
    assert_memory_equal(cache, expected, sizeof expected);
    assert_memory_equal(out->data, expected, sizeof expected);
    pc_exec_free(exec);
    pc_graph_free(g);
}

/* --- failure --- */

static void the_first_failure_is_reported(void **state)
{
    (void)state;
    pc_graph *g;
    pc_exec *exec = NULL;
    assert_int_equal(pc_graph_new(&g), PC_OK);
    pc_tensor *x = pc_graph_input(g, "x", PC_F32, pc_dims(2, 3, 4));
    pc_tensor *w = pc_name(g, pc_graph_input(g, "w", PC_F32, pc_dims(2, 5, 6)), "the.weight");
    pc_tensor *y = pc_linear(g, x, w, NULL, NULL, PC_F32);
    assert_true(pc_graph_failed(g));
    pc_tensor *z = pc_add(g, pc_reshape(g, y, pc_dims(1, 7)), x); /* nothing more happens */
    z = pc_name(g, pc_keep(g, pc_scale(g, z, 2)), "z");
    pc_graph_backward(g, z);
    assert_ptr_equal(z, y);
    pc_fail(PC_ERR_IO, "something else");
    assert_int_equal(pc_graph_finish(g), PC_ERR_DATA);
    assert_non_null(strstr(pc_error(), "the.weight"));
    assert_non_null(strstr(pc_error(), "[5,6]"));
    assert_int_equal(pc_exec_new(&exec, g, NULL), PC_ERR_DATA);
    assert_null(exec);
    pc_graph_free(g);
}

static void runs_refuse_what_was_not_planned(void **state)
{
    (void)state;
    pc_graph *g;
    pc_exec *exec;
    float numbers[64] = {0};
    assert_int_equal(pc_graph_new(&g), PC_OK);
    pc_tensor *x = pc_graph_input(g, "x", PC_F32, pc_dims(2, 4, 6)), *y = pc_graph_input(g, "y", PC_F32, pc_dims(2, 4, 6));
    pc_tensor *sum = pc_keep(g, pc_add(g, x, y));
    assert_int_equal(pc_exec_new(&exec, g, NULL), PC_OK);
    assert_int_equal(pc_exec_bind(exec, x, numbers, pc_dims(2, 4, 6)), PC_OK);
    assert_int_equal(pc_exec_run(exec), PC_ERR_USAGE); /* y is unbound */
    assert_non_null(strstr(pc_error(), "'y'"));
    assert_int_equal(pc_exec_bind(exec, y, numbers, pc_dims(2, 5, 6)), PC_ERR_DATA);
    assert_int_equal(pc_exec_bind(exec, y, numbers, pc_dims(2, 6, 4)), PC_ERR_DATA); /* as many elements */
    assert_int_equal(pc_exec_bind(exec, y, numbers, pc_dims(1, 4)), PC_ERR_DATA);
    assert_int_equal(pc_exec_bind(exec, y, numbers, pc_dims(2, -1, 6)), PC_ERR_DATA);
    assert_int_equal(pc_exec_bind(exec, sum, numbers, pc_dims(2, 4, 6)), PC_ERR_USAGE);
    assert_int_equal(pc_exec_bind(exec, y, numbers, pc_dims(2, 3, 6)), PC_OK);
    assert_int_equal(pc_exec_run(exec), PC_ERR_DATA); /* shapes that do not fit together */
    assert_int_equal(pc_exec_bind(exec, x, numbers, pc_dims(2, 3, 6)), PC_OK);
    assert_int_equal(pc_exec_run(exec), PC_OK);
    assert_int_equal(sum->shape.dim[0], 3);
    pc_exec_free(exec);
    assert_int_equal(pc_graph_cost(g).flops, 18);
    pc_graph_free(g);
}

static void every_allocation_may_fail(void **state)
{
    static fuzz f;
    (void)state;
    for (long n = 1; n < 100000; n++) {
        memset(&f, 0, sizeof f);
        pc_rng_init(&f.rng, 3, 1);
        make_params(&f);
        pc_exec *exec = NULL;
        pc_alloc_fail_at(n, false);
        pc_status status = pc_graph_new(&f.graph);
        if (status == PC_OK) {
            f.x = pc_graph_input(f.graph, "x", PC_F32, pc_dims(2, ROWS, WIDTH));
            pc_graph_want_grad(f.graph, f.x);
            for (f.values[f.count++] = f.x; f.count < VALUES; f.count++) {
                f.values[f.count] = pc_linear(f.graph, any(&f), any_param(&f, 0, 2), any_param(&f, 2, 4), NULL, PC_F32);
            }
            pc_graph_backward(f.graph, pc_dot(f.graph, f.values[VALUES - 1], f.values[VALUES - 1]));
            status = pc_exec_new(&exec, f.graph, NULL);
        }
        bool reached = pc_alloc_count() >= n;
        pc_alloc_fail_at(0, false);
        assert_int_equal(status, reached ? PC_ERR_MEMORY : PC_OK);
        pc_exec_free(exec);
        pc_graph_free(f.graph);
        if (!reached) {
            assert_true(n > 10);
            return;
        }
    }
    fail();
}

/* --- parameters --- */

/* The same network with its weights as inputs or as parameters; w and b are used twice, b's gradient is a sum over rows,
 * table is embedding and head. */
static pc_tensor *network(pc_graph *g, pc_tensor *ids, pc_tensor *w, pc_tensor *b, pc_tensor *norm, pc_tensor *table)
{
    pc_tensor *x = pc_take_rows(g, table, ids); /* [T,D] */
    pc_tensor *groups = pc_reshape(g, x, pc_dims(3, 2, -1, WIDTH));
    pc_tensor *y = pc_linear(g, pc_activate(g, groups, PC_ACT_SILU), w, b, groups, PC_F32);
    y = pc_linear(g, pc_rms_norm(g, y, norm, 1e-3), w, b, NULL, PC_F32);
    y = pc_add(g, pc_reshape(g, y, pc_dims(2, -1, WIDTH)), pc_multiply(g, x, x));
    y = pc_linear(g, y, table, NULL, NULL, PC_F32);
    return pc_keep(g, pc_dot(g, y, y));
}

static void parameters_get_the_gradients_of_inputs(void **state)
{
    enum { TABLE = 5 };
    static fuzz f;
    static float table[TABLE * WIDTH], table_grad[TABLE * WIDTH];
    static float zero[4][WIDTH * WIDTH];
    int32_t ids[] = {1, 4, 1, 0};
    (void)state;
    memset(&f, 0, sizeof f);
    pc_rng_init(&f.rng, 5, 1);
    make_params(&f);
    for (int i = 0; i < TABLE * WIDTH; i++) {
        table[i] = (float)pc_rng_normal(&f.rng);
    }
    pc_param embedding = {.name = (char *)"table", .shape = pc_dims(2, TABLE, WIDTH), .data = table, .grad = table_grad, .trains = true};
    pc_param *params[] = {&f.params[0], &f.params[2], &f.params[3], &embedding};
    pc_graph *by_input, *by_param;
    pc_exec *one, *two;
    pc_tensor *in[4];
    assert_int_equal(pc_graph_new(&by_input), PC_OK);
    assert_int_equal(pc_graph_new(&by_param), PC_OK);
    for (int i = 0; i < 4; i++) {
        in[i] = pc_graph_input(by_input, "weight", PC_F32, params[i]->shape);
        pc_graph_want_grad(by_input, in[i]);
    }
    pc_tensor *at = pc_graph_input(by_input, "ids", PC_I32, pc_dims(1, 4));
    pc_tensor *same_at = pc_graph_input(by_param, "ids", PC_I32, pc_dims(1, 4));
    pc_tensor *loss = network(by_input, at, in[0], in[1], in[2], in[3]);
    pc_tensor *same_loss = network(by_param, same_at, pc_graph_param(by_param, params[0]), pc_graph_param(by_param, params[1]),
                                   pc_graph_param(by_param, params[2]), pc_graph_param(by_param, params[3]));
    pc_graph_backward(by_input, loss);
    pc_graph_backward(by_param, same_loss);
    assert_int_equal(pc_exec_new(&one, by_input, NULL), PC_OK);
    assert_int_equal(pc_exec_new(&two, by_param, NULL), PC_OK);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pc_exec_bind(one, in[i], params[i]->data, params[i]->shape), PC_OK);
    }
    pc_exec_bind(one, at, ids, pc_dims(1, 4));
    pc_exec_bind(two, same_at, ids, pc_dims(1, 4));
    assert_int_equal(pc_exec_run(one), PC_OK);
    for (int steps = 1; steps <= 2; steps++) { /* without zeroing in between: accumulation over micro-batches */
        assert_int_equal(pc_exec_run(two), PC_OK);
        assert_true(pc_f32(loss)[0] == pc_f32(same_loss)[0]);
        for (int i = 0; i < 4; i++) {
            int64_t count = pc_shape_count(&params[i]->shape);
            for (int64_t j = 0; j < count; j++) {
                double expected = (double)steps * pc_f32(in[i]->grad)[j];
                assert_true(fabs(params[i]->grad[j] - expected) <= 1e-5 * fabs(expected) + 1e-6);
            }
            assert_memory_not_equal(params[i]->grad, zero[i], (size_t)count * sizeof(float));
        }
    }
    pc_exec_free(one);
    pc_exec_free(two);
    pc_graph_free(by_input);
    pc_graph_free(by_param);
}

static void frozen_parameters_get_none(void **state)
{
    (void)state;
    pc_graph *g;
    float data[WIDTH * WIDTH] = {0};
    pc_param frozen = {.name = (char *)"frozen", .shape = pc_dims(2, WIDTH, WIDTH), .data = data};
    assert_int_equal(pc_graph_new(&g), PC_OK);
    pc_tensor *x = pc_graph_input(g, "x", PC_F32, pc_dims(2, 3, WIDTH));
    pc_tensor *y = pc_linear(g, x, pc_graph_param(g, &frozen), NULL, NULL, PC_F32);
    pc_tensor *loss = pc_dot(g, y, y);
    int nodes = pc_graph_nodes(g);
    pc_graph_backward(g, loss);
    assert_int_equal(pc_graph_nodes(g), nodes); /* not one node for what nobody wants */
    pc_graph_free(g);
}

/* A graph of doubles may train f32 parameters. */
static void gradients_of_doubles_reach_parameters(void **state)
{
    (void)state;
    pc_graph *g;
    pc_exec *exec;
    double numbers[] = {1, 2, 3, 4};
    float data[] = {0.5f, 0.25f}, grad[4] = {10, 20, 77, 77};
    pc_param param = {.name = (char *)"w", .shape = pc_dims(2, 1, 2), .data = data, .grad = grad, .trains = true};
    assert_int_equal(pc_graph_new(&g), PC_OK);
    pc_tensor *x = pc_graph_input(g, "x", PC_F64, pc_dims(2, 2, 2));
    pc_tensor *y = pc_linear(g, x, pc_graph_param(g, &param), NULL, NULL, PC_F32); /* 1, 2.5 */
    pc_graph_backward(g, pc_dot(g, y, y));
    assert_int_equal(pc_exec_new(&exec, g, NULL), PC_OK);
    pc_exec_bind(exec, x, numbers, pc_dims(2, 2, 2));
    assert_int_equal(pc_exec_run(exec), PC_OK);
    const float expected[] = {10 + 2 * (1 + 7.5f), 20 + 2 * (2 + 10), 77, 77};
    assert_memory_equal(grad, expected, sizeof expected);
    pc_exec_free(exec);
    pc_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(planned_memory_gives_what_separate_memory_gives),
        cmocka_unit_test(live_values_never_overlap),
        cmocka_unit_test(results_take_over_memory_only_where_it_ends),
        cmocka_unit_test(a_cache_is_written_where_it_lies),
        cmocka_unit_test(the_first_failure_is_reported),
        cmocka_unit_test(runs_refuse_what_was_not_planned),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(parameters_get_the_gradients_of_inputs),
        cmocka_unit_test(frozen_parameters_get_none),
        cmocka_unit_test(gradients_of_doubles_reach_parameters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
