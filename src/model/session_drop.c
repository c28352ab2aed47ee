/* FastV in a session: which rows of a run go on behind the layer that judges, and where their keys stand from there on.
 *
 *   places of a prompt   s s P P P P P P q q q     layers before:  keys of all
 *                        . . . s s P P q q q q     layers behind:  keys of those that stayed, from place `dropped` on
 *   what follows                           a a     the same place in every layer
 *
 * Source: Chen et al. 2024 (arXiv:2403.06764); pkunlp-icler/FastV modeling_llama_fastv_kvcache.py. How many leave is known before
 * the run, which ones they are the graph finds out. Easy to get wrong: positions stay those of the whole text.
 */
#include "model/session_internal.h"

#include "ops/keep_rows.h"

#include <string.h>

pc_status pc_session_drop_allocate(pc_session *session)
{
    drop_state *drop = &session->drop;
    const size_t chunk = (size_t)session->options.chunk, rows = (size_t)session->options.rows;
    if (!pc_session_drops(session)) {
        return PC_OK;
    }
    PC_TRY(PC_NEW_ARRAY(drop->dropped, rows, "a session"));
    PC_TRY(PC_NEW_ARRAY(drop->whole, rows, "a session"));
    PC_TRY(PC_NEW_ARRAY(drop->judges, chunk, "a session"));
    PC_TRY(PC_NEW_ARRAY(drop->columns, chunk, "a session"));
    PC_TRY(PC_NEW_ARRAY(drop->rows, chunk, "a session"));
    PC_TRY(PC_NEW_ARRAY(drop->last, chunk, "a session"));
    return PC_NEW_ARRAY(drop->ranges, chunk, "a session");
}

void pc_session_drop_free(pc_session *session)
{
    drop_state *drop = &session->drop;
    pc_free(drop->dropped);
    pc_free(drop->whole);
    pc_free(drop->judges);
    pc_free(drop->columns);
    pc_free(drop->rows);
    pc_free(drop->last);
    pc_free(drop->ranges);
}

void pc_session_drop_declare(pc_session *session)
{
    text_graph *text = &session->text;
    const pc_visual_tokens *visual = &session->model->visual;
    const int64_t chunk = session->options.chunk;
    if (!pc_session_drops(session)) {
        return;
    }
    text->look = (pc_llm_look){.layer = (int)visual->layer - 1, .heads = PC_LOOK_MEAN, .rows = text->last,
                               .columns = session->options.context};
    text->drop = (pc_llm_drop){
        .layer = (int)visual->layer,
        .keep = visual->keep,
        .judges = pc_graph_input(text->graph, "judges", PC_I32, pc_dims(1, chunk)),
        .columns = pc_graph_input(text->graph, "columns", PC_I32, pc_dims(1, chunk)),
        .cache_rows = pc_graph_input(text->graph, "kept_cache_rows", PC_I32, pc_dims(1, chunk)),
        .ranges = pc_graph_input(text->graph, "kept_ranges", PC_I32, pc_dims(2, chunk, 4)),
        .rows = pc_graph_input(text->graph, "kept_last", PC_I32, text->last->max),
    };
    text->in.look = &text->look;
    text->in.drop = &text->drop;
}

static int64_t pictures_of(const pc_session_piece *piece)
{
    int64_t count = 0;
    for (int64_t i = 0; piece->soft && i < piece->count; i++) {
        count += piece->soft[i] != NULL;
    }
    return count;
}

/* Tokens at the end of a piece whose logits are wanted: they stay, whatever they are. */
static int64_t tail_of(const pc_session *session, const pc_session_piece *piece)
{
    return least(least(piece->tail > 0 ? piece->tail : 1, session->options.tail), piece->count);
}

static int64_t judged(const pc_session *session, const pc_session_piece *piece)
{
    pc_session_piece front = *piece;
    front.count -= tail_of(session, piece);
    return pictures_of(&front);
}

pc_status pc_session_drop_check(pc_session *session, const pc_session_piece *piece)
{
    if (!pc_session_drops(session)) {
        return PC_OK;
    }
    const int64_t length = pc_cache_length(session->cache, piece->row);
    if (length && pictures_of(piece)) {
        return pc_fail(PC_ERR_DATA, "visual_tokens fastv: pictures are read together with all text before them; %lld tokens were "
                                    "read already", (long long)length);
    }
    if (length && length < session->drop.whole[piece->row]) {
        return pc_fail(PC_ERR_DATA, "visual_tokens fastv: of a prompt of %lld tokens %lld are left; it is read anew from its "
                                    "beginning", (long long)session->drop.whole[piece->row], (long long)length);
    }
    return PC_OK;
}

int64_t pc_session_drop_at_once(const pc_session *session, const pc_session_piece *piece)
{
    return pc_session_drops(session) && pictures_of(piece) ? piece->count : 0;
}

/* The next token that goes on stands at `place` of the row. */
static void go_on(pc_session *session, drop_run *run, int64_t row, int64_t place)
{
    const int64_t address = pc_cache_address(session->cache, row);
    const int32_t begin = (int32_t)(address + session->drop.dropped[row]);
    session->drop.rows[run->kept] = pc_cache_place(session->cache, row, place);
    session->drop.ranges[run->kept++] = (pc_attention_range){begin, begin, begin, (int32_t)(address + place + 1)};
}

void pc_session_drop_stage(pc_session *session, drop_run *run, const pc_session_piece *piece, int64_t from, int64_t to,
                           int64_t first, int64_t lasts)
{
    drop_state *drop = &session->drop;
    if (!pc_session_drops(session)) {
        return;
    }
    const int64_t row = piece->row, length = pc_cache_length(session->cache, row), before = length - piece->count;
    const int64_t tail = tail_of(session, piece), candidates = judged(session, piece);
    const int64_t leave = candidates - pc_kept_of(candidates, session->model->visual.keep);
    if (before == 0) {
        drop->dropped[row] = leave;
        drop->whole[row] = leave ? length : 0;
    }
    for (int64_t i = from; i < to; i++) {
        const bool is_judged = piece->soft && piece->soft[i] && i < piece->count - tail;
        drop->judges[first + i - from] = is_judged ? (int32_t)(lasts + tail - 1) : -1;
        drop->columns[first + i - from] = (int32_t)(before + i);
        if (i - from >= leave) { /* as many as stay, wherever they come from */
            go_on(session, run, row, before + i);
        }
        if (piece->count - i <= tail) {
            drop->last[lasts++] = (int32_t)run->kept - 1;
        }
    }
}

pc_status pc_session_drop_bind(pc_session *session, const drop_run *run, int64_t tokens, int64_t lasts)
{
    const pc_llm_drop *in = &session->text.drop;
    pc_exec *exec = session->text.exec;
    if (!pc_session_drops(session)) {
        return PC_OK;
    }
    PC_TRY(pc_exec_bind(exec, in->judges, session->drop.judges, pc_dims(1, tokens)));
    PC_TRY(pc_exec_bind(exec, in->columns, session->drop.columns, pc_dims(1, tokens)));
    PC_TRY(pc_exec_bind(exec, in->cache_rows, session->drop.rows, pc_dims(1, run->kept)));
    PC_TRY(pc_exec_bind(exec, in->ranges, session->drop.ranges, pc_dims(2, run->kept, 4)));
    return pc_exec_bind(exec, in->rows, session->drop.last, pc_dims(1, lasts));
}

void pc_session_drop_cut(pc_session *session, int64_t row, int64_t length)
{
    if (pc_session_drops(session) && length == 0) {
        session->drop.dropped[row] = session->drop.whole[row] = 0;
    }
}

void pc_session_drop_share(pc_session *session, int64_t to, int64_t from)
{
    if (pc_session_drops(session)) {
        session->drop.dropped[to] = session->drop.dropped[from];
        session->drop.whole[to] = session->drop.whole[from];
    }
}
