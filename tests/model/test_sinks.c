/* Attention sinks: a session with a window against the rolling cache of StreamingLLM (tests/oracle/make_sinks.py), and against
 * itself: read at once, by pieces or token by token, alone or beside others, in every type of cache. */
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

enum { PLACES = 6, LONG = 400 };

typedef struct setting {
    pc_model *model;
    pc_backend *backend;
    pc_store *truth;
    int32_t *ids, *places;
    size_t vocabulary;
} setting;

static int set_up(void **state)
{
    setting *s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->model = golden_model(GOLDEN("llama/tied"));
    s->truth = golden_store(GOLDEN("decode/sinks.safetensors"));
    s->ids = golden_ids(pc_store_find(s->truth, "ids"));
    s->places = golden_ids(pc_store_find(s->truth, "places"));
    s->vocabulary = (size_t)s->model->llm.info.vocabulary;
    *state = s;
    return pc_cpu_backend_new(&s->backend, 2, 0) == PC_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    setting *s = *state;
    pc_free(s->ids);
    pc_free(s->places);
    pc_store_free(s->truth);
    pc_cpu_backend_free(s->backend);
    pc_model_free(s->model);
    free(s);
    return 0;
}

static pc_session *opened(const setting *s, pc_session_options options)
{
    pc_session *session;
    options.context = options.context ? options.context : 1000;
    if (pc_session_new(&session, s->model, s->backend, &options) != PC_OK) {
        fail_msg("%s", pc_error());
    }
    return session;
}

static void read_to(const setting *s, pc_session *session, int64_t to, int64_t each)
{
    while (pc_session_length(session) < to) {
        const int64_t at = pc_session_length(session), count = each < to - at ? each : to - at;
        if (pc_session_read(session, s->ids + at, NULL, count) != PC_OK) {
            fail_msg("%s", pc_error());
        }
    }
}

static void compare(const setting *s, const char *name, int place, const float *found)
{
    float *want = golden_values(pc_store_find(s->truth, name));
    double most = 0, off = 0;
    for (size_t i = 0; i < s->vocabulary; i++) {
        const double value = want[(size_t)place * s->vocabulary + i];
        most = fmax(most, fabs(value));
        off = fmax(off, fabs(value - (double)found[i]));
    }
    if (!(off <= 1e-4 * most)) {
        fail_msg("%s at token %d: %.2e of the largest logit away", name, s->places[place], off / most);
    }
    pc_free(want);
}

/* Chunks of one token, of some, and of more than a page. */
static void test_rolling_cache(void **state)
{
    static const struct {
        const char *name;
        int64_t sinks, window;
    } kinds[] = {{"sinks", 5, 32}, {"window", 0, 37}};
    static const int64_t steps[] = {1, 7, 100, LONG};
    const setting *s = *state;
    for (size_t k = 0; k < 2; k++) {
        for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
            const pc_cache_options cache = {.sinks = kinds[k].sinks, .window = kinds[k].window};
            pc_session *session = opened(s, (pc_session_options){.compute = PC_F32, .cache = cache, .chunk = i % 2 ? 11 : 128});
            for (int place = 0; place < PLACES; place++) {
                read_to(s, session, s->places[place] + 1, steps[i]);
                compare(s, kinds[k].name, place, pc_session_logits(session));
            }
            pc_session_free(session);
        }
    }
}

/* The same bits for any cut of the text, beside any other row, with one thread, in every type of cache. */
static void test_same_bits(void **state)
{
    static const pc_dtype types[] = {PC_F32, PC_BF16, PC_Q8_0, PC_Q4_0};
    const setting *s = *state;
    const size_t bytes = s->vocabulary * sizeof(float);
    pc_backend *alone;
    assert_int_equal(pc_cpu_backend_new(&alone, 1, 0), PC_OK);
    for (size_t t = 0; t < sizeof types / sizeof types[0]; t++) {
        const pc_cache_options cache = {.typed = true, .keys = types[t], .values = types[t], .sinks = 4, .window = 50};
        const pc_session_options options = {.context = LONG, .cache = cache, .chunk = 96, .tail = 9, .rows = 2};
        pc_session *at_once = opened(s, options), *by_one;
        assert_int_equal(pc_session_new(&by_one, s->model, alone, &(pc_session_options){.context = LONG, .cache = cache}), PC_OK);
        const pc_session_piece pieces[] = {{.row = 1, .ids = s->ids, .count = LONG, .tail = 9},
                                           {.row = 0, .ids = s->ids + 20, .count = 250}};
        assert_int_equal(pc_session_read_rows(at_once, pieces, 2), PC_OK);
        read_to(s, by_one, LONG, 1);
        assert_memory_equal(pc_session_row_logits(at_once, 1), pc_session_logits(by_one), bytes);
        pc_session_rewind(by_one, 0);
        read_to(s, by_one, LONG - 8, 77);
        assert_memory_equal(pc_session_tail_logits(at_once, 1, 0), pc_session_logits(by_one), bytes);
        pc_session_free(at_once);
        pc_session_free(by_one);
    }
    pc_cpu_backend_free(alone);
}

/* Memory does not grow with the text, and a text that fits is read as without a window. */
static void test_memory(void **state)
{
    const setting *s = *state;
    const pc_cache_options cache = {.sinks = 4, .window = 100};
    size_t few, many;
    assert_int_equal(pc_session_bytes(s->model, &(pc_session_options){.context = 1000, .chunk = 64, .cache = cache}, &few), PC_OK);
    assert_int_equal(pc_session_bytes(s->model, &(pc_session_options){.context = 1 << 24, .chunk = 64, .cache = cache}, &many), PC_OK);
    assert_int_equal(few, many);
    assert_int_equal(few, (size_t)(2 * s->model->llm.info.layers) * (1 + 3 + 2) * PC_CACHE_PAGE * 32 * sizeof(float));
    pc_session *near = opened(s, (pc_session_options){.cache = cache}), *all = opened(s, (pc_session_options){0});
    read_to(s, near, 104, 30);
    read_to(s, all, 104, 104);
    assert_memory_equal(pc_session_logits(near), pc_session_logits(all), s->vocabulary * sizeof(float));
    read_to(s, near, 105, 1);
    read_to(s, all, 105, 1);
    assert_memory_not_equal(pc_session_logits(near), pc_session_logits(all), s->vocabulary * sizeof(float));
    pc_session_free(near);
    pc_session_free(all);
}

/* Back to what is still there; from what is gone, to the sinks' page. */
static void test_rewind(void **state)
{
    const setting *s = *state;
    const pc_cache_options cache = {.sinks = 4, .window = 50};
    const size_t bytes = s->vocabulary * sizeof(float);
    pc_session *session = opened(s, (pc_session_options){.cache = cache, .rows = 2, .chunk = 64});
    float *want = malloc(bytes);
    assert_non_null(want);
    read_to(s, session, 300, 64);
    memcpy(want, pc_session_logits(session), bytes);
    read_to(s, session, 320, 20);
    assert_int_equal(pc_session_row_reusable(session, 0, 299), 299);
    assert_int_equal(pc_session_row_reusable(session, 0, 150), 64);
    assert_int_equal(pc_session_row_reusable(session, 0, 30), 30);
    pc_session_row_share(session, 1, 0, 299);
    pc_session_row_rewind(session, 0, 150);
    assert_int_equal(pc_session_length(session), 64);
    read_to(s, session, 300, 40);
    assert_memory_equal(pc_session_logits(session), want, bytes);
    const pc_session_piece next = {.row = 1, .ids = s->ids + 299, .count = 1};
    assert_int_equal(pc_session_read_rows(session, &next, 1), PC_OK);
    assert_memory_equal(pc_session_row_logits(session, 1), want, bytes);
    pc_session_row_rewind(session, 1, 10);
    pc_session_rewind(session, 0);
    assert_int_equal(pc_session_row_length(session, 1), 10);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(pc_session_read(session, s->ids, NULL, 200), PC_OK);
    }
    assert_int_equal(pc_session_read(session, s->ids, NULL, 1), PC_ERR_DATA); /* the context is what ends a text */
    assert_int_equal(pc_session_length(session), 1000);
    free(want);
    pc_session_free(session);
}

/* Positions far behind those of training turn keys and queries as near ones do. */
static void test_far(void **state)
{
    enum { FAR = 50000000, COUNT = 200 };
    const setting *s = *state;
    const pc_cache_options cache = {.sinks = 4, .window = 50};
    pc_session *near = opened(s, (pc_session_options){.cache = cache}), *far = opened(s, (pc_session_options){.cache = cache});
    int32_t positions[COUNT];
    double most = 0, off = 0;
    for (int i = 0; i < COUNT; i++) {
        positions[i] = i < 4 ? i : FAR + i;
    }
    assert_int_equal(pc_session_read(near, s->ids, NULL, COUNT), PC_OK);
    assert_int_equal(pc_session_read_at(far, s->ids, NULL, positions, COUNT), PC_OK);
    for (size_t i = 0; i < s->vocabulary; i++) {
        most = fmax(most, fabs((double)pc_session_logits(near)[i]));
        off = fmax(off, fabs((double)pc_session_logits(near)[i] - (double)pc_session_logits(far)[i]));
    }
    assert_true(off <= 1e-5 * most);
    pc_session_free(near);
    pc_session_free(far);
}

static void test_refused(void **state)
{
    static const char *const others[] = {GOLDEN("decoders/mpt"), GOLDEN("t5/flan"), GOLDEN("qwen2_vl/2")};
    const setting *s = *state;
    pc_session_options options = {.context = 100, .cache = {.window = 20}};
    pc_session *session;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        pc_model *model = golden_model(others[i]);
        assert_int_equal(pc_session_new(&session, model, s->backend, &options), PC_ERR_DATA);
        assert_non_null(strstr(pc_error(), "attention sinks want a decoder with rotary positions"));
        pc_model_free(model);
    }
    options.keep_hidden = true;
    assert_int_equal(pc_session_new(&session, s->model, s->backend, &options), PC_ERR_USAGE);
    options = (pc_session_options){.context = 100, .cache = {.window = 20, .sinks = -1}};
    assert_int_equal(pc_session_new(&session, s->model, s->backend, &options), PC_ERR_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rolling_cache), cmocka_unit_test(test_same_bits), cmocka_unit_test(test_memory),
        cmocka_unit_test(test_rewind),        cmocka_unit_test(test_far),       cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
