/* A connector that reads (InstructBLIP): from a sample with a picture file to loss and gradients, and what a session sees,
 * against transformers (tests/oracle/make_blip2.py). */
#include "backend/cpu/cpu.h"
#include "base/memory.h"
#include "data/batch.h"
#include "media/decode.h"
#include "model/session.h"
#include "prompt/question.h"
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

static const char QUESTION[] = "what is the colour", ANSWER[] = " a red circle";
static const char *const names[] = {"vicuna", "instruct"};

typedef struct fixture {
    pc_model *model;
    pc_backend *backend;
    pc_store *truth, *gradients;
} fixture;

static void open_fixture(fixture *f, const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", GOLDEN("blip2"), name);
    f->model = golden_model(path);
    snprintf(path, sizeof path, "%s/%s.safetensors", GOLDEN("blip2"), name);
    f->truth = golden_store(path);
    snprintf(path, sizeof path, "%s/%s.gradients.safetensors", GOLDEN("blip2"), name);
    f->gradients = golden_store(path);
    assert_int_equal(pc_cpu_backend_new(&f->backend, 2, 0), PC_OK);
}

static void close_fixture(fixture *f)
{
    pc_model_free(f->model);
    pc_cpu_backend_free(f->backend);
    pc_store_free(f->truth);
    pc_store_free(f->gradients);
}

static pc_loader_options options_of(const fixture *f, const pc_template *raw)
{
    const pc_model *model = f->model;
    int64_t side = model->encoder.info.image_size;
    return (pc_loader_options){
        .tokenizer = model->tokenizer, .chat = raw, .recipe = &model->recipe, .image_token = (int32_t)model->image_token,
        .vocabulary = model->llm.info.vocabulary, .bos_behind_pictures = model->bos_behind_pictures,
        .tokens_per_image = model->connector.tokens, .image_width = side, .image_height = side, .max_images = 1,
        .batch_size = 1, .cutoff = 64, .reader = model->reader, .question_limit = 9, .source = model->llm.info.source,
        .start = (int32_t)model->llm.info.start,
    };
}

static void fill_sample(pc_sample *sample)
{
    pc_conversation *said = &sample->conversation;
    assert_int_equal(pc_sample_load_image(sample, GOLDEN("llava/shapes.png")), PC_OK);
    assert_int_equal(pc_conversation_begin(said, PC_ROLE_USER), PC_OK);
    assert_int_equal(pc_conversation_add_media(said, PC_MEDIA_IMAGE, 0), PC_OK);
    assert_int_equal(pc_conversation_add_text(said, QUESTION, strlen(QUESTION)), PC_OK);
    assert_int_equal(pc_conversation_say(said, PC_ROLE_ASSISTANT, ANSWER), PC_OK);
}

static void compare_gradients(const fixture *f)
{
    int compared = 0;
    for (size_t i = 0; i < f->model->params.count; i++) {
        const pc_param *param = &f->model->params.items[i]->param;
        const pc_array *array = pc_store_find(f->gradients, param->name);
        if (strcmp(param->part, "connector") != 0 || !array) {
            assert_string_not_equal(param->part, "connector");
            continue;
        }
        float *truth = golden_values(array);
        double top = 0;
        for (int64_t k = 0; k < pc_shape_count(&param->shape); k++) {
            top = fmax(top, fabs(truth[k]));
        }
        double worst = param->grad ? golden_deviation(param->grad, truth, pc_shape_count(&param->shape)) : top;
        if (!(worst < 1e-4) && top > 1e-6) { /* gradients of keys' biases are rounding alone */
            fail_msg("%s: gradient %g off of %g", param->name, worst, top);
        }
        compared++;
        pc_free(truth);
    }
    assert_true(compared > 60);
}

/* The sample becomes transformers' ids and question; the loss and every gradient of the connector are transformers'. */
static void test_gradients(void **state)
{
    static const pc_part_rate rates[] = {{"connector", 1e-3}};
    (void)state;
    for (int i = 0; i < 2; i++) {
        fixture f;
        const pc_template *raw;
        pc_batch batch = {0};
        pc_learner *learner;
        pc_step_result result;
        bool shortened;
        open_fixture(&f, names[i]);
        assert_int_equal(pc_params_own(&f.model->params), PC_OK);
        assert_int_equal(pc_template_by_name(&raw, "raw"), PC_OK);
        const pc_loader_options options = options_of(&f, raw);
        pc_batch_maker maker = {.options = &options};
        fill_sample(&maker.sample);
        if (pc_batch_add(&batch, &maker, 0, 0, &shortened) != PC_OK) {
            fail_msg("%s", pc_error());
        }
        int32_t *asked = golden_ids(pc_store_find(f.truth, "qformer_input_ids"));
        assert_int_equal(batch.question_lengths[0], pc_store_find(f.truth, "qformer_input_ids")->dim[1]);
        assert_memory_equal(batch.questions, asked, (size_t)batch.question_lengths[0] * sizeof *asked);
        assert_int_equal(batch.questions[batch.question_lengths[0]], 0);
        pc_learner_options learning = {
            .stage = pc_stage_find("sft"),
            .limits = {.images = 1, .tokens = batch.tokens, .soft = batch.soft, .targets = batch.targets, .samples = 1,
                       .question = options.question_limit},
            .compute = PC_F32, .optimizer = pc_optimizer_find("adamw_torch"),
            .settings = {.beta1 = 0.9, .beta2 = 0.95, .eps = 1e-6}, .max_norm = 1, .rates = rates, .rate_count = 1,
        };
        assert_int_equal(pc_learner_new(&learner, f.model, f.backend, &learning), PC_OK);
        assert_int_equal(pc_learner_step(learner, &batch, 1, 0, &result), PC_OK);
        float *loss = golden_values(pc_store_find(f.gradients, "loss"));
        if (!(fabs(result.loss / loss[0] - 1) < 1e-5)) {
            fail_msg("%s: the loss is %g, transformers' %g", names[i], result.loss, loss[0]);
        }
        compare_gradients(&f);
        pc_free(loss);
        pc_free(asked);
        pc_learner_free(learner);
        pc_batch_maker_clear(&maker);
        pc_batch_clear(&batch);
        close_fixture(&f);
    }
}

/* A session asked the fixture's question sees transformers' soft tokens; another question, or none, gives others. */
static void test_session_sees(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        fixture f;
        pc_session *session;
        pc_image *image;
        float *pixels, *soft, *other;
        int64_t count;
        pc_ids question = {0};
        pc_conversation said = {0};
        const pc_session_options options = {.context = 32, .compute = PC_F32};
        open_fixture(&f, names[i]);
        assert_int_equal(pc_session_new(&session, f.model, f.backend, &options), PC_OK);
        assert_int_equal(pc_image_load(&image, GOLDEN("llava/shapes.png"), NULL), PC_OK);
        assert_int_equal(pc_model_prepare(f.model, image, &pixels, NULL), PC_OK);
        assert_int_equal(pc_conversation_say(&said, PC_ROLE_USER, QUESTION), PC_OK);
        assert_int_equal(pc_prompt_question(&question, f.model->reader, &said, 100), PC_OK);
        float *truth = golden_values(pc_store_find(f.truth, "connector.tokens"));
        assert_int_equal(pc_session_see_asked(session, pixels, NULL, &question, &soft, &count), PC_OK);
        int64_t numbers = count * f.model->llm.info.width;
        assert_true(golden_deviation(soft, truth, numbers) < 1e-4);
        assert_int_equal(pc_session_see(session, pixels, NULL, &other, NULL), PC_OK);
        assert_true(golden_deviation(other, truth, numbers) > 1e-2);
        pc_free(other);
        assert_int_equal(pc_prompt_question(&question, f.model->reader, &said, 4), PC_OK);
        assert_int_equal(question.count, 4);
        assert_int_equal(pc_session_see_asked(session, pixels, NULL, &question, &other, NULL), PC_OK);
        assert_true(golden_deviation(other, truth, numbers) > 1e-3);
        question.data[1] = 9; /* no such word */
        pc_free(other);
        assert_int_equal(pc_session_see_asked(session, pixels, NULL, &question, &other, NULL), PC_ERR_DATA);
        assert_null(other);
        pc_free(truth);
        pc_free(soft);
        pc_free(pixels);
        pc_image_free(image);
        pc_ids_clear(&question);
        pc_conversation_clear(&said);
        pc_session_free(session);
        close_fixture(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_gradients), cmocka_unit_test(test_session_sees)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
