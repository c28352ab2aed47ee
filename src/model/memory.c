#include "model/memory.h"

#include "ops/attention.h"

#include <string.h>

struct pc_memory {
    const pc_model *model;
    const pc_cache *cache;
    int64_t rows, context, chunk;
    int64_t blocks, heads, head_size, slots, queries, width; /* H, E, -, Q, M */
    int64_t at_once;          /* most new pictures of a run */
    pc_dtype dtype;
    pc_bridge_memory *inputs; /* [blocks] */
    void **pages;             /* [2 blocks]: keys, then values [slots Q,H,E] */
    size_t bytes;             /* of each */
    pc_tensor *media, *media_rows, *seen;
    int32_t *last;            /* [rows,context]: the slot that is seen behind each token, -1 = none */
    bool *taken;              /* [slots] */
    /* One run. */
    int64_t fresh;            /* new pictures */
    float *staged;            /* [at_once Q,M] */
    int32_t *staged_rows;     /* [at_once Q] */
    pc_attention_range *ranges; /* [chunk] */
};

static pc_status allocate(pc_memory *m)
{
    size_t rows = (size_t)(m->at_once * m->queries), numbers;
    PC_TRY(PC_NEW_ARRAY(m->inputs, (size_t)m->blocks, "a session's pictures"));
    PC_TRY(PC_NEW_ARRAY(m->pages, (size_t)m->blocks * 2, "a session's pictures"));
    PC_TRY(PC_NEW_ARRAY(m->last, (size_t)m->rows * (size_t)m->context, "a session's pictures"));
    PC_TRY(PC_NEW_ARRAY(m->taken, (size_t)m->slots, "a session's pictures"));
    PC_TRY(PC_NEW_ARRAY(m->staged, rows * (size_t)m->width, "a session's pictures"));
    PC_TRY(PC_NEW_ARRAY(m->staged_rows, rows, "a session's pictures"));
    PC_TRY(PC_NEW_ARRAY(m->ranges, (size_t)m->chunk, "a session's pictures"));
    if (!pc_mul_size((size_t)m->slots * (size_t)m->queries, (size_t)(m->heads * m->head_size), &numbers) ||
        !pc_dtype_bytes(m->dtype, numbers, &m->bytes)) {
        return pc_fail_memory(SIZE_MAX, "a session's pictures");
    }
    for (int64_t i = 0; i < 2 * m->blocks; i++) {
        PC_TRY(pc_pages_new(&m->pages[i], m->bytes, "a session's pictures"));
    }
    return PC_OK;
}

pc_status pc_memory_new(pc_memory **out, const pc_model *model, const pc_cache *cache, int64_t rows, int64_t context,
                        int64_t chunk, pc_dtype dtype)
{
    pc_memory *m = NULL;
    const pc_bridge_part *bridge = &model->bridge;
    *out = NULL;
    if (!pc_model_pictures_remembered(model)) {
        return PC_OK;
    }
    PC_TRY(PC_NEW(m, "a session's pictures"));
    m->model = model;
    m->cache = cache;
    m->rows = rows;
    m->context = context;
    m->chunk = chunk;
    m->dtype = dtype;
    m->slots = rows * (bridge->type->apart ? PC_MEMORY_PICTURES : PC_MEMORY_DETAILS);
    m->at_once = bridge->type->apart ? PC_MEMORY_AT_ONCE : 1;
    m->queries = bridge->dims.queries;
    m->width = bridge->dims.media;
    bridge->type->memory(bridge->config, &bridge->dims, &m->blocks, &m->heads, &m->head_size);
    pc_status status = m->slots > INT32_MAX / m->queries ? pc_fail_memory(SIZE_MAX, "a session's pictures") : allocate(m);
    if (status != PC_OK) {
        pc_memory_free(m);
        return status;
    }
    *out = m;
    return PC_OK;
}

void pc_memory_free(pc_memory *m)
{
    if (!m) {
        return;
    }
    for (int64_t i = 0; m->pages && i < 2 * m->blocks; i++) {
        pc_pages_free(m->pages[i], m->bytes);
    }
    pc_free(m->inputs);
    pc_free(m->pages);
    pc_free(m->last);
    pc_free(m->taken);
    pc_free(m->staged);
    pc_free(m->staged_rows);
    pc_free(m->ranges);
    pc_free(m);
}

static pc_shape pool_shape(const pc_memory *m)
{
    return pc_dims(3, m->slots * m->queries, m->heads, m->head_size);
}

pc_status pc_memory_declare(pc_memory *m, pc_graph *graph, pc_bridge_input *out)
{
    if (!m) {
        return PC_OK;
    }
    for (int64_t i = 0; i < m->blocks; i++) {
        m->inputs[i].keys = pc_graph_input(graph, "picture_keys", m->dtype, pool_shape(m));
        m->inputs[i].values = pc_graph_input(graph, "picture_values", m->dtype, pool_shape(m));
    }
    m->media = pc_graph_input(graph, "media", PC_F32, pc_dims(2, m->at_once * m->queries, m->width));
    m->media_rows = pc_graph_input(graph, "media_rows", PC_I32, pc_dims(1, m->at_once * m->queries));
    m->seen = pc_graph_input(graph, "seen", PC_I32, pc_dims(2, m->chunk, 4));
    *out = (pc_bridge_input){.media = m->media, .seen = m->seen, .memory = m->inputs, .memory_rows = m->media_rows};
    return PC_OK;
}

pc_status pc_memory_bind(pc_memory *m, pc_exec *exec)
{
    for (int64_t i = 0; m && i < m->blocks; i++) {
        PC_TRY(pc_exec_bind(exec, m->inputs[i].keys, m->pages[2 * i], pool_shape(m)));
        PC_TRY(pc_exec_bind(exec, m->inputs[i].values, m->pages[2 * i + 1], pool_shape(m)));
    }
    return PC_OK;
}

int64_t pc_memory_at_once(const pc_memory *m)
{
    return m ? m->at_once : 0;
}

pc_status pc_memory_check(pc_memory *m, int64_t pictures)
{
    int64_t free_slots = 0;
    if (!m || !pictures) {
        return PC_OK;
    }
    memset(m->taken, 0, (size_t)m->slots * sizeof *m->taken);
    for (int64_t row = 0; row < m->rows; row++) {
        const int32_t *last = m->last + row * m->context;
        for (int64_t i = 0; i < pc_cache_length(m->cache, row); i++) {
            if (last[i] >= 0) {
                m->taken[last[i]] = true;
            }
        }
    }
    for (int64_t s = 0; s < m->slots; s++) {
        free_slots += !m->taken[s];
    }
    return pictures <= free_slots ? PC_OK
                                  : pc_fail(PC_ERR_DATA, "%lld new pictures: the session keeps %lld at a time", (long long)pictures,
                                            (long long)(m->slots / m->rows));
}

void pc_memory_begin(pc_memory *m)
{
    if (m) {
        m->fresh = 0;
    }
}

/* A slot for a new picture: pc_memory_check has found that there is one. */
static int32_t take_slot(pc_memory *m, const float *media)
{
    int32_t slot = 0;
    while (slot + 1 < m->slots && m->taken[slot]) {
        slot++;
    }
    m->taken[slot] = true;
    int64_t first = m->fresh++ * m->queries;
    memcpy(m->staged + first * m->width, media, (size_t)(m->queries * m->width) * sizeof *media);
    for (int64_t q = 0; q < m->queries; q++) {
        m->staged_rows[first + q] = slot * (int32_t)m->queries + (int32_t)q;
    }
    return slot;
}

void pc_memory_put(pc_memory *m, int64_t row, int64_t place, int64_t at, int32_t id, const float *media)
{
    if (!m) {
        return;
    }
    int32_t *last = m->last + row * m->context + place, queries = (int32_t)m->queries;
    int32_t slot = media ? take_slot(m, media) : place ? last[-1] : -1;
    m->ranges[at] = slot < 0 ? (pc_attention_range){0} : (pc_attention_range){.begin = slot * queries, .end = (slot + 1) * queries};
    *last = id == m->model->bridge.end_id && !media ? -1 : slot;
}

pc_status pc_memory_bind_run(pc_memory *m, pc_exec *exec, int64_t tokens)
{
    if (!m) {
        return PC_OK;
    }
    PC_TRY(pc_exec_bind(exec, m->media, m->staged, pc_dims(2, m->fresh * m->queries, m->width)));
    PC_TRY(pc_exec_bind(exec, m->media_rows, m->staged_rows, pc_dims(1, m->fresh * m->queries)));
    return pc_exec_bind(exec, m->seen, m->ranges, pc_dims(2, tokens, 4));
}

void pc_memory_share(pc_memory *m, int64_t to, int64_t from, int64_t length)
{
    if (m) {
        memmove(m->last + to * m->context, m->last + from * m->context, (size_t)length * sizeof *m->last);
    }
}
