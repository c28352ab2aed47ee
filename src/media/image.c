/* Images in memory: creation and release. */
#include "media/image.h"

#include "base/memory.h"

#include <string.h>

pc_status pc_image_new(pc_image **out, int width, int height)
{
    pc_image *image = NULL;
    if (width < 1 || height < 1 || width > PC_IMAGE_MAX_SIDE || height > PC_IMAGE_MAX_SIDE ||
        (int64_t)width * height > PC_IMAGE_MAX_PIXELS) {
        return pc_fail(PC_ERR_DATA, "an image of %d x %d pixels is outside the limits (sides 1..%d, %ld pixels)",
                       width, height, PC_IMAGE_MAX_SIDE, PC_IMAGE_MAX_PIXELS);
    }
    PC_TRY(PC_NEW(image, "an image"));
    pc_status status = PC_NEW_ARRAY(image->pixels, (size_t)width * (size_t)height * 3, "the pixels of an image");
    if (status != PC_OK) {
        pc_free(image);
        return status;
    }
    image->width = width;
    image->height = height;
    *out = image;
    return PC_OK;
}

void pc_image_free(pc_image *image)
{
    if (image) {
        pc_free(image->pixels);
        pc_free(image);
    }
}

pc_status pc_image_copy(pc_image **out, const pc_image *image)
{
    pc_image *copy = NULL;
    PC_TRY(pc_image_new(&copy, image->width, image->height));
    memcpy(copy->pixels, image->pixels, (size_t)image->width * (size_t)image->height * 3);
    *out = copy;
    return PC_OK;
}
