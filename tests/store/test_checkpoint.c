/* Checkpoint folders: the protocol step by step, rotation, and the corruption drill. */
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/rng.h"
#include "store/checkpoint.h"
#include "store/manifest.h"
#include "store/store.h"
#include "store/writer.h"
#include "support/allocfail.h"
#include "support/folder.h"
#include "support/mutate.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { WEIGHTS = 300 };

static pc_status write_weights(const char *folder, int64_t step)
{
    const int64_t dim[] = {WEIGHTS};
    float values[WEIGHTS];
    char path[512];
    pc_store_writer *writer;
    for (int i = 0; i < WEIGHTS; i++) {
        values[i] = (float)(step * 1000 + i);
    }
    PC_TRY(pc_store_writer_new(&writer, pc_test_path(path, folder, "model.safetensors"), 0));
    pc_status status;
    PC_GO(pc_store_writer_declare(writer, "w", PC_F32, 1, dim));
    PC_GO(pc_store_writer_put_f32(writer, "w", values, WEIGHTS));
    PC_GO(pc_store_writer_finish(writer));
done:
    pc_store_writer_free(writer);
    return status;
}

static pc_status save(const char *root, int64_t step, int keep)
{
    char state[64], path[512];
    pc_checkpoint_writer *writer;
    PC_TRY(pc_checkpoint_begin(&writer, root, step, "c0ffee", 4096));
    pc_status status;
    PC_GO(write_weights(pc_checkpoint_folder(writer), step));
    PC_GO(pc_checkpoint_add(writer, "model.safetensors"));
    int length = snprintf(state, sizeof state, "{\"step\":%lld}\n", (long long)step);
    PC_GO(pc_checkpoint_write(writer, "trainer_state.json", state, (size_t)length));
    PC_GO(pc_checkpoint_write(writer, "empty.txt", "", 0));
    PC_GO(pc_make_directories(pc_test_path(path, pc_checkpoint_folder(writer), "ranks/0")));
    PC_GO(pc_checkpoint_write(writer, "ranks/0/rng.bin", state, (size_t)length));
    PC_GO(pc_checkpoint_set_integer(writer, "world_size", 1));
    PC_GO(pc_checkpoint_set_text(writer, "code_version", "test"));
    PC_GO(pc_checkpoint_commit(writer, keep));
done:
    pc_checkpoint_writer_free(writer);
    return status;
}

static void must_save(const char *root, int64_t step, int keep)
{
    if (save(root, step, keep) != PC_OK) {
        fail_msg("saving step %lld: %s", (long long)step, pc_error());
    }
}

/* Step of the newest good checkpoint, -1 for none; its weights are checked. */
static int64_t newest(const char *root)
{
    char path[512];
    float values[WEIGHTS];
    pc_checkpoint_info info;
    pc_store *store;
    if (pc_checkpoint_find(&info, root) != PC_OK) {
        fail_msg("find: %s", pc_error());
    }
    if (info.folder == NULL) {
        return -1;
    }
    int64_t step = info.step;
    assert_string_equal(info.config_hash, "c0ffee");
    assert_int_equal(info.files, 4);
    assert_int_equal(pc_store_open(&store, pc_test_path(path, info.folder, "model.safetensors")),
                     PC_OK);
    assert_int_equal(pc_array_to_f32(pc_store_find(store, "w"), values), PC_OK);
    assert_true(values[7] == (float)(step * 1000 + 7));
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

static bool exists(const char *root, const char *name)
{
    char path[512];
    return pc_path_exists(pc_test_path(path, root, name));
}

static void test_save_and_rotate(void **state)
{
    (void)state;
    char folder[256], root[512];
    pc_test_folder_new(folder);
    pc_test_path(root, folder, "new/output");
    assert_int_equal(newest(root), -1); /* no root yet */
    must_save(root, 10, 2);
    assert_int_equal(newest(root), 10);
    must_save(root, 20, 2);
    must_save(root, 30, 2);
    assert_int_equal(newest(root), 30);
    assert_int_equal(count_entries(root), 2);
    assert_false(exists(root, "checkpoint-10"));
    must_save(root, 20, 2); /* the same step again: replaced */
    assert_int_equal(count_entries(root), 2);
    must_save(root, 5,
              1); /* a step before all others (the newest was found damaged, say): it stays, too */
    assert_true(exists(root, "checkpoint-5"));
    assert_int_equal(newest(root), 30);
    must_save(root, 100, 1);
    assert_int_equal(count_entries(root), 1);
    must_save(root, 1000, 0);
    must_save(root, 1001, 0);
    assert_int_equal(count_entries(root), 3);
    assert_int_equal(newest(root), 1001);
    pc_test_folder_free(folder);
}

static void test_leftovers(void **state)
{
    (void)state;
    char root[256], path[512];
    int removed;
    pc_checkpoint_writer *writer;
    pc_test_folder_new(root);
    must_save(root, 1, 0);
    /* What a kill leaves: a half-written folder; and one of a transformers run, which must be left
     * alone. */
    assert_int_equal(mkdir(pc_test_path(path, root, "checkpoint-2.tmp-0123456789abcdef"), 0777), 0);
    pc_test_write(path, "model.safetensors", "half", 4);
    assert_int_equal(mkdir(pc_test_path(path, root, "checkpoint-3"), 0777), 0);
    assert_int_equal(mkdir(pc_test_path(path, root, "checkpoint-4.tmp-mine"), 0777), 0);
    assert_int_equal(newest(root), 1);
    assert_int_equal(pc_checkpoint_clean(root, &removed), PC_OK);
    assert_int_equal(removed, 1);
    assert_int_equal(count_entries(root), 3);
    assert_int_equal(pc_checkpoint_clean(pc_test_path(path, root, "none"), &removed), PC_OK);
    /* An abandoned save leaves nothing. */
    assert_int_equal(pc_checkpoint_begin(&writer, root, 9, "", 0), PC_OK);
    assert_int_equal(pc_checkpoint_write(writer, "a", "1", 1), PC_OK);
    pc_checkpoint_writer_free(writer);
    assert_int_equal(count_entries(root), 3);
    pc_test_folder_free(root);
}

static void test_refusals(void **state)
{
    (void)state;
    char root[256], path[512];
    pc_checkpoint_writer *writer;
    pc_checkpoint_info info;
    pc_test_folder_new(root);
    assert_int_equal(pc_checkpoint_begin(&writer, root, -1, "", 0), PC_ERR_USAGE);
    assert_int_equal(pc_checkpoint_begin(&writer, root, 1, "", UINT64_MAX), PC_ERR_IO);
    assert_int_equal(pc_checkpoint_begin(&writer, root, 1, "", (uint64_t)1 << 60), PC_ERR_IO);
    assert_non_null(strstr(pc_error(), "does not fit"));
    assert_int_equal(count_entries(root), 0);
    assert_int_equal(pc_checkpoint_begin(&writer, root, 1, "", 0), PC_OK);
    assert_int_equal(pc_checkpoint_write(writer, "../a", "1", 1), PC_ERR_USAGE);
    assert_int_equal(pc_checkpoint_write(writer, "manifest.json", "1", 1), PC_ERR_USAGE);
    assert_int_equal(pc_checkpoint_set_text(writer, "step", "1"), PC_ERR_USAGE);
    assert_int_equal(pc_checkpoint_write(writer, "a", "1", 1), PC_OK);
    assert_int_equal(pc_checkpoint_write(writer, "a", "1", 1), PC_ERR_USAGE);
    assert_int_equal(pc_checkpoint_add(writer, "a"), PC_ERR_USAGE);
    /* A file that was registered but not written fails this checkpoint for good. */
    assert_int_equal(pc_checkpoint_add(writer, "b"), PC_ERR_IO);
    assert_int_equal(pc_checkpoint_commit(writer, 0), PC_ERR_USAGE);
    pc_checkpoint_writer_free(writer);
    assert_int_equal(pc_checkpoint_begin(&writer, root, 1, "", 0), PC_OK);
    assert_int_equal(symlink("/etc/passwd",
                             pc_test_path(path, pc_checkpoint_folder(writer), "link")),
                     0);
    assert_int_equal(pc_checkpoint_add(writer, "link"), PC_ERR_IO);
    pc_checkpoint_writer_free(writer);
    assert_int_equal(count_entries(root), 0);
    /* Damaged state is there, but none is whole: an error, not a fresh start. */
    assert_int_equal(mkdir(pc_test_path(path, root, "checkpoint-3"), 0777), 0);
    assert_int_equal(pc_checkpoint_find(&info, root), PC_ERR_DATA);
    assert_int_equal(pc_checkpoint_verify(&info, path), PC_ERR_DATA);
    pc_test_folder_free(root);
}

typedef struct log_lines {
    int skipped;
} log_lines;

static void count_line(void *user, pc_log_level level, const char *line)
{
    log_lines *lines = user;
    lines->skipped += level == PC_LOG_WARNING && strstr(line, "checkpoint skipped") != NULL;
}

static const char *const parts[] = {"manifest.json", "model.safetensors", "trainer_state.json",
                                    "ranks/0/rng.bin"};

/* checkpoint-20 with one change in one file; the older must be found, and the skipped one told. */
static void expect_fall_back(const char *root, log_lines *lines, const char *what)
{
    int before = lines->skipped;
    int64_t found = newest(root);
    if (found != 10 || lines->skipped != before + 1) {
        fail_msg("%s: step %lld was found, %d lines said why", what, (long long)found,
                 lines->skipped - before);
    }
}

static void test_corruption(void **state)
{
    (void)state;
    char root[256], good[512], what[128];
    log_lines lines = {0};
    pc_rng rng;
    pc_test_folder_new(root);
    must_save(root, 10, 0);
    must_save(root, 20, 0);
    pc_test_path(good, root, "checkpoint-20");
    pc_log_set_sink(count_line, &lines);
    pc_rng_init(&rng, 1, 0);
    int tried = 0;
    for (int i = 0; i < 200; i++, tried++) { /* flip one bit */
        size_t size;
        const char *name = parts[i % 4];
        unsigned char *bytes = pc_test_read(good, name, &size);
        size_t at = (size_t)pc_rng_below(&rng, size);
        unsigned char bit = (unsigned char)(1u << pc_rng_below(&rng, 8));
        bytes[at] ^= bit;
        pc_test_write(good, name, bytes, size);
        snprintf(what, sizeof what, "bit %02x of byte %zu of %s", bit, at, name);
        expect_fall_back(root, &lines, what);
        bytes[at] ^= bit;
        pc_test_write(good, name, bytes, size);
        free(bytes);
    }
    assert_int_equal(newest(root), 20);
    for (int i = 0; i < 100; i++, tried++) { /* cut */
        size_t size;
        const char *name = parts[i % 4];
        unsigned char *bytes = pc_test_read(good, name, &size);
        pc_test_write(good, name, bytes, (size_t)pc_rng_below(&rng, size));
        expect_fall_back(root, &lines, "cut");
        pc_test_write(good, name, bytes, size);
        free(bytes);
    }
    for (int i = 0; i < 4;
         i++, tried++) { /* the same file of the other step; grown by a byte; missing */
        char other[512], path[512];
        size_t size, other_size;
        unsigned char *bytes = pc_test_read(good, parts[i], &size);
        unsigned char *swapped =
            pc_test_read(pc_test_path(other, root, "checkpoint-10"), parts[i], &other_size);
        pc_test_write(good, parts[i], swapped, other_size);
        expect_fall_back(root, &lines, "swapped");
        unsigned char *grown = calloc(1, size + 1);
        assert_non_null(grown);
        memcpy(grown, bytes, size);
        pc_test_write(good, parts[i], grown, size + 1);
        expect_fall_back(root, &lines, "grown");
        if (i > 0) { /* without a manifest the folder is none, which is told in another line */
            assert_int_equal(unlink(pc_test_path(path, good, parts[i])), 0);
            expect_fall_back(root, &lines, "missing");
        }
        pc_test_write(good, parts[i], bytes, size);
        free(bytes);
        free(swapped);
        free(grown);
    }
    assert_int_equal(newest(root), 20);
    print_message("damaged checkpoints seen: %d of %d; lines that say so: %d\n", tried, tried,
                  lines.skipped);
    pc_log_set_sink(NULL, NULL);
    pc_test_folder_free(root);
}

static pc_status load_manifest(const char *path, const void *bytes, size_t size, void *user)
{
    pc_manifest manifest;
    (void)user;
    pc_status status = pc_manifest_parse(&manifest, bytes, size, path);
    pc_manifest_clear(&manifest);
    return status;
}

/* Mutants with a right seal: what a hostile writer makes, who can compute a hash. */
static pc_status load_sealed(const char *path, const void *bytes, size_t size, void *user)
{
    static const char mark[] = ",\n  \"manifest_sha256\": \"";
    char hash[65];
    pc_str text = {0};
    const char *seal = memmem(bytes, size, mark, sizeof mark - 1);
    size_t before = seal != NULL ? (size_t)(seal - (const char *)bytes) : size;
    pc_sha256(bytes, before, hash);
    assert_int_equal(pc_str_add(&text, bytes, before), PC_OK);
    assert_int_equal(pc_str_printf(&text, "%s%s\"\n}\n", mark, hash), PC_OK);
    pc_status status = load_manifest(path, text.data, text.length, user);
    pc_str_clear(&text);
    return status;
}

static void test_mutants_of_a_manifest(void **state)
{
    (void)state;
    char root[256], path[512];
    size_t size;
    pc_test_folder_new(root);
    must_save(root, 10, 0);
    unsigned char *bytes =
        pc_test_read(pc_test_path(path, root, "checkpoint-10"), "manifest.json", &size);
    pc_mutant_result result =
        pc_test_mutants("manifest.json", bytes, size, load_manifest, NULL, 500);
    assert_int_equal(result.accepted, 0);
    pc_test_mutants("manifest.json, sealed", bytes, size, load_sealed, NULL, 500);
    free(bytes);
    pc_test_folder_free(root);
}

/* Without an older one of this step: what cannot be deleted after the commit is no failure of it.
 */
static pc_status save_and_find(void *user)
{
    char path[512];
    pc_checkpoint_info info;
    PC_TRY(pc_remove_tree(pc_test_path(path, user, "checkpoint-7")));
    PC_TRY(save(user, 7, 0));
    PC_TRY(pc_checkpoint_find(&info, user));
    pc_checkpoint_info_clear(&info);
    return PC_OK;
}

static void test_failing_allocations(void **state)
{
    (void)state;
    char root[256];
    pc_test_folder_new(root);
    must_save(root, 6, 0);
    long count = pc_test_each_allocation(save_and_find, root);
    print_message("allocations failed: %ld\n", count);
    assert_true(count > 50);
    assert_int_equal(newest(root), 7);
    assert_int_equal(count_entries(root), 2); /* no temporary folder is left */
    pc_test_folder_free(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_save_and_rotate),
        cmocka_unit_test(test_leftovers),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_corruption),
        cmocka_unit_test(test_mutants_of_a_manifest),
        cmocka_unit_test(test_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
