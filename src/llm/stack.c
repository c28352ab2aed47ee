#include "llm/stack.h"

#include "ops/attention.h"
#include "ops/rows.h"

pc_tensor *pc_stack_only(pc_graph *graph, pc_tensor *x, pc_tensor *rows)
{
    return rows ? pc_take_rows(graph, x, rows) : x;
}

pc_tensor *pc_stack_attend(const pc_build *build, const pc_llm_io *io, int index, pc_tensor *const qkv[3],
                           const pc_stack_attention *how)
{
    pc_graph *graph = build->graph;
    pc_tensor *in[] = {qkv[0], qkv[1], qkv[2]};
    const pc_attention_params params = {.scale = how->scale, .page_rows = PC_CACHE_PAGE, .place = PC_PLACE_LAST};
    if (io->cache) {
        in[1] = pc_store_rows(graph, io->cache[index].keys, in[1], io->cache_rows); /* [S,K,E] */
        in[2] = pc_store_rows(graph, io->cache[index].values, in[2], io->cache_rows);
    }
    if (how->sinks) {
        pc_tensor *near = pc_attention_sinks(graph, in, how->sinks, pc_stack_only(graph, io->ranges, io->rows), io->pages, params);
        return pc_reshape(graph, near, pc_dims(2, -1, how->heads * how->size));
    }
    if (!how->bias) { /* a look knows no bias */
        pc_llm_look_at(graph, io, index, in[0], in[1], how->scale);
    }
    pc_tensor *mixed = pc_attention_biased(graph, in, pc_stack_only(graph, io->ranges, io->rows), how->bias,
                                           io->cache ? io->pages : NULL, params); /* [R,H,E] */
    return pc_reshape(graph, mixed, pc_dims(2, -1, how->heads * how->size));
}

pc_tensor *pc_stack_end(const pc_build *build, const pc_hooks *hooks, int index, pc_projection which,
                        const pc_linear_weights *weights, pc_tensor *x, pc_tensor *stream)
{
    if (pc_drops_stream(build)) {
        return pc_add_to_stream(build, pc_hooks_project(hooks, build, index, which, weights, x, NULL), stream);
    }
    return pc_hooks_project(hooks, build, index, which, weights, x, stream);
}

void pc_stack_tap(const pc_build *build, const pc_llm_io *io, int layer, pc_tensor *x, const pc_norm_weights *norm, double eps)
{
    for (int i = 0; i < io->tap_count; i++) {
        if (io->taps[i].layer == layer) {
            io->taps[i].hidden = norm->weight ? pc_norm_forward(build, norm, x, eps) : x; /* [T,D] */
        }
    }
}
