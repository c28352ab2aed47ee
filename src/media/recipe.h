/* What is done to a picture before an image encoder sees it: the content of preprocessor_config.json.
 *
 * Takes a pc_image, gives f32 [3,Y,X] - in this order, each step if it is switched on: pad to a square, resize, centre
 * crop, multiply by rescale_factor, (x - mean) / std. The numbers are those of transformers' image processors with
 * use_fast=False, bit for bit: product in f64, rounded to f32, then difference and quotient in f32.
 */
#ifndef PC_MEDIA_RECIPE_H
#define PC_MEDIA_RECIPE_H

#include "base/json.h"
#include "base/status.h"
#include "media/image.h"

#include <stdbool.h>

/* The forms of "size". Ratios are kept except by PC_SIZE_EXACT. */
typedef enum pc_image_sizing {
    PC_SIZE_SHORTEST, /* {"shortest_edge": a}: the shorter side becomes a, the longer is rounded down */
    PC_SIZE_EXACT,    /* {"height": a, "width": b} */
    PC_SIZE_RANGE,    /* {"shortest_edge": a, "longest_edge": b}: as SHORTEST, but the longer side at most b */
    PC_SIZE_PIXELS,   /* {"shortest_edge": a, "longest_edge": b} of Qwen2VLImageProcessor: a to b pixels in all, sides that are
                       * multiples of patch * merge */
    PC_SIZE_WITHIN,   /* {"max_height": a, "max_width": b}: the largest that fits in, enlarged if need be */
} pc_image_sizing;

/* The most entries of image_grid_pinpoints. */
#define PC_IMAGE_MAX_GRIDS 64

typedef struct pc_image_recipe {
    bool pad_square;      /* first, with the colour (int)(255 * mean): LLaVA-1.5's "pad" */
    bool do_resize;
    pc_image_sizing sizing;
    int size[2];          /* a, b of the sizing, pixels; b is 0 where it has none */
    int patch, merge;     /* PC_SIZE_PIXELS: sides are multiples of patch * merge pixels */
    pc_image_filter resample;
    bool do_center_crop;
    int crop_height, crop_width; /* pixels */
    bool do_rescale;
    double rescale_factor;
    bool do_normalize;
    double mean[3], std[3]; /* red, green, blue */
    int tile_side;          /* pictures are cut into tiles of this side (media/tiles.h), Idefics3's way; 0 = not */
    bool do_split;          /* with tile_side; false: the whole picture as one tile */
    int grid_count;         /* canvases that a picture may be cut into tiles from (media/tiles.h); 0 = no tiles */
    int grid[PC_IMAGE_MAX_GRIDS][2]; /* height, width in pixels */
} pc_image_recipe;

/* CLIP: shorter side to 224, bicubic, centre crop 224 x 224, 1/255, CLIP's mean and deviation. */
void pc_image_recipe_default(pc_image_recipe *recipe);

/* Read the object of a preprocessor_config.json; `where` names it in messages. What is absent has the default of the
 * file's image_processor_type (CLIP's when that is absent, too). PC_ERR_DATA names the key for an unknown processor, a
 * value of a wrong type or range, and for every setting that would change pixels in a way not known here; other unknown
 * keys are logged and left. */
pc_status pc_image_recipe_from_json(pc_image_recipe *recipe, const pc_json *json, const char *where);

/* *out = a new object in the layout of CLIPImageProcessor (LlavaImageProcessor with do_pad, when pad_square is set,
 * which is the class that pads before it resizes; LlavaNextImageProcessor
 * when there are grids). Free with pc_json_free. */
pc_status pc_image_recipe_to_json(pc_json **out, const pc_image_recipe *recipe);

/* Size of the result for a picture of this size. PC_ERR_DATA when a side would fall outside 1..PC_IMAGE_MAX_SIDE, and
 * for a recipe with grids: one picture can't stand for its tiles, see media/tiles.h. */
pc_status pc_image_recipe_size(const pc_image_recipe *recipe, int width, int height, int *out_width, int *out_height);

/* out: [3,Y,X] with the size that pc_image_recipe_size tells. The image is not changed. Thread safe. */
pc_status pc_image_recipe_apply(const pc_image_recipe *recipe, const pc_image *image, float *out);

#endif
