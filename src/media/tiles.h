/* A picture cut into tiles, as LLaVA-NeXT's "anyres" does it, so that a model sees details at their own resolution.
 *
 * Takes a pc_image, gives f32 [N,3,Y,X] and what the model needs to put the tiles' features back in place. Tile 0 is the
 * whole picture squeezed to the recipe's size. The picture is also scaled, keeping its ratio, into the best of the
 * recipe's grids, set in the middle of a black canvas of that grid's size and cut into R x C tiles, in reading order:
 * they are tiles 1 .. R C, and N = 1 + R C. Each tile then goes through the steps of the recipe. The numbers are those
 * of transformers' LlavaNextImageProcessor with use_fast=False, bit for bit.
 *
 * With tile_side (Idefics3, SmolVLM) the picture is scaled until its longer side is size[0], then to multiples of the tile's
 * side, without regard to its ratio, and cut: tiles 0 .. R C - 1 in reading order, the whole picture squeezed into a tile
 * behind them; a picture of one tile is that tile alone, with R = C = 0. The numbers are those of Idefics3ImageProcessorPil.
 *
 * Another recipe without grids (grid_count 0) gives N = 1, R = C = 0: the one picture of pc_image_recipe_apply. So a caller
 * that uses this header needs no second path.
 *
 * Source: LLaVA-NeXT (Liu et al. 2024); transformers, image_processing_utils.py (select_best_resolution,
 * get_patch_output_size, divide_to_patches) and models/llava_next/image_processing_pil_llava_next.py.
 */
#ifndef PC_MEDIA_TILES_H
#define PC_MEDIA_TILES_H

#include "base/status.h"
#include "media/recipe.h"

/* The most tiles of one picture. */
#define PC_IMAGE_MAX_TILES 256

typedef struct pc_image_tiling {
    int count;                       /* N, at least 1 */
    int height, width;               /* Y, X of every tile, pixels */
    int rows, columns;               /* R, C of the tiles from 1 on; 0 for a recipe without grids */
    int source_height, source_width; /* of the picture before all steps: removing the padding asks for it */
} pc_image_tiling;

/* The tiling of a picture of width x height pixels. Needs no pixels, so a prompt can be laid out before decoding.
 * PC_ERR_DATA when a grid is no multiple of the tile (crop_height), when tiles would be of different sizes, above
 * PC_IMAGE_MAX_TILES, or when pc_image_recipe_size fails. */
pc_status pc_image_tiling_plan(pc_image_tiling *out, const pc_image_recipe *recipe, int width, int height);

/* out: [N,3,Y,X] as the plan for this recipe and the picture's size says. The picture is not changed. Thread safe. */
pc_status pc_image_tiles_apply(const pc_image_recipe *recipe, const pc_image *image, float *out);

/* The index of the grid (height, width pairs, at least one) that shows most of a picture of this size; among equals the
 * one that wastes least, then the first. */
int pc_image_best_grid(const int (*grids)[2], int count, int width, int height);

#endif
