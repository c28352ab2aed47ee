/* Putting the parts of a model together, and releasing them. */
#include "model/tiles.h"

#include "base/log.h"

#include <string.h>

/* initializer_range where the config doesn't say; 0 there asks for 1/sqrt(fan-in). */
static const double DEFAULT_STD = 0.02;

static pc_status new_part(const pc_field_table *fields, size_t config_size, size_t weights_size, const pc_json *json,
                          const char *where, void **config, void **weights)
{
    PC_TRY(pc_new_array(config, 1, config_size, "a part's configuration"));
    PC_TRY(pc_new_array(weights, 1, weights_size, "a part's weights"));
    PC_TRY(pc_fields_default(fields, *config));
    return json ? pc_fields_from_json(fields, *config, json, true, where) : PC_OK;
}

static pc_scope scope_of(pc_model *model, const char *part, const char *prefix, const pc_json *json)
{
    return (pc_scope){
        .params = &model->params,
        .part = part,
        .prefix = prefix,
        .std = pc_json_get_number(json, "initializer_range", DEFAULT_STD),
    };
}

void pc_model_picture_dims(const pc_model *model, int64_t height, int64_t width, pc_connector_dims *out)
{
    const pc_encoder_info *info = &model->encoder.info;
    int64_t rows = height / info->patch_size, columns = width / info->patch_size;
    /* Without a class token "default" drops the first patch, as transformers and LLaVA do. */
    int64_t tokens = rows * columns + info->prefix - (model->encoder.select.keep_class_token ? 0 : 1);
    bool grid = tokens == rows * columns;
    int64_t states = model->encoder.select.count ? model->encoder.select.count : 1;
    int64_t soft = pc_model_pictures_apart(model) ? states * info->width : model->llm.info.width;
    *out = (pc_connector_dims){states * info->width, soft, tokens, grid ? rows : 0, grid ? columns : 0};
}

bool pc_model_pictures_apart(const pc_model *model)
{
    return model->bridge.type && model->bridge.type->apart;
}

bool pc_model_pictures_remembered(const pc_model *model)
{
    return model->bridge.type && model->bridge.type->memory;
}

size_t pc_model_detail_pixels(const pc_model *model)
{
    size_t side = (size_t)model->detail.tower.info.image_size;
    return model->detail.tower.type ? 3 * side * side : 0;
}

int64_t pc_model_soft_width(const pc_model *model)
{
    return pc_model_pictures_apart(model) ? model->bridge.dims.media : model->llm.info.width;
}

/* A tower's configuration, with part->select's layers resolved. */
static pc_status configure_tower(pc_encoder_part *part, const pc_json *json, const char *where)
{
    const char *model_type = pc_json_get_text(json, "model_type", "clip_vision_model");
    part->type = pc_encoder_find(model_type);
    if (!part->type) {
        return pc_fail(PC_ERR_DATA, "%s: vision_config.model_type '%s' is unknown; known: %s", where, model_type,
                       pc_encoder_names());
    }
    PC_TRY(new_part(&part->type->fields, part->type->config_size, part->type->weights_size, json, where,
                    &part->config, &part->weights));
    if (part->type->read) {
        PC_TRY(part->type->read(part->config, json, where));
    }
    PC_TRY(part->type->check(part->config, where));
    part->type->info(part->config, &part->info);
    return pc_encoder_resolve_layers(&part->select, part->info.layers, where);
}

pc_status pc_model_set_encoder(pc_model *model, const pc_json *json, const char *where)
{
    pc_encoder_part *part = &model->encoder;
    pc_connector_dims dims;
    PC_TRY(configure_tower(part, json, where));
    pc_model_picture_dims(model, part->info.image_size, part->info.image_size, &dims);
    part->patches = dims.tokens;
    if (dims.tokens < 1) {
        return pc_fail(PC_ERR_DATA, "%s: the encoder leaves no feature of a picture", where);
    }
    pc_scope scope = scope_of(model, "encoder", model->import->prefixes.encoder, json);
    part->type->declare(&scope, part->config, part->weights);
    return scope.status;
}

pc_status pc_model_set_detail(pc_model *model, const pc_json *json, const char *prefix, const char *positions, const char *where)
{
    pc_encoder_part *part = &model->detail.tower;
    part->select.layer[0] = -1;
    PC_TRY(configure_tower(part, json, where));
    int64_t side = part->info.image_size / part->info.patch_size;
    part->patches = side * side;
    if (part->info.image_size > PC_IMAGE_MAX_SIDE) {
        return pc_fail(PC_ERR_DATA, "%s: pictures of %lld pixels a side; %d at most", where, (long long)part->info.image_size,
                       PC_IMAGE_MAX_SIDE);
    }
    pc_scope scope = scope_of(model, "encoder", prefix, json), own = scope_of(model, "connector", "", json);
    part->type->declare(&scope, part->config, part->weights);
    PC_TRY(scope.status);
    model->detail.positions = pc_declare(&own, PC_ZEROS, pc_dims(2, part->patches, part->info.width), "%s", positions);
    PC_TRY(own.status);
    model->detail.positions->any_type = false;
    return PC_OK;
}

/* What the bridge reads: soft tokens, or the second tower's features. */
static pc_status find_media(const pc_model *model, const pc_connector_dims *soft, int64_t *width, int64_t *count, const char *where)
{
    const pc_encoder_part *tower = &model->detail.tower;
    bool detail = model->bridge.type->detail;
    *width = detail ? tower->info.width : soft->out;
    *count = detail ? tower->patches : model->connector.tokens;
    return detail && !tower->type ? pc_fail(PC_ERR_DATA, "%s: the bridge '%s' reads a second tower, which CogAgent's directories alone have",
                                            where, model->bridge.type->name)
                                  : PC_OK;
}

static pc_status complete_bridge(pc_model *model, const pc_connector_dims *soft, const char *where)
{
    pc_bridge_part *part = &model->bridge;
    const pc_llm_info *llm = &model->llm.info;
    if (llm->source != part->type->source) {
        return pc_fail(PC_ERR_DATA, "%s: the bridge '%s' does not go with the language model '%s', which is %s encoder-decoder", where,
                       part->type->name, model->llm.type->model_type, llm->source ? "an" : "no");
    }
    int64_t media, queries;
    PC_TRY(find_media(model, soft, &media, &queries, where));
    part->dims = (pc_bridge_dims){
        .media = media,
        .queries = queries,
        .width = llm->width,
        .layers = llm->layers,
        .heads = llm->heads ? llm->heads : llm->key_heads,
        .key_heads = llm->key_heads,
        .head_size = llm->head_size,
        .hidden = llm->hidden,
    };
    PC_TRY(part->type->check(part->config, &part->dims, where));
    pc_scope scope = scope_of(model, "connector", part->prefix, model->config);
    part->type->declare(&scope, part->config, &part->dims, part->weights);
    return scope.status;
}

pc_status pc_model_set_connector(pc_model *model, const char *name, const pc_json *json, const char *where)
{
    pc_connector_part *part = &model->connector;
    part->type = pc_connector_find(name);
    if (!part->type) {
        return pc_fail(PC_ERR_DATA, "%s: the connector '%s' is unknown; known: %s", where, name, pc_connector_names());
    }
    PC_TRY(new_part(&part->type->fields, part->type->config_size, part->type->weights_size, json, where,
                    &part->config, &part->weights));
    pc_connector_dims dims;
    pc_model_picture_dims(model, model->encoder.info.image_size, model->encoder.info.image_size, &dims);
    PC_TRY(part->type->check(part->config, &dims, where));
    part->tokens = part->type->tokens(part->config, &dims);
    part->text_limit = part->type->text_limit ? part->type->text_limit(part->config) : 0;
    pc_scope scope = scope_of(model, "connector", model->import->prefixes.connector, json);
    part->type->declare(&scope, part->config, &dims, part->weights);
    PC_TRY(scope.status);
    return model->bridge.type ? complete_bridge(model, &dims, where) : PC_OK;
}

pc_status pc_model_set_bridge(pc_model *model, const char *name, const pc_json *json, const char *prefix, const char *where)
{
    pc_bridge_part *part = &model->bridge;
    part->type = pc_bridge_find(name);
    if (!part->type) {
        return pc_fail(PC_ERR_DATA, "%s: the bridge '%s' is unknown; known: %s", where, name, pc_bridge_names());
    }
    part->end_id = -1;
    part->prefix = prefix;
    return new_part(&part->type->fields, part->type->config_size, part->type->weights_size, json, where, &part->config, &part->weights);
}

pc_status pc_model_set_llm(pc_model *model, const char *model_type, const pc_json *json, const char *where)
{
    pc_llm_part *part = &model->llm;
    part->type = pc_llm_find(model_type);
    if (!part->type) {
        return pc_fail(PC_ERR_DATA, "%s: the language model '%s' is unknown; known: %s", where, model_type,
                       pc_llm_names());
    }
    PC_TRY(new_part(&part->type->fields, part->type->config_size, part->type->weights_size, json, where,
                    &part->config, &part->weights));
    if (part->type->read) {
        PC_TRY(part->type->read(part->config, json, where));
    }
    PC_TRY(part->type->check(part->config, where));
    part->type->info(part->config, &part->info);
    PC_TRY(PC_NEW_ARRAY(part->frequencies, (size_t)(part->info.head_size / 2), "rotary frequencies"));
    part->type->frequencies(part->config, 0, part->frequencies);
    pc_scope scope = scope_of(model, "llm", model->import->prefixes.llm, json);
    part->type->declare(&scope, part->config, part->weights);
    return scope.status;
}

static void declare_projections(pc_scope *scope, pc_model *model, const pc_contrast_kind *kind)
{
    pc_contrast_part *part = &model->contrast;
    int64_t image = model->encoder.info.width, text = part->config.hidden_size;
    scope->prefix = "";
    scope->part = "connector";
    if (kind->image_projection) {
        part->image_projection = pc_declare(scope, PC_NORMAL(pc_scope_std(scope, image)), pc_dims(2, kind->width, image),
                                            "visual_projection.weight");
    }
    pc_linear_declare(scope, &part->text_projection, kind->width, text, kind->bidirectional, 1, kind->text_projection);
    static const double INITIAL_SCALE = 2.6592; /* ln(1/0.07), CLIP's */
    static const double INITIAL_BIAS = -10;     /* SigLIP's */
    /* Files of CLIP have a number here, those of SigLIP a list of one. */
    pc_shape one = kind->bidirectional ? pc_dims(1, 1) : (pc_shape){0};
    part->scale = pc_declare(scope, (pc_init){PC_INIT_CONSTANT, INITIAL_SCALE}, one, "logit_scale");
    if (kind->bias) {
        part->bias = pc_declare(scope, (pc_init){PC_INIT_CONSTANT, INITIAL_BIAS}, one, "logit_bias");
    }
}

pc_status pc_model_set_contrast(pc_model *model, const pc_json *text, const pc_contrast_kind *kind, const char *where)
{
    pc_contrast_part *part = &model->contrast;
    PC_TRY(pc_fields_default(&pc_clip_text_fields, &part->config));
    part->present = true;
    if (text) {
        PC_TRY(pc_fields_from_json(&pc_clip_text_fields, &part->config, text, true, where));
    }
    PC_TRY(pc_clip_text_check(&part->config, where));
    part->width = kind->width;
    part->bidirectional = kind->bidirectional;
    pc_scope scope = scope_of(model, "text", model->import->prefixes.text, text);
    pc_clip_text_declare(&scope, &part->config, &part->weights);
    declare_projections(&scope, model, kind);
    return scope.status;
}

static void free_part(const pc_field_table *fields, void *config, void *weights)
{
    if (config) {
        pc_fields_clear(fields, config);
    }
    pc_free(config);
    pc_free(weights);
}

static void unpack(pc_model *model)
{
    const pc_backend *backend = model->packed_by;
    for (size_t i = 0; backend && i < model->params.count; i++) {
        backend->unpack(backend, &model->params.items[i]->param);
    }
    model->packed_by = NULL;
}

void pc_model_free(pc_model *model)
{
    if (!model) {
        return;
    }
    unpack(model);
    if (model->encoder.type) {
        free_part(&model->encoder.type->fields, model->encoder.config, model->encoder.weights);
    }
    if (model->detail.tower.type) {
        free_part(&model->detail.tower.type->fields, model->detail.tower.config, model->detail.tower.weights);
    }
    if (model->connector.type) {
        free_part(&model->connector.type->fields, model->connector.config, model->connector.weights);
    }
    if (model->bridge.type) {
        free_part(&model->bridge.type->fields, model->bridge.config, model->bridge.weights);
    }
    if (model->llm.type) {
        free_part(&model->llm.type->fields, model->llm.config, model->llm.weights);
    }
    pc_free(model->llm.frequencies);
    if (model->contrast.present) {
        pc_fields_clear(&pc_clip_text_fields, &model->contrast.config);
    }
    pc_params_clear(&model->params);
    pc_store_free(model->store);
    pc_store_free(model->tower_store);
    pc_free(model->tower);
    pc_free(model->chat_text);
    pc_tokenizer_free(model->tokenizer);
    pc_tokenizer_free(model->reader);
    pc_json_free(model->config);
    pc_json_free(model->generation);
    pc_free(model->path);
    pc_free(model);
}

pc_status pc_model_pack(pc_model *model, const pc_backend *backend, pc_dtype compute)
{
    unpack(model);
    model->packed_by = backend;
    for (size_t i = 0; i < model->params.count; i++) {
        pc_param *param = &model->params.items[i]->param;
        if (param->any_type && !param->trains) {
            PC_TRY(backend->pack(backend, param, compute));
            if (param->packed) { /* which is what products read */
                pc_store_release(model->store, param->data, pc_param_bytes(param));
                pc_store_release(model->tower_store, param->data, pc_param_bytes(param));
            }
        }
    }
    return PC_OK;
}

pc_status pc_model_check_question(const pc_model *model, const int32_t *ids, int64_t count)
{
    const pc_connector_part *part = &model->connector;
    int64_t vocabulary = part->type && part->type->text_vocabulary ? part->type->text_vocabulary(part->config) : 0;
    for (int64_t i = 0; i < count; i++) {
        if (ids[i] < 0 || ids[i] >= vocabulary) {
            return pc_fail(PC_ERR_DATA, "id %d of the question is outside the connector's vocabulary of %lld", ids[i],
                           (long long)vocabulary);
        }
    }
    return PC_OK;
}

pc_status pc_model_check_positions(const pc_model *model, const int32_t *positions, int64_t count)
{
    const pc_llm_info *info = &model->llm.info;
    for (int64_t i = 0; info->position_table && i < count; i++) {
        if (positions[i] >= info->context) {
            return pc_fail(PC_ERR_DATA, "%s: position %d: the language model has %lld (max_position_embeddings)",
                           model->path ? model->path : "the model", positions[i], (long long)info->context);
        }
    }
    return PC_OK;
}

pc_status pc_model_set_newline(pc_model *model, const char *name)
{
    pc_scope scope = scope_of(model, "connector", "", model->config);
    model->tiles.newline = pc_declare(&scope, PC_NORMAL(pc_scope_std(&scope, model->llm.info.width)),
                                      pc_dims(1, model->llm.info.width), "%s", name);
    return scope.status;
}

pc_status pc_model_slot_tokens(void *user, pc_media_kind kind, int index, size_t *out)
{
    const pc_model *model = user;
    int64_t count;
    (void)index;
    if (kind != PC_MEDIA_IMAGE || !model->connector.type) {
        return pc_fail(PC_ERR_DATA, "this model takes no %s", pc_media_kind_name(kind));
    }
    if (pc_model_pictures_vary(model)) {
        return pc_fail(PC_ERR_DATA, "this model's pictures take tokens by their size");
    }
    PC_TRY(pc_model_picture_tokens(model, NULL, &count));
    *out = pc_model_pictures_apart(model) ? 1 : (size_t)count;
    return PC_OK;
}

static pc_status tokens_of_tiled(void *user, pc_media_kind kind, int index, size_t *out)
{
    const pc_model_pictures *pictures = user;
    int64_t count;
    if (kind != PC_MEDIA_IMAGE || !pictures->model->connector.type || index >= pictures->count ||
        pc_model_pictures_apart(pictures->model)) {
        return pc_model_slot_tokens((void *)pictures->model, kind, index, out);
    }
    PC_TRY(pc_model_picture_tokens(pictures->model, &pictures->tilings[index], &count));
    *out = (size_t)count;
    return PC_OK;
}

static pc_status lay_out_tiled(void *user, pc_media_kind kind, int index, pc_ids *out)
{
    const pc_model_pictures *pictures = user;
    (void)kind;
    return pc_model_lay_out(pictures->model, index < pictures->count ? &pictures->tilings[index] : NULL, out);
}

static pc_status lay_out_plain(void *user, pc_media_kind kind, int index, pc_ids *out)
{
    (void)kind;
    (void)index;
    return pc_model_lay_out(user, NULL, out);
}

void pc_model_prompt(const pc_model *model, const pc_model_pictures *pictures, pc_prompt_options *options)
{
    options->slot_tokens = pictures ? tokens_of_tiled : pc_model_slot_tokens;
    options->user = pictures ? (void *)pictures : (void *)model;
    if (model->tiles.framed) {
        options->lay_out = pictures ? lay_out_tiled : lay_out_plain;
    }
    options->source = model->llm.info.source;
    options->start = (int32_t)model->llm.info.start;
    options->bos_behind_media = model->bos_behind_pictures;
    options->media_id[PC_MEDIA_IMAGE] = (int32_t)model->image_token;
    options->media_open[PC_MEDIA_IMAGE] = model->image_open;
    options->media_close[PC_MEDIA_IMAGE] = model->image_close;
}

/* The whole picture once more, larger: resized by the same recipe, [3,Y,X]. */
static pc_status prepare_detail(const pc_model *model, const pc_image *image, float *pixels)
{
    pc_image_recipe recipe = model->recipe;
    int side = (int)model->detail.tower.info.image_size, width, height;
    recipe.size[0] = recipe.crop_height = recipe.crop_width = side;
    recipe.size[1] = recipe.size[1] ? side : 0;
    PC_TRY(pc_image_recipe_size(&recipe, image->width, image->height, &width, &height));
    return width == side && height == side
               ? pc_image_recipe_apply(&recipe, image, pixels)
               : pc_fail(PC_ERR_DATA, "%s: the picture recipe gives %d x %d pixels, the second tower takes %d x %d", model->path, width,
                         height, side, side);
}

pc_status pc_model_prepare(const pc_model *model, const pc_image *image, float **pixels, pc_image_tiling *tiling)
{
    pc_image_tiling plan;
    int64_t side = model->encoder.info.image_size;
    *pixels = NULL;
    if (!model->encoder.type) {
        return pc_fail(PC_ERR_DATA, "%s: this model takes no pictures", model->path);
    }
    PC_TRY(pc_image_tiling_plan(&plan, &model->recipe, image->width, image->height));
    int64_t unit = model->encoder.info.unit;
    bool fits = unit ? plan.width % unit == 0 && plan.height % unit == 0 : plan.width == side && plan.height == side;
    if (!fits) {
        return pc_fail(PC_ERR_DATA, "%s: the picture recipe gives %d x %d pixels, the encoder takes %s%lld x %lld",
                       model->path, plan.width, plan.height, unit ? "multiples of " : "", (long long)(unit ? unit : side),
                       (long long)(unit ? unit : side));
    }
    if (!tiling && plan.count > 1) {
        return pc_fail(PC_ERR_DATA, "%s: one picture can't stand for its %d tiles here", model->path, plan.count);
    }
    size_t count = (size_t)plan.count * 3 * (size_t)plan.width * (size_t)plan.height;
    PC_TRY(pc_new_array(pixels, count + pc_model_detail_pixels(model), sizeof(float), "pixels"));
    pc_status status = pc_image_tiles_apply(&model->recipe, image, *pixels);
    if (status == PC_OK && model->detail.tower.type) {
        status = prepare_detail(model, image, *pixels + count);
    }
    if (status != PC_OK) {
        pc_free(*pixels);
        *pixels = NULL;
    } else if (tiling) {
        *tiling = plan;
    }
    return status;
}
