/* A session: two graphs, one from pixels to soft tokens, one from a chunk of tokens to the next token's logits. What a chunk is
 * put together from: session_stage.c. */
#include "model/session_internal.h"

#include "ops/rows.h"

#include <math.h>
#include <string.h>

enum { DEFAULT_CONTEXT = 4096, DEFAULT_CHUNK = 512 };

static void complete_options(const pc_model *model, pc_session_options *options)
{
    int64_t context = model->llm.info.context;
    options->context = options->context > 0 ? options->context : least(context, DEFAULT_CONTEXT);
    options->rows = options->rows > 0 ? options->rows : 1;
    options->chunk = options->chunk > 0 ? options->chunk : DEFAULT_CHUNK;
    if (options->rows == 1) {
        options->chunk = least(options->chunk, options->context);
    } else if (options->chunk < options->rows) {
        options->chunk = options->rows; /* a step of every row is one run */
    }
    const bool whole = model->llm.info.source || model->visual.kind == PC_VISUAL_FASTV;
    if (whole && options->chunk < options->context) {
        options->chunk = options->context; /* a source, or a prompt whose pictures are judged, is read in one run */
    }
    options->tail = options->tail > 0 ? options->tail : 1;
    if (!options->cache.typed) {
        options->cache.keys = options->cache.values = options->compute;
    }
}

/* R: most tokens of a chunk whose logits are wanted. */
static int64_t most_lasts(const pc_session_options *options)
{
    return least(options->rows * options->tail, options->chunk);
}

static pc_cache_shape cache_shape(const pc_model *model, const pc_session_options *options)
{
    const pc_llm_info *info = &model->llm.info;
    return (pc_cache_shape){
        .layers = info->layers,
        .width = info->key_heads * info->head_size,
        .rows = options->rows,
        .context = options->context,
        .sinks = options->cache.sinks,
        .window = options->cache.window,
        .chunk = options->chunk,
        .tokens = options->tokens,
        .keys = options->cache.keys,
        .values = options->cache.values,
    };
}

pc_status pc_session_bytes(const pc_model *model, const pc_session_options *options, size_t *cache)
{
    pc_session_options full = *options;
    complete_options(model, &full);
    const pc_cache_shape shape = cache_shape(model, &full);
    return pc_cache_bytes(&shape, cache);
}

static pc_status declare_cache(pc_session *session)
{
    const pc_llm_info *info = &session->model->llm.info;
    pc_shape shape = pc_dims(3, pc_cache_pool_rows(session->cache), info->key_heads, info->head_size);
    const pc_cache_options *cache = &session->options.cache;
    PC_TRY(PC_NEW_ARRAY(session->layers, (size_t)info->layers, "the KV cache"));
    for (int64_t i = 0; i < info->layers; i++) {
        session->layers[i].keys = pc_graph_input(session->text.graph, "keys", cache->keys, shape);
        session->layers[i].values = pc_graph_input(session->text.graph, "values", cache->values, shape);
    }
    return PC_OK;
}

/* hidden [T,D'] -> [R,D'] */
static pc_tensor *lasts_of(const pc_session *session, pc_tensor *hidden)
{
    return pc_take_rows(session->text.graph, hidden, session->text.last);
}

/* hidden [R,D'] -> [R,V] */
static pc_tensor *head_of(const pc_session *session, const pc_build *build, pc_tensor *hidden)
{
    return pc_keep(build->graph, pc_model_logits(build, session->model, hidden));
}

static pc_status build_taps(pc_session *session, const pc_build *build)
{
    text_graph *text = &session->text;
    for (int i = 0; i < session->options.tap_count; i++) {
        if (!text->taps[i].hidden) {
            return pc_fail(PC_ERR_DATA, "%s: its language model shows no states behind layer %d of %lld",
                           session->model->path ? session->model->path : "the model", text->taps[i].layer,
                           (long long)session->model->llm.info.layers);
        }
        const bool dropped = pc_session_drops(session) && text->taps[i].layer > text->drop.layer;
        pc_tensor *hidden = text->taps[i].hidden;
        text->tapped[i] = head_of(session, build, dropped ? pc_take_rows(build->graph, hidden, text->drop.rows)
                                                          : lasts_of(session, hidden));
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
        .cache = session->layers,
        .cache_rows = pc_graph_input(text->graph, "cache_rows", PC_I32, pc_dims(1, chunk)),
        .cache_pages = pc_graph_input(text->graph, "cache_pages", PC_I32, pc_dims(1, pc_cache_table_size(session->cache))),
    };
    pc_model_reading_inputs(text->graph, model, chunk, &text->in);
    if (session->options.cache.spread) {
        text->in.spread = pc_graph_input(text->graph, "spread", PC_F32, pc_dims(2, model->llm.info.head_size, model->llm.info.head_size));
    }
    if (session->options.cache.window) {
        text->in.inside = pc_graph_input(text->graph, "inside", PC_I32, pc_dims(2, chunk, 1));
    }
    PC_TRY(pc_memory_declare(session->memory, text->graph, &text->in.bridge));
    if (model->bridge.type && !session->apart) {
        text->in.bridge.types = pc_graph_input(text->graph, "types", PC_I32, pc_dims(1, chunk));
    }
    if (model->connector.type && !session->apart) {
        text->in.soft = pc_graph_input(text->graph, "soft", PC_F32, pc_dims(2, chunk, width));
        text->in.soft_rows = pc_graph_input(text->graph, "soft_rows", PC_I32, pc_dims(1, chunk));
    }
    text->last = pc_graph_input(text->graph, "last", PC_I32, pc_dims(1, most_lasts(&session->options)));
    text->in.taps = text->taps;
    text->in.tap_count = session->options.tap_count;
    for (int i = 0; i < session->options.tap_count; i++) {
        text->taps[i].layer = session->options.taps[i];
    }
    if (session->options.keep_attention) {
        text->look = (pc_llm_look){.layer = (int)model->llm.info.layers - 1, .heads = PC_LOOK_MOST, .rows = text->last,
                                   .columns = session->options.context};
        text->in.look = &text->look;
    }
    pc_session_drop_declare(session);
    const bool keep = session->options.keep_hidden;
    text->in.rows = keep ? NULL : text->last;
    pc_tensor *hidden = pc_model_read(&build, model, &text->in); /* [T,D'] with keep, else [R,D'] */
    text->logits = head_of(session, &build, keep ? lasts_of(session, hidden) : hidden);
    PC_TRY(build_taps(session, &build));
    if (text->in.look && !text->look.weights) {
        return pc_fail(PC_ERR_DATA, "%s: its layer %d shows no weights of attention", model->path ? model->path : "the model",
                       text->look.layer + 1);
    }
    if (session->options.keep_attention) {
        pc_keep(text->graph, text->look.weights);
    }
    if (keep) {
        text->hidden = pc_keep(text->graph, hidden);
    }
    return pc_exec_new(&text->exec, text->graph, session->backend);
}

static pc_status allocate_results(pc_session *session)
{
    const pc_session_options *options = &session->options;
    size_t rows = (size_t)options->rows, vocabulary = (size_t)session->model->llm.info.vocabulary;
    size_t lasts = (size_t)most_lasts(options), chunk = (size_t)options->chunk, numbers;
    if (!pc_mul_size(rows * (size_t)options->tail, vocabulary, &numbers)) {
        return pc_fail_memory(SIZE_MAX, "logits");
    }
    PC_TRY(PC_NEW_ARRAY(session->logits, numbers, "a session"));
    PC_TRY(PC_NEW_ARRAY(session->tapped, rows * (size_t)options->tap_count * vocabulary + 1, "a session"));
    PC_TRY(PC_NEW_ARRAY(session->last, lasts, "a session"));
    PC_TRY(PC_NEW_ARRAY(session->last_places, lasts, "a session"));
    PC_TRY(PC_NEW_ARRAY(session->tails, rows, "a session"));
    if (options->keep_attention) {
        PC_TRY(pc_new_array(&session->attention, rows, (size_t)options->context * sizeof(float), "weights of attention"));
    }
    if (!options->keep_hidden) {
        return PC_OK;
    }
    if (!pc_mul_size(rows * (size_t)options->context, (size_t)session->model->llm.info.width, &numbers)) {
        return pc_fail_memory(SIZE_MAX, "hidden states");
    }
    PC_TRY(PC_NEW_ARRAY(session->hidden, numbers, "hidden states"));
    PC_TRY(PC_NEW_ARRAY(session->token_rows, chunk, "hidden states"));
    return PC_NEW_ARRAY(session->token_places, chunk, "hidden states");
}

/* Sylvester's matrix of the largest power of two that divides a head, along the diagonal: row r, column c has the sign of the
 * parity of r & c. */
static pc_status make_spread(pc_session *session)
{
    const int64_t size = session->model->llm.info.head_size, block = size & -size;
    PC_TRY(PC_NEW_ARRAY(session->spread, (size_t)(size * size), "a session"));
    for (int64_t row = 0; row < size; row++) {
        for (int64_t i = 0; i < block; i++) {
            const int64_t r = row % block;
            const float value = 1 / sqrtf((float)block);
            session->spread[row * size + row - r + i] = __builtin_parityll((unsigned long long)(r & i)) ? -value : value;
        }
    }
    return PC_OK;
}

static pc_status allocate(pc_session *session)
{
    size_t chunk = (size_t)session->options.chunk, width = (size_t)session->model->llm.info.width;
    size_t rows = (size_t)session->options.rows;
    const pc_cache_shape shape = cache_shape(session->model, &session->options);
    PC_TRY(pc_cache_new(&session->cache, &shape));
    PC_TRY(pc_memory_new(&session->memory, session->model, session->cache, session->options.rows, session->options.context,
                         session->options.chunk, session->options.compute));
    PC_TRY(allocate_results(session));
    PC_TRY(PC_NEW_ARRAY(session->frequencies, (size_t)(session->model->llm.info.head_size / 2), "a session"));
    PC_TRY(session->options.cache.spread ? make_spread(session) : PC_OK);
    PC_TRY(PC_NEW_ARRAY(session->ids, chunk, "a session"));
    PC_TRY(PC_NEW_ARRAY(session->positions, chunk * (size_t)session->model->llm.info.axes, "a session"));
    PC_TRY(PC_NEW_ARRAY(session->inside, chunk, "a session"));
    PC_TRY(PC_NEW_ARRAY(session->parts, 2 * rows, "a session"));
    PC_TRY(PC_NEW_ARRAY(session->follow, rows * (size_t)session->options.context, "a session"));
    PC_TRY(PC_NEW_ARRAY(session->rows, chunk, "a session"));
    PC_TRY(PC_NEW_ARRAY(session->soft_rows, chunk, "a session"));
    PC_TRY(PC_NEW_ARRAY(session->types, chunk, "a session"));
    PC_TRY(PC_NEW_ARRAY(session->ranges, chunk, "a session"));
    PC_TRY(PC_NEW_ARRAY(session->sources, rows, "a session"));
    PC_TRY(pc_session_drop_allocate(session));
    PC_TRY(PC_NEW_ARRAY(session->sides, 2 * chunk, "a session"));
    return PC_NEW_ARRAY(session->soft, chunk * width, "a session");
}

static pc_status bind_cache(pc_session *session)
{
    const pc_llm_info *info = &session->model->llm.info;
    const pc_cache *cache = session->cache;
    pc_exec *exec = session->text.exec;
    pc_shape shape = pc_dims(3, pc_cache_pool_rows(cache), info->key_heads, info->head_size);
    for (int64_t i = 0; i < info->layers; i++) {
        PC_TRY(pc_exec_bind(exec, session->layers[i].keys, pc_cache_keys(cache, i), shape));
        PC_TRY(pc_exec_bind(exec, session->layers[i].values, pc_cache_values(cache, i), shape));
    }
    if (session->spread) {
        PC_TRY(pc_exec_bind(exec, session->text.in.spread, session->spread, pc_dims(2, info->head_size, info->head_size)));
    }
    PC_TRY(pc_memory_bind(session->memory, exec));
    PC_TRY(pc_exec_bind(exec, session->text.in.cache_pages, pc_cache_table(cache), pc_dims(1, pc_cache_table_size(cache))));
    return pc_exec_bind(session->text.exec, session->text.in.frequencies, session->frequencies,
                        pc_dims(1, info->head_size / 2));
}

int64_t pc_session_stands(const pc_session *session, int64_t length)
{
    const pc_cache_options *cache = &session->options.cache;
    return cache->window ? least(length, cache->sinks + cache->window) : length;
}

void pc_session_turn_for(pc_session *session, int64_t length)
{
    const pc_llm_part *llm = &session->model->llm;
    llm->type->frequencies(llm->config, length, session->frequencies);
    session->horizon = length;
}

bool pc_session_expect(pc_session *session, int64_t total)
{
    int64_t limit = session->model->llm.info.rotary_limit;
    total = pc_session_stands(session, total);
    if (!limit || (total <= limit && session->horizon <= limit)) {
        return true;
    }
    pc_session_turn_for(session, total);
    return pc_session_length(session) == 0;
}

/* A window moves a text under its queries: what knows it as a whole does not go with it. */
static pc_status check_cache(const pc_model *model, const pc_session_options *options)
{
    const pc_cache_options *cache = &options->cache;
    enum { MOST = 1 << 24 };
    if (cache->spread && model->llm.info.source) {
        return pc_fail(PC_ERR_DATA, "%s: keys of an encoder-decoder don't go through a Hadamard matrix", model->path ? model->path : "the model");
    }
    if (!cache->window) {
        return PC_OK;
    }
    if (model->visual.kind == PC_VISUAL_FASTV) {
        return pc_fail(PC_ERR_DATA, "visual_tokens fastv: a prompt whose pictures are judged is kept whole, so it goes with no window");
    }
    if (cache->window < 0 || cache->sinks < 0 || cache->window > MOST || cache->sinks > MOST) {
        return pc_fail(PC_ERR_USAGE, "a window of %lld tokens behind %lld sinks; expected 1 and 0 to %d", (long long)cache->window,
                       (long long)cache->sinks, (int)MOST);
    }
    if (!model->llm.info.streams || model->llm.info.source || pc_model_pictures_apart(model)) {
        return pc_fail(PC_ERR_DATA, "%s: attention sinks want a decoder with rotary positions of one number, and pictures within the text",
                       model->path ? model->path : "the model");
    }
    return options->keep_hidden || options->keep_attention
               ? pc_fail(PC_ERR_USAGE, "states and weights of attention are not kept with a window")
               : PC_OK;
}

pc_status pc_session_new(pc_session **out, const pc_model *model, const pc_backend *backend,
                         const pc_session_options *options)
{
    pc_session *session = NULL;
    *out = NULL;
    if (!model->llm.type) {
        return pc_fail(PC_ERR_DATA, "%s: this model has no language model", model->path);
    }
    if (model->visual.kind == PC_VISUAL_FASTV && (options->keep_hidden || options->keep_attention)) {
        return pc_fail(PC_ERR_DATA, "%s: visual_tokens fastv: states or attention of every token are wanted (opera, value heads), and "
                                    "some would leave", model->path ? model->path : "the model");
    }
    const int32_t last = options->context > 0 ? (int32_t)options->context - 1 : 0;
    PC_TRY(pc_model_check_positions(model, &last, 1));
    PC_TRY(check_cache(model, options));
    PC_TRY(PC_NEW(session, "a session"));
    session->model = model;
    session->apart = pc_model_pictures_apart(model);
    session->backend = backend;
    session->options = *options;
    complete_options(model, &session->options);
    pc_status status = allocate(session);
    if (status == PC_OK) {
        pc_session_turn_for(session, 0);
        status = build_text(session);
    }
    if (status == PC_OK) {
        status = bind_cache(session);
    }
    if (status == PC_OK && model->connector.type) {
        status = pc_session_build_vision(session, model->encoder.info.image_size, model->encoder.info.image_size, 0);
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
    pc_session_drop_vision(session);
    pc_exec_free(session->text.exec);
    pc_graph_free(session->text.graph);
    pc_cache_free(session->cache);
    pc_memory_free(session->memory);
    pc_session_drop_free(session);
    pc_free(session->logits);
    pc_free(session->last);
    pc_free(session->tapped);
    pc_free(session->hidden);
    pc_free(session->attention);
    pc_free(session->last_places);
    pc_free(session->tails);
    pc_free(session->token_rows);
    pc_free(session->token_places);
    pc_free(session->layers);
    pc_free(session->frequencies);
    pc_free(session->ids);
    pc_free(session->positions);
    pc_free(session->inside);
    pc_free(session->spread);
    pc_free(session->parts);
    pc_free(session->follow);
    pc_free(session->rows);
    pc_free(session->soft_rows);
    pc_free(session->types);
    pc_free(session->ranges);
    pc_free(session->sources);
    pc_free(session->sides);
    pc_free(session->soft);
    pc_free(session);
}

pc_status pc_session_read(pc_session *session, const int32_t *ids, const float *const *soft, int64_t count)
{
    return pc_session_read_at(session, ids, soft, NULL, count);
}

pc_status pc_session_read_at(pc_session *session, const int32_t *ids, const float *const *soft, const int32_t *positions,
                             int64_t count)
{
    const pc_session_piece piece = {.ids = ids, .soft = soft, .count = count, .positions = positions};
    return pc_session_read_rows(session, &piece, 1);
}

const float *pc_session_logits(const pc_session *session)
{
    return pc_session_row_logits(session, 0);
}

const float *pc_session_row_logits(const pc_session *session, int64_t row)
{
    return session->logits + ((row + 1) * session->options.tail - 1) * session->model->llm.info.vocabulary;
}

const float *pc_session_tail_logits(const pc_session *session, int64_t row, int64_t i)
{
    int64_t tail = session->tails[row];
    return session->logits + ((row + 1) * session->options.tail - tail + i) * session->model->llm.info.vocabulary;
}

const float *pc_session_tap_logits(const pc_session *session, int64_t row, int tap)
{
    return session->tapped + (row * session->options.tap_count + tap) * session->model->llm.info.vocabulary;
}

const float *pc_session_hidden(const pc_session *session, int64_t row, int64_t place)
{
    return session->hidden + (row * session->options.context + place) * session->model->llm.info.width;
}

const float *pc_session_attention(const pc_session *session, int64_t row)
{
    return session->attention + row * session->options.context;
}

size_t pc_session_activation_bytes(const pc_session *session)
{
    size_t width = (size_t)session->model->llm.info.width;
    size_t token = width * sizeof(float) + 4 * sizeof(int32_t) + sizeof(pc_attention_range);
    size_t vision = session->vision.exec ? pc_exec_arena_bytes(session->vision.exec) : 0;
    return pc_exec_arena_bytes(session->text.exec) + vision + (size_t)session->options.chunk * token;
}

pc_cost pc_session_cost(const pc_session *session)
{
    return pc_graph_cost(session->text.graph);
}

pc_cost pc_session_picture_cost(const pc_session *session)
{
    return session->vision.graph ? pc_graph_cost(session->vision.graph) : (pc_cost){0, 0};
}

int64_t pc_session_length(const pc_session *session)
{
    return pc_cache_length(session->cache, 0);
}

int64_t pc_session_row_length(const pc_session *session, int64_t row)
{
    return pc_cache_length(session->cache, row);
}

int64_t pc_session_context(const pc_session *session)
{
    return session->options.context;
}

void pc_session_rewind(pc_session *session, int64_t length)
{
    pc_session_row_rewind(session, 0, length);
}

void pc_session_row_rewind(pc_session *session, int64_t row, int64_t length)
{
    pc_cache_truncate(session->cache, row, length);
    pc_session_drop_cut(session, row, length);
}

int64_t pc_session_row_reusable(const pc_session *session, int64_t row, int64_t length)
{
    return pc_cache_reusable(session->cache, row, length);
}

void pc_session_row_share(pc_session *session, int64_t to, int64_t from, int64_t length)
{
    pc_cache_share(session->cache, to, from, length);
    pc_memory_share(session->memory, to, from, pc_cache_length(session->cache, to));
    session->sources[to] = session->sources[from];
    pc_session_drop_share(session, to, from);
    memmove(session->follow + to * session->options.context, session->follow + from * session->options.context,
            (size_t)pc_cache_length(session->cache, to) * sizeof *session->follow);
    if (session->hidden) {
        size_t row = (size_t)(session->options.context * session->model->llm.info.width);
        memmove(session->hidden + (size_t)to * row, session->hidden + (size_t)from * row,
                (size_t)(pc_cache_length(session->cache, to) * session->model->llm.info.width) * sizeof(float));
    }
}

int64_t pc_session_free_tokens(const pc_session *session)
{
    return pc_cache_free_tokens(session->cache);
}
