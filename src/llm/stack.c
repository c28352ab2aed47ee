#include "llm/stack.h"

#include "ops/attention.h"
#include "ops/matmul.h"
#include "ops/keep_rows.h"
#include "ops/rows.h"

#include <stdio.h>

void pc_stack_declare(pc_scope *scope, const pc_stack_linear *linears, size_t count, const char *layers, int index)
{
    char name[128];
    for (size_t i = 0; i < count; i++) {
        const pc_stack_linear *l = &linears[i];
        snprintf(name, sizeof name, "%s.%d.%s", layers, index, l->name);
        pc_linear_declare(scope, l->weights, l->out, l->in, l->bias, l->gain, name);
    }
}

pc_param *pc_stack_declare_head(pc_scope *scope, pc_param *embedding, bool tied)
{
    if (tied || scope->status != PC_OK) {
        return embedding;
    }
    pc_shape table = embedding->shape; /* [V,D] */
    pc_param *head = pc_declare(scope, PC_NORMAL(pc_scope_std(scope, table.dim[1])), table, "lm_head.weight");
    pc_declared_as(scope, PC_PARAM_HEAD);
    return head;
}

pc_tensor *pc_stack_only(pc_graph *graph, pc_tensor *x, pc_tensor *rows)
{
    return rows ? pc_take_rows(graph, x, rows) : x;
}

pc_tensor *pc_stack_drop(pc_graph *graph, const pc_llm_io *io, pc_tensor *x, pc_llm_io *now)
{
    const pc_llm_drop *drop = io->drop;
    pc_tensor *weights = io->look->weights;
    if (!weights) {
        return x; /* whoever asked finds no weights, either, and says so */
    }
    pc_tensor *kept = pc_keep_rows(graph, weights, drop->judges, drop->columns, drop->cache_rows,
                                   (pc_keep_rows_params){.keep = drop->keep});
    now->positions = pc_take_rows(graph, io->positions, kept);
    now->ranges = drop->ranges;
    now->cache_rows = drop->cache_rows;
    now->rows = io->rows ? drop->rows : NULL;
    return pc_take_rows(graph, x, kept); /* [T',D] */
}

/* x [T,H,E] through io->spread, head by head. */
static pc_tensor *spread(pc_graph *graph, const pc_llm_io *io, pc_tensor *x)
{
    if (!io->spread || !x) {
        return x;
    }
    const int64_t heads = x->shape.dim[1], size = x->shape.dim[2];
    pc_tensor *flat = pc_reshape(graph, x, pc_dims(2, -1, size)); /* [T*H,E] */
    return pc_reshape(graph, pc_linear(graph, flat, io->spread, NULL, NULL, PC_F32), pc_dims(3, -1, heads, size));
}

pc_tensor *pc_stack_attend(const pc_build *build, const pc_llm_io *io, int index, pc_tensor *const qkv[3],
                           const pc_stack_attention *how)
{
    pc_graph *graph = build->graph;
    pc_tensor *in[] = {spread(graph, io, qkv[0]), spread(graph, io, qkv[1]), qkv[2]};
    pc_tensor *sinks = spread(graph, io, how->sinks);
    const pc_attention_params params = {.scale = how->scale, .page_rows = PC_CACHE_PAGE, .place = PC_PLACE_LAST};
    if (io->cache) {
        in[1] = pc_store_rows(graph, io->cache[index].keys, in[1], io->cache_rows); /* [S,K,E] */
        in[2] = pc_store_rows(graph, io->cache[index].values, in[2], io->cache_rows);
    }
    if (sinks) {
        pc_tensor *near = pc_attention_sinks(graph, in, sinks, pc_stack_only(graph, io->ranges, io->rows), io->pages, params);
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

pc_tensor *pc_stack_mlp(const pc_build *build, const pc_hooks *hooks, int index, const pc_mlp_weights *weights, pc_activation kind,
                        pc_tensor *x, pc_tensor *stream)
{
    pc_tensor *hidden = pc_hooks_project(hooks, build, index, PC_PROJECT_UP, &weights->up, x, NULL); /* [T,F] */
    hidden = pc_activate(build->graph, hidden, kind);
    return pc_stack_end(build, hooks, index, PC_PROJECT_DOWN, &weights->down, hidden, stream); /* [T,D] */
}

pc_tensor *pc_stack_experts(const pc_build *build, const pc_moe_weights *weights, const pc_moe_config *config, pc_tensor *x,
                            pc_tensor *stream, pc_tensor **routed)
{
    pc_tensor *logits, *into = pc_drops_stream(build) ? NULL : stream;
    pc_tensor *y = pc_moe_forward(build, weights, config, x, into, &logits);
    pc_moe_note(build, config, logits, routed);
    return into ? y : pc_add_to_stream(build, y, stream);
}

void pc_stack_tap(const pc_build *build, const pc_llm_io *io, int layer, pc_tensor *x, const pc_norm_weights *norm, double eps)
{
    for (int i = 0; i < io->tap_count; i++) {
        if (io->taps[i].layer == layer) {
            io->taps[i].hidden = norm->weight ? pc_norm_forward(build, norm, x, eps) : x; /* [T,D] */
        }
    }
}
