/* KTO's loss over answers of which each is known to be wanted or not. */
#ifndef PC_OPS_KTO_H
#define PC_OPS_KTO_H

#include "tensor/graph.h"

typedef struct pc_kto_params {
    double beta;
    double wanted_weight, unwanted_weight; /* of losses of the two kinds of answers */
} pc_kto_params;

enum { PC_KTO_METRICS = 3 };

typedef struct pc_kto_io {
    pc_tensor *losses;    /* f32 [R]: pc_token_losses of the model that trains */
    pc_tensor *reference; /* f32 [R]: of the reference model */
    pc_tensor *ends;      /* i32 [2B]: where the tokens of each answer end: a sample's own, then another sample's to its prompt */
    pc_tensor *labels;    /* f32 [B]: 1 = wanted, -1 = not */
    pc_tensor *weights;   /* f32 [B]: of each sample; 1/B gives a mean */
} pc_kto_io;

/* The loss [1]. out[1] f32 [3], without a gradient: weighted sums of the reward's side (beta (log p - log p_ref), times the
 * label), of 1 where it is positive, and of the distance to the reference. */
extern const pc_op pc_op_kto;
extern const pc_op pc_op_kto_grad; /* in as pc_op_kto, then dloss [1]; out dlosses [R] */
pc_tensor *pc_kto(pc_graph *graph, const pc_kto_io *io, const pc_kto_params *params);

#endif
