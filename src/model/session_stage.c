/* Pieces of text to chunks of a session's text graph: ids, positions, places in the cache and what each token sees are laid out
 * for up to `chunk` tokens, whichever rows they belong to, and run; the wanted logits and states are copied out. */
#include "model/session_internal.h"

#include "ops/sides.h"

#include <string.h>

/* A chunk that is being put together. */
typedef struct chunk {
    int64_t tokens, soft, lasts;
    int64_t pictures; /* new ones, of a session with a memory */
    drop_run drop;
} chunk;

/* The numbers of token `i` of a piece, at place `place` of its row and `at` of the chunk; and the position behind it, beyond
 * the largest so far. */
static void give_position(pc_session *session, const pc_session_piece *piece, int64_t i, int64_t place, int64_t at)
{
    int64_t axes = session->model->llm.info.axes;
    int32_t *follow = session->follow + piece->row * session->options.context + place;
    int32_t next = place ? follow[-1] : 0;
    *follow = piece->positions ? next : next + 1;
    for (int64_t a = 0; a < axes; a++) {
        int32_t number = piece->positions ? piece->positions[i * axes + a] : next;
        session->positions[at * axes + a] = number;
        *follow = number >= *follow ? number + 1 : *follow;
    }
}

/* True when token i is a row of a picture for the bridge's weights: another of its rows follows. */
static bool is_inside(const pc_session_piece *piece, int64_t i)
{
    bool next = i + 1 < piece->count ? piece->soft && piece->soft[i + 1] : piece->picture_goes_on;
    return next && piece->soft && piece->soft[i];
}

/* What layers of the language model read from token i of a piece on: the picture that it stands for, or its details. */
static const float *media_of(const pc_session *session, const pc_session_piece *piece, int64_t i)
{
    const float *const *media = session->apart ? piece->soft : piece->detail;
    return session->memory && media ? media[i] : NULL;
}

/* With a window: what lies between the sinks and the `window` newest tokens of the one at `place` is not seen. */
static bool sees_apart(const pc_cache_options *cache, int64_t place)
{
    return cache->window && place >= cache->sinks + cache->window;
}

/* Where that token stands for the sinks: as far behind them as if the first token of its window were the next. */
static int32_t stands_inside(const pc_session *session, int64_t row, int64_t place, int32_t position)
{
    const pc_cache_options *cache = &session->options.cache;
    const int32_t *follow = session->follow + row * session->options.context;
    if (!sees_apart(cache, place)) {
        return position;
    }
    return position - follow[place - cache->window] + (cache->sinks ? follow[cache->sinks - 1] : 0);
}

static pc_attention_range apart(const pc_session *session, int64_t row, int64_t address, int64_t place)
{
    const pc_cache_options *cache = &session->options.cache;
    const int32_t first = (int32_t)(address + pc_cache_offset(session->cache, row, place - cache->window + 1));
    return (pc_attention_range){(int32_t)address, (int32_t)(address + cache->sinks), first, first + (int32_t)cache->window};
}

/* What the token at `place` of a row sees: with a source, its tokens see the rows of the run, what is written sees the cache. */
static pc_attention_range range_of(const pc_session *session, int64_t row, int64_t address, int64_t place, int64_t at)
{
    const int64_t source = session->sources[row];
    if (sees_apart(&session->options.cache, place)) {
        return apart(session, row, address, place);
    }
    if (place < source) {
        const int32_t first = (int32_t)(at - place);
        return (pc_attention_range){0, 0, first, first + (int32_t)source};
    }
    const int32_t begin = (int32_t)address, target = (int32_t)(address + source);
    return (pc_attention_range){begin, target, target, (int32_t)(address + place + 1)};
}

/* Stage tokens [from, to) of a piece whose row has them counted in already. */
static void stage(pc_session *session, chunk *now, const pc_session_piece *piece, int64_t from, int64_t to)
{
    size_t width = (size_t)session->model->llm.info.width;
    int64_t address = pc_cache_address(session->cache, piece->row);
    int64_t before = pc_cache_length(session->cache, piece->row) - piece->count;
    int64_t tail = least(least(piece->tail > 0 ? piece->tail : 1, session->options.tail), piece->count);
    session->tails[piece->row] = tail;
    pc_session_drop_stage(session, &now->drop, piece, from, to, now->tokens, now->lasts);
    for (int64_t i = from; i < to; i++) {
        int64_t at = now->tokens++, place = before + i;
        bool is_soft = piece->soft && piece->soft[i];
        session->types[at] = is_inside(piece, i);
        const float *media = media_of(session, piece, i);
        session->ids[at] = is_soft && !session->apart ? 0 : piece->ids[i];
        pc_memory_put(session->memory, piece->row, place, at, piece->ids[i], media);
        give_position(session, piece, i, place, at);
        session->inside[at] = stands_inside(session, piece->row, place, session->positions[at]);
        session->rows[at] = pc_cache_place(session->cache, piece->row, place);
        session->ranges[at] = range_of(session, piece->row, address, place, at);
        if (is_soft && !session->apart) {
            memcpy(session->soft + (size_t)now->soft * width, piece->soft[i], width * sizeof(float));
            session->soft_rows[now->soft++] = (int32_t)at;
        }
        now->pictures += media != NULL;
        if (session->hidden) {
            session->token_rows[at] = piece->row;
            session->token_places[at] = place;
        }
        if (piece->count - i <= tail) {
            session->last[now->lasts] = (int32_t)at;
            session->last_places[now->lasts++] = (piece->row + 1) * session->options.tail - (piece->count - i);
        }
    }
}

/* Copy out what a run has found. */
static void keep_results(pc_session *session, const chunk *now)
{
    text_graph *text = &session->text;
    size_t vocabulary = (size_t)session->model->llm.info.vocabulary, width = (size_t)session->model->llm.info.width;
    int64_t tail = session->options.tail, taps = session->options.tap_count;
    for (int64_t i = 0; i < now->lasts; i++) {
        int64_t place = session->last_places[i], row = place / tail;
        memcpy(session->logits + (size_t)place * vocabulary, pc_f32(text->logits) + (size_t)i * vocabulary,
               vocabulary * sizeof(float));
        if (session->attention && place % tail == tail - 1) {
            const size_t context = (size_t)session->options.context;
            memcpy(session->attention + (size_t)row * context, pc_f32(text->look.weights) + (size_t)i * context,
                   context * sizeof(float));
        }
        for (int64_t t = 0; t < taps && place % tail == tail - 1; t++) {
            memcpy(session->tapped + (size_t)(row * taps + t) * vocabulary, pc_f32(text->tapped[t]) + (size_t)i * vocabulary,
                   vocabulary * sizeof(float));
        }
    }
    for (int64_t i = 0; session->hidden && i < now->tokens; i++) {
        int64_t place = session->token_rows[i] * session->options.context + session->token_places[i];
        memcpy(session->hidden + (size_t)place * width, pc_f32(text->hidden) + (size_t)i * width, width * sizeof(float));
    }
}

static pc_status run_chunk(pc_session *session, const chunk *now)
{
    text_graph *text = &session->text;
    int64_t count = now->tokens, width = session->model->llm.info.width;
    PC_TRY(pc_exec_bind(text->exec, text->in.ids, session->ids, pc_dims(1, count)));
    PC_TRY(pc_exec_bind(text->exec, text->in.positions, session->positions,
                        pc_dims(2, count, session->model->llm.info.axes)));
    if (text->in.inside) {
        PC_TRY(pc_exec_bind(text->exec, text->in.inside, session->inside, pc_dims(2, count, 1)));
    }
    PC_TRY(pc_exec_bind(text->exec, text->in.ranges, session->ranges, pc_dims(2, count, 4)));
    PC_TRY(pc_exec_bind(text->exec, text->in.cache_rows, session->rows, pc_dims(1, count)));
    if (text->in.source_rows) {
        int32_t *target = session->sides + session->options.chunk;
        int64_t sources = pc_sides_rows(session->ranges, count, session->sides, target);
        PC_TRY(pc_exec_bind(text->exec, text->in.source_rows, session->sides, pc_dims(1, sources)));
        PC_TRY(pc_exec_bind(text->exec, text->in.target_rows, target, pc_dims(1, count - sources)));
    }
    if (text->in.soft) {
        PC_TRY(pc_exec_bind(text->exec, text->in.soft, session->soft, pc_dims(2, now->soft, width)));
        PC_TRY(pc_exec_bind(text->exec, text->in.soft_rows, session->soft_rows, pc_dims(1, now->soft)));
    }
    PC_TRY(pc_memory_bind_run(session->memory, text->exec, count));
    if (text->in.bridge.types) {
        PC_TRY(pc_exec_bind(text->exec, text->in.bridge.types, session->types, pc_dims(1, count)));
    }
    PC_TRY(pc_exec_bind(text->exec, text->last, session->last, pc_dims(1, now->lasts)));
    PC_TRY(pc_session_drop_bind(session, &now->drop, count, now->lasts));
    PC_TRY(pc_exec_run(text->exec));
    keep_results(session, now);
    pc_memory_begin(session->memory);
    return PC_OK;
}

/* How far a piece goes on in this run: as far as its tokens and its pictures fit. */
static int64_t end_of_run(const pc_session *session, const chunk *now, const pc_session_piece *piece, int64_t done)
{
    int64_t end = least(piece->count, done + session->options.chunk - now->tokens), pictures = now->pictures;
    for (int64_t i = done; session->memory && i < end; i++) {
        pictures += media_of(session, piece, i) != NULL;
        if (pictures > pc_memory_at_once(session->memory)) {
            return i;
        }
    }
    return end;
}

/* Tokens of the source at the beginning of a piece whose row has them counted in already. */
static int64_t source_left(const pc_session *session, const pc_session_piece *piece)
{
    return pc_cache_length(session->cache, piece->row) == piece->count ? session->sources[piece->row] : 0;
}

static pc_status run_pieces(pc_session *session, const pc_session_piece *pieces, int64_t count)
{
    chunk now = {0};
    pc_memory_begin(session->memory);
    for (int64_t i = 0; i < count; i++) {
        const int64_t at_once = source_left(session, &pieces[i]) + pc_session_drop_at_once(session, &pieces[i]);
        if (at_once > session->options.chunk - now.tokens) {
            PC_TRY(run_chunk(session, &now)); /* a source is read in one run */
            now = (chunk){0};
        }
        for (int64_t done = 0; done < pieces[i].count;) {
            int64_t end = end_of_run(session, &now, &pieces[i], done);
            stage(session, &now, &pieces[i], done, end);
            done = end;
            if (now.tokens == session->options.chunk || done < pieces[i].count) {
                PC_TRY(run_chunk(session, &now));
                now = (chunk){0};
            }
        }
    }
    return now.tokens ? run_chunk(session, &now) : PC_OK;
}

static pc_status check_ids(const pc_session *session, const pc_session_piece *piece)
{
    for (int64_t i = 0; i < piece->count; i++) {
        int32_t id = piece->ids[i];
        bool looked_up = session->apart || !(piece->soft && piece->soft[i]);
        if (looked_up && (id < 0 || id >= session->model->llm.info.vocabulary)) {
            return pc_fail(PC_ERR_DATA, "token id %d at position %lld is outside the vocabulary of %lld", id,
                           (long long)i, (long long)session->model->llm.info.vocabulary);
        }
    }
    return PC_OK;
}

/* Where the source of a row ends, before the piece is counted in: the piece that begins a row has the whole of it. */
static pc_status find_source(pc_session *session, const pc_session_piece *piece)
{
    const int64_t length = pc_cache_length(session->cache, piece->row);
    int64_t *source = &session->sources[piece->row];
    if (length == 0) {
        return pc_model_find_source(session->model, piece->ids, piece->soft, piece->count, source);
    }
    return length >= *source ? PC_OK
                             : pc_fail(PC_ERR_DATA, "a source of %lld tokens is read at once, %lld are left", (long long)*source,
                                       (long long)length);
}

/* What is in the cache stays as it turned, as in transformers. */
static void turn_for_pieces(pc_session *session, const pc_session_piece *pieces, int64_t count)
{
    for (int64_t i = 0; session->model->llm.info.rotary_limit && i < count; i++) {
        int64_t length = pc_session_stands(session, pc_cache_length(session->cache, pieces[i].row));
        bool stays = session->model->llm.info.rotary_of_prompt && length > pieces[i].count;
        if (length > session->horizon && !stays) {
            pc_session_turn_for(session, length);
        }
    }
}

/* New pictures that layers read. */
static int64_t pictures_of(const pc_session *session, const pc_session_piece *piece)
{
    int64_t count = 0;
    for (int64_t i = 0; i < piece->count; i++) {
        count += media_of(session, piece, i) != NULL;
    }
    return count;
}

static pc_status read_pieces(pc_session *session, const pc_session_piece *pieces, int64_t count)
{
    int64_t extended = 0, pictures = 0;
    pc_status status = PC_OK;
    for (int64_t i = 0; i < count; i++) {
        PC_TRY(check_ids(session, &pieces[i]));
        pictures += pictures_of(session, &pieces[i]);
        PC_TRY(find_source(session, &pieces[i]));
        PC_TRY(pc_session_drop_check(session, &pieces[i]));
    }
    PC_TRY(pc_memory_check(session->memory, pictures));
    for (; extended < count; extended++) {
        status = pc_cache_extend(session->cache, pieces[extended].row, pieces[extended].count);
        if (status != PC_OK) {
            break;
        }
    }
    if (status == PC_OK) {
        turn_for_pieces(session, pieces, count);
        status = run_pieces(session, pieces, count);
    }
    for (int64_t i = 0; status != PC_OK && i < extended; i++) {
        int64_t length = pc_cache_length(session->cache, pieces[i].row);
        pc_cache_truncate(session->cache, pieces[i].row, length - pieces[i].count);
    }
    return status;
}

/* Takes the beginning of a piece off it that is read in one step: a chunk at most, and the whole tail in the last. */
static pc_session_piece take_part(const pc_session *session, pc_session_piece *rest)
{
    const int64_t most = session->options.chunk, axes = session->model->llm.info.axes;
    const int64_t behind = rest->count - (rest->tail > 0 ? rest->tail : 1);
    pc_session_piece part = *rest;
    part.count = rest->count <= most || behind < 1 ? rest->count : least(most, behind);
    rest->ids += part.count;
    rest->soft = rest->soft ? rest->soft + part.count : NULL;
    rest->positions = rest->positions ? rest->positions + part.count * axes : NULL;
    rest->count -= part.count;
    if (rest->count) {
        part.tail = 1;
        part.picture_goes_on = rest->soft && rest->soft[0];
    }
    return part;
}

/* With a window rows forget while they read, so a long piece goes in by steps. */
static pc_status read_by_steps(pc_session *session, const pc_session_piece *pieces, int64_t count)
{
    pc_session_piece *rest = session->parts, *now = session->parts + session->options.rows;
    for (int64_t i = 0; i < count; i++) {
        PC_TRY(check_ids(session, &pieces[i]));
        PC_TRY(pc_cache_check(session->cache, pieces[i].row, pieces[i].count));
        rest[i] = pieces[i];
    }
    for (;;) {
        int64_t parts = 0;
        for (int64_t i = 0; i < count; i++) {
            if (rest[i].count) {
                now[parts++] = take_part(session, &rest[i]);
            }
        }
        if (!parts) {
            return PC_OK;
        }
        PC_TRY(read_pieces(session, now, parts));
    }
}

pc_status pc_session_read_rows(pc_session *session, const pc_session_piece *pieces, int64_t count)
{
    return session->options.cache.window ? read_by_steps(session, pieces, count) : read_pieces(session, pieces, count);
}
