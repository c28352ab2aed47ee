/* GIF through giflib; the pictures of an animation are drawn over each other here.
 *
 *     for each picture: clear what the one before asks for -> canvas; draw, but for the transparent colour -> canvas
 *
 * The colours are Pillow's (GifImagePlugin.py): there is no alpha, so what is transparent in the first picture shows the
 * transparent index's own colour, and so does an area that is cleared; the canvas begins with that colour, or colour 0.
 * An index behind the palette is black; without a palette an index is a gray. A picture may reach over the screen, which
 * then grows. How to clear is kept from the last picture that said it.
 *
 * The part of a file that is read must be whole; what comes behind the last picture wanted is not looked at.
 */
#include "base/memory.h"
#include "media/decode.h"

#include <string.h>

#include <gif_lib.h>

enum {
    MAX_EXPANSION = 4096, /* pixels that a byte may stand for: one code of 12 bits gives at most 4,096 */
    CLEAR = 2,            /* disposal: fill with the background; above: bring back what was there */
};

typedef struct rectangle {
    int x, y, width, height;
} rectangle;

typedef struct reader {
    const uint8_t *bytes;
    size_t size, at;
    const pc_image_limits *limits;
    GifFileType *file;
    pc_image *canvas;
    pc_image *undo;       /* what is put at `place` before the next picture; NULL = nothing */
    rectangle place;      /* of the current picture */
    uint8_t palette[256][3];
    int colors;
    int transparent;      /* index, -1 = none */
    int disposal;
    int milliseconds;
} reader;

static int on_read(GifFileType *file, GifByteType *target, int count)
{
    reader *r = file->UserData;
    size_t left = r->size - r->at;
    size_t taken = count < 0 ? 0 : (size_t)count < left ? (size_t)count : left;
    memcpy(target, r->bytes + r->at, taken);
    r->at += taken;
    return (int)taken;
}

static pc_status fail(const reader *r, int error)
{
    const char *text = GifErrorString(error);
    if (error == D_GIF_ERR_NOT_ENOUGH_MEM) {
        return pc_fail(PC_ERR_MEMORY, "memory is short");
    }
    if (r->at >= r->size) {
        return pc_fail(PC_ERR_DATA, "the file ends after %zu bytes, before its picture", r->size);
    }
    return pc_fail(PC_ERR_DATA, "%s (at byte %zu of %zu)", text ? text : "damaged data", r->at, r->size);
}

#define GIF_TRY(r, call)                               \
    do {                                               \
        if ((call) == GIF_ERROR) {                     \
            return fail((r), (r)->file->Error);        \
        }                                              \
    } while (0)

static void read_palette(reader *r)
{
    const ColorMapObject *map = r->file->Image.ColorMap ? r->file->Image.ColorMap : r->file->SColorMap;
    r->colors = map ? map->ColorCount : 256;
    memset(r->palette, 0, sizeof r->palette);
    for (int i = 0; i < r->colors && i < 256; i++) {
        r->palette[i][0] = (uint8_t)(map ? map->Colors[i].Red : i);
        r->palette[i][1] = (uint8_t)(map ? map->Colors[i].Green : i);
        r->palette[i][2] = (uint8_t)(map ? map->Colors[i].Blue : i);
    }
}

static void fill(pc_image *image, const uint8_t color[3])
{
    size_t area = (size_t)image->width * (size_t)image->height;
    for (size_t i = 0; i < area; i++) {
        memcpy(image->pixels + i * 3, color, 3);
    }
}

static void paste(pc_image *onto, const pc_image *image, int left, int top)
{
    for (int y = 0; y < image->height; y++) {
        memcpy(onto->pixels + ((size_t)(top + y) * (size_t)onto->width + (size_t)left) * 3,
               image->pixels + (size_t)y * (size_t)image->width * 3, (size_t)image->width * 3);
    }
}

/* A canvas that holds the screen and the picture, with what is on it by now. */
static pc_status widen_canvas(reader *r)
{
    static const uint8_t black[3] = {0};
    int width = r->canvas ? r->canvas->width : r->file->SWidth;
    int height = r->canvas ? r->canvas->height : r->file->SHeight;
    int right = r->place.x + r->place.width;
    int bottom = r->place.y + r->place.height;
    pc_image *wider = NULL;
    width = right > width ? right : width;
    height = bottom > height ? bottom : height;
    if (r->canvas && width == r->canvas->width && height == r->canvas->height) {
        return PC_OK;
    }
    PC_TRY(pc_image_check_size(r->limits, (uint64_t)width, (uint64_t)height));
    PC_TRY(pc_image_new(&wider, width, height));
    if (!r->canvas) {
        fill(wider, r->palette[r->transparent < 0 ? 0 : r->transparent]);
    } else {
        fill(wider, r->transparent < 0 ? r->palette[0] : black);
        paste(wider, r->canvas, 0, 0);
    }
    pc_image_free(r->canvas);
    r->canvas = wider;
    return PC_OK;
}

/* Before the picture is drawn: what will clear it. */
static pc_status plan_undo(reader *r, bool first)
{
    const rectangle *p = &r->place;
    pc_image_free(r->undo);
    r->undo = NULL;
    if (r->disposal < CLEAR || (r->disposal > CLEAR && first && r->transparent < 0)) {
        return PC_OK;
    }
    if (r->disposal > CLEAR && !first) {
        return pc_image_crop(&r->undo, r->canvas, p->x, p->y, p->width, p->height);
    }
    int color = r->transparent >= 0 ? r->transparent : r->file->SColorMap ? r->file->SBackGroundColor : 0;
    color = !first && color >= r->colors ? 0 : color;
    PC_TRY(pc_image_new(&r->undo, p->width, p->height));
    fill(r->undo, r->palette[color]);
    return PC_OK;
}

static pc_status draw_row(reader *r, uint8_t *indices, int y, bool first)
{
    const rectangle *p = &r->place;
    uint8_t *target = r->canvas->pixels + ((size_t)(p->y + y) * (size_t)r->canvas->width + (size_t)p->x) * 3;
    GIF_TRY(r, DGifGetLine(r->file, indices, p->width));
    for (int x = 0; x < p->width; x++) {
        if (first || indices[x] != r->transparent) {
            memcpy(target + (size_t)x * 3, r->palette[indices[x]], 3);
        }
    }
    return PC_OK;
}

/* Interlaced rows come in four rounds, others in one. */
static pc_status draw(reader *r, bool first)
{
    static const struct { int from, step; } rounds[] = {{0, 1}, {0, 8}, {4, 8}, {2, 4}, {1, 2}};
    bool interlaced = r->file->Image.Interlace;
    uint8_t *indices = NULL;
    pc_status status = PC_OK;
    PC_TRY(PC_NEW_ARRAY(indices, (size_t)r->place.width, "a row of a GIF"));
    for (int i = interlaced ? 1 : 0; i < (interlaced ? 5 : 1); i++) {
        for (int y = rounds[i].from; y < r->place.height && status == PC_OK; y += rounds[i].step) {
            status = draw_row(r, indices, y, first);
        }
    }
    pc_free(indices);
    return status;
}

static pc_status add_picture(reader *r, pc_image_frames *frames)
{
    pc_image *copy = NULL;
    bool first = frames->count == 0;
    GIF_TRY(r, DGifGetImageDesc(r->file));
    if (r->undo) {
        paste(r->canvas, r->undo, r->place.x, r->place.y);
    }
    const GifImageDesc *d = &r->file->Image;
    r->place = (rectangle){d->Left, d->Top, d->Width, d->Height};
    PC_TRY(pc_image_check_size(r->limits, (uint64_t)d->Width, (uint64_t)d->Height));
    if ((size_t)d->Width * (size_t)d->Height / MAX_EXPANSION > r->size) {
        return pc_fail(PC_ERR_DATA, "%d x %d pixels can't be in a file of %zu bytes", d->Width, d->Height, r->size);
    }
    read_palette(r);
    PC_TRY(widen_canvas(r));
    PC_TRY(plan_undo(r, first));
    PC_TRY(draw(r, first));
    PC_TRY(pc_image_copy(&copy, r->canvas));
    PC_TRY(pc_image_frames_add(frames, copy, r->milliseconds));
    r->transparent = -1; /* said anew for each picture */
    r->milliseconds = 0;
    return PC_OK;
}

static pc_status read_extension(reader *r)
{
    int code = 0;
    GifByteType *block = NULL; /* its length, then its bytes */
    GIF_TRY(r, DGifGetExtension(r->file, &code, &block));
    if (code == GRAPHICS_EXT_FUNC_CODE && block && block[0] >= 4) {
        int disposal = block[1] >> 2 & 7;
        r->disposal = disposal ? disposal : r->disposal;
        r->transparent = block[1] & 1 ? block[4] : r->transparent;
        r->milliseconds = (block[2] | block[3] << 8) * 10;
    }
    while (block) {
        GIF_TRY(r, DGifGetExtensionNext(r->file, &block));
    }
    return PC_OK;
}

static pc_status read_records(reader *r, pc_image_frames *frames)
{
    GifRecordType type = UNDEFINED_RECORD_TYPE;
    bool one = r->limits->max_frames == 1; /* then nobody asks whether there are more */
    r->transparent = -1;
    while (!one || frames->count == 0) {
        GIF_TRY(r, DGifGetRecordType(r->file, &type));
        if (type == IMAGE_DESC_RECORD_TYPE) {
            if (pc_image_frames_full(frames, r->limits)) {
                frames->more = true;
                return PC_OK;
            }
            PC_TRY(add_picture(r, frames));
        } else if (type == EXTENSION_RECORD_TYPE) {
            PC_TRY(read_extension(r));
        } else {
            break;
        }
    }
    return frames->count ? PC_OK : pc_fail(PC_ERR_DATA, "there is no picture in the file");
}

static pc_status decode_frames(pc_image_frames *frames, const uint8_t *bytes, size_t size, const pc_image_limits *limits)
{
    reader r = {.bytes = bytes, .size = size, .limits = limits};
    int error = 0;
    r.file = DGifOpen(&r, on_read, &error);
    if (!r.file) {
        return fail(&r, error);
    }
    pc_status status = read_records(&r, frames);
    DGifCloseFile(r.file, &error);
    pc_image_free(r.canvas);
    pc_image_free(r.undo);
    return status;
}

static bool matches(const uint8_t *bytes, size_t size)
{
    return size >= 6 && (memcmp(bytes, "GIF87a", 6) == 0 || memcmp(bytes, "GIF89a", 6) == 0);
}

const pc_image_decoder pc_image_decoder_gif = {.name = "GIF", .matches = matches, .decode_frames = decode_frames};
