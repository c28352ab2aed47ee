/* Steps that decoder stacks share, whatever their blocks are made of: attention over the rows at hand or a cache, what ends a
 * block, looks at the states between blocks. */
#ifndef PC_LLM_STACK_H
#define PC_LLM_STACK_H

#include "llm/llm.h"

/* How a block attends. */
typedef struct pc_stack_attention {
    int64_t heads, key_heads, size; /* H, K, E */
    double scale;                   /* of the dot products */
    pc_tensor *bias;                /* f32 [H,2M+1] by distance (ops/attention.h), or NULL */
    pc_tensor *sinks;               /* [R,H,E]: q as the keys of the prefix range meet it, or NULL; without a bias */
} pc_stack_attention;

/* q [R,H,E] of the wanted rows (all without io->rows), k, v [T,K,E], which the cache of layer `index` takes up first where there
 * is one -> [R,H*E]. */
pc_tensor *pc_stack_attend(const pc_build *build, const pc_llm_io *io, int index, pc_tensor *const qkv[3],
                           const pc_stack_attention *how);

/* stream + W x, by the hooks' projection where they have one, less what is dropped in training: the end of a block. */
pc_tensor *pc_stack_end(const pc_build *build, const pc_hooks *hooks, int index, pc_projection which,
                        const pc_linear_weights *weights, pc_tensor *x, pc_tensor *stream);

/* Fill the looks at layer `layer` with x [T,D] behind the final norm; one without weights does nothing. */
void pc_stack_tap(const pc_build *build, const pc_llm_io *io, int layer, pc_tensor *x, const pc_norm_weights *norm, double eps);

/* The rows of x that `rows` wants; all when it is NULL. */
pc_tensor *pc_stack_only(pc_graph *graph, pc_tensor *x, pc_tensor *rows);

#endif
