/* Losses: fused softmax cross-entropy, and the pairwise sigmoid loss of SigLIP. */
#ifndef PC_OPS_LOSS_H
#define PC_OPS_LOSS_H

#include "tensor/graph.h"

/* in[0] logits f32 [U,V]; in[1] targets i32 [R], in [0,V); in[2] weights f32 [R] (0 drops a target; 1/count gives a mean);
 * in[3] starts i32 [U+1] or absent: row u has the targets starts[u] .. starts[u+1] - 1; absent: R = U, one target a row.
 * out[0] loss [1] = sum over targets t of row u of w_t (logsumexp(logits_u) - logits_u[target_t]), rows in fixed order; out[1]
 * log-sum-exp f32 [U]. label_smoothing as torch: (1-s) on the target + s/V on all. */
typedef struct pc_cross_entropy_params { double label_smoothing; } pc_cross_entropy_params;
extern const pc_op pc_op_cross_entropy;
/* in logits, targets, weights, lse, dloss [1] or absent (1), starts or absent; out dlogits [U,V]; in place. */
extern const pc_op pc_op_cross_entropy_grad;
pc_tensor *pc_cross_entropy(pc_graph *graph, pc_tensor *logits, pc_tensor *targets, pc_tensor *weights);
pc_tensor *pc_cross_entropy_grouped(pc_graph *graph, pc_tensor *logits, pc_tensor *targets, pc_tensor *weights,
                                    pc_tensor *starts);

/* SigLIP (Zhai et al. 2023): logits [B,B] already scaled and shifted; loss [1] = -1/B sum_ij log sigmoid(z_ij l_ij), z = +1
 * on the diagonal, -1 elsewhere. */
extern const pc_op pc_op_sigmoid_loss;
extern const pc_op pc_op_sigmoid_loss_grad; /* in logits, dloss; out dlogits */
pc_tensor *pc_sigmoid_loss(pc_graph *graph, pc_tensor *logits);

#endif
