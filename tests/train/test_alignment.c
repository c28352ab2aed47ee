/* Preference training against torch (tests/oracle/make_alignment.py): every loss, whole steps, from the rows of the dataset to
 * the update; and what must hold of any: log 2 at the start, the same bytes after a resume. */
#include "backend/cpu/cpu.h"
#include "base/file.h"
#include "base/json.h"
#include "data/segments.h"
#include "store/store.h"
#include "support/folder.h"
#include "train/data.h"
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
    "stage: dpo\n"
    "dataset: " GOLDEN "alignment/pairs.jsonl\n"
    "media_dir: " GOLDEN "llava\n"
    "cutoff_len: 256\n"
    "freeze_vision_tower: false\n"
    "per_device_train_batch_size: 2\n"
    "learning_rate: 2e-3\n"
    "lr_scheduler_type: constant\n"
    "adam_beta2: 0.95\n"
    "adam_epsilon: 1e-6\n"
    "weight_decay: 0.1\n"
    "max_steps: 4\n"
    "save_steps: 1\n"
    "save_total_limit: 0\n"
    "strict: true\n"
    "plot_loss: false\n";

typedef struct run {
    char folder[256];
    int64_t stop_at, step;
} run;

static void count(void *user, const pc_progress *progress)
{
    ((run *)user)->step = progress->step;
}

static int stop(void *user)
{
    const run *r = user;
    return r->stop_at && r->step >= r->stop_at;
}

static pc_status train(run *r, const char *const *overrides, int used)
{
    pc_recipe recipe;
    pc_backend *backend;
    char path[512], output[600];
    const char *all[OVERRIDES + 1] = {output};
    snprintf(output, sizeof output, "output_dir=%s/out", r->folder);
    assert_true(used <= OVERRIDES);
    for (int i = 0; i < used; i++) {
        all[1 + i] = overrides[i];
    }
    assert_int_equal(pc_file_write(pc_test_path(path, r->folder, "recipe.yaml"), RECIPE, sizeof RECIPE - 1), PC_OK);
    pc_status status = pc_recipe_read(&recipe, path, all, used + 1);
    assert_int_equal(pc_cpu_backend_new(&backend, 2, 0), PC_OK);
    pc_trainer_hooks hooks = {.user = r, .progress = count, .stop = stop};
    status = status == PC_OK ? pc_train(&recipe, backend, &hooks) : status;
    pc_cpu_backend_free(backend);
    pc_recipe_clear(&recipe);
    return status;
}

static void must_train(run *r, const char *const *overrides, int used)
{
    pc_status status = train(r, overrides, used);
    if (status != PC_OK) {
        print_error("%s\n", pc_error());
    }
    assert_int_equal(status, PC_OK);
}

/* --- against torch --- */

static const char *const metrics[] = {"rewards/chosen", "rewards/rejected", "rewards/margins", "rewards/accuracies"};

static void assert_close(const char *name, int step, const char *what, double got, double want)
{
    if (!(fabs(got - want) <= 1e-5 * fmax(1, fabs(want)))) {
        fail_msg("%s, step %d: %s is %.9g, torch has %.9g", name, step + 1, what, got, want);
    }
}

static const char *const label_metrics[] = {"rewards/margins", "rewards/accuracies", "kl"};

/* The log of a run; `count` metrics of these names, the first `firm` of which are compared at step 1, too. */
static void compare(const char *name, const pc_json *expected, const char *folder, const char *const *names, size_t count,
                    size_t firm)
{
    char path[512], line[1024];
    FILE *file = fopen(pc_test_path(path, folder, "out/train_log.jsonl"), "r");
    assert_non_null(file);
    for (int step = 0; step < STEPS; step++) {
        pc_json *got = NULL;
        assert_non_null(fgets(line, sizeof line, file));
        assert_int_equal(pc_json_parse(&got, line, strlen(line), "log"), PC_OK);
        const char *const numbers[] = {"loss", "grad_norm"};
        for (int i = 0; i < 2; i++) {
            double want = pc_json_number(pc_json_at(pc_json_get(expected, numbers[i]), (size_t)step), NAN);
            assert_close(name, step, numbers[i], pc_json_get_number(got, numbers[i], NAN), want);
        }
        const pc_json *row = pc_json_at(pc_json_get(expected, "metrics"), (size_t)step);
        for (size_t i = 0; i < count; i++) {
            /* At the start two equal rewards differ by rounding, if at all. */
            if (step > 0 || i < firm) {
                assert_close(name, step, names[i], pc_json_get_number(got, names[i], NAN),
                             pc_json_number(pc_json_at(row, i), NAN));
            }
        }
        pc_json_free(got);
    }
    fclose(file);
}

static void test_torch(void **state)
{
    pc_json *all;
    int cases = 0;
    (void)state;
    assert_int_equal(pc_json_read(&all, GOLDEN "alignment/expected.json", 1 << 20), PC_OK);
    for (void *it = pc_json_first(all); it; it = pc_json_next(all, it), cases++) {
        const pc_json *expected = pc_json_value(it), *keys = pc_json_get(expected, "keys");
        const char *overrides[OVERRIDES];
        run r = {0};
        pc_test_folder_new(r.folder);
        for (size_t i = 0; i < pc_json_length(keys); i++) {
            overrides[i] = pc_json_text(pc_json_at(keys, i));
        }
        must_train(&r, overrides, (int)pc_json_length(keys));
        compare(pc_json_key(it), expected, r.folder, metrics, 4, 3);
        pc_test_folder_free(r.folder);
    }
    assert_true(cases >= 8);
    pc_json_free(all);
}

static void test_labels(void **state)
{
    static const char *const overrides[] = {"stage=kto", "dataset=" GOLDEN "alignment/labelled.jsonl", "kto_chosen_weight=3",
                                            "kto_rejected_weight=0.2"};
    pc_json *expected;
    run r = {0};
    (void)state;
    pc_test_folder_new(r.folder);
    assert_int_equal(pc_json_read(&expected, GOLDEN "alignment/labels.json", 1 << 20), PC_OK);
    must_train(&r, overrides, 4);
    compare("kto", expected, r.folder, label_metrics, 3, 1);
    pc_json_free(expected);
    pc_test_folder_free(r.folder);
}

/* --- a reward model --- */

typedef struct whole_setup {
    pc_recipe recipe;
    pc_train_data data;
    pc_setup_parts of;
    pc_model *model;
    pc_head *head;
    pc_backend *backend;
    pc_learner *learner;
} whole_setup;

static pc_status set_up_parts(whole_setup *p, const run *r)
{
    const char *overrides[] = {NULL, "stage=rm", "center_rewards_coefficient=0.01"};
    char path[512], output[600];
    snprintf(output, sizeof output, "output_dir=%s/out", r->folder);
    overrides[0] = output;
    PC_TRY(pc_file_write(pc_test_path(path, r->folder, "recipe.yaml"), RECIPE, sizeof RECIPE - 1));
    PC_TRY(pc_recipe_read(&p->recipe, path, overrides, 3));
    PC_TRY(pc_cpu_backend_new(&p->backend, 2, 0));
    PC_TRY(pc_setup_check(&p->recipe, &p->of.stage));
    PC_TRY(pc_setup_model(&p->model, &p->recipe));
    PC_TRY(pc_train_data_open(&p->data, &p->recipe, p->model, p->of.stage));
    PC_TRY(pc_setup_head(&p->head, &p->recipe, p->model, p->of.stage));
    p->of.model = p->model;
    p->of.head = p->head;
    p->of.backend = p->backend;
    p->of.loader = p->data.loader;
    return pc_setup_learner(&p->learner, &p->recipe, &p->of);
}

static void clear_parts(whole_setup *p)
{
    pc_learner_free(p->learner);
    pc_train_data_close(&p->data);
    pc_head_free(p->head);
    pc_model_free(p->model);
    pc_cpu_backend_free(p->backend);
    pc_recipe_clear(&p->recipe);
}

static void test_rewards(void **state)
{
    pc_json *expected;
    whole_setup p = {0};
    run r = {0};
    (void)state;
    pc_test_folder_new(r.folder);
    assert_int_equal(pc_json_read(&expected, GOLDEN "alignment/rewards.json", 1 << 20), PC_OK);
    assert_int_equal(set_up_parts(&p, &r), PC_OK);
    pc_param *weight = pc_params_find(&p.head->params, "v_head.summary.weight");
    for (int64_t i = 0; i < pc_shape_count(&weight->shape); i++) {
        ((float *)weight->data)[i] = (float)(0.5 * sin(0.7 * (double)i + 1));
    }
    for (int step = 0; step < STEPS; step++) {
        const pc_json *row = pc_json_at(pc_json_get(expected, "metrics"), (size_t)step);
        const pc_batch *batches;
        pc_step_result got;
        assert_int_equal(pc_loader_next(p.data.loader, &batches), PC_OK);
        assert_int_equal(pc_learner_step(p.learner, batches, 1, 1, &got), PC_OK);
        assert_close("rm", step, "loss", got.loss, pc_json_number(pc_json_at(pc_json_get(expected, "loss"), (size_t)step), NAN));
        assert_close("rm", step, "grad_norm", got.grad_norm,
                     pc_json_number(pc_json_at(pc_json_get(expected, "grad_norm"), (size_t)step), NAN));
        for (size_t i = 0; i < sizeof metrics / sizeof metrics[0]; i++) {
            assert_close("rm", step, metrics[i], got.metrics[i], pc_json_number(pc_json_at(row, i), NAN));
        }
    }
    clear_parts(&p);
    pc_json_free(expected);
    pc_test_folder_free(r.folder);
}

/* --- what holds of any --- */

static void hash(const run *r, const char *name, char out[65])
{
    char path[512];
    snprintf(path, sizeof path, "%s/out/%s", r->folder, name);
    assert_int_equal(pc_sha256_file(path, out), PC_OK);
}

/* A run stopped after two steps and gone on with ends with the bytes of one that was not. */
static void resumes(const char *weights, const char *const *overrides, int used)
{
    static const char *const files[] = {"checkpoint-4/optimizer.safetensors", "train_log.jsonl"};
    const char *resumed[OVERRIDES];
    char a[65], b[65];
    run whole = {0}, parts = {.stop_at = 2};
    pc_test_folder_new(whole.folder);
    pc_test_folder_new(parts.folder);
    must_train(&whole, overrides, used);
    assert_int_equal(train(&parts, overrides, used), PC_ERR_INTERRUPTED);
    memcpy(resumed, overrides, (size_t)used * sizeof *overrides);
    resumed[used] = "resume_from_checkpoint=latest";
    parts.stop_at = 0;
    must_train(&parts, resumed, used + 1);
    hash(&whole, weights, a);
    hash(&parts, weights, b);
    assert_string_equal(a, b);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        hash(&whole, files[i], a);
        hash(&parts, files[i], b);
        assert_string_equal(a, b);
    }
    pc_test_folder_free(whole.folder);
    pc_test_folder_free(parts.folder);
}

static void test_resume(void **state)
{
    (void)state;
    resumes("model.safetensors", (const char *const[]){"per_device_train_batch_size=1", "gradient_accumulation_steps=2"}, 2);
}

static void test_resume_lora(void **state)
{
    (void)state;
    resumes("adapter_model.safetensors", (const char *const[]){"finetuning_type=lora", "freeze_vision_tower=true"}, 2);
    resumes("adapter_model.safetensors", (const char *const[]){"finetuning_type=lora", "freeze_vision_tower=true", "stage=kto",
                                                               "dataset=" GOLDEN "alignment/labelled.jsonl"}, 4);
}

static void test_resume_rewards(void **state)
{
    (void)state;
    resumes("value_head.safetensors", (const char *const[]){"stage=rm"}, 1);
    resumes("adapter_model.safetensors", (const char *const[]){"stage=rm", "finetuning_type=lora"}, 2);
}

/* Pairs about scenes: different answers to one question, reproducible, the corrections alike but for a segment. */
static void test_scene_pairs(void **state)
{
    static const char *const kinds[] = {"scene_pairs?seed=3&n=200", "scene_pairs?seed=3&n=50&content=corrections&lang=zh"};
    (void)state;
    for (int k = 0; k < 2; k++) {
        pc_dataset *dataset;
        pc_sample a = {0}, b = {0};
        assert_int_equal(pc_dataset_open(&dataset, kinds[k], NULL, NULL), PC_OK);
        for (int64_t i = 0; i < pc_dataset_count(dataset); i++) {
            assert_int_equal(pc_dataset_read(dataset, i, &a), PC_OK);
            assert_int_equal(pc_dataset_read(dataset, i, &b), PC_OK);
            assert_int_equal(a.image_count, 1);
            assert_int_equal(a.conversation.count, 2);
            assert_int_equal(a.rejected.count, 1);
            const char *won = a.conversation.parts[a.conversation.part_count - 1].text, *lost = a.rejected.parts[0].text;
            assert_string_not_equal(won, lost);
            assert_string_equal(lost, b.rejected.parts[0].text);
        }
        pc_sample_clear(&a);
        pc_sample_clear(&b);
        pc_dataset_close(dataset);
    }
    pc_dataset *none;
    assert_int_equal(pc_dataset_open(&none, "scene_pairs?seed=3&n=5&content=captions", NULL, NULL), PC_ERR_USAGE);
}

/* The model without its adapter is the reference: at the start nothing is preferred, then the chosen answers are. */
static void test_lora_starts_at_log_2(void **state)
{
    static const char *const overrides[] = {"finetuning_type=lora", "freeze_vision_tower=true", "learning_rate=2e-2"};
    char path[512], line[1024];
    double loss = 0;
    run r = {0};
    (void)state;
    pc_test_folder_new(r.folder);
    must_train(&r, overrides, 3);
    FILE *file = fopen(pc_test_path(path, r.folder, "out/train_log.jsonl"), "r");
    assert_non_null(file);
    for (int step = 0; step < STEPS; step++) {
        assert_non_null(fgets(line, sizeof line, file));
        assert_non_null(strstr(line, "\"loss\": "));
        loss = strtod(strstr(line, "\"loss\": ") + 8, NULL);
        if (step == 0) {
            assert_true(fabs(loss - log(2)) < 1e-6);
        }
    }
    assert_true(loss < 0.69);
    fclose(file);
    pc_test_folder_free(r.folder);
}

/* --- refusals --- */

static void refused(const char *row, const char *override, pc_status status, const char *says)
{
    char path[512], dataset[600];
    run r = {0};
    pc_test_folder_new(r.folder);
    pc_test_path(path, r.folder, "rows.jsonl");
    snprintf(dataset, sizeof dataset, "dataset=%s", path);
    assert_int_equal(pc_file_write(path, row, strlen(row)), PC_OK);
    assert_int_equal(train(&r, (const char *const[]){dataset, override}, override ? 2 : 1), status);
    if (!strstr(pc_error(), says)) {
        fail_msg("'%s' does not say '%s'", pc_error(), says);
    }
    pc_test_folder_free(r.folder);
}

static void test_refusals(void **state)
{
    static const char GOOD[] = "{\"prompt\": \"Is it?\", \"chosen\": \"No\", \"rejected\": \"Yes\"}\n";
    (void)state;
    refused("{\"prompt\": \"Is it?\", \"completion\": \"No\"}\n", NULL, PC_ERR_DATA, "no rejected answer");
    refused("{\"prompt\": \"Is it?\", \"chosen\": \"No\", \"rejected\": [{\"role\": \"assistant\", \"content\": \"Yes\"}, "
            "{\"role\": \"assistant\", \"content\": \"Yes\"}]}\n", NULL, PC_ERR_DATA, "one message each");
    refused(GOOD, "stage=kto", PC_ERR_DATA, "label that says whether");
    refused("{\"messages\": [{\"role\": \"user\", \"content\": \"Is it?\"}], \"label\": true}\n", "stage=kto", PC_ERR_DATA,
            "no answer");
    refused(GOOD, "cutoff_len=8", PC_ERR_DATA, "cutoff of 8");
    refused(GOOD, "region_weight=1", PC_ERR_USAGE, "region_weight");
    refused(GOOD, "turns=independent", PC_ERR_USAGE, "turns");
    refused(GOOD, "pref_loss=kto_pair", PC_ERR_USAGE, "pref_loss");
    refused(GOOD, "per_device_train_batch_size=0", PC_ERR_USAGE, "per_device_train_batch_size");
}

/* --- segments --- */

static void test_segments(void **state)
{
    static const int32_t x[] = {1, 2, 3, 4, 5, 6, 7, 8, 9}, y[] = {1, 2, 3, 40, 6, 7, 8};
    static const float x_want[] = {1, 1, 1, 5, 5, 1, 1, 1, 1}, y_want[] = {1, 1, 1, 5, 1, 1, 1};
    float a[9], b[7];
    (void)state;
    assert_int_equal(pc_segments_weigh(x, 9, y, 7, 5, a, b), PC_OK);
    assert_memory_equal(a, x_want, sizeof a);
    assert_memory_equal(b, y_want, sizeof b); /* 9 at the end of x has nothing over against it */
    assert_int_equal(pc_segments_weigh(x, 2, y, 2, 5, a, b), PC_OK);
    assert_true(a[0] == 5 && a[1] == 5 && b[0] == 5 && b[1] == 5); /* a common run of two tokens is too short */
    assert_int_equal(pc_segments_weigh(x, 9, x, 9, 5, a, a), PC_OK);
    for (int i = 0; i < 9; i++) {
        assert_true(a[i] == 1);
    }
    assert_int_equal(pc_segments_weigh(x, 0, y, 0, 5, a, b), PC_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_torch),
        cmocka_unit_test(test_labels),
        cmocka_unit_test(test_rewards),
        cmocka_unit_test(test_resume),
        cmocka_unit_test(test_resume_lora),
        cmocka_unit_test(test_resume_rewards),
        cmocka_unit_test(test_scene_pairs),
        cmocka_unit_test(test_lora_starts_at_log_2),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_segments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
