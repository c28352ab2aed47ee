/* Packing the tokens of tiles.
 *
 * Source: LLaVA-NeXT (Liu et al. 2024), llava_arch.py; transformers models/llava_next/modeling_llava_next.py
 * (pack_image_features, unpad_image) and processing_llava_next.py (the count).
 *
 * Easy to get wrong: the ratio of the picture before all steps decides what is padding; the kept side is rounded down –
 * transformers rounds to 7 decimals before that, LLaVA does not; the padding on both sides is half of the rest, rounded down,
 * so that an odd rest leaves one row more; a picture without grids ends with one newline when the padding is removed.
 */
#include "model/tiles.h"

#include <math.h>

typedef struct kept {
    int64_t top, bottom, left, right; /* of the map, half-open */
} kept;

static int64_t grid_side(const pc_model *model)
{
    return (int64_t)llround(sqrt((double)model->connector.tokens));
}

/* What is left of `side` tokens when the picture's own side, scaled by `scale`, is in the middle. */
static void cut(const pc_model *model, int64_t side, double source, double scale, int64_t *from, int64_t *to)
{
    double length = source * scale;
    if (model->tiles.rounded) {
        length = rint(length * 1e7) / 1e7;
    }
    int64_t padding = (side - (int64_t)length) / 2;
    *from = padding;
    *to = side - padding;
}

static kept without_padding(const pc_model *model, const pc_image_tiling *tiling)
{
    int64_t side = grid_side(model), height = tiling->rows * side, width = tiling->columns * side;
    double source_width = tiling->source_width, source_height = tiling->source_height;
    kept out = {0, height, 0, width};
    if (model->tiles.merge != PC_MERGE_UNPAD) {
        return out;
    }
    if (source_width / source_height > (double)width / (double)height) {
        cut(model, height, source_height, (double)width / source_width, &out.top, &out.bottom);
    } else {
        cut(model, width, source_width, (double)height / source_height, &out.left, &out.right);
    }
    return out;
}

static void put(int32_t *rows, int64_t *count, int64_t row)
{
    if (rows) {
        rows[*count] = (int32_t)row;
    }
    ++*count;
}

/* The rows, or with rows NULL their number. */
static int64_t lay_out(const pc_model *model, const pc_image_tiling *tiling, int64_t first_tile, int32_t *rows)
{
    int64_t each = model->connector.tokens, side = grid_side(model), first = 1 + first_tile * each, count = 0;
    bool newlines = model->tiles.merge == PC_MERGE_UNPAD;
    for (int64_t i = 0; i < each; i++) {
        put(rows, &count, first + i);
    }
    if (!tiling || tiling->count == 1) {
        if (newlines) {
            put(rows, &count, 0);
        }
        return count;
    }
    if (model->tiles.merge == PC_MERGE_FLAT) {
        for (int64_t i = each; i < tiling->count * each; i++) {
            put(rows, &count, first + i);
        }
        return count;
    }
    kept map = without_padding(model, tiling);
    for (int64_t y = map.top; y < map.bottom; y++) {
        for (int64_t x = map.left; x < map.right; x++) {
            int64_t tile = 1 + y / side * tiling->columns + x / side;
            put(rows, &count, first + tile * each + y % side * side + x % side);
        }
        if (newlines) {
            put(rows, &count, 0);
        }
    }
    return count;
}

bool pc_model_plain_pictures(const pc_model *model)
{
    return model->tiles.merge == PC_MERGE_NONE;
}

pc_status pc_model_picture_tokens(const pc_model *model, const pc_image_tiling *tiling, int64_t *count)
{
    int64_t side = grid_side(model);
    *count = model->connector.tokens;
    if (pc_model_plain_pictures(model)) {
        return !tiling || tiling->count == 1
                   ? PC_OK
                   : pc_fail(PC_ERR_DATA, "%s: the picture recipe cuts tiles, but the model has no rule to join them",
                             model->path);
    }
    if (side * side != model->connector.tokens) {
        return pc_fail(PC_ERR_DATA, "%s: %lld tokens of a tile are no square, so tiles can't be joined", model->path,
                       (long long)model->connector.tokens);
    }
    *count = lay_out(model, tiling, 0, NULL);
    return PC_OK;
}

void pc_model_picture_rows(const pc_model *model, const pc_image_tiling *tiling, int64_t first_tile, int32_t *rows)
{
    lay_out(model, tiling, first_tile, rows);
}
