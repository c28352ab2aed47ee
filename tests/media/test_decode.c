/* Decoding against Pillow; orientation; limits; broken files. */
#include "media/golden.h"
#include "support/allocfail.h"
#include "support/mutate.h"

#include <stdlib.h>

typedef struct file {
    char *bytes;
    size_t size;
} file;

static file open_golden(const char *name)
{
    char path[512];
    file f = {0};
    snprintf(path, sizeof path, GOLDEN "%s", name);
    OK(pc_file_read(&f.bytes, &f.size, path, 1 << 20));
    return f;
}

static const char *name_at(const pc_json *files, size_t index)
{
    return pc_json_text(pc_json_at(pc_json_at(files, index), 0));
}

/* The hashes of JPEG files hold for libjpeg-turbo and the original library up to version 6b. */
static void test_equals_pillow(void **state)
{
    (void)state;
    pc_json *json = golden();
    const pc_json *files = pc_json_get(json, "files");
    assert_true(pc_json_length(files) >= 40);
    for (size_t i = 0; i < pc_json_length(files); i++) {
        const pc_json *row = pc_json_at(files, i);
        char path[512];
        pc_image *image = NULL;
        if (!is_readable(name_at(files, i))) {
            continue;
        }
        snprintf(path, sizeof path, GOLDEN "%s", name_at(files, i));
        OK(pc_image_load(&image, path, NULL));
        assert_pixels(image, number_at(row, 1), number_at(row, 2), pc_json_text(pc_json_at(row, 3)));
        pc_image_free(image);
    }
    pc_json_free(json);
}

/* The eight files show one picture; JPEG noise differs a little, because blocks lie elsewhere. */
static void test_orientations_look_alike(void **state)
{
    (void)state;
    pc_image *first = NULL;
    OK(pc_image_load(&first, GOLDEN "orient_1.jpg", NULL));
    for (int code = 2; code <= 8; code++) {
        char path[512];
        pc_image *image = NULL;
        pc_image *stored = NULL;
        snprintf(path, sizeof path, GOLDEN "orient_%d.jpg", code);
        OK(pc_image_load(&image, path, NULL));
        OK(pc_image_load(&stored, path, &(pc_image_limits){.as_stored = true}));
        assert_int_equal(image->width, 24);
        assert_int_equal(image->height, 16);
        assert_int_equal(stored->width, code >= 5 ? 16 : 24);
        for (int i = 0; i < 24 * 16 * 3; i++) {
            assert_in_range(abs(image->pixels[i] - first->pixels[i]), 0, 24);
        }
        pc_image_free(image);
        pc_image_free(stored);
    }
    pc_image_free(first);
}

static void test_exif(void **state)
{
    (void)state;
    uint8_t block[] = {'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 0x01, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0};
    assert_int_equal(pc_exif_orientation(block, sizeof block), 6);
    for (size_t size = 0; size < sizeof block; size++) {
        assert_int_equal(pc_exif_orientation(block, size), 0);
    }
    block[18] = 9;
    assert_int_equal(pc_exif_orientation(block, sizeof block), 1);
    block[18] = 0;
    assert_int_equal(pc_exif_orientation(block, sizeof block), 1);
    block[18] = 8;
    block[12] = 4; /* LONG */
    assert_int_equal(pc_exif_orientation(block, sizeof block), 8);
    block[12] = 2; /* text */
    assert_int_equal(pc_exif_orientation(block, sizeof block), 1);
    block[12] = 3;
    block[4] = block[5] = block[6] = block[7] = 0xff; /* directory far outside */
    assert_int_equal(pc_exif_orientation(block, sizeof block), 0);
}

static int xmp(const char *text)
{
    return pc_xmp_orientation((const uint8_t *)text, strlen(text));
}

static void test_xmp(void **state)
{
    (void)state;
    pc_image *image = NULL, *stored = NULL, *turned = NULL;
    assert_int_equal(xmp("<rdf tiff:Orientation=\"6\"/>"), 6);
    assert_int_equal(xmp("<tiff:Orientation>3</tiff:Orientation>"), 3);
    assert_int_equal(xmp("tiff:Orientation=x tiff:Orientation>8"), 8);
    assert_int_equal(xmp("<tiff:Orientation>9"), 1);
    assert_int_equal(xmp("<tiff:Orientation>"), 0);
    assert_int_equal(xmp("tiff:Orientation=\""), 0);
    assert_int_equal(xmp(""), 0);
    static const char *const names[] = {"xmp_6.jpg", "xmp_6.png", "xmp_6.webp"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        file f = open_golden(names[i]);
        if (is_readable(names[i])) {
            OK(pc_image_decode(&image, f.bytes, f.size, NULL, "x"));
            OK(pc_image_decode(&stored, f.bytes, f.size, &(pc_image_limits){.as_stored = true}, "x"));
            OK(pc_image_orient(&turned, stored, 6));
            assert_same(image, turned);
            pc_image_free(image);
            pc_image_free(stored);
            pc_image_free(turned);
        }
        pc_free(f.bytes);
    }
}

static void test_limits(void **state)
{
    (void)state;
    static const char *const names[] = {"420.jpg", "rgb8.png", "palette4_i.png"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        file f = open_golden(names[i]);
        pc_image *image = NULL;
        const pc_image_limits low = {.max_side = 10}, small = {.max_pixels = 98};
        assert_int_equal(pc_image_decode(&image, f.bytes, f.size, &low, "x"), PC_ERR_DATA);
        assert_non_null(strstr(pc_error(), "limits"));
        assert_int_equal(pc_image_decode(&image, f.bytes, f.size, &small, "x"), PC_ERR_DATA);
        assert_null(image);
        OK(pc_image_decode(&image, f.bytes, f.size, &(pc_image_limits){.max_side = 1 << 30}, "x"));
        pc_image_free(image);
        pc_free(f.bytes);
    }
}

/* A file of a few bytes that declares a huge picture is refused by its size, before memory is asked for. */
static void test_bombs(void **state)
{
    (void)state;
    file f = open_golden("420.jpg");
    pc_image *image = NULL;
    uint8_t *frame = memmem(f.bytes, f.size, "\xff\xc0", 2);
    assert_non_null(frame);
    frame[5] = 0x1f; /* 8000 x 8000 */
    frame[6] = 0x40;
    frame[7] = 0x1f;
    frame[8] = 0x40;
    assert_int_equal(pc_image_decode(&image, f.bytes, f.size, NULL, "x"), PC_ERR_DATA);
    assert_non_null(strstr(pc_error(), "can't be in a file of"));
    frame[5] = 0xff;
    assert_int_equal(pc_image_decode(&image, f.bytes, f.size, NULL, "x"), PC_ERR_DATA);
    assert_non_null(strstr(pc_error(), "limits"));
    pc_free(f.bytes);
    /* 16384 x 4096 in a PNG whose checksum is right */
    static const uint8_t png[] = {0x89, 'P',  'N', 'G', '\r', '\n', 0x1a, '\n', 0, 0, 0, 13,
                                  'I',  'H',  'D', 'R', 0, 0, 0x40, 0, 0, 0, 0x10, 0, 8, 2, 0, 0, 0,
                                  0x05, 0x7f, 0x6e, 0x64, 0, 0, 0, 0,
                                  'I',  'D',  'A', 'T', 0x35, 0xaf, 0x06, 0x1e};
    assert_int_equal(pc_image_decode(&image, png, sizeof png, NULL, "x"), PC_ERR_DATA);
    assert_non_null(strstr(pc_error(), "can't be in a file of"));
    assert_null(image);
}

static void test_unknown(void **state)
{
    (void)state;
    pc_image *image = NULL;
    assert_int_equal(pc_image_decode(&image, "GIF88a", 6, NULL, "a.gif"), PC_ERR_DATA);
    assert_non_null(strstr(pc_error(), "a.gif: the first bytes are of no known picture format (JPEG, PNG, "));
    assert_int_equal(pc_image_decode(&image, "", 0, NULL, "a"), PC_ERR_DATA);
    assert_int_equal(pc_image_load(&image, GOLDEN "absent.png", NULL), PC_ERR_IO);
    assert_string_equal(pc_image_format(0), "JPEG");
    assert_string_equal(pc_image_format(1), "PNG");
    assert_null(pc_image_format(-1));
    assert_null(pc_image_format(100));
}

/* JPEG and PNG name their end, so a file cut anywhere is refused. Elsewhere bytes behind the picture (padding, an end
 * mark) may be missing, but nothing is shown that is not there: refused, or the whole picture. */
static void check_prefix(const file *f, const char *name, size_t size, const pc_image *whole)
{
    pc_image *image = NULL;
    char *copy = malloc(size ? size : 1); /* of just this size, so that reading on is seen */
    memcpy(copy, f->bytes, size);
    pc_status status = pc_image_decode(&image, copy, size, NULL, "x");
    bool strict = strstr(name, ".jpg") || strstr(name, ".png");
    if (status != PC_ERR_DATA && (strict || status != PC_OK)) {
        fail_msg("%s cut to %zu of %zu bytes: not refused", name, size, f->size);
    }
    if (status == PC_OK) {
        assert_same(image, whole);
    }
    pc_image_free(image);
    free(copy);
}

static void test_every_prefix(void **state)
{
    (void)state;
    pc_json *json = golden();
    const pc_json *files = pc_json_get(json, "files");
    for (size_t i = 0; i < pc_json_length(files); i++) {
        const char *name = name_at(files, i);
        file f = open_golden(name);
        pc_image *whole = NULL;
        if (is_readable(name)) {
            OK(pc_image_decode(&whole, f.bytes, f.size, NULL, "x"));
            for (size_t size = 0; size < f.size; size++) {
                check_prefix(&f, name, size, whole);
            }
        }
        pc_image_free(whole);
        pc_free(f.bytes);
    }
    pc_json_free(json);
}

static pc_status decode_mutant(const char *path, const void *bytes, size_t size, void *user)
{
    (void)path;
    (void)user;
    pc_image *image = NULL;
    pc_status status = pc_image_decode(&image, bytes, size, &(pc_image_limits){.max_pixels = 1 << 20}, "mutant");
    pc_image_free(image);
    return status;
}

static void test_mutants(void **state)
{
    (void)state;
    static const char *const names[] = {"420.jpg", "progressive.jpg", "cmyk.jpg", "restart.jpg", "orient_6.jpg",
                                        "rgb8.png", "palette4_i.png", "gray16.png", "orient_6.png"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[512];
        snprintf(path, sizeof path, GOLDEN "%s", names[i]);
        pc_mutant_result result = pc_test_mutants_of_file(names[i], path, decode_mutant, NULL, 500);
        assert_true(result.refused > 0);
    }
}

static pc_status decode_once(void *user)
{
    const file *f = user;
    pc_image *image = NULL;
    pc_status status = pc_image_decode(&image, f->bytes, f->size, NULL, "x");
    pc_image_free(image);
    return status;
}

static void test_memory(void **state)
{
    (void)state;
    static const char *const names[] = {"orient_6.jpg", "cmyk.jpg", "orient_6.png", "rgba16_i.png", "palette4_i.png"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        file f = open_golden(names[i]);
        assert_true(pc_test_each_allocation(decode_once, &f) > 2);
        pc_free(f.bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equals_pillow), cmocka_unit_test(test_orientations_look_alike),
        cmocka_unit_test(test_exif), cmocka_unit_test(test_xmp),          cmocka_unit_test(test_limits),
        cmocka_unit_test(test_bombs),         cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_every_prefix),  cmocka_unit_test(test_mutants),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
