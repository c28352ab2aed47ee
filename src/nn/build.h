/* What every block of a network is built with: the graph, the arithmetic of its matrix products, and the adapter in force.
 *
 * An instance of a model = weights by reference + adapter (+ heads): the same weights build any number of graphs, each with
 * its own adapter, so that policy, reference, reward and value models share what is frozen.
 */
#ifndef PC_NN_BUILD_H
#define PC_NN_BUILD_H

#include "ops/dropout.h"

typedef struct pc_adapter pc_adapter; /* adapter.h */

/* What is dropped in training; shares of 0 drop nothing. */
typedef struct pc_dropping {
    const pc_dropout_draw *draw; /* outlives the graph */
    double stream;               /* of what attention and MLP add to the stream: Vaswani et al. 2017, section 5.4 */
    double adapter;              /* of what an adapter's low-rank matrices read */
    uint64_t places;             /* nodes so far */
} pc_dropping;

/* Losses that blocks add to that of a training stage (mixture of experts: how evenly its experts are used). */
typedef struct pc_side_losses {
    pc_tensor *sum; /* f32 [1], each times its coefficient; NULL: none so far */
} pc_side_losses;

typedef struct pc_build {
    pc_graph *graph;
    pc_dtype compute;          /* PC_F32 or PC_BF16 */
    pc_dropping *dropping;     /* NULL: nothing is dropped */
    const pc_adapter *adapter; /* NULL: the weights as they are */
    pc_side_losses *side;      /* NULL: nobody wants them, as where nothing trains */
} pc_build;

/* Add coefficient * loss ([1]) to the side losses. */
void pc_side_add(const pc_build *build, pc_tensor *loss, double coefficient);

/* The parameter that stands for `param`: the adapter's own copy where it has one. */
pc_param *pc_adapter_instead(const pc_adapter *adapter, pc_param *param);

static inline pc_tensor *pc_use(const pc_build *build, pc_param *param)
{
    return param ? pc_graph_param(build->graph, pc_adapter_instead(build->adapter, param)) : NULL;
}

/* x without a share `rate` of its numbers. */
static inline pc_tensor *pc_drop(const pc_build *build, pc_tensor *x, double rate)
{
    if (!build->dropping || rate <= 0) {
        return x;
    }
    pc_dropout_params params = {.draw = build->dropping->draw, .place = build->dropping->places++, .rate = rate};
    return pc_dropout(build->graph, x, params);
}

/* True when what a block adds to its stream loses a share: then the sum is a node of its own (pc_add_to_stream). */
static inline bool pc_drops_stream(const pc_build *build)
{
    return build->dropping && build->dropping->stream > 0;
}

#endif
