#include "golden.h"

#include "base/cpu.h"
#include "base/file.h"
#include "base/memory.h"
#include "folder.h"

#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

bool golden_level(int level, uint32_t *flags, const char **name)
{
    /* A flag that no x86 level wants stands for "none": 0 would mean all. */
    static const uint32_t all[GOLDEN_LEVELS] = {
        PC_CPU_NEON_DOT, PC_CPU_AVX2, PC_CPU_AVX2 | PC_CPU_AVX512,
        PC_CPU_AVX2 | PC_CPU_AVX512 | PC_CPU_AVX512_VNNI | PC_CPU_AVX512_BF16};
    static const char *const names[GOLDEN_LEVELS] = {"c", "avx2", "avx512", "avx512bf16"};
    *flags = all[level];
    *name = names[level];
    return level == 0 || (pc_cpu_flags() & all[level]) == all[level];
}

static void need(pc_status status, const char *what)
{
    if (status != PC_OK) {
        fail_msg("%s: %s", what, pc_error());
    }
}

pc_model *golden_model(const char *path)
{
    pc_model *model;
    need(pc_model_load(&model, path), path);
    return model;
}

pc_store *golden_store(const char *path)
{
    pc_store *store;
    need(pc_store_open(&store, path), path);
    return store;
}

pc_json *golden_json(const char *path)
{
    pc_json *json;
    need(pc_json_read(&json, path, 1 << 24), path);
    return json;
}

void golden_copy(const char *from, const char *to)
{
    DIR *directory = opendir(from);
    assert_non_null(directory);
    for (struct dirent *entry; (entry = readdir(directory));) {
        char path[512];
        if (entry->d_name[0] != '.' && !pc_path_is_directory(pc_test_path(path, from, entry->d_name))) {
            size_t size;
            unsigned char *bytes = pc_test_read(from, entry->d_name, &size);
            pc_test_write(to, entry->d_name, bytes, size);
            free(bytes);
        }
    }
    closedir(directory);
}

float *golden_values(const pc_array *array)
{
    float *values = pc_calloc((size_t)pc_array_count(array), sizeof *values);
    assert_non_null(values);
    need(pc_array_to_f32(array, values), array->name);
    return values;
}

int32_t *golden_ids(const pc_array *array)
{
    size_t count = (size_t)pc_array_count(array);
    int64_t *wide = pc_calloc(count, sizeof *wide);
    int32_t *ids = pc_calloc(count, sizeof *ids);
    assert_true(wide && ids);
    need(pc_array_to_i64(array, wide), array->name);
    for (size_t i = 0; i < count; i++) {
        ids[i] = (int32_t)wide[i];
    }
    pc_free(wide);
    return ids;
}

pc_store *golden_trace(pc_model *model, const pc_backend *backend, pc_dtype compute,
                       const pc_trace_input *input, const char *folder, const char *name)
{
    char path[512];
    pc_store *store;
    if (backend) {
        need(pc_model_pack(model, backend, compute), "pack");
    }
    pc_test_path(path, folder, name);
    need(pc_model_trace(model, backend, compute, input, true, path), "trace");
    need(pc_store_open(&store, path), "trace");
    return store;
}

void golden_input_read(golden_input *out, const pc_store *fixture)
{
    const pc_array *pixels = pc_store_find(fixture, "pixel_values");
    const pc_array *ids = pc_store_find(fixture, "input_ids");
    *out = (golden_input){0};
    if (pixels) {
        out->input.pixels = out->pixels = golden_values(pixels);
        out->input.images = pixels->ndim == 1 ? pc_store_find(fixture, "image_sizes")->dim[0] : pixels->dim[0];
        out->input.height = pixels->ndim == 4 ? pixels->dim[2] : 0;
        out->input.width = pixels->ndim == 4 ? pixels->dim[3] : 0;
    }
    const pc_array *detail = pc_store_find(fixture, "detail_pixels");
    if (detail) {
        out->input.detail = out->detail = golden_values(detail);
    }
    const pc_array *questions = pc_store_find(fixture, "qformer_input_ids");
    if (questions) {
        out->input.questions = out->questions = golden_ids(questions);
        out->input.question_length = questions->dim[1];
    }
    if (ids) {
        out->input.ids = out->ids = golden_ids(ids);
        out->input.tokens = ids->dim[ids->ndim - 1];
    }
}

void golden_input_tile(golden_input *in, const pc_store *fixture, const pc_model *model)
{
    const pc_array *sizes = pc_store_find(fixture, "image_sizes");
    if (!sizes) {
        return;
    }
    int32_t *numbers = golden_ids(sizes);
    in->input.pictures = sizes->dim[0];
    in->input.tilings = in->tilings = pc_calloc((size_t)sizes->dim[0], sizeof *in->tilings);
    assert_non_null(in->tilings);
    for (int64_t i = 0; i < sizes->dim[0]; i++) {
        need(pc_image_tiling_plan(&in->tilings[i], &model->recipe, numbers[2 * i + 1], numbers[2 * i]), "tiling");
    }
    pc_free(numbers);
}

void golden_input_clear(golden_input *input)
{
    pc_free(input->tilings);
    pc_free(input->pixels);
    pc_free(input->detail);
    pc_free(input->ids);
    pc_free(input->questions);
    *input = (golden_input){0};
}

double golden_deviation(const float *found, const float *truth, int64_t count)
{
    double error = 0, scale = 0;
    for (int64_t i = 0; i < count; i++) {
        if (!isfinite(found[i])) {
            return INFINITY;
        }
        error = fmax(error, fabs((double)found[i] - truth[i]));
        scale = fmax(scale, fabs(truth[i]));
    }
    return scale > 0 ? error / scale : error;
}
