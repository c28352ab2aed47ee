/* A whole training on generated scenes: stopped, killed and resumed runs end with the same bytes as an undisturbed one;
 * the number of threads changes nothing; numbers that are not finite never reach the weights. */
#include "backend/cpu/cpu.h"
#include "base/file.h"
#include "base/memory.h"
#include "support/folder.h"
#include "train/trainer.h"

#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { KILLS = 20 };

static const char RECIPE[] =
    "model_init: " PERCEPT_TESTS_DIR "/golden/llava/hf/config.json\n"
    "stage: sft\n"
    "template: vicuna_v1\n"
    "dataset: scenes?seed=5&n=40&turns=2\n"
    "cutoff_len: 512\n"
    "freeze_vision_tower: false\n"
    "per_device_train_batch_size: 3\n"
    "gradient_accumulation_steps: 2\n"
    "learning_rate: 2e-3\n"
    "max_steps: 20\n"
    "warmup_steps: 2\n"
    "save_steps: 1\n"
    "image_shift: 2\n";

typedef struct stopper {
    int64_t at, step;
} stopper;

static void count(void *user, const pc_progress *progress)
{
    ((stopper *)user)->step = progress->step;
}

static int stop(void *user)
{
    const stopper *s = user;
    return s->at && s->step >= s->at;
}

/* One call of the trainer; stop_at 0 = to the end; extra = more keys, separated by spaces. */
static pc_status train(const char *folder, int threads, int64_t stop_at, bool resume, const char *extra)
{
    pc_recipe recipe;
    pc_backend *backend;
    char *path = pc_path_join(folder, "recipe.yaml"), output[4096], workers[64];
    snprintf(output, sizeof output, "output_dir=%s/out", folder);
    snprintf(workers, sizeof workers, "dataloader_num_workers=%d", threads > 2 ? 2 : 1);
    const char *overrides[8] = {output, workers};
    int used = 2;
    if (resume) {
        overrides[used++] = "resume_from_checkpoint=latest";
    }
    char *words = pc_strdup(extra ? extra : ""), *rest = words;
    for (char *word; used < 8 && (word = strsep(&rest, " "));) {
        if (*word) {
            overrides[used++] = word;
        }
    }
    assert_int_equal(pc_file_write(path, RECIPE, sizeof RECIPE - 1), PC_OK);
    pc_status status = pc_recipe_read(&recipe, path, overrides, used);
    pc_free(words);
    assert_int_equal(status, PC_OK);
    assert_int_equal(pc_cpu_backend_new(&backend, threads, 0), PC_OK);
    stopper s = {.at = stop_at};
    pc_trainer_hooks hooks = {.user = &s, .progress = count, .stop = stop};
    status = pc_train(&recipe, backend, &hooks);
    pc_cpu_backend_free(backend);
    pc_recipe_clear(&recipe);
    pc_free(path);
    return status;
}

/* Hashes of what a run leaves: weights, optimizer, log. */
typedef struct result {
    char model[65], optimizer[65], log[65];
} result;

static void hash(const char *folder, const char *name, char out[65])
{
    char path[4096];
    snprintf(path, sizeof path, "%s/out/%s", folder, name);
    assert_int_equal(pc_sha256_file(path, out), PC_OK);
}

static result results_of(const char *folder)
{
    result out;
    hash(folder, "model.safetensors", out.model);
    hash(folder, "checkpoint-20/optimizer.safetensors", out.optimizer);
    hash(folder, "train_log.jsonl", out.log);
    return out;
}

static void assert_same(const result *a, const result *b)
{
    assert_string_equal(a->model, b->model);
    assert_string_equal(a->optimizer, b->optimizer);
    assert_string_equal(a->log, b->log);
}

static result undisturbed(int threads)
{
    char folder[256];
    pc_test_folder_new(folder);
    pc_status status = train(folder, threads, 0, false, NULL);
    if (status != PC_OK) {
        print_error("%s\n", pc_error());
    }
    assert_int_equal(status, PC_OK);
    result out = results_of(folder);
    pc_test_folder_free(folder);
    return out;
}

static void test_threads(void **state)
{
    (void)state;
    result one = undisturbed(1);
    static const int others[] = {2, 3, 8};
    for (int i = 0; i < 3; i++) {
        result other = undisturbed(others[i]);
        assert_same(&one, &other);
    }
}

/* Other ways to the same bits: features from a cache, empty and then full; layers computed again. Something dropped, SGD:
 * stopped and resumed as if undisturbed. */
static void test_other_ways(void **state)
{
    static const char frozen[] = "freeze_vision_tower=true image_shift=0 max_steps=8";
    static const char *const optimizers[] = {"optim=sgd sgd_momentum=0.9 dropout=0.2 max_steps=8", "optim=muon max_steps=8"};
    char folder[256], cache[512], extra[1024], hashes[5][65];
    (void)state;
    pc_test_folder_new(folder);
    snprintf(cache, sizeof cache, "%s/cache", folder);
    for (int i = 0; i < 4; i++) {
        snprintf(extra, sizeof extra, "%s overwrite_output_dir=true %s%s", frozen, i == 3 ? "gradient_checkpointing=true" : "",
                 i == 1 || i == 2 ? "feature_cache=" : "");
        snprintf(extra + strlen(extra), sizeof extra - strlen(extra), "%s", i == 1 || i == 2 ? cache : "");
        assert_int_equal(train(folder, 2, 0, false, extra), PC_OK);
        hash(folder, "model.safetensors", hashes[i]);
        assert_string_equal(hashes[i], hashes[0]);
    }
    snprintf(extra, sizeof extra, "feature_cache=%s freeze_vision_tower=false image_shift=0", cache);
    assert_int_equal(train(folder, 2, 0, false, extra), PC_ERR_USAGE);
    for (int i = 0; i < 4; i++) {
        const char *with = optimizers[i / 2];
        bool stops = i % 2;
        snprintf(extra, sizeof extra, "%s overwrite_output_dir=true", with);
        assert_int_equal(train(folder, 1 + stops, stops ? 3 : 0, false, extra), stops ? PC_ERR_INTERRUPTED : PC_OK);
        assert_int_equal(stops ? train(folder, 2, 0, true, with) : PC_OK, PC_OK);
        hash(folder, "model.safetensors", hashes[i]);
        assert_string_equal(hashes[i], hashes[i - stops]);
    }
    pc_test_folder_free(folder);
}

static void test_stop_and_resume(void **state)
{
    (void)state;
    result whole = undisturbed(2);
    char folder[256];
    pc_test_folder_new(folder);
    assert_int_equal(train(folder, 2, 5, false, NULL), PC_ERR_INTERRUPTED);
    assert_int_equal(train(folder, 2, 0, false, NULL), PC_ERR_USAGE); /* never over an unfinished run unasked */
    assert_int_equal(train(folder, 2, 9, true, NULL), PC_ERR_INTERRUPTED);
    assert_int_equal(train(folder, 2, 0, true, "learning_rate=1e-3"), PC_ERR_USAGE); /* another recipe */
    assert_int_equal(train(folder, 2, 0, true, NULL), PC_OK);
    result resumed = results_of(folder);
    assert_same(&whole, &resumed);
    pc_test_folder_free(folder);
}

/* kill -9 at random times, again and again, until a run gets through. */
static void test_kills(void **state)
{
    (void)state;
    result whole = undisturbed(2);
    int kills = 0;
    srand(11);
    while (kills < KILLS) {
        char folder[256];
        pc_test_folder_new(folder);
        for (bool done = false; !done;) {
            pid_t child = fork();
            assert_true(child >= 0);
            if (child == 0) {
                _exit(train(folder, 2, 0, true, NULL) == PC_OK ? 0 : 1);
            }
            struct timespec wait = {0, (1 + rand() % 150) * 1000000L};
            int status;
            if (kills < KILLS) {
                nanosleep(&wait, NULL);
                kill(child, SIGKILL);
            }
            assert_int_equal(waitpid(child, &status, 0), child);
            kills += WIFSIGNALED(status);
            done = WIFEXITED(status);
            assert_true(!done || WEXITSTATUS(status) == 0);
        }
        result resumed = results_of(folder);
        assert_same(&whole, &resumed);
        pc_test_folder_free(folder);
    }
}

static void test_divergence(void **state)
{
    (void)state;
    char folder[256];
    pc_test_folder_new(folder);
    assert_int_equal(train(folder, 2, 0, false, "learning_rate=1e30"), PC_ERR_DIVERGED);
    pc_test_folder_free(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_other_ways),
        cmocka_unit_test(test_stop_and_resume),
        cmocka_unit_test(test_kills),
        cmocka_unit_test(test_divergence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
