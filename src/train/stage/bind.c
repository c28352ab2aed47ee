/* A batch becomes the inputs of a stage's graph. */
#include "train/stage.h"

static pc_status bind(pc_exec *exec, pc_tensor *input, const void *data, pc_shape shape)
{
    return input ? pc_exec_bind(exec, input, data, shape) : PC_OK;
}

static pc_status bind_rows(pc_exec *exec, const pc_stage_inputs *in, const pc_batch *batch)
{
    PC_TRY(bind(exec, in->ids, batch->ids, pc_dims(1, batch->tokens)));
    PC_TRY(bind(exec, in->positions, batch->positions, pc_dims(1, batch->tokens)));
    PC_TRY(bind(exec, in->ranges, batch->ranges, pc_dims(2, batch->tokens, 4)));
    PC_TRY(bind(exec, in->soft_rows, batch->soft_rows, pc_dims(1, batch->soft)));
    return bind(exec, in->text_ends, batch->text_ends, pc_dims(1, batch->samples));
}

static pc_status bind_targets(pc_exec *exec, const pc_stage_inputs *in, const pc_batch *batch)
{
    PC_TRY(bind(exec, in->target_rows, batch->target_rows, pc_dims(1, batch->targets)));
    PC_TRY(bind(exec, in->target_ids, batch->target_ids, pc_dims(1, batch->targets)));
    PC_TRY(bind(exec, in->answer_ends, batch->answer_ends, pc_dims(1, batch->answers)));
    PC_TRY(bind(exec, in->answer_rows, batch->answer_rows, pc_dims(1, batch->answers)));
    PC_TRY(bind(exec, in->labels, batch->labels, pc_dims(1, batch->samples)));
    return bind(exec, in->experience, batch->experience, pc_dims(2, batch->targets, PC_EXPERIENCE));
}

pc_status pc_stage_bind(pc_exec *exec, const pc_stage_inputs *in, const pc_model *model, const pc_batch *batch)
{
    int64_t side = model->encoder.info.image_size;
    PC_TRY(bind(exec, in->pixels, batch->pixels, pc_dims(4, batch->images, 3, side, side)));
    if (in->questions) {
        PC_TRY(bind(exec, in->questions, batch->questions, pc_dims(2, batch->images, batch->question)));
        PC_TRY(bind(exec, in->question_lengths, batch->question_lengths, pc_dims(1, batch->images)));
    }
    PC_TRY(pc_model_check_positions(model, batch->positions, in->positions && model->llm.type ? batch->tokens : 0));
    PC_TRY(bind_rows(exec, in, batch));
    PC_TRY(bind_targets(exec, in, batch));
    return bind(exec, in->frequencies, model->llm.frequencies, pc_dims(1, model->llm.info.head_size / 2));
}
