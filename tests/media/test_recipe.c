/* Recipes against transformers, their JSON, and refusals. */
#include "media/golden.h"
#include "media/recipe.h"
#include "support/allocfail.h"

static void check_cases(const pc_image_recipe *recipe, const pc_json *cases)
{
    for (size_t i = 0; i < pc_json_length(cases); i++) {
        const pc_json *row = pc_json_at(cases, i);
        pc_image *image = noise((uint32_t)number_at(row, 0), number_at(row, 1), number_at(row, 2));
        float *numbers = NULL;
        int width, height;
        OK(pc_image_recipe_size(recipe, image->width, image->height, &width, &height));
        assert_int_equal(width, number_at(row, 3));
        assert_int_equal(height, number_at(row, 4));
        OK(PC_NEW_ARRAY(numbers, (size_t)width * (size_t)height * 3, "numbers"));
        OK(pc_image_recipe_apply(recipe, image, numbers));
        assert_hash(numbers, (size_t)width * (size_t)height * 3 * sizeof *numbers, pc_json_text(pc_json_at(row, 5)));
        pc_free(numbers);
        pc_image_free(image);
    }
}

/* Bit for bit; and once more after writing the recipe and reading it back. */
static void test_equals_transformers(void **state)
{
    (void)state;
    pc_json *json = golden();
    const pc_json *recipes = pc_json_get(json, "recipes");
    assert_true(pc_json_length(recipes) >= 13);
    for (size_t i = 0; i < pc_json_length(recipes); i++) {
        const pc_json *one = pc_json_at(recipes, i);
        pc_json *written = NULL;
        pc_image_recipe recipe, again;
        OK(pc_image_recipe_from_json(&recipe, pc_json_get(one, "config"), "config"));
        check_cases(&recipe, pc_json_get(one, "cases"));
        OK(pc_image_recipe_to_json(&written, &recipe));
        OK(pc_image_recipe_from_json(&again, written, "written"));
        check_cases(&again, pc_json_get(one, "cases"));
        pc_json_free(written);
    }
    pc_json_free(json);
}

static pc_status parse(pc_image_recipe *recipe, const char *text)
{
    pc_json *json = NULL;
    OK(pc_json_parse(&json, text, strlen(text), "p.json"));
    pc_status status = pc_image_recipe_from_json(recipe, json, "p.json");
    pc_json_free(json);
    return status;
}

static void test_defaults(void **state)
{
    (void)state;
    pc_image_recipe r;
    OK(parse(&r, "{}"));
    assert_int_equal(r.sizing, PC_SIZE_SHORTEST);
    assert_int_equal(r.size[0], 224);
    assert_true(r.do_center_crop && r.crop_width == 224 && r.mean[0] == 0.48145466);
    OK(parse(&r, "{\"feature_extractor_type\": \"CLIPFeatureExtractor\", \"size\": 336, \"crop_size\": 336}"));
    assert_true(r.sizing == PC_SIZE_SHORTEST && r.size[0] == 336 && r.crop_height == 336);
    OK(parse(&r, "{\"image_processor_type\": \"ViTImageProcessorFast\", \"size\": 100, \"image_mean\": null}"));
    assert_true(r.sizing == PC_SIZE_EXACT && r.size[1] == 100 && r.resample == PC_FILTER_BILINEAR && r.mean[2] == 0.5);
    assert_false(r.do_center_crop);
    OK(parse(&r, "{\"image_processor_type\": \"SiglipImageProcessor\", \"size\": {\"height\": 9, \"width\": 7}}"));
    assert_true(r.size[0] == 9 && r.size[1] == 7 && r.resample == PC_FILTER_BICUBIC && r.std[1] == 0.5);
    OK(parse(&r, "{\"size\": 50, \"default_to_square\": true, \"do_reduce_labels\": false, \"patch_size\": null}"));
    assert_true(r.sizing == PC_SIZE_EXACT && r.size[1] == 50);
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct { const char *text, *key; } cases[] = {
        {"[]", "object"},
        {"{\"image_processor_type\": \"Pix2StructImageProcessor\"}", "image_processor_type"},
        {"{\"image_processor_type\": \"Idefics3ImageProcessor\", \"max_image_size\": {\"longest_edge\": 0}}", "max_image_size"},
        {"{\"image_processor_type\": \"SmolVLMImageProcessor\", \"size\": {\"height\": 4, \"width\": 4}}", "size"},
        {"{\"image_processor_type\": \"SmolVLMImageProcessor\", \"do_image_splitting\": 1}", "do_image_splitting"},
        {"{\"max_image_size\": {\"longest_edge\": 364}}", "max_image_size"},
        {"{\"image_processor_type\": \"Qwen2VLImageProcessor\", \"min_pixels\": 0}", "min_pixels"},
        {"{\"image_processor_type\": \"Qwen2VLImageProcessor\", \"patch_size\": \"14\"}", "patch_size"},
        {"{\"min_pixels\": 3136}", "min_pixels"},
        {"{\"image_processor_type\": 3}", "image_processor_type"},
        {"{\"size\": 0}", "size"},
        {"{\"size\": 3.5}", "size"},
        {"{\"size\": \"big\"}", "size"},
        {"{\"size\": {\"longest_edge\": 30}}", "size"},
        {"{\"size\": {\"height\": 30}}", "size"},
        {"{\"size\": {\"height\": 30, \"width\": 40000}}", "size"},
        {"{\"size\": {\"min_pixels\": 30, \"max_pixels\": 40}}", "size"},
        {"{\"crop_size\": {\"shortest_edge\": 30}}", "crop_size"},
        {"{\"crop_size\": -1}", "crop_size"},
        {"{\"resample\": 6}", "resample"},
        {"{\"resample\": \"bicubic\"}", "resample"},
        {"{\"do_resize\": 1}", "do_resize"},
        {"{\"do_center_crop\": \"yes\"}", "do_center_crop"},
        {"{\"image_mean\": [0.5, 0.5]}", "image_mean"},
        {"{\"image_mean\": [0.5, 0.5, true]}", "image_mean"},
        {"{\"image_std\": 0}", "image_std"},
        {"{\"image_std\": [1, 1, -1]}", "image_std"},
        {"{\"rescale_factor\": 0}", "rescale_factor"},
        {"{\"rescale_factor\": \"x\"}", "rescale_factor"},
        {"{\"do_pad\": true}", "do_pad"},
        {"{\"image_processor_type\": \"LlavaImageProcessor\", \"do_pad\": true, \"image_mean\": 127.5}", "do_pad"},
        {"{\"do_image_splitting\": true}", "do_image_splitting"},
        {"{\"image_grid_pinpoints\": [[336, 672]]}", "image_grid_pinpoints"},
        {"{\"image_processor_type\": \"LlavaNextImageProcessor\", \"image_grid_pinpoints\": \"(1x1)\"}", "image_grid_pinpoints"},
        {"{\"image_processor_type\": \"LlavaNextImageProcessor\", \"image_grid_pinpoints\": []}", "image_grid_pinpoints"},
        {"{\"image_processor_type\": \"LlavaNextImageProcessor\", \"image_grid_pinpoints\": [[336]]}", "image_grid_pinpoints"},
        {"{\"image_processor_type\": \"LlavaNextImageProcessor\", \"image_grid_pinpoints\": [[336, 0]]}", "image_grid_pinpoints"},
        {"{\"image_processor_type\": \"LlavaNextImageProcessor\", \"do_pad\": 3}", "do_pad"},
        {"{\"data_format\": \"channels_last\"}", "data_format"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pc_image_recipe recipe = {.size = {77, 0}};
        if (parse(&recipe, cases[i].text) != PC_ERR_DATA || !strstr(pc_error(), cases[i].key) || recipe.size[0] != 77) {
            fail_msg("%s: expected a refusal that names %s, got: %s", cases[i].text, cases[i].key, pc_error());
        }
    }
}

static void test_sizes(void **state)
{
    (void)state;
    pc_image_recipe r;
    int width, height;
    OK(parse(&r, "{\"do_center_crop\": false}"));
    OK(pc_image_recipe_size(&r, 640, 480, &width, &height));
    assert_true(width == 298 && height == 224);
    OK(pc_image_recipe_size(&r, 333, 1000, &width, &height));
    assert_true(width == 224 && height == 672);
    assert_int_equal(pc_image_recipe_size(&r, 1, 30000, &width, &height), PC_ERR_DATA);
    assert_int_equal(pc_image_recipe_size(&r, 0, 3, &width, &height), PC_ERR_DATA);
    OK(parse(&r, "{\"size\": {\"max_height\": 10, \"max_width\": 10}, \"do_center_crop\": false}"));
    assert_int_equal(pc_image_recipe_size(&r, 1, 300, &width, &height), PC_ERR_DATA); /* width would be 0 */
}

/* Widths and heights: transformers' smart_resize. */
static void test_native_sizes(void **state)
{
    static const int sizes[][4] = {
        {1, 1, 56, 56},       {10, 1500, 28, 700},  {42, 70, 56, 56},     {14, 14, 56, 56},
        {28, 28, 56, 56},     {640, 427, 644, 420}, {5000, 3001, 1288, 756}, {8, 1599, 28, 812},
        {98, 126, 112, 112},  {3000, 20, 2996, 28}, {1007, 999, 980, 980},
    };
    (void)state;
    pc_image_recipe r;
    int width, height;
    OK(parse(&r, "{\"image_processor_type\": \"Qwen2VLImageProcessor\"}"));
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        OK(pc_image_recipe_size(&r, sizes[i][0], sizes[i][1], &width, &height));
        assert_int_equal(width, sizes[i][2]);
        assert_int_equal(height, sizes[i][3]);
    }
    assert_int_equal(pc_image_recipe_size(&r, 2010, 10, &width, &height), PC_ERR_DATA); /* 201 times */
    OK(parse(&r, "{\"image_processor_type\": \"Qwen2VLImageProcessor\", \"size\": {\"shortest_edge\": 9, \"longest_edge\": 99}, "
                 "\"max_pixels\": 12845056}"));
    assert_true(r.size[0] == 9 && r.size[1] == 12845056 && r.patch == 14 && r.merge == 2 && !r.do_center_crop);
}

typedef struct scene {
    pc_image *image;
    float *numbers;
} scene;

static pc_status apply_once(void *user)
{
    const scene *s = user;
    pc_image_recipe recipe;
    pc_json *json = NULL;
    pc_image_recipe_default(&recipe);
    recipe.pad_square = true;
    recipe.size[0] = 40;
    recipe.crop_width = recipe.crop_height = 30;
    pc_status status = pc_image_recipe_apply(&recipe, s->image, s->numbers);
    if (status == PC_OK) {
        status = pc_image_recipe_to_json(&json, &recipe);
    }
    pc_json_free(json);
    return status;
}

static void test_memory(void **state)
{
    (void)state;
    scene s = {.image = noise(1, 50, 33)};
    OK(PC_NEW_ARRAY(s.numbers, 30 * 30 * 3, "numbers"));
    assert_true(pc_test_each_allocation(apply_once, &s) > 8);
    pc_free(s.numbers);
    pc_image_free(s.image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equals_transformers), cmocka_unit_test(test_defaults), cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_sizes), cmocka_unit_test(test_native_sizes), cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
