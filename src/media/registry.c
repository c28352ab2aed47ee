/* Finds the decoder for a picture, runs it, and turns the result upright. */
#include "base/file.h"
#include "base/memory.h"
#include "media/decode.h"

#include <stdio.h>

#define PC_IMAGE_DECODER(name) extern const pc_image_decoder pc_image_decoder_##name;
#include "media/list.h"
#undef PC_IMAGE_DECODER

#define PC_IMAGE_DECODER(name) &pc_image_decoder_##name,
static const pc_image_decoder *const decoders[] = {
#include "media/list.h"
};
#undef PC_IMAGE_DECODER

enum { DECODERS = sizeof decoders / sizeof decoders[0] };

const char *pc_image_format(int index)
{
    return index >= 0 && index < DECODERS ? decoders[index]->name : NULL;
}

pc_status pc_image_check_size(const pc_image_limits *limits, uint64_t width, uint64_t height)
{
    uint64_t side = PC_IMAGE_MAX_SIDE;
    uint64_t pixels = PC_IMAGE_MAX_PIXELS;
    if (limits->max_side > 0 && (uint64_t)limits->max_side < side) {
        side = (uint64_t)limits->max_side;
    }
    if (limits->max_pixels > 0 && (uint64_t)limits->max_pixels < pixels) {
        pixels = (uint64_t)limits->max_pixels;
    }
    if (width < 1 || height < 1) {
        return pc_fail(PC_ERR_DATA, "the header declares an empty picture, %llu x %llu pixels",
                       (unsigned long long)width, (unsigned long long)height);
    }
    if (width > side || height > side || width * height > pixels) { /* sides are small here: no overflow */
        return pc_fail(PC_ERR_DATA, "the header declares %llu x %llu pixels; limits: %llu a side, %llu in all",
                       (unsigned long long)width, (unsigned long long)height, (unsigned long long)side,
                       (unsigned long long)pixels);
    }
    return PC_OK;
}

/* a * b / 255, rounded. */
static int scale_255(int a, int b)
{
    int product = a * b + 128;
    return ((product >> 8) + product) >> 8;
}

/* Stored samples are 255 - ink. With ink c and black k, light = (255 - k) - c (255 - k) / 255. */
void pc_image_row_from_cmyk(uint8_t *rgb, const uint8_t *inverted, int width)
{
    for (int x = 0; x < width; x++, rgb += 3, inverted += 4) {
        int light = inverted[3];
        for (int c = 0; c < 3; c++) {
            int value = light - scale_255(255 - inverted[c], light);
            rgb[c] = (uint8_t)(value < 0 ? 0 : value);
        }
    }
}

void pc_image_frames_clear(pc_image_frames *frames)
{
    for (int i = 0; i < frames->count; i++) {
        pc_image_free(frames->images[i]);
    }
    *frames = (pc_image_frames){0};
}

pc_status pc_image_frames_add(pc_image_frames *frames, pc_image *image, int milliseconds)
{
    int64_t pixels = (int64_t)image->width * image->height;
    for (int i = 0; i < frames->count; i++) {
        pixels += (int64_t)frames->images[i]->width * frames->images[i]->height;
    }
    if (pixels > PC_IMAGE_MAX_FRAME_PIXELS) {
        pc_image_free(image);
        return pc_fail(PC_ERR_DATA, "the first %d pictures have %lld pixels; limit: %lld", frames->count + 1,
                       (long long)pixels, (long long)PC_IMAGE_MAX_FRAME_PIXELS);
    }
    frames->images[frames->count] = image;
    frames->milliseconds[frames->count] = milliseconds;
    frames->count++;
    return PC_OK;
}

bool pc_image_frames_full(const pc_image_frames *frames, const pc_image_limits *limits)
{
    bool chosen = limits->max_frames > 0 && limits->max_frames < PC_IMAGE_MAX_FRAMES;
    return frames->count >= (chosen ? limits->max_frames : PC_IMAGE_MAX_FRAMES);
}

/* 1..8 */
static int find_orientation(const pc_image_decoder *decoder, const uint8_t *bytes, size_t size)
{
    size_t length = 0;
    const uint8_t *exif = decoder->find_exif ? decoder->find_exif(bytes, size, &length) : NULL;
    int orientation = exif ? pc_exif_orientation(exif, length) : 0;
    if (orientation == 0) {
        const uint8_t *xmp = decoder->find_xmp ? decoder->find_xmp(bytes, size, &length) : NULL;
        orientation = xmp ? pc_xmp_orientation(xmp, length) : 0;
    }
    return orientation ? orientation : 1;
}

static pc_status turn_upright(pc_image_frames *frames, const pc_image_decoder *decoder, const uint8_t *bytes, size_t size)
{
    int orientation = find_orientation(decoder, bytes, size);
    for (int i = 0; i < frames->count && orientation != 1; i++) {
        pc_image *upright = NULL;
        PC_TRY(pc_image_orient(&upright, frames->images[i], orientation));
        pc_image_free(frames->images[i]);
        frames->images[i] = upright;
    }
    return PC_OK;
}

static pc_status run_decoder(pc_image_frames *frames, const pc_image_decoder *decoder, const uint8_t *bytes, size_t size,
                             const pc_image_limits *limits)
{
    if (decoder->decode_frames) {
        return decoder->decode_frames(frames, bytes, size, limits);
    }
    pc_image *image = NULL;
    PC_TRY(decoder->decode(&image, bytes, size, limits));
    return pc_image_frames_add(frames, image, 0);
}

static pc_status fail_unknown(size_t size)
{
    char names[128] = "";
    size_t at = 0;
    for (int i = 0; i < DECODERS && at < sizeof names; i++) {
        at += (size_t)snprintf(names + at, sizeof names - at, "%s%s", i ? ", " : "", decoders[i]->name);
    }
    return size == 0 ? pc_fail(PC_ERR_DATA, "the file is empty")
                     : pc_fail(PC_ERR_DATA, "the first bytes are of no known picture format (%s)", names);
}

static pc_status decode(pc_image_frames *frames, const uint8_t *bytes, size_t size, const pc_image_limits *limits)
{
    const pc_image_decoder *decoder = NULL;
    for (int i = 0; i < DECODERS && !decoder; i++) {
        decoder = decoders[i]->matches(bytes, size) ? decoders[i] : NULL;
    }
    if (!decoder) {
        return fail_unknown(size);
    }
    pc_status status = run_decoder(frames, decoder, bytes, size, limits);
    if (status != PC_OK) {
        return pc_fail_prefix(status, "%s", decoder->name);
    }
    return limits->as_stored ? PC_OK : turn_upright(frames, decoder, bytes, size);
}

pc_status pc_image_decode_frames(pc_image_frames *frames, const void *bytes, size_t size, const pc_image_limits *limits,
                                 const char *where)
{
    static const pc_image_limits widest = {0};
    pc_image_frames_clear(frames);
    pc_status status = decode(frames, bytes, size, limits ? limits : &widest);
    if (status == PC_OK) {
        return PC_OK;
    }
    pc_image_frames_clear(frames);
    return pc_fail_prefix(status, "%s", where);
}

pc_status pc_image_decode(pc_image **out, const void *bytes, size_t size, const pc_image_limits *limits,
                          const char *where)
{
    pc_image_limits first = limits ? *limits : (pc_image_limits){0};
    pc_image_frames frames = {0};
    first.max_frames = 1;
    PC_TRY(pc_image_decode_frames(&frames, bytes, size, &first, where));
    *out = frames.images[0];
    return PC_OK;
}

pc_status pc_image_load_frames(pc_image_frames *frames, const char *path, const pc_image_limits *limits)
{
    char *bytes = NULL;
    size_t size = 0;
    /* Read, not mapped: a file that shrinks while it is mapped would kill the process. */
    PC_TRY(pc_file_read(&bytes, &size, path, PC_IMAGE_MAX_FILE));
    pc_status status = pc_image_decode_frames(frames, bytes, size, limits, path);
    pc_free(bytes);
    return status;
}

pc_status pc_image_load(pc_image **out, const char *path, const pc_image_limits *limits)
{
    pc_image_limits first = limits ? *limits : (pc_image_limits){0};
    pc_image_frames frames = {0};
    first.max_frames = 1;
    PC_TRY(pc_image_load_frames(&frames, path, &first));
    *out = frames.images[0];
    return PC_OK;
}
