/* Stage contrastive: pictures and their texts are pulled together, others pushed apart.
 *
 *   I = unit(image tower), T = unit(text tower);  S = exp(s) I T^T (+ b)
 *   CLIP:   loss = (CE(S, diagonal) + CE(S^T, diagonal)) / 2      (Radford et al. 2021, figure 3)
 *   SigLIP: loss = -1/B sum_ij log sigmoid(z_ij S_ij)              (Zhai et al. 2023, algorithm 1)
 *
 * A model with a bias (logit_bias) takes SigLIP's loss. Easy to get wrong: the scale is learned as a logarithm.
 */
#include "ops/add.h"
#include "ops/loss.h"
#include "ops/multiply.h"
#include "ops/transpose.h"
#include "train/stage.h"

static pc_status check(const pc_model *model)
{
    if (!model->contrast.present) {
        return pc_fail(PC_ERR_DATA, "the contrastive stage needs a model with two towers (model_type clip)");
    }
    if (model->contrast.bidirectional) {
        return pc_fail(PC_ERR_DATA, "the contrastive stage trains texts that end with a token of their own; SigLIP's, padded "
                                    "to one length, are only read");
    }
    return PC_OK;
}

static pc_stage_loss loss(const pc_build *build, const pc_stage_setting *setting, pc_stage_inputs *in)
{
    pc_graph *graph = build->graph;
    const pc_model *model = setting->model;
    const pc_batch_limits *limits = setting->limits;
    int64_t side = model->encoder.info.image_size;
    in->pixels = pc_graph_input(graph, "pixel_values", PC_F32, pc_dims(4, limits->samples, 3, side, side));
    in->ids = pc_graph_input(graph, "ids", PC_I32, pc_dims(1, limits->tokens));
    in->positions = pc_graph_input(graph, "positions", PC_I32, pc_dims(1, limits->tokens));
    in->ranges = pc_graph_input(graph, "ranges", PC_I32, pc_dims(2, limits->tokens, 4));
    in->text_ends = pc_graph_input(graph, "text_ends", PC_I32, pc_dims(1, limits->samples));
    in->target_ids = pc_graph_input(graph, "target_ids", PC_I32, pc_dims(1, limits->samples));
    in->weights = pc_graph_input(graph, "weights", PC_F32, pc_dims(1, limits->samples));
    pc_clip_text_io io = {in->ids, in->positions, in->ranges, in->text_ends};
    pc_tensor *images = pc_model_embed_images(build, model, in->pixels);     /* [B,W] */
    pc_tensor *texts = pc_model_embed_texts(build, model, &io);              /* [B,W] */
    pc_tensor *logits = pc_model_similarities(build, model, images, texts);  /* [B,B] */
    if (model->contrast.bias) {
        return (pc_stage_loss){.value = pc_sigmoid_loss(graph, logits)};
    }
    pc_tensor *by_image = pc_cross_entropy(graph, logits, in->target_ids, in->weights);
    pc_tensor *by_text = pc_cross_entropy(graph, pc_transpose(graph, logits), in->target_ids, in->weights);
    return (pc_stage_loss){.value = pc_scale(graph, pc_add(graph, by_image, by_text), 0.5)};
}

const pc_stage pc_stage_contrastive = {
    .name = "contrastive",
    .help = "two towers, CLIP's or SigLIP's loss",
    .batches = PC_BATCH_PAIRS,
    .loss = loss,
    .check = check,
};
