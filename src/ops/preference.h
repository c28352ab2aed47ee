/* Losses over pairs of answers: DPO and its relatives. */
#ifndef PC_OPS_PREFERENCE_H
#define PC_OPS_PREFERENCE_H

#include "tensor/graph.h"

/* in[0] logits f32 [R,V]; in[1] targets i32 [R], in [0,V). out[0] f32 [R] = -log p of each row's target; out[1] log-sum-exp
 * f32 [R], without a gradient. */
extern const pc_op pc_op_token_losses;
pc_tensor *pc_token_losses(pc_graph *graph, pc_tensor *logits, pc_tensor *targets);

typedef enum pc_pair_loss {
    PC_PAIR_SIGMOID, /* DPO */
    PC_PAIR_HINGE,
    PC_PAIR_IPO,
    PC_PAIR_ORPO,    /* no reference */
    PC_PAIR_SIMPO,   /* no reference */
} pc_pair_loss;

typedef struct pc_preference_params {
    pc_pair_loss kind;
    double beta;
    double label_smoothing; /* sigmoid and SimPO: probability that a pair is the wrong way round */
    double margin;          /* SimPO's gamma */
    double likelihood;      /* this times -log p of a chosen answer's token, the mean, is added (RPO) */
    double centre;          /* this times (score_w + score_l)^2 is added: keeps rewards round 0 */
    bool averaged;          /* an answer's score is the mean over its tokens' weights, not the sum */
} pc_preference_params;

enum { PC_PAIR_METRICS = 4 };

typedef struct pc_preference_io {
    pc_tensor *losses;    /* f32 [R], pc_token_losses of the model that trains; the tokens of one answer behind another's */
    pc_tensor *weights;   /* f32 [R]: weight of each token in its answer; NULL = 1 */
    pc_tensor *reference; /* f32 [R]: losses of the reference model; NULL = a reference that finds everything certain */
    pc_tensor *ends;      /* i32 [2P]: where the tokens of each answer end: chosen, rejected, chosen ...; NULL = one each */
    pc_tensor *pairs;     /* f32 [P]: weight of each pair; 1/P gives a mean */
} pc_preference_io;

/* The loss [1], a sum over the pairs in their order. out[1] f32 [4], without a gradient: sums over the pairs of reward of the
 * chosen and of the rejected answer (beta (score - reference's score)), of their difference, and of 1 where it is positive. */
extern const pc_op pc_op_preference;
extern const pc_op pc_op_preference_grad; /* in as pc_op_preference, then dloss [1]; out dlosses [R] */
pc_tensor *pc_preference(pc_graph *graph, const pc_preference_io *io, const pc_preference_params *params);

#endif
