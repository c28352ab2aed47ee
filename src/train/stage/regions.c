/* Stage regions: each soft token on a region says the region's words, before any language model reads it.
 *
 *   pixels -> encoder -> connector -> rows on regions, scaled to length sqrt(D') -> language head [U,V] -> sum of w CE
 *
 * The language model does not run, so a step costs a fraction of one of stage pt, and its embeddings (or head) and the
 * soft tokens come to share one space. A dense form of the alignment that captions give (stage pt).
 */
#include "ops/loss.h"
#include "ops/multiply.h"
#include "ops/norm.h"
#include "ops/rows.h"
#include "train/stage.h"

#include <math.h>

static const double TINY_NORM = 1e-6; /* a zero soft token does not divide by zero */

static pc_status check(const pc_model *model)
{
    if (!model->llm.type || !model->connector.type) {
        return pc_fail(PC_ERR_DATA, "stage regions needs an encoder, a connector and a language model");
    }
    return PC_OK;
}

/* Rows as long as the head is used to. */
static pc_tensor *scaled(const pc_build *build, const pc_stage_setting *setting, pc_tensor *rows)
{
    double length = sqrt((double)setting->model->llm.info.width);
    return pc_scale(build->graph, pc_l2_norm(build->graph, rows, TINY_NORM), length);
}

static pc_stage_loss loss(const pc_build *build, const pc_stage_setting *setting, pc_stage_inputs *in)
{
    const pc_model *model = setting->model;
    pc_stage_wanted_inputs(build, setting, in);
    pc_tensor *soft = pc_model_connect(build, model, pc_stage_pictures(build, model, setting->limits, in)); /* [S,D'] */
    return (pc_stage_loss){.value = pc_stage_vocabulary_loss(build, setting, in, soft, scaled)};
}

const pc_stage pc_stage_regions = {
    .name = "regions",
    .help = "picture tokens say the words of the regions they lie on",
    .batches = PC_BATCH_REGIONS,
    .cached = true,
    .loss = loss,
    .check = check,
};
