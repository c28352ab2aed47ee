/* The assessment of written answers.
 *
 *   pixels, ids -> policy    -> -log p [R], V [R]
 *               -> reference -> -log p [R]
 *               -> judge     -> hidden of each answer's last row -> head [A]
 *
 * Easy to get wrong: the policy's arithmetic here must be that of its loss, so that the first ratio is exactly 1.
 */
#include "train/assess.h"

#include "train/stage/language.h"
#include "train/stage/policy.h"

#include <string.h>

struct pc_assess {
    pc_assess_options options;
    pc_instance judge;
    pc_graph *graph;
    pc_exec *exec;
    pc_stage_inputs in;
    pc_policy_reading policy;
    pc_tensor *reference; /* [R]; or NULL */
    pc_tensor *scores;    /* [A,1]; or NULL */
};

static bool changes_pictures(const pc_adapter *adapter)
{
    for (size_t i = 0; adapter && i < adapter->params.count; i++) {
        const char *part = adapter->params.items[i]->param.part;
        if (strcmp(part, "encoder") == 0 || strcmp(part, "connector") == 0) {
            return true;
        }
    }
    return false;
}

/* Soft tokens of another instance: the policy's where they must be the same. */
static pc_tensor *soft_of(const pc_assess *a, const pc_build *build, const pc_model *model, pc_tensor *soft)
{
    const pc_instance *policy = &a->options.policy;
    bool same = model == policy->model && !changes_pictures(policy->adapter) && !changes_pictures(build->adapter);
    return !a->in.pixels || same ? soft : pc_model_connect(build, model, pc_model_encode(build, model, a->in.pixels));
}

static void build_reference(pc_assess *a, const pc_stage_setting *setting, pc_tensor *soft)
{
    pc_build build = {.graph = a->graph, .compute = a->options.compute};
    pc_stage_setting other = *setting;
    other.model = a->options.reference;
    other.head = NULL;
    soft = soft_of(a, &build, other.model, soft);
    a->reference = pc_keep(a->graph, pc_stage_read_written(&build, &other, &a->in, soft).losses);
}

static void build_judge(pc_assess *a, pc_tensor *soft)
{
    const pc_instance *judge = &a->judge;
    pc_build build = {.graph = a->graph, .compute = a->options.compute, .adapter = judge->adapter};
    a->in.answer_rows = pc_graph_input(a->graph, "answer_rows", PC_I32, pc_dims(1, a->options.answers));
    soft = soft_of(a, &build, judge->model, soft);
    pc_tensor *hidden = pc_stage_hidden(&build, judge->model, &a->in, soft, a->in.answer_rows); /* [A,D'] */
    a->scores = pc_keep(a->graph, pc_linear_forward(&build, judge->head, hidden, NULL));
}

static pc_status build_graph(pc_assess *a, const pc_backend *backend)
{
    const pc_assess_options *o = &a->options;
    PC_TRY(pc_graph_new(&a->graph));
    pc_build build = {.graph = a->graph, .compute = o->compute, .adapter = o->policy.adapter};
    pc_stage_setting setting = {
        .model = o->policy.model, .limits = &o->limits, .head = o->policy.head, .temperature = o->temperature};
    pc_stage_written_inputs(&build, &setting, &a->in);
    pc_tensor *soft = pc_stage_soft_tokens(&build, &setting, &a->in);
    a->policy = pc_stage_read_written(&build, &setting, &a->in, soft);
    pc_keep(a->graph, a->policy.losses);
    if (a->policy.values) {
        pc_keep(a->graph, a->policy.values);
    }
    if (o->reference) {
        build_reference(a, &setting, soft);
    }
    if (o->judge) {
        build_judge(a, soft);
    }
    return pc_exec_new(&a->exec, a->graph, backend);
}

pc_status pc_assess_new(pc_assess **out, const pc_backend *backend, const pc_assess_options *options)
{
    pc_assess *a = NULL;
    *out = NULL;
    PC_TRY(PC_NEW(a, "an assessment"));
    a->options = *options;
    if (options->judge) {
        a->judge = *options->judge;
    }
    pc_status status = build_graph(a, backend);
    if (status != PC_OK) {
        pc_assess_free(a);
        return status;
    }
    *out = a;
    return PC_OK;
}

void pc_assess_free(pc_assess *a)
{
    if (a) {
        pc_exec_free(a->exec);
        pc_graph_free(a->graph);
        pc_free(a);
    }
}

size_t pc_assess_bytes(const pc_assess *a)
{
    return pc_exec_arena_bytes(a->exec);
}

pc_status pc_assess_run(pc_assess *a, pc_batch *batch, double *scores)
{
    PC_TRY(pc_stage_bind(a->exec, &a->in, a->options.policy.model, batch));
    PC_TRY(pc_exec_run(a->exec));
    const float *losses = pc_f32(a->policy.losses), *values = a->policy.values ? pc_f32(a->policy.values) : NULL;
    const float *reference = a->reference ? pc_f32(a->reference) : losses;
    for (int64_t t = 0; t < batch->targets; t++) {
        float *row = batch->experience + t * PC_EXPERIENCE;
        memset(row, 0, PC_EXPERIENCE * sizeof *row);
        row[PC_OLD_LOG_PROBABILITY] = -losses[t];
        row[PC_REFERENCE_LOG_PROBABILITY] = -reference[t];
        row[PC_OLD_VALUE] = values ? values[t] : 0;
    }
    for (int64_t i = 0; i < batch->answers; i++) {
        scores[i] = a->scores ? (double)pc_f32(a->scores)[i] : 0;
    }
    return PC_OK;
}
