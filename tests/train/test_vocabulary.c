/* Weights in a model of another vocabulary: tokens keep their rows, new ones get the mean of their pieces, the rest is copied. */
#include "base/memory.h"
#include "train/vocabulary.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define RECIPES PERCEPT_TESTS_DIR "/../recipes/tiny/"
#define TABLE "language_model.model.embed_tokens.weight"

typedef struct pair {
    pc_model *donor, *model;
    const float *old_rows, *new_rows;
    size_t width;
} pair;

static void open_pair(pair *p, const char *donor, const char *model)
{
    assert_int_equal(pc_model_create(&p->donor, donor, NULL, 1), PC_OK);
    assert_int_equal(pc_model_create(&p->model, model, NULL, 2), PC_OK);
    p->old_rows = pc_params_find(&p->donor->params, TABLE)->data;
    p->new_rows = pc_params_find(&p->model->params, TABLE)->data;
    p->width = (size_t)p->model->llm.info.width;
}

static void close_pair(pair *p)
{
    pc_model_free(p->donor);
    pc_model_free(p->model);
}

static const float *row_of(const pc_tokenizer *tokenizer, const char *token, const float *rows, size_t width)
{
    int32_t id = pc_tokenizer_id(tokenizer, token);
    assert_true(id >= 0);
    return rows + (size_t)id * width;
}

static void assert_mean_of_pieces(const pair *p, const char *text)
{
    pc_ids now = {0}, before = {0};
    assert_int_equal(pc_tokenizer_encode(p->model->tokenizer, text, strlen(text), 0, &now), PC_OK);
    assert_int_equal(pc_tokenizer_encode(p->donor->tokenizer, text, strlen(text), 0, &before), PC_OK);
    assert_int_equal(now.count, 1);
    assert_true(before.count > 1);
    for (size_t j = 0; j < p->width; j++) {
        double sum = 0;
        for (size_t i = 0; i < before.count; i++) {
            sum += p->old_rows[(size_t)before.data[i] * p->width + j];
        }
        assert_float_equal(p->new_rows[(size_t)now.data[0] * p->width + j], sum / (double)before.count, 1e-7);
    }
    pc_ids_clear(&now);
    pc_ids_clear(&before);
}

static void test_rows(void **state)
{
    (void)state;
    static const char *const shared[] = {"<image>", "<|im_end|>", "\xc4\xa0red", "a"};
    pair p;
    int64_t kept = 0;
    open_pair(&p, RECIPES "english", RECIPES "model");
    assert_int_equal(pc_vocabulary_carry_over(p.model, p.donor, &kept), PC_OK);
    assert_true(kept > 300 && kept < 640);
    for (size_t i = 0; i < sizeof shared / sizeof shared[0]; i++) {
        assert_memory_equal(row_of(p.model->tokenizer, shared[i], p.new_rows, p.width),
                            row_of(p.donor->tokenizer, shared[i], p.old_rows, p.width), p.width * sizeof(float));
    }
    assert_mean_of_pieces(&p, "红色");
    for (size_t i = 0; i < p.model->params.count; i++) {
        const pc_param *param = &p.model->params.items[i]->param;
        const pc_param *source = pc_params_find(&p.donor->params, param->name);
        if (strcmp(param->name, TABLE) != 0) {
            assert_memory_equal(param->data, source->data, (size_t)pc_shape_count(&param->shape) * sizeof(float));
        }
    }
    close_pair(&p);
}

static void test_refusals(void **state)
{
    (void)state;
    pair p;
    open_pair(&p, RECIPES "english", RECIPES "model");
    pc_tokenizer *taken = p.donor->tokenizer;
    p.donor->tokenizer = NULL;
    assert_int_equal(pc_vocabulary_carry_over(p.model, p.donor, NULL), PC_ERR_DATA);
    assert_non_null(strstr(pc_error(), "has no tokenizer"));
    p.donor->tokenizer = taken;
    p.donor->params.items[0]->param.shape.dim[0]++;
    assert_int_equal(pc_vocabulary_carry_over(p.model, p.donor, NULL), PC_ERR_DATA);
    assert_non_null(strstr(pc_error(), "another shape"));
    p.donor->params.items[0]->param.shape.dim[0]--;
    close_pair(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows), cmocka_unit_test(test_refusals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
