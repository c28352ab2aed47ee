/* Applying a recipe: pad, resize, centre crop on 8-bit pixels, then numbers.
 *
 *     y = f32(f64(pixel) * rescale_factor);  z = (y - f32(mean)) / f32(std)
 *
 * Source: transformers, image_transforms.py (resize, center_crop, rescale, normalize), image_processing_backends.py
 * (order of the steps) and models/llava/image_processing_pil_llava.py (padding). A pixel has 256 values, so each
 * channel's numbers are computed once and looked up.
 */
#include "media/recipe.h"

#include <math.h>

void pc_image_recipe_default(pc_image_recipe *recipe)
{
    *recipe = (pc_image_recipe){
        .do_resize = true,
        .sizing = PC_SIZE_SHORTEST,
        .size = {224, 0},
        .resample = PC_FILTER_BICUBIC,
        .do_center_crop = true,
        .crop_height = 224,
        .crop_width = 224,
        .do_rescale = true,
        .rescale_factor = 1.0 / 255.0,
        .do_normalize = true,
        .mean = {0.48145466, 0.4578275, 0.40821073},
        .std = {0.26862954, 0.26130258, 0.27577711},
    };
}

/* Native resolution: both sides to the next multiple of the unit; all of them scaled when that is too much or too little.
 * Source: transformers models/qwen2_vl (smart_resize). Halves go to even. */
static void whole_units(const pc_image_recipe *recipe, double width, double height, double *out_width, double *out_height)
{
    double unit = (double)recipe->patch * recipe->merge, least = recipe->size[0], most = recipe->size[1];
    *out_width = rint(width / unit) * unit;
    *out_height = rint(height / unit) * unit;
    if (*out_width * *out_height > most) {
        double beta = sqrt(width * height / most);
        *out_width = fmax(unit, floor(width / beta / unit) * unit);
        *out_height = fmax(unit, floor(height / beta / unit) * unit);
    } else if (*out_width * *out_height < least) {
        double beta = sqrt(least / (width * height));
        *out_width = ceil(width * beta / unit) * unit;
        *out_height = ceil(height * beta / unit) * unit;
    }
}

/* Sides after "resize", as f64 because they may be far outside what an int holds. Products of sides are exact. */
static void resized_size(const pc_image_recipe *recipe, int width, int height, double *out_width, double *out_height)
{
    double shorter = width < height ? width : height;
    double longer = width < height ? height : width;
    double target = recipe->size[0]; /* of the shorter side */
    double exact = target;           /* the same before rounding, from which the longer side follows */
    double scale;
    switch (recipe->sizing) {
    case PC_SIZE_EXACT:
        *out_height = recipe->size[0];
        *out_width = recipe->size[1];
        return;
    case PC_SIZE_PIXELS:
        whole_units(recipe, width, height, out_width, out_height);
        return;
    case PC_SIZE_WITHIN:
        scale = fmin((double)recipe->size[0] / height, (double)recipe->size[1] / width);
        *out_height = trunc(height * scale);
        *out_width = trunc(width * scale);
        return;
    case PC_SIZE_RANGE:
        if (longer / shorter * target > recipe->size[1]) {
            exact = recipe->size[1] * shorter / longer;
            target = rint(exact); /* halves to even */
        }
        break;
    case PC_SIZE_SHORTEST:
        break;
    }
    double other = recipe->sizing == PC_SIZE_RANGE && shorter == target ? longer : trunc(exact * longer / shorter);
    *out_width = width <= height ? target : other;
    *out_height = width <= height ? other : target;
}

static bool is_side(double side)
{
    return side >= 1 && side <= PC_IMAGE_MAX_SIDE;
}

static pc_status size_after_resize(const pc_image_recipe *recipe, int width, int height, int *out_width,
                                   int *out_height)
{
    double x, y;
    int side = width > height ? width : height;
    width = recipe->pad_square ? side : width;
    height = recipe->pad_square ? side : height;
    *out_width = width;
    *out_height = height;
    if (!recipe->do_resize) {
        return PC_OK;
    }
    static const int MOST_RATIO = 200; /* as the reference refuses */
    if (recipe->sizing == PC_SIZE_PIXELS && side > MOST_RATIO * (width < height ? width : height)) {
        return pc_fail(PC_ERR_DATA, "%d x %d pixels: one side is more than %d times the other", width, height, MOST_RATIO);
    }
    resized_size(recipe, width, height, &x, &y);
    if (!is_side(x) || !is_side(y)) {
        return pc_fail(PC_ERR_DATA, "%d x %d pixels would become %.0f x %.0f; sides go from 1 to %d", width,
                       height, x, y, PC_IMAGE_MAX_SIDE);
    }
    *out_width = (int)x;
    *out_height = (int)y;
    return PC_OK;
}

pc_status pc_image_recipe_size(const pc_image_recipe *recipe, int width, int height, int *out_width, int *out_height)
{
    int x, y;
    if (recipe->grid_count > 0 || recipe->tile_side > 0) {
        return pc_fail(PC_ERR_DATA, "image_grid_pinpoints cuts a picture into tiles, and here one picture is wanted");
    }
    if (width < 1 || height < 1) {
        return pc_fail(PC_ERR_DATA, "a picture of %d x %d pixels is empty", width, height);
    }
    PC_TRY(size_after_resize(recipe, width, height, &x, &y));
    *out_width = recipe->do_center_crop ? recipe->crop_width : x;
    *out_height = recipe->do_center_crop ? recipe->crop_height : y;
    return PC_OK;
}

/* Replace *image, which is ours when *owned, by a result; takes over `result`. */
static void replace(const pc_image **image, pc_image **owned, pc_image *result)
{
    pc_image_free(*owned);
    *owned = result;
    *image = result;
}

/* The steps on pixels. *owned is the result, or NULL when no step was needed. */
static pc_status prepare(const pc_image_recipe *recipe, const pc_image *image, pc_image **owned)
{
    pc_image *result = NULL;
    int width, height;
    PC_TRY(size_after_resize(recipe, image->width, image->height, &width, &height));
    if (recipe->pad_square && image->width != image->height) {
        uint8_t color[3];
        for (int c = 0; c < 3; c++) {
            color[c] = (uint8_t)fmin(fmax(recipe->mean[c] * 255, 0), 255); /* rounded down */
        }
        PC_TRY(pc_image_pad_square(&result, image, color));
        replace(&image, owned, result);
    }
    if (image->width != width || image->height != height) {
        PC_TRY(pc_image_resize(&result, image, width, height, recipe->resample));
        replace(&image, owned, result);
    }
    if (recipe->do_center_crop && (width != recipe->crop_width || height != recipe->crop_height)) {
        PC_TRY(pc_image_crop_center(&result, image, recipe->crop_width, recipe->crop_height));
        replace(&image, owned, result);
    }
    return PC_OK;
}

/* numbers[c][pixel] */
static void tabulate(const pc_image_recipe *recipe, float numbers[3][256])
{
    for (int c = 0; c < 3; c++) {
        for (int pixel = 0; pixel < 256; pixel++) {
            float value = recipe->do_rescale ? (float)(pixel * recipe->rescale_factor) : (float)pixel;
            if (recipe->do_normalize) {
                value = (value - (float)recipe->mean[c]) / (float)recipe->std[c];
            }
            numbers[c][pixel] = value;
        }
    }
}

pc_status pc_image_recipe_apply(const pc_image_recipe *recipe, const pc_image *image, float *out)
{
    float numbers[3][256];
    pc_image *owned = NULL;
    int width, height;
    PC_TRY(pc_image_recipe_size(recipe, image->width, image->height, &width, &height));
    pc_status status = prepare(recipe, image, &owned);
    if (status == PC_OK) {
        const pc_image *ready = owned ? owned : image;
        size_t area = (size_t)ready->width * (size_t)ready->height;
        tabulate(recipe, numbers);
        for (size_t i = 0; i < area; i++) { /* [Y,X,3] -> [3,Y,X] */
            out[i] = numbers[0][ready->pixels[i * 3]];
            out[area + i] = numbers[1][ready->pixels[i * 3 + 1]];
            out[2 * area + i] = numbers[2][ready->pixels[i * 3 + 2]];
        }
    }
    pc_image_free(owned);
    return status;
}
