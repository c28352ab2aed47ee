/* The places where a connector may enter a decoder layer. A language model calls hooks and knows no connector: gated
 * cross-attention (Flamingo), visual experts (CogVLM) and token merging supply them; model/ ties them.
 */
#ifndef PC_NN_HOOK_H
#define PC_NN_HOOK_H

#include "nn/layers.h"

typedef enum pc_projection {
    PC_PROJECT_Q, PC_PROJECT_K, PC_PROJECT_V, PC_PROJECT_O, PC_PROJECT_GATE, PC_PROJECT_UP, PC_PROJECT_DOWN,
} pc_projection;

typedef struct pc_hook {
    void *user;
    /* hidden [T,D] as it enters layer `layer` (= number of layers: after the last); NULL = not used. */
    pc_tensor *(*before_layer)(void *user, const pc_build *build, int layer, pc_tensor *hidden);
    /* hidden [T,D] between attention and MLP. */
    pc_tensor *(*after_attention)(void *user, const pc_build *build, int layer, pc_tensor *hidden);
    /* Of an encoder-decoder: hidden [S,D] as it leaves the encoder, behind its final norm, and rows i32 [S]: where they stand
     * in the text. */
    pc_tensor *(*after_source)(void *user, const pc_build *build, pc_tensor *rows, pc_tensor *hidden);
    /* In place of one projection: x [T,K] -> [T,N] (+ residual). */
    pc_tensor *(*project)(void *user, const pc_build *build, int layer, pc_projection which,
                          const pc_linear_weights *weights, pc_tensor *x, pc_tensor *residual);
} pc_hook;

typedef struct pc_hooks {
    const pc_hook *items;
    int count;
} pc_hooks;

pc_tensor *pc_hooks_before_layer(const pc_hooks *hooks, const pc_build *build, int layer, pc_tensor *hidden);
pc_tensor *pc_hooks_after_attention(const pc_hooks *hooks, const pc_build *build, int layer, pc_tensor *hidden);
pc_tensor *pc_hooks_after_source(const pc_hooks *hooks, const pc_build *build, pc_tensor *rows, pc_tensor *hidden);
/* The last hook that replaces projections wins; without one, the plain linear layer. */
pc_tensor *pc_hooks_project(const pc_hooks *hooks, const pc_build *build, int layer, pc_projection which,
                            const pc_linear_weights *weights, pc_tensor *x, pc_tensor *residual);

#endif
