/* Source: imagehash (JohannesBuchner/imagehash), imagehash/__init__.py, phash and dhash; the discrete cosine transform is scipy's
 * of type 2 without norm: y[k] = 2 sum_n x[n] cos(pi k (2n + 1) / 2N), first down the columns, then along the rows.
 *
 * Easy to get wrong: the constant term is one of the 64 that the median is taken of; the median of an even number is the mean of the
 * middle two. Coefficients that are zero but for rounding (a picture of one colour, or one that is the same in each row) are
 * set to zero, as scipy's transform has them.
 */
#include "media/picture_hash.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 8, FINE = 32 };

/* Luminance in all three channels, so that resizing is that of a gray picture. */
static pc_status to_gray(pc_image **out, const pc_image *image)
{
    pc_status status = pc_image_new(out, image->width, image->height);
    size_t count = (size_t)image->width * (size_t)image->height;
    for (size_t i = 0; status == PC_OK && i < count; i++) {
        const uint8_t *from = image->pixels + 3 * i;
        /* ITU-R 601 in 16 bits, as Pillow's L24 */
        uint32_t light = (from[0] * 19595u + from[1] * 38470u + from[2] * 7471u + 0x8000u) >> 16;
        memset((*out)->pixels + 3 * i, (int)light, 3);
    }
    return status;
}

/* gray [height,width] of the resized picture. */
static pc_status shrink(uint8_t *gray, const pc_image *image, int width, int height)
{
    pc_image *whole = NULL, *small = NULL;
    pc_status status = to_gray(&whole, image);
    status = status == PC_OK ? pc_image_resize(&small, whole, width, height, PC_FILTER_LANCZOS) : status;
    for (int i = 0; status == PC_OK && i < width * height; i++) {
        gray[i] = small->pixels[3 * i];
    }
    pc_image_free(whole);
    pc_image_free(small);
    return status;
}

/* The 8 x 8 lowest coefficients of gray [32,32]. */
static void transform(double out[SIDE * SIDE], const uint8_t *gray)
{
    double wave[SIDE][FINE], columns[SIDE][FINE];
    const double noise = 1e-8; /* sums reach 4 * 32 * 32 * 255 */
    for (int k = 0; k < SIDE; k++) {
        for (int n = 0; n < FINE; n++) {
            wave[k][n] = 2 * cos(acos(-1.0) * k * (2 * n + 1) / (2 * FINE));
        }
    }
    for (int k = 0; k < SIDE; k++) {
        for (int x = 0; x < FINE; x++) {
            columns[k][x] = 0;
            for (int y = 0; y < FINE; y++) {
                columns[k][x] += wave[k][y] * gray[y * FINE + x];
            }
        }
    }
    for (int k = 0; k < SIDE; k++) {
        for (int l = 0; l < SIDE; l++) {
            double sum = 0;
            for (int x = 0; x < FINE; x++) {
                sum += wave[l][x] * columns[k][x];
            }
            out[k * SIDE + l] = fabs(sum) < noise ? 0 : sum;
        }
    }
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

pc_status pc_image_phash(uint64_t *out, const pc_image *image)
{
    uint8_t gray[FINE * FINE];
    double values[SIDE * SIDE], sorted[SIDE * SIDE];
    PC_TRY(shrink(gray, image, FINE, FINE));
    transform(values, gray);
    memcpy(sorted, values, sizeof sorted);
    qsort(sorted, SIDE * SIDE, sizeof *sorted, by_value);
    double median = (sorted[SIDE * SIDE / 2 - 1] + sorted[SIDE * SIDE / 2]) / 2;
    *out = 0;
    for (int i = 0; i < SIDE * SIDE; i++) {
        *out = *out << 1 | (values[i] > median);
    }
    return PC_OK;
}

pc_status pc_image_dhash(uint64_t *out, const pc_image *image)
{
    uint8_t gray[SIDE * (SIDE + 1)];
    PC_TRY(shrink(gray, image, SIDE + 1, SIDE));
    *out = 0;
    for (int y = 0; y < SIDE; y++) {
        for (int x = 0; x < SIDE; x++) {
            const uint8_t *at = gray + y * (SIDE + 1) + x;
            *out = *out << 1 | (at[1] > at[0]);
        }
    }
    return PC_OK;
}
