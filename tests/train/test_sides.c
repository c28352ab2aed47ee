/* An encoder-decoder as a language model: prompts, session and training of tiny T5 models against transformers
 * (tests/oracle/make_t5.py). */
#include "backend/cpu/cpu.h"
#include "base/memory.h"
#include "model/session.h"
#include "ops/sides.h"
#include "prompt/template.h"
#include "support/golden.h"
#include "train/learner.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { MOST = 96, START = 0 };

typedef struct fixture {
    pc_model *model;
    pc_backend *backend;
    int32_t question[MOST], answer[MOST];
    int64_t asked, written;
    double loss;
    const char *text; /* the question */
    pc_json *expected;
} fixture;

static int64_t read_ids(const pc_json *list, int32_t *out)
{
    int64_t count = (int64_t)pc_json_length(list);
    assert_in_range(count, 1, MOST / 3);
    for (int64_t i = 0; i < count; i++) {
        out[i] = (int32_t)pc_json_integer(pc_json_at(list, (size_t)i), -1);
    }
    return count;
}

static void open_fixture(fixture *f, const char *name)
{
    char path[256];
    memset(f, 0, sizeof *f);
    snprintf(path, sizeof path, "%s/%s", GOLDEN("t5"), name);
    f->model = golden_model(path);
    f->expected = golden_json(GOLDEN("t5/expected.json"));
    f->text = pc_json_get_text(f->expected, "question", "");
    f->asked = read_ids(pc_json_get(f->expected, "question_ids"), f->question);
    f->written = read_ids(pc_json_get(pc_json_get(f->expected, name), "greedy_ids"), f->answer);
    f->loss = pc_json_get_number(pc_json_get(f->expected, name), "loss", NAN);
    assert_int_equal(pc_cpu_backend_new(&f->backend, 2, 0), PC_OK);
}

static void close_fixture(fixture *f)
{
    pc_model_free(f->model);
    pc_cpu_backend_free(f->backend);
    pc_json_free(f->expected);
}

/* --- prompts --- */

static void say(pc_conversation *out, const char *question, const char *answer)
{
    assert_int_equal(pc_conversation_say(out, PC_ROLE_USER, question), PC_OK);
    if (answer) {
        assert_int_equal(pc_conversation_say(out, PC_ROLE_ASSISTANT, answer), PC_OK);
    }
}

static void build(const fixture *f, const pc_conversation *said, bool invite, pc_prompt *out)
{
    pc_prompt_options options = {.invite = invite};
    pc_model_prompt(f->model, NULL, &options);
    const pc_template *raw;
    assert_int_equal(pc_template_by_name(&raw, "raw"), PC_OK);
    assert_int_equal(pc_prompt_build(out, f->model->tokenizer, raw, said, &options), PC_OK);
}

/* Asked: the question as transformers' tokenizer has it, EOS included, then the start token. Answered: the answer is a text
 * of its own and alone is learnt; what was said before belongs to the source. */
static void test_prompts(void **state)
{
    static const char *const names[] = {"flan", "v1"};
    (void)state;
    for (int i = 0; i < 2; i++) {
        fixture f;
        pc_prompt asked = {0}, answered = {0}, again = {0};
        pc_conversation one = {0}, two = {0}, three = {0};
        open_fixture(&f, names[i]);
        say(&one, f.text, NULL);
        build(&f, &one, true, &asked);
        assert_int_equal(asked.source, f.asked);
        assert_int_equal(asked.ids.count, f.asked + 1);
        assert_memory_equal(asked.ids.data, f.question, (size_t)f.asked * sizeof *f.question);
        assert_int_equal(asked.ids.data[f.asked], START);
        say(&two, f.text, f.text);
        build(&f, &two, false, &answered);
        assert_int_equal(answered.source, f.asked);
        assert_int_equal(answered.ids.count, 2 * f.asked + 1);
        assert_memory_equal(answered.ids.data + f.asked + 1, f.question, (size_t)f.asked * sizeof *f.question);
        for (size_t t = 0; t < answered.ids.count; t++) {
            assert_int_equal(answered.trained[t], t > (size_t)f.asked);
        }
        say(&three, f.text, f.text);
        say(&three, f.text, f.text);
        build(&f, &three, false, &again);
        assert_true(again.source > answered.ids.count);
        assert_int_equal(again.ids.count - again.source, f.asked + 1);
        assert_int_equal(again.trained[f.asked + 1], 0);
        pc_prompt_clear(&asked);
        pc_prompt_clear(&answered);
        pc_prompt_clear(&again);
        pc_conversation_clear(&one);
        pc_conversation_clear(&two);
        pc_conversation_clear(&three);
        close_fixture(&f);
    }
}

/* --- answering --- */

static int32_t best_of(const float *logits, int64_t count)
{
    int64_t best = 0;
    for (int64_t i = 1; i < count; i++) {
        best = logits[i] > logits[best] ? i : best;
    }
    return (int32_t)best;
}

static void expect_greedy(const fixture *f, pc_session *session, int64_t row)
{
    for (int64_t i = 0; i < f->written; i++) {
        int32_t id = best_of(pc_session_row_logits(session, row), f->model->llm.info.vocabulary);
        assert_int_equal(id, f->answer[i]);
        pc_session_piece piece = {.row = row, .ids = &id, .count = 1};
        assert_int_equal(pc_session_read_rows(session, &piece, 1), PC_OK);
    }
}

static pc_session *new_session(const fixture *f, int64_t rows)
{
    pc_session *session;
    const pc_session_options options = {.context = 48, .chunk = 8, .compute = PC_F32, .rows = rows};
    assert_int_equal(pc_session_new(&session, f->model, f->backend, &options), PC_OK);
    return session;
}

static void test_greedy(void **state)
{
    static const char *const names[] = {"flan", "v1"};
    (void)state;
    for (int i = 0; i < 2; i++) {
        fixture f;
        open_fixture(&f, names[i]);
        assert_int_equal(pc_model_pack(f.model, f.backend, PC_F32), PC_OK);
        pc_session *session = new_session(&f, 1);
        f.question[f.asked] = START;
        assert_int_equal(pc_session_read(session, f.question, NULL, f.asked + 1), PC_OK);
        expect_greedy(&f, session, 0);
        /* The same source answers again, from its start token on or anew. */
        pc_session_rewind(session, f.asked);
        assert_int_equal(pc_session_read(session, f.question + f.asked, NULL, 1), PC_OK);
        expect_greedy(&f, session, 0);
        pc_session_rewind(session, 0);
        assert_int_equal(pc_session_read(session, f.question, NULL, f.asked + 1), PC_OK);
        expect_greedy(&f, session, 0);
        pc_session_free(session);
        close_fixture(&f);
    }
}

/* Rows with sources of different lengths in one run, and a row that shares another's source: each as if it were alone. */
static void test_rows(void **state)
{
    fixture f;
    (void)state;
    open_fixture(&f, "flan");
    pc_session *session = new_session(&f, 3);
    int32_t other[] = {9, 4, 1, START, 7};
    f.question[f.asked] = START;
    const pc_session_piece pieces[] = {{.row = 2, .ids = other, .count = 5}, {.row = 0, .ids = f.question, .count = f.asked + 1}};
    assert_int_equal(pc_session_read_rows(session, pieces, 2), PC_OK);
    pc_session_row_share(session, 1, 0, f.asked + 1);
    expect_greedy(&f, session, 0);
    pc_session_row_rewind(session, 1, f.asked);
    const pc_session_piece start = {.row = 1, .ids = f.question + f.asked, .count = 1};
    assert_int_equal(pc_session_read_rows(session, &start, 1), PC_OK);
    expect_greedy(&f, session, 1);
    pc_session_free(session);
    close_fixture(&f);
}

static void test_refused(void **state)
{
    fixture f;
    (void)state;
    open_fixture(&f, "flan");
    pc_session *session = new_session(&f, 1);
    assert_int_equal(pc_session_read(session, f.question, NULL, f.asked), PC_ERR_DATA);
    assert_non_null(strstr(pc_error(), "none is that one"));
    f.question[f.asked] = START;
    assert_int_equal(pc_session_read(session, f.question + f.asked, NULL, 1), PC_ERR_DATA);
    assert_non_null(strstr(pc_error(), "the first is that one"));
    assert_int_equal(pc_session_length(session), 0);
    assert_int_equal(pc_session_read(session, f.question, NULL, f.asked + 1), PC_OK);
    pc_session_rewind(session, 3);
    assert_int_equal(pc_session_read(session, f.question + 3, NULL, f.asked - 2), PC_ERR_DATA);
    assert_non_null(strstr(pc_error(), "is read at once"));
    pc_session_free(session);
    close_fixture(&f);
}

/* --- training --- */

typedef struct rows {
    pc_batch batch;
    int32_t ids[MOST], positions[MOST], target_rows[MOST], target_ids[MOST];
    pc_attention_range ranges[MOST];
    float target_weights[MOST];
} rows;

/* The question, the start token and all but the last id of the answer, whose ids are the targets. */
static void add_sample(rows *to, const fixture *f)
{
    pc_batch *batch = &to->batch;
    int64_t base = batch->tokens, tokens = f->asked + f->written;
    assert_true(base + tokens <= MOST);
    memcpy(to->ids + base, f->question, (size_t)f->asked * sizeof *f->question);
    to->ids[base + f->asked] = START;
    memcpy(to->ids + base + f->asked + 1, f->answer, (size_t)(f->written - 1) * sizeof *f->answer);
    pc_sides_ranges(to->ranges + base, base, f->asked, tokens);
    for (int64_t i = 0; i < f->written; i++) {
        to->target_rows[batch->targets] = (int32_t)(base + f->asked + i);
        to->target_weights[batch->targets] = 1;
        to->target_ids[batch->targets++] = f->answer[i];
    }
    batch->tokens += tokens;
    batch->samples++;
}

static void fill(rows *to, const fixture *f)
{
    memset(to, 0, sizeof *to);
    to->batch = (pc_batch){.ids = to->ids, .positions = to->positions, .ranges = to->ranges, .target_rows = to->target_rows,
                           .target_ids = to->target_ids, .target_weights = to->target_weights};
    add_sample(to, f);
    add_sample(to, f);
}

static pc_status new_learner(pc_learner **out, const fixture *f, const rows *r, bool recompute, double dropout)
{
    static const pc_part_rate rates[] = {{"llm", 2e-3}};
    pc_learner_options options = {
        .stage = pc_stage_find("sft"),
        .limits = {.tokens = r->batch.tokens, .targets = r->batch.targets, .samples = 2},
        .compute = PC_F32,
        .optimizer = pc_optimizer_find("adamw_torch"),
        .settings = {.beta1 = 0.9, .beta2 = 0.95, .eps = 1e-6}, .max_norm = 1,
        .rates = rates, .rate_count = 1, .recompute = recompute, .dropout = dropout, .seed = 7,
    };
    return pc_learner_new(out, f->model, f->backend, &options);
}

/* Two packed samples: loss and every gradient are those of one alone, as PyTorch has them. */
static void test_gradients(void **state)
{
    static rows r;
    fixture f;
    (void)state;
    for (int recompute = 0; recompute < 2; recompute++) {
        pc_learner *learner;
        pc_step_result result;
        open_fixture(&f, "flan");
        assert_int_equal(pc_params_own(&f.model->params), PC_OK);
        pc_store *truth = golden_store(GOLDEN("t5/flan.gradients.safetensors"));
        fill(&r, &f);
        assert_int_equal(new_learner(&learner, &f, &r, recompute, 0), PC_OK);
        assert_int_equal(pc_learner_step(learner, &r.batch, 1, 0, &result), PC_OK);
        assert_float_equal(result.loss, f.loss, 1e-5 * f.loss);
        for (size_t i = 0; i < f.model->params.count; i++) {
            const pc_param *param = &f.model->params.items[i]->param;
            const pc_array *array = pc_store_find(truth, param->name);
            assert_non_null(array);
            float *expected = golden_values(array);
            double worst = golden_deviation(param->grad, expected, pc_shape_count(&param->shape));
            if (!(worst < 1e-4)) {
                fail_msg("%s: gradient %g off", param->name, worst);
            }
            pc_free(expected);
        }
        pc_learner_free(learner);
        pc_store_free(truth);
        close_fixture(&f);
    }
}

/* It learns, with dropout as well, and what it learnt is what a session then says. */
static void test_learns(void **state)
{
    static rows r;
    fixture f;
    pc_learner *learner;
    pc_step_result result;
    double first = 0;
    (void)state;
    open_fixture(&f, "v1");
    assert_int_equal(pc_params_own(&f.model->params), PC_OK);
    for (int64_t i = 0; i < f.written; i++) {
        f.answer[i] = (int32_t)(5 + 3 * i % 7);
    }
    fill(&r, &f);
    assert_int_equal(new_learner(&learner, &f, &r, false, 0.02), PC_OK);
    for (int step = 0; step < 400; step++) {
        assert_int_equal(pc_learner_step(learner, &r.batch, 1, 5, &result), PC_OK);
        first = step ? first : result.loss;
    }
    if (!(result.loss < 0.1 * first)) {
        fail_msg("loss %g became %g", first, result.loss);
    }
    pc_learner_free(learner);
    pc_session *session = new_session(&f, 1);
    f.question[f.asked] = START;
    assert_int_equal(pc_session_read(session, f.question, NULL, f.asked + 1), PC_OK);
    expect_greedy(&f, session, 0);
    pc_session_free(session);
    close_fixture(&f);
}

/* OPT, by the same rows: layers computed again give the same bits, and dropout drops. */
static double opt_step(bool recompute, double dropout, float *gradients, int64_t count)
{
    static rows r;
    fixture f = {.model = golden_model(GOLDEN("blip2/opt"))};
    pc_learner *learner;
    pc_step_result result;
    int64_t done = 0;
    assert_int_equal(pc_params_own(&f.model->params), PC_OK);
    assert_int_equal(pc_cpu_backend_new(&f.backend, 2, 0), PC_OK);
    memset(&r, 0, sizeof r);
    r.batch = (pc_batch){.samples = 2, .tokens = 12, .targets = 12, .ids = r.ids, .positions = r.positions, .ranges = r.ranges,
                         .target_rows = r.target_rows, .target_ids = r.target_ids, .target_weights = r.target_weights};
    for (int i = 0; i < 12; i++) {
        r.ids[i] = r.target_ids[i] = 3 + 5 * i % 31;
        r.positions[i] = i;
        r.ranges[i] = (pc_attention_range){0, 0, 0, i + 1};
        r.target_rows[i] = i;
        r.target_weights[i] = 1;
    }
    assert_int_equal(new_learner(&learner, &f, &r, recompute, dropout), PC_OK);
    assert_int_equal(pc_learner_step(learner, &r.batch, 1, 0, &result), PC_OK);
    for (size_t i = 0; i < f.model->params.count && gradients; i++) {
        const pc_param *param = &f.model->params.items[i]->param;
        int64_t size = param->grad ? pc_shape_count(&param->shape) : 0;
        assert_true(done + size <= count);
        memcpy(gradients + done, param->grad ? param->grad : gradients, (size_t)size * sizeof *gradients);
        done += size;
    }
    assert_true(!gradients || done > 1000);
    pc_learner_free(learner);
    pc_model_free(f.model);
    pc_cpu_backend_free(f.backend);
    return result.loss;
}

static void test_opt_trains(void **state)
{
    enum { MANY = 8192 };
    static float once[MANY], again[MANY], dropped[MANY], redone[MANY];
    (void)state;
    double loss = opt_step(false, 0, once, MANY);
    assert_true(opt_step(true, 0, again, MANY) == loss);
    assert_memory_equal(again, once, sizeof once);
    double less = opt_step(false, 0.2, dropped, MANY);
    assert_true(isfinite(less) && fabs(less - loss) > 1e-3);
    assert_true(opt_step(true, 0.2, redone, MANY) == less);
    assert_memory_equal(redone, dropped, sizeof dropped);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prompts), cmocka_unit_test(test_greedy),    cmocka_unit_test(test_rows),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_gradients), cmocka_unit_test(test_learns),
        cmocka_unit_test(test_opt_trains),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
