/* Images in memory: 8-bit RGB, row-major, no padding between rows.
 *
 * Flow: a file's bytes -> media/decode.h -> pc_image -> resize, crop, pad (below) -> media/recipe.h -> f32 [3,Y,X].
 *
 * Functions with `pc_image **out` give a new image that the caller frees with pc_image_free; the source image is
 * never changed, and *out is untouched on failure. Functions are thread safe as long as nobody writes to a source.
 */
#ifndef PC_MEDIA_IMAGE_H
#define PC_MEDIA_IMAGE_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

/* The longest side and the largest area that an image may have, whatever it comes from. */
#define PC_IMAGE_MAX_SIDE 32768
#define PC_IMAGE_MAX_PIXELS (64L << 20)

typedef struct pc_image {
    int width, height; /* pixels, each at least 1 */
    uint8_t *pixels;   /* [Y,X,3], red first */
} pc_image;

/* A black image. PC_ERR_DATA when a side is below 1 or above the limits, PC_ERR_MEMORY when memory is short. */
pc_status pc_image_new(pc_image **out, int width, int height);
void pc_image_free(pc_image *image); /* NULL is fine */
pc_status pc_image_copy(pc_image **out, const pc_image *image);

/* Write an 8-bit RGB PNG; readers see the old file or the whole new one. */
pc_status pc_image_save_png(const pc_image *image, const char *path);

#endif
