/* Finds the decoder for a picture, runs it, and turns the result upright. */
#include "base/file.h"
#include "base/memory.h"
#include "media/decode.h"

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

static pc_status turn_upright(pc_image **image, const pc_image_decoder *decoder, const uint8_t *bytes, size_t size)
{
    pc_image *upright = NULL;
    size_t exif_size = 0;
    const uint8_t *exif = decoder->find_exif ? decoder->find_exif(bytes, size, &exif_size) : NULL;
    int orientation = exif ? pc_exif_orientation(exif, exif_size) : 1;
    if (orientation == 1) {
        return PC_OK;
    }
    PC_TRY(pc_image_orient(&upright, *image, orientation));
    pc_image_free(*image);
    *image = upright;
    return PC_OK;
}

static pc_status decode(pc_image **out, const uint8_t *bytes, size_t size, const pc_image_limits *limits)
{
    const pc_image_decoder *decoder = NULL;
    pc_image *image = NULL;
    for (int i = 0; i < DECODERS && !decoder; i++) {
        decoder = decoders[i]->matches(bytes, size) ? decoders[i] : NULL;
    }
    if (!decoder) {
        return pc_fail(PC_ERR_DATA, size == 0 ? "the file is empty" : "the first bytes are of no known picture format");
    }
    pc_status status = decoder->decode(&image, bytes, size, limits);
    if (status != PC_OK) {
        return pc_fail_prefix(status, "%s", decoder->name);
    }
    if (!limits->as_stored) {
        status = turn_upright(&image, decoder, bytes, size);
    }
    if (status != PC_OK) {
        pc_image_free(image);
        return status;
    }
    *out = image;
    return PC_OK;
}

pc_status pc_image_decode(pc_image **out, const void *bytes, size_t size, const pc_image_limits *limits,
                          const char *where)
{
    static const pc_image_limits widest = {0};
    pc_status status = decode(out, bytes, size, limits ? limits : &widest);
    return status == PC_OK ? PC_OK : pc_fail_prefix(status, "%s", where);
}

pc_status pc_image_load(pc_image **out, const char *path, const pc_image_limits *limits)
{
    char *bytes = NULL;
    size_t size = 0;
    /* Read, not mapped: a file that shrinks while it is mapped would kill the process. */
    PC_TRY(pc_file_read(&bytes, &size, path, PC_IMAGE_MAX_FILE));
    pc_status status = pc_image_decode(out, bytes, size, limits, path);
    pc_free(bytes);
    return status;
}
