/* The forward pass of a whole model.
 *
 * Source: LLaVA, Liu et al. 2023 (arXiv:2304.08485), section 4.1: soft tokens take the place of the image placeholder.
 */
#include "model/forward.h"

#include "ops/activation.h"
#include "ops/add.h"
#include "ops/matmul.h"
#include "ops/multiply.h"
#include "ops/norm.h"
#include "ops/picture_ranges.h"
#include "ops/prune_merge.h"
#include "ops/rows.h"

/* Smaller lengths are taken for this, so that a zero vector does not divide by zero. */
static const double TINY_NORM = 1e-12;

pc_connector_input pc_model_encode(const pc_build *build, const pc_model *model, pc_tensor *pixels)
{
    const pc_encoder_part *encoder = &model->encoder;
    pc_tensor *features = encoder->type->forward(build, encoder->config, encoder->weights, pixels, encoder->select);
    pc_connector_dims dims;
    pc_model_picture_dims(model, pixels->max.dim[2], pixels->max.dim[3], &dims);
    features = pc_name(build->graph, features, "encoder.features"); /* [N,P,D] */
    return (pc_connector_input){.features = features, .rows = dims.rows, .columns = dims.columns};
}

/* features [1,P,D] -> those that PruMerge chooses. */
static pc_tensor *prune(const pc_build *build, const pc_visual_tokens *visual, pc_tensor *features, const pc_encoder_keys *keys,
                        pc_tensor **count)
{
    pc_graph *graph = build->graph;
    const int64_t width = pc_shape_last(&keys->k->max);
    pc_tensor *k = pc_slice(graph, pc_reshape(graph, keys->k, pc_dims(3, 1, -1, width)), 1, 0);
    k = pc_l2_norm(graph, pc_reshape(graph, k, pc_dims(2, -1, width)), TINY_NORM); /* [P,C] */
    pc_tensor *alike = pc_linear(graph, k, k, NULL, NULL, PC_F32);                 /* [P,P] */
    const pc_prune_merge_params params = {.keep = visual->keep, .near = visual->near, .spread = visual->spread};
    return pc_prune_merge(graph, (pc_tensor *[]){features, keys->q, keys->k, alike}, params, count);
}

pc_connector_input pc_model_encode_fewer(const pc_build *build, const pc_model *model, pc_tensor *pixels, pc_tensor **count)
{
    const pc_encoder_part *encoder = &model->encoder;
    pc_encoder_select select = encoder->select;
    pc_encoder_keys keys;
    *count = NULL;
    if (!pc_visual_shrinks(&model->visual)) {
        return pc_model_encode(build, model, pixels);
    }
    select.merge = model->visual.kind == PC_VISUAL_TOME ? &model->visual.merge : NULL;
    select.keys = model->visual.kind == PC_VISUAL_PRUMERGE ? &keys : NULL;
    pc_tensor *features = encoder->type->forward(build, encoder->config, encoder->weights, pixels, select); /* [1,P,D] */
    features = select.keys ? prune(build, &model->visual, features, &keys, count) : features;
    return (pc_connector_input){.features = pc_name(build->graph, features, "encoder.features")};
}

pc_tensor *pc_model_connect(const pc_build *build, const pc_model *model, pc_connector_input in)
{
    const pc_connector_part *connector = &model->connector;
    pc_tensor *soft = connector->type->forward(build, connector->config, connector->weights, &in);
    soft = pc_reshape(build->graph, soft, pc_dims(2, -1, pc_model_soft_width(model))); /* [N*Q,D'] */
    return pc_name(build->graph, soft, "connector.tokens");
}

pc_tensor *pc_model_encode_detail(const pc_build *build, const pc_model *model, pc_tensor *pixels)
{
    const pc_encoder_part *tower = &model->detail.tower;
    pc_graph *graph = build->graph;
    pc_tensor *x = tower->type->forward(build, tower->config, tower->weights, pixels, tower->select); /* [N,P,D] */
    x = pc_add(graph, x, pc_use(build, model->detail.positions));
    return pc_name(graph, pc_reshape(graph, x, pc_dims(2, -1, tower->info.width)), "detail.features");
}

pc_tensor *pc_model_arrange(const pc_build *build, const pc_model *model, pc_tensor *soft, pc_tensor *rows)
{
    pc_graph *graph = build->graph;
    int64_t width = model->llm.info.width;
    soft = pc_reshape(graph, soft, pc_dims(3, 1, -1, width));
    pc_tensor *first = pc_use(build, model->tiles.newline);
    if (!first) { /* row 0 is there, but nobody asks for it */
        first = pc_reshape(graph, pc_slice(graph, soft, 0, 1), pc_dims(2, 1, width));
    }
    pc_tensor *all = pc_reshape(graph, pc_prepend(graph, soft, first), pc_dims(2, -1, width)); /* [1+N*Q,D'] */
    return pc_name(graph, pc_take_rows(graph, all, rows), "connector.packed");                 /* [S,D'] */
}

/* What the bridge reads where no session says it: all pictures are here. */
static pc_bridge_input bridge_input(const pc_build *build, const pc_model *model, const pc_reading *reading)
{
    pc_bridge_input in = reading->bridge;
    pc_picture_ranges_params params = {model->bridge.dims.queries, model->bridge.end_id};
    if (!reading->soft) {
        return in;
    }
    if (!pc_model_pictures_apart(model)) {
        in.types = in.types ? in.types : pc_picture_types(build->graph, reading->soft_rows, reading->ids);
        return in;
    }
    if (in.seen) {
        return in;
    }
    in.media = reading->soft;
    in.seen = pc_picture_ranges(build->graph, reading->ranges, reading->soft_rows, reading->ids, params);
    return in;
}

void pc_model_reading_inputs(pc_graph *graph, const pc_model *model, int64_t tokens, pc_reading *out)
{
    const pc_llm_info *info = &model->llm.info;
    out->ids = pc_graph_input(graph, "ids", PC_I32, pc_dims(1, tokens));
    out->positions = pc_graph_input(graph, "positions", PC_I32, pc_dims(2, tokens, info->axes));
    out->ranges = pc_graph_input(graph, "ranges", PC_I32, pc_dims(2, tokens, 4));
    out->frequencies = pc_graph_input(graph, "frequencies", PC_F32, pc_dims(1, info->head_size / 2));
    if (info->source) {
        out->source_rows = pc_graph_input(graph, "source_rows", PC_I32, pc_dims(1, tokens));
        out->target_rows = pc_graph_input(graph, "target_rows", PC_I32, pc_dims(1, tokens));
    }
}

pc_status pc_model_find_source(const pc_model *model, const int32_t *ids, const float *const *soft, int64_t count,
                               int64_t *source)
{
    const pc_llm_info *info = &model->llm.info;
    int64_t at = 0;
    *source = 0;
    while (info->source && at < count && ((soft && soft[at]) || ids[at] != info->start)) {
        at++;
    }
    if (info->source && (at == 0 || at == count)) {
        return pc_fail(PC_ERR_DATA, "an encoder-decoder reads a source, then token %lld and what is written; of the %lld tokens "
                                    "%s", (long long)info->start, (long long)count,
                       at ? "none is that one" : "the first is that one");
    }
    *source = at;
    return PC_OK;
}

enum { MOST_HOOKS = 8 };

pc_tensor *pc_model_read(const pc_build *build, const pc_model *model, const pc_reading *reading)
{
    const pc_llm_part *llm = &model->llm;
    pc_hook own[MOST_HOOKS];
    pc_hooks hooks = {own, 0};
    pc_bridge bridge = {.config = model->bridge.config, .weights = model->bridge.weights, .dims = model->bridge.dims};
    pc_tensor *x = llm->type->embed(build, llm->weights, reading->ids); /* [T,D'] */
    if (model->bridge.type) {
        bridge.in = bridge_input(build, model, reading);
        own[hooks.count++] = model->bridge.type->hook(&bridge);
    }
    for (int i = 0; reading->hooks && i < reading->hooks->count && hooks.count < MOST_HOOKS; i++) {
        own[hooks.count++] = reading->hooks->items[i];
    }
    if (reading->soft && !pc_model_pictures_apart(model)) {
        x = pc_put_rows(build->graph, x, reading->soft, reading->soft_rows);
    }
    pc_llm_io io = {
        .embeddings = x,
        .positions = reading->positions,
        .inside = reading->inside,
        .spread = reading->spread,
        .ranges = reading->ranges,
        .cache = reading->cache,
        .cache_rows = reading->cache_rows,
        .pages = reading->cache_pages,
        .frequencies = reading->frequencies,
        .source_rows = reading->source_rows,
        .target_rows = reading->target_rows,
        .rows = llm->type->narrows ? reading->rows : NULL,
        .hooks = hooks.count ? &hooks : NULL,
        .taps = reading->taps,
        .tap_count = reading->tap_count,
        .look = reading->look,
        .drop = reading->drop,
    };
    pc_tensor *hidden = llm->type->forward(build, llm->config, llm->weights, &io);
    return reading->rows && !llm->type->narrows ? pc_take_rows(build->graph, hidden, reading->rows) : hidden;
}

pc_tensor *pc_model_logits(const pc_build *build, const pc_model *model, pc_tensor *hidden)
{
    const pc_llm_part *llm = &model->llm;
    return pc_name(build->graph, llm->type->head(build, llm->config, llm->weights, hidden), "logits");
}

pc_tensor *pc_model_embed_images(const pc_build *build, const pc_model *model, pc_tensor *pixels)
{
    const pc_encoder_part *encoder = &model->encoder;
    pc_tensor *x = encoder->type->pool(build, encoder->config, encoder->weights, pixels); /* [N,D] */
    if (model->contrast.image_projection) {
        x = pc_linear(build->graph, x, pc_use(build, model->contrast.image_projection), NULL, NULL, build->compute);
    }
    return pc_name(build->graph, pc_l2_norm(build->graph, x, TINY_NORM), "image_embeds"); /* [N,W] */
}

pc_tensor *pc_model_embed_texts(const pc_build *build, const pc_model *model, const pc_clip_text_io *io)
{
    const pc_contrast_part *contrast = &model->contrast;
    pc_tensor *x = pc_clip_text_forward(build, &contrast->config, &contrast->weights, io); /* [M,D] */
    x = pc_linear_forward(build, &contrast->text_projection, x, NULL);
    return pc_name(build->graph, pc_l2_norm(build->graph, x, TINY_NORM), "text_embeds"); /* [M,W] */
}

pc_tensor *pc_model_similarities(const pc_build *build, const pc_model *model, pc_tensor *images, pc_tensor *texts)
{
    const pc_contrast_part *contrast = &model->contrast;
    pc_graph *graph = build->graph;
    pc_tensor *scale = pc_activate(graph, pc_use(build, contrast->scale), PC_ACT_EXP);
    /* Always in f32: the temperature multiplies rounding errors by up to 100. */
    pc_tensor *logits = pc_linear(graph, images, texts, NULL, NULL, PC_F32); /* [N,M] */
    logits = pc_scale_by(graph, logits, scale);
    if (contrast->bias) {
        logits = pc_add(graph, logits, pc_reshape(graph, pc_use(build, contrast->bias), (pc_shape){0}));
    }
    return pc_name(graph, logits, "logits_per_image");
}
