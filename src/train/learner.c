/* The learner: three graphs - loss with gradients, squared norms of the gradients, the update - built once, run every step. */
#include "train/learner.h"

#include "ops/add.h"
#include "ops/multiply.h"
#include "ops/sides.h"
#include "store/writer.h"
#include "tensor/exec.h"
#include "train/features.h"
#include "train/targets.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

typedef struct slot {
    pc_param *param;
    float *moments[PC_OPTIMIZER_MOMENTS]; /* the optimizer's, parameter's shape; NULL behind the last */
    int count; /* of them */
    pc_tensor *square;     /* [1]: squared norm of the gradient */
} slot;

typedef struct runner {
    pc_graph *graph;
    pc_exec *exec;
} runner;

struct pc_learner {
    pc_model *model;
    const pc_backend *backend;
    pc_learner_options options;
    slot *slots;
    int64_t slot_count;
    _Alignas(max_align_t) unsigned char step[PC_OPTIMIZER_STEP]; /* the optimizer's */
    pc_dropout_draw draw;
    int64_t updates, steps; /* made; begun, skipped ones as well */
    runner loss, norms, update;
    pc_stage_inputs in;
    pc_features *features; /* or NULL */
    pc_stage_loss value;
    pc_tensor *share;  /* f32 [1]: of a micro-batch in its step; NULL: no side losses */
    float share_value;
    float *weights; /* [targets] */
    float *pairs;   /* [samples] */
    int32_t *sides; /* [2,tokens]: rows of either side of an encoder-decoder */
    pc_targets targets; /* by row */
};

static double rate_of(const pc_learner_options *options, const char *part)
{
    for (int i = 0; i < options->rate_count; i++) {
        if (strcmp(options->rates[i].part, part) == 0) {
            return options->rates[i].rate;
        }
    }
    return 0;
}

/* What trains: the model's parameters, or those of its adapter alone. */
static pc_params *trained(const pc_learner *learner)
{
    return learner->options.adapter ? &learner->options.adapter->params : &learner->model->params;
}

/* What trains besides. */
static pc_params *head_params(const pc_learner *learner)
{
    return learner->options.head ? &learner->options.head->params : NULL;
}

static void zero_gradients(const pc_learner *learner)
{
    pc_params_zero_gradients(trained(learner));
    if (head_params(learner)) {
        pc_params_zero_gradients(head_params(learner));
    }
}

static void let_train(const pc_learner *learner, const pc_params *params)
{
    for (size_t i = 0; params && i < params->count; i++) {
        pc_param *param = &params->items[i]->param;
        param->trains = rate_of(&learner->options, param->part) > 0;
    }
}

/* The parameters that the loss reaches; called when the loss graph exists without gradients. */
static void choose_trained(pc_learner *learner)
{
    const pc_params *all = &learner->model->params;
    for (size_t i = 0; i < all->count; i++) {
        all->items[i]->param.trains = false;
    }
    let_train(learner, trained(learner));
    let_train(learner, head_params(learner));
}

static bool trains_encoder(const pc_params *params)
{
    for (size_t i = 0; i < params->count; i++) {
        const pc_param *param = &params->items[i]->param;
        if (param->trains && strcmp(param->part, "encoder") == 0) {
            return true;
        }
    }
    return false;
}

static pc_status open_features(pc_learner *learner)
{
    const pc_learner_options *options = &learner->options;
    if (!options->feature_cache || !learner->model->connector.type || options->limits.images == 0) {
        return PC_OK;
    }
    if (!options->stage->cached) {
        return pc_fail(PC_ERR_USAGE, "feature_cache: stage %s has no features that could be kept", options->stage->name);
    }
    if (trains_encoder(trained(learner))) {
        return pc_fail(PC_ERR_USAGE, "feature_cache: the encoder trains, so its features change; set freeze_vision_tower: true");
    }
    PC_TRY(pc_features_open(&learner->features, options->feature_cache, learner->model, learner->backend, options->compute,
                            options->limits.images));
    learner->in.feature_shape = pc_features_shape(learner->features);
    return PC_OK;
}

/* The side losses are means over a micro-batch's tokens; the step's is the mean over micro-batches by their share. */
static pc_tensor *with_side_losses(pc_learner *learner, pc_graph *graph, pc_tensor *loss, const pc_side_losses *side)
{
    if (!side->sum) {
        return loss;
    }
    learner->share = pc_graph_input(graph, "share", PC_F32, pc_dims(1, 1));
    return pc_add(graph, loss, pc_scale_by(graph, side->sum, learner->share));
}

static pc_status build_loss(pc_learner *learner)
{
    runner *loss = &learner->loss;
    PC_TRY(pc_graph_new(&loss->graph));
    pc_dropping dropping = {.draw = &learner->draw, .stream = learner->options.dropout, .adapter = learner->options.lora_dropout};
    pc_build build = {.graph = loss->graph, .compute = learner->options.compute, .adapter = learner->options.adapter};
    pc_side_losses side = {0};
    build.dropping = dropping.stream > 0 || dropping.adapter > 0 ? &dropping : NULL;
    build.side = &side;
    pc_stage_setting setting = {
        .model = learner->model,
        .limits = &learner->options.limits,
        .logit_rows = learner->options.logit_rows,
        .reference = learner->options.reference ? learner->options.reference : learner->model,
        .preference = learner->options.preference,
        .wanted_weight = learner->options.wanted_weight,
        .unwanted_weight = learner->options.unwanted_weight,
        .policy = learner->options.policy,
        .temperature = learner->options.temperature,
        .head = learner->options.head ? &learner->options.head->weights : NULL,
    };
    learner->value = learner->options.stage->loss(&build, &setting, &learner->in);
    learner->value.value = with_side_losses(learner, loss->graph, learner->value.value, &side);
    pc_keep(loss->graph, learner->value.value);
    if (learner->value.metrics) {
        pc_keep(loss->graph, learner->value.metrics);
    }
    if (learner->options.recompute) {
        pc_graph_recompute(loss->graph);
    }
    pc_graph_backward(loss->graph, learner->value.value);
    return pc_exec_new(&loss->exec, loss->graph, learner->backend);
}

/* A parameter that no node of the loss graph reads (a layer behind the selected features) stays as it is. */
static bool is_used(const pc_learner *learner, const pc_param *param)
{
    for (int n = 0; n < pc_graph_nodes(learner->loss.graph); n++) {
        const pc_node *node = pc_graph_node(learner->loss.graph, n);
        for (int i = 0; i < node->inputs; i++) {
            if (node->in[i] && node->in[i]->param == param) {
                return true;
            }
        }
    }
    return false;
}

static pc_status add_slots(pc_learner *learner, pc_params *params)
{
    for (size_t i = 0; i < params->count; i++) {
        pc_param *param = &params->items[i]->param;
        param->trains = param->trains && is_used(learner, param);
        if (!param->trains) {
            continue;
        }
        slot *at = &learner->slots[learner->slot_count++];
        at->param = param;
        at->count = learner->options.optimizer->moments(&learner->options.settings, param);
        for (int m = 0; m < at->count; m++) {
            PC_TRY(PC_NEW_ARRAY(at->moments[m], (size_t)pc_shape_count(&param->shape), "the optimizer's moments"));
        }
    }
    return pc_params_make_gradients(params);
}

static pc_status make_slots(pc_learner *learner)
{
    pc_params *params = trained(learner), *head = head_params(learner);
    PC_TRY(PC_NEW_ARRAY(learner->slots, params->count + (head ? head->count : 0) + 1, "the optimizer"));
    PC_TRY(add_slots(learner, params));
    return head ? add_slots(learner, head) : PC_OK;
}

/* An input whose memory never moves. */
static pc_tensor *fixed(pc_graph *graph, const pc_param *param, float *data)
{
    pc_tensor *tensor = pc_graph_input(graph, param->name, PC_F32, param->shape);
    if (!pc_graph_failed(graph)) {
        tensor->data = data;
    }
    return tensor;
}

static pc_status build_norms(pc_learner *learner)
{
    runner *norms = &learner->norms;
    PC_TRY(pc_graph_new(&norms->graph));
    for (int64_t i = 0; i < learner->slot_count; i++) {
        slot *at = &learner->slots[i];
        pc_tensor *grad = fixed(norms->graph, at->param, at->param->grad);
        at->square = pc_keep(norms->graph, pc_dot(norms->graph, grad, grad));
    }
    return pc_exec_new(&norms->exec, norms->graph, learner->backend);
}

static pc_status build_update(pc_learner *learner)
{
    runner *update = &learner->update;
    PC_TRY(pc_graph_new(&update->graph));
    for (int64_t i = 0; i < learner->slot_count; i++) {
        slot *at = &learner->slots[i];
        pc_optimizer_slot with = {
            .param = pc_graph_param(update->graph, at->param),
            .grad = fixed(update->graph, at->param, at->param->grad),
            .rate = rate_of(&learner->options, at->param->part),
            .decay = at->param->decays ? learner->options.weight_decay : 0,
            .compute = learner->options.compute,
        };
        for (int m = 0; m < at->count; m++) {
            with.moments[m] = fixed(update->graph, at->param, at->moments[m]);
        }
        learner->options.optimizer->update(update->graph, &with, learner->step);
    }
    return pc_exec_new(&update->exec, update->graph, learner->backend);
}

static pc_status build(pc_learner *learner)
{
    const pc_batch_limits *limits = &learner->options.limits;
    int64_t rows = limits->targets > limits->samples ? limits->targets : limits->samples;
    PC_TRY(learner->options.stage->check(learner->model));
    PC_TRY(PC_NEW_ARRAY(learner->weights, (size_t)rows + 1, "a learner"));
    PC_TRY(PC_NEW_ARRAY(learner->pairs, (size_t)limits->samples + 1, "a learner"));
    PC_TRY(PC_NEW_ARRAY(learner->sides, 2 * (size_t)limits->tokens + 1, "a learner"));
    PC_TRY(pc_targets_room(&learner->targets, limits));
    choose_trained(learner);
    PC_TRY(open_features(learner));
    PC_TRY(build_loss(learner));
    PC_TRY(make_slots(learner));
    if (!learner->slot_count) {
        return pc_fail(PC_ERR_USAGE, "nothing trains: every part is frozen or has learning rate 0");
    }
    PC_TRY(build_norms(learner));
    return build_update(learner);
}

pc_status pc_learner_new(pc_learner **out, pc_model *model, const pc_backend *backend,
                         const pc_learner_options *options)
{
    pc_learner *learner = NULL;
    *out = NULL;
    PC_TRY(PC_NEW(learner, "a learner"));
    learner->model = model;
    learner->backend = backend;
    learner->options = *options;
    learner->draw.seed = options->seed;
    pc_status status = build(learner);
    if (status != PC_OK) {
        pc_learner_free(learner);
        return status;
    }
    *out = learner;
    return PC_OK;
}

static void free_runner(runner *at)
{
    pc_exec_free(at->exec);
    pc_graph_free(at->graph);
}

void pc_learner_free(pc_learner *learner)
{
    if (!learner) {
        return;
    }
    free_runner(&learner->loss);
    free_runner(&learner->norms);
    free_runner(&learner->update);
    for (int64_t i = 0; i < learner->slot_count; i++) {
        for (int m = 0; m < PC_OPTIMIZER_MOMENTS; m++) {
            pc_free(learner->slots[i].moments[m]);
        }
    }
    pc_features_free(learner->features);
    pc_free(learner->slots);
    pc_free(learner->weights);
    pc_free(learner->pairs);
    pc_free(learner->sides);
    pc_targets_clear(&learner->targets);
    pc_free(learner);
}

/* The weights of targets or pairs, which depend on the whole step, and features in place of pixels. */
static pc_status bind_batch(pc_learner *learner, const pc_batch *batch, double weight)
{
    const pc_stage_inputs *in = &learner->in;
    pc_exec *exec = learner->loss.exec;
    learner->share_value = in->pairs ? (float)(weight * (double)batch->samples) : 0;
    for (int64_t i = 0; i < batch->targets; i++) {
        learner->share_value += in->pairs ? 0 : (float)(weight * batch->target_weights[i]);
        learner->weights[i] = (float)((in->pairs ? 1 : weight) * batch->target_weights[i]);
    }
    for (int64_t i = 0; i < batch->samples; i++) {
        learner->pairs[i] = (float)weight;
    }
    if (in->features) {
        const float *features;
        pc_shape shape = in->feature_shape;
        shape.dim[0] = batch->images;
        PC_TRY(pc_features_get(learner->features, batch->pixels, batch->images, &features));
        PC_TRY(pc_exec_bind(exec, in->features, features, shape));
    }
    if (in->sides[0]) {
        int32_t *written = learner->sides + learner->options.limits.tokens;
        int64_t sources = pc_sides_rows(batch->ranges, batch->tokens, learner->sides, written);
        PC_TRY(pc_exec_bind(exec, in->sides[0], learner->sides, pc_dims(1, sources)));
        PC_TRY(pc_exec_bind(exec, in->sides[1], written, pc_dims(1, batch->tokens - sources)));
    }
    if (in->wanted_rows) {
        pc_targets_group(&learner->targets, batch, learner->weights);
    }
    PC_TRY(pc_targets_bind(&learner->targets, exec, in));
    PC_TRY(in->weights ? pc_exec_bind(exec, in->weights, learner->weights, pc_dims(1, batch->targets)) : PC_OK);
    PC_TRY(in->pairs ? pc_exec_bind(exec, in->pairs, learner->pairs, pc_dims(1, batch->samples)) : PC_OK);
    PC_TRY(learner->share ? pc_exec_bind(exec, learner->share, &learner->share_value, pc_dims(1, 1)) : PC_OK);
    return pc_stage_bind(exec, in, learner->model, batch);
}

/* Adds the micro-batch's gradients; its share of the step's loss and metrics goes to *out. */
static pc_status accumulate(pc_learner *learner, const pc_batch *batch, double weight, pc_step_result *out)
{
    PC_TRY(bind_batch(learner, batch, weight));
    PC_TRY(pc_exec_run(learner->loss.exec));
    out->loss += pc_f32(learner->value.value)[0];
    int metrics = learner->value.metrics ? (int)pc_shape_count(&learner->value.metrics->shape) : 0;
    for (int i = 0; i < metrics; i++) {
        out->metrics[i] += pc_f32(learner->value.metrics)[i];
    }
    return PC_OK;
}

static pc_status gradient_norm(pc_learner *learner, double *norm)
{
    double sum = 0;
    PC_TRY(pc_exec_run(learner->norms.exec));
    for (int64_t i = 0; i < learner->slot_count; i++) {
        sum += pc_f32(learner->slots[i].square)[0];
    }
    *norm = sqrt(sum);
    return PC_OK;
}

static pc_status apply(pc_learner *learner, double norm, double scale_rate)
{
    const pc_learner_options *options = &learner->options;
    learner->updates++;
    /* As torch.nn.utils.clip_grad_norm_, which adds 1e-6 to the norm. */
    double clip = options->max_norm > 0 ? options->max_norm / (norm + 1e-6) : 1;
    pc_optimizer_now now = {
        .number = learner->updates, .gradient_scale = clip < 1 ? clip : 1, .scale_rate = scale_rate};
    options->optimizer->begin(learner->step, &options->settings, &now);
    return pc_exec_run(learner->update.exec);
}

/* The sum of all targets' weights, or the number of pairs: the step's loss is a mean over those of all its micro-batches. */
static double step_weight(const pc_learner *learner, const pc_batch *batches, int64_t count)
{
    double weight = 0;
    for (int64_t b = 0; b < count; b++) {
        weight += learner->in.pairs ? (double)batches[b].samples : 0;
        for (int64_t i = 0; i < batches[b].targets && !learner->in.pairs; i++) {
            weight += batches[b].target_weights[i];
        }
    }
    return weight > 0 ? weight : 1;
}

pc_status pc_learner_step(pc_learner *learner, const pc_batch *batches, int64_t count, double scale_rate,
                          pc_step_result *out)
{
    int64_t number = learner->steps++;
    double weight = 1 / step_weight(learner, batches, count);
    *out = (pc_step_result){0};
    zero_gradients(learner);
    for (int64_t i = 0; i < count; i++) {
        learner->draw.number = (uint64_t)(number * count + i);
        PC_TRY(accumulate(learner, &batches[i], weight, out));
        out->tokens += batches[i].tokens;
        out->targets += batches[i].targets;
        out->images += batches[i].images;
    }
    PC_TRY(gradient_norm(learner, &out->grad_norm));
    if (!isfinite(out->loss) || !isfinite(out->grad_norm)) {
        out->skipped = true;
        return PC_OK;
    }
    return apply(learner, out->grad_norm, scale_rate);
}

pc_status pc_learner_loss(pc_learner *learner, const pc_batch *batch, double *loss)
{
    pc_step_result result = {0};
    learner->draw.off = true;
    pc_status status = accumulate(learner, batch, 1 / step_weight(learner, batch, 1), &result);
    learner->draw.off = false;
    PC_TRY(status);
    *loss = result.loss;
    zero_gradients(learner);
    return PC_OK;
}

void pc_learner_seek(pc_learner *learner, int64_t steps)
{
    learner->steps = steps;
}

int64_t pc_learner_steps(const pc_learner *learner)
{
    return learner->updates;
}

int64_t pc_learner_trained(const pc_learner *learner)
{
    int64_t count = 0;
    for (int64_t i = 0; i < learner->slot_count; i++) {
        count += pc_shape_count(&learner->slots[i].param->shape);
    }
    return count;
}

void pc_learner_features(const pc_learner *learner, int64_t *found, int64_t *encoded)
{
    *found = *encoded = 0;
    if (learner->features) {
        pc_features_counts(learner->features, found, encoded);
    }
}

pc_cost pc_learner_cost(const pc_learner *learner)
{
    pc_cost sum = pc_graph_cost(learner->loss.graph), update = pc_graph_cost(learner->update.graph);
    return (pc_cost){sum.flops + update.flops, sum.bytes + update.bytes};
}

size_t pc_learner_state_bytes(const pc_learner *learner)
{
    size_t numbers = 0;
    for (int64_t i = 0; i < learner->slot_count; i++) {
        const slot *at = &learner->slots[i];
        numbers += (size_t)pc_shape_count(&at->param->shape) * (size_t)at->count;
    }
    return numbers * sizeof(float);
}

size_t pc_learner_bytes(const pc_learner *learner)
{
    size_t cache = learner->features ? pc_features_bytes(learner->features) : 0;
    return cache + pc_exec_arena_bytes(learner->loss.exec) + pc_exec_arena_bytes(learner->update.exec) + (size_t)pc_learner_trained(learner) * sizeof(float) +
           pc_learner_state_bytes(learner);
}

/* --- optimizer.safetensors: <name>.first, <name>.second, and "step" --- */

static const char *const moment_names[PC_OPTIMIZER_MOMENTS] = {"first", "second"};

static const char *moment_name(char out[600], const pc_param *param, int moment)
{
    snprintf(out, 600, "%s.%s", param->name, moment_names[moment]);
    return out;
}

/* A cursor over all moments: visit(user, param, name, values) for each. */
static pc_status each_moment(const pc_learner *learner, void *user,
                             pc_status (*visit)(void *user, const pc_param *param, const char *name, float *values))
{
    char name[600];
    for (int64_t i = 0; i < learner->slot_count; i++) {
        const slot *at = &learner->slots[i];
        for (int m = 0; m < at->count; m++) {
            PC_TRY(visit(user, at->param, moment_name(name, at->param, m), at->moments[m]));
        }
    }
    return PC_OK;
}

static pc_status declare_moment(void *user, const pc_param *param, const char *name, float *values)
{
    (void)values;
    return pc_store_writer_declare(user, name, PC_F32, param->shape.ndim, param->shape.dim);
}

static pc_status put_moment(void *user, const pc_param *param, const char *name, float *values)
{
    return pc_store_writer_put_f32(user, name, values, pc_shape_count(&param->shape));
}

static pc_status save_into(const pc_learner *learner, pc_store_writer *writer)
{
    int64_t one = 1;
    PC_TRY(pc_store_writer_declare(writer, "step", PC_I64, 1, &one));
    PC_TRY(each_moment(learner, writer, declare_moment));
    PC_TRY(pc_store_writer_put(writer, "step", &learner->updates, sizeof learner->updates));
    PC_TRY(each_moment(learner, writer, put_moment));
    return pc_store_writer_finish(writer);
}

pc_status pc_learner_save(const pc_learner *learner, const char *path)
{
    pc_store_writer *writer = NULL;
    PC_TRY(pc_store_writer_new(&writer, path, 0));
    pc_status status = save_into(learner, writer);
    pc_store_writer_free(writer);
    return status;
}

static pc_status get_moment(void *user, const pc_param *param, const char *name, float *values)
{
    const pc_array *array;
    PC_TRY(pc_store_need(&array, user, name));
    PC_TRY(pc_array_need_shape(array, param->shape.ndim, param->shape.dim));
    return pc_array_to_f32(array, values);
}

static pc_status load_from(pc_learner *learner, pc_store *store)
{
    const pc_array *step;
    int64_t one = 1;
    PC_TRY(pc_store_need(&step, store, "step"));
    PC_TRY(pc_array_need_shape(step, 1, &one));
    PC_TRY(pc_array_to_i64(step, &learner->updates));
    return each_moment(learner, store, get_moment);
}

pc_status pc_learner_load(pc_learner *learner, const char *path)
{
    pc_store *store = NULL;
    PC_TRY(pc_store_open(&store, path));
    pc_status status = load_from(learner, store);
    pc_store_free(store);
    return status;
}
