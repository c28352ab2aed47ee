/* Rotary position embedding (Su et al. 2021). */
#ifndef PC_OPS_ROPE_H
#define PC_OPS_ROPE_H

#include "tensor/graph.h"

enum { PC_ROPE_AXES = 3 }; /* the most numbers of one position: time, row, column */

typedef struct pc_rope_params {
    bool interleaved; /* pairs (2j, 2j+1); false: pairs (j, j + R/2), as Hugging Face LLaMA */
    bool inverse;     /* rotate back: the gradient */
    /* Frequencies that turn by the first, second and third number of a position, in order; their sum is R/2. All 0: a
     * position is one number. Trailing zeros: it has fewer numbers (rows and columns of a picture: two). */
    int32_t sections[PC_ROPE_AXES];
} pc_rope_params;

/* Numbers of one position. */
static inline int pc_rope_axes(const pc_rope_params *params)
{
    int axes = PC_ROPE_AXES;
    while (axes > 1 && !params->sections[axes - 1]) {
        axes--;
    }
    return axes;
}

/* in[0] x [T,H,E]; in[1] positions i32 [T] or [T,A]; in[2] frequencies f32 [R/2], R <= E: angle = position * frequency;
 * the first R features of each head rotate, the rest pass. out [T,H,E]; may run in place. */
extern const pc_op pc_op_rope;
pc_tensor *pc_rope(pc_graph *graph, pc_tensor *x, pc_tensor *positions, pc_tensor *frequencies, pc_rope_params params);

#endif
