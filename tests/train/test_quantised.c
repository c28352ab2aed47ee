/* QLoRA: an adapter over frozen weights in blocks trains as over the numbers that the blocks mean, from blocks of a GGUF file
 * and from blocks made at load; the same bytes after a resume. */
#include "backend/cpu/cpu.h"
#include "base/block.h"
#include "base/file.h"
#include "model/adapter.h"
#include "support/folder.h"
#include "train/setup.h"
#include "train/trainer.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define GOLDEN PERCEPT_TESTS_DIR "/golden/"

enum { STEPS = 4, OVERRIDES = 8 };

static const char RECIPE[] =
    "model_name_or_path: " GOLDEN "llava/hf\n"
    "stage: sft\n"
    "finetuning_type: lora\n"
    "lora_rank: 4\n"
    "freeze_vision_tower: true\n"
    "dataset: " GOLDEN "alignment/prompts.jsonl\n"
    "media_dir: " GOLDEN "llava\n"
    "cutoff_len: 256\n"
    "per_device_train_batch_size: 2\n"
    "learning_rate: 1e-2\n"
    "lr_scheduler_type: constant\n"
    "max_steps: 4\n"
    "save_steps: 2\n"
    "strict: true\n"
    "plot_loss: false\n";

typedef struct setup {
    char folder[256];
    pc_recipe recipe;
    pc_backend *backend;
    pc_setup_parts parts;
    pc_model *model;
    pc_train_data data;
    pc_adapter *adapter;
    pc_learner *learner;
} setup;

static pc_status read_recipe(setup *s, const char *const *overrides, int used)
{
    const char *all[OVERRIDES + 1];
    char path[512], output[600];
    snprintf(output, sizeof output, "output_dir=%s/out", s->folder);
    assert_true(used <= OVERRIDES);
    all[0] = output;
    for (int i = 0; i < used; i++) {
        all[1 + i] = overrides[i];
    }
    PC_TRY(pc_file_write(pc_test_path(path, s->folder, "recipe.yaml"), RECIPE, sizeof RECIPE - 1));
    return pc_recipe_read(&s->recipe, path, all, used + 1);
}

/* plain: the weights are the numbers that the blocks mean, in f32. */
static pc_status open_setup(setup *s, const char *const *overrides, int used, bool plain)
{
    pc_test_folder_new(s->folder);
    PC_TRY(read_recipe(s, overrides, used));
    PC_TRY(pc_cpu_backend_new(&s->backend, 2, 0));
    PC_TRY(pc_setup_check(&s->recipe, &s->parts.stage));
    PC_TRY(pc_setup_model(&s->model, &s->recipe));
    PC_TRY(plain ? pc_params_own(&s->model->params) : PC_OK);
    PC_TRY(pc_train_data_open(&s->data, &s->recipe, s->model, s->parts.stage));
    PC_TRY(pc_setup_adapter(&s->adapter, &s->recipe, s->model));
    s->parts.model = s->model;
    s->parts.adapter = s->adapter;
    s->parts.backend = s->backend;
    s->parts.loader = s->data.loader;
    return pc_setup_learner(&s->learner, &s->recipe, &s->parts);
}

static void must_open(setup *s, const char *const *overrides, int used, bool plain)
{
    if (open_setup(s, overrides, used, plain) != PC_OK) {
        fail_msg("%s", pc_error());
    }
}

static void close_setup(setup *s)
{
    pc_learner_free(s->learner);
    pc_train_data_close(&s->data);
    pc_adapter_free(s->adapter);
    pc_model_free(s->model);
    pc_cpu_backend_free(s->backend);
    pc_recipe_clear(&s->recipe);
    pc_test_folder_free(s->folder);
}

static int count_blocks(const pc_params *params)
{
    int count = 0;
    for (size_t i = 0; i < params->count; i++) {
        count += pc_dtype_is_block(params->items[i]->param.dtype);
    }
    return count;
}

static void close_to(int step, const char *what, double got, double want)
{
    if (!(fabs(got - want) <= 1e-5 * fmax(1, fabs(want)))) {
        fail_msg("step %d: %s is %.9g over blocks, %.9g over their numbers", step + 1, what, got, want);
    }
}

static void compare(const char *const *overrides, int used, int blocks)
{
    setup of_blocks = {0}, plain = {0};
    must_open(&of_blocks, overrides, used, false);
    must_open(&plain, overrides, used, true);
    if (count_blocks(&of_blocks.model->params) != blocks) {
        fail_msg("%d parameters are in blocks, expected %d", count_blocks(&of_blocks.model->params), blocks);
    }
    assert_int_equal(count_blocks(&plain.model->params), 0);
    double first = 0, last = 0;
    for (int step = 0; step < STEPS; step++) {
        const pc_batch *a, *b;
        pc_step_result got, want;
        assert_int_equal(pc_loader_next(of_blocks.data.loader, &a), PC_OK);
        assert_int_equal(pc_loader_next(plain.data.loader, &b), PC_OK);
        assert_int_equal(pc_learner_step(of_blocks.learner, a, 1, 1, &got), PC_OK);
        assert_int_equal(pc_learner_step(plain.learner, b, 1, 1, &want), PC_OK);
        close_to(step, "loss", got.loss, want.loss);
        close_to(step, "gradient norm", got.grad_norm, want.grad_norm);
        first = step == 0 ? got.loss : first;
        last = got.loss;
    }
    assert_true(last < first);
    close_setup(&of_blocks);
    close_setup(&plain);
}

/* Three matrices of each attention and MLP have rows of 32 numbers, of the encoder's 24 none. */
static void test_types(void **state)
{
    static const char *const types[] = {"quantization_type=q4_0", "quantization_type=nf4", "quantization_type=q8_0",
                                        "quantization_bit=4"};
    (void)state;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        compare((const char *const[]){types[i]}, 1, 12);
    }
    compare((const char *const[]){"quantization_bit=8", "use_dora=true", "lora_target=q_proj,up_proj,down_proj"}, 3, 12);
}

/* A GGUF file whose matrices are blocks, used where they lie. */
static void test_gguf(void **state)
{
    static const char ROWS[] = "{\"messages\": [{\"role\": \"user\", \"content\": \"Is it?\"}, {\"role\": \"assistant\", "
                               "\"content\": \"It is\"}]}\n";
    char folder[256], file[512], rows[512], model[600], dataset[600];
    pc_model *whole;
    (void)state;
    pc_test_folder_new(folder);
    pc_test_path(file, folder, "q8.gguf");
    pc_test_path(rows, folder, "rows.jsonl");
    assert_int_equal(pc_model_load(&whole, GOLDEN "llava/hf"), PC_OK);
    assert_int_equal(pc_model_save_gguf(whole, file, &(pc_gguf_options){.type = PC_Q8_0}), PC_OK);
    pc_model_free(whole);
    assert_int_equal(pc_file_write(rows, ROWS, sizeof ROWS - 1), PC_OK);
    snprintf(model, sizeof model, "model_name_or_path=%s", file);
    snprintf(dataset, sizeof dataset, "dataset=%s", rows);
    compare((const char *const[]){model, dataset, "template=vicuna_v1", "per_device_train_batch_size=1"}, 4, 14);
    pc_test_folder_free(folder);
}

/* --- whole runs --- */

static int stop_at_2(void *user)
{
    return *(int64_t *)user == 2;
}

static void count(void *user, const pc_progress *progress)
{
    *(int64_t *)user = progress->step;
}

static pc_status train(setup *s, const char *const *overrides, int used, bool stops)
{
    int64_t step = 0;
    pc_trainer_hooks hooks = {.user = &step, .progress = count, .stop = stops ? stop_at_2 : NULL};
    pc_status status = read_recipe(s, overrides, used);
    assert_int_equal(pc_cpu_backend_new(&s->backend, 2, 0), PC_OK);
    status = status == PC_OK ? pc_train(&s->recipe, s->backend, &hooks) : status;
    pc_cpu_backend_free(s->backend);
    pc_recipe_clear(&s->recipe);
    return status;
}

static void hash(const setup *s, const char *name, char out[65])
{
    char path[512];
    snprintf(path, sizeof path, "%s/out/%s", s->folder, name);
    assert_int_equal(pc_sha256_file(path, out), PC_OK);
}

static void test_resume(void **state)
{
    static const char *const keys[] = {"quantization_bit=4", "additional_target=multi_modal_projector",
                                       "resume_from_checkpoint=latest"};
    setup whole = {0}, parts = {0};
    char a[65], b[65];
    (void)state;
    pc_test_folder_new(whole.folder);
    pc_test_folder_new(parts.folder);
    assert_int_equal(train(&whole, keys, 2, false), PC_OK);
    assert_int_equal(train(&parts, keys, 2, true), PC_ERR_INTERRUPTED);
    assert_int_equal(train(&parts, keys, 3, false), PC_OK);
    hash(&whole, "adapter_model.safetensors", a);
    hash(&parts, "adapter_model.safetensors", b);
    assert_string_equal(a, b);
    hash(&whole, "train_log.jsonl", a);
    hash(&parts, "train_log.jsonl", b);
    assert_string_equal(a, b);
    pc_test_folder_free(whole.folder);
    pc_test_folder_free(parts.folder);
}

static void refused(const char *const *overrides, int used, const char *says)
{
    setup s = {0};
    pc_test_folder_new(s.folder);
    assert_int_equal(train(&s, overrides, used, false), PC_ERR_USAGE);
    if (!strstr(pc_error(), says)) {
        fail_msg("'%s' does not say '%s'", pc_error(), says);
    }
    pc_test_folder_free(s.folder);
}

static void test_refusals(void **state)
{
    (void)state;
    refused((const char *const[]){"quantization_bit=3"}, 1, "expected 4, 5, 6 or 8");
    refused((const char *const[]){"quantization_type=q2_k"}, 1, "quantization_type 'q2_k'");
    refused((const char *const[]){"quantization_type=fp4"}, 1, "quantization_type 'fp4'");
    refused((const char *const[]){"quantization_bit=4", "finetuning_type=full"}, 2, "needs finetuning_type: lora");
}

/* A number that is not finite would spoil its block. */
static void test_not_finite(void **state)
{
    pc_params params = {0};
    pc_scope scope = {.params = &params, .part = "llm", .prefix = ""};
    pc_param *param = pc_declare(&scope, PC_ONES, pc_dims(2, 3, 32), "weight");
    (void)state;
    assert_int_equal(pc_params_own(&params), PC_OK);
    assert_int_equal(pc_params_initialise(&params, 1), PC_OK);
    ((float *)param->data)[40] = INFINITY;
    assert_int_equal(pc_param_quantise(params.items[0], PC_Q4_0), PC_ERR_DATA);
    assert_non_null(strstr(pc_error(), "weight: number 40"));
    assert_int_equal(param->dtype, PC_F32);
    assert_true(((float *)param->data)[40] == INFINITY);
    ((float *)param->data)[40] = 1;
    assert_int_equal(pc_param_quantise(params.items[0], PC_Q4_0), PC_OK);
    assert_int_equal(param->dtype, PC_Q4_0);
    assert_int_equal(pc_param_bytes(param), 3 * 18);
    pc_params_clear(&params);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),     cmocka_unit_test(test_gguf),       cmocka_unit_test(test_resume),
        cmocka_unit_test(test_refusals), cmocka_unit_test(test_not_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
