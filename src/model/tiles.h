/* How the soft tokens of a picture in tiles stand in the text: LLaVA-NeXT's packing.
 *
 *   tile 0 (the whole picture)  Q tokens
 *   tiles 1..R*C of g x g       one map of R*g x C*g tokens; rows and columns that show padding only go; each row of the map
 *                               ends with the learned newline
 *
 * Takes: the tiling of media/tiles.h. Gives: row numbers into [newline; tokens of tile 0; tile 1; ...].
 */
#ifndef PC_MODEL_TILES_H
#define PC_MODEL_TILES_H

#include "model/model.h"

/* Soft tokens of a picture; tiling NULL: one tile, no grid. PC_ERR_DATA when its tiles cannot be put together. */
pc_status pc_model_picture_tokens(const pc_model *model, const pc_image_tiling *tiling, int64_t *count);

/* rows[count] of pc_model_picture_tokens: 0 is the newline, 1 + t*Q + i token i of tile t, counted from `first_tile`. */
void pc_model_picture_rows(const pc_model *model, const pc_image_tiling *tiling, int64_t first_tile, int32_t *rows);

/* Soft tokens of one tile; tiling NULL: of the encoder's native size. */
int64_t pc_model_tile_tokens(const pc_model *model, const pc_image_tiling *tiling);

/* Positions of `count` tokens, [count,A] (pc_llm_info.axes): a text counts on; where positions have three numbers, the
 * tokens of a picture (ids that are the placeholder) share a time and have their row and column, all counted from the
 * position where the picture begins, and what follows goes on behind the largest; where the
 * tokens of a picture share a position (one_position), it takes three in all. tilings: of the pictures in their
 * order; NULL = none. */
void pc_model_positions(const pc_model *model, const int32_t *ids, int64_t count, const pc_image_tiling *tilings,
                        int64_t pictures, int32_t *positions);

/* True when the number of a picture's soft tokens depends on its size. */
bool pc_model_pictures_vary(const pc_model *model);

/* True when every picture's soft tokens are those of its one tile, in order. */
bool pc_model_plain_pictures(const pc_model *model);

#endif
