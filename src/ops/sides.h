/* The two sides of an encoder-decoder in one packed sequence of rows.
 *
 *   rows     source tokens .............. | start, target tokens ...
 *   ranges   main: the whole source        | prefix: the whole source; main: the targets up to the row itself
 *
 * So a row belongs to the target when its prefix isn't empty. What attends to what follows from the same ranges that decoders
 * have (attention.h); here they are cut in two.
 */
#ifndef PC_OPS_SIDES_H
#define PC_OPS_SIDES_H

#include "ops/attention.h"

/* Ranges of a text of `tokens` rows from row `base` on, the first `source` of them its source. */
void pc_sides_ranges(pc_attention_range *ranges, int64_t base, int64_t source, int64_t tokens);
/* rows of either side, ascending: source and target have room for `count`; returns how many rows are of the source. */
int64_t pc_sides_rows(const pc_attention_range *ranges, int64_t count, int32_t *source, int32_t *target);

typedef struct pc_pick_ranges_params { bool prefix; } pc_pick_ranges_params;

/* in[0] ranges i32 [T,4]; in[1] rows i32 [R]; in[2] keys i32 [S], ascending, or absent. out i32 [R,4]: the main range (or the
 * prefix) of each row as the only one; with keys its rows are counted among those. No gradient. */
extern const pc_op pc_op_pick_ranges;
pc_tensor *pc_pick_ranges(pc_graph *graph, pc_tensor *ranges, pc_tensor *rows, pc_tensor *keys, bool prefix);

/* values i32 [T], rows i32 [R] -> i32 [R] */
extern const pc_op pc_op_pick_ints;
pc_tensor *pc_pick_ints(pc_graph *graph, pc_tensor *values, pc_tensor *rows);

#endif
