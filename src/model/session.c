/* A session: two graphs, one from pixels to soft tokens, one from a chunk of tokens to the next token's logits. */
#include "model/session.h"

#include "ops/attention.h"
#include "ops/rows.h"
#include "model/tiles.h"
#include "tensor/exec.h"

#include <string.h>

enum { DEFAULT_CONTEXT = 4096, DEFAULT_CHUNK = 512 };

typedef struct vision_graph {
    pc_graph *graph;
    pc_exec *exec;
    pc_tensor *pixels; /* [1,3,Y,X] */
    pc_tensor *tokens; /* [Q,D'] */
} vision_graph;

typedef struct text_graph {
    pc_graph *graph;
    pc_exec *exec;
    pc_reading in;
    pc_tensor *last;   /* i32 [1]: the row whose logits are wanted */
    pc_tensor *logits; /* [1,V] */
} text_graph;

struct pc_session {
    const pc_model *model;
    const pc_backend *backend;
    pc_session_options options;
    vision_graph vision;
    text_graph text;
    pc_layer_cache *layers; /* cache inputs of the text graph */
    float *cache;           /* [2L, S, K*E] */
    size_t cache_bytes;
    int64_t length;
    int64_t horizon;    /* length that the frequencies in use are for; counts beyond rotary_limit only */
    float *frequencies; /* [E/2] */
    /* Staging of one chunk. */
    int32_t *ids, *positions, *rows, *soft_rows;
    pc_attention_range *ranges;
    float *soft; /* [chunk,D'] */
};

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void complete_options(const pc_model *model, pc_session_options *options)
{
    int64_t context = model->llm.info.context;
    options->context = options->context > 0 ? options->context : least(context, DEFAULT_CONTEXT);
    options->chunk = least(options->chunk > 0 ? options->chunk : DEFAULT_CHUNK, options->context);
}

static int64_t cache_row(const pc_model *model)
{
    return model->llm.info.key_heads * model->llm.info.head_size;
}

pc_status pc_session_bytes(const pc_model *model, const pc_session_options *options, size_t *cache)
{
    pc_session_options full = *options;
    complete_options(model, &full);
    size_t rows, bytes;
    if (!pc_mul_size(2 * (size_t)model->llm.info.layers, (size_t)full.context, &rows) ||
        !pc_mul_size(rows, (size_t)cache_row(model) * sizeof(float), &bytes)) {
        return pc_fail_memory(SIZE_MAX, "the KV cache");
    }
    *cache = bytes;
    return PC_OK;
}

static pc_status build_vision(pc_session *session)
{
    const pc_model *model = session->model;
    vision_graph *vision = &session->vision;
    int64_t side = model->encoder.info.image_size;
    PC_TRY(pc_graph_new(&vision->graph));
    pc_build build = {.graph = vision->graph, .compute = session->options.compute, .adapter = session->options.adapter};
    vision->pixels = pc_graph_input(vision->graph, "pixel_values", PC_F32, pc_dims(4, 1, 3, side, side));
    vision->tokens = pc_model_connect(&build, model, pc_model_encode(&build, model, vision->pixels));
    pc_keep(vision->graph, vision->tokens);
    return pc_exec_new(&vision->exec, vision->graph, session->backend);
}

static pc_status declare_cache(pc_session *session)
{
    const pc_llm_info *info = &session->model->llm.info;
    pc_shape shape = pc_dims(3, session->options.context, info->key_heads, info->head_size);
    PC_TRY(PC_NEW_ARRAY(session->layers, (size_t)info->layers, "the KV cache"));
    for (int64_t i = 0; i < info->layers; i++) {
        session->layers[i].keys = pc_graph_input(session->text.graph, "keys", PC_F32, shape);
        session->layers[i].values = pc_graph_input(session->text.graph, "values", PC_F32, shape);
    }
    return PC_OK;
}

static pc_status build_text(pc_session *session)
{
    const pc_model *model = session->model;
    text_graph *text = &session->text;
    int64_t chunk = session->options.chunk, width = model->llm.info.width;
    PC_TRY(pc_graph_new(&text->graph));
    PC_TRY(declare_cache(session));
    pc_build build = {.graph = text->graph, .compute = session->options.compute, .adapter = session->options.adapter};
    text->in = (pc_reading){
        .ids = pc_graph_input(text->graph, "ids", PC_I32, pc_dims(1, chunk)),
        .positions = pc_graph_input(text->graph, "positions", PC_I32, pc_dims(1, chunk)),
        .ranges = pc_graph_input(text->graph, "ranges", PC_I32, pc_dims(2, chunk, 4)),
        .frequencies = pc_graph_input(text->graph, "frequencies", PC_F32, pc_dims(1, model->llm.info.head_size / 2)),
        .cache = session->layers,
        .cache_rows = pc_graph_input(text->graph, "cache_rows", PC_I32, pc_dims(1, chunk)),
    };
    if (model->connector.type) {
        text->in.soft = pc_graph_input(text->graph, "soft", PC_F32, pc_dims(2, chunk, width));
        text->in.soft_rows = pc_graph_input(text->graph, "soft_rows", PC_I32, pc_dims(1, chunk));
    }
    text->last = pc_graph_input(text->graph, "last", PC_I32, pc_dims(1, 1));
    pc_tensor *hidden = pc_model_read(&build, model, &text->in); /* [T,D'] */
    hidden = pc_take_rows(text->graph, hidden, text->last);      /* [1,D'] */
    text->logits = pc_keep(text->graph, pc_model_logits(&build, model, hidden));
    return pc_exec_new(&text->exec, text->graph, session->backend);
}

static pc_status allocate(pc_session *session)
{
    size_t chunk = (size_t)session->options.chunk, width = (size_t)session->model->llm.info.width;
    PC_TRY(pc_session_bytes(session->model, &session->options, &session->cache_bytes));
    PC_TRY(pc_pages_new((void **)&session->cache, session->cache_bytes, "the KV cache"));
    PC_TRY(PC_NEW_ARRAY(session->frequencies, (size_t)(session->model->llm.info.head_size / 2), "a session"));
    PC_TRY(PC_NEW_ARRAY(session->ids, chunk, "a session"));
    PC_TRY(PC_NEW_ARRAY(session->positions, chunk, "a session"));
    PC_TRY(PC_NEW_ARRAY(session->rows, chunk, "a session"));
    PC_TRY(PC_NEW_ARRAY(session->soft_rows, chunk, "a session"));
    PC_TRY(PC_NEW_ARRAY(session->ranges, chunk, "a session"));
    return PC_NEW_ARRAY(session->soft, chunk * width, "a session");
}

static pc_status bind_cache(pc_session *session)
{
    const pc_llm_info *info = &session->model->llm.info;
    pc_shape shape = pc_dims(3, session->options.context, info->key_heads, info->head_size);
    int64_t stride = session->options.context * cache_row(session->model);
    for (int64_t i = 0; i < info->layers; i++) {
        float *keys = session->cache + 2 * i * stride;
        PC_TRY(pc_exec_bind(session->text.exec, session->layers[i].keys, keys, shape));
        PC_TRY(pc_exec_bind(session->text.exec, session->layers[i].values, keys + stride, shape));
    }
    return pc_exec_bind(session->text.exec, session->text.in.frequencies, session->frequencies,
                        pc_dims(1, info->head_size / 2));
}

static void turn_for(pc_session *session, int64_t length)
{
    const pc_llm_part *llm = &session->model->llm;
    llm->type->frequencies(llm->config, length, session->frequencies);
    session->horizon = length;
}

bool pc_session_expect(pc_session *session, int64_t total)
{
    int64_t limit = session->model->llm.info.rotary_limit;
    if (!limit || (total <= limit && session->horizon <= limit)) {
        return true;
    }
    turn_for(session, total);
    return session->length == 0;
}

pc_status pc_session_new(pc_session **out, const pc_model *model, const pc_backend *backend,
                         const pc_session_options *options)
{
    pc_session *session = NULL;
    *out = NULL;
    if (!model->llm.type) {
        return pc_fail(PC_ERR_DATA, "%s: this model has no language model", model->path);
    }
    PC_TRY(PC_NEW(session, "a session"));
    session->model = model;
    session->backend = backend;
    session->options = *options;
    complete_options(model, &session->options);
    pc_status status = allocate(session);
    if (status == PC_OK) {
        turn_for(session, 0);
        status = build_text(session);
    }
    if (status == PC_OK) {
        status = bind_cache(session);
    }
    if (status == PC_OK && model->connector.type) {
        status = build_vision(session);
    }
    if (status != PC_OK) {
        pc_session_free(session);
        return status;
    }
    *out = session;
    return PC_OK;
}

void pc_session_free(pc_session *session)
{
    if (!session) {
        return;
    }
    pc_exec_free(session->vision.exec);
    pc_graph_free(session->vision.graph);
    pc_exec_free(session->text.exec);
    pc_graph_free(session->text.graph);
    pc_pages_free(session->cache, session->cache_bytes);
    pc_free(session->layers);
    pc_free(session->frequencies);
    pc_free(session->ids);
    pc_free(session->positions);
    pc_free(session->rows);
    pc_free(session->soft_rows);
    pc_free(session->ranges);
    pc_free(session->soft);
    pc_free(session);
}

/* tokens [1 + N*Q,D']: the newline (zeros without one), then those of each tile. */
static pc_status see_tiles(pc_session *session, const float *pixels, int64_t tiles, float *tokens)
{
    vision_graph *vision = &session->vision;
    const pc_param *newline = session->model->tiles.newline;
    int64_t size = pc_shape_count(&vision->pixels->max), width = session->model->llm.info.width;
    if (newline) {
        pc_convert_to_f32(tokens, newline->data, newline->dtype, (size_t)width);
    }
    for (int64_t t = 0; t < tiles; t++) {
        PC_TRY(pc_exec_bind(vision->exec, vision->pixels, pixels + t * size, vision->pixels->max));
        PC_TRY(pc_exec_run(vision->exec));
        int64_t each = pc_shape_count(&vision->tokens->shape);
        memcpy(tokens + width + t * each, vision->tokens->data, (size_t)each * sizeof(float));
    }
    return PC_OK;
}

pc_status pc_session_see(pc_session *session, const float *pixels, const pc_image_tiling *tiling, float **soft,
                         int64_t *count)
{
    const pc_model *model = session->model;
    int64_t width = model->llm.info.width, tiles = tiling ? tiling->count : 1, wanted;
    float *tokens = NULL;
    int32_t *rows = NULL;
    *soft = NULL;
    if (!session->vision.exec) {
        return pc_fail(PC_ERR_DATA, "%s: this model takes no pictures", model->path);
    }
    PC_TRY(pc_model_picture_tokens(model, tiling, &wanted));
    pc_status status;
    PC_GO(pc_new_array(&tokens, (size_t)((1 + tiles * model->connector.tokens) * width), sizeof(float), "soft tokens"));
    PC_GO(pc_new_array(&rows, (size_t)wanted, sizeof *rows, "soft tokens"));
    PC_GO(pc_new_array(soft, (size_t)(wanted * width), sizeof(float), "soft tokens"));
    PC_GO(see_tiles(session, pixels, tiles, tokens));
    pc_model_picture_rows(model, tiling, 0, rows);
    for (int64_t i = 0; i < wanted; i++) {
        memcpy(*soft + i * width, tokens + rows[i] * width, (size_t)width * sizeof(float));
    }
    if (count) {
        *count = wanted;
    }
done:
    pc_free(tokens);
    pc_free(rows);
    if (status != PC_OK) {
        pc_free(*soft);
        *soft = NULL;
    }
    return status;
}

/* Fill the staging arrays with one chunk; returns how many soft rows it has. */
static int64_t stage(pc_session *session, const int32_t *ids, const float *const *soft, int64_t count)
{
    size_t width = (size_t)session->model->llm.info.width;
    int64_t soft_count = 0;
    for (int64_t i = 0; i < count; i++) {
        int32_t position = (int32_t)(session->length + i);
        bool is_soft = soft && soft[i];
        session->ids[i] = is_soft ? 0 : ids[i];
        session->positions[i] = session->rows[i] = position;
        session->ranges[i] = (pc_attention_range){0, 0, 0, position + 1};
        if (is_soft) {
            memcpy(session->soft + (size_t)soft_count * width, soft[i], width * sizeof(float));
            session->soft_rows[soft_count++] = (int32_t)i;
        }
    }
    return soft_count;
}

static pc_status read_chunk(pc_session *session, const int32_t *ids, const float *const *soft, int64_t count)
{
    text_graph *text = &session->text;
    int64_t soft_count = stage(session, ids, soft, count);
    int32_t last = (int32_t)count - 1;
    PC_TRY(pc_exec_bind(text->exec, text->in.ids, session->ids, pc_dims(1, count)));
    PC_TRY(pc_exec_bind(text->exec, text->in.positions, session->positions, pc_dims(1, count)));
    PC_TRY(pc_exec_bind(text->exec, text->in.ranges, session->ranges, pc_dims(2, count, 4)));
    PC_TRY(pc_exec_bind(text->exec, text->in.cache_rows, session->rows, pc_dims(1, count)));
    if (text->in.soft) {
        PC_TRY(pc_exec_bind(text->exec, text->in.soft, session->soft,
                            pc_dims(2, soft_count, session->model->llm.info.width)));
        PC_TRY(pc_exec_bind(text->exec, text->in.soft_rows, session->soft_rows, pc_dims(1, soft_count)));
    }
    PC_TRY(pc_exec_bind(text->exec, text->last, &last, pc_dims(1, 1)));
    PC_TRY(pc_exec_run(text->exec));
    session->length += count;
    return PC_OK;
}

static pc_status check_ids(const pc_session *session, const int32_t *ids, const float *const *soft, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        if (!(soft && soft[i]) && (ids[i] < 0 || ids[i] >= session->model->llm.info.vocabulary)) {
            return pc_fail(PC_ERR_DATA, "token id %d at position %lld is outside the vocabulary of %lld", ids[i],
                           (long long)i, (long long)session->model->llm.info.vocabulary);
        }
    }
    return PC_OK;
}

pc_status pc_session_read(pc_session *session, const int32_t *ids, const float *const *soft, int64_t count)
{
    if (count > session->options.context - session->length) {
        return pc_fail(PC_ERR_DATA, "the prompt needs %lld tokens, the context holds %lld (raise it with -c)",
                       (long long)(session->length + count), (long long)session->options.context);
    }
    PC_TRY(check_ids(session, ids, soft, count));
    if (session->model->llm.info.rotary_limit && session->length + count > session->horizon) {
        turn_for(session, session->length + count); /* what is in the cache stays as it turned, as in transformers */
    }
    for (int64_t done = 0; done < count;) {
        int64_t now = least(session->options.chunk, count - done);
        PC_TRY(read_chunk(session, ids + done, soft ? soft + done : NULL, now));
        done += now;
    }
    return PC_OK;
}

const float *pc_session_logits(const pc_session *session)
{
    return pc_f32(session->text.logits);
}

size_t pc_session_activation_bytes(const pc_session *session)
{
    size_t width = (size_t)session->model->llm.info.width;
    size_t token = width * sizeof(float) + 4 * sizeof(int32_t) + sizeof(pc_attention_range);
    size_t vision = session->vision.exec ? pc_exec_arena_bytes(session->vision.exec) : 0;
    return pc_exec_arena_bytes(session->text.exec) + vision + (size_t)session->options.chunk * token;
}

int64_t pc_session_length(const pc_session *session)
{
    return session->length;
}

int64_t pc_session_context(const pc_session *session)
{
    return session->options.context;
}

void pc_session_rewind(pc_session *session, int64_t length)
{
    session->length = least(length < 0 ? 0 : length, session->length);
}
