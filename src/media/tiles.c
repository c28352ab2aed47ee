/* Tiling of pictures.
 *
 *     scale(g)  = min(X_g / X, Y_g / Y)
 *     shown(g)  = min(floor(X scale) floor(Y scale), X Y)      most wins, then the least X_g Y_g - shown
 *     placed    = the side that limits becomes the grid's; the other is ceil(side * scale), at most the grid's
 *     margin    = floor((grid - placed) / 2) left and above
 *
 * Easy to get wrong: grids are height first; the choice rounds down, the placing up; the margin's odd pixel lies right
 * and below; tile 0 ignores the ratio.
 */
#include "media/tiles.h"

#include <math.h>

int pc_image_best_grid(const int (*grids)[2], int count, int width, int height)
{
    int best = 0;
    double most = 0;
    double least = INFINITY;
    for (int i = 0; i < count; i++) {
        double scale = fmin((double)grids[i][1] / width, (double)grids[i][0] / height);
        double shown = trunc(width * scale) * trunc(height * scale);
        shown = fmin(shown, (double)width * height);
        double wasted = (double)grids[i][0] * grids[i][1] - shown;
        if (shown > most || (shown == most && wasted < least)) {
            best = i;
            most = shown;
            least = wasted;
        }
    }
    return best;
}

/* What each tile goes through: the recipe without its grids. */
static pc_image_recipe steps_of_tile(const pc_image_recipe *recipe)
{
    pc_image_recipe steps = *recipe;
    steps.grid_count = 0;
    return steps;
}

/* The size of the whole picture as a tile, before the steps. */
static void overview_size(const pc_image_recipe *recipe, int *width, int *height)
{
    bool exact = recipe->sizing == PC_SIZE_EXACT;
    *height = recipe->size[0];
    *width = exact ? recipe->size[1] : recipe->size[0];
}

static pc_status plan_grid(pc_image_tiling *out, const pc_image_recipe *recipe, int width, int height)
{
    const pc_image_recipe steps = steps_of_tile(recipe);
    const int *grid = recipe->grid[pc_image_best_grid(recipe->grid, recipe->grid_count, width, height)];
    int side = recipe->crop_height;
    int x, y, tile_x, tile_y;
    if (grid[0] % side || grid[1] % side) {
        return pc_fail(PC_ERR_DATA, "a grid of %d x %d pixels does not consist of tiles of %d x %d", grid[1], grid[0], side,
                       side);
    }
    out->rows = grid[0] / side;
    out->columns = grid[1] / side;
    if ((int64_t)out->rows * out->columns + 1 > PC_IMAGE_MAX_TILES) {
        return pc_fail(PC_ERR_DATA, "%d x %d tiles are more than %d", out->columns, out->rows, PC_IMAGE_MAX_TILES - 1);
    }
    overview_size(recipe, &x, &y);
    PC_TRY(pc_image_recipe_size(&steps, x, y, &out->width, &out->height));
    PC_TRY(pc_image_recipe_size(&steps, side, side, &tile_x, &tile_y));
    if (tile_x != out->width || tile_y != out->height) {
        return pc_fail(PC_ERR_DATA, "the whole picture would be %d x %d pixels, its tiles %d x %d", out->width, out->height,
                       tile_x, tile_y);
    }
    out->count = 1 + out->rows * out->columns;
    return PC_OK;
}

/* --- Idefics3 --- */

enum { LONGEST_SIDE = 4096 };

typedef struct size2 {
    int width, height;
} size2;

static int at_least_one(double side)
{
    return side < 1 ? 1 : (int)side;
}

/* The longer side becomes `longest`, the other is rounded down, then to an even number. */
static size2 scale_longest(size2 from, int longest)
{
    const double aspect = (double)from.width / from.height;
    int other = (int)(from.width >= from.height ? longest / aspect : longest * aspect);
    other = at_least_one(other + other % 2);
    return from.width >= from.height ? (size2){longest, other} : (size2){other, longest};
}

static size2 scale_below(size2 from)
{
    const double aspect = (double)from.width / from.height;
    if (from.width >= from.height && from.width > LONGEST_SIDE) {
        return (size2){LONGEST_SIDE, at_least_one(LONGEST_SIDE / aspect)};
    }
    return from.height > LONGEST_SIDE ? (size2){at_least_one(LONGEST_SIDE * aspect), LONGEST_SIDE} : from;
}

static int to_multiple(int side, int unit)
{
    return (side + unit - 1) / unit * unit;
}

/* Both sides become multiples of a tile's. */
static size2 fit_tiles(size2 from, int side)
{
    const double aspect = (double)from.width / from.height;
    if (from.width >= from.height) {
        const int width = to_multiple(from.width, side);
        return (size2){width, to_multiple((int)(width / aspect), side)};
    }
    const int height = to_multiple(from.height, side);
    return (size2){to_multiple((int)(height * aspect), side), height};
}

/* *first: after the first resize; returns the size that is cut. */
static size2 cut_size(const pc_image_recipe *recipe, int width, int height, size2 *first)
{
    *first = (size2){width, height};
    if (recipe->do_resize) {
        *first = scale_below(scale_longest(*first, recipe->size[0]));
    }
    return recipe->do_split ? fit_tiles(*first, recipe->tile_side) : (size2){recipe->tile_side, recipe->tile_side};
}

static pc_status plan_cut(pc_image_tiling *out, const pc_image_recipe *recipe, int width, int height)
{
    const int side = recipe->tile_side;
    size2 first, cut = cut_size(recipe, width, height, &first);
    out->width = out->height = side;
    if (cut.width < side || cut.height < side || cut.width > PC_IMAGE_MAX_SIDE || cut.height > PC_IMAGE_MAX_SIDE) {
        return pc_fail(PC_ERR_DATA, "a picture of %d x %d pixels can't be cut into tiles of %d", width, height, side);
    }
    if (cut.width > side || cut.height > side) {
        out->rows = cut.height / side;
        out->columns = cut.width / side;
        out->count = out->rows * out->columns + 1;
    }
    return out->count <= PC_IMAGE_MAX_TILES
               ? PC_OK
               : pc_fail(PC_ERR_DATA, "%d x %d tiles are more than %d", out->columns, out->rows, PC_IMAGE_MAX_TILES - 1);
}

/* What a tile goes through once it is cut. */
static pc_status apply_cut_tile(const pc_image_recipe *recipe, const pc_image *tile, float *out)
{
    pc_image_recipe steps = *recipe;
    steps.tile_side = 0;
    steps.do_resize = steps.do_center_crop = false;
    return pc_image_recipe_apply(&steps, tile, out);
}

static pc_status apply_cut(const pc_image_recipe *recipe, const pc_image_tiling *plan, const pc_image *image, float *out)
{
    const int side = recipe->tile_side, tiles = plan->rows * plan->columns;
    const size_t step = 3 * (size_t)side * (size_t)side;
    size2 first, cut = cut_size(recipe, image->width, image->height, &first);
    pc_image *scaled = NULL, *canvas = NULL, *tile = NULL;
    pc_status status;
    PC_GO(pc_image_resize(&scaled, image, first.width, first.height, recipe->resample));
    PC_GO(pc_image_resize(&canvas, scaled, cut.width, cut.height, recipe->resample));
    for (int i = 0; i < tiles; i++) {
        PC_GO(pc_image_crop(&tile, canvas, i % plan->columns * side, i / plan->columns * side, side, side));
        PC_GO(apply_cut_tile(recipe, tile, out + (size_t)i * step));
        pc_image_free(tile);
        tile = NULL;
    }
    PC_GO(pc_image_resize(&tile, canvas, side, side, recipe->resample));
    status = apply_cut_tile(recipe, tile, out + (size_t)tiles * step);
done:
    pc_image_free(tile);
    pc_image_free(canvas);
    pc_image_free(scaled);
    return status;
}

pc_status pc_image_tiling_plan(pc_image_tiling *out, const pc_image_recipe *recipe, int width, int height)
{
    pc_image_tiling plan = {.count = 1, .source_height = height, .source_width = width};
    if (width < 1 || height < 1) {
        return pc_fail(PC_ERR_DATA, "a picture of %d x %d pixels is empty", width, height);
    }
    if (recipe->tile_side > 0) {
        PC_TRY(plan_cut(&plan, recipe, width, height));
    } else if (recipe->grid_count > 0) {
        PC_TRY(plan_grid(&plan, recipe, width, height));
    } else {
        PC_TRY(pc_image_recipe_size(recipe, width, height, &plan.width, &plan.height));
    }
    *out = plan;
    return PC_OK;
}

static int scaled_side(int side, double scale, int most)
{
    double result = ceil(side * scale);
    return result < most ? (int)result : most;
}

/* *out = the picture in the middle of a black canvas of the grid's size. */
static pc_status place(pc_image **out, const pc_image *image, const int grid[2], pc_image_filter filter)
{
    pc_image *resized = NULL;
    double scale_x = (double)grid[1] / image->width;
    double scale_y = (double)grid[0] / image->height;
    int width = scale_x < scale_y ? grid[1] : scaled_side(image->width, scale_y, grid[1]);
    int height = scale_x < scale_y ? scaled_side(image->height, scale_x, grid[0]) : grid[0];
    PC_TRY(pc_image_resize(&resized, image, width, height, filter));
    pc_status status =
        pc_image_crop(out, resized, -((grid[1] - width) / 2), -((grid[0] - height) / 2), grid[1], grid[0]);
    pc_image_free(resized);
    return status;
}

static pc_status apply_overview(const pc_image_recipe *recipe, const pc_image *image, float *out)
{
    const pc_image_recipe steps = steps_of_tile(recipe);
    pc_image *overview = NULL;
    int width, height;
    overview_size(recipe, &width, &height);
    PC_TRY(pc_image_resize(&overview, image, width, height, recipe->resample));
    pc_status status = pc_image_recipe_apply(&steps, overview, out);
    pc_image_free(overview);
    return status;
}

pc_status pc_image_tiles_apply(const pc_image_recipe *recipe, const pc_image *image, float *out)
{
    pc_image_tiling plan;
    pc_status status = PC_OK;
    pc_image *canvas = NULL;
    const pc_image_recipe steps = steps_of_tile(recipe);
    PC_TRY(pc_image_tiling_plan(&plan, recipe, image->width, image->height));
    if (recipe->tile_side > 0) {
        return apply_cut(recipe, &plan, image, out);
    }
    if (recipe->grid_count == 0) {
        return pc_image_recipe_apply(recipe, image, out);
    }
    int best = pc_image_best_grid(recipe->grid, recipe->grid_count, image->width, image->height);
    size_t step = (size_t)plan.height * (size_t)plan.width * 3;
    int side = recipe->crop_height;
    PC_TRY(apply_overview(recipe, image, out));
    PC_TRY(place(&canvas, image, recipe->grid[best], recipe->resample));
    for (int i = 0; i < plan.rows * plan.columns && status == PC_OK; i++) {
        pc_image *tile = NULL;
        status = pc_image_crop(&tile, canvas, i % plan.columns * side, i / plan.columns * side, side, side);
        if (status == PC_OK) {
            status = pc_image_recipe_apply(&steps, tile, out + (size_t)(i + 1) * step);
        }
        pc_image_free(tile);
    }
    pc_image_free(canvas);
    return status;
}
