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
#include <stdio.h>

typedef struct kept {
    int64_t top, bottom, left, right; /* of the map, half-open */
} kept;

int64_t pc_model_tile_tokens(const pc_model *model, const pc_image_tiling *tiling)
{
    const pc_connector_part *connector = &model->connector;
    pc_connector_dims dims;
    if (!tiling || !model->encoder.info.unit) {
        return connector->tokens;
    }
    pc_model_picture_dims(model, tiling->height, tiling->width, &dims);
    return connector->type->tokens(connector->config, &dims);
}

bool pc_model_pictures_vary(const pc_model *model)
{
    return model->recipe.grid_count > 0 || (model->recipe.tile_side > 0 && model->recipe.do_split) || model->encoder.info.unit > 0;
}

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

/* Rows and columns of a picture's soft tokens as they stand in the text. */
static void picture_grid(const pc_model *model, const pc_image_tiling *tiling, int64_t *rows, int64_t *columns)
{
    pc_connector_dims dims;
    pc_model_picture_dims(model, tiling->height, tiling->width, &dims);
    int64_t shrink = dims.tokens / pc_model_tile_tokens(model, tiling), side = (int64_t)llround(sqrt((double)shrink));
    *rows = dims.rows / side;
    *columns = dims.columns / side;
}

static void put_position(int32_t *out, int64_t axes, int64_t time, int64_t row, int64_t column)
{
    out[0] = (int32_t)time;
    if (axes == 3) {
        out[1] = (int32_t)row;
        out[2] = (int32_t)column;
    }
}

/* A picture whose tokens share a position: one for the token that opens it, one for all in the middle, one for the last. */
static int64_t put_shared(const pc_model *model, int64_t from, int64_t count, int64_t next, int32_t *positions)
{
    int64_t tokens = model->connector.tokens, end = from + tokens < count ? from + tokens : count;
    for (int64_t i = from; i < end; i++) {
        positions[i] = (int32_t)(next + (i > from) + (i > from && i + 1 == from + tokens));
    }
    return end;
}

void pc_model_positions(const pc_model *model, const int32_t *ids, int64_t count, const pc_image_tiling *tilings,
                        int64_t pictures, int32_t *positions)
{
    int64_t axes = model->llm.info.axes, next = 0, picture = 0;
    for (int64_t i = 0; i < count;) {
        if (model->one_position && axes == 1 && ids[i] == model->image_token) {
            i = put_shared(model, i, count, next, positions);
            next += 3;
            continue;
        }
        if (axes == 1 || !tilings || ids[i] != model->image_token || picture == pictures) {
            put_position(positions + i++ * axes, axes, next, next, next);
            next++;
            continue;
        }
        int64_t rows, columns;
        picture_grid(model, &tilings[picture++], &rows, &columns);
        for (int64_t k = 0; k < rows * columns && i < count; k++, i++) {
            put_position(positions + i * axes, axes, next, next + k / columns, next + k % columns);
        }
        next += rows > columns ? rows : columns;
    }
}

/* The rows, or with rows NULL their number. */
static int64_t lay_out(const pc_model *model, const pc_image_tiling *tiling, int64_t first_tile, int32_t *rows)
{
    int64_t each = pc_model_tile_tokens(model, tiling), side = grid_side(model), first = 1 + first_tile * each, count = 0;
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

/* --- pictures in a frame of tokens --- */

static const char FAKE[] = "<fake_token_around_image>", GLOBAL[] = "<global-img>";

static pc_status put_token(const pc_model *model, const char *token, pc_ids *out)
{
    int32_t id = model->tokenizer ? pc_tokenizer_id(model->tokenizer, token) : -1;
    return id >= 0 ? pc_ids_push(out, id)
                   : pc_fail(PC_ERR_DATA, "%s: pictures need the token %s, which the tokenizer does not have", model->path, token);
}

/* A tile behind the token that says which. */
static pc_status put_tile(const pc_model *model, const char *token, pc_ids *out)
{
    PC_TRY(put_token(model, FAKE, out));
    PC_TRY(put_token(model, token, out));
    for (int64_t i = 0; i < model->connector.tokens; i++) {
        PC_TRY(pc_ids_push(out, (int32_t)model->image_token));
    }
    return PC_OK;
}

/* Source: transformers models/idefics3 (processing_idefics3.py). Easy to get wrong: the line feed behind the last row and the
 * one before the whole picture are one piece of text, so often one token. */
pc_status pc_model_lay_out(const pc_model *model, const pc_image_tiling *tiling, pc_ids *out)
{
    int rows = tiling ? tiling->rows : 0, columns = tiling ? tiling->columns : 0;
    for (int i = 0; i < rows * columns; i++) {
        char token[48];
        snprintf(token, sizeof token, "<row_%d_col_%d>", i / columns + 1, i % columns + 1);
        PC_TRY(put_tile(model, token, out));
        if ((i + 1) % columns == 0) {
            bool last = i + 1 == rows * columns;
            PC_TRY(pc_tokenizer_encode(model->tokenizer, "\n\n", last ? 2 : 1, PC_TOKENIZE_CONTINUE, out));
        }
    }
    PC_TRY(put_tile(model, GLOBAL, out));
    return put_token(model, FAKE, out);
}

bool pc_model_plain_pictures(const pc_model *model)
{
    return model->tiles.merge == PC_MERGE_NONE;
}

pc_status pc_model_picture_tokens(const pc_model *model, const pc_image_tiling *tiling, int64_t *count)
{
    int64_t side = grid_side(model);
    *count = pc_model_tile_tokens(model, tiling);
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
