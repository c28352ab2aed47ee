/* Steps that decoder stacks share, whatever their blocks are made of: what a layer declares, attention over the rows at hand or a
 * cache, MLPs and experts, what ends a block, looks at the states between blocks. */
#ifndef PC_LLM_STACK_H
#define PC_LLM_STACK_H

#include "llm/llm.h"
#include "nn/moe.h"

/* One linear layer of a block: y [N] of x [K]. */
typedef struct pc_stack_linear {
    pc_linear_weights *weights;
    int64_t out, in; /* N, K */
    bool bias;
    double gain;      /* of its initial values (pc_linear_declare) */
    const char *name; /* within its layer: "self_attn.q_proj" */
} pc_stack_linear;

/* Declare them as <layers>.<index>.<name>. */
void pc_stack_declare(pc_scope *scope, const pc_stack_linear *linears, size_t count, const char *layers, int index);

/* The table of the language head, of the embedding's shape: lm_head.weight, or the embedding itself when tied. */
pc_param *pc_stack_declare_head(pc_scope *scope, pc_param *embedding, bool tied);

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

/* x [T,D] (normed) -> stream + down(act(up x)) [T,D]. */
pc_tensor *pc_stack_mlp(const pc_build *build, const pc_hooks *hooks, int index, const pc_mlp_weights *weights, pc_activation kind,
                        pc_tensor *x, pc_tensor *stream);

/* x [T,D] (normed) -> stream + the same by the experts that each row chooses [T,D]; router logits join *routed (pc_moe_note). */
pc_tensor *pc_stack_experts(const pc_build *build, const pc_moe_weights *weights, const pc_moe_config *config, pc_tensor *x,
                            pc_tensor *stream, pc_tensor **routed);

/* Fill the looks at layer `layer` with x [T,D] behind the final norm; one without weights does nothing. */
void pc_stack_tap(const pc_build *build, const pc_llm_io *io, int layer, pc_tensor *x, const pc_norm_weights *norm, double eps);

/* Rows leave before layer io->drop->layer: *now is what the layers from there on are told, x [T,D] what goes on, [T',D]. */
pc_tensor *pc_stack_drop(pc_graph *graph, const pc_llm_io *io, pc_tensor *x, pc_llm_io *now);

/* The rows of x that `rows` wants; all when it is NULL. */
pc_tensor *pc_stack_only(pc_graph *graph, pc_tensor *x, pc_tensor *rows);

#endif
