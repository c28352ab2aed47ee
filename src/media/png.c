/* PNG through libpng: every colour type and depth becomes 8-bit RGB as Pillow's convert("RGB") makes it.
 *
 *     gray 1, 2, 4, 8   scaled to 0..255, copied to three channels
 *     gray 16           min(value, 255): Pillow's arithmetic, though few would want it; a warning is logged
 *     palette           its colours; an index behind the palette's end is black
 *     RGB, alpha        as stored, alpha and transparent colours dropped; 16 bits keep the high byte
 *
 * Gamma, profiles and background are ignored. Ancillary chunks are skipped unread, so nothing in them is inflated.
 * A bad checksum of a critical chunk, or a missing end chunk, means a damaged file and refuses it.
 *
 * libpng reports errors by a jump: all calls that can jump run below run_guarded(), the only place with a setjmp, and
 * what must survive a jump lives in struct reader.
 */
#include "base/log.h"
#include "base/memory.h"
#include "media/decode.h"

#include <png.h>
#include <setjmp.h>
#include <string.h>

enum {
    SIGNATURE = 8,
    CHUNK = 12,          /* length, type and checksum of a chunk */
    MAX_INFLATION = 1032 /* deflate makes at most this of a byte (258 bytes from two bits) */
};

typedef struct reader {
    png_structp png;
    png_infop info;
    const pc_image_limits *limits;
    const uint8_t *bytes;
    size_t size, at;
    pc_image *image;
    png_bytep *rows; /* [Y] into image */
    bool starved; /* an allocation failed */
    pc_status status;
} reader;

static void stop(reader *r, pc_status status)
{
    r->status = status;
    png_longjmp(r->png, 1);
}

static void on_error(png_structp png, png_const_charp message)
{
    reader *r = png_get_error_ptr(png);
    r->png = png; /* it may not have been handed out yet */
    stop(r, r->starved ? pc_fail(PC_ERR_MEMORY, "memory is short")
                       : pc_fail(PC_ERR_DATA, "%s (at byte %zu of %zu)", message, r->at, r->size));
}

static void on_warning(png_structp png, png_const_charp message)
{
    (void)png;
    (void)message;
}

static void on_read(png_structp png, png_bytep target, size_t count)
{
    reader *r = png_get_io_ptr(png);
    if (count > r->size - r->at) {
        stop(r, pc_fail(PC_ERR_DATA, "the file ends after %zu bytes, in the middle of the picture", r->size));
    }
    memcpy(target, r->bytes + r->at, count);
    r->at += count;
}

static png_voidp take_memory(png_structp png, png_alloc_size_t size)
{
    void *block = pc_calloc(size, 1);
    if (!block) {
        ((reader *)png_get_mem_ptr(png))->starved = true;
    }
    return block;
}

static void give_memory(png_structp png, png_voidp block)
{
    (void)png;
    pc_free(block);
}

/* Gray of 16 bits becomes RGB of 8, in place and therefore backwards. */
static void clamp_gray16(png_structp png, png_row_infop row, png_bytep data)
{
    (void)png;
    for (size_t x = row->width; x-- > 0;) {
        memset(data + x * 3, data[x * 2] ? 255 : data[x * 2 + 1], 3);
    }
    row->bit_depth = 8;
    row->channels = 3;
    row->color_type = PNG_COLOR_TYPE_RGB;
    row->pixel_depth = 24;
    row->rowbytes = (size_t)row->width * 3;
}

static void choose_transforms(reader *r, int color, int depth)
{
    if (color == PNG_COLOR_TYPE_GRAY && depth == 16) {
        png_set_read_user_transform_fn(r->png, clamp_gray16);
        png_set_user_transform_info(r->png, NULL, 8, 3);
        pc_log(PC_LOG_WARNING, "PNG with 16-bit gray: values above 255 are shown white; convert it to 8 bits first");
        return;
    }
    png_set_strip_16(r->png);
    png_set_strip_alpha(r->png);
    if (color == PNG_COLOR_TYPE_PALETTE) {
        png_set_palette_to_rgb(r->png);
    } else if (!(color & PNG_COLOR_MASK_COLOR)) {
        png_set_expand_gray_1_2_4_to_8(r->png);
        png_set_gray_to_rgb(r->png);
    }
}

static void check_header(reader *r)
{
    png_uint_32 width = png_get_image_width(r->png, r->info);
    png_uint_32 height = png_get_image_height(r->png, r->info);
    r->status = pc_image_check_size(r->limits, width, height);
    if (r->status != PC_OK) {
        png_longjmp(r->png, 1);
    }
    uint64_t bits = (uint64_t)png_get_channels(r->png, r->info) * png_get_bit_depth(r->png, r->info);
    if ((uint64_t)width * height * bits / 8 / MAX_INFLATION > r->size) {
        stop(r, pc_fail(PC_ERR_DATA, "%u x %u pixels can't be in a file of %zu bytes", width, height, r->size));
    }
}

static void allocate(reader *r)
{
    r->status = pc_image_new(&r->image, (int)png_get_image_width(r->png, r->info),
                             (int)png_get_image_height(r->png, r->info));
    if (r->status == PC_OK) {
        r->status = PC_NEW_ARRAY(r->rows, (size_t)r->image->height, "rows of a PNG");
    }
    if (r->status != PC_OK) {
        png_longjmp(r->png, 1);
    }
    for (int y = 0; y < r->image->height; y++) {
        r->rows[y] = r->image->pixels + (size_t)y * (size_t)r->image->width * 3;
    }
}

static void read_all(reader *r)
{
    png_set_read_fn(r->png, r, on_read);
    png_set_user_limits(r->png, PC_IMAGE_MAX_SIDE, PC_IMAGE_MAX_SIDE);
    /* NULL with -1: every chunk that libpng knows and the format does not need. */
    png_set_keep_unknown_chunks(r->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_read_info(r->png, r->info);
    check_header(r);
    choose_transforms(r, png_get_color_type(r->png, r->info), png_get_bit_depth(r->png, r->info));
    png_set_interlace_handling(r->png);
    png_read_update_info(r->png, r->info);
    if (png_get_rowbytes(r->png, r->info) != (size_t)png_get_image_width(r->png, r->info) * 3) {
        stop(r, pc_fail(PC_ERR_DATA, "rows of %zu bytes where RGB needs %zu", png_get_rowbytes(r->png, r->info),
                        (size_t)png_get_image_width(r->png, r->info) * 3));
    }
    allocate(r);
    png_read_image(r->png, r->rows);
    png_read_end(r->png, NULL);
}

static pc_status run_guarded(reader *r, void (*work)(reader *))
{
    if (setjmp(png_jmpbuf(r->png))) {
        return r->status;
    }
    work(r);
    return PC_OK;
}

static pc_status decode(pc_image **out, const uint8_t *bytes, size_t size, const pc_image_limits *limits)
{
    reader *r = NULL;
    PC_TRY(PC_NEW(r, "a PNG reader"));
    r->limits = limits;
    r->bytes = bytes;
    r->size = size;
    r->png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, r, on_error, on_warning, r, take_memory, give_memory);
    r->info = r->png ? png_create_info_struct(r->png) : NULL;
    pc_status status = r->info ? run_guarded(r, read_all) : pc_fail(PC_ERR_MEMORY, "memory is short");
    png_destroy_read_struct(&r->png, &r->info, NULL);
    if (status == PC_OK && r->starved) { /* libpng went on without something it wanted */
        status = pc_fail(PC_ERR_MEMORY, "memory is short");
    }
    pc_free(r->rows);
    if (status == PC_OK) {
        *out = r->image;
    } else {
        pc_image_free(r->image);
    }
    pc_free(r);
    return status;
}

static const uint8_t signature[SIGNATURE] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};

static bool matches(const uint8_t *bytes, size_t size)
{
    return size >= SIGNATURE && memcmp(bytes, signature, SIGNATURE) == 0;
}

/* The data of the first chunk of a type that begin with `start`. Walks the chunks: length, type, data, checksum. */
static const uint8_t *find_chunk(const uint8_t *bytes, size_t size, const char *type, const char *start, size_t start_size,
                                 size_t *found_size)
{
    size_t at = SIGNATURE;
    *found_size = 0;
    while (size - at >= CHUNK) {
        size_t length = (size_t)bytes[at] << 24 | (size_t)bytes[at + 1] << 16 | (size_t)bytes[at + 2] << 8 |
                        (size_t)bytes[at + 3];
        if (length > size - at - CHUNK) {
            return NULL;
        }
        if (memcmp(bytes + at + 4, type, 4) == 0 && length >= start_size && memcmp(bytes + at + 8, start, start_size) == 0) {
            *found_size = length;
            return bytes + at + 8;
        }
        at += CHUNK + length;
    }
    return NULL;
}

/* It may stand before or behind the pixels, as may the next. */
static const uint8_t *find_exif(const uint8_t *bytes, size_t size, size_t *exif_size)
{
    return find_chunk(bytes, size, "eXIf", "", 0, exif_size);
}

/* iTXt: keyword, NUL, whether compressed, how, language, NUL, translated keyword, NUL, text. XMP is never compressed. */
static const uint8_t *find_xmp(const uint8_t *bytes, size_t size, size_t *xmp_size)
{
    static const char start[] = "XML:com.adobe.xmp\0"; /* its last NUL: not compressed */
    return find_chunk(bytes, size, "iTXt", start, sizeof start, xmp_size);
}

const pc_image_decoder pc_image_decoder_png = {
    .name = "PNG",
    .matches = matches,
    .decode = decode,
    .find_exif = find_exif,
    .find_xmp = find_xmp,
};
