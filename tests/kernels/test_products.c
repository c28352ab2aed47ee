/* Products and attention at each instruction-set level against their references, and the promise that a row of a batch
 * has the bits that it has alone. */
#include "kernels/walker.h"

#include "backend/cpu/node.h"
#include "ops/attention.h"
#include "ops/experts.h"
#include "ops/matmul.h"
#include "ops/typed_linear.h"

static void matmul_case(walker *w, int64_t m, int64_t n, int64_t k, pc_matmul_params params, int options)
{
    enum { BIAS = 1, RESIDUAL = 2, ACCUMULATE = 4 };
    walker_begin(w, &pc_op_matmul, &params);
    walker_float(w, PC_F32, params.transpose_a ? pc_dims(2, k, m) : pc_dims(2, m, k));
    walker_float(w, PC_F32, params.transpose_b ? pc_dims(2, n, k) : pc_dims(2, k, n));
    if (options & BIAS) {
        walker_float(w, PC_F32, pc_dims(1, n));
    } else {
        walker_absent(w);
    }
    if (options & RESIDUAL) {
        walker_float(w, PC_F32, pc_dims(2, m, n));
    } else {
        walker_absent(w);
    }
    w->accumulate = options & ACCUMULATE;
    w->absolute = 2e-6 * sqrt((double)k) + (params.compute == PC_BF16 ? 1e-5 : 0);
    walker_check(w);
}

static void test_matmul(void **state)
{
    static const int64_t sizes[][3] = {
        {1, 1, 1}, {1, 33, 7}, {2, 16, 16}, {3, 31, 2}, {4, 65, 129}, {5, 32, 64}, {7, 17, 33}, {13, 40, 31}, {14, 32, 256},
        {15, 33, 257}, {29, 64, 300}, {28, 96, 513}, {65, 130, 70}, {113, 47, 19}, {16, 1, 5}, {17, 33, 1300}, {200, 3, 1}, {0, 4, 4}, {4, 5, 0},
    };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (int variant = 0; variant < 8; variant++) {
            pc_matmul_params params = {variant & 1, (variant & 2) != 0, variant & 4 ? PC_BF16 : PC_F32};
            if ((sizes[i][0] == 0 && params.transpose_a) || (sizes[i][2] == 0 && !(params.transpose_a && !params.transpose_b))) {
                continue; /* no rows to count: not a shape */
            }
            matmul_case(*state, sizes[i][0], sizes[i][1], sizes[i][2], params, (int)((i + (size_t)variant * 3) % 8));
        }
    }
}

static void test_matmul_types(void **state)
{
    walker *w = *state;
    static const pc_dtype types[] = {PC_F32, PC_BF16, PC_F16};
    for (int i = 0; i < 9 * 4; i++) {
        pc_matmul_params params = {i / 9 & 1, i / 18, i % 2 ? PC_BF16 : PC_F32};
        walker_begin(w, &pc_op_matmul, &params);
        walker_float(w, types[i % 3], params.transpose_a ? pc_dims(2, 37, 21) : pc_dims(2, 21, 37));
        walker_float(w, types[i / 3 % 3], params.transpose_b ? pc_dims(2, 50, 37) : pc_dims(2, 37, 50));
        walker_absent(w);
        walker_absent(w);
        w->absolute = 3e-5;
        walker_check(w);
    }
}

/* A row alone, in a small batch and in a large one: the same bits; also with the weight packed beforehand. */
static void test_matmul_rows(void **state)
{
    enum { M = 300, N = 75, K = 601 };
    walker *w = *state;
    for (int variant = 0; variant < 6; variant++) {
        pc_matmul_params params = {false, true, variant & 1 ? PC_BF16 : PC_F32};
        const pc_dtype type = (const pc_dtype[]){PC_F32, PC_BF16, PC_F16}[variant / 2];
        walker_begin(w, &pc_op_matmul, &params);
        pc_tensor *a = walker_float(w, PC_F32, pc_dims(2, M, K));
        pc_tensor *b = walker_float(w, type, pc_dims(2, N, K));
        walker_float(w, PC_F32, pc_dims(1, N));
        pc_tensor *residual = walker_float(w, PC_F32, pc_dims(2, M, N));
        for (int level = 0; level < w->levels; level++) {
            pc_param param = {.dtype = type, .shape = pc_dims(2, N, K), .data = b->data};
            float *whole = walker_run(w, level, 2);
            for (int64_t rows = 1; rows <= 30; rows += rows < 7 ? 1 : 11) {
                for (int packed = 0; packed < 2; packed++) {
                    if (packed) {
                        assert_int_equal(w->backend[level][0]->pack(w->backend[level][0], &param, params.compute), PC_OK);
                        b->param = &param;
                    }
                    void *data = a->data, *added = residual->data;
                    a->data = (float *)a->data + 17 * K;
                    a->shape = pc_dims(2, rows, K);
                    residual->data = (float *)residual->data + 17 * N;
                    residual->shape = pc_dims(2, rows, N);
                    float *part = walker_run(w, level, 1);
                    assert_memory_equal(part, whole + 17 * N, (size_t)(rows * N) * sizeof(float));
                    free(part);
                    a->data = data;
                    a->shape = pc_dims(2, M, K);
                    residual->data = added;
                    residual->shape = pc_dims(2, M, N);
                    if (packed) {
                        float *again = walker_run(w, level, 1);
                        assert_memory_equal(again, whole, M * N * sizeof(float));
                        free(again);
                        w->backend[level][0]->unpack(w->backend[level][0], &param);
                        assert_null(param.packed);
                        b->param = NULL;
                    }
                }
            }
            free(whole);
        }
        walker_end(w);
    }
}

/* out of a product without reference; free() it. */
static float *big_product(walker *w, int level, const float *a, const float *b, int64_t m, int64_t n, int64_t k,
                          pc_matmul_params params)
{
    walker_begin(w, &pc_op_matmul, &params);
    pc_tensor *x = walker_tensor(w, PC_F32, params.transpose_a ? pc_dims(2, k, m) : pc_dims(2, m, k));
    pc_tensor *y = walker_tensor(w, PC_F32, params.transpose_b ? pc_dims(2, n, k) : pc_dims(2, k, n));
    walker_absent(w);
    walker_absent(w);
    for (int64_t i = 0; i < m * k; i++) {
        pc_f32_mut(x)[params.transpose_a ? i % k * m + i / k : i] = a[i];
    }
    for (int64_t i = 0; i < n * k; i++) {
        pc_f32_mut(y)[params.transpose_b ? i : i % k * n + i / k] = b[i];
    }
    memcpy(w->original[0], x->data, pc_tensor_bytes(x));
    memcpy(w->original[1], y->data, pc_tensor_bytes(y));
    float *out = walker_run(w, level, 2);
    walker_end(w);
    return out;
}

/* Matrices that are cut in chunks: the four transposes give the same bits, and the first rows those of a small product,
 * which another test compares with the reference. */
static void test_matmul_chunks(void **state)
{
    static const int64_t sizes[][3] = {{3300, 40, 2500}, {20, 4000, 2500}, {130, 40, 5000}};
    walker *w = *state;
    for (int i = 0; i < 3 * 2 * w->levels; i++) {
        const int64_t m = sizes[i % 3][0], n = sizes[i % 3][1], k = sizes[i % 3][2];
        const int level = i / 6;
        float *a = malloc((size_t)(m * k) * sizeof *a), *b = malloc((size_t)(n * k) * sizeof *b);
        for (int64_t j = 0; j < m * k; j++) {
            a[j] = (float)((j * 2654435761) % 2001 - 1000) * 1e-3f;
        }
        for (int64_t j = 0; j < n * k; j++) {
            b[j] = (float)((j * 40503) % 1999 - 1000) * 1e-3f;
        }
        pc_matmul_params params = {false, true, i / 3 % 2 ? PC_BF16 : PC_F32};
        float *want = big_product(w, level, a, b, m, n, k, params);
        float *few = big_product(w, level, a, b, 2, n, k, params);
        assert_memory_equal(few, want, (size_t)(2 * n) * sizeof *few);
        free(few);
        for (int variant = 1; variant < 4; variant++) {
            params.transpose_a = variant & 1;
            params.transpose_b = !(variant & 2);
            float *got = big_product(w, level, a, b, m, n, k, params);
            assert_memory_equal(got, want, (size_t)(m * n) * sizeof *got);
            free(got);
        }
        free(want);
        free(a);
        free(b);
    }
}

/* --- attention --- */

typedef enum mask { CAUSAL, GROUPS, PREFIX, WINDOW, RANDOM, CACHE, MASKS } mask;

static pc_attention_range range_for(walker *w, mask kind, int64_t t, int64_t queries, int64_t keys)
{
    const int32_t i = (int32_t)t, s = (int32_t)keys;
    const int32_t span = 21;
    switch (kind) {
    case CAUSAL: return (pc_attention_range){0, 0, i / span * span % s, i % s + 1};
    case GROUPS: return (pc_attention_range){0, 0, i / span * span % s, i / span * span % s + (span < s ? span : s)};
    case PREFIX: return (pc_attention_range){0, s / 3, s / 3 + (s - s / 3) / 2, s / 3 + (s - s / 3) / 2 + 1 + i % (s / 4 + 1)};
    case WINDOW: return (pc_attention_range){0, i % 3 == 0 ? 2 : 0, i > 9 ? i - 7 : 2, i + 1};
    case CACHE: return (pc_attention_range){0, 0, s / 5, (int32_t)(s - queries) + i + 1};
    default: break;
    }
    const int32_t a = (int32_t)pc_rng_below(&w->rng, (uint64_t)s + 1), b = (int32_t)pc_rng_below(&w->rng, (uint64_t)s + 1);
    const int32_t c = (int32_t)pc_rng_below(&w->rng, (uint64_t)a + 1);
    return (pc_attention_range){c / 2, c, a, b}; /* a > b: empty */
}

static void add_attention(walker *w, pc_dtype cache, int64_t queries, int64_t keys, int64_t heads, int64_t key_heads,
                          int64_t size, mask kind)
{
    walker_float(w, PC_F32, pc_dims(3, queries, heads, size));
    for (int i = 0; i < 2; i++) {
        const pc_shape shape = pc_dims(3, keys, key_heads, size);
        (void)(pc_dtype_is_block(cache) ? walker_blocks(w, cache, shape) : walker_float(w, cache, shape));
    }
    pc_tensor *ranges = walker_int(w, pc_dims(2, queries, 4), 1);
    for (int64_t t = 0; t < queries; t++) {
        pc_attention_range range = range_for(w, kind, t, queries, keys);
        range.end = range.end > keys ? (int32_t)keys : range.end;
        range.prefix_end = range.prefix_end > keys ? (int32_t)keys : range.prefix_end;
        memcpy((pc_attention_range *)ranges->data + t, &range, sizeof range);
    }
    memcpy(w->original[3], ranges->data, pc_tensor_bytes(ranges));
    walker_absent(w);
}

static const struct attention_size {
    int64_t queries, keys, heads, key_heads, size;
} attention_sizes[] = {
    {1, 1, 1, 1, 1}, {5, 9, 2, 1, 7}, {43, 43, 2, 2, 32}, {65, 65, 3, 3, 16}, {150, 150, 1, 1, 24}, {90, 90, 4, 2, 33},
    {3, 200, 6, 2, 64}, {50, 90, 1, 1, 50}, {7, 90, 96, 1, 8}, {1, 300, 4, 1, 128}, {4, 20, 1, 1, 256},
};

static void test_attention(void **state)
{
    walker *w = *state;
    for (size_t i = 0; i < sizeof attention_sizes / sizeof attention_sizes[0]; i++) {
        for (mask kind = 0; kind < MASKS; kind++) {
            const struct attention_size s = attention_sizes[i];
            const pc_attention_params params = {.scale = 1 / sqrt((double)s.size)};
            walker_begin(w, &pc_op_attention, &params);
            add_attention(w, (i + kind) % 3 == 0 ? PC_BF16 : (i + kind) % 3 == 1 ? PC_F16 : PC_F32, s.queries, s.keys, s.heads,
                          s.key_heads, s.size, kind);
            w->node.outputs = 2;
            w->absolute = 3e-6;
            walker_check(w);
        }
    }
}

/* With a bias by distance: short and long ones, queries at their rows and at their last keys. */
static void add_biased(walker *w, const struct attention_size *s, mask kind, int most)
{
    add_attention(w, PC_F32, s->queries, s->keys, s->heads, s->key_heads, s->size, kind);
    w->node.inputs--; /* in place of the absent one */
    walker_float(w, PC_F32, pc_dims(2, s->heads, 2 * most + 1));
}

static void test_attention_biased(void **state)
{
    walker *w = *state;
    for (size_t i = 0; i < sizeof attention_sizes / sizeof attention_sizes[0]; i++) {
        for (mask kind = 0; kind < MASKS; kind++) {
            const pc_attention_params params = {.scale = (kind % 3 ? 1 : 0.7) / sqrt((double)attention_sizes[i].size),
                                                .place = (i + kind) % 2 ? PC_PLACE_LAST : PC_PLACE_ROW};
            walker_begin(w, &pc_op_attention, &params);
            add_biased(w, &attention_sizes[i], kind, kind % 2 ? 5 : 130);
            w->node.outputs = 2;
            w->absolute = 1e-5;
            walker_check(w);
        }
    }
}

/* Keys that lie in pages in any order: against the reference, and the same bits as in one piece. */
static void test_attention_paged(void **state)
{
    enum { T = 40, PAGES = 5, ROWS = 24, H = 4, K = 2, E = 32 };
    static const int32_t order[PAGES] = {3, 0, 4, 1, 2};
    walker *w = *state;
    for (mask kind = 0; kind < MASKS; kind++) {
        const pc_attention_params params = {.scale = 0.2, .page_rows = ROWS};
        walker_begin(w, &pc_op_attention, &params);
        add_attention(w, kind % 2 ? PC_BF16 : PC_F32, T, PAGES * ROWS, H, K, E, kind);
        w->node.outputs = 2;
        w->absolute = 3e-6;
        float *whole[WALKER_LEVELS];
        for (int level = 0; level < w->levels; level++) {
            whole[level] = walker_run(w, level, 1);
        }
        const size_t page = ROWS * K * E * pc_dtype_size(w->in[1].dtype);
        for (int i = 1; i < 3; i++) {
            for (int p = 0; p < PAGES; p++) {
                memcpy((char *)w->original[i] + (size_t)order[p] * page, (char *)w->in[i].data + (size_t)p * page, page);
            }
        }
        pc_tensor *pages = walker_int(w, pc_dims(1, PAGES), 1);
        memcpy(pages->data, order, sizeof order);
        memcpy(w->original[5], order, sizeof order);
        for (int level = 0; level < w->levels; level++) {
            float *paged = walker_run(w, level, 2);
            assert_memory_equal(paged, whole[level], T * H * E * sizeof(float));
            free(paged);
            free(whole[level]);
        }
        walker_check(w);
    }
}

/* Keys and values in blocks: heads of whole blocks, of parts of one, and of parts of two. */
static void test_attention_blocks(void **state)
{
    static const struct attention_size sizes[] = {{1, 300, 4, 1, 128}, {43, 43, 4, 2, 64}, {40, 150, 4, 4, 8},
                                                  {5, 70, 4, 2, 48}, {3, 90, 8, 8, 20}, {1, 1, 1, 1, 32}};
    walker *w = *state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (mask kind = 0; kind < MASKS; kind++) {
            const pc_attention_params params = {.scale = 1 / sqrt((double)sizes[i].size)};
            walker_begin(w, &pc_op_attention, &params);
            add_attention(w, (i + kind) % 2 ? PC_Q8_0 : PC_Q4_0, sizes[i].queries, sizes[i].keys, sizes[i].heads,
                          sizes[i].key_heads, sizes[i].size, kind);
            w->node.outputs = 2;
            w->absolute = 3e-6;
            walker_check(w);
        }
    }
}

/* Other queries for the keys of the prefix range: in pages and not, with several heads to a key head. */
static void test_attention_sinks(void **state)
{
    enum { ROWS = 30 };
    walker *w = *state;
    for (size_t i = 0; i < sizeof attention_sizes / sizeof attention_sizes[0]; i++) {
        for (mask kind = 0; kind < MASKS; kind++) {
            const struct attention_size s = attention_sizes[i];
            const pc_attention_params params = {.scale = 1 / sqrt((double)s.size), .page_rows = ROWS};
            const bool paged = (i + kind) % 2 && s.keys % ROWS == 0;
            walker_begin(w, &pc_op_attention, &params);
            add_attention(w, PC_F32, s.queries, s.keys, s.heads, s.key_heads, s.size, kind);
            if (paged) {
                walker_distinct(w, s.keys / ROWS, s.keys / ROWS);
            } else {
                walker_absent(w);
            }
            walker_float(w, PC_F32, pc_dims(3, s.queries, s.heads, s.size));
            w->node.outputs = 2;
            w->absolute = 3e-6;
            walker_check(w);
        }
    }
}

static void test_attention_grad(void **state)
{
    walker *w = *state;
    for (size_t i = 0; i < sizeof attention_sizes / sizeof attention_sizes[0]; i++) {
        for (mask kind = 0; kind < MASKS; kind++) {
            const struct attention_size s = attention_sizes[i];
            const pc_attention_params params = {.scale = 1 / sqrt((double)s.size)};
            walker_begin(w, &pc_op_attention_grad, &params);
            add_attention(w, PC_F32, s.queries, s.keys, s.heads, s.key_heads, s.size, kind);
            pc_tensor *out = walker_float(w, PC_F32, pc_dims(3, s.queries, s.heads, s.size));
            pc_tensor *lse = walker_float(w, PC_F32, pc_dims(2, s.queries, s.heads));
            pc_node forward = w->node;
            forward.op = &pc_op_attention;
            forward.inputs = 5;
            forward.out[0] = out;
            forward.out[1] = lse;
            pc_op_attention.reference(&(pc_call){.node = &forward});
            memcpy(w->original[5], out->data, pc_tensor_bytes(out));
            memcpy(w->original[6], lse->data, pc_tensor_bytes(lse));
            walker_float(w, PC_F32, pc_dims(3, s.queries, s.heads, s.size));
            w->node.outputs = 3;
            w->absolute = 3e-5;
            walker_check(w);
        }
    }
}

static void test_attention_biased_grad(void **state)
{
    walker *w = *state;
    for (size_t i = 0; i < sizeof attention_sizes / sizeof attention_sizes[0]; i++) {
        for (mask kind = 0; kind < MASKS; kind++) {
            const struct attention_size s = attention_sizes[i];
            const pc_attention_params params = {.scale = 0.5, .place = (i + kind) % 2 ? PC_PLACE_LAST : PC_PLACE_ROW};
            walker_begin(w, &pc_op_attention_grad, &params);
            add_biased(w, &s, kind, kind % 2 ? 5 : 130);
            pc_tensor *out = walker_float(w, PC_F32, pc_dims(3, s.queries, s.heads, s.size));
            pc_tensor *lse = walker_float(w, PC_F32, pc_dims(2, s.queries, s.heads));
            pc_node forward = w->node;
            forward.op = &pc_op_attention;
            forward.inputs = 5;
            forward.out[0] = out;
            forward.out[1] = lse;
            pc_op_attention.reference(&(pc_call){.node = &forward});
            memcpy(w->original[5], out->data, pc_tensor_bytes(out));
            memcpy(w->original[6], lse->data, pc_tensor_bytes(lse));
            walker_float(w, PC_F32, pc_dims(3, s.queries, s.heads, s.size));
            w->node.outputs = 4;
            w->absolute = 2e-4;
            walker_check(w);
        }
    }
}

/* Rows of a batch in any order, at any place of the cache: the same bits as alone. */
static void test_attention_rows(void **state)
{
    enum { T = 150, H = 4, K = 2, E = 32, SHIFT = 37 };
    walker *w = *state;
    const pc_attention_params params = {.scale = 0.2};
    walker_begin(w, &pc_op_attention, &params);
    add_attention(w, PC_F32, T, T + SHIFT, H, K, E, CAUSAL);
    w->node.outputs = 2;
    pc_attention_range *ranges = w->in[3].data;
    for (int t = 0; t < T; t++) {
        ranges[t] = (pc_attention_range){0, 0, t / 70 * 70, t + 1};
    }
    memcpy(w->original[3], ranges, pc_tensor_bytes(&w->in[3]));
    for (int level = 0; level < w->levels; level++) {
        float *whole = walker_run(w, level, 1);
        /* The second sequence alone, at another place of the cache. */
        const size_t row = K * E * sizeof(float);
        for (int i = 1; i < 3; i++) {
            memmove((char *)w->in[i].data + (70 + SHIFT) * row, (char *)w->original[i] + 70 * row, 80 * row);
            memcpy(w->original[i], w->in[i].data, pc_tensor_bytes(&w->in[i]));
        }
        memmove(w->original[0], (char *)w->original[0] + 70 * H * E * sizeof(float), 80 * H * E * sizeof(float));
        for (int t = 0; t < T; t++) {
            ranges[t] = (pc_attention_range){0, 0, 70 + SHIFT, t < 70 ? 70 + SHIFT + t + 1 : 0};
        }
        memcpy(w->original[3], ranges, pc_tensor_bytes(&w->in[3]));
        float *moved = walker_run(w, level, 0);
        assert_memory_equal(moved, whole + 70 * H * E, 70 * H * E * sizeof(float));
        free(whole);
        free(moved);
        break; /* the inputs are spent */
    }
    walker_end(w);
}

/* Six experts: the first and the last may have no rows. */
static pc_tensor *some_offsets(walker *w, int64_t rows)
{
    const int64_t ends[] = {0, 0, rows / 3, rows / 3 + (rows > 4), rows - rows / 5, rows, rows};
    pc_tensor *offsets = walker_int(w, pc_dims(1, 7), 1);
    for (int64_t e = 0; e < 7; e++) {
        walker_set(w, offsets, e, (double)ends[e]);
    }
    return offsets;
}

static void test_experts(void **state)
{
    static const int64_t sizes[][3] = {{1, 1, 1}, {2, 33, 7}, {12, 17, 64}, {40, 65, 31}, {200, 47, 130}, {0, 8, 8}};
    walker *w = *state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        const int64_t rows = sizes[i][0], n = sizes[i][1], k = sizes[i][2];
        for (int variant = 0; variant < 6; variant++) {
            const pc_expert_linear_params params = {variant & 1, variant & 2 ? PC_BF16 : PC_F32};
            const pc_dtype type = (const pc_dtype[]){PC_F32, PC_BF16, PC_F16}[variant / 2];
            walker_begin(w, &pc_op_expert_linear, &params);
            walker_float(w, PC_F32, pc_dims(2, rows, params.back ? n : k));
            walker_float(w, type, pc_dims(3, 6, n, k));
            some_offsets(w, rows);
            w->absolute = 3e-5;
            walker_check(w);
            walker_begin(w, &pc_op_expert_linear_grad, &params);
            walker_float(w, PC_F32, pc_dims(2, rows, n));
            walker_float(w, PC_F32, pc_dims(2, rows, k));
            some_offsets(w, rows);
            walker_float(w, PC_F32, pc_dims(3, 6, n, k));
            w->accumulate = variant & 1;
            w->absolute = 3e-5;
            walker_check(w);
        }
    }
}

static void test_typed(void **state)
{
    static const int64_t sizes[][3] = {{1, 1, 1}, {2, 33, 7}, {12, 17, 64}, {40, 65, 31}, {130, 47, 130}, {0, 8, 8}};
    walker *w = *state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        const int64_t rows = sizes[i][0], n = sizes[i][1], k = sizes[i][2];
        for (int variant = 0; variant < 6; variant++) {
            const pc_typed_linear_params params = {variant & 1, variant & 1, variant & 2 ? PC_BF16 : PC_F32};
            const pc_dtype type = (const pc_dtype[]){PC_F32, PC_BF16, PC_F16}[variant / 2];
            walker_begin(w, &pc_op_typed_linear, &params);
            walker_float(w, PC_F32, pc_dims(2, rows, params.back ? n : k));
            pc_tensor *types = walker_int(w, pc_dims(1, rows), 2);
            for (int64_t t = 0; t < rows && variant % 3 == 0; t++) { /* long runs, and one type alone */
                walker_set(w, types, t, variant ? 1 : t / 7 % 2);
            }
            walker_float(w, type, pc_dims(2, n, k));
            walker_float(w, type, pc_dims(2, n, k));
            if (variant % 2) {
                walker_absent(w);
            } else {
                walker_float(w, PC_F32, pc_dims(2, rows, params.back ? k : n));
            }
            w->absolute = 3e-5;
            walker_check(w);
            walker_begin(w, &pc_op_typed_linear_grad, &params);
            walker_float(w, PC_F32, pc_dims(2, rows, n));
            walker_float(w, PC_F32, pc_dims(2, rows, k));
            walker_int(w, pc_dims(1, rows), 2);
            walker_float(w, PC_F32, pc_dims(2, n, k));
            w->accumulate = variant > 2;
            w->absolute = 3e-5;
            walker_check(w);
        }
    }
}

static void test_combination(void **state)
{
    walker *w = *state;
    for (int64_t tokens = 0; tokens < 90; tokens += 13) {
        for (int grad = 0; grad < 2; grad++) {
            const int64_t top_k = 1 + tokens % 3, width = 1 + 7 * tokens;
            walker_begin(w, grad ? &pc_op_expert_combine_grad : &pc_op_expert_combine, NULL);
            walker_float(w, PC_F32, pc_dims(2, tokens * top_k, width));
            walker_float(w, PC_F32, pc_dims(2, tokens, top_k));
            walker_distinct(w, tokens * top_k, tokens * top_k);
            if (grad || tokens % 2) {
                walker_float(w, PC_F32, pc_dims(2, tokens, width));
            } else {
                walker_absent(w);
            }
            w->node.outputs = 1 + grad;
            w->absolute = 2e-5;
            walker_check(w);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matmul),
        cmocka_unit_test(test_experts),
        cmocka_unit_test(test_combination),
        cmocka_unit_test(test_typed),
        cmocka_unit_test(test_matmul_types),
        cmocka_unit_test(test_matmul_rows),
        cmocka_unit_test(test_matmul_chunks),
        cmocka_unit_test(test_attention),
        cmocka_unit_test(test_attention_biased),
        cmocka_unit_test(test_attention_biased_grad),
        cmocka_unit_test(test_attention_paged),
        cmocka_unit_test(test_attention_grad),
        cmocka_unit_test(test_attention_rows),
        cmocka_unit_test(test_attention_blocks),
        cmocka_unit_test(test_attention_sinks),
    };
    return cmocka_run_group_tests(tests, walker_setup, walker_teardown);
}
