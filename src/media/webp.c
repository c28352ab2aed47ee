/* WebP through libwebp: lossy, lossless, animated. Alpha is dropped; pictures of an animation are drawn over each other.
 *
 * The container is read first, which sees a cut file and tells the size before memory is asked for. A still picture goes
 * straight into our pixels; for an animation the library keeps two canvases of its own.
 */
#include "base/memory.h"
#include "media/decode.h"

#include <string.h>

#include <webp/decode.h>
#include <webp/demux.h>

enum { RIFF_HEADER = 12, CHUNK = 8 };

static pc_status decode_still(pc_image_frames *frames, const uint8_t *bytes, size_t size, int width, int height)
{
    pc_image *image = NULL;
    PC_TRY(pc_image_new(&image, width, height));
    if (!WebPDecodeRGBInto(bytes, size, image->pixels, (size_t)width * (size_t)height * 3, width * 3)) {
        pc_image_free(image);
        return pc_fail(PC_ERR_DATA, "the picture's data are damaged or cut");
    }
    return pc_image_frames_add(frames, image, 0);
}

static pc_status add_canvas(pc_image_frames *frames, const uint8_t *rgba, int width, int height, int milliseconds)
{
    pc_image *image = NULL;
    PC_TRY(pc_image_new(&image, width, height));
    size_t area = (size_t)width * (size_t)height;
    for (size_t i = 0; i < area; i++) {
        memcpy(image->pixels + i * 3, rgba + i * 4, 3);
    }
    return pc_image_frames_add(frames, image, milliseconds);
}

static pc_status decode_animation(pc_image_frames *frames, const uint8_t *bytes, size_t size, const pc_image_limits *limits,
                                  int width, int height)
{
    WebPAnimDecoderOptions options;
    const WebPData data = {bytes, size};
    pc_status status = PC_OK;
    int before = 0; /* milliseconds */
    WebPAnimDecoderOptionsInit(&options);
    WebPAnimDecoder *decoder = WebPAnimDecoderNew(&data, &options);
    if (!decoder) {
        return pc_fail(PC_ERR_DATA, "the animation can't be opened");
    }
    while (!pc_image_frames_full(frames, limits) && WebPAnimDecoderHasMoreFrames(decoder)) {
        uint8_t *rgba = NULL;
        int now = 0;
        if (!WebPAnimDecoderGetNext(decoder, &rgba, &now)) {
            PC_GO(pc_fail(PC_ERR_DATA, "picture %d of the animation is damaged", frames->count + 1));
        }
        PC_GO(add_canvas(frames, rgba, width, height, now - before));
        before = now;
    }
    frames->more = WebPAnimDecoderHasMoreFrames(decoder);
done:
    WebPAnimDecoderDelete(decoder);
    return status;
}

static pc_status decode_frames(pc_image_frames *frames, const uint8_t *bytes, size_t size, const pc_image_limits *limits)
{
    const WebPData data = {bytes, size};
    WebPDemuxer *demuxer = WebPDemux(&data);
    if (!demuxer) {
        return pc_fail(PC_ERR_DATA, "the file of %zu bytes is cut, or its parts don't fit together", size);
    }
    uint32_t width = WebPDemuxGetI(demuxer, WEBP_FF_CANVAS_WIDTH);
    uint32_t height = WebPDemuxGetI(demuxer, WEBP_FF_CANVAS_HEIGHT);
    uint32_t count = WebPDemuxGetI(demuxer, WEBP_FF_FRAME_COUNT);
    bool animated = WebPDemuxGetI(demuxer, WEBP_FF_FORMAT_FLAGS) & ANIMATION_FLAG;
    WebPDemuxDelete(demuxer);
    PC_TRY(pc_image_check_size(limits, width, height));
    if (count == 0) {
        return pc_fail(PC_ERR_DATA, "there is no picture in the file");
    }
    return animated ? decode_animation(frames, bytes, size, limits, (int)width, (int)height)
                    : decode_still(frames, bytes, size, (int)width, (int)height);
}

static bool matches(const uint8_t *bytes, size_t size)
{
    return size >= RIFF_HEADER + 4 && memcmp(bytes, "RIFF", 4) == 0 && memcmp(bytes + 8, "WEBPVP8", 7) == 0;
}

/* Walks the chunks: name, little-endian length, data padded to an even length. */
static const uint8_t *find_chunk(const uint8_t *bytes, size_t size, const char *name, size_t *found_size)
{
    size_t at = RIFF_HEADER;
    *found_size = 0;
    while (at < size && size - at >= CHUNK) {
        const uint8_t *c = bytes + at;
        size_t length = (size_t)c[4] | (size_t)c[5] << 8 | (size_t)c[6] << 16 | (size_t)c[7] << 24;
        if (length > size - at - CHUNK) {
            return NULL;
        }
        if (memcmp(c, name, 4) == 0) {
            *found_size = length;
            return c + CHUNK;
        }
        at += CHUNK + length + length % 2;
    }
    return NULL;
}

/* Some writers put the name of JPEG's segment before the block. */
static const uint8_t *find_exif(const uint8_t *bytes, size_t size, size_t *exif_size)
{
    static const char prefix[6] = "Exif\0";
    const uint8_t *found = find_chunk(bytes, size, "EXIF", exif_size);
    if (found && *exif_size >= sizeof prefix && memcmp(found, prefix, sizeof prefix) == 0) {
        *exif_size -= sizeof prefix;
        found += sizeof prefix;
    }
    return found;
}

static const uint8_t *find_xmp(const uint8_t *bytes, size_t size, size_t *xmp_size)
{
    return find_chunk(bytes, size, "XMP ", xmp_size);
}

const pc_image_decoder pc_image_decoder_webp = {
    .name = "WebP",
    .matches = matches,
    .decode_frames = decode_frames,
    .find_exif = find_exif,
    .find_xmp = find_xmp,
};
