/* BMP, read by hand: all header versions from OS/2 to V5, 1 to 32 bits, run lengths, bit fields. Alpha is dropped.
 *
 *     14 bytes   "BM", size, reserved, u32 where the pixels begin
 *     header     u32 its own size (which is the version), width, height, ... , u32 number of colours
 *     masks      three u32 behind a 40-byte header with bit fields, else within the header
 *     palette    blue, green, red, and a fourth byte except in the OS/2 version
 *     pixels     rows from the bottom up, unless the height is negative, each padded to 4 bytes
 *
 * What is accepted is what Pillow accepts (BmpImagePlugin.py), so the bit fields that are read are a list. All numbers
 * are little-endian. The run lengths are in bmp_rle.c.
 *
 * Easy to get wrong: five bits become v * 255 / 31, rounded down; an index behind the palette is black; a file may say
 * that its pixels begin where its palette lies, and then they begin behind it.
 */
#include "base/memory.h"
#include "media/bmp.h"
#include "media/decode.h"

#include <string.h>

enum { FILE_HEADER = 14, OS2_HEADER = 12, RAW = 0, RLE8 = 1, RLE4 = 2, BIT_FIELDS = 3 };

typedef struct bmp {
    const uint8_t *bytes;
    size_t size;
    uint32_t header_size, width, height, bits, compression, colors;
    bool top_down;
    uint32_t mask[4];     /* red, green, blue, alpha */
    int shift[3];         /* where a channel's bits begin ... */
    uint32_t most[3];     /* ... and its largest value */
    size_t pixels_at;
    uint8_t palette[256][3]; /* red first; black from the file's last colour on */
} bmp;

static uint32_t u16(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

static uint32_t u32(const uint8_t *p)
{
    return u16(p) | u16(p + 2) << 16;
}

static pc_status need(const bmp *b, size_t end, const char *what)
{
    return end <= b->size ? PC_OK : pc_fail(PC_ERR_DATA, "the file ends after %zu bytes, within %s", b->size, what);
}

static bool known_header(uint32_t size)
{
    static const uint32_t sizes[] = {OS2_HEADER, 40, 52, 56, 64, 108, 124};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        if (sizes[i] == size) {
            return true;
        }
    }
    return false;
}

static pc_status read_header(bmp *b)
{
    const uint8_t *h = b->bytes + FILE_HEADER;
    PC_TRY(need(b, FILE_HEADER + 4, "the header"));
    b->header_size = u32(h);
    if (!known_header(b->header_size)) {
        return pc_fail(PC_ERR_DATA, "a header of %u bytes is of no known version", b->header_size);
    }
    PC_TRY(need(b, FILE_HEADER + b->header_size, "the header"));
    b->pixels_at = u32(b->bytes + 10);
    if (b->header_size == OS2_HEADER) {
        b->width = u16(h + 4);
        b->height = u16(h + 6);
        b->bits = u16(h + 10);
    } else {
        b->width = u32(h + 4);
        b->height = u32(h + 8);
        b->top_down = h[11] == 0xff; /* a negative number of any reasonable size */
        b->height = b->top_down ? 0 - b->height : b->height;
        b->bits = u16(h + 14);
        b->compression = u32(h + 16);
        b->colors = u32(h + 32);
    }
    if (b->colors == 0 && b->bits <= 8) {
        b->colors = 1u << b->bits;
    }
    return PC_OK;
}

static void set_channels(bmp *b, uint32_t red, uint32_t green, uint32_t blue)
{
    const uint32_t masks[3] = {red, green, blue};
    for (int c = 0; c < 3; c++) {
        uint32_t mask = masks[c];
        b->shift[c] = 0;
        for (; mask && !(mask & 1); mask >>= 1) {
            b->shift[c]++;
        }
        b->most[c] = mask;
    }
}

static pc_status read_bit_fields(bmp *b)
{
    static const struct { uint32_t bits, mask[4]; } known[] = {
        {32, {0xff0000, 0xff00, 0xff, 0}},           {32, {0xff000000, 0xff0000, 0xff00, 0}},
        {32, {0xff000000, 0xff00, 0xff, 0}},         {32, {0xff000000, 0xff0000, 0xff00, 0xff}},
        {32, {0xff, 0xff00, 0xff0000, 0xff000000}},  {32, {0xff0000, 0xff00, 0xff, 0xff000000}},
        {32, {0xff000000, 0xff00, 0xff, 0xff0000}},  {32, {0, 0, 0, 0}},
        {24, {0xff0000, 0xff00, 0xff, 0}},           {16, {0xf800, 0x7e0, 0x1f, 0}},
        {16, {0x7c00, 0x3e0, 0x1f, 0}},
    };
    const uint8_t *at = b->bytes + FILE_HEADER + 40; /* the same place, within the header or behind it */
    int masks = b->header_size >= 56 ? 4 : 3;
    PC_TRY(need(b, FILE_HEADER + 40 + 12, "the bit fields"));
    for (int i = 0; i < masks; i++) {
        b->mask[i] = u32(at + 4 * i);
    }
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        size_t compared = b->bits == 32 ? sizeof b->mask : sizeof b->mask[0] * 3;
        if (known[i].bits == b->bits && memcmp(known[i].mask, b->mask, compared) == 0) {
            if (b->mask[0]) {
                set_channels(b, b->mask[0], b->mask[1], b->mask[2]);
            }
            return PC_OK;
        }
    }
    return pc_fail(PC_ERR_DATA, "bit fields %#x, %#x, %#x, %#x of %u bits are not known", b->mask[0], b->mask[1], b->mask[2],
                   b->mask[3], b->bits);
}

static pc_status check_coding(bmp *b)
{
    static const uint32_t depths[] = {1, 4, 8, 16, 24, 32};
    bool fits = false;
    for (size_t i = 0; i < sizeof depths / sizeof depths[0]; i++) {
        fits = fits || depths[i] == b->bits;
    }
    if (!fits) {
        return pc_fail(PC_ERR_DATA, "%u bits a pixel are not known", b->bits);
    }
    if (b->bits == 16) {
        set_channels(b, 0x7c00, 0x3e0, 0x1f);
    } else {
        set_channels(b, 0xff0000, 0xff00, 0xff);
    }
    switch (b->compression) {
    case RAW: return PC_OK;
    case BIT_FIELDS: return read_bit_fields(b);
    case RLE8:
    case RLE4:
        if (b->bits <= 8) {
            return PC_OK;
        }
        break;
    default: break;
    }
    return pc_fail(PC_ERR_DATA, "compression %u with %u bits a pixel is not known", b->compression, b->bits);
}

static pc_status read_palette(bmp *b)
{
    size_t entry = b->header_size == OS2_HEADER ? 3 : 4;
    size_t at = FILE_HEADER + b->header_size;
    if (b->bits > 8) {
        at += b->compression == BIT_FIELDS && b->header_size == 40 ? 12 : 0;
        b->pixels_at = b->pixels_at ? b->pixels_at : at;
        return PC_OK;
    }
    if (b->colors > 256) {
        return pc_fail(PC_ERR_DATA, "a palette of %u colours; the most is 256", b->colors);
    }
    PC_TRY(need(b, at + entry * b->colors, "the palette"));
    for (size_t i = 0; i < b->colors; i++) {
        for (int c = 0; c < 3; c++) {
            b->palette[i][c] = b->bytes[at + i * entry + 2 - (size_t)c];
        }
    }
    if (b->pixels_at == 0 || b->pixels_at == at) {
        b->pixels_at = at + entry * b->colors;
    }
    return PC_OK;
}

/* One row of indices of 1, 4 or 8 bits. */
static void indexed_row(const bmp *b, uint8_t *rgb, const uint8_t *row, uint32_t bits)
{
    uint32_t in_byte = 8 / bits;
    for (uint32_t x = 0; x < b->width; x++) {
        uint32_t shift = (in_byte - 1 - x % in_byte) * bits;
        uint32_t index = row[x / in_byte] >> shift & ((1u << bits) - 1);
        memcpy(rgb + (size_t)x * 3, b->palette[index], 3);
    }
}

/* One row of pixels that hold their colours. */
static void direct_row(const bmp *b, uint8_t *rgb, const uint8_t *row)
{
    uint32_t step = b->bits / 8;
    for (uint32_t x = 0; x < b->width; x++, row += step, rgb += 3) {
        uint32_t pixel = step == 2 ? u16(row) : step == 3 ? u16(row) | (uint32_t)row[2] << 16 : u32(row);
        for (int c = 0; c < 3; c++) {
            uint32_t value = pixel >> b->shift[c] & b->most[c];
            rgb[c] = (uint8_t)(b->most[c] == 255 ? value : value * 255 / b->most[c]);
        }
    }
}

static uint8_t *target_row(const bmp *b, pc_image *image, uint32_t y)
{
    uint32_t row = b->top_down ? y : b->height - 1 - y;
    return image->pixels + (size_t)row * b->width * 3;
}

static pc_status read_raw(const bmp *b, pc_image **out)
{
    size_t used = ((size_t)b->width * b->bits + 7) / 8;
    size_t stride = (used + 3) / 4 * 4;
    size_t room = b->pixels_at < b->size ? b->size - b->pixels_at : 0;
    size_t needed = stride * (b->height - 1) + used; /* sides are checked: far from overflow */
    if (needed > room) {
        return pc_fail(PC_ERR_DATA, "%zu bytes of pixels from byte %zu on, and the file has %zu bytes", needed, b->pixels_at,
                       b->size);
    }
    PC_TRY(pc_image_new(out, (int)b->width, (int)b->height));
    for (uint32_t y = 0; y < b->height; y++) {
        const uint8_t *row = b->bytes + b->pixels_at + y * stride;
        if (b->bits <= 8) {
            indexed_row(b, target_row(b, *out, y), row, b->bits);
        } else {
            direct_row(b, target_row(b, *out, y), row);
        }
    }
    return PC_OK;
}

static pc_status read_run_lengths(const bmp *b, pc_image **out)
{
    uint8_t *indices = NULL;
    size_t area = (size_t)b->width * b->height;
    if (b->height / 256 * 4 > b->size) { /* four bytes skip at most 255 rows and a piece of one */
        return pc_fail(PC_ERR_DATA, "%u x %u pixels can't be in a file of %zu bytes", b->width, b->height, b->size);
    }
    PC_TRY(PC_NEW_ARRAY(indices, area, "the indices of a BMP"));
    pc_status status = pc_bmp_expand(indices, b->width, b->height, b->compression == RLE4, b->bytes, b->size, b->pixels_at);
    if (status == PC_OK) {
        status = pc_image_new(out, (int)b->width, (int)b->height);
    }
    for (uint32_t y = 0; status == PC_OK && y < b->height; y++) {
        indexed_row(b, target_row(b, *out, y), indices + (size_t)y * b->width, 8);
    }
    pc_free(indices);
    return status;
}

static pc_status decode(pc_image **out, const uint8_t *bytes, size_t size, const pc_image_limits *limits)
{
    bmp b = {.bytes = bytes, .size = size};
    PC_TRY(read_header(&b));
    PC_TRY(pc_image_check_size(limits, b.width, b.height));
    PC_TRY(check_coding(&b));
    PC_TRY(read_palette(&b));
    return b.compression == RLE8 || b.compression == RLE4 ? read_run_lengths(&b, out) : read_raw(&b, out);
}

static bool matches(const uint8_t *bytes, size_t size)
{
    return size >= 2 && bytes[0] == 'B' && bytes[1] == 'M';
}

const pc_image_decoder pc_image_decoder_bmp = {.name = "BMP", .matches = matches, .decode = decode};
