/* The sparse stage: experts that begin as copies of the dense MLP answer as it did, whatever the router says; what cannot have
 * experts refuses. */
#include "base/memory.h"
#include "support/allocfail.h"
#include "support/folder.h"
#include "support/golden.h"
#include "train/sparse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const pc_sparse_keys FOUR = {.experts = 4, .top_k = 2, .layers = (char *)"sparse", .capacity = 1.5, .balance = 0.01};

static pc_model *owned(const char *path)
{
    pc_model *model = golden_model(path);
    assert_int_equal(pc_params_own(&model->params), PC_OK);
    return model;
}

static pc_store *trace(pc_model *model, const pc_store *truth, const char *folder, const char *name)
{
    golden_input in;
    golden_input_read(&in, truth);
    golden_input_tile(&in, truth, model);
    pc_store *found = golden_trace(model, NULL, PC_F32, &in.input, folder, name);
    golden_input_clear(&in);
    return found;
}

static void assert_same_logits(const pc_store *a, const pc_store *b, double most)
{
    const pc_array *one = pc_store_find(a, "logits"), *two = pc_store_find(b, "logits");
    float *found = golden_values(two), *expected = golden_values(one);
    assert_int_equal(pc_array_count(one), pc_array_count(two));
    assert_true(golden_deviation(found, expected, pc_array_count(one)) <= most);
    pc_free(found);
    pc_free(expected);
}

static void test_begins_as_the_dense_model(void **state)
{
    static const char *const layers[] = {"sparse", "dense", "first_half", "second_half"};
    char folder[256], copy[512];
    (void)state;
    pc_test_folder_new(folder);
    pc_store *truth = golden_store(GOLDEN("llava/one_image.safetensors"));
    pc_model *dense = owned(GOLDEN("llava/hf"));
    pc_store *before = trace(dense, truth, folder, "dense.safetensors");
    for (int i = 0; i < 4; i++) {
        pc_sparse_keys keys = FOUR;
        keys.layers = (char *)layers[i];
        keys.top_k = 1 + i % 2;
        pc_model *model = owned(GOLDEN("llava/hf"));
        int64_t parameters = pc_params_elements(&model->params, NULL);
        assert_int_equal(pc_sparse_make(&model, &keys, 3), PC_OK);
        assert_true(pc_params_elements(&model->params, NULL) > parameters);
        assert_non_null(model->tokenizer);
        if (keys.top_k > 1) { /* one expert alone weighs less than 1, as in Switch */
            pc_store *after = trace(model, truth, folder, "sparse.safetensors");
            assert_same_logits(before, after, 1e-6);
            assert_int_equal(pc_model_save(model, pc_test_path(copy, folder, "copy"), PC_F32), PC_OK);
            pc_model *again = golden_model(copy);
            pc_store *saved = trace(again, truth, folder, "saved.safetensors");
            assert_same_logits(after, saved, 0);
            pc_model_free(again);
            pc_store_free(saved);
            pc_store_free(after);
        }
        pc_model_free(model);
    }
    pc_store_free(before);
    pc_store_free(truth);
    pc_model_free(dense);
    pc_test_folder_free(folder);
}

static void assert_refused(const char *path, pc_sparse_keys keys, const char *what)
{
    pc_model *model = owned(path), *same = model;
    assert_int_not_equal(pc_sparse_make(&model, &keys, 1), PC_OK);
    assert_ptr_equal(model, same);
    if (!strstr(pc_error(), what)) {
        fail_msg("expected '%s' in '%s'", what, pc_error());
    }
    pc_model_free(model);
}

static void test_refusals(void **state)
{
    pc_sparse_keys keys = FOUR;
    (void)state;
    assert_refused(GOLDEN("blip2/opt"), keys, "'opt' can have none");
    assert_refused(GOLDEN("decoders/mixtral"), keys, "has experts already");
    assert_refused(GOLDEN("clip"), keys, "(none)");
    keys.layers = (char *)"odd";
    assert_refused(GOLDEN("llava/hf"), keys, "moe_layers 'odd'");
    keys = FOUR;
    keys.top_k = 5;
    assert_refused(GOLDEN("llava/hf"), keys, "5 experts for each token");
}

static pc_status make_one(void *user)
{
    pc_model *model;
    (void)user;
    PC_TRY(pc_model_load(&model, GOLDEN("llava/hf")));
    pc_status status = pc_params_own(&model->params);
    status = status == PC_OK ? pc_sparse_make(&model, &FOUR, 1) : status;
    pc_model_free(model);
    return status;
}

static void test_allocation_failures(void **state)
{
    (void)state;
    assert_true(pc_test_each_allocation(make_one, NULL) > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_begins_as_the_dense_model),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_allocation_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
