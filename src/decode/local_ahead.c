/* Speculative decoding: the session reads a guess along with the newest id; where it comes true, nothing is left to read. */
#include "decode/local_internal.h"

#include <string.h>

/* The scores behind the i-th token that the newest piece has read. */
static void take_scores(pc_local *local, size_t i)
{
    memcpy(pc_lanes_scores(&local->lanes, 0), pc_session_tail_logits(local->session, 0, (int64_t)i),
           (size_t)local->lanes.vocabulary * sizeof(float));
    local->lanes.written++;
}

pc_status pc_local_read_ahead(pc_answering *a, int32_t id)
{
    pc_local *local = a->local;
    pc_ahead *now = &local->ahead;
    if (now->at < now->count && now->ids[1 + now->at] == id) {
        take_scores(local, ++now->at);
        return PC_OK;
    }
    size_t place = local->inputs[0].prompt.ids.count + (size_t)local->lanes.written, written = local->report.ids.count;
    size_t most = (size_t)local->decoding.draft_tokens, left = pc_local_most_tokens(a) - written;
    pc_session_rewind(local->session, (int64_t)place);
    now->ids[0] = id;
    now->at = 0;
    /* The last token of an answer is never read. */
    PC_TRY(pc_draft_guess(local->draft, &local->history, written, most < left - 1 ? most : left - 1, now->ids + 1,
                          &now->count));
    for (size_t i = 0; i <= now->count; i++) {
        pc_input_follow(&local->inputs[0], place + i, now->ids[i]);
    }
    const pc_session_piece piece = {.ids = now->ids, .count = 1 + (int64_t)now->count, .tail = 1 + (int64_t)now->count};
    PC_TRY(pc_session_read_rows(local->session, &piece, 1));
    take_scores(local, 0);
    return PC_OK;
}

void pc_local_end_ahead(pc_local *local)
{
    pc_session_rewind(local->session, (int64_t)local->inputs[0].prompt.ids.count + local->lanes.written);
    local->ahead.count = local->ahead.at = 0;
}
