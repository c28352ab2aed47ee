/* Images in memory: creation, release, and the moves that only copy pixels. */
#include "media/image.h"

#include "base/memory.h"

#include <string.h>

pc_status pc_image_new(pc_image **out, int width, int height)
{
    pc_image *image = NULL;
    if (width < 1 || height < 1 || width > PC_IMAGE_MAX_SIDE || height > PC_IMAGE_MAX_SIDE ||
        (int64_t)width * height > PC_IMAGE_MAX_PIXELS) {
        return pc_fail(PC_ERR_DATA, "an image of %d x %d pixels is outside the limits (sides 1..%d, %ld pixels)",
                       width, height, PC_IMAGE_MAX_SIDE, PC_IMAGE_MAX_PIXELS);
    }
    PC_TRY(PC_NEW(image, "an image"));
    pc_status status = PC_NEW_ARRAY(image->pixels, (size_t)width * (size_t)height * 3, "the pixels of an image");
    if (status != PC_OK) {
        pc_free(image);
        return status;
    }
    image->width = width;
    image->height = height;
    *out = image;
    return PC_OK;
}

void pc_image_free(pc_image *image)
{
    if (image) {
        pc_free(image->pixels);
        pc_free(image);
    }
}

static uint8_t *pixel_at(const pc_image *image, int x, int y)
{
    return image->pixels + ((size_t)y * (size_t)image->width + (size_t)x) * 3;
}

static int clamp(int64_t value, int low, int high)
{
    return value < low ? low : value > high ? high : (int)value;
}

pc_status pc_image_copy(pc_image **out, const pc_image *image)
{
    return pc_image_crop(out, image, 0, 0, image->width, image->height);
}

pc_status pc_image_crop(pc_image **out, const pc_image *image, int left, int top, int width, int height)
{
    pc_image *result = NULL;
    PC_TRY(pc_image_new(&result, width, height));
    /* The part of the result that the image covers: columns [x0, x1), rows [y0, y1). */
    int x0 = clamp(-(int64_t)left, 0, width);
    int x1 = clamp((int64_t)image->width - left, x0, width);
    int y0 = clamp(-(int64_t)top, 0, height);
    int y1 = clamp((int64_t)image->height - top, y0, height);
    for (int y = y0; y < y1 && x0 < x1; y++) {
        memcpy(pixel_at(result, x0, y), pixel_at(image, x0 + left, y + top), (size_t)(x1 - x0) * 3);
    }
    *out = result;
    return PC_OK;
}

/* Rounds down, also below zero, as Python's // 2. */
static int floor_half(int value)
{
    return value >= 0 ? value / 2 : -((1 - value) / 2);
}

pc_status pc_image_crop_center(pc_image **out, const pc_image *image, int width, int height)
{
    if (width < 1 || height < 1) {
        return pc_fail(PC_ERR_DATA, "a crop of %d x %d pixels is empty", width, height);
    }
    return pc_image_crop(out, image, floor_half(image->width - width), floor_half(image->height - height), width,
                         height);
}

pc_status pc_image_pad_square(pc_image **out, const pc_image *image, const uint8_t color[3])
{
    pc_image *result = NULL;
    int side = image->width > image->height ? image->width : image->height;
    PC_TRY(pc_image_new(&result, side, side));
    for (size_t i = 0; i < (size_t)side * (size_t)side; i++) {
        memcpy(result->pixels + i * 3, color, 3);
    }
    int left = (side - image->width) / 2;
    int top = (side - image->height) / 2;
    for (int y = 0; y < image->height; y++) {
        memcpy(pixel_at(result, left, top + y), pixel_at(image, 0, y), (size_t)image->width * 3);
    }
    *out = result;
    return PC_OK;
}

pc_status pc_image_shift(pc_image **out, const pc_image *image, int dx, int dy)
{
    pc_image *result = NULL;
    PC_TRY(pc_image_new(&result, image->width, image->height));
    for (int y = 0; y < result->height; y++) {
        int from_y = clamp((int64_t)y - dy, 0, image->height - 1);
        for (int x = 0; x < result->width; x++) {
            int from_x = clamp((int64_t)x - dx, 0, image->width - 1);
            memcpy(pixel_at(result, x, y), pixel_at(image, from_x, from_y), 3);
        }
    }
    *out = result;
    return PC_OK;
}

pc_status pc_image_orient(pc_image **out, const pc_image *image, int orientation)
{
    /* EXIF 2.3, tag 0x0112: which edge of the picture the stored row 0 and column 0 are.
     *   1 top, left      2 top, right     3 bottom, right  4 bottom, left
     *   5 left, top      6 right, top     7 right, bottom  8 left, bottom
     * Read from the result: bit "swap" exchanges x and y, then the stored column or row runs backwards. */
    static const struct { bool swap, flip_x, flip_y; } moves[9] = {
        [2] = {false, true, false}, [3] = {false, true, true}, [4] = {false, false, true}, [5] = {true, false, false},
        [6] = {true, false, true},  [7] = {true, true, true},  [8] = {true, true, false},
    };
    pc_image *result = NULL;
    int code = orientation >= 1 && orientation <= 8 ? orientation : 1;
    bool swap = moves[code].swap;
    PC_TRY(pc_image_new(&result, swap ? image->height : image->width, swap ? image->width : image->height));
    for (int y = 0; y < result->height; y++) {
        for (int x = 0; x < result->width; x++) {
            int from_x = swap ? y : x;
            int from_y = swap ? x : y;
            from_x = moves[code].flip_x ? image->width - 1 - from_x : from_x;
            from_y = moves[code].flip_y ? image->height - 1 - from_y : from_y;
            memcpy(pixel_at(result, x, y), pixel_at(image, from_x, from_y), 3);
        }
    }
    *out = result;
    return PC_OK;
}
