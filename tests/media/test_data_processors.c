/* A hundred real pictures of odd sizes as six processors of transformers prepare them, bit for bit (data tier).
 *
 * Needs PERCEPT_PICTURES, a folder where each archive of golden/media/processors.json is unpacked below its own name;
 * tests/media/data_processors.sh prepares it.
 */
#include "media/golden.h"
#include "media/tiles.h"

#include <stdlib.h>

/* NULL when all is equal. */
static const char *compare(const pc_image_recipe *recipe, const pc_image *image, const char *hash)
{
    pc_image_tiling plan;
    float *numbers = NULL;
    char hex[65];
    OK(pc_image_tiling_plan(&plan, recipe, image->width, image->height));
    size_t count = (size_t)plan.count * 3 * (size_t)plan.height * (size_t)plan.width;
    OK(PC_NEW_ARRAY(numbers, count, "numbers"));
    OK(pc_image_tiles_apply(recipe, image, numbers));
    pc_sha256(numbers, count * sizeof *numbers, hex);
    hex[16] = '\0';
    pc_free(numbers);
    return strcmp(hex, hash) == 0 ? NULL : "other numbers";
}

static int check_picture(const pc_json *row, const pc_json *processors, const char *folder)
{
    char path[2048];
    pc_image *image = NULL;
    int failed = 0;
    const pc_json *hashes = pc_json_at(row, 4);
    snprintf(path, sizeof path, "%s/%s/%s", folder, pc_json_text(pc_json_at(row, 0)), pc_json_text(pc_json_at(row, 1)));
    OK(pc_image_load(&image, path, NULL));
    assert_int_equal(image->width, number_at(row, 2));
    assert_int_equal(image->height, number_at(row, 3));
    for (size_t i = 0; i < pc_json_length(processors); i++) {
        pc_image_recipe recipe;
        OK(pc_image_recipe_from_json(&recipe, pc_json_at(processors, i), "processors.json"));
        const char *problem = compare(&recipe, image, pc_json_text(pc_json_at(hashes, i)));
        if (problem) {
            print_message("%s, processor %zu: %s\n", path, i, problem);
            failed++;
        }
    }
    pc_image_free(image);
    return failed;
}

static void test_processors(void **state)
{
    (void)state;
    const char *folder = getenv("PERCEPT_PICTURES");
    pc_json *json = NULL;
    int failed = 0;
    if (!folder) {
        print_message("skipped: no data\n");
        skip();
    }
    OK(pc_json_read(&json, GOLDEN "processors.json", 1 << 20));
    const pc_json *pictures = pc_json_get(json, "pictures");
    const pc_json *processors = pc_json_get(json, "processors");
    assert_int_equal(pc_json_length(pictures), 100);
    for (size_t i = 0; i < pc_json_length(pictures); i++) {
        failed += check_picture(pc_json_at(pictures, i), processors, folder);
    }
    print_message("%d passed, %d failed, 0 skipped\n", (int)(100 * pc_json_length(processors)) - failed, failed);
    pc_json_free(json);
    assert_int_equal(failed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_processors)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
