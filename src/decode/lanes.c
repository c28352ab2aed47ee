#include "decode/lanes.h"

#include <string.h>

int64_t pc_lanes_rows(int64_t most, int64_t views)
{
    return most > 1 ? views * (1 + 2 * most) : views;
}

pc_status pc_lanes_init(pc_lanes *lanes)
{
    PC_TRY(pc_new_array(&lanes->scores, (size_t)lanes->most, (size_t)lanes->vocabulary * sizeof(float), "logits"));
    PC_TRY(PC_NEW_ARRAY(lanes->first, (size_t)lanes->vocabulary, "logits"));
    return PC_NEW_ARRAY(lanes->pieces, (size_t)(lanes->most * lanes->views), "an answerer");
}

void pc_lanes_clear(pc_lanes *lanes)
{
    pc_free(lanes->scores);
    pc_free(lanes->first);
    pc_free(lanes->pieces);
}

float *pc_lanes_scores(const pc_lanes *lanes, int64_t lane)
{
    return lanes->scores + lane * lanes->vocabulary;
}

static int64_t row_of(const pc_lanes *lanes, int64_t set, int64_t lane, int64_t view)
{
    return lanes->most == 1 ? view : lanes->views * (1 + set * lanes->most + lane) + view;
}

/* Scores of the sequence whose views are in rows from `row` on. */
static void score(pc_lanes *lanes, float *scores, int64_t row)
{
    const float *plain = pc_session_row_logits(lanes->session, row);
    if (!lanes->method || !lanes->method->mix) {
        memcpy(scores, plain, (size_t)lanes->vocabulary * sizeof *scores);
        return;
    }
    const pc_method_step step = {
        .plain = plain,
        .other = lanes->views > 1 ? pc_session_row_logits(lanes->session, row + 1) : NULL,
        .layers = lanes->tap_count ? pc_session_tap_logits(lanes->session, row, 0) : NULL,
        .layer_count = lanes->tap_count,
        .vocabulary = lanes->vocabulary,
        .written = lanes->written,
    };
    lanes->method->mix(lanes->config, &step, scores);
}

void pc_lanes_ready(pc_lanes *lanes)
{
    lanes->written = 0;
    score(lanes, lanes->first, 0);
}

void pc_lanes_begin(pc_lanes *lanes, int64_t count, const int64_t *lengths)
{
    lanes->count = count;
    lanes->written = 0;
    lanes->set = 0;
    for (int64_t view = 0; view < lanes->views; view++) {
        pc_session_row_rewind(lanes->session, view, lengths[view]);
    }
    for (int64_t lane = 0; lane < count; lane++) {
        for (int64_t view = 0; view < lanes->views && lanes->most > 1; view++) {
            pc_session_row_share(lanes->session, row_of(lanes, 0, lane, view), view, lengths[view]);
        }
        memcpy(pc_lanes_scores(lanes, lane), lanes->first, (size_t)lanes->vocabulary * sizeof *lanes->first);
    }
}

static void change_places(pc_lanes *lanes, const int32_t *parents)
{
    int64_t other = 1 - lanes->set;
    for (int64_t lane = 0; lane < lanes->count; lane++) {
        for (int64_t view = 0; view < lanes->views; view++) {
            int64_t from = row_of(lanes, lanes->set, parents[lane], view);
            pc_session_row_share(lanes->session, row_of(lanes, other, lane, view), from,
                                 pc_session_row_length(lanes->session, from));
        }
    }
    for (int64_t lane = 0; lane < lanes->most; lane++) {
        for (int64_t view = 0; view < lanes->views; view++) {
            pc_session_row_rewind(lanes->session, row_of(lanes, lanes->set, lane, view), 0);
        }
    }
    lanes->set = other;
}

pc_status pc_lanes_reread(pc_lanes *lanes, int64_t count, const int64_t *lengths, const int32_t *const *ids, int64_t each)
{
    int64_t pieces = 0;
    pc_lanes_begin(lanes, count, lengths);
    for (int64_t lane = 0; lane < count; lane++) {
        for (int64_t view = 0; view < lanes->views; view++) {
            lanes->pieces[pieces++] = (pc_session_piece){.row = row_of(lanes, 0, lane, view), .ids = ids[lane], .count = each};
        }
    }
    PC_TRY(pc_session_read_rows(lanes->session, lanes->pieces, pieces));
    lanes->written = each;
    for (int64_t lane = 0; lane < count; lane++) {
        score(lanes, pc_lanes_scores(lanes, lane), row_of(lanes, 0, lane, 0));
    }
    return PC_OK;
}

const float *pc_lanes_attention(const pc_lanes *lanes, int64_t lane)
{
    return pc_session_attention(lanes->session, row_of(lanes, lanes->set, lane, 0));
}

pc_status pc_lanes_step(pc_lanes *lanes, const int32_t *parents, const int32_t *ids)
{
    int64_t pieces = 0;
    if (parents) {
        change_places(lanes, parents);
    }
    for (int64_t lane = 0; lane < lanes->count; lane++) {
        for (int64_t view = 0; view < lanes->views && ids[lane] >= 0; view++) {
            lanes->pieces[pieces++] = (pc_session_piece){
                .row = row_of(lanes, lanes->set, lane, view), .ids = &ids[lane], .count = 1};
        }
    }
    if (!pieces) {
        return PC_OK;
    }
    PC_TRY(pc_session_read_rows(lanes->session, lanes->pieces, pieces));
    lanes->written++;
    for (int64_t lane = 0; lane < lanes->count; lane++) {
        if (ids[lane] >= 0) {
            score(lanes, pc_lanes_scores(lanes, lane), row_of(lanes, lanes->set, lane, 0));
        }
    }
    return PC_OK;
}
