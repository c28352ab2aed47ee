#include "model/trace.h"

#include "model/tiles.h"
#include "store/store.h"
#include "store/writer.h"
#include "ops/attention.h"
#include "ops/rows.h"
#include "ops/sides.h"
#include "tensor/exec.h"

#include <stdio.h>
#include <string.h>

typedef struct tracer {
    const pc_model *model;
    const pc_trace_input *input;
    pc_graph *graph;
    pc_exec *exec;
    pc_tensor **views; /* pixels: one input for all pictures, or of native resolution one for each */
    int64_t view_count, pixel_count;
    pc_tensor *soft_rows, *packed_rows, *ids, *positions, *ranges, *frequencies, *ends;
    pc_tensor *sides[2], *questions, *question_lengths;
    pc_tensor *detail_pixels, *detail, *seen; /* of a second tower */
    int32_t *length_values;
    int64_t source; /* tokens of the source; encoder-decoders */
    int32_t *side_values;
    int64_t soft;   /* placeholders */
    int64_t slots;  /* that the pictures want */
    int64_t wanted; /* soft tokens of the pictures */
    int32_t *id_values, *position_values, *soft_values, *end_values, *packed_values;
    int64_t *written_ids;
    pc_attention_range *range_values;
    pc_attention_range *seen_values; /* every row reads the picture's details */
    float *turns; /* rotary frequencies for this length */
} tracer;

static bool is_contrastive(const pc_model *model)
{
    return model->contrast.present;
}

static int64_t vocabulary(const pc_model *model)
{
    return is_contrastive(model) ? model->contrast.config.vocab_size : model->llm.info.vocabulary;
}

/* The picture's tiling, or NULL; *tiles = how many rows of pixels it has. */
static const pc_image_tiling *tiling_of(const pc_trace_input *in, int64_t picture, int64_t *tiles)
{
    const pc_image_tiling *tiling = in->tilings ? &in->tilings[picture] : NULL;
    *tiles = tiling ? tiling->count : 1;
    return tiling;
}

/* Count the pictures' soft tokens, and with values number their rows. */
static pc_status pack_pictures(tracer *t, int32_t *values)
{
    const pc_trace_input *in = t->input;
    int64_t pictures = in->tilings ? in->pictures : in->images, first = 0, tiles, count;
    t->wanted = 0;
    t->slots = 0;
    for (int64_t i = 0; t->model->connector.type && i < pictures; i++, first += tiles) {
        const pc_image_tiling *tiling = tiling_of(in, i, &tiles);
        PC_TRY(pc_model_picture_tokens(t->model, tiling, &count));
        if (values) {
            pc_model_picture_rows(t->model, tiling, first, values + t->wanted);
        }
        t->wanted += count;
        t->slots += pc_model_pictures_apart(t->model) ? 1 : count;
    }
    return t->model->connector.type && first != in->images
               ? pc_fail(PC_ERR_DATA, "%lld pictures have %lld tiles, %lld given", (long long)pictures, (long long)first,
                         (long long)in->images)
               : PC_OK;
}

static pc_status check_ids(tracer *t)
{
    const pc_trace_input *in = t->input;
    int64_t wanted = t->slots;
    bool looked_up = pc_model_pictures_apart(t->model);
    if (is_contrastive(t->model) && in->tokens > t->model->contrast.config.max_position_embeddings) {
        return pc_fail(PC_ERR_DATA, "input_ids: %lld tokens, the text tower takes %lld", (long long)in->tokens,
                       (long long)t->model->contrast.config.max_position_embeddings);
    }
    for (int64_t i = 0; i < in->tokens; i++) {
        bool is_image = t->model->image_token >= 0 && in->ids[i] == t->model->image_token;
        if ((!is_image || looked_up) && (in->ids[i] < 0 || in->ids[i] >= vocabulary(t->model))) {
            return pc_fail(PC_ERR_DATA, "token id %d at position %lld is outside the vocabulary of %lld", in->ids[i],
                           (long long)i, (long long)vocabulary(t->model));
        }
        t->id_values[i] = is_image && !looked_up ? 0 : in->ids[i];
        t->range_values[i] = (pc_attention_range){0, 0, 0, (int32_t)(t->model->contrast.bidirectional ? in->tokens : i + 1)};
        t->written_ids[i] = in->ids[i];
        t->side_values[i] = (int32_t)i;
        if (is_image) {
            if (t->soft == wanted) {
                t->soft++;
                break;
            }
            t->soft_values[t->soft++] = (int32_t)i;
        }
    }
    if (t->model->llm.info.source && in->tokens) {
        PC_TRY(pc_model_find_source(t->model, in->ids, NULL, in->tokens, &t->source));
        pc_sides_ranges(t->range_values, 0, t->source, in->tokens);
    }
    if (t->soft != wanted) {
        return pc_fail(PC_ERR_DATA, "input_ids: %s%lld image placeholders, expected %lld for %lld tiles of pictures",
                       t->soft > wanted ? "at least " : "", (long long)t->soft, (long long)wanted, (long long)in->images);
    }
    return PC_OK;
}

/* What is known of a picture without a tiling. */
static pc_image_tiling plain_tiling(const tracer *t)
{
    int side = (int)t->model->encoder.info.image_size;
    int height = t->input->height ? (int)t->input->height : side, width = t->input->width ? (int)t->input->width : side;
    return (pc_image_tiling){.count = 1, .height = height, .width = width, .source_height = height, .source_width = width};
}

static int64_t position_axes(const tracer *t)
{
    return t->model->llm.type ? t->model->llm.info.axes : 1;
}

static pc_status place_tokens(tracer *t)
{
    const pc_trace_input *in = t->input;
    pc_image_tiling *plain = NULL;
    if (!t->model->llm.type) {
        for (int64_t i = 0; i < in->tokens; i++) {
            t->position_values[i] = (int32_t)i;
        }
        return PC_OK;
    }
    PC_TRY(PC_NEW_ARRAY(plain, (size_t)in->images + 1, "a trace"));
    for (int64_t i = 0; i < in->images; i++) {
        plain[i] = plain_tiling(t);
    }
    pc_model_positions(t->model, in->ids, in->tokens, in->tilings ? in->tilings : plain,
                       in->tilings ? in->pictures : in->images, t->position_values);
    pc_free(plain);
    return pc_model_check_positions(t->model, t->position_values, in->tokens * position_axes(t));
}

static pc_status take_questions(tracer *t)
{
    const pc_trace_input *in = t->input;
    if (!in->questions) {
        return PC_OK;
    }
    if (in->question_length < 1 || in->question_length > t->model->connector.text_limit) {
        return pc_fail(PC_ERR_DATA, "a question of %lld ids, the connector reads %lld", (long long)in->question_length,
                       (long long)t->model->connector.text_limit);
    }
    PC_TRY(PC_NEW_ARRAY(t->length_values, (size_t)in->images + 1, "a trace"));
    for (int64_t i = 0; i < in->images; i++) {
        t->length_values[i] = (int32_t)in->question_length;
    }
    return pc_model_check_question(t->model, in->questions, in->images * in->question_length);
}

static pc_status check_detail(const tracer *t)
{
    const pc_trace_input *in = t->input;
    return t->model->detail.tower.type && in->images && (in->images > 1 || !in->detail)
               ? pc_fail(PC_ERR_DATA, "this model reads pictures in detail: a trace takes one, with the pixels of both towers")
               : PC_OK;
}

static pc_status allocate(tracer *t)
{
    PC_TRY(check_detail(t));
    PC_TRY(take_questions(t));
    size_t tokens = (size_t)t->input->tokens + 1;
    PC_TRY(PC_NEW_ARRAY(t->id_values, tokens, "a trace"));
    PC_TRY(PC_NEW_ARRAY(t->position_values, tokens * (size_t)position_axes(t), "a trace"));
    PC_TRY(PC_NEW_ARRAY(t->views, (size_t)t->input->images + 1, "a trace"));
    PC_TRY(PC_NEW_ARRAY(t->soft_values, tokens, "a trace"));
    PC_TRY(PC_NEW_ARRAY(t->end_values, 1, "a trace"));
    PC_TRY(PC_NEW_ARRAY(t->side_values, tokens, "a trace"));
    PC_TRY(pack_pictures(t, NULL));
    PC_TRY(PC_NEW_ARRAY(t->packed_values, (size_t)t->wanted + 1, "a trace"));
    PC_TRY(pack_pictures(t, t->packed_values));
    PC_TRY(PC_NEW_ARRAY(t->written_ids, tokens, "a trace"));
    if (t->model->llm.type) {
        const pc_llm_part *llm = &t->model->llm;
        PC_TRY(PC_NEW_ARRAY(t->turns, (size_t)(llm->info.head_size / 2), "a trace"));
        llm->type->frequencies(llm->config, t->input->tokens, t->turns);
    }
    PC_TRY(PC_NEW_ARRAY(t->seen_values, tokens, "a trace"));
    for (size_t i = 0; i < tokens; i++) {
        t->seen_values[i].end = (int32_t)t->model->bridge.dims.queries;
    }
    return PC_NEW_ARRAY(t->range_values, tokens, "a trace");
}

static void declare_text(tracer *t)
{
    int64_t tokens = t->input->tokens;
    t->ids = pc_graph_input(t->graph, "", PC_I32, pc_dims(1, tokens));
    t->positions = pc_graph_input(t->graph, "", PC_I32, pc_dims(2, tokens, position_axes(t)));
    t->ranges = pc_graph_input(t->graph, "", PC_I32, pc_dims(2, tokens, 4));
}

static void build_language(tracer *t, const pc_build *build, pc_tensor *soft)
{
    declare_text(t);
    t->frequencies = pc_graph_input(t->graph, "", PC_F32, pc_dims(1, t->model->llm.info.head_size / 2));
    if (t->model->llm.info.source) {
        t->sides[0] = pc_graph_input(t->graph, "", PC_I32, pc_dims(1, t->source));
        t->sides[1] = pc_graph_input(t->graph, "", PC_I32, pc_dims(1, t->input->tokens - t->source));
    }
    pc_reading reading = {
        .ids = t->ids,
        .positions = t->positions,
        .ranges = t->ranges,
        .frequencies = t->frequencies,
        .source_rows = t->sides[0],
        .target_rows = t->sides[1],
        .soft = soft,
    };
    if (t->detail) {
        t->seen = pc_graph_input(t->graph, "", PC_I32, pc_dims(2, t->input->tokens, 4));
        reading.bridge = (pc_bridge_input){.media = t->detail, .seen = t->seen};
    }
    if (soft) {
        reading.soft_rows = t->soft_rows = pc_graph_input(t->graph, "", PC_I32, pc_dims(1, t->soft));
    }
    pc_model_logits(build, t->model, pc_model_read(build, t->model, &reading));
}

static void build_contrast(tracer *t, const pc_build *build)
{
    pc_tensor *images = t->view_count ? pc_model_embed_images(build, t->model, t->views[0]) : NULL;
    if (!t->input->tokens) {
        return;
    }
    declare_text(t);
    t->ends = pc_graph_input(t->graph, "", PC_I32, pc_dims(1, 1));
    pc_clip_text_io io = {t->ids, t->positions, t->ranges, t->ends};
    pc_tensor *texts = pc_model_embed_texts(build, t->model, &io);
    if (images) {
        pc_model_similarities(build, t->model, images, texts);
    }
}

/* Pictures of one size -> their soft tokens [N*Q,D'], NULL without a connector. */
static pc_tensor *build_view(tracer *t, const pc_build *build, int64_t count, int64_t height, int64_t width)
{
    pc_tensor *pixels = pc_graph_input(t->graph, "pixel_values", PC_F32, pc_dims(4, count, 3, height, width));
    t->views[t->view_count++] = pixels;
    t->pixel_count += pc_shape_count(&pixels->max);
    pc_connector_input seen = pc_model_encode(build, t->model, pixels);
    if (t->input->questions) { /* one size of pictures */
        seen.ids = t->questions = pc_graph_input(t->graph, "", PC_I32, pc_dims(2, count, t->input->question_length));
        seen.lengths = t->question_lengths = pc_graph_input(t->graph, "", PC_I32, pc_dims(1, count));
    }
    return t->model->connector.type ? pc_model_connect(build, t->model, seen) : NULL;
}

/* Soft tokens of all pictures, one below the other. */
static pc_tensor *build_views(tracer *t, const pc_build *build)
{
    const pc_trace_input *in = t->input;
    pc_image_tiling first = in->tilings ? in->tilings[0] : plain_tiling(t);
    pc_tensor *all = NULL;
    if (!in->tilings || !t->model->encoder.info.unit) {
        return build_view(t, build, in->images, first.height, first.width);
    }
    for (int64_t i = 0; i < in->pictures; i++) {
        const pc_image_tiling *tiling = &in->tilings[i];
        pc_tensor *soft = build_view(t, build, tiling->count, tiling->height, tiling->width); /* [Q,D'] */
        if (all && soft) {
            soft = pc_reshape(t->graph, soft, pc_dims(3, 1, -1, pc_model_soft_width(t->model)));
            soft = pc_reshape(t->graph, pc_prepend(t->graph, soft, all), pc_dims(2, -1, pc_model_soft_width(t->model)));
        }
        all = soft;
    }
    return all;
}

static pc_status build_graph(tracer *t, const pc_backend *backend, pc_dtype compute)
{
    const pc_model *model = t->model;
    PC_TRY(pc_graph_new(&t->graph));
    pc_build build = {.graph = t->graph, .compute = compute, .adapter = t->input->adapter};
    pc_tensor *soft = NULL;
    if (t->input->images) {
        soft = build_views(t, &build);
        if (soft && !pc_model_plain_pictures(model)) {
            t->packed_rows = pc_graph_input(t->graph, "", PC_I32, pc_dims(1, t->wanted));
            soft = pc_model_arrange(&build, model, soft, t->packed_rows);
        }
    }
    if (t->input->detail && model->detail.tower.type) {
        int64_t side = model->detail.tower.info.image_size;
        t->detail_pixels = pc_graph_input(t->graph, "detail_pixels", PC_F32, pc_dims(4, 1, 3, side, side));
        t->detail = pc_model_encode_detail(&build, model, t->detail_pixels);
    }
    if (model->llm.type && t->input->tokens) {
        build_language(t, &build, soft);
    } else if (is_contrastive(model)) {
        build_contrast(t, &build);
    }
    return pc_exec_new_tracing(&t->exec, t->graph, backend);
}

static pc_status bind(tracer *t, pc_tensor *input, const void *data)
{
    return input ? pc_exec_bind(t->exec, input, data, input->max) : PC_OK;
}

/* The row that stands for a text: the last one (SigLIP), or CLIP's end token: the first, as transformers takes it (for
 * eos_token_id 2: the largest id). */
static int32_t end_row(const tracer *t)
{
    static const int64_t OLD_EOS = 2;
    int64_t eos = t->model->contrast.config.eos_token_id;
    int32_t best = 0;
    if (t->model->contrast.bidirectional) {
        return (int32_t)t->input->tokens - 1;
    }
    for (int32_t i = 0; i < (int32_t)t->input->tokens; i++) {
        if (eos != OLD_EOS && t->input->ids[i] == eos) {
            return i;
        }
        if (eos == OLD_EOS && t->input->ids[i] > t->input->ids[best]) {
            best = i;
        }
    }
    return best;
}

static pc_status run(tracer *t)
{
    for (int64_t i = 0, done = 0; i < t->view_count; i++) {
        PC_TRY(bind(t, t->views[i], t->input->pixels + done));
        done += pc_shape_count(&t->views[i]->max);
    }
    PC_TRY(bind(t, t->detail_pixels, t->input->detail));
    PC_TRY(bind(t, t->seen, t->seen_values));
    PC_TRY(bind(t, t->soft_rows, t->soft_values));
    PC_TRY(bind(t, t->packed_rows, t->packed_values));
    PC_TRY(bind(t, t->questions, t->input->questions));
    PC_TRY(bind(t, t->question_lengths, t->length_values));
    PC_TRY(bind(t, t->ids, t->id_values));
    PC_TRY(bind(t, t->positions, t->position_values));
    PC_TRY(bind(t, t->ranges, t->range_values));
    PC_TRY(bind(t, t->frequencies, t->turns));
    PC_TRY(bind(t, t->sides[0], t->side_values));
    PC_TRY(bind(t, t->sides[1], t->side_values + t->source));
    if (t->ends) {
        t->end_values[0] = end_row(t);
        PC_TRY(bind(t, t->ends, t->end_values));
    }
    return pc_exec_run(t->exec);
}

static bool is_public(const char *name)
{
    static const char *const names[] = {"encoder.features", "connector.tokens", "connector.packed", "logits",
                                        "image_embeds", "text_embeds", "logits_per_image"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static void add_array(pc_array *array, const char *name, pc_dtype dtype, const pc_shape *shape, const void *data)
{
    *array = (pc_array){.name = name, .dtype = dtype, .ndim = shape->ndim, .data = data};
    for (int i = 0; i < shape->ndim; i++) {
        array->dim[i] = shape->dim[i];
    }
    array->bytes = (size_t)pc_shape_count(shape) * pc_dtype_size(dtype);
}

/* The last value of a name wins: names move along through reshapes. */
static bool named_later(const pc_graph *graph, int node, const pc_tensor *value)
{
    for (int n = node + 1; n < pc_graph_nodes(graph); n++) {
        if (strcmp(pc_graph_node(graph, n)->out[0]->name, value->name) == 0) {
            return true;
        }
    }
    return false;
}

static size_t collect(tracer *t, bool all, pc_array *arrays, char (*names)[64])
{
    size_t count = 0;
    if (t->view_count) {
        pc_shape flat = pc_dims(1, t->pixel_count);
        const pc_shape *shape = t->view_count == 1 ? &t->views[0]->shape : &flat;
        add_array(&arrays[count++], "pixel_values", PC_F32, shape, t->input->pixels);
    }
    if (t->ids) {
        add_array(&arrays[count++], "input_ids", PC_I64, &t->ids->shape, t->written_ids);
    }
    for (int n = 0; n < pc_graph_nodes(t->graph); n++) {
        const pc_tensor *value = pc_graph_node(t->graph, n)->out[0];
        bool named = value->name[0] && !named_later(t->graph, n, value);
        if ((named && is_public(value->name)) || all) {
            snprintf(names[n], sizeof names[n], "%04d.%s", n, pc_graph_node(t->graph, n)->op->name);
            add_array(&arrays[count++], named ? value->name : names[n], value->dtype, &value->shape, value->data);
        }
    }
    return count;
}

static pc_status write(tracer *t, bool all, const char *path)
{
    size_t most = (size_t)pc_graph_nodes(t->graph) + 2;
    pc_array *arrays = NULL;
    char(*names)[64] = NULL;
    pc_status status = PC_NEW_ARRAY(arrays, most, "a trace");
    if (status == PC_OK) {
        status = PC_NEW_ARRAY(names, most, "a trace");
    }
    if (status == PC_OK) {
        status = pc_store_write(path, arrays, collect(t, all, arrays, names));
    }
    pc_free(arrays);
    pc_free(names);
    return status;
}

static void clear(tracer *t)
{
    pc_exec_free(t->exec);
    pc_graph_free(t->graph);
    pc_free(t->id_values);
    pc_free(t->position_values);
    pc_free(t->soft_values);
    pc_free(t->end_values);
    pc_free(t->side_values);
    pc_free(t->length_values);
    pc_free(t->packed_values);
    pc_free(t->written_ids);
    pc_free(t->range_values);
    pc_free(t->seen_values);
    pc_free(t->turns);
    pc_free(t->views);
}

pc_status pc_model_trace(const pc_model *model, const pc_backend *backend, pc_dtype compute,
                         const pc_trace_input *input, bool all, const char *path)
{
    tracer t = {.model = model, .input = input};
    pc_status status = allocate(&t);
    if (status == PC_OK) {
        status = check_ids(&t);
    }
    if (status == PC_OK) {
        status = place_tokens(&t);
    }
    if (status == PC_OK) {
        status = build_graph(&t, backend, compute);
    }
    if (status == PC_OK) {
        status = run(&t);
    }
    if (status == PC_OK) {
        status = write(&t, all, path);
    }
    clear(&t);
    return status;
}
