/* Resampling against Pillow, and its edges. */
#include "media/golden.h"
#include "support/allocfail.h"

static void test_equals_pillow(void **state)
{
    (void)state;
    pc_json *json = golden();
    const pc_json *cases = pc_json_get(json, "resizes");
    assert_true(pc_json_length(cases) >= 70);
    for (size_t i = 0; i < pc_json_length(cases); i++) {
        const pc_json *row = pc_json_at(cases, i);
        pc_image *image = noise((uint32_t)number_at(row, 0), number_at(row, 1), number_at(row, 2));
        pc_image *result = NULL;
        OK(pc_image_resize(&result, image, number_at(row, 3), number_at(row, 4), (pc_image_filter)number_at(row, 5)));
        assert_pixels(result, number_at(row, 3), number_at(row, 4), pc_json_text(pc_json_at(row, 6)));
        pc_image_free(result);
        pc_image_free(image);
    }
    pc_json_free(json);
}

/* 200 sizes from 1 to 120 by nearest, bilinear, bicubic and Lanczos; one hash for the four results. */
static void test_random_sizes(void **state)
{
    (void)state;
    static const pc_image_filter order[] = {PC_FILTER_NEAREST, PC_FILTER_BILINEAR, PC_FILTER_BICUBIC, PC_FILTER_LANCZOS};
    pc_json *json = golden();
    const pc_json *rows = pc_json_get(json, "random");
    assert_int_equal(pc_json_length(rows), 200);
    for (size_t i = 0; i < 200; i++) {
        const pc_json *row = pc_json_at(rows, i);
        pc_image *image = noise((uint32_t)i, number_at(row, 0), number_at(row, 1));
        size_t size = (size_t)number_at(row, 2) * (size_t)number_at(row, 3) * 3;
        uint8_t *all = NULL;
        char hex[65];
        OK(PC_NEW_ARRAY(all, size * 4, "results"));
        for (size_t k = 0; k < 4; k++) {
            pc_image *result = NULL;
            OK(pc_image_resize(&result, image, number_at(row, 2), number_at(row, 3), order[k]));
            memcpy(all + size * k, result->pixels, size);
            pc_image_free(result);
        }
        pc_sha256(all, size * 4, hex);
        hex[16] = '\0';
        assert_string_equal(hex, pc_json_text(pc_json_at(row, 4)));
        pc_free(all);
        pc_image_free(image);
    }
    pc_json_free(json);
}

static void test_same_size_is_a_copy(void **state)
{
    (void)state;
    pc_image *image = noise(3, 20, 30);
    for (int filter = 0; filter < PC_FILTER_COUNT; filter++) {
        pc_image *result = NULL;
        OK(pc_image_resize(&result, image, 20, 30, (pc_image_filter)filter));
        assert_ptr_not_equal(result, image);
        assert_same(result, image);
        pc_image_free(result);
    }
    pc_image_free(image);
}

static void test_flat_stays_flat(void **state)
{
    (void)state;
    pc_image *image = NULL;
    OK(pc_image_new(&image, 61, 47));
    memset(image->pixels, 200, 61 * 47 * 3);
    for (int filter = 0; filter < PC_FILTER_COUNT; filter++) {
        pc_image *result = NULL;
        OK(pc_image_resize(&result, image, 33, 90, (pc_image_filter)filter));
        for (int i = 0; i < 33 * 90 * 3; i++) {
            assert_int_equal(result->pixels[i], 200);
        }
        pc_image_free(result);
    }
    pc_image_free(image);
}

static void test_refusals(void **state)
{
    (void)state;
    pc_image *image = noise(1, 4, 4);
    pc_image *result = NULL;
    assert_int_equal(pc_image_resize(&result, image, 0, 4, PC_FILTER_BICUBIC), PC_ERR_DATA);
    assert_int_equal(pc_image_resize(&result, image, 4, -1, PC_FILTER_BICUBIC), PC_ERR_DATA);
    assert_int_equal(pc_image_resize(&result, image, 32769, 4, PC_FILTER_BICUBIC), PC_ERR_DATA);
    assert_int_equal(pc_image_resize(&result, image, 32768, 32768, PC_FILTER_BICUBIC), PC_ERR_DATA);
    assert_int_equal(pc_image_resize(&result, image, 3, 3, (pc_image_filter)99), PC_ERR_USAGE);
    assert_null(result);
    pc_image_free(image);
}

static void test_filter_names(void **state)
{
    (void)state;
    for (int filter = 0; filter < PC_FILTER_COUNT; filter++) {
        assert_int_equal(pc_image_filter_from_name(pc_image_filter_name((pc_image_filter)filter)), filter);
    }
    assert_int_equal(pc_image_filter_from_name("cubic"), -1);
}

static pc_status resize_once(void *user)
{
    pc_image *result = NULL;
    pc_status status = pc_image_resize(&result, user, 7, 5, PC_FILTER_LANCZOS);
    pc_image_free(result);
    return status;
}

static void test_memory(void **state)
{
    (void)state;
    pc_image *image = noise(1, 20, 30);
    assert_true(pc_test_each_allocation(resize_once, image) > 5);
    pc_image_free(image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equals_pillow), cmocka_unit_test(test_random_sizes), cmocka_unit_test(test_same_size_is_a_copy),
        cmocka_unit_test(test_flat_stays_flat), cmocka_unit_test(test_refusals), cmocka_unit_test(test_filter_names),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
