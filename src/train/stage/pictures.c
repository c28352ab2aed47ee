/* What stages of language read of pictures: the encoder's output, or its features from the cache. */
#include "train/stage.h"

pc_connector_input pc_stage_pictures(const pc_build *build, const pc_model *model, const pc_batch_limits *limits,
                                     pc_stage_inputs *in)
{
    int64_t side = model->encoder.info.image_size;
    pc_connector_input seen;
    if (in->feature_shape.ndim == 0) {
        in->pixels = pc_graph_input(build->graph, "pixel_values", PC_F32, pc_dims(4, limits->images, 3, side, side));
        seen = pc_model_encode(build, model, in->pixels);
    } else {
        pc_connector_dims dims;
        pc_model_picture_dims(model, side, side, &dims);
        in->features = pc_graph_input(build->graph, "encoder.features", PC_F32, in->feature_shape);
        seen = (pc_connector_input){.features = in->features, .rows = dims.rows, .columns = dims.columns};
    }
    if (limits->question) {
        pc_shape shape = pc_dims(2, limits->images, limits->question);
        seen.ids = in->questions = pc_graph_input(build->graph, "questions", PC_I32, shape);
        seen.lengths = in->question_lengths = pc_graph_input(build->graph, "question_lengths", PC_I32, pc_dims(1, limits->images));
    }
    return seen;
}
