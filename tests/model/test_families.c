/* Every stage of tiny models of each family against transformers (tests/oracle/make_*.py), at each level of the CPU
 * backend. */
#include "backend/cpu/cpu.h"
#include "base/memory.h"
#include "model/session.h"
#include "support/parity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static const parity_fixture encoders[] = {
    {"siglip", GOLDEN("siglip/both"), GOLDEN("siglip/both.safetensors"), true},
    {"llava over siglip", GOLDEN("siglip/llava"), GOLDEN("siglip/llava.safetensors"), false},
};

static void test_encoders(void **state)
{
    (void)state;
    parity_check_levels(encoders, sizeof encoders / sizeof encoders[0]);
}

#define DECODER(name) {name, GOLDEN("decoders/" name), GOLDEN("decoders/" name ".safetensors"), false}
static const parity_fixture decoders[] = {
    DECODER("mistral"), DECODER("mistral_open"), DECODER("qwen2"),  DECODER("qwen2_window"), DECODER("linear"),
    DECODER("dynamic"), DECODER("llama3"),       DECODER("yarn"),   DECODER("yarn_factors"),
};

enum { DECODERS = sizeof decoders / sizeof decoders[0] };

static void test_decoders(void **state)
{
    (void)state;
    parity_check_levels(decoders, DECODERS);
}

static int32_t best_of(const float *logits, int64_t count)
{
    int64_t best = 0;
    for (int64_t i = 1; i < count; i++) {
        best = logits[i] > logits[best] ? i : best;
    }
    return (int32_t)best;
}

/* Greedy ids with a cache, read in chunks; `again`: after another, longer text was read and forgotten. */
static void check_greedy(const parity_fixture *f, const pc_json *expected, int64_t chunk, bool again)
{
    pc_store *truth = golden_store(f->truth);
    pc_model *model = golden_model(f->model);
    pc_session_options options = {.context = 40, .chunk = chunk, .compute = PC_F32};
    pc_backend *backend;
    pc_session *session;
    golden_input in;
    golden_input_read(&in, truth);
    assert_int_equal(pc_cpu_backend_new(&backend, 1, 0), PC_OK);
    assert_int_equal(pc_session_new(&session, model, backend, &options), PC_OK);
    if (again) {
        assert_int_equal(pc_session_read(session, in.ids, NULL, in.input.tokens), PC_OK);
        assert_int_equal(pc_session_read(session, in.ids, NULL, in.input.tokens), PC_OK);
        bool stays = pc_session_expect(session, in.input.tokens);
        assert_int_equal(stays, model->llm.info.rotary_limit == 0);
        pc_session_rewind(session, stays ? 3 : 0);
    }
    int64_t have = pc_session_length(session);
    assert_int_equal(pc_session_read(session, in.ids + have, NULL, in.input.tokens - have), PC_OK);
    for (size_t i = 0; i < pc_json_length(expected); i++) {
        int32_t id = best_of(pc_session_logits(session), model->llm.info.vocabulary);
        if (id != pc_json_integer(pc_json_at(expected, i), -1)) {
            fail_msg("%s: token %zu is %d, expected %lld", f->name, i, id,
                     (long long)pc_json_integer(pc_json_at(expected, i), -1));
        }
        assert_int_equal(pc_session_read(session, &id, NULL, 1), PC_OK);
    }
    pc_session_free(session);
    pc_model_free(model);
    pc_cpu_backend_free(backend);
    golden_input_clear(&in);
    pc_store_free(truth);
}

static void test_greedy(void **state)
{
    pc_json *answers = golden_json(GOLDEN("decoders/expected.json"));
    (void)state;
    for (int i = 0; i < DECODERS; i++) {
        const pc_json *ids = pc_json_get(pc_json_get(answers, decoders[i].name), "greedy_ids");
        assert_int_equal(pc_json_length(ids), 6);
        check_greedy(&decoders[i], ids, 0, false);
        check_greedy(&decoders[i], ids, 4, false);
        check_greedy(&decoders[i], ids, 4, true);
    }
    pc_json_free(answers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encoders),
        cmocka_unit_test(test_decoders),
        cmocka_unit_test(test_greedy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
