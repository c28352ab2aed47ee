#include "folder.h"

#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

void pc_test_folder_new(char out[256])
{
    const char *root = getenv("TMPDIR");
    if (root == NULL || *root == '\0') {
        root = access("/dev/shm", W_OK) == 0
                   ? "/dev/shm"
                   : "/tmp"; /* in memory, hundreds of fsyncs cost nothing */
    }
    snprintf(out, 256, "%s/percept-test-XXXXXX", root);
    assert_non_null(mkdtemp(out));
}

void pc_test_folder_free(const char *path)
{
    assert_int_equal(pc_remove_tree(path), PC_OK);
}

const char *pc_test_path(char out[512], const char *folder, const char *name)
{
    snprintf(out, 512, "%s/%s", folder, name);
    return out;
}

void pc_test_write(const char *folder, const char *name, const void *bytes, size_t size)
{
    char path[512];
    FILE *file = fopen(pc_test_path(path, folder, name), "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

unsigned char *pc_test_read(const char *folder, const char *name, size_t *size)
{
    char path[512];
    FILE *file = fopen(pc_test_path(path, folder, name), "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    *size = (size_t)ftell(file);
    rewind(file);
    unsigned char *bytes = malloc(*size + 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *size, file), *size);
    fclose(file);
    return bytes;
}
