/* The stages that train without a conversation's answers: words of regions, and two towers. Both must learn something in
 * a few steps. */
#include "backend/cpu/cpu.h"
#include "base/file.h"
#include "support/folder.h"
#include "train/targets.h"
#include "train/trainer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { STEPS = 40, MEAN = 10 };

static const char COMMON[] =
    "freeze_vision_tower: false\n"
    "per_device_train_batch_size: 8\n"
    "max_steps: 40\n"
    "warmup_steps: 2\n"
    "save_steps: 0\n"
    "plot_loss: false\n";

static pc_status train(const char *folder, const char *recipe_text)
{
    pc_recipe recipe;
    pc_backend *backend;
    char path[512], output[600], text[2048];
    snprintf(path, sizeof path, "%s/recipe.yaml", folder);
    snprintf(output, sizeof output, "output_dir=%s/out", folder);
    int length = snprintf(text, sizeof text, "%s%s", recipe_text, COMMON);
    const char *overrides[] = {output};
    assert_int_equal(pc_file_write(path, text, (size_t)length), PC_OK);
    assert_int_equal(pc_recipe_read(&recipe, path, overrides, 1), PC_OK);
    assert_int_equal(pc_cpu_backend_new(&backend, 2, 0), PC_OK);
    pc_status status = pc_train(&recipe, backend, &(pc_trainer_hooks){0});
    pc_cpu_backend_free(backend);
    pc_recipe_clear(&recipe);
    return status;
}

/* Mean loss of MEAN steps from `first` on, out of the log. */
static double mean_loss(const char *folder, int first)
{
    char path[512], line[512];
    double sum = 0;
    int step = 0, counted = 0;
    snprintf(path, sizeof path, "%s/out/train_log.jsonl", folder);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        const char *loss = strstr(line, "\"loss\": ");
        if (loss && step >= first && step < first + MEAN) {
            sum += strtod(loss + 8, NULL);
            counted++;
        }
        step += loss != NULL;
    }
    fclose(file);
    assert_int_equal(step, STEPS);
    assert_int_equal(counted, MEAN);
    return sum / MEAN;
}

static void assert_learns(const char *recipe, double share)
{
    char folder[256];
    pc_test_folder_new(folder);
    pc_status status = train(folder, recipe);
    if (status != PC_OK) {
        print_error("%s\n", pc_error());
    }
    assert_int_equal(status, PC_OK);
    double early = mean_loss(folder, 0), late = mean_loss(folder, STEPS - MEAN);
    if (!(late < share * early)) {
        fail_msg("mean loss %g at first, %g at last", early, late);
    }
    pc_test_folder_free(folder);
}

#define LLAVA "model_init: " PERCEPT_TESTS_DIR "/golden/llava/hf/config.json\ntemplate: vicuna_v1\nstage: regions\nlearning_rate: 3e-3\n"

static void test_regions(void **state)
{
    (void)state;
    assert_learns(LLAVA "dataset: scenes?seed=5&n=400&content=brief&max_objects=2\nregion_weight: 1\n", 0.85);
}

static void test_regions_need_a_weight_and_regions(void **state)
{
    char folder[256];
    (void)state;
    pc_test_folder_new(folder);
    assert_int_equal(train(folder, LLAVA "dataset: scenes?seed=5&n=40&content=brief\n"), PC_ERR_USAGE);
    assert_non_null(strstr(pc_error(), "region_weight"));
    pc_test_folder_free(folder);
}

static void test_contrastive(void **state)
{
    (void)state;
    assert_learns("model_init: " PERCEPT_TESTS_DIR "/../recipes/tiny/clip\n"
                  "tokenizer_name_or_path: " PERCEPT_TESTS_DIR "/../recipes/tiny/model\n"
                  "stage: contrastive\nlearning_rate: 1e-3\n"
                  "dataset: scenes?seed=5&n=400&content=brief&max_objects=1\n", 0.9);
}

static void test_tokenizer_of_another_model(void **state)
{
    char folder[256];
    (void)state;
    pc_test_folder_new(folder);
    assert_int_equal(train(folder, "model_init: " PERCEPT_TESTS_DIR "/golden/clip/config.json\n"
                                   "tokenizer_name_or_path: " PERCEPT_TESTS_DIR "/golden/llava/hf\n"
                                   "stage: contrastive\nlearning_rate: 1e-3\n"
                                   "dataset: scenes?seed=5&n=400&content=brief&max_objects=1\n"),
                     PC_ERR_DATA);
    assert_non_null(strstr(pc_error(), "vocabulary of 99"));
    pc_test_folder_free(folder);
}

/* Targets by row: the rows ascending, each with its targets in the order of the batch. */
static void test_targets_by_row(void **state)
{
    int32_t target_rows[] = {7, 2, 2, 5, 7}, ids[] = {10, 11, 12, 13, 14};
    const float weights[] = {1, 2, 3, 4, 5}, sorted[] = {2, 3, 4, 1, 5};
    static const int32_t wanted[] = {2, 5, 7}, starts[] = {0, 2, 3, 5}, sorted_ids[] = {11, 12, 13, 10, 14}, numbers[] = {0, 1, 2};
    const pc_batch batch = {.tokens = 8, .targets = 5, .target_rows = target_rows, .target_ids = ids}, empty = {.tokens = 8};
    const pc_batch soft = {.soft = 8, .targets = 5, .target_rows = target_rows, .target_ids = ids}; /* no language model reads */
    pc_targets by_row = {0};
    (void)state;
    assert_int_equal(pc_targets_room(&by_row, &(pc_batch_limits){.tokens = 8, .targets = 5}), PC_OK);
    for (int i = 0; i < 2; i++) {
        pc_targets_group(&by_row, i ? &soft : &batch, weights);
        assert_int_equal(by_row.rows, 3);
        assert_int_equal(by_row.targets, 5);
        assert_memory_equal(by_row.wanted, wanted, sizeof wanted);
        assert_memory_equal(by_row.numbers, numbers, sizeof numbers);
        assert_memory_equal(by_row.starts, starts, sizeof starts);
        assert_memory_equal(by_row.ids, sorted_ids, sizeof sorted_ids);
        assert_memory_equal(by_row.weights, sorted, sizeof sorted);
    }
    pc_targets_group(&by_row, &empty, weights);
    assert_int_equal(by_row.rows, 0);
    assert_int_equal(by_row.starts[0], 0);
    pc_targets_clear(&by_row);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_regions),
        cmocka_unit_test(test_regions_need_a_weight_and_regions),
        cmocka_unit_test(test_targets_by_row),
        cmocka_unit_test(test_contrastive),
        cmocka_unit_test(test_tokenizer_of_another_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
