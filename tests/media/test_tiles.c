/* Tiles against transformers, their plan, and refusals. */
#include "media/golden.h"
#include "media/tiles.h"
#include "support/allocfail.h"

static void check_case(const pc_image_recipe *recipe, const pc_json *row)
{
    pc_image *image = noise((uint32_t)number_at(row, 0), number_at(row, 1), number_at(row, 2));
    pc_image_tiling plan;
    float *numbers = NULL;
    OK(pc_image_tiling_plan(&plan, recipe, image->width, image->height));
    assert_int_equal(plan.count, number_at(row, 3));
    assert_int_equal(plan.height, number_at(row, 4));
    assert_int_equal(plan.width, number_at(row, 5));
    assert_int_equal(plan.rows, number_at(row, 6));
    assert_int_equal(plan.columns, number_at(row, 7));
    assert_int_equal(plan.source_width, image->width);
    assert_int_equal(plan.source_height, image->height);
    size_t count = (size_t)plan.count * 3 * (size_t)plan.height * (size_t)plan.width;
    OK(PC_NEW_ARRAY(numbers, count, "numbers"));
    OK(pc_image_tiles_apply(recipe, image, numbers));
    assert_hash(numbers, count * sizeof *numbers, pc_json_text(pc_json_at(row, 8)));
    pc_free(numbers);
    pc_image_free(image);
}

/* Bit for bit; and once more after writing the recipe and reading it back. */
static void test_equals_transformers(void **state)
{
    (void)state;
    pc_json *json = golden();
    const pc_json *recipes = pc_json_get(json, "tiles");
    assert_int_equal(pc_json_length(recipes), 5);
    for (size_t i = 0; i < pc_json_length(recipes); i++) {
        const pc_json *cases = pc_json_get(pc_json_at(recipes, i), "cases");
        pc_json *written = NULL;
        pc_image_recipe recipe, again;
        OK(pc_image_recipe_from_json(&recipe, pc_json_get(pc_json_at(recipes, i), "config"), "config"));
        OK(pc_image_recipe_to_json(&written, &recipe));
        OK(pc_image_recipe_from_json(&again, written, "written"));
        assert_true(pc_json_length(cases) >= 7);
        for (size_t k = 0; k < pc_json_length(cases); k++) {
            check_case(&recipe, pc_json_at(cases, k));
            check_case(&again, pc_json_at(cases, k));
        }
        pc_json_free(written);
    }
    pc_json_free(json);
}

static pc_image_recipe tiled(int side, int height, int width)
{
    pc_image_recipe recipe;
    pc_image_recipe_default(&recipe);
    recipe.size[0] = recipe.crop_height = recipe.crop_width = side;
    recipe.grid_count = 1;
    recipe.grid[0][0] = height;
    recipe.grid[0][1] = width;
    return recipe;
}

/* A recipe without grids gives what pc_image_recipe_apply gives. */
static void test_one_picture(void **state)
{
    (void)state;
    pc_image *image = noise(1, 50, 33);
    pc_image_recipe recipe = tiled(20, 20, 20);
    pc_image_tiling plan;
    float tiles[3 * 20 * 20], one[3 * 20 * 20];
    recipe.grid_count = 0;
    OK(pc_image_tiling_plan(&plan, &recipe, 50, 33));
    assert_true(plan.count == 1 && plan.rows == 0 && plan.columns == 0 && plan.width == 20 && plan.height == 20);
    OK(pc_image_tiles_apply(&recipe, image, tiles));
    OK(pc_image_recipe_apply(&recipe, image, one));
    assert_memory_equal(tiles, one, sizeof one);
    pc_image_free(image);
}

static void refuse(const pc_image_recipe *recipe, const char *words)
{
    pc_image_tiling plan = {.count = 77};
    assert_int_equal(pc_image_tiling_plan(&plan, recipe, 50, 33), PC_ERR_DATA);
    assert_non_null(strstr(pc_error(), words));
    assert_int_equal(plan.count, 77);
}

static void test_refusals(void **state)
{
    (void)state;
    pc_image_recipe recipe = tiled(20, 40, 50);
    pc_image_tiling plan;
    int width, height;
    refuse(&recipe, "does not consist of tiles");
    recipe = tiled(2, 40, 40);
    refuse(&recipe, "are more than 255");
    recipe = tiled(20, 40, 40);
    recipe.do_resize = recipe.do_center_crop = false;
    recipe.size[0] = 30;
    refuse(&recipe, "the whole picture would be 30 x 30");
    recipe = tiled(20, 40, 40);
    assert_int_equal(pc_image_tiling_plan(&plan, &recipe, 0, 4), PC_ERR_DATA);
    assert_int_equal(pc_image_recipe_size(&recipe, 50, 33, &width, &height), PC_ERR_DATA);
    assert_non_null(strstr(pc_error(), "image_grid_pinpoints"));
}

static void test_best_grid(void **state)
{
    (void)state;
    static const int grids[][2] = {{336, 672}, {672, 336}, {672, 672}, {1008, 336}, {336, 1008}};
    static const struct { int width, height, best; } cases[] = {
        {640, 480, 2}, {300, 300, 0}, {1000, 300, 4}, {300, 1000, 3}, {600, 300, 0}, {1, 1, 0}, {300, 600, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(pc_image_best_grid(grids, 5, cases[i].width, cases[i].height), cases[i].best);
    }
}

typedef struct scene {
    pc_image *image;
    float numbers[5 * 3 * 20 * 20];
} scene;

static pc_status apply_once(void *user)
{
    scene *s = user;
    pc_image_recipe recipe = tiled(20, 40, 40);
    pc_json *json = NULL;
    pc_status status = pc_image_tiles_apply(&recipe, s->image, s->numbers);
    if (status == PC_OK) {
        status = pc_image_recipe_to_json(&json, &recipe);
    }
    pc_json_free(json);
    return status;
}

static void test_memory(void **state)
{
    (void)state;
    static scene s;
    s.image = noise(1, 50, 33);
    assert_true(pc_test_each_allocation(apply_once, &s) > 20);
    pc_image_free(s.image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equals_transformers), cmocka_unit_test(test_one_picture), cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_best_grid), cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
