/* The cache of keys and values: pages and their owners; and sessions of several rows, each with the bits it has alone. */
#include "backend/cpu/cpu.h"
#include "llm/llm.h"
#include "model/cache.h"
#include "model/session.h"
#include "support/parity.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_pages(void **state)
{
    const pc_cache_shape shape = {.layers = 2, .width = 4, .rows = 3, .context = 200, .tokens = 320, .keys = PC_BF16, .values = PC_BF16};
    pc_cache *cache;
    size_t bytes;
    (void)state;
    assert_int_equal(pc_cache_bytes(&shape, &bytes), PC_OK);
    assert_int_equal(bytes, 2 * 2 * 320 * 4 * 2);
    assert_int_equal(pc_cache_new(&cache, &shape), PC_OK);
    assert_int_equal(pc_cache_pool_rows(cache), 320);
    assert_int_equal(pc_cache_table_size(cache), 3 * 4);
    assert_int_equal(pc_cache_extend(cache, 0, 100), PC_OK);
    assert_int_equal(pc_cache_extend(cache, 1, 1), PC_OK);
    assert_int_equal(pc_cache_free_tokens(cache), 2 * 64);
    assert_int_equal(pc_cache_extend(cache, 2, 129), PC_ERR_DATA); /* three pages */
    assert_int_equal(pc_cache_length(cache, 2), 0);
    assert_int_equal(pc_cache_extend(cache, 0, 101), PC_ERR_DATA); /* beyond the context */
    assert_non_null(strstr(pc_error(), "raise it with -c"));
    assert_int_equal(pc_cache_extend(cache, 0, 100), PC_OK);
    assert_int_equal(pc_cache_free_tokens(cache), 0);
    pc_cache_truncate(cache, 0, 65);
    assert_int_equal(pc_cache_free_tokens(cache), 2 * 64);
    pc_cache_truncate(cache, 0, 70); /* longer than it is: nothing */
    assert_int_equal(pc_cache_length(cache, 0), 65);
    pc_cache_free(cache);
}

static void test_shared_pages(void **state)
{
    const pc_cache_shape shape = {.layers = 1, .width = 2, .rows = 2, .context = 128, .keys = PC_F32, .values = PC_F32};
    pc_cache *cache;
    (void)state;
    assert_int_equal(pc_cache_new(&cache, &shape), PC_OK);
    assert_int_equal(pc_cache_extend(cache, 0, 70), PC_OK);
    float *keys = pc_cache_keys(cache, 0);
    keys[2 * pc_cache_place(cache, 0, 69)] = 7;
    pc_cache_share(cache, 1, 0, 70);
    assert_int_equal(pc_cache_free_tokens(cache), 2 * 64);
    assert_int_equal(pc_cache_place(cache, 1, 69), pc_cache_place(cache, 0, 69));
    assert_int_equal(pc_cache_extend(cache, 1, 1), PC_OK); /* writes into the second page */
    assert_int_equal(pc_cache_free_tokens(cache), 64);
    assert_int_equal(pc_cache_place(cache, 1, 3), pc_cache_place(cache, 0, 3));
    assert_int_not_equal(pc_cache_place(cache, 1, 69), pc_cache_place(cache, 0, 69));
    assert_true(keys[2 * pc_cache_place(cache, 1, 69)] == 7);
    pc_cache_truncate(cache, 0, 0);
    pc_cache_truncate(cache, 1, 0);
    assert_int_equal(pc_cache_free_tokens(cache), 4 * 64);
    pc_cache_free(cache);
}

/* With a window the pages behind the sinks' move up when the oldest goes; the pages of others that share them stay. */
static void test_window_pages(void **state)
{
    const pc_cache_shape shape = {.layers = 1, .width = 2, .rows = 2, .context = 100000, .sinks = 65, .window = 100, .chunk = 20,
                                  .keys = PC_F32, .values = PC_F32};
    enum { PAGES = 2 + 2 + 2 };
    pc_cache *cache;
    size_t bytes;
    (void)state;
    assert_int_equal(pc_cache_bytes(&shape, &bytes), PC_OK);
    assert_int_equal(bytes, 2 * 2 * PAGES * 64 * 2 * 4);
    assert_int_equal(pc_cache_new(&cache, &shape), PC_OK);
    assert_int_equal(pc_cache_table_size(cache), 2 * PAGES);
    float *keys = pc_cache_keys(cache, 0);
    for (int i = 0; i < 3000; i += 20) {
        assert_int_equal(pc_cache_extend(cache, 0, 20), PC_OK);
        for (int k = i; k < i + 20; k++) {
            keys[2 * pc_cache_place(cache, 0, k)] = (float)k;
        }
        for (int k = i - 100 > 128 ? i - 100 : 0; k < i + 20; k++) { /* the window of every token that was read now */
            assert_true(keys[2 * pc_cache_place(cache, 0, k)] == (float)k);
        }
        assert_true(keys[2 * pc_cache_place(cache, 0, 64)] == 64 || i < 60);
    }
    assert_int_equal(pc_cache_length(cache, 0), 3000);
    assert_int_equal(pc_cache_offset(cache, 0, 127), 127);
    assert_int_equal(pc_cache_offset(cache, 0, 2999) % 64, 2999 % 64);
    pc_cache_share(cache, 1, 0, 2990);
    assert_int_equal(pc_cache_length(cache, 1), 2990);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(pc_cache_extend(cache, 1, 20), PC_OK);
    }
    assert_true(keys[2 * pc_cache_place(cache, 0, 2950)] == 2950);
    pc_cache_truncate(cache, 0, 1000);
    assert_int_equal(pc_cache_length(cache, 0), 128);
    pc_cache_truncate(cache, 0, 0);
    pc_cache_truncate(cache, 1, 0);
    assert_int_equal(pc_cache_free_tokens(cache), 2 * PAGES * 64);
    pc_cache_free(cache);
}

enum { ROWS = 3, TEXT = 150 };

/* How the sessions of a test compute, and keep what they have read. */
typedef struct kind {
    pc_dtype compute;
    pc_cache_options cache;
} kind;

/* Logits [V] behind the first `count` ids, alone. */
static float *alone(const pc_model *model, const pc_backend *backend, kind how, const int32_t *ids, int64_t count)
{
    const pc_session_options options = {.context = 200, .compute = how.compute, .cache = how.cache};
    const size_t bytes = (size_t)model->llm.info.vocabulary * sizeof(float);
    pc_session *session;
    assert_int_equal(pc_session_new(&session, model, backend, &options), PC_OK);
    assert_int_equal(pc_session_read(session, ids, NULL, count), PC_OK);
    float *logits = malloc(bytes);
    assert_non_null(logits);
    memcpy(logits, pc_session_logits(session), bytes);
    pc_session_free(session);
    return logits;
}

static void check_row(pc_session *session, const pc_model *model, const pc_backend *backend, kind how, int64_t row,
                      const int32_t *ids)
{
    float *want = alone(model, backend, how, ids, pc_session_row_length(session, row));
    assert_memory_equal(pc_session_row_logits(session, row), want, (size_t)model->llm.info.vocabulary * sizeof(float));
    free(want);
}

static void check_rows(const char *path, kind how)
{
    pc_model *model = golden_model(path);
    const pc_session_options options = {.context = 200, .chunk = 50, .compute = how.compute, .cache = how.cache, .rows = ROWS};
    int32_t ids[ROWS][TEXT];
    pc_backend *backend;
    pc_session *session;
    for (int i = 0; i < ROWS * TEXT; i++) {
        ids[i / TEXT][i % TEXT] = (int32_t)((i * 31 + i / 7) % model->llm.info.vocabulary);
    }
    assert_int_equal(pc_cpu_backend_new(&backend, 2, 0), PC_OK);
    assert_int_equal(pc_session_new(&session, model, backend, &options), PC_OK);
    const pc_session_piece first[] = {{.row = 0, .ids = ids[0], .count = 70}, {.row = 2, .ids = ids[2], .count = 5}, {.row = 1, .ids = ids[1], .count = 130}};
    assert_int_equal(pc_session_read_rows(session, first, 3), PC_OK);
    for (int row = 0; row < ROWS; row++) {
        check_row(session, model, backend, how, row, ids[row]);
    }
    const pc_session_piece next[] = {{.row = 1, .ids = ids[1] + 130, .count = 1}, {.row = 0, .ids = ids[0] + 70, .count = 1}, {.row = 2, .ids = ids[2] + 5, .count = 1}};
    assert_int_equal(pc_session_read_rows(session, next, 3), PC_OK);
    for (int row = 0; row < ROWS; row++) {
        check_row(session, model, backend, how, row, ids[row]);
    }
    const pc_session_piece bad[] = {{.row = 2, .ids = ids[2] + 6, .count = 4}, {.row = 1, .ids = ids[1], .count = 70}};
    assert_int_equal(pc_session_read_rows(session, bad, 2), PC_ERR_DATA); /* row 1 has no place: row 2 is as it was */
    assert_int_equal(pc_session_row_length(session, 2), 6);
    pc_session_row_share(session, 2, 1, 100); /* a common beginning, then another text */
    const pc_session_piece branch = {.row = 2, .ids = ids[1] + 100, .count = 20};
    assert_int_equal(pc_session_read_rows(session, &branch, 1), PC_OK);
    check_row(session, model, backend, how, 2, ids[1]);
    pc_session_row_rewind(session, 0, 64);
    const pc_session_piece again = {.row = 0, .ids = ids[0] + 64, .count = 9};
    assert_int_equal(pc_session_read_rows(session, &again, 1), PC_OK);
    check_row(session, model, backend, how, 0, ids[0]);
    pc_session_free(session);
    pc_cpu_backend_free(backend);
    pc_model_free(model);
}

static void test_rows_f32(void **state)
{
    (void)state;
    check_rows(GOLDEN("decoders/mistral"), (kind){.compute = PC_F32});
}

static void test_rows_bf16(void **state)
{
    (void)state;
    check_rows(GOLDEN("decoders/mistral"), (kind){.compute = PC_BF16});
}

/* Every type of cache: a row has the bits that it has alone, and shared pages serve as well. */
static void test_rows_typed(void **state)
{
    static const pc_dtype types[][2] = {{PC_F16, PC_F16}, {PC_BF16, PC_F32}, {PC_Q8_0, PC_Q8_0}, {PC_Q8_0, PC_Q4_0}, {PC_Q4_0, PC_Q4_0}};
    (void)state;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        const kind how = {.compute = i % 2 ? PC_BF16 : PC_F32, .cache = {.typed = true, .keys = types[i][0], .values = types[i][1]}};
        check_rows(GOLDEN("llama/tied"), how);
    }
}

/* Largest difference of two rows of logits, in parts of the largest logit. */
static double distance(const float *a, const float *b, size_t count)
{
    double most = 0, size = 0;
    for (size_t i = 0; i < count; i++) {
        most = fmax(most, fabs((double)a[i] - (double)b[i]));
        size = fmax(size, fabs((double)a[i]));
    }
    return most / size;
}

/* What rounding costs, in memory that is told beforehand: near to f32, the nearer the more bits, and not the same. */
static void test_types(void **state)
{
    static const struct {
        pc_dtype type;
        size_t bytes;  /* of 32 numbers */
        double most;   /* of the distance */
    } types[] = {{PC_F32, 128, 0}, {PC_F16, 64, 1e-3}, {PC_Q8_0, 34, 1e-2}, {PC_Q4_0, 18, 0.1}};
    pc_model *model = golden_model(GOLDEN("llama/tied"));
    pc_backend *backend;
    int32_t ids[TEXT];
    float *want = NULL;
    double before = -1;
    (void)state;
    for (int i = 0; i < TEXT; i++) {
        ids[i] = (int32_t)((i * 31 + i / 7) % model->llm.info.vocabulary);
    }
    assert_int_equal(pc_cpu_backend_new(&backend, 2, 0), PC_OK);
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        const kind how = {.compute = PC_F32, .cache = {.typed = true, .keys = types[i].type, .values = types[i].type}};
        const pc_session_options options = {.context = 192, .compute = PC_F32, .cache = how.cache};
        size_t bytes;
        assert_int_equal(pc_session_bytes(model, &options, &bytes), PC_OK);
        assert_int_equal(bytes, (size_t)(2 * model->llm.info.layers * 192) * types[i].bytes);
        float *found = alone(model, backend, how, ids, TEXT);
        const double off = want ? distance(want, found, (size_t)model->llm.info.vocabulary) : 0;
        print_message("%s: %.2e of the largest logit away\n", pc_dtype_name(types[i].type), off);
        assert_true(off > before && off <= types[i].most);
        before = off;
        free(want ? found : NULL);
        want = want ? want : found;
    }
    free(want);
    pc_cpu_backend_free(backend);
    pc_model_free(model);
}

/* Keys through a Hadamard matrix: the same products in f32 whatever the size of a head, the same bits in any row; nearer ones when
 * they are rounded. */
static void test_spread(void **state)
{
    static const char *const models[] = {GOLDEN("llama/tied"), GOLDEN("decoders/phi"), GOLDEN("decoders/mpt_three")};
    (void)state;
    for (size_t m = 0; m < sizeof models / sizeof models[0]; m++) {
        pc_model *model = golden_model(models[m]);
        const size_t vocabulary = (size_t)model->llm.info.vocabulary;
        pc_backend *backend;
        int32_t ids[60];
        for (int i = 0; i < 60; i++) {
            ids[i] = (int32_t)((i * 31 + i / 7) % model->llm.info.vocabulary);
        }
        assert_int_equal(pc_cpu_backend_new(&backend, 2, 0), PC_OK);
        float *want = alone(model, backend, (kind){.compute = PC_F32}, ids, 60);
        float *found = alone(model, backend, (kind){.compute = PC_F32, .cache = {.spread = true}}, ids, 60);
        assert_true(distance(want, found, vocabulary) <= 1e-5);
        assert_memory_not_equal(want, found, vocabulary * sizeof(float));
        free(want);
        free(found);
        pc_cpu_backend_free(backend);
        pc_model_free(model);
    }
    check_rows(GOLDEN("llama/tied"), (kind){.compute = PC_F32, .cache = {.typed = true, .spread = true, .keys = PC_Q4_0, .values = PC_Q8_0}});
    pc_model *model = golden_model(GOLDEN("t5/flan"));
    pc_session *session;
    assert_int_equal(pc_session_new(&session, model, NULL, &(pc_session_options){.cache = {.spread = true}}), PC_ERR_DATA);
    assert_non_null(strstr(pc_error(), "Hadamard"));
    pc_model_free(model);
}

/* Keys of 8 numbers are no whole block. */
static void test_narrow_keys(void **state)
{
    pc_model *model = golden_model(GOLDEN("decoders/mistral"));
    const pc_session_options options = {.context = 64, .cache = {.typed = true, .keys = PC_F32, .values = PC_Q8_0}};
    pc_session *session;
    size_t bytes;
    (void)state;
    assert_int_equal(pc_session_bytes(model, &options, &bytes), PC_ERR_DATA);
    assert_int_equal(pc_session_new(&session, model, NULL, &options), PC_ERR_DATA);
    assert_string_equal(pc_error(), "the KV cache: values of 8 numbers are no whole blocks of q8_0, which has 32");
    pc_model_free(model);
}

/* Logits of several last tokens, of layers, and the states themselves: the same as one token at a time, whatever the chunks. */
static void test_tails(void **state)
{
    (void)state;
    pc_model *model = golden_model(GOLDEN("decoders/mistral"));
    const int layers = (int)model->llm.info.layers;
    const size_t vocabulary = (size_t)model->llm.info.vocabulary, width = (size_t)model->llm.info.width;
    const pc_session_options options = {.context = 40, .chunk = 8, .compute = PC_F32, .rows = 2, .tail = 5,
                                        .taps = {0, layers}, .tap_count = 2, .keep_hidden = true};
    pc_backend *backend;
    pc_session *session, *plain;
    int32_t ids[20];
    for (int i = 0; i < 20; i++) {
        ids[i] = (int32_t)((i * 31 + 5) % model->llm.info.vocabulary);
    }
    assert_int_equal(pc_cpu_backend_new(&backend, 1, 0), PC_OK);
    assert_int_equal(pc_session_new(&session, model, backend, &options), PC_OK);
    const pc_session_options bare = {.context = 40, .compute = PC_F32, .keep_hidden = true};
    assert_int_equal(pc_session_new(&plain, model, backend, &bare), PC_OK);
    const pc_session_piece piece = {.row = 1, .ids = ids, .count = 18, .tail = 5};
    assert_int_equal(pc_session_read_rows(session, &piece, 1), PC_OK);
    for (int i = 0; i < 18; i++) {
        assert_int_equal(pc_session_read(plain, ids + i, NULL, 1), PC_OK);
        assert_memory_equal(pc_session_hidden(session, 1, i), pc_session_hidden(plain, 0, i), width * sizeof(float));
        if (i >= 13) {
            assert_memory_equal(pc_session_tail_logits(session, 1, i - 13), pc_session_logits(plain),
                                vocabulary * sizeof(float));
        }
    }
    assert_memory_equal(pc_session_row_logits(session, 1), pc_session_logits(plain), vocabulary * sizeof(float));
    assert_memory_equal(pc_session_tap_logits(session, 1, 1), pc_session_logits(plain), vocabulary * sizeof(float));
    assert_true(memcmp(pc_session_tap_logits(session, 1, 0), pc_session_logits(plain), vocabulary * sizeof(float)) != 0);
    pc_session_row_share(session, 0, 1, 12);
    const pc_session_piece rest = {.row = 0, .ids = ids + 12, .count = 6};
    assert_int_equal(pc_session_read_rows(session, &rest, 1), PC_OK);
    assert_memory_equal(pc_session_tail_logits(session, 0, 0), pc_session_logits(plain), vocabulary * sizeof(float));
    assert_memory_equal(pc_session_hidden(session, 0, 3), pc_session_hidden(plain, 0, 3), width * sizeof(float));
    pc_session_free(session);
    const pc_session_options beyond = {.context = 40, .compute = PC_F32, .taps = {layers + 1}, .tap_count = 1};
    assert_int_equal(pc_session_new(&session, model, backend, &beyond), PC_ERR_DATA);
    pc_session_free(plain);
    pc_cpu_backend_free(backend);
    pc_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pages),
        cmocka_unit_test(test_shared_pages),
        cmocka_unit_test(test_rows_f32),
        cmocka_unit_test(test_rows_bf16),
        cmocka_unit_test(test_tails),
        cmocka_unit_test(test_window_pages),
        cmocka_unit_test(test_rows_typed),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_narrow_keys),
        cmocka_unit_test(test_spread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
