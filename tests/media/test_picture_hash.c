/* Perceptual hashes against imagehash's (tests/oracle/make_picture_hashes.py), and what they are for. */
#include "base/json.h"
#include "base/str.h"
#include "media/decode.h"
#include "media/picture_hash.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MEDIA PERCEPT_TESTS_DIR "/golden/media/"

static void check(const pc_image *image, const pc_json *expected, const char *name)
{
    uint64_t hash[2];
    char text[2][20];
    assert_int_equal(pc_image_phash(&hash[0], image), PC_OK);
    assert_int_equal(pc_image_dhash(&hash[1], image), PC_OK);
    for (int i = 0; i < 2; i++) {
        snprintf(text[i], sizeof text[i], "%016" PRIx64, hash[i]);
        const char *wanted = pc_json_get_text(expected, i ? "dhash" : "phash", "");
        if (strcmp(text[i], wanted) != 0) {
            fail_msg("%s: %s %s, expected %s", name, i ? "dhash" : "phash", text[i], wanted);
        }
    }
}

static pc_image *draw(const pc_json *numbers)
{
    int64_t n[5];
    pc_image *image = NULL;
    for (size_t i = 0; i < 5; i++) {
        n[i] = pc_json_integer(pc_json_at(numbers, i), 0);
    }
    assert_int_equal(pc_image_new(&image, (int)n[0], (int)n[1]), PC_OK);
    for (int64_t i = 0; i < n[0] * n[1] * 3; i++) {
        int64_t k = i % 3, x = i / 3 % n[0], y = i / 3 / n[0];
        image->pixels[i] = (uint8_t)(n[2] * x + n[3] * y + n[4] * x * y + 37 * k);
    }
    return image;
}

static void test_imagehash(void **state)
{
    pc_json *root = NULL;
    int decoded = 0;
    (void)state;
    assert_int_equal(pc_json_read(&root, MEDIA "hashes.json", 1 << 20), PC_OK);
    const pc_json *files = pc_json_get(root, "files"), *patterns = pc_json_get(root, "patterns");
    for (void *it = pc_json_first(files); it; it = pc_json_next(files, it)) {
        char path[512];
        pc_image *image = NULL;
        snprintf(path, sizeof path, MEDIA "%s", pc_json_key(it));
        if (pc_image_load(&image, path, NULL) == PC_OK) { /* some are cut short: Pillow is more lenient */
            check(image, pc_json_value(it), pc_json_key(it));
            pc_image_free(image);
            decoded++;
        }
    }
    assert_true(decoded > 15);
    for (size_t i = 0; i < pc_json_length(patterns); i++) {
        const pc_json *pattern = pc_json_at(patterns, i);
        pc_image *image = draw(pc_json_get(pattern, "pattern"));
        check(image, pattern, "pattern");
        pc_image_free(image);
    }
    pc_json_free(root);
}

/* A picture of another size is near; another picture is far. */
static void test_distance(void **state)
{
    pc_image *image = NULL, *small = NULL, *other = NULL;
    uint64_t a, b, c;
    (void)state;
    assert_int_equal(pc_image_load(&image, MEDIA "420.jpg", NULL), PC_OK);
    assert_int_equal(pc_image_resize(&small, image, image->width * 2, image->height * 2, PC_FILTER_BICUBIC), PC_OK);
    assert_int_equal(pc_image_orient(&other, image, 3), PC_OK);
    assert_int_equal(pc_image_phash(&a, image), PC_OK);
    assert_int_equal(pc_image_phash(&b, small), PC_OK);
    assert_int_equal(pc_image_phash(&c, other), PC_OK);
    assert_true(pc_hash_distance(a, b) <= 4);
    assert_true(pc_hash_distance(a, c) > 12);
    pc_image_free(image);
    pc_image_free(small);
    pc_image_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_imagehash), cmocka_unit_test(test_distance)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
