/* Resampling with Pillow's 8-bit fixed-point arithmetic, bit for bit.
 *
 *     weights(x') = f((x + 0.5 - c) / s) / sum,  c = (x' + 0.5) X / X',  s = max(X / X', 1)    in f64
 *     k           = round(weights * 2^22)                                                      in i32
 *     out         = clamp((2^21 + sum of k * pixel) >> 22)                                     in i32
 *
 * Source: Pillow, src/libImaging/Resample.c (filters and passes) and Geometry.c (nearest). An output pixel sees more
 * input pixels when the image shrinks (s > 1): that is the antialiasing which OpenCV and torch leave out.
 *
 * Easy to get wrong: rounded to 8 bits between the passes; a pass whose size does not change is left out; halves round away from zero; bicubic has a = -0.5; nearest steps by adding, so its rounding errors add up too.
 *
 * Which pass comes first shows in the last bit. Pillow took columns first until version 12; version 13, the oracle's,
 * takes rows first when X' != X, Y' < Y and Y - Y' > 2 (X - X'), and so do we.
 *
 * Integer sums do not depend on their order, so both passes add "tap times a run of lanes": in the second pass a run
 * is a piece of a row, in the first a column of ROWS rows that a small transposition has put side by side.
 */
#include "base/memory.h"
#include "media/image.h"

#include <math.h>
#include <string.h>

enum {
    PRECISION = 32 - 8 - 2, /* fraction bits: 8 for the pixel, 2 spare for overshoot of negative lobes */
    ROWS = 16,              /* rows that the first pass takes together */
    LANES = ROWS * 3,       /* bytes that are weighted together */
};

/* The same code compiled for wider registers, chosen when the program is loaded; integers, so results are equal.
 * Sanitizers instrument the chooser itself, which then runs too early, so they get the plain version. */
#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define WIDE __attribute__((target_clones("avx2", "default")))
#else
#define WIDE
#endif

typedef struct filter_info {
    const char *name;
    double support; /* radius in output pixels */
    double (*weight)(double x);
} filter_info;

typedef struct taps {
    int size;         /* room for the weights of one output pixel */
    int *first;       /* [out] first input pixel */
    int *count;       /* [out] how many */
    int32_t *weights; /* [out, size] */
} taps;

static double box(double x)
{
    return x > -0.5 && x <= 0.5 ? 1.0 : 0.0;
}

static double triangle(double x)
{
    x = fabs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}

static double hamming(double x)
{
    x = fabs(x);
    if (x == 0.0) {
        return 1.0;
    }
    if (x >= 1.0) {
        return 0.0;
    }
    x = x * M_PI;
    return sin(x) / x * (0.54f + 0.46f * cos(x)); /* constants in single precision, as the reference has them */
}

static double cubic(double x) /* Keys 1981 */
{
    const double a = -0.5;
    x = fabs(x);
    if (x < 1.0) {
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    }
    return x < 2.0 ? (((x - 5) * x + 8) * x - 4) * a : 0.0;
}

static double sinc(double x)
{
    if (x == 0.0) {
        return 1.0;
    }
    x = x * M_PI;
    return sin(x) / x;
}

static double lanczos(double x)
{
    return -3.0 <= x && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0;
}

static const filter_info filters[PC_FILTER_COUNT] = {
    [PC_FILTER_NEAREST] = {.name = "nearest"},
    [PC_FILTER_LANCZOS] = {.name = "lanczos", .support = 3.0, .weight = lanczos},
    [PC_FILTER_BILINEAR] = {.name = "bilinear", .support = 1.0, .weight = triangle},
    [PC_FILTER_BICUBIC] = {.name = "bicubic", .support = 2.0, .weight = cubic},
    [PC_FILTER_BOX] = {.name = "box", .support = 0.5, .weight = box},
    [PC_FILTER_HAMMING] = {.name = "hamming", .support = 1.0, .weight = hamming},
};

const char *pc_image_filter_name(pc_image_filter filter)
{
    return filter < PC_FILTER_COUNT ? filters[filter].name : "unknown";
}

int pc_image_filter_from_name(const char *name)
{
    for (int i = 0; i < PC_FILTER_COUNT; i++) {
        if (strcmp(filters[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

static void taps_clear(taps *t)
{
    pc_free(t->first);
    pc_free(t->count);
    pc_free(t->weights);
    memset(t, 0, sizeof *t);
}

/* The weights of output pixel i, normalised and in fixed point. `f64` has room for t->size of them. */
static void fill_tap(taps *t, int i, int in, double scale, const filter_info *filter, double *f64)
{
    double stretch = scale < 1.0 ? 1.0 : scale;
    double support = filter->support * stretch;
    double center = (i + 0.5) * scale;
    double inverse = 1.0 / stretch; /* a product with this, not a quotient: the last bit differs */
    double sum = 0.0;
    int low = (int)(center - support + 0.5);
    int high = (int)(center + support + 0.5);
    low = low < 0 ? 0 : low;
    high = high > in ? in : high;
    for (int j = 0; j < high - low; j++) {
        f64[j] = filter->weight((j + low - center + 0.5) * inverse);
        sum += f64[j];
    }
    for (int j = 0; j < high - low; j++) {
        double weight = sum != 0.0 ? f64[j] / sum : f64[j];
        t->weights[(size_t)i * (size_t)t->size + (size_t)j] =
            (int32_t)((weight < 0 ? -0.5 : 0.5) + weight * (1 << PRECISION));
    }
    t->first[i] = low;
    t->count[i] = high - low;
}

static pc_status taps_init(taps *t, int in, int out, const filter_info *filter)
{
    pc_status status = PC_OK;
    double *f64 = NULL;
    double scale = (double)in / out;
    memset(t, 0, sizeof *t);
    t->size = (int)ceil(filter->support * (scale < 1.0 ? 1.0 : scale)) * 2 + 1;
    PC_GO(PC_NEW_ARRAY(t->first, (size_t)out, "resize taps"));
    PC_GO(PC_NEW_ARRAY(t->count, (size_t)out, "resize taps"));
    PC_GO(PC_NEW_ARRAY(t->weights, (size_t)out * (size_t)t->size, "resize weights"));
    PC_GO(PC_NEW_ARRAY(f64, (size_t)t->size, "resize weights"));
    for (int i = 0; i < out; i++) {
        fill_tap(t, i, in, scale, filter, f64);
    }
done:
    pc_free(f64);
    if (status != PC_OK) {
        taps_clear(t);
    }
    return status;
}

static inline uint8_t clip(int32_t sum)
{
    int32_t value = sum >> PRECISION;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/* out[l] = weighted sum over `count` runs, `stride` bytes apart, of LANES bytes each. */
static inline void weigh(uint8_t *restrict out, const uint8_t *restrict in, size_t stride,
                         const int32_t *restrict weights, int count)
{
    int32_t sum[LANES];
    for (int l = 0; l < LANES; l++) {
        sum[l] = 1 << (PRECISION - 1);
    }
    for (int j = 0; j < count; j++) {
        const uint8_t *restrict run = in + (size_t)j * stride;
        int32_t weight = weights[j];
        for (int l = 0; l < LANES; l++) {
            sum[l] += weight * run[l];
        }
    }
    for (int l = 0; l < LANES; l++) {
        out[l] = clip(sum[l]);
    }
}

/* First pass: rows [y0, y0 + rows) of `from` become the same rows of `to`, starting at its row y0 - skip. */
WIDE static void resample_columns(pc_image *to, const pc_image *from, int y0, int skip, int rows, const taps *t,
                                  uint8_t *tile)
{
    size_t from_pitch = (size_t)from->width * 3;
    size_t to_pitch = (size_t)to->width * 3;
    const uint8_t *source = from->pixels + (size_t)y0 * from_pitch;
    uint8_t *target = to->pixels + (size_t)(y0 - skip) * to_pitch;
    for (int r = 0; r < rows; r++) { /* tile: [X, ROWS, 3] */
        for (int x = 0; x < from->width; x++) {
            const uint8_t *pixel = source + (size_t)r * from_pitch + (size_t)x * 3;
            uint8_t *place = tile + (size_t)x * LANES + r * 3;
            place[0] = pixel[0];
            place[1] = pixel[1];
            place[2] = pixel[2];
        }
    }
    for (int x = 0; x < to->width; x++) {
        uint8_t column[LANES];
        weigh(column, tile + (size_t)t->first[x] * LANES, LANES, t->weights + (size_t)x * (size_t)t->size, t->count[x]);
        for (int r = 0; r < rows; r++) {
            memcpy(target + (size_t)r * to_pitch + (size_t)x * 3, column + r * 3, 3);
        }
    }
}

/* Second pass: one row of `to`; `from` begins with row `skip` of the source. */
WIDE static void resample_row(pc_image *to, const pc_image *from, int y, int skip, const taps *t)
{
    size_t pitch = (size_t)to->width * 3;
    const int32_t *weights = t->weights + (size_t)y * (size_t)t->size;
    const uint8_t *source = from->pixels + (size_t)(t->first[y] - skip) * pitch;
    uint8_t *target = to->pixels + (size_t)y * pitch;
    size_t at = 0;
    for (; at + LANES <= pitch; at += LANES) {
        weigh(target + at, source + at, pitch, weights, t->count[y]);
    }
    for (; at < pitch; at++) {
        int32_t sum = 1 << (PRECISION - 1);
        for (int j = 0; j < t->count[y]; j++) {
            sum += weights[j] * source[(size_t)j * pitch + at];
        }
        target[at] = clip(sum);
    }
}

/* *out = columns resampled, of rows [y0, y1). */
static pc_status horizontal(pc_image **out, const pc_image *image, int width, int y0, int y1, const filter_info *filter)
{
    pc_status status = PC_OK;
    pc_image *result = NULL;
    uint8_t *tile = NULL;
    taps t = {0};
    PC_GO(taps_init(&t, image->width, width, filter));
    PC_GO(pc_image_new(&result, width, y1 - y0));
    PC_GO(PC_NEW_ARRAY(tile, (size_t)image->width * LANES, "a tile of rows"));
    for (int y = y0; y < y1; y += ROWS) {
        resample_columns(result, image, y, y0, y1 - y < ROWS ? y1 - y : ROWS, &t, tile);
    }
    *out = result;
    result = NULL;
done:
    pc_free(tile);
    pc_image_free(result);
    taps_clear(&t);
    return status;
}

/* *out = rows resampled. */
static pc_status vertical(pc_image **out, const pc_image *image, int height, const filter_info *filter)
{
    pc_image *result = NULL;
    taps t = {0};
    pc_status status = taps_init(&t, image->height, height, filter);
    if (status == PC_OK) {
        status = pc_image_new(&result, image->width, height);
    }
    for (int y = 0; status == PC_OK && y < height; y++) {
        resample_row(result, image, y, 0, &t);
    }
    taps_clear(&t);
    *out = status == PC_OK ? result : *out;
    return status;
}

/* Whether Pillow 13 takes rows first. */
static bool rows_first(const pc_image *image, int width, int height)
{
    return width != image->width && height < image->height &&
           (int64_t)image->height - height > 2 * ((int64_t)image->width - width);
}

static pc_status convolve(pc_image **out, const pc_image *image, int width, int height, const filter_info *filter)
{
    pc_image *between = NULL;
    if (width == image->width) {
        return vertical(out, image, height, filter);
    }
    if (height == image->height) {
        return horizontal(out, image, width, 0, height, filter);
    }
    pc_status status;
    if (rows_first(image, width, height)) {
        PC_TRY(vertical(&between, image, height, filter));
        status = horizontal(out, between, width, 0, height, filter);
    } else {
        PC_TRY(horizontal(&between, image, width, 0, image->height, filter));
        status = vertical(out, between, height, filter);
    }
    pc_image_free(between);
    return status;
}

/* Positions by repeated addition, as the reference steps through its affine map. */
static pc_status nearest(pc_image **out, const pc_image *image, int width, int height)
{
    pc_image *result = NULL;
    double step_x = (double)image->width / width;
    double step_y = (double)image->height / height;
    double from_y = step_y * 0.5;
    PC_TRY(pc_image_new(&result, width, height));
    for (int y = 0; y < height; y++, from_y += step_y) {
        int row = (int)from_y < image->height ? (int)from_y : image->height - 1;
        const uint8_t *source = image->pixels + (size_t)row * (size_t)image->width * 3;
        uint8_t *target = result->pixels + (size_t)y * (size_t)width * 3;
        double from_x = step_x * 0.5;
        for (int x = 0; x < width; x++, from_x += step_x) {
            int column = (int)from_x < image->width ? (int)from_x : image->width - 1;
            memcpy(target + (size_t)x * 3, source + (size_t)column * 3, 3);
        }
    }
    *out = result;
    return PC_OK;
}

pc_status pc_image_resize(pc_image **out, const pc_image *image, int width, int height, pc_image_filter filter)
{
    if (width < 1 || height < 1 || width > PC_IMAGE_MAX_SIDE || height > PC_IMAGE_MAX_SIDE) {
        return pc_fail(PC_ERR_DATA, "can't resize to %d x %d pixels: sides go from 1 to %d", width, height,
                       PC_IMAGE_MAX_SIDE);
    }
    if ((unsigned)filter >= PC_FILTER_COUNT) {
        return pc_fail(PC_ERR_USAGE, "there is no resize filter %d", (int)filter);
    }
    if (width == image->width && height == image->height) {
        return pc_image_copy(out, image);
    }
    if (filter == PC_FILTER_NEAREST) {
        return nearest(out, image, width, height);
    }
    return convolve(out, image, width, height, &filters[filter]);
}
