/* Pictures in a session: the graph from pixels to soft tokens, built for one size of picture and one length of question. */
#include "model/session_internal.h"

#include "model/tiles.h"

#include <string.h>

void pc_session_drop_vision(pc_session *session)
{
    pc_exec_free(session->vision.exec);
    pc_graph_free(session->vision.graph);
    pc_free(session->vision.ids);
    session->vision = (vision_graph){0};
}

/* Room for a question of `room` ids, filled by fit_vision. */
static pc_status declare_question(vision_graph *vision, int64_t room, pc_connector_input *in)
{
    vision->room = room;
    if (!room) {
        return PC_OK;
    }
    PC_TRY(PC_NEW_ARRAY(vision->ids, (size_t)room, "a question"));
    in->ids = vision->question = pc_graph_input(vision->graph, "question", PC_I32, pc_dims(2, 1, room));
    in->lengths = vision->length = pc_graph_input(vision->graph, "question_length", PC_I32, pc_dims(1, 1));
    return PC_OK;
}

static pc_status bind_question(vision_graph *vision)
{
    if (!vision->room) {
        return PC_OK;
    }
    PC_TRY(pc_exec_bind(vision->exec, vision->question, vision->ids, vision->question->max));
    return pc_exec_bind(vision->exec, vision->length, &vision->asked, vision->length->max);
}

/* For pictures of this size, and questions of this length; an encoder of native resolution gets another graph for each. */
pc_status pc_session_build_vision(pc_session *session, int64_t height, int64_t width, int64_t room)
{
    const pc_model *model = session->model;
    vision_graph *vision = &session->vision;
    PC_TRY(pc_graph_new(&vision->graph));
    pc_build build = {.graph = vision->graph, .compute = session->options.compute, .adapter = session->options.adapter};
    vision->pixels = pc_graph_input(vision->graph, "pixel_values", PC_F32, pc_dims(4, 1, 3, height, width));
    pc_connector_input seen = pc_model_encode_fewer(&build, model, vision->pixels, &vision->count);
    PC_TRY(declare_question(vision, room, &seen));
    vision->tokens = pc_model_connect(&build, model, seen);
    pc_keep(vision->graph, vision->tokens);
    if (model->detail.tower.type) {
        int64_t side = model->detail.tower.info.image_size;
        vision->detail_pixels = pc_graph_input(vision->graph, "detail_pixels", PC_F32, pc_dims(4, 1, 3, side, side));
        vision->detail = pc_keep(vision->graph, pc_model_encode_detail(&build, model, vision->detail_pixels));
    }
    if (vision->count) {
        pc_keep(vision->graph, vision->count);
    }
    PC_TRY(pc_exec_new(&vision->exec, vision->graph, session->backend));
    return bind_question(vision);
}

/* A graph for questions that are a little longer serves as well: what is behind a question is seen by nobody. */
enum { QUESTION_STEP = 16 };

static int64_t room_for(const pc_session *session, const pc_ids *question)
{
    const int64_t limit = session->model->connector.text_limit, count = question ? (int64_t)question->count : 0;
    return least(limit, (count + QUESTION_STEP - 1) / QUESTION_STEP * QUESTION_STEP);
}

/* The graph of the session takes pictures of this size, and this question. */
static pc_status fit_vision(pc_session *session, const pc_image_tiling *tiling, const pc_ids *question)
{
    const vision_graph *vision = &session->vision;
    const int64_t room = room_for(session, question);
    int64_t side = session->model->encoder.info.image_size;
    int64_t height = tiling ? tiling->height : side, width = tiling ? tiling->width : side;
    if (vision->exec && vision->pixels->max.dim[2] == height && vision->pixels->max.dim[3] == width && vision->room == room) {
        return PC_OK;
    }
    pc_session_drop_vision(session);
    pc_status status = pc_session_build_vision(session, height, width, room);
    if (status != PC_OK) {
        pc_session_drop_vision(session);
    }
    return status;
}

/* tokens [1 + N*Q,D']: the newline (zeros without one), then those of each tile. */
static pc_status see_tiles(pc_session *session, const float *pixels, int64_t tiles, float *tokens)
{
    vision_graph *vision = &session->vision;
    const pc_param *newline = session->model->tiles.newline;
    int64_t size = pc_shape_count(&vision->pixels->max), width = pc_model_soft_width(session->model);
    if (newline) {
        pc_convert_to_f32(tokens, newline->data, newline->dtype, (size_t)width);
    }
    if (vision->detail) {
        PC_TRY(pc_exec_bind(vision->exec, vision->detail_pixels, pixels + tiles * size, vision->detail_pixels->max));
    }
    for (int64_t t = 0; t < tiles; t++) {
        PC_TRY(pc_exec_bind(vision->exec, vision->pixels, pixels + t * size, vision->pixels->max));
        PC_TRY(pc_exec_run(vision->exec));
        int64_t each = pc_shape_count(&vision->tokens->shape);
        memcpy(tokens + width + t * each, vision->tokens->data, (size_t)each * sizeof(float));
    }
    return PC_OK;
}

/* The question into the graph's memory. */
static pc_status put_question(pc_session *session, const pc_ids *question)
{
    vision_graph *vision = &session->vision;
    vision->asked = 0;
    for (int64_t i = 0; i < vision->room; i++) {
        bool asked = i < (int64_t)question->count;
        vision->ids[i] = asked ? question->data[i] : 0;
        vision->asked += asked;
    }
    return pc_model_check_question(session->model, vision->ids, vision->asked);
}

pc_status pc_session_see(pc_session *session, const float *pixels, const pc_image_tiling *tiling, float **soft,
                         int64_t *count)
{
    return pc_session_see_asked(session, pixels, tiling, NULL, soft, count);
}

/* A picture of one tile, of which fewer tokens are left. */
static pc_status see_fewer(pc_session *session, const float *pixels, float **soft, int64_t *count)
{
    vision_graph *vision = &session->vision;
    PC_TRY(pc_exec_bind(vision->exec, vision->pixels, pixels, vision->pixels->max));
    PC_TRY(pc_exec_run(vision->exec));
    const int64_t tokens = vision->count ? pc_i32(vision->count)[0] : vision->tokens->shape.dim[0];
    const size_t width = (size_t)pc_model_soft_width(session->model);
    PC_TRY(pc_new_array(soft, (size_t)tokens * width, sizeof(float), "soft tokens"));
    memcpy(*soft, pc_f32(vision->tokens), (size_t)tokens * width * sizeof(float));
    if (count) {
        *count = tokens;
    }
    return PC_OK;
}

pc_status pc_session_see_asked(pc_session *session, const float *pixels, const pc_image_tiling *tiling,
                               const pc_ids *question, float **soft, int64_t *count)
{
    const pc_model *model = session->model;
    int64_t width = pc_model_soft_width(model), tiles = tiling ? tiling->count : 1, wanted;
    float *tokens = NULL;
    int32_t *rows = NULL;
    *soft = NULL;
    if (!model->connector.type) {
        return pc_fail(PC_ERR_DATA, "%s: this model takes no pictures", model->path);
    }
    PC_TRY(fit_vision(session, tiling, question));
    PC_TRY(put_question(session, question));
    if (pc_visual_shrinks(&model->visual)) {
        return see_fewer(session, pixels, soft, count);
    }
    PC_TRY(pc_model_picture_tokens(model, tiling, &wanted));
    pc_status status;
    PC_GO(pc_new_array(&tokens, (size_t)((1 + tiles * pc_model_tile_tokens(model, tiling)) * width), sizeof(float), "soft tokens"));
    PC_GO(pc_new_array(&rows, (size_t)wanted, sizeof *rows, "soft tokens"));
    int64_t details = session->vision.detail ? pc_shape_count(&session->vision.detail->max) : 0;
    PC_GO(pc_new_array(soft, (size_t)(wanted * width + details), sizeof(float), "soft tokens"));
    PC_GO(see_tiles(session, pixels, tiles, tokens));
    pc_model_picture_rows(model, tiling, 0, rows);
    for (int64_t i = 0; i < wanted; i++) {
        memcpy(*soft + i * width, tokens + rows[i] * width, (size_t)width * sizeof(float));
    }
    if (details) {
        memcpy(*soft + wanted * width, session->vision.detail->data, (size_t)details * sizeof(float));
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
