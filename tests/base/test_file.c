/* Files: reading, mapping, durable writing, folders, paths, checksums. */
#include "base/file.h"
#include "base/memory.h"
#include "base/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static char folder[64];
static char place[256];

static const char *in_folder(const char *name)
{
    snprintf(place, sizeof place, "%s/%s", folder, name);
    return place;
}

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/percept-test-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return pc_remove_tree(folder) == PC_OK && !pc_path_exists(folder) ? 0 : -1;
}

/* Only the wanted file is left: no temporary name. */
static void assert_alone(const char *name)
{
    char command[300];
    snprintf(command, sizeof command, "test \"$(ls -A '%s')\" = '%s'", folder, name);
    assert_int_equal(system(command), 0);
}

static void written_is_read(void **state)
{
    (void)state;
    char *bytes;
    size_t size;
    assert_int_equal(pc_file_write(in_folder("a"), "one\0two", 7), PC_OK);
    assert_int_equal(pc_file_read(&bytes, &size, place, 7), PC_OK);
    assert_int_equal(size, 7);
    assert_memory_equal(bytes, "one\0two", 8);
    pc_free(bytes);
    assert_int_equal(pc_file_read(&bytes, &size, place, 6), PC_ERR_DATA);
    assert_null(bytes);
    assert_int_equal(pc_file_write(place, "", 0), PC_OK); /* replaced, and empty */
    assert_int_equal(pc_file_read(&bytes, &size, place, 0), PC_OK);
    assert_int_equal(size, 0);
    assert_string_equal(bytes, "");
    pc_free(bytes);
    pc_map map;
    assert_int_equal(pc_map_open(&map, place), PC_OK);
    assert_null(map.data);
    pc_map_close(&map);
    assert_alone("a");
}

static void files_without_a_size_are_read(void **state)
{
    (void)state;
    char *bytes;
    size_t size;
    assert_int_equal(pc_file_read(&bytes, &size, "/proc/self/status", 1 << 20), PC_OK);
    assert_true(size > 10 && strlen(bytes) == size);
    pc_free(bytes);
    assert_int_equal(pc_file_read(&bytes, &size, "/dev/zero", 100000), PC_ERR_DATA);
    pc_map map;
    assert_int_equal(pc_map_open(&map, "/dev/zero"), PC_ERR_IO);
    assert_int_equal(pc_map_open(&map, folder), PC_ERR_IO);
    assert_int_equal(mkfifo(in_folder("fifo"), 0600), 0);
    assert_int_equal(pc_map_open(&map, place), PC_ERR_IO); /* does not hang */
    assert_null(map.data);
}

static void map_shows_the_bytes(void **state)
{
    (void)state;
    pc_map map;
    assert_int_equal(pc_file_write(in_folder("m"), "mapped", 6), PC_OK);
    assert_int_equal(pc_map_open(&map, place), PC_OK);
    assert_int_equal(map.size, 6);
    assert_memory_equal(map.data, "mapped", 6);
    pc_map_close(&map);
    assert_null(map.data);
    pc_map_close(&map);
}

static void failures_name_the_path(void **state)
{
    (void)state;
    char *bytes;
    size_t size;
    char hex[65];
    assert_int_equal(pc_file_read(&bytes, &size, in_folder("missing"), 10), PC_ERR_IO);
    assert_non_null(strstr(pc_error(), "/missing: cannot open: No such file"));
    assert_int_equal(pc_file_write(in_folder("no/such/folder"), "x", 1), PC_ERR_IO);
    assert_non_null(strstr(pc_error(), "no/such/folder"));
    assert_int_equal(pc_sha256_file(in_folder("missing"), hex), PC_ERR_IO);
    assert_int_equal(pc_file_write(in_folder("x"), "x", 1), PC_OK);
    assert_int_equal(pc_make_directories(in_folder("x/y")), PC_ERR_IO);
}

static void failed_write_keeps_the_old_file(void **state)
{
    (void)state;
    char *bytes;
    size_t size;
    assert_int_equal(pc_file_write(in_folder("old"), "old", 3), PC_OK);
    for (long n = 1; n <= 2; n++) {
        pc_alloc_fail_at(n, false);
        assert_int_equal(pc_file_write(place, "new", 3), PC_ERR_MEMORY);
    }
    pc_alloc_fail_at(0, false);
    assert_alone("old");
    assert_int_equal(pc_file_read(&bytes, &size, place, 10), PC_OK);
    assert_string_equal(bytes, "old");
    pc_free(bytes);
    /* A folder cannot be replaced by a file. */
    assert_int_equal(pc_file_write(folder, "new", 3), PC_ERR_IO);
    assert_alone("old");
}

static void links_and_devices_stay(void **state)
{
    (void)state;
    char target[256];
    struct stat info;
    strcpy(target, in_folder("target"));
    assert_int_equal(pc_file_write(target, "1", 1), PC_OK);
    assert_int_equal(symlink("target", in_folder("link")), 0);
    assert_int_equal(pc_file_write(place, "22", 2), PC_OK);
    assert_int_equal(lstat(place, &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    assert_int_equal(stat(target, &info), 0);
    assert_int_equal(info.st_size, 2);
    assert_int_equal(pc_file_write("/dev/null", "x", 1), PC_OK);
    assert_int_equal(lstat("/dev/null", &info), 0);
    assert_true(S_ISCHR(info.st_mode));
}

static void trees_come_and_go(void **state)
{
    (void)state;
    assert_int_equal(pc_make_directories(in_folder("a//b/c/")), PC_OK);
    assert_int_equal(pc_make_directories(place), PC_OK);
    assert_true(pc_path_is_directory(place));
    assert_int_equal(pc_file_write(in_folder("a/b/file"), "x", 1), PC_OK);
    assert_int_equal(pc_file_write(in_folder("kept"), "x", 1), PC_OK);
    assert_int_equal(symlink("../kept", in_folder("a/link")), 0);
    assert_int_equal(symlink("..", in_folder("a/up")), 0);
    assert_int_equal(pc_remove_tree(in_folder("a")), PC_OK);
    assert_false(pc_path_exists(place));
    assert_int_equal(pc_remove_tree(place), PC_OK);
    assert_alone("kept");
    assert_int_equal(pc_fsync_directory(folder), PC_OK);
    assert_int_equal(pc_fsync_directory(in_folder("kept")), PC_ERR_IO);
}

static void assert_owned_text(char *text, const char *expected)
{
    assert_non_null(text);
    assert_string_equal(text, expected);
    pc_free(text);
}

static void paths_are_cut_and_joined(void **state)
{
    (void)state;
    assert_owned_text(pc_path_join("a", "b"), "a/b");
    assert_owned_text(pc_path_join("a/", "b"), "a/b");
    assert_owned_text(pc_path_join("", "b"), "b");
    assert_owned_text(pc_path_join("/", "b"), "/b");
    assert_owned_text(pc_path_parent("a/b/c"), "a/b");
    assert_owned_text(pc_path_parent("a//c"), "a");
    assert_owned_text(pc_path_parent("/c"), "/");
    assert_owned_text(pc_path_parent("c"), ".");
    assert_string_equal(pc_path_base("a/b"), "b");
    assert_string_equal(pc_path_base("b"), "b");
    const char *const plain[] = {"a", "a/b", "a..b/..c", "...", "a b"};
    const char *const risky[] = {"", "/a", "a//b", "a/", "..", "a/..", "../a", "a/../b", "a\\b", "/"};
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
        assert_true(pc_path_is_plain(plain[i]));
    }
    for (size_t i = 0; i < sizeof risky / sizeof risky[0]; i++) {
        assert_false(pc_path_is_plain(risky[i]));
    }
}

/* FIPS 180-4 examples. */
static void checksums_match(void **state)
{
    (void)state;
    char hex[65];
    pc_sha256("abc", 3, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    pc_sha256(NULL, 0, hex);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    size_t size = 1000000; /* a million times 'a', in several chunks */
    char *bytes = pc_calloc(size, 1);
    assert_non_null(bytes);
    memset(bytes, 'a', size);
    assert_int_equal(pc_file_write(in_folder("million"), bytes, size), PC_OK);
    pc_free(bytes);
    assert_int_equal(pc_sha256_file(place, hex), PC_OK);
    assert_string_equal(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

/* kB of files that are resident in this process, which kernels count roughly; -1: this one does not tell. */
static long resident_of_files(void)
{
    char line[256];
    long kb = -1;
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof line, status)) {
        sscanf(line, "RssFile: %ld kB", &kb);
    }
    if (status) {
        fclose(status);
    }
    return kb;
}

static void released_parts_come_back(void **state)
{
    (void)state;
    enum { SIZE = 8 << 20 };
    unsigned char *bytes = malloc(SIZE), *other = malloc(SIZE);
    pc_map map;
    for (size_t i = 0; i < SIZE; i++) {
        bytes[i] = other[i] = (unsigned char)(i * 7 + i / 4096);
    }
    assert_int_equal(pc_file_write(in_folder("released"), bytes, SIZE), PC_OK);
    assert_int_equal(pc_map_open(&map, place), PC_OK);
    assert_memory_equal(map.data, bytes, SIZE);
    const long before = resident_of_files();
    pc_map_release(&map, map.data + 5, SIZE - 9);
    const long after = resident_of_files();
    if (before >= 0 && before - after < SIZE / 2048) {
        fail_msg("%ld kB of files were resident, %ld kB are", before, after);
    }
    assert_memory_equal(map.data, bytes, SIZE);
    pc_map_release(&map, other, SIZE); /* none of the mapping's: stays */
    pc_map_release(&map, map.data + SIZE - 8192, 16384);
    assert_memory_equal(other, bytes, SIZE);
    pc_map_close(&map);
    free(bytes);
    free(other);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(written_is_read),         IN_FOLDER(files_without_a_size_are_read),
        IN_FOLDER(map_shows_the_bytes),     IN_FOLDER(failures_name_the_path),
        IN_FOLDER(links_and_devices_stay),  IN_FOLDER(failed_write_keeps_the_old_file),
        IN_FOLDER(trees_come_and_go),       cmocka_unit_test(paths_are_cut_and_joined),
        IN_FOLDER(checksums_match),         IN_FOLDER(released_parts_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
