/* The cosine of picture and text by CLIP and SigLIP against transformers' vectors (tests/oracle/make_clip.py, make_siglip.py): the pairs of the
 * fixtures, scored together, in more than one batch and one by one. */
#include "backend/cpu/cpu.h"
#include "base/memory.h"
#include "clean/similarity.h"
#include "support/golden.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { COPIES = 9 };

typedef struct fixture {
    pc_model *model;
    pc_store *truth;
    float *pixels, *images, *texts;
    int32_t *ids;
    int64_t pairs, size, tokens, width;
} fixture;

static void open_fixture(fixture *f, const char *model, const char *truth)
{
    *f = (fixture){.model = golden_model(model), .truth = golden_store(truth)};
    const pc_array *pixels = pc_store_find(f->truth, "pixel_values"), *ids = pc_store_find(f->truth, "input_ids");
    const pc_array *images = pc_store_find(f->truth, "image_embeds");
    f->pixels = golden_values(pixels);
    f->ids = golden_ids(ids);
    f->images = golden_values(images);
    f->texts = golden_values(pc_store_find(f->truth, "text_embeds"));
    f->pairs = pixels->dim[0];
    f->size = pixels->dim[1] * pixels->dim[2] * pixels->dim[3];
    f->tokens = ids->dim[1];
    f->width = images->dim[1];
}

static void close_fixture(fixture *f)
{
    pc_free(f->pixels);
    pc_free(f->ids);
    pc_free(f->images);
    pc_free(f->texts);
    pc_store_free(f->truth);
    pc_model_free(f->model);
}

/* Of unit vectors, whatever length the file's have. */
static double cosine(const fixture *f, int64_t image, int64_t text)
{
    double sum = 0, a = 0, b = 0;
    for (int64_t k = 0; k < f->width; k++) {
        double x = f->images[image * f->width + k], y = f->texts[text * f->width + k];
        sum += x * y;
        a += x * x;
        b += y * y;
    }
    return sum / sqrt(a * b);
}

static void check(const char *model, const char *truth, int64_t padding)
{
    fixture f;
    pc_backend *backend = NULL;
    pc_similarity *similarity = NULL;
    pc_similarity_item items[2 * COPIES];
    const pc_similarity_item *pointers[2 * COPIES];
    float found[2 * COPIES], alone;
    memset(items, 0, sizeof items);
    open_fixture(&f, model, truth);
    assert_int_equal(pc_cpu_backend_new(&backend, 1, 0), PC_OK);
    assert_int_equal(pc_similarity_new(&similarity, f.model, backend), PC_OK);
    for (int64_t i = 0; i < 2 * COPIES; i++) {
        int64_t pair = i % 2, text = i / 2 % 2 ? pair : 1 - pair; /* some fit, some are crossed */
        int64_t count = f.tokens;
        while (padding >= 0 && count > 1 && f.ids[text * f.tokens + count - 1] == padding && f.ids[text * f.tokens + count - 2] == padding) {
            count--;
        }
        items[i].pixels = f.pixels + pair * f.size;
        assert_int_equal(pc_ids_add(&items[i].ids, f.ids + text * f.tokens, (size_t)count), PC_OK);
        pointers[i] = &items[i];
    }
    assert_int_equal(pc_similarity_score(similarity, pointers, 2 * COPIES, found), PC_OK);
    for (int64_t i = 0; i < 2 * COPIES; i++) {
        int64_t pair = i % 2, text = i / 2 % 2 ? pair : 1 - pair;
        assert_int_equal(pc_similarity_score(similarity, &pointers[i], 1, &alone), PC_OK);
        assert_true(fabs(found[i] - cosine(&f, pair, text)) < 1e-5);
        assert_true(fabs(found[i] - alone) < 1e-6);
    }
    items[0].ids.data[0] = 1 << 20;
    assert_int_equal(pc_similarity_score(similarity, pointers, 1, found), PC_ERR_DATA);
    for (int i = 0; i < 2 * COPIES; i++) {
        pc_ids_clear(&items[i].ids);
    }
    pc_similarity_free(similarity);
    close_fixture(&f);
    pc_cpu_backend_free(backend);
}

static void test_clip(void **state)
{
    (void)state;
    check(GOLDEN("clip"), GOLDEN("clip/expected.safetensors"), 98);
}

static void test_siglip(void **state)
{
    (void)state;
    check(GOLDEN("siglip/both"), GOLDEN("siglip/both.safetensors"), -1);
}

static void test_refusal(void **state)
{
    pc_model *model = golden_model(GOLDEN("llava/hf"));
    pc_similarity *similarity = NULL;
    (void)state;
    assert_int_equal(pc_similarity_new(&similarity, model, NULL), PC_ERR_USAGE);
    assert_null(similarity);
    pc_model_free(model);
    assert_int_equal(pc_similarity_open(&similarity, GOLDEN("clip"), NULL), PC_ERR_USAGE); /* no tokenizer */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_clip), cmocka_unit_test(test_siglip), cmocka_unit_test(test_refusal)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
