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

/* True when every picture's soft tokens are those of its one tile, in order. */
bool pc_model_plain_pictures(const pc_model *model);

#endif
