/* Which picture each row of a text reads, where pictures stay apart from it (Flamingo). */
#ifndef PC_OPS_PICTURE_RANGES_H
#define PC_OPS_PICTURE_RANGES_H

#include "tensor/graph.h"

/* ranges i32 [T,4] (ops/attention.h), rows i32 [N] ascending: the row where each picture stands, ids i32 [T] -> i32 [T,4] over
 * the Q rows of each picture, [N Q]: a row sees the last picture at or before it among the rows that it sees itself, none when
 * there is no such picture, or when a row between the two (the picture's row and its own left out) holds end_id (-1 = no id
 * does). No gradient. */
typedef struct pc_picture_ranges_params {
    int64_t queries; /* Q */
    int64_t end_id;
} pc_picture_ranges_params;
extern const pc_op pc_op_picture_ranges;
pc_tensor *pc_picture_ranges(pc_graph *graph, pc_tensor *ranges, pc_tensor *rows, pc_tensor *ids, pc_picture_ranges_params params);

/* rows i32 [S]: rows of a text that hold soft tokens, ids i32 [T] -> types i32 [T]: 1 for a row that holds one when the next
 * row does, too, else 0 (CogVLM: the token that closes a picture is the text's). Looks at ids' shape alone. No gradient. */
extern const pc_op pc_op_picture_types;
pc_tensor *pc_picture_types(pc_graph *graph, pc_tensor *rows, pc_tensor *ids);

#endif
