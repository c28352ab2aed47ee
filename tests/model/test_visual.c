/* Fewer tokens for a picture against the original rules (tests/oracle/make_visual_tokens.py), at each level of the CPU backend, and
 * what sessions promise beside. */
#include "backend/cpu/cpu.h"
#include "base/memory.h"
#include "model/session.h"
#include "support/allocfail.h"
#include "support/golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define LLAVA GOLDEN("llava/hf")
#define CHECK(call) assert_int_equal(call, PC_OK)
/* Of the largest magnitude; the parity tests of whole models allow as much. */
static const double MOST = 2e-5;

typedef struct looking {
    pc_model *model;
    pc_backend *backend;
    pc_session *session;
    pc_store *truth;
} looking;

static void start(looking *l, uint32_t flags, const char *visual, const pc_session_options *options)
{
    *l = (looking){.model = golden_model(LLAVA), .truth = golden_store(GOLDEN("visual_tokens/expected.safetensors"))};
    CHECK(pc_model_set_visual(l->model, visual));
    CHECK(pc_cpu_backend_new(&l->backend, 1, flags));
    CHECK(pc_model_pack(l->model, l->backend, PC_F32));
    CHECK(pc_session_new(&l->session, l->model, l->backend, options));
}

static void stop(looking *l)
{
    pc_session_free(l->session);
    pc_model_free(l->model);
    pc_cpu_backend_free(l->backend);
    pc_store_free(l->truth);
}

static float *see(const looking *l, const char *pixels, int64_t *count)
{
    float *values = golden_values(pc_store_find(l->truth, pixels)), *soft = NULL;
    CHECK(pc_session_see(l->session, values, NULL, &soft, count));
    pc_free(values);
    return soft;
}

static void expect_tokens(uint32_t flags, const char *visual, const char *pixels, const char *name)
{
    looking l;
    int64_t count = 0;
    start(&l, flags, visual, &(pc_session_options){.compute = PC_F32});
    const pc_array *truth = pc_store_find(l.truth, name);
    assert_non_null(truth);
    float *expected = golden_values(truth), *found = see(&l, pixels, &count);
    const int64_t numbers = pc_array_count(truth);
    if (count * l.model->llm.info.width != numbers || golden_deviation(found, expected, numbers) > MOST) {
        fail_msg("%s: %lld tokens, deviation %g", name, (long long)count,
                 count * l.model->llm.info.width == numbers ? golden_deviation(found, expected, numbers) : -1.0);
    }
    pc_free(expected);
    pc_free(found);
    stop(&l);
}

static void towers_as_the_originals(void **state)
{
    static const char *const cases[][3] = {
        {"tome,merged=2", "pixel_values", "tome"},
        {"tome,merged=1,inflect=-1", "pixel_values", "tome_falling"},
        {"tome,merged=2,proportional=false", "pixel_values", "tome_plain"},
        {"prumerge,near=3", "pixel_values", "prumerge_none"},
        {"prumerge,near=3,keep=0.334", "pixel_values", "prumerge_third"},
        {"prumerge,near=3", "noise", "prumerge"},
        {"prumerge,near=3,spread=true", "noise", "prumerge_spread"},
    };
    (void)state;
    uint32_t flags;
    const char *name;
    for (int level = 0; level < GOLDEN_LEVELS && golden_level(level, &flags, &name); level++) {
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            expect_tokens(flags, cases[i][0], cases[i][1], cases[i][2]);
        }
    }
}

/* --- FastV --- */

/* The prompt of the fixture with its picture, as soft[i] for token i; pc_free both. */
static const float **place(const looking *l, const float *tokens, int32_t **ids, int64_t *count)
{
    const pc_array *array = pc_store_find(l->truth, "input_ids");
    const float **soft = NULL;
    *ids = golden_ids(array);
    *count = pc_array_count(array);
    CHECK(PC_NEW_ARRAY(soft, (size_t)*count, "soft tokens"));
    for (int64_t i = 0, seen = 0; i < *count; i++) {
        soft[i] = (*ids)[i] == l->model->image_token ? tokens + seen++ * l->model->llm.info.width : NULL;
    }
    return soft;
}

static void expect_logits(const looking *l, const float *truth, int64_t row)
{
    const int64_t vocabulary = l->model->llm.info.vocabulary;
    const double found = golden_deviation(pc_session_row_logits(l->session, row), truth, vocabulary);
    if (found > MOST) {
        fail_msg("row %lld: logits deviate by %g", (long long)row, found);
    }
}

/* Two rows side by side, the second of which only shares the first one's prompt. */
static void expect_fastv(uint32_t flags, const char *visual, const char *name)
{
    looking l;
    int64_t count, tokens;
    int32_t *ids;
    char key[64];
    start(&l, flags, visual, &(pc_session_options){.compute = PC_F32, .context = 64, .rows = 2});
    float *seen = see(&l, "pixel_values", &tokens), *truth = golden_values(pc_store_find(l.truth, name));
    const float **soft = place(&l, seen, &ids, &count);
    snprintf(key, sizeof key, "%s.written", name);
    const pc_array *array = pc_store_find(l.truth, key);
    int32_t *written = golden_ids(array);
    assert_int_equal(tokens, 9);
    CHECK(pc_session_read(l.session, ids, soft, count));
    pc_session_row_share(l.session, 1, 0, count);
    expect_logits(&l, truth, 0);
    for (int64_t step = 0; step + 1 < pc_array_count(array); step++) {
        const pc_session_piece pieces[] = {{.row = 0, .ids = written + step, .count = 1}, {.row = 1, .ids = written + step, .count = 1}};
        CHECK(pc_session_read_rows(l.session, pieces, 2));
        expect_logits(&l, truth + (step + 1) * l.model->llm.info.vocabulary, 0);
        expect_logits(&l, truth + (step + 1) * l.model->llm.info.vocabulary, 1);
    }
    pc_free(seen);
    pc_free(truth);
    pc_free(soft);
    pc_free(ids);
    pc_free(written);
    stop(&l);
}

static void fastv_as_the_original(void **state)
{
    (void)state;
    uint32_t flags;
    const char *name;
    for (int level = 0; level < GOLDEN_LEVELS && golden_level(level, &flags, &name); level++) {
        expect_fastv(flags, "fastv,layer=1,keep=0.5", "fastv_half");
        expect_fastv(flags, "fastv,layer=1,keep=0.3334", "fastv_third");
    }
}

/* Two prompts of one run, of different lengths, are judged apart; a prompt that keeps everything is read as without. */
static void rows_are_judged_apart(void **state)
{
    (void)state;
    looking l, plain;
    int64_t count, tokens;
    int32_t *ids;
    const pc_session_options options = {.compute = PC_F32, .context = 64, .rows = 2};
    start(&l, 0, "fastv,layer=1,keep=0.5", &options);
    start(&plain, 0, "fastv,layer=1,keep=1", &(pc_session_options){.compute = PC_F32, .context = 64});
    float *seen = see(&l, "pixel_values", &tokens), *truth = golden_values(pc_store_find(l.truth, "fastv_half"));
    const float **soft = place(&l, seen, &ids, &count);
    const pc_session_piece pieces[] = {{.row = 1, .ids = ids, .soft = soft, .count = count - 3},
                                       {.row = 0, .ids = ids, .soft = soft, .count = count}};
    CHECK(pc_session_read_rows(l.session, pieces, 2));
    expect_logits(&l, truth, 0);
    CHECK(pc_session_read(plain.session, ids, soft, count));
    looking all;
    start(&all, 0, "none", &(pc_session_options){.compute = PC_F32, .context = 64});
    CHECK(pc_session_read(all.session, ids, soft, count));
    expect_logits(&plain, pc_session_logits(all.session), 0);
    assert_int_equal(pc_session_read(l.session, ids, soft, count), PC_ERR_DATA); /* pictures behind text that was read */
    pc_session_rewind(l.session, count - 1);
    assert_int_equal(pc_session_read(l.session, ids, NULL, 1), PC_ERR_DATA);
    assert_non_null(strstr(pc_error(), "anew"));
    pc_free(seen);
    pc_free(truth);
    pc_free(soft);
    pc_free(ids);
    stop(&l);
    stop(&plain);
    stop(&all);
}

/* --- what is refused --- */

static void bad_settings(void **state)
{
    static const struct {
        const char *model, *text, *says;
        pc_status status;
    } cases[] = {
        {LLAVA, "slow", "prumerge", PC_ERR_USAGE},
        {LLAVA, "fastv,layer", "SETTING=VALUE", PC_ERR_USAGE},
        {LLAVA, "fastv,layers=2", "layers", PC_ERR_USAGE},
        {LLAVA, "fastv,keep=2", "keep", PC_ERR_USAGE},
        {LLAVA, "fastv,layer=2", "layer 2 of 2", PC_ERR_DATA},
        {GOLDEN("llama/tied"), "tome", "takes no pictures", PC_ERR_DATA},
        {GOLDEN("siglip/llava"), "prumerge", "class token", PC_ERR_DATA},
        {GOLDEN("qwen2_vl/2"), "tome", "plain blocks", PC_ERR_DATA},
        {GOLDEN("blip2/opt"), "prumerge", "class token", PC_ERR_DATA},
        {GOLDEN("mobilevlm/v1"), "tome,merged=1", "grid", PC_ERR_DATA},
        {GOLDEN("cogvlm/chat"), "fastv,layer=1", "by their place", PC_ERR_DATA},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pc_model *model = golden_model(cases[i].model);
        const pc_status status = pc_model_set_visual(model, cases[i].text);
        if (status != cases[i].status || !strstr(pc_error(), cases[i].says)) {
            fail_msg("%s: %d: %s", cases[i].text, (int)status, pc_error());
        }
        assert_int_equal(model->visual.kind, PC_VISUAL_ALL);
        pc_model_free(model);
    }
}

static pc_status open_and_read(void *user)
{
    static const int32_t ids[] = {5, 6, 7};
    const looking *l = user;
    pc_session *session = NULL;
    pc_status status = pc_session_new(&session, l->model, l->backend, &(pc_session_options){.compute = PC_F32, .context = 32});
    status = status == PC_OK ? pc_session_read(session, ids, NULL, 3) : status;
    pc_session_free(session);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    static const char *const ways[] = {"fastv,layer=1", "tome,merged=2", "prumerge"};
    (void)state;
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        looking l;
        start(&l, 0, ways[i], &(pc_session_options){.compute = PC_F32});
        assert_true(pc_test_each_allocation(open_and_read, &l) > 20);
        stop(&l);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(towers_as_the_originals),
        cmocka_unit_test(fastv_as_the_original),
        cmocka_unit_test(rows_are_judged_apart),
        cmocka_unit_test(bad_settings),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
