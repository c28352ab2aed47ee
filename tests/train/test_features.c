/* The cache of features: the second look comes from the file with the same bits, damage is noticed and mended, another encoder
 * gets a file of its own. */
#include "backend/cpu/cpu.h"
#include "base/file.h"
#include "base/memory.h"
#include "support/folder.h"
#include "train/features.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { PICTURES = 5, SIDE = 21, PICTURE = 3 * SIDE * SIDE };

typedef struct fixture {
    pc_model *model;
    pc_backend *backend;
    char folder[256];
    float pixels[PICTURES * PICTURE];
} fixture;

static int set_up(void **state)
{
    static fixture f;
    f = (fixture){0};
    pc_test_folder_new(f.folder);
    assert_int_equal(pc_model_load(&f.model, PERCEPT_TESTS_DIR "/golden/llava/hf"), PC_OK);
    assert_int_equal(pc_params_own(&f.model->params), PC_OK);
    assert_int_equal(pc_cpu_backend_new(&f.backend, 2, 0), PC_OK);
    for (int i = 0; i < PICTURES * PICTURE; i++) {
        f.pixels[i] = (float)(i * 37 % 101) / 50 - 1 + (float)(i / PICTURE);
    }
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    pc_model_free(f->model);
    pc_cpu_backend_free(f->backend);
    pc_test_folder_free(f->folder);
    return 0;
}

static pc_features *cache(fixture *f)
{
    pc_features *features;
    assert_int_equal(pc_features_open(&features, f->folder, f->model, f->backend, PC_F32, PICTURES), PC_OK);
    return features;
}

static void expect_counts(const pc_features *features, int64_t found, int64_t encoded)
{
    int64_t a, b;
    pc_features_counts(features, &a, &b);
    assert_int_equal(a, found);
    assert_int_equal(b, encoded);
}

/* The only file in the folder; the number of files. */
static int file_of(const fixture *f, char path[600])
{
    int count = 0;
    DIR *folder = opendir(f->folder);
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (strncmp(entry->d_name, "features-", 9) == 0) {
            snprintf(path, 600, "%s/%s", f->folder, entry->d_name);
            count++;
        }
    }
    closedir(folder);
    return count;
}

static void test_second_look(void **state)
{
    fixture *f = *state;
    const float *out;
    pc_features *features = cache(f);
    pc_shape shape = pc_features_shape(features);
    size_t width = (size_t)(shape.dim[1] * shape.dim[2]), bytes = width * sizeof(float);
    float *first = pc_calloc(PICTURES * width, sizeof *first);
    assert_int_equal(pc_features_get(features, f->pixels, PICTURES, &out), PC_OK);
    memcpy(first, out, PICTURES * bytes);
    expect_counts(features, 0, PICTURES);
    assert_int_equal(pc_features_get(features, f->pixels + PICTURE, 2, &out), PC_OK);
    assert_memory_equal(out, first + width, 2 * bytes);
    expect_counts(features, 2, PICTURES);
    pc_features_free(features);

    features = cache(f); /* another run; one picture changes in its last number */
    f->pixels[2 * PICTURE - 1] += 1e-3f;
    assert_int_equal(pc_features_get(features, f->pixels, PICTURES, &out), PC_OK);
    expect_counts(features, PICTURES - 1, 1);
    assert_memory_equal(out, first, bytes);
    assert_memory_not_equal(out + width, first + width, bytes);
    assert_memory_equal(out + 2 * width, first + 2 * width, (PICTURES - 2) * bytes);
    assert_int_equal(pc_features_get(features, f->pixels, PICTURES + 1, &out), PC_ERR_DATA);
    pc_features_free(features);
    pc_free(first);
}

static void change_byte(const char *path, long at)
{
    int fd = open(path, O_RDWR);
    unsigned char byte;
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

static void test_damage(void **state)
{
    fixture *f = *state;
    const float *out;
    char path[600];
    pc_features *features = cache(f), *other;
    assert_int_equal(pc_features_open(&other, f->folder, f->model, f->backend, PC_F32, PICTURES), PC_OK); /* reads alone */
    assert_int_equal(pc_features_get(features, f->pixels, PICTURES, &out), PC_OK);
    pc_shape shape = pc_features_shape(features);
    long record = 32 + (long)(shape.dim[1] * shape.dim[2] * 4);
    pc_features_free(features);
    assert_int_equal(pc_features_get(other, f->pixels, 1, &out), PC_OK);
    expect_counts(other, 0, 1);
    pc_features_free(other);
    assert_int_equal(file_of(f, path), 1);

    change_byte(path, 32 + record + 40); /* in the second picture's features */
    assert_int_equal(truncate(path, 32 + 4 * record + 50), 0);
    features = cache(f);
    assert_int_equal(pc_features_get(features, f->pixels, PICTURES, &out), PC_OK);
    expect_counts(features, 3, 2);
    assert_int_equal(pc_features_get(features, f->pixels, PICTURES, &out), PC_OK);
    expect_counts(features, 3 + PICTURES, 2);
    pc_features_free(features);

    change_byte(path, 9); /* the header */
    assert_int_equal(pc_features_open(&features, f->folder, f->model, f->backend, PC_F32, PICTURES), PC_ERR_DATA);
    assert_non_null(strstr(pc_error(), "offset 0"));
}

static void test_other_encoder(void **state)
{
    fixture *f = *state;
    const float *out;
    char path[600];
    pc_features *features = cache(f);
    assert_int_equal(pc_features_get(features, f->pixels, 1, &out), PC_OK);
    pc_features_free(features);
    for (size_t i = 0; i < f->model->params.count; i++) {
        pc_param *param = &f->model->params.items[i]->param;
        if (strcmp(param->part, "encoder") == 0) {
            ((float *)param->data)[0] += 1;
            break;
        }
    }
    features = cache(f);
    assert_int_equal(pc_features_get(features, f->pixels, 1, &out), PC_OK);
    expect_counts(features, 0, 1);
    pc_features_free(features);
    assert_int_equal(file_of(f, path), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_second_look, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_damage, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_other_encoder, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
