/* TIFF through libtiff, which undoes the compression; the rest of the way to 8-bit RGB is here.
 *
 *     strips or tiles, planes together or apart -> samples u8 [Y,X,S] -> RGB
 *
 *     gray 1, 2, 4, 8   scaled to 0..255, either way round; 16: min(value, 255), as Pillow does it
 *     RGB 8, 16         16 bits keep the high byte; alpha dropped, after a division by it if it is "associated"
 *     palette 1..8      the high bytes of the colour map
 *     CMYK 8            ink; YCbCr only within JPEG, where that library converts it
 *
 * Anything else (floats, signed, LAB, logarithms, raw YCbCr) is refused by name. Each page is a picture, turned by its
 * own orientation.
 */
#include "base/log.h"
#include "base/memory.h"
#include "media/decode.h"

#include <stdio.h>
#include <string.h>

#include <tiffio.h>

enum { MAX_SAMPLES = 8 };

typedef struct reader {
    const uint8_t *bytes;
    size_t size, at;
    const pc_image_limits *limits;
    TIFF *tiff;
    char message[256]; /* the first error of the library */
    uint32_t width, height, block_width, block_height, blocks;
    uint16_t bits, samples, photometric, planar, compression, format, orientation;
    uint16_t *map[3];  /* [2^bits], the library's */
    bool tiled, associated;
    uint8_t *pixels;   /* [Y,X,S] */
} reader;

static tmsize_t on_read(thandle_t handle, void *target, tmsize_t count)
{
    reader *r = handle;
    size_t left = r->at < r->size ? r->size - r->at : 0;
    size_t taken = count < 0 ? 0 : (size_t)count < left ? (size_t)count : left;
    memcpy(target, r->bytes + r->at, taken);
    r->at += taken;
    return (tmsize_t)taken;
}

static tmsize_t on_write(thandle_t handle, void *source, tmsize_t count)
{
    (void)handle;
    (void)source;
    (void)count;
    return -1;
}

static toff_t on_seek(thandle_t handle, toff_t offset, int whence)
{
    reader *r = handle;
    uint64_t from = whence == SEEK_CUR ? r->at : whence == SEEK_END ? r->size : 0;
    r->at = from + offset > SIZE_MAX / 2 ? SIZE_MAX / 2 : (size_t)(from + offset);
    return r->at;
}

static int on_close(thandle_t handle)
{
    (void)handle;
    return 0;
}

static toff_t on_size(thandle_t handle)
{
    return ((reader *)handle)->size;
}

static int on_error(TIFF *tiff, void *user, const char *module, const char *format, va_list arguments)
{
    reader *r = user;
    (void)tiff;
    (void)module;
    if (!r->message[0]) {
        vsnprintf(r->message, sizeof r->message, format, arguments);
    }
    return 1; /* handled */
}

static int on_warning(TIFF *tiff, void *user, const char *module, const char *format, va_list arguments)
{
    (void)tiff;
    (void)user;
    (void)module;
    (void)format;
    (void)arguments;
    return 1;
}

static pc_status fail(const reader *r)
{
    return pc_fail(PC_ERR_DATA, "%s", r->message[0] ? r->message : "damaged data");
}

static pc_status check_kind(reader *r)
{
    bool gray = r->photometric == PHOTOMETRIC_MINISBLACK || r->photometric == PHOTOMETRIC_MINISWHITE;
    bool small = r->bits == 1 || r->bits == 2 || r->bits == 4 || r->bits == 8;
    bool fits = false;
    uint16_t needed = 1;
    switch (r->photometric) {
    case PHOTOMETRIC_MINISWHITE: fits = small; break;
    case PHOTOMETRIC_MINISBLACK: fits = small || r->bits == 16; break;
    case PHOTOMETRIC_PALETTE:
        fits = small && TIFFGetField(r->tiff, TIFFTAG_COLORMAP, &r->map[0], &r->map[1], &r->map[2]);
        break;
    case PHOTOMETRIC_RGB:
        fits = r->bits == 8 || r->bits == 16;
        needed = 3;
        break;
    case PHOTOMETRIC_SEPARATED:
        fits = r->bits == 8;
        needed = 4;
        break;
    case PHOTOMETRIC_YCBCR:
        fits = r->bits == 8 && r->compression == COMPRESSION_JPEG && r->planar == PLANARCONFIG_CONTIG &&
               TIFFSetField(r->tiff, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
        needed = 3;
        break;
    default: break;
    }
    if (!fits || r->format != SAMPLEFORMAT_UINT || r->samples < needed || r->samples > MAX_SAMPLES) {
        return pc_fail(PC_ERR_DATA, "photometric %u with %u samples of %u bits, sample format %u, compression %u is not "
                       "supported", r->photometric, r->samples, r->bits, r->format, r->compression);
    }
    if (gray && r->bits == 16) {
        pc_log(PC_LOG_WARNING, "TIFF with 16-bit gray: values above 255 are shown white; convert it to 8 bits first");
    }
    return PC_OK;
}

static void read_orientation(reader *r)
{
    uint32_t size = 0;
    const void *xmp = NULL;
    r->orientation = 1;
    if (!TIFFGetField(r->tiff, TIFFTAG_ORIENTATION, &r->orientation) &&
        TIFFGetField(r->tiff, TIFFTAG_XMLPACKET, &size, &xmp)) {
        r->orientation = (uint16_t)pc_xmp_orientation(xmp, size);
    }
}

static pc_status read_tags(reader *r)
{
    uint16_t extras = 0;
    uint16_t *kinds = NULL;
    uint16_t color = 3; /* samples before the extra ones */
    TIFF *t = r->tiff;
    if (!TIFFGetField(t, TIFFTAG_IMAGEWIDTH, &r->width) || !TIFFGetField(t, TIFFTAG_IMAGELENGTH, &r->height) ||
        !TIFFGetField(t, TIFFTAG_PHOTOMETRIC, &r->photometric)) {
        return pc_fail(PC_ERR_DATA, "a page without width, height or photometric interpretation");
    }
    PC_TRY(pc_image_check_size(r->limits, r->width, r->height));
    TIFFGetFieldDefaulted(t, TIFFTAG_BITSPERSAMPLE, &r->bits);
    TIFFGetFieldDefaulted(t, TIFFTAG_SAMPLESPERPIXEL, &r->samples);
    TIFFGetFieldDefaulted(t, TIFFTAG_PLANARCONFIG, &r->planar);
    TIFFGetFieldDefaulted(t, TIFFTAG_SAMPLEFORMAT, &r->format);
    TIFFGetFieldDefaulted(t, TIFFTAG_COMPRESSION, &r->compression);
    read_orientation(r);
    TIFFGetFieldDefaulted(t, TIFFTAG_EXTRASAMPLES, &extras, &kinds);
    r->associated = r->photometric == PHOTOMETRIC_RGB && r->samples > color && extras > 0 && kinds[0] == EXTRASAMPLE_ASSOCALPHA;
    return check_kind(r);
}

static pc_status read_layout(reader *r)
{
    TIFF *t = r->tiff;
    r->tiled = TIFFIsTiled(t);
    if (r->tiled) {
        TIFFGetField(t, TIFFTAG_TILEWIDTH, &r->block_width);
        TIFFGetField(t, TIFFTAG_TILELENGTH, &r->block_height);
    } else {
        r->block_width = r->width;
        TIFFGetFieldDefaulted(t, TIFFTAG_ROWSPERSTRIP, &r->block_height);
        r->block_height = r->block_height < r->height ? r->block_height : r->height;
    }
    if (r->block_width < 1 || r->block_height < 1 || r->block_width > PC_IMAGE_MAX_SIDE ||
        r->block_height > PC_IMAGE_MAX_SIDE || (uint64_t)r->block_width * r->block_height > PC_IMAGE_MAX_PIXELS) {
        return pc_fail(PC_ERR_DATA, "pieces of %u x %u pixels", r->block_width, r->block_height);
    }
    uint64_t bits = (uint64_t)r->width * r->height * r->samples * r->bits;
    if (r->compression == COMPRESSION_NONE && bits / 8 > r->size) {
        return pc_fail(PC_ERR_DATA, "%u x %u pixels can't be in a file of %zu bytes", r->width, r->height, r->size);
    }
    return PC_OK;
}

/* Sample i of a row, as 8 bits; indices of a palette as they are. */
static uint8_t sample_at(const reader *r, const uint8_t *row, size_t i)
{
    uint16_t wide;
    switch (r->bits) {
    case 8: return row[i];
    case 16:
        memcpy(&wide, row + i * 2, sizeof wide); /* in the machine's order by now */
        if (r->photometric == PHOTOMETRIC_MINISBLACK) {
            return wide > 255 ? 255 : (uint8_t)wide;
        }
        return (uint8_t)(wide >> 8);
    default: break;
    }
    unsigned most = (1u << r->bits) - 1;
    unsigned value = row[i * r->bits / 8] >> (8 - r->bits - i * r->bits % 8) & most;
    return (uint8_t)(r->photometric == PHOTOMETRIC_PALETTE ? value : value * 255 / most);
}

/* A decompressed block whose corner is (left, top) goes to its place; `plane` -1 = all samples. */
static void scatter(reader *r, const uint8_t *block, uint32_t left, uint32_t top, int plane)
{
    size_t step = plane < 0 ? r->samples : 1;
    size_t pitch = ((size_t)r->block_width * step * r->bits + 7) / 8;
    for (uint32_t y = 0; y < r->block_height && top + y < r->height; y++) {
        uint8_t *target = r->pixels + ((size_t)(top + y) * r->width + left) * r->samples + (plane < 0 ? 0 : plane);
        for (size_t x = 0; x < r->block_width && left + x < r->width; x++) {
            for (size_t s = 0; s < step; s++) {
                target[x * r->samples + s] = sample_at(r, block + y * pitch, x * step + s);
            }
        }
    }
}

static pc_status read_blocks(reader *r)
{
    bool apart = r->planar == PLANARCONFIG_SEPARATE && r->samples > 1;
    size_t row = ((size_t)r->block_width * (apart ? 1 : r->samples) * r->bits + 7) / 8;
    size_t size = row * r->block_height;
    uint8_t *block = NULL;
    pc_status status = PC_OK;
    if ((size_t)(r->tiled ? TIFFTileSize(r->tiff) : TIFFStripSize(r->tiff)) != size) {
        return pc_fail(PC_ERR_DATA, "pieces whose length does not follow from their size");
    }
    PC_TRY(PC_NEW_ARRAY(block, size, "a piece of a TIFF"));
    for (int plane = 0; plane < (apart ? r->samples : 1); plane++) {
        for (uint32_t top = 0; top < r->height; top += r->block_height) {
            for (uint32_t left = 0; left < r->width; left += r->block_width) {
                uint16_t p = (uint16_t)plane;
                tmsize_t got = r->tiled ? TIFFReadTile(r->tiff, block, left, top, 0, p)
                                        : TIFFReadEncodedStrip(r->tiff, TIFFComputeStrip(r->tiff, top, p), block, -1);
                uint32_t rows = r->height - top < r->block_height ? r->height - top : r->block_height;
                if (got < 0 || (size_t)got < row * (r->tiled ? r->block_height : rows)) {
                    PC_GO(fail(r));
                }
                scatter(r, block, left, top, apart ? plane : -1);
            }
        }
    }
done:
    pc_free(block);
    return status;
}

static uint8_t divided(uint8_t value, uint8_t alpha)
{
    unsigned result = alpha ? value * 255u / alpha : 0;
    return (uint8_t)(result > 255 ? 255 : result);
}

static void to_rgb(const reader *r, uint8_t *rgb, const uint8_t *from)
{
    uint8_t ink[4];
    switch (r->photometric) {
    case PHOTOMETRIC_MINISWHITE: memset(rgb, 255 - from[0], 3); return;
    case PHOTOMETRIC_MINISBLACK: memset(rgb, from[0], 3); return;
    case PHOTOMETRIC_SEPARATED:
        for (int c = 0; c < 4; c++) {
            ink[c] = (uint8_t)(255 - from[c]);
        }
        pc_image_row_from_cmyk(rgb, ink, 1);
        return;
    case PHOTOMETRIC_PALETTE:
        for (int c = 0; c < 3; c++) {
            rgb[c] = (uint8_t)(r->map[c][from[0]] >> 8);
        }
        return;
    default: break;
    }
    for (int c = 0; c < 3; c++) {
        rgb[c] = r->associated ? divided(from[c], from[3]) : from[c];
    }
}

/* The current page. */
static pc_status read_page(reader *r, pc_image **out)
{
    pc_image *image = NULL;
    pc_status status = PC_OK;
    PC_TRY(read_tags(r));
    PC_TRY(read_layout(r));
    PC_TRY(PC_NEW_ARRAY(r->pixels, (size_t)r->width * r->height * r->samples, "the samples of a TIFF"));
    PC_GO(read_blocks(r));
    PC_GO(pc_image_new(&image, (int)r->width, (int)r->height));
    for (size_t i = 0; i < (size_t)r->width * r->height; i++) {
        to_rgb(r, image->pixels + i * 3, r->pixels + i * r->samples);
    }
    if (r->orientation > 1 && r->orientation <= 8 && !r->limits->as_stored) {
        pc_image *upright = NULL;
        PC_GO(pc_image_orient(&upright, image, r->orientation));
        pc_image_free(image);
        image = upright;
    }
    *out = image;
    image = NULL;
done:
    pc_image_free(image);
    pc_free(r->pixels);
    r->pixels = NULL;
    return status;
}

static pc_status open_file(reader *r)
{
    TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
    if (!options) {
        return pc_fail(PC_ERR_MEMORY, "memory is short");
    }
    TIFFOpenOptionsSetErrorHandlerExtR(options, on_error, r);
    TIFFOpenOptionsSetWarningHandlerExtR(options, on_warning, r);
    TIFFOpenOptionsSetMaxSingleMemAlloc(options, (tmsize_t)PC_IMAGE_MAX_PIXELS * MAX_SAMPLES);
    r->tiff = TIFFClientOpenExt("a picture", "rm", r, on_read, on_write, on_seek, on_close, on_size, NULL, NULL, options);
    TIFFOpenOptionsFree(options);
    return r->tiff ? PC_OK : fail(r);
}

static pc_status decode_frames(pc_image_frames *frames, const uint8_t *bytes, size_t size, const pc_image_limits *limits)
{
    reader r = {.bytes = bytes, .size = size, .limits = limits};
    pc_status status = PC_OK;
    bool further = true;
    PC_TRY(open_file(&r));
    while (further && !pc_image_frames_full(frames, limits)) {
        pc_image *image = NULL;
        PC_GO(read_page(&r, &image));
        PC_GO(pc_image_frames_add(frames, image, 0));
        further = limits->max_frames != 1 && TIFFReadDirectory(r.tiff);
    }
    frames->more = further && limits->max_frames != 1;
done:
    TIFFClose(r.tiff);
    return status;
}

static bool matches(const uint8_t *bytes, size_t size)
{
    return size >= 4 && (memcmp(bytes, "II*\0", 4) == 0 || memcmp(bytes, "MM\0*", 4) == 0 ||
                         memcmp(bytes, "II+\0", 4) == 0 || memcmp(bytes, "MM\0+", 4) == 0);
}

const pc_image_decoder pc_image_decoder_tiff = {.name = "TIFF", .matches = matches, .decode_frames = decode_frames};
