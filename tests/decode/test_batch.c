/* Requests side by side: the answers are those of one after the other; every allocation failing. */
#include "backend/cpu/cpu.h"
#include "decode/batch.h"
#include "support/allocfail.h"
#include "support/golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { COUNT = 3 };

typedef struct setting {
    pc_model *model;
    pc_backend *backend;
    pc_conversation said[COUNT];
    pc_answer_request requests[COUNT];
} setting;

#define CHECK(call)                     \
    do {                                \
        if ((call) != PC_OK) {          \
            fail_msg("%s", pc_error()); \
        }                               \
    } while (0)

static void begin(setting *s)
{
    static const char *const texts[COUNT] = {"a bird", "What colour is the sky today, and why?", "x"};
    *s = (setting){.model = golden_model(GOLDEN("llama/tied"))};
    CHECK(pc_template_by_name(&s->model->chat, "raw"));
    CHECK(pc_cpu_backend_new(&s->backend, 1, 0));
    CHECK(pc_model_pack(s->model, s->backend, PC_F32));
    for (size_t i = 0; i < COUNT; i++) {
        CHECK(pc_conversation_say(&s->said[i], PC_ROLE_USER, texts[i]));
        s->requests[i] = (pc_answer_request){.conversation = &s->said[i], .max_tokens = 3 + 4 * i};
    }
}

static void end(setting *s)
{
    for (size_t i = 0; i < COUNT; i++) {
        pc_conversation_clear(&s->said[i]);
    }
    pc_model_free(s->model);
    pc_cpu_backend_free(s->backend);
}

static pc_status answer_all(const setting *s, pc_answer *outs)
{
    pc_local *local = NULL;
    pc_batch *batch = NULL;
    const pc_local_options options = {.compute = PC_F32, .context = 64};
    pc_status status;
    PC_GO(pc_local_new(&local, s->model, s->backend, &options));
    PC_GO(pc_batch_new(&batch, local, s->model, s->backend, &options, COUNT));
    pc_answerer answerer = pc_batch_answerer(batch);
    PC_GO(answerer.answer_many(answerer.self, s->requests, outs, COUNT));
done:
    pc_batch_free(batch);
    pc_local_free(local);
    return status;
}

static void answers_are_the_same(void **state)
{
    (void)state;
    setting s;
    pc_answer together[COUNT] = {0};
    begin(&s);
    CHECK(answer_all(&s, together));
    for (size_t i = 0; i < COUNT; i++) {
        pc_local *local;
        pc_answer alone = {0};
        CHECK(pc_local_new(&local, s.model, s.backend, &(pc_local_options){.compute = PC_F32, .context = 64}));
        pc_answerer answerer = pc_local_answerer(local);
        CHECK(answerer.answer(answerer.self, &s.requests[i], &alone));
        assert_true(alone.text.length > 0);
        assert_string_equal(together[i].text.data, alone.text.data);
        assert_int_equal(together[i].end, alone.end);
        assert_int_equal(together[i].prompt_tokens, alone.prompt_tokens);
        assert_int_equal(together[i].completion_tokens, alone.completion_tokens);
        pc_answer_clear(&alone);
        pc_local_free(local);
        pc_answer_clear(&together[i]);
    }
    end(&s);
}

static pc_status answer_once(void *user)
{
    pc_answer outs[COUNT] = {0};
    pc_status status = answer_all(user, outs);
    for (size_t i = 0; i < COUNT; i++) {
        pc_answer_clear(&outs[i]);
    }
    return status;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    setting s;
    begin(&s);
    pc_test_each_allocation(answer_once, &s);
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(answers_are_the_same), cmocka_unit_test(every_allocation_may_fail)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
