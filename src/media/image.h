/* Images in memory: 8-bit RGB, row-major, no padding between rows; and what is done to them before a model sees them.
 *
 * Flow: a file's bytes -> media/decode.h -> pc_image -> resize, crop, pad (below) -> media/recipe.h -> f32 [3,Y,X].
 *
 * Functions with `pc_image **out` give a new image that the caller frees with pc_image_free; the source image is
 * never changed, and *out is untouched on failure. They fail with PC_ERR_DATA when the result would have a side
 * below 1 or above the limits, and with PC_ERR_MEMORY. All are thread safe as long as nobody writes to a source.
 */
#ifndef PC_MEDIA_IMAGE_H
#define PC_MEDIA_IMAGE_H

#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

/* The longest side and the largest area that an image may have, whatever it comes from. */
#define PC_IMAGE_MAX_SIDE 32768
#define PC_IMAGE_MAX_PIXELS (64L << 20)

typedef struct pc_image {
    int width, height; /* pixels, each at least 1 */
    uint8_t *pixels;   /* [Y,X,3], red first */
} pc_image;

/* The numbers are Pillow's, as they stand in preprocessor_config.json under "resample". */
typedef enum pc_image_filter {
    PC_FILTER_NEAREST = 0,
    PC_FILTER_LANCZOS = 1,
    PC_FILTER_BILINEAR = 2,
    PC_FILTER_BICUBIC = 3,
    PC_FILTER_BOX = 4,
    PC_FILTER_HAMMING = 5,
    PC_FILTER_COUNT
} pc_image_filter;

/* A black image. */
pc_status pc_image_new(pc_image **out, int width, int height);
void pc_image_free(pc_image *image); /* NULL is fine */
pc_status pc_image_copy(pc_image **out, const pc_image *image);

/* Resample to width x height, bit for bit as Pillow's Image.resize of an RGB image (no box, no reducing gap). */
pc_status pc_image_resize(pc_image **out, const pc_image *image, int width, int height, pc_image_filter filter);
const char *pc_image_filter_name(pc_image_filter filter); /* "bicubic" ... */
int pc_image_filter_from_name(const char *name);          /* -1 when unknown */

/* The rectangle whose corner is (left, top), either of which may be negative; what lies outside the image is black. */
pc_status pc_image_crop(pc_image **out, const pc_image *image, int left, int top, int width, int height);
/* The middle: left = floor((X - width) / 2), top likewise, so a smaller image gets a black border. This is the rule
 * of transformers; torchvision rounds the half up or down to even and differs for some odd margins. */
pc_status pc_image_crop_center(pc_image **out, const pc_image *image, int width, int height);
/* A square with the longer side, filled with `color` (red, green, blue), the image at floor(margin / 2). */
pc_status pc_image_pad_square(pc_image **out, const pc_image *image, const uint8_t color[3]);
/* The picture moved dx pixels right and dy down; the edge pixels fill what becomes free. For training. */
pc_status pc_image_shift(pc_image **out, const pc_image *image, int dx, int dy);
/* Turned and mirrored so that an image stored with this EXIF orientation (1..8) stands upright; others count as 1. */
pc_status pc_image_orient(pc_image **out, const pc_image *image, int orientation);

/* Write an 8-bit RGB PNG; readers see the old file or the whole new one. PC_ERR_IO when it can't be written. */
pc_status pc_image_save_png(const pc_image *image, const char *path);

/* The same PNG appended to *out. */
pc_status pc_image_encode_png(const pc_image *image, pc_str *out);

#endif
