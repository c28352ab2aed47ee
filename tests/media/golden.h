/* What the media tests share: the truth in golden/media, noise pictures, hashes. */
#ifndef PC_TESTS_MEDIA_GOLDEN_H
#define PC_TESTS_MEDIA_GOLDEN_H

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "media/decode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define GOLDEN PERCEPT_TESTS_DIR "/golden/media/"

/* Fails the test with the library's own message. */
#define OK(expression)                                     \
    do {                                                   \
        if ((expression) != PC_OK) {                       \
            fail_msg("%s: %s", #expression, pc_error());   \
        }                                                  \
    } while (0)

static inline pc_json *golden(void)
{
    pc_json *json = NULL;
    OK(pc_json_read(&json, GOLDEN "media.json", 1 << 20));
    return json;
}

static inline int number_at(const pc_json *row, size_t index)
{
    return (int)pc_json_integer(pc_json_at(row, index), -1);
}

/* Whether this build reads a golden file: false when its format's library was not there. */
static inline bool is_readable(const char *name)
{
    static const char *const optional[][2] = {{".webp", "WebP"}, {".tiff", "TIFF"}, {".avif", "HEIF"}};
    const char *ending = strrchr(name, '.');
    for (size_t i = 0; i < sizeof optional / sizeof optional[0]; i++) {
        if (strcmp(ending, optional[i][0]) != 0) {
            continue;
        }
        for (int k = 0; pc_image_format(k); k++) {
            if (strcmp(pc_image_format(k), optional[i][1]) == 0) {
                return true;
            }
        }
        return false;
    }
    return true;
}

/* The generator of tests/oracle/make_media.py. */
static inline pc_image *noise(uint32_t seed, int width, int height)
{
    pc_image *image = NULL;
    OK(pc_image_new(&image, width, height));
    for (int i = 0; i < width * height * 3; i++) {
        seed = seed * 1664525u + 1013904223u;
        image->pixels[i] = (uint8_t)(seed >> 24);
    }
    return image;
}

static inline void assert_hash(const void *bytes, size_t size, const char *expected)
{
    char hex[65];
    pc_sha256(bytes, size, hex);
    hex[32] = '\0';
    assert_string_equal(hex, expected);
}

static inline void assert_pixels(const pc_image *image, int width, int height, const char *hash)
{
    assert_int_equal(image->width, width);
    assert_int_equal(image->height, height);
    assert_hash(image->pixels, (size_t)width * (size_t)height * 3, hash);
}

static inline void assert_same(const pc_image *a, const pc_image *b)
{
    assert_int_equal(a->width, b->width);
    assert_int_equal(a->height, b->height);
    assert_memory_equal(a->pixels, b->pixels, (size_t)a->width * (size_t)a->height * 3);
}

#endif
