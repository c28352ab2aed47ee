/* What stages of language read of pictures: the encoder's output, or its features from the cache. */
#include "train/stage.h"

pc_connector_input pc_stage_pictures(const pc_build *build, const pc_model *model, const pc_batch_limits *limits,
                                     pc_stage_inputs *in)
{
    int64_t side = model->encoder.info.image_size;
    if (in->feature_shape.ndim == 0) {
        in->pixels = pc_graph_input(build->graph, "pixel_values", PC_F32, pc_dims(4, limits->images, 3, side, side));
        return pc_model_encode(build, model, in->pixels);
    }
    pc_connector_dims dims;
    pc_model_picture_dims(model, side, side, &dims);
    in->features = pc_graph_input(build->graph, "encoder.features", PC_F32, in->feature_shape);
    return (pc_connector_input){.features = in->features, .rows = dims.rows, .columns = dims.columns};
}
