/* A process that saves in a loop is killed at random times; each time the newest checkpoint must be
 * whole and at most one save behind what the process had reported as durable. */
#include "base/file.h"
#include "base/memory.h"
#include "base/rng.h"
#include "store/checkpoint.h"
#include "store/store.h"
#include "store/writer.h"
#include "support/folder.h"

#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { KILLS = 20, WEIGHTS = 20000, KEEP = 2 };

static float weight(int64_t step, int i)
{
    return (float)((step * 7919 + i) % 65536);
}

static pc_status save(const char *root, int64_t step, float *values)
{
    const int64_t dim[] = {WEIGHTS};
    char path[512];
    pc_checkpoint_writer *checkpoint;
    pc_store_writer *writer = NULL;
    for (int i = 0; i < WEIGHTS; i++) {
        values[i] = weight(step, i);
    }
    PC_TRY(pc_checkpoint_begin(&checkpoint, root, step, "drill", WEIGHTS * sizeof(float)));
    pc_status status;
    pc_test_path(path, pc_checkpoint_folder(checkpoint), "model.safetensors");
    PC_GO(pc_store_writer_new(&writer, path, WEIGHTS * sizeof(float) / 3));
    for (int i = 0; i < 4; i++) {
        char name[8];
        snprintf(name, sizeof name, "w%d", i);
        PC_GO(pc_store_writer_declare(writer, name, PC_F32, 1, (const int64_t[]){dim[0] / 4}));
    }
    for (int i = 0; i < 4; i++) {
        char name[8];
        snprintf(name, sizeof name, "w%d", i);
        PC_GO(pc_store_writer_put_f32(writer, name, values + i * (WEIGHTS / 4), WEIGHTS / 4));
    }
    PC_GO(pc_store_writer_finish(writer));
    for (size_t i = 0; i < pc_store_writer_file_count(writer); i++) {
        PC_GO(pc_checkpoint_add(checkpoint, pc_store_writer_file(writer, i)));
    }
    PC_GO(pc_checkpoint_commit(checkpoint, KEEP));
done:
    pc_store_writer_free(writer);
    pc_checkpoint_writer_free(checkpoint);
    return status;
}

/* The child: saves step after step and reports each through the pipe when it is durable. */
static void save_for_ever(const char *root, int64_t step, int report)
{
    float *values = malloc(WEIGHTS * sizeof *values);
    while (values != NULL) {
        step++;
        if (save(root, step, values) != PC_OK ||
            write(report, &step, sizeof step) != (ssize_t)sizeof step) {
            break;
        }
    }
    _exit(1);
}

/* The newest checkpoint's step; every one of its weights is compared. */
static int64_t load_newest(const char *root)
{
    pc_checkpoint_info info;
    pc_store *store;
    float values[WEIGHTS / 4];
    if (pc_checkpoint_find(&info, root) != PC_OK) {
        fail_msg("no checkpoint after a kill: %s", pc_error());
    }
    assert_non_null(info.folder);
    int64_t step = info.step;
    assert_int_equal(pc_store_open(&store, info.folder), PC_OK);
    for (int i = 0; i < 4; i++) {
        char name[8];
        snprintf(name, sizeof name, "w%d", i);
        assert_int_equal(pc_array_to_f32(pc_store_find(store, name), values), PC_OK);
        for (int j = 0; j < WEIGHTS / 4; j++) {
            if (values[j] != weight(step, i * (WEIGHTS / 4) + j)) {
                fail_msg("step %lld, weight %d of %s is another one", (long long)step, j, name);
            }
        }
    }
    pc_store_free(store);
    pc_checkpoint_info_clear(&info);
    return step;
}

static int count_entries(const char *folder)
{
    int count = 0;
    DIR *stream = opendir(folder);
    assert_non_null(stream);
    for (const struct dirent *entry = readdir(stream); entry != NULL; entry = readdir(stream)) {
        count += entry->d_name[0] != '.';
    }
    closedir(stream);
    return count;
}

/* Microseconds that one save takes here, so that the kills hit all of its parts. */
static uint64_t measure_save(const char *root, int64_t step)
{
    struct timespec start, end;
    float *values = malloc(WEIGHTS * sizeof *values);
    assert_non_null(values);
    clock_gettime(CLOCK_MONOTONIC, &start);
    assert_int_equal(save(root, step, values), PC_OK);
    clock_gettime(CLOCK_MONOTONIC, &end);
    free(values);
    int64_t taken = (end.tv_sec - start.tv_sec) * 1000000 + (end.tv_nsec - start.tv_nsec) / 1000;
    return taken < 10000 ? 10000 : taken > 300000 ? 300000 : (uint64_t)taken;
}

static void test_kills(void **state)
{
    (void)state;
    char root[256];
    pc_rng rng;
    int64_t newest = 1;
    int leftovers = 0, removed;
    pc_test_folder_new(root);
    pc_rng_init(&rng, 9, 0);
    uint64_t longest = 3 * measure_save(root, newest);
    for (int i = 0; i < KILLS; i++) {
        int ends[2], status;
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            close(ends[0]);
            save_for_ever(root, newest, ends[1]);
        }
        close(ends[1]);
        usleep((useconds_t)pc_rng_below(&rng, longest));
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        int64_t reported = newest, step;
        while (read(ends[0], &step, sizeof step) == (ssize_t)sizeof step) {
            reported = step;
        }
        close(ends[0]);
        int64_t found = load_newest(root);
        if (found != reported && found != reported + 1) {
            fail_msg("kill %d: step %lld was durable, %lld was found", i, (long long)reported,
                     (long long)found);
        }
        newest = found;
        assert_int_equal(pc_checkpoint_clean(root, &removed), PC_OK);
        leftovers += removed;
    }
    /* Kills between rename and rotation leave too many of them; one whole save removes the rest. */
    measure_save(root, newest + 1);
    assert_int_equal(count_entries(root), KEEP);
    print_message("kills: %d, saves that were durable: %lld, leftover folders removed: %d, "
                  "checkpoints lost: 0\n",
                  KILLS, (long long)newest, leftovers);
    pc_test_folder_free(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_kills)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
