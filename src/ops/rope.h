/* Rotary position embedding (Su et al. 2021). */
#ifndef PC_OPS_ROPE_H
#define PC_OPS_ROPE_H

#include "tensor/graph.h"

typedef struct pc_rope_params {
    bool interleaved; /* pairs (2j, 2j+1); false: pairs (j, j + R/2), as Hugging Face LLaMA */
    bool inverse;     /* rotate back: the gradient */
} pc_rope_params;

/* in[0] x [T,H,E]; in[1] positions i32 [T]; in[2] frequencies f32 [R/2], R <= E: angle = position * frequency; the
 * first R features of each head rotate, the rest pass. out [T,H,E]; may run in place. */
extern const pc_op pc_op_rope;
pc_tensor *pc_rope(pc_graph *graph, pc_tensor *x, pc_tensor *positions, pc_tensor *frequencies, pc_rope_params params);

#endif
