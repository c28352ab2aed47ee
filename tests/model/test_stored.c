/* Checkpoints in f16 and bf16 are used as they are stored: for each family the same stages as with the very same numbers in f32,
 * which the other tests compare with the originals. */
#include "backend/cpu/cpu.h"
#include "base/memory.h"
#include "support/folder.h"
#include "support/golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Kernels for f32 and for halves may sum in other orders. */
static const double TOLERANCE = 1e-6;

typedef struct family {
    const char *model, *truth;
} family;

static const family families[] = {
    {"clip", "clip/expected"},
    {"siglip/both", "siglip/both"},
    {"siglip/llava", "siglip/llava"},
    {"open_clip/gelu", "open_clip/gelu"},
    {"llama/untied", "llama/untied/expected"},
    {"llama/tied", "llama/tied/expected"},
    {"decoders/mistral", "decoders/mistral"},
    {"decoders/qwen2", "decoders/qwen2"},
    {"decoders/linear", "decoders/linear"},
    {"decoders/dynamic", "decoders/dynamic"},
    {"decoders/llama3", "decoders/llama3"},
    {"decoders/yarn", "decoders/yarn"},
    {"llava/hf", "llava/one_image"},
    {"llava/old", "llava/one_image"},
    {"llava_next/hf", "llava_next/hf"},
    {"llava_original/llava-7b-v0", "llava_original/v1.0"},
    {"llava_original/llava-v1.5-tiny", "llava_original/v1.5"},
    {"llava_original/llava-v1.6-tiny", "llava_original/v1.6"},
    {"llava_original/llava-med-tiny", "llava_original/med"},
};

/* The model's numbers rounded to `stored`, written once in f32 and once as they are. */
static void write_both(const char *golden, pc_dtype stored, const char *wide, const char *narrow)
{
    char path[512];
    uint16_t half;
    snprintf(path, sizeof path, GOLDEN("%s"), golden);
    pc_model *model = golden_model(path);
    assert_int_equal(pc_params_own(&model->params), PC_OK);
    for (size_t i = 0; i < model->params.count; i++) {
        pc_param *param = &model->params.items[i]->param;
        float *values = param->data;
        for (int64_t k = 0; k < pc_shape_count(&param->shape); k++) {
            pc_convert_from_f32(&half, stored, &values[k], 1);
            pc_convert_to_f32(&values[k], &half, stored, 1);
        }
    }
    assert_int_equal(pc_model_save(model, wide, PC_F32), PC_OK);
    assert_int_equal(pc_model_save(model, narrow, stored), PC_OK);
    pc_model_free(model);
}

/* Every parameter that products and look-ups alone read keeps its type. */
static void expect_as_stored(const pc_model *model, pc_dtype stored)
{
    int kept = 0;
    for (size_t i = 0; i < model->params.count; i++) {
        const pc_param *param = &model->params.items[i]->param;
        if (param->any_type && param->dtype != stored) {
            fail_msg("%s is %s in memory, %s in its file", param->name, pc_dtype_name(param->dtype), pc_dtype_name(stored));
        }
        kept += param->any_type;
    }
    assert_true(kept > 4);
}

static double compare(const pc_store *found, const pc_store *truth)
{
    double worst = 0;
    assert_int_equal(pc_store_count(found), pc_store_count(truth));
    for (size_t i = 0; i < pc_store_count(truth); i++) {
        const pc_array *array = pc_store_at(truth, i), *same = pc_store_find(found, array->name);
        if (array->dtype != PC_F32) {
            continue;
        }
        assert_non_null(same);
        float *a = golden_values(same), *b = golden_values(array);
        double deviation = golden_deviation(a, b, pc_array_count(array));
        worst = deviation > worst ? deviation : worst;
        if (!(deviation <= TOLERANCE)) {
            fail_msg("%s: off by %.3g of its largest value", array->name, deviation);
        }
        pc_free(a);
        pc_free(b);
    }
    return worst;
}

static void check(const family *f, const pc_backend *backend, pc_dtype stored)
{
    char folder[256], wide[300], narrow[300], path[512];
    golden_input in;
    pc_test_folder_new(folder);
    snprintf(wide, sizeof wide, "%s/wide", folder);
    snprintf(narrow, sizeof narrow, "%s/narrow", folder);
    write_both(f->model, stored, wide, narrow);
    snprintf(path, sizeof path, GOLDEN("%s.safetensors"), f->truth);
    pc_store *truth = golden_store(path);
    pc_model *a = golden_model(wide), *b = golden_model(narrow);
    expect_as_stored(b, stored);
    golden_input_read(&in, truth);
    golden_input_tile(&in, truth, a);
    pc_store *x = golden_trace(a, backend, PC_F32, &in.input, folder, "x.safetensors");
    pc_store *y = golden_trace(b, backend, PC_F32, &in.input, folder, "y.safetensors");
    print_message("%-32s stored in %-4s %3zu tensors, worst %.2e\n", f->model, pc_dtype_name(stored), pc_store_count(x),
                  compare(y, x));
    pc_store_free(x);
    pc_store_free(y);
    pc_model_free(a);
    pc_model_free(b);
    golden_input_clear(&in);
    pc_store_free(truth);
    pc_test_folder_free(folder);
}

static void check_all(pc_dtype stored)
{
    pc_backend *backend;
    assert_int_equal(pc_cpu_backend_new(&backend, 1, 0), PC_OK);
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++) {
        check(&families[i], NULL, stored);
        check(&families[i], backend, stored);
    }
    pc_cpu_backend_free(backend);
}

static void test_f16(void **state)
{
    (void)state;
    check_all(PC_F16);
}

static void test_bf16(void **state)
{
    (void)state;
    check_all(PC_BF16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_f16), cmocka_unit_test(test_bf16)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
