/* HEIC and AVIF through libheif, where it is present: the primary picture as 8-bit RGB, alpha dropped.
 *
 * The container says itself how a picture is turned, mirrored and cropped, and the library does that; an EXIF
 * orientation beside it is, by the format's rule, only information.
 */
#include "base/memory.h"
#include "media/decode.h"

#include <string.h>

#include <libheif/heif.h>

static pc_status fail(struct heif_error error)
{
    bool memory = error.code == heif_error_Memory_allocation_error && error.subcode != heif_suberror_Security_limit_exceeded;
    return pc_fail(memory ? PC_ERR_MEMORY : PC_ERR_DATA, "%s", error.message ? error.message : "damaged data");
}

static pc_status take_pixels(pc_image **out, const struct heif_image *image)
{
    int stride = 0;
    int width = heif_image_get_width(image, heif_channel_interleaved);
    int height = heif_image_get_height(image, heif_channel_interleaved);
    const uint8_t *plane = heif_image_get_plane_readonly(image, heif_channel_interleaved, &stride);
    if (!plane || width < 1 || height < 1 || stride < width * 3) {
        return pc_fail(PC_ERR_DATA, "the library gave no RGB pixels");
    }
    PC_TRY(pc_image_new(out, width, height));
    for (int y = 0; y < height; y++) {
        memcpy((*out)->pixels + (size_t)y * (size_t)width * 3, plane + (size_t)y * (size_t)stride, (size_t)width * 3);
    }
    return PC_OK;
}

static pc_status decode_primary(pc_image **out, struct heif_image_handle *handle, const pc_image_limits *limits)
{
    struct heif_image *image = NULL;
    int width = heif_image_handle_get_width(handle);
    int height = heif_image_handle_get_height(handle);
    PC_TRY(pc_image_check_size(limits, width < 0 ? 0 : (uint64_t)width, height < 0 ? 0 : (uint64_t)height));
    struct heif_decoding_options *options = heif_decoding_options_alloc();
    if (!options) {
        return pc_fail(PC_ERR_MEMORY, "memory is short");
    }
    options->ignore_transformations = limits->as_stored;
    options->convert_hdr_to_8bit = 1;
    struct heif_error error = heif_decode_image(handle, &image, heif_colorspace_RGB, heif_chroma_interleaved_RGB, options);
    heif_decoding_options_free(options);
    if (error.code != heif_error_Ok) {
        return fail(error);
    }
    pc_status status = take_pixels(out, image);
    heif_image_release(image);
    return status;
}

static pc_status decode(pc_image **out, const uint8_t *bytes, size_t size, const pc_image_limits *limits)
{
    struct heif_image_handle *handle = NULL;
    struct heif_context *context = heif_context_alloc();
    if (!context) {
        return pc_fail(PC_ERR_MEMORY, "memory is short");
    }
    heif_context_set_maximum_image_size_limit(context, PC_IMAGE_MAX_SIDE);
    struct heif_error error = heif_context_read_from_memory_without_copy(context, bytes, size, NULL);
    if (error.code == heif_error_Ok) {
        error = heif_context_get_primary_image_handle(context, &handle);
    }
    pc_status status = error.code == heif_error_Ok ? decode_primary(out, handle, limits) : fail(error);
    heif_image_handle_release(handle);
    heif_context_free(context);
    return status;
}

/* The first box is "ftyp": length, name, then the main brand. */
static bool matches(const uint8_t *bytes, size_t size)
{
    static const char brands[][5] = {"heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1", "avif", "avis"};
    if (size < 12 || memcmp(bytes + 4, "ftyp", 4) != 0) {
        return false;
    }
    for (size_t i = 0; i < sizeof brands / sizeof brands[0]; i++) {
        if (memcmp(bytes + 8, brands[i], 4) == 0) {
            return true;
        }
    }
    return false;
}

const pc_image_decoder pc_image_decoder_heif = {.name = "HEIF", .matches = matches, .decode = decode};
