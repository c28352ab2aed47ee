/* Crops, padding, shifts, turns, and the PNG writer. */
#include "media/golden.h"
#include "support/allocfail.h"

#include <stdlib.h>
#include <unistd.h>

static const uint8_t *at(const pc_image *image, int x, int y)
{
    return image->pixels + ((size_t)y * (size_t)image->width + (size_t)x) * 3;
}

static const uint8_t black[3] = {0, 0, 0};

static void test_limits(void **state)
{
    (void)state;
    pc_image *image = NULL;
    assert_int_equal(pc_image_new(&image, 0, 1), PC_ERR_DATA);
    assert_int_equal(pc_image_new(&image, 1, -5), PC_ERR_DATA);
    assert_int_equal(pc_image_new(&image, 32769, 1), PC_ERR_DATA);
    assert_int_equal(pc_image_new(&image, 32768, 2049), PC_ERR_DATA);
    assert_null(image);
    OK(pc_image_new(&image, 32768, 1));
    assert_memory_equal(at(image, 32767, 0), black, 3);
    pc_image_free(image);
    pc_image_free(NULL);
}

/* Every pixel of every small crop against the definition. */
static void test_crop(void **state)
{
    (void)state;
    pc_image *image = noise(1, 5, 4);
    for (int left = -6; left <= 6; left++) {
        for (int top = -6; top <= 6; top++) {
            pc_image *part = NULL;
            OK(pc_image_crop(&part, image, left, top, 4, 3));
            for (int y = 0; y < 3; y++) {
                for (int x = 0; x < 4; x++) {
                    bool inside = x + left >= 0 && x + left < 5 && y + top >= 0 && y + top < 4;
                    assert_memory_equal(at(part, x, y), inside ? at(image, x + left, y + top) : black, 3);
                }
            }
            pc_image_free(part);
        }
    }
    pc_image *part = NULL;
    OK(pc_image_crop(&part, image, INT32_MIN, INT32_MAX, 2, 2));
    assert_memory_equal(at(part, 1, 1), black, 3);
    pc_image_free(part);
    pc_image_free(image);
}

static void test_crop_center(void **state)
{
    (void)state;
    static const struct { int side, crop, first; } cases[] = {
        {7, 4, 1}, {7, 5, 1}, {6, 3, 1}, {4, 4, 0}, {4, 7, -2}, {3, 4, -1}, {5, 8, -2}, {1, 6, -3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pc_image *image = noise(9, cases[i].side, cases[i].side);
        pc_image *part = NULL;
        pc_image *same = NULL;
        OK(pc_image_crop_center(&part, image, cases[i].crop, cases[i].crop));
        OK(pc_image_crop(&same, image, cases[i].first, cases[i].first, cases[i].crop, cases[i].crop));
        assert_same(part, same);
        pc_image_free(part);
        pc_image_free(same);
        pc_image_free(image);
    }
    pc_image *image = noise(9, 2, 2);
    pc_image *part = NULL;
    assert_int_equal(pc_image_crop_center(&part, image, INT32_MIN, 2), PC_ERR_DATA);
    pc_image_free(image);
}

static void test_pad_square(void **state)
{
    (void)state;
    const uint8_t color[3] = {122, 116, 104};
    pc_image *image = noise(2, 5, 2);
    pc_image *square = NULL;
    pc_image *back = NULL;
    OK(pc_image_pad_square(&square, image, color));
    assert_int_equal(square->width, 5);
    assert_int_equal(square->height, 5);
    for (int x = 0; x < 5; x++) {
        assert_memory_equal(at(square, x, 0), color, 3);
        assert_memory_equal(at(square, x, 3), color, 3);
        assert_memory_equal(at(square, x, 4), color, 3);
    }
    OK(pc_image_crop(&back, square, 0, 1, 5, 2));
    assert_same(back, image);
    pc_image_free(back);
    pc_image_free(square);
    pc_image_free(image);
}

static void test_shift(void **state)
{
    (void)state;
    pc_image *image = noise(4, 6, 5);
    for (int dx = -7; dx <= 7; dx++) {
        for (int dy = -7; dy <= 7; dy++) {
            pc_image *moved = NULL;
            OK(pc_image_shift(&moved, image, dx, dy));
            for (int y = 0; y < 5; y++) {
                for (int x = 0; x < 6; x++) {
                    int from_x = x - dx < 0 ? 0 : x - dx > 5 ? 5 : x - dx;
                    int from_y = y - dy < 0 ? 0 : y - dy > 4 ? 4 : y - dy;
                    assert_memory_equal(at(moved, x, y), at(image, from_x, from_y), 3);
                }
            }
            pc_image_free(moved);
        }
    }
    pc_image_free(image);
}

/* Turns that cancel each other; which turn belongs to which number is told by the files in test_decode.c. */
static void test_orient(void **state)
{
    (void)state;
    static const int inverse[9] = {1, 1, 2, 3, 4, 5, 8, 7, 6};
    pc_image *image = noise(5, 4, 3);
    for (int code = 0; code <= 9; code++) {
        pc_image *turned = NULL;
        pc_image *back = NULL;
        OK(pc_image_orient(&turned, image, code));
        OK(pc_image_orient(&back, turned, code <= 8 ? inverse[code] : 1));
        assert_int_equal(turned->width, code >= 5 && code <= 8 ? 3 : 4);
        assert_same(back, image);
        pc_image_free(turned);
        pc_image_free(back);
    }
    pc_image_free(image);
}

static char *temporary_path(void)
{
    static char path[64];
    snprintf(path, sizeof path, "/tmp/percept_image_%d.png", (int)getpid());
    return path;
}

static void test_save_png(void **state)
{
    (void)state;
    const char *path = temporary_path();
    pc_image *image = noise(6, 37, 23);
    pc_image *back = NULL;
    OK(pc_image_save_png(image, path));
    OK(pc_image_load(&back, path, NULL));
    assert_same(back, image);
    assert_int_equal(pc_image_save_png(image, "/nonexistent/folder/x.png"), PC_ERR_IO);
    unlink(path);
    pc_image_free(back);
    pc_image_free(image);
}

static pc_status save_once(void *user)
{
    pc_status status = pc_image_save_png(user, temporary_path());
    unlink(temporary_path());
    return status;
}

static pc_status move_once(void *user)
{
    static const uint8_t color[3] = {1, 2, 3};
    pc_image *a = NULL;
    pc_image *b = NULL;
    pc_status status = PC_OK;
    PC_GO(pc_image_copy(&a, user));
    PC_GO(pc_image_pad_square(&b, a, color));
    pc_image_free(a);
    a = NULL;
    PC_GO(pc_image_shift(&a, b, 1, 1));
    pc_image_free(b);
    b = NULL;
    PC_GO(pc_image_orient(&b, a, 6));
done:
    pc_image_free(a);
    pc_image_free(b);
    return status;
}

static void test_memory(void **state)
{
    (void)state;
    pc_image *image = noise(6, 37, 23);
    assert_true(pc_test_each_allocation(save_once, image) > 3);
    assert_int_equal(pc_test_each_allocation(move_once, image), 8);
    pc_image_free(image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits),     cmocka_unit_test(test_crop),  cmocka_unit_test(test_crop_center),
        cmocka_unit_test(test_pad_square), cmocka_unit_test(test_shift), cmocka_unit_test(test_orient),
        cmocka_unit_test(test_save_png),   cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
