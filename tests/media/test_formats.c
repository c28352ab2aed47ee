/* Formats beside JPEG and PNG: animations against Pillow, limits, bombs, broken files, short memory. */
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

static void check_frames(const char *name, const pc_json *times, const pc_json *hashes)
{
    char path[512];
    pc_image_frames frames = {0};
    snprintf(path, sizeof path, GOLDEN "%s", name);
    OK(pc_image_load_frames(&frames, path, NULL));
    assert_int_equal(frames.count, pc_json_length(hashes));
    assert_false(frames.more);
    for (int i = 0; i < frames.count; i++) {
        const pc_image *image = frames.images[i];
        assert_int_equal(frames.milliseconds[i], number_at(times, (size_t)i));
        assert_pixels(image, image->width, image->height, pc_json_text(pc_json_at(hashes, (size_t)i)));
    }
    OK(pc_image_load_frames(&frames, path, &(pc_image_limits){.max_frames = 2}));
    assert_true(frames.count == 2 && frames.more);
    OK(pc_image_load_frames(&frames, path, &(pc_image_limits){.max_frames = (int)pc_json_length(hashes)}));
    assert_false(frames.more);
    pc_image_frames_clear(&frames);
    assert_int_equal(frames.count, 0);
}

static void test_frames_equal_pillow(void **state)
{
    (void)state;
    pc_json *json = golden();
    const pc_json *rows = pc_json_get(json, "frames");
    assert_int_equal(pc_json_length(rows), 5);
    for (size_t i = 0; i < pc_json_length(rows); i++) {
        const pc_json *row = pc_json_at(rows, i);
        const char *name = pc_json_text(pc_json_at(row, 0));
        if (is_readable(name)) {
            check_frames(name, pc_json_at(row, 1), pc_json_at(row, 2));
        }
    }
    pc_json_free(json);
}

/* A format with one picture has one frame. */
static void test_still(void **state)
{
    (void)state;
    pc_image_frames frames = {0};
    OK(pc_image_load_frames(&frames, GOLDEN "rgb8.png", NULL));
    assert_true(frames.count == 1 && !frames.more && frames.milliseconds[0] == 0);
    pc_image_frames_clear(&frames);
    assert_int_equal(pc_image_load_frames(&frames, GOLDEN "absent.gif", NULL), PC_ERR_IO);
    assert_int_equal(frames.count, 0);
}

/* The picture that the file was made from; AV1 with quality 95 keeps it within a few grays. */
static void test_avif(void **state)
{
    (void)state;
    pc_image *image = NULL;
    int64_t difference = 0;
    if (!is_readable("smooth.avif")) {
        skip();
    }
    OK(pc_image_load(&image, GOLDEN "smooth.avif", NULL));
    assert_int_equal(image->width, 40);
    assert_int_equal(image->height, 30);
    pc_image *again = NULL;
    OK(pc_image_load(&again, GOLDEN "smooth_avif.png", NULL));
    for (int i = 0; i < 40 * 30 * 3; i++) {
        difference += abs(image->pixels[i] - again->pixels[i]);
        assert_in_range(abs(image->pixels[i] - again->pixels[i]), 0, 3);
    }
    assert_true(difference < 40 * 30 * 3);
    pc_image_free(again);
    pc_image_free(image);
}

static const char *const kinds[] = {
    "1.bmp", "24.bmp", "fields.bmp", "rle8.bmp", "rle4.bmp", "plain.gif", "interlaced.gif", "moving_2.gif", "moving_3.gif",
    "lossy.webp", "lossless.webp", "moving.webp", "tiff_lzw.tiff", "palette.tiff", "jpeg.tiff", "pages.tiff", "bits.tiff",
    "smooth.avif",
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

static void test_limits(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        const pc_image_limits low = {.max_side = 6}, small = {.max_pixels = 60};
        file f = open_golden(kinds[i]);
        pc_image *image = NULL;
        if (is_readable(kinds[i])) {
            assert_int_equal(pc_image_decode(&image, f.bytes, f.size, &low, "x"), PC_ERR_DATA);
            assert_non_null(strstr(pc_error(), "limits"));
            assert_int_equal(pc_image_decode(&image, f.bytes, f.size, &small, "x"), PC_ERR_DATA);
            assert_null(image);
        }
        pc_free(f.bytes);
    }
}

static void refuse(const void *bytes, size_t size, const char *words)
{
    pc_image *image = NULL;
    assert_int_equal(pc_image_decode(&image, bytes, size, NULL, "x"), PC_ERR_DATA);
    assert_null(image);
    if (!strstr(pc_error(), words)) {
        fail_msg("expected '%s', got: %s", words, pc_error());
    }
}

/* Few bytes that declare a huge picture are refused by their number, before memory is asked for. */
static void test_bombs(void **state)
{
    (void)state;
    file f = open_golden("24.bmp");
    memcpy(f.bytes + 18, "\0\x20\0\0\0\x20", 6); /* 8192 x 8192 */
    refuse(f.bytes, f.size, "bytes of pixels");
    pc_free(f.bytes);
    f = open_golden("rle8.bmp");
    memcpy(f.bytes + 18, "\x02\0\0\0\0\x80", 6); /* 2 x 32768 */
    refuse(f.bytes, f.size, "can't be in a file of");
    pc_free(f.bytes);
    f = open_golden("plain.gif");
    uint8_t *picture = memmem(f.bytes, f.size, ",\0\0\0\0\x0d\0\x0b\0", 9);
    assert_non_null(picture);
    memcpy(picture + 5, "\0\x20\0\x20", 4);
    refuse(f.bytes, f.size, "can't be in a file of");
    pc_free(f.bytes);
}

static void test_damage(void **state)
{
    (void)state;
    file f = open_golden("4.bmp");
    f.bytes[28] = 5;
    refuse(f.bytes, f.size, "5 bits a pixel");
    f.bytes[28] = 4;
    f.bytes[30] = 4;
    refuse(f.bytes, f.size, "compression 4");
    f.bytes[30] = 3;
    refuse(f.bytes, f.size, "bit fields");
    f.bytes[14] = 41;
    refuse(f.bytes, f.size, "header of 41 bytes");
    pc_free(f.bytes);
    refuse("GIF89a\5\0\5\0\0\0\0;", 14, "no picture");
    refuse("GIF89a\1\0\1\0\0\0\0,\0\0\0\0\1\0\1\0\0\x0d\1\1\0;", 28, "codes of 14 bits");
    refuse("GIF89a\1\0\1\0\0\0\0,\0\0\0\0\1\0\1\0\0\2\1\7\0;", 28, "can't be");
    refuse("GIF89a\1\0\1\0\0\0\0,\0\0\0\0\1\0\1\0\0\2\1\5\0;", 28, "the data end");
}

static pc_status decode_mutant(const char *path, const void *bytes, size_t size, void *user)
{
    (void)path;
    (void)user;
    pc_image_frames frames = {0};
    const pc_image_limits limits = {.max_pixels = 1 << 20, .max_frames = 8};
    pc_status status = pc_image_decode_frames(&frames, bytes, size, &limits, "mutant");
    pc_image_frames_clear(&frames);
    return status;
}

static void test_mutants(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        char path[512];
        snprintf(path, sizeof path, GOLDEN "%s", kinds[i]);
        if (is_readable(kinds[i])) {
            pc_mutant_result result = pc_test_mutants_of_file(kinds[i], path, decode_mutant, NULL, 300);
            assert_true(result.refused > 0);
        }
    }
}

static pc_status decode_once(void *user)
{
    const file *f = user;
    pc_image_frames frames = {0};
    pc_status status = pc_image_decode_frames(&frames, f->bytes, f->size, NULL, "x");
    pc_image_frames_clear(&frames);
    return status;
}

static void test_memory(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        file f = open_golden(kinds[i]);
        if (is_readable(kinds[i])) {
            assert_true(pc_test_each_allocation(decode_once, &f) >= 2);
            assert_true(pc_test_each_allocation_on(decode_once, &f) >= 2);
        }
        pc_free(f.bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames_equal_pillow), cmocka_unit_test(test_still), cmocka_unit_test(test_avif),
        cmocka_unit_test(test_limits), cmocka_unit_test(test_bombs), cmocka_unit_test(test_damage),
        cmocka_unit_test(test_mutants), cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
