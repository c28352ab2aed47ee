/* Adapters that PEFT wrote, against the logits it gives with them; files written here, merged weights, and what is refused. */
#include "backend/cpu/cpu.h"
#include "base/memory.h"
#include "model/adapter.h"
#include "support/allocfail.h"
#include "support/folder.h"
#include "support/golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const names[] = {"plain", "rs", "dora"};
enum { ADAPTERS = 3 };

static const char *path_of(char out[512], const char *name, const char *suffix)
{
    snprintf(out, 512, "%s/%s%s", GOLDEN("adapters"), name, suffix);
    return out;
}

/* The last rows of the logits of the usual input; pc_free. */
static float *logits_of(pc_model *model, const pc_adapter *adapter, const pc_backend *backend, int64_t rows)
{
    char folder[256];
    pc_store *fixture = golden_store(GOLDEN("llava/one_image.safetensors"));
    golden_input in;
    golden_input_read(&in, fixture);
    in.input.adapter = adapter;
    pc_test_folder_new(folder);
    pc_store *trace = golden_trace(model, backend, PC_F32, &in.input, folder, "t.safetensors");
    const pc_array *array = pc_store_find(trace, "logits");
    float *all = golden_values(array), *out = NULL;
    int64_t width = array->dim[1], skip = array->dim[0] - rows;
    assert_int_equal(PC_NEW_ARRAY(out, (size_t)(rows * width), "logits"), PC_OK);
    memcpy(out, all + skip * width, (size_t)(rows * width) * sizeof *out);
    pc_free(all);
    pc_store_free(trace);
    golden_input_clear(&in);
    pc_store_free(fixture);
    pc_test_folder_free(folder);
    return out;
}

static void check(pc_model *model, const pc_adapter *adapter, const pc_backend *backend, const char *name, const char *what)
{
    char path[512];
    pc_store *truth = golden_store(path_of(path, name, ".safetensors"));
    const pc_array *array = pc_store_find(truth, "logits");
    float *expected = golden_values(array), *found = logits_of(model, adapter, backend, array->dim[0]);
    double error = golden_deviation(found, expected, pc_array_count(array));
    if (!(error < 1e-4)) {
        fail_msg("%s, %s: logits differ by %g of the largest", name, what, error);
    }
    pc_free(found);
    pc_free(expected);
    pc_store_free(truth);
}

/* All three at once on one model, one after the other, with fast kernels and with the references. */
static void test_peft_logits(void **state)
{
    pc_model *model = golden_model(GOLDEN("llava/hf"));
    pc_adapter *adapters[ADAPTERS];
    pc_backend *backend;
    char path[512];
    (void)state;
    assert_int_equal(pc_cpu_backend_new(&backend, 2, 0), PC_OK);
    for (int i = 0; i < ADAPTERS; i++) {
        assert_int_equal(pc_adapter_load(&adapters[i], model, path_of(path, names[i], "")), PC_OK);
        assert_string_equal(adapters[i]->name, names[i]);
    }
    for (int i = 0; i < ADAPTERS; i++) {
        check(model, adapters[i], NULL, names[i], "references");
    }
    for (int i = 0; i < ADAPTERS; i++) {
        check(model, adapters[i], backend, names[i], "fast kernels");
    }
    for (int i = 0; i < ADAPTERS; i++) {
        pc_adapter_free(adapters[i]);
    }
    pc_model_free(model);
    pc_cpu_backend_free(backend);
}

static void test_round_trip_and_merge(void **state)
{
    char path[512], folder[256], copy[300];
    (void)state;
    pc_test_folder_new(folder);
    for (int i = 0; i < ADAPTERS; i++) {
        pc_model *model = golden_model(GOLDEN("llava/hf"));
        pc_adapter *adapter, *again;
        snprintf(copy, sizeof copy, "%s/%s", folder, names[i]);
        assert_int_equal(pc_adapter_load(&adapter, model, path_of(path, names[i], "")), PC_OK);
        assert_int_equal(pc_adapter_save(adapter, model, copy, NULL, PC_F32), PC_OK);
        if (i > 0) { /* one number for all layers is written: plain/ has a layer with its own */
            assert_int_equal(pc_adapter_load(&again, model, copy), PC_OK);
            check(model, again, NULL, names[i], "written and read");
            assert_int_equal(pc_adapter_load_values(again, model, path), PC_OK);
            pc_adapter_free(again);
        }
        assert_int_equal(pc_params_own(&model->params), PC_OK);
        assert_int_equal(pc_adapter_merge(adapter), PC_OK);
        check(model, NULL, NULL, names[i], "merged");
        pc_adapter_free(adapter);
        pc_model_free(model);
    }
    pc_test_folder_free(folder);
}

/* A fresh adapter changes nothing, whatever its kind. */
static void test_fresh(void **state)
{
    pc_model *model = golden_model(GOLDEN("llava/hf"));
    float *plain = logits_of(model, NULL, NULL, 4);
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        const pc_lora_config config = {.rank = 3, .alpha = 6, .rank_stabilised = kind & 1, .decomposed = kind & 2};
        const pc_adapter_choice choice = {.targets = kind ? "all,*.linear_2" : "q_proj,lm_head", .wholes = kind ? "linear_1" : NULL};
        pc_adapter *adapter;
        assert_int_equal(pc_adapter_create(&adapter, model, &config, &choice, 7), PC_OK);
        assert_int_equal(adapter->lora_count, kind ? 2 * 7 + 3 * 6 + 1 : 2 + 3 + 1);
        assert_int_equal(adapter->whole_count, kind ? 2 : 0);
        float *found = logits_of(model, adapter, NULL, 4);
        assert_true(golden_deviation(found, plain, 4 * model->llm.info.vocabulary) < 1e-5);
        pc_free(found);
        pc_adapter_free(adapter);
    }
    pc_free(plain);
    pc_model_free(model);
}

static bool freeze_tower(void *user, const char *part)
{
    (void)user;
    return strcmp(part, "encoder") == 0;
}

static void test_choices(void **state)
{
    static const struct {
        const char *targets, *wholes, *message;
        bool frozen;
    } bad[] = {
        {"no_proj", NULL, "no linear layer is named 'no_proj'", false},
        {"proj", NULL, "no linear layer is named 'proj'", false},
        {"embed_tokens", NULL, "no linear layer is named 'embed_tokens'", false},
        {"all", "projector", "no module is named 'projector'", false},
        {"fc1", NULL, "in a frozen part", true},
    };
    pc_model *model = golden_model(GOLDEN("llava/hf"));
    const pc_lora_config config = {.rank = 2, .alpha = 4};
    pc_adapter *adapter;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const pc_adapter_choice choice = {.targets = bad[i].targets, .wholes = bad[i].wholes,
                                          .frozen = bad[i].frozen ? freeze_tower : NULL};
        assert_int_equal(pc_adapter_create(&adapter, model, &config, &choice, 1), PC_ERR_USAGE);
        assert_non_null(strstr(pc_error(), bad[i].message));
        assert_null(adapter);
    }
    const pc_adapter_choice open_parts = {.targets = "all", .frozen = freeze_tower};
    assert_int_equal(pc_adapter_create(&adapter, model, &config, &open_parts, 1), PC_OK);
    assert_int_equal(adapter->lora_count, 2 * 7);
    pc_adapter_free(adapter);
    pc_model_free(model);
}

/* Copy an adapter into a folder, with one text of its configuration replaced. */
static void write_changed(const char *folder, const char *name, const char *from, const char *to)
{
    char path[512], text[8192], changed[8192];
    size_t size;
    golden_copy(path_of(path, name, ""), folder);
    unsigned char *bytes = pc_test_read(path, "adapter_config.json", &size);
    assert_true(size < sizeof text);
    memcpy(text, bytes, size);
    text[size] = 0;
    free(bytes);
    char *at = strstr(text, from);
    assert_non_null(at);
    snprintf(changed, sizeof changed, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    pc_test_write(folder, "adapter_config.json", changed, strlen(changed));
}

static void test_refusals(void **state)
{
    static const struct {
        const char *from, *to, *message;
    } bad[] = {
        {"\"peft_type\": \"LORA\"", "\"peft_type\": \"IA3\"", "peft_type 'IA3'"},
        {"\"bias\": \"none\"", "\"bias\": \"all\"", "bias 'all'"},
        {"\"fan_in_fan_out\": false", "\"fan_in_fan_out\": true", "fan_in_fan_out"},
        {"\"use_dora\": false", "\"use_dora\": true", "no low-rank pair"},
        {"\"r\": 3", "\"r\": \"three\"", "r"},
        {"{", "[", "adapter_config.json"},
    };
    pc_model *model = golden_model(GOLDEN("llava/hf")), *other = golden_model(GOLDEN("llama/untied"));
    pc_adapter *adapter;
    char path[512];
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char folder[256];
        pc_test_folder_new(folder);
        write_changed(folder, "plain", bad[i].from, bad[i].to);
        assert_int_equal(pc_adapter_load(&adapter, model, folder), PC_ERR_DATA);
        assert_non_null(strstr(pc_error(), bad[i].message));
        pc_test_folder_free(folder);
    }
    assert_int_equal(pc_adapter_load(&adapter, other, path_of(path, "plain", "")), PC_ERR_DATA);
    assert_non_null(strstr(pc_error(), "belong to no layer of this model"));
    assert_int_equal(pc_adapter_load(&adapter, model, GOLDEN("adapters")), PC_ERR_IO);
    pc_model_free(other);
    pc_model_free(model);
}

static pc_status load_and_free(void *user)
{
    pc_adapter *adapter;
    PC_TRY(pc_adapter_load(&adapter, user, GOLDEN("adapters/dora")));
    pc_adapter_free(adapter);
    return PC_OK;
}

static void test_no_memory(void **state)
{
    pc_model *model = golden_model(GOLDEN("llava/hf"));
    (void)state;
    assert_true(pc_test_each_allocation(load_and_free, model) > 20);
    pc_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_peft_logits), cmocka_unit_test(test_round_trip_and_merge), cmocka_unit_test(test_fresh),
        cmocka_unit_test(test_choices),     cmocka_unit_test(test_refusals),             cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
