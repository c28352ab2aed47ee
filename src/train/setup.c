/* The parts of a training, made from its recipe. */
#include "train/setup.h"

#include "base/block.h"
#include "base/log.h"
#include "train/sparse.h"
#include "train/vocabulary.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* The blocks that the recipe asks for; PC_F32 when none. */
static pc_status quantised_type(const pc_recipe *recipe, pc_dtype *out)
{
    static const struct {
        int64_t bits;
        pc_dtype usual;
    } of_bits[] = {{0, PC_F32}, {4, PC_Q4_K}, {5, PC_Q5_K}, {6, PC_Q6_K}, {8, PC_Q8_0}};
    const char *name = recipe->quantization_type;
    *out = PC_F32;
    if (name) {
        int dtype = strcmp(name, "nf4") == 0 ? (int)PC_IQ4_NL : pc_dtype_from_name(name);
        *out = dtype < 0 ? PC_F32 : (pc_dtype)dtype;
        return pc_block_quantises(*out) ? PC_OK
                                        : pc_fail(PC_ERR_USAGE, "quantization_type '%s': expected q4_0, q4_k, iq4_nl, q5_k, q6_k or "
                                                                "q8_0", name);
    }
    for (size_t i = 0; i < sizeof of_bits / sizeof of_bits[0]; i++) {
        if (of_bits[i].bits == recipe->quantization_bit) {
            *out = of_bits[i].usual;
            return PC_OK;
        }
    }
    return pc_fail(PC_ERR_USAGE, "quantization_bit %lld: expected 4, 5, 6 or 8", (long long)recipe->quantization_bit);
}

static pc_status check_quantised(const pc_recipe *recipe)
{
    pc_dtype dtype;
    PC_TRY(quantised_type(recipe, &dtype));
    if (dtype != PC_F32 && recipe->tuning != PC_TUNING_LORA) {
        return pc_fail(PC_ERR_USAGE, "quantization_bit needs finetuning_type: lora: weights in blocks don't train themselves");
    }
    return PC_OK;
}

/* Frozen linear layers become blocks; the language head and what stands in tables stay. */
static pc_status quantise(pc_model *model, const pc_recipe *recipe)
{
    pc_dtype dtype;
    PC_TRY(quantised_type(recipe, &dtype));
    for (size_t i = 0; dtype != PC_F32 && i < model->params.count; i++) {
        pc_param_entry *entry = model->params.items[i];
        bool frozen = strcmp(entry->param.part, "connector") != 0;
        PC_TRY(entry->role == PC_PARAM_LINEAR && frozen ? pc_param_quantise(entry, dtype) : PC_OK);
    }
    return PC_OK;
}

static int64_t answers_to_each(const pc_recipe *recipe, const pc_stage *stage)
{
    return stage->grouped ? recipe->rollout.generations : 1;
}

static pc_status check_rollout(const pc_recipe *recipe, const pc_stage *stage)
{
    const pc_rollout_keys *keys = &recipe->rollout;
    int64_t tokens;
    if (!keys->reward_model && !keys->reward_rule) {
        return pc_fail(PC_ERR_USAGE, "stage %s needs a reward: give reward_model or reward_rule (%s)", stage->name,
                       pc_reward_rule_names());
    }
    if (keys->reward_rule && !pc_reward_rule_find(keys->reward_rule)) {
        return pc_fail(PC_ERR_USAGE, "reward_rule '%s' is unknown; known: %s", keys->reward_rule, pc_reward_rule_names());
    }
    if (recipe->accumulation % keys->mini_batches != 0) {
        return pc_fail(PC_ERR_USAGE, "num_mini_batches %lld doesn't divide gradient_accumulation_steps %lld",
                       (long long)keys->mini_batches, (long long)recipe->accumulation);
    }
    if (recipe->dropout > 0 || (recipe->tuning == PC_TUNING_LORA && recipe->lora.dropout > 0)) {
        return pc_fail(PC_ERR_USAGE, "stage %s: with dropout the model would not be the one that wrote the answers", stage->name);
    }
    if (stage->grouped && keys->generations < 2) {
        return pc_fail(PC_ERR_USAGE, "num_generations must be at least 2: answers are judged against each other");
    }
    if (keys->max_new_tokens > INT32_MAX || keys->generations > INT32_MAX ||
        __builtin_mul_overflow(recipe->batch_size, answers_to_each(recipe, stage) * (recipe->cutoff_len + keys->max_new_tokens),
                               &tokens) ||
        tokens > INT32_MAX / 2) {
        return pc_fail(PC_ERR_USAGE, "max_new_tokens, num_generations, cutoff_len and per_device_train_batch_size are too many "
                                     "tokens for one micro-batch");
    }
    return PC_OK;
}

pc_status pc_setup_check(const pc_recipe *recipe, const pc_stage **stage)
{
    int dtype = pc_dtype_from_name(recipe->save_dtype);
    *stage = pc_stage_find(recipe->stage);
    if (!*stage) {
        return pc_fail(PC_ERR_USAGE, "stage '%s' is unknown; known: %s", recipe->stage, pc_stage_names());
    }
    if (!pc_optimizer_find(recipe->optim)) {
        return pc_fail(PC_ERR_USAGE, "optim '%s' is unknown; known: %s", recipe->optim, pc_optimizer_names());
    }
    if (recipe->lora.dora && recipe->lora.dropout > 0) {
        return pc_fail(PC_ERR_USAGE, "lora_dropout goes with use_dora: false alone");
    }
    if (recipe->feature_cache && (recipe->image_shift > 0 || recipe->image_mirror)) {
        return pc_fail(PC_ERR_USAGE, "feature_cache: pictures that are shifted or mirrored are new ones each time");
    }
    if ((*stage)->batches == PC_BATCH_LABELLED && recipe->batch_size < 2) {
        return pc_fail(PC_ERR_USAGE, "stage %s: per_device_train_batch_size must be at least 2: the distance to the reference "
                                     "is measured on answers of other samples", recipe->stage);
    }
    PC_TRY((*stage)->advantages ? check_rollout(recipe, *stage) : PC_OK);
    PC_TRY(check_quantised(recipe));
    if (dtype != PC_F32 && dtype != PC_BF16 && dtype != PC_F16) {
        return pc_fail(PC_ERR_USAGE, "save_dtype '%s': expected float32, bfloat16 or float16", recipe->save_dtype);
    }
    return PC_OK;
}

static pc_status carry_over(pc_model *model, const pc_recipe *recipe)
{
    pc_model *donor = NULL;
    int64_t kept = 0;
    PC_TRY(pc_model_load(&donor, recipe->model_name_or_path));
    pc_status status = pc_vocabulary_carry_over(model, donor, &kept);
    if (status == PC_OK) {
        pc_log(PC_LOG_INFO, "%lld of %zu tokens are in the vocabulary of %s", (long long)kept,
               pc_tokenizer_size(model->tokenizer), recipe->model_name_or_path);
    }
    pc_model_free(donor);
    return status;
}

static pc_status load_model(pc_model **out, const pc_recipe *recipe)
{
    if (recipe->model_init) {
        PC_TRY(pc_model_create(out, recipe->model_init, recipe->tokenizer_name_or_path, (uint64_t)recipe->seed));
        PC_TRY(recipe->resize_vocab ? carry_over(*out, recipe) : PC_OK);
    } else {
        PC_TRY(pc_model_load(out, recipe->model_name_or_path));
        bool changed = recipe->tuning != PC_TUNING_LORA || recipe->vision_tower_path || recipe->language_model_path;
        PC_TRY(changed ? pc_params_own(&(*out)->params) : PC_OK); /* else they stay mapped, in their stored type */
    }
    (*out)->visual = (pc_visual_tokens){0}; /* training reads every token of a picture, and so do its rollouts */
    if (recipe->sparse.experts && recipe->tuning == PC_TUNING_LORA) {
        return pc_fail(PC_ERR_USAGE, "moe_experts: experts are trained as whole weights, not with finetuning_type: lora");
    }
    PC_TRY(pc_sparse_make(out, &recipe->sparse, (uint64_t)recipe->seed));
    if (recipe->template_name) {
        PC_TRY(pc_template_by_name(&(*out)->chat, recipe->template_name));
    }
    if ((*out)->chat && (*out)->chat->train_as) {
        PC_TRY(pc_template_by_name(&(*out)->chat, (*out)->chat->train_as));
    }
    if (!(*out)->tokenizer && recipe->tokenizer_name_or_path) {
        return pc_model_tokenizer(&(*out)->tokenizer, recipe->tokenizer_name_or_path);
    }
    return (*out)->tokenizer ? PC_OK : pc_fail(PC_ERR_DATA, "the model has no tokenizer; set tokenizer_name_or_path");
}

int64_t pc_setup_steps(const pc_recipe *recipe, const pc_loader *loader)
{
    int64_t by_epochs = (int64_t)ceil(recipe->epochs * (double)pc_loader_steps_per_epoch(loader));
    return recipe->max_steps >= 0 ? recipe->max_steps : by_epochs;
}

static const char *prefix_of(const pc_model *model, const char *part)
{
    return strcmp(part, "encoder") == 0 ? model->import->prefixes.encoder : model->import->prefixes.llm;
}

/* The parameters of one part, by their names without the part's prefix; path NULL = they stay as they are. */
static pc_status load_part(pc_model *model, const char *part, const char *path)
{
    pc_model *donor = NULL;
    if (!path) {
        return PC_OK;
    }
    PC_TRY(pc_model_load(&donor, path));
    const char *from = prefix_of(donor, part), *to = prefix_of(model, part);
    int copied = 0;
    pc_status status = PC_OK;
    for (size_t i = 0; i < model->params.count && status == PC_OK; i++) {
        pc_param *param = &model->params.items[i]->param;
        char name[600];
        if (!from || !to || strcmp(param->part, part) != 0) {
            continue;
        }
        snprintf(name, sizeof name, "%s%s", from, param->name + strlen(to));
        const pc_param *source = pc_params_find(&donor->params, name);
        if (!source || !pc_shape_equal(&source->shape, &param->shape)) {
            status = pc_fail(PC_ERR_DATA, "%s: no tensor '%s' of the %s's shape", path, name, part);
        } else {
            pc_convert_to_f32(param->data, source->data, source->dtype, (size_t)pc_shape_count(&param->shape));
            copied++;
        }
    }
    pc_log(PC_LOG_INFO, "took %d tensors of the %s from %s", copied, part, path);
    pc_model_free(donor);
    return status;
}

pc_status pc_setup_model(pc_model **out, const pc_recipe *recipe)
{
    *out = NULL;
    pc_status status = load_model(out, recipe);
    if (status == PC_OK) {
        status = load_part(*out, "encoder", recipe->vision_tower_path);
    }
    if (status == PC_OK) {
        status = load_part(*out, "llm", recipe->language_model_path);
    }
    if (status == PC_OK) {
        status = quantise(*out, recipe);
    }
    if (status != PC_OK) {
        pc_model_free(*out);
        *out = NULL;
    }
    return status;
}

static bool is_frozen(void *user, const char *part)
{
    const pc_recipe *recipe = user;
    return strcmp(part, "encoder") == 0     ? recipe->freeze_vision_tower
           : strcmp(part, "connector") == 0 ? recipe->freeze_multi_modal_projector
                                            : recipe->freeze_language_model;
}

pc_status pc_setup_adapter(pc_adapter **out, const pc_recipe *recipe, const pc_model *model)
{
    const pc_lora_keys *keys = &recipe->lora;
    pc_lora_config config = {
        .rank = keys->rank,
        .alpha = keys->alpha > 0 ? keys->alpha : 2 * (double)keys->rank,
        .rank_stabilised = keys->rslora,
        .decomposed = keys->dora,
    };
    pc_adapter_choice choice = {
        .targets = keys->target, .wholes = keys->additional_target, .frozen = is_frozen, .user = (void *)recipe};
    *out = NULL;
    if (recipe->tuning != PC_TUNING_LORA) {
        return recipe->adapter_name_or_path
                   ? pc_fail(PC_ERR_USAGE, "adapter_name_or_path needs finetuning_type: lora (or merge it: percept merge)")
                   : PC_OK;
    }
    if (recipe->adapter_name_or_path) {
        return pc_adapter_load(out, model, recipe->adapter_name_or_path);
    }
    PC_TRY(pc_adapter_create(out, model, &config, &choice, (uint64_t)recipe->seed));
    pc_log(PC_LOG_INFO, "the adapter changes %zu linear layers and has %zu tensors whole", (*out)->lora_count,
           (*out)->whole_count);
    return PC_OK;
}

static bool needs_reference(const pc_recipe *recipe, const pc_stage *stage)
{
    if (stage->advantages) {
        return recipe->rollout.kl_weight > 0;
    }
    bool alone = recipe->preference.loss == PC_PAIR_ORPO || recipe->preference.loss == PC_PAIR_SIMPO;
    return stage->has_reference && !(alone && stage->batches == PC_BATCH_PREFERENCES);
}

pc_status pc_setup_reference(pc_model **out, const pc_recipe *recipe, const pc_stage *stage)
{
    const char *path = recipe->preference.reference;
    *out = NULL;
    if (!needs_reference(recipe, stage) || (!path && recipe->tuning == PC_TUNING_LORA)) {
        return PC_OK;
    }
    path = path ? path : recipe->model_name_or_path;
    if (!path) {
        return pc_fail(PC_ERR_USAGE, "stage %s compares with a trained model: give ref_model or model_name_or_path",
                       stage->name);
    }
    return pc_model_load(out, path);
}

pc_status pc_setup_head(pc_head **out, const pc_recipe *recipe, const pc_model *model, const pc_stage *stage)
{
    *out = NULL;
    PC_TRY(stage->has_head ? pc_head_new(out, model, (uint64_t)recipe->seed) : PC_OK);
    if (stage->advantages && *out) { /* values start at 0: nobody knows better yet */
        pc_param *weight = (*out)->weights.weight;
        memset(weight->data, 0, (size_t)pc_shape_count(&weight->shape) * sizeof(float));
    }
    return PC_OK;
}

/* As the papers score answers: IPO, ORPO and SimPO by means over their tokens. */
static pc_preference_params preference_of(const pc_recipe *recipe)
{
    const pc_preference_keys *keys = &recipe->preference;
    pc_pair_loss kind = (pc_pair_loss)keys->loss;
    return (pc_preference_params){
        .kind = kind,
        .beta = keys->beta,
        .label_smoothing = keys->label_smoothing,
        .margin = keys->margin,
        .centre = keys->centre,
        .likelihood = keys->likelihood,
        .averaged = keys->normalise || kind == PC_PAIR_IPO || kind == PC_PAIR_ORPO || kind == PC_PAIR_SIMPO,
    };
}

static pc_policy_params policy_of(const pc_recipe *recipe, const pc_stage *stage)
{
    const pc_rollout_keys *keys = &recipe->rollout;
    return (pc_policy_params){
        .clip = keys->clip,
        .value_clip = keys->value_clip,
        .value_weight = keys->value_weight,
        .kl_weight = stage->grouped ? keys->kl_weight : 0,
    };
}

pc_status pc_setup_learner(pc_learner **out, const pc_recipe *recipe, const pc_setup_parts *parts)
{
    const pc_adapter *adapter = parts->adapter;
    double vision = recipe->vision_lr > 0 ? recipe->vision_lr : recipe->learning_rate;
    double projector = recipe->projector_lr > 0 ? recipe->projector_lr : recipe->learning_rate;
    const pc_part_rate rates[] = {
        /* An adapter has nothing in frozen parts but what was asked for by name. */
        {"encoder", recipe->freeze_vision_tower && !adapter ? 0 : vision},
        {"connector", recipe->freeze_multi_modal_projector && !adapter ? 0 : projector},
        {"llm", recipe->freeze_language_model && !adapter ? 0 : recipe->learning_rate},
        {"head", recipe->learning_rate},
        {"text", recipe->freeze_language_model && !adapter ? 0 : recipe->learning_rate},
    };
    pc_learner_options options = {
        .stage = parts->stage,
        .recompute = recipe->gradient_checkpointing,
        .compute = recipe->bf16 ? PC_BF16 : PC_F32,
        .optimizer = pc_optimizer_find(recipe->optim),
        .settings = {.beta1 = recipe->beta1, .beta2 = recipe->beta2, .eps = recipe->epsilon, .momentum = recipe->sgd_momentum,
                     .muon_momentum = recipe->muon_momentum},
        .dropout = recipe->dropout,
        .lora_dropout = adapter ? recipe->lora.dropout : 0,
        .seed = (uint64_t)recipe->seed,
        .weight_decay = recipe->weight_decay,
        .max_norm = recipe->max_grad_norm,
        .feature_cache = recipe->feature_cache,
        .adapter = parts->adapter,
        .head = parts->head,
        .reference = parts->reference,
        .preference = preference_of(recipe),
        .wanted_weight = recipe->preference.wanted_weight,
        .unwanted_weight = recipe->preference.unwanted_weight,
        .policy = policy_of(recipe, parts->stage),
        .temperature = parts->stage->advantages ? recipe->rollout.temperature : 0,
        .rates = rates,
        .rate_count = sizeof rates / sizeof rates[0],
    };
    pc_loader_limits(parts->loader, &options.limits);
    if (parts->stage->advantages) {
        options.limits = pc_rollout_limits(&options.limits, answers_to_each(recipe, parts->stage), recipe->rollout.max_new_tokens);
    }
    return pc_learner_new(out, parts->model, parts->backend, &options);
}

static pc_rollout_options rollout_options(const pc_recipe *recipe, const pc_setup_parts *parts)
{
    const pc_rollout_keys *keys = &recipe->rollout;
    int64_t each = answers_to_each(recipe, parts->stage);
    return (pc_rollout_options){
        .generate = {.adapter = parts->adapter, .chat = parts->model->chat, .compute = recipe->bf16 ? PC_BF16 : PC_F32,
                     .prompts = recipe->batch_size, .each = each, .cutoff = recipe->cutoff_len,
                     .most = keys->max_new_tokens, .temperature = keys->temperature, .seed = (uint64_t)recipe->seed},
        .advantage = {.kl_weight = keys->kl_weight, .gamma = keys->gamma, .lambda = keys->lambda,
                      .whiten_rewards = keys->whiten_rewards, .each = each},
        .advantages = parts->stage->advantages,
        .reward = {.judge = parts->judge, .rule = keys->reward_rule ? pc_reward_rule_find(keys->reward_rule) : NULL,
                   .rule_weight = keys->rule_weight, .missing_end = keys->missing_end, .length = keys->length_penalty,
                   .most = keys->max_new_tokens},
        .accumulation = recipe->accumulation,
        .epochs = keys->epochs,
        .mini_batches = keys->mini_batches,
        .kl_target = keys->kl_target,
    };
}

pc_status pc_setup_rollout(pc_rollout **out, const pc_recipe *recipe, const pc_setup_parts *parts)
{
    pc_batch_limits prompts;
    *out = NULL;
    if (!parts->stage->advantages) {
        return PC_OK;
    }
    const pc_model *reference = parts->reference ? parts->reference : parts->model;
    bool moves = parts->adapter || parts->reference; /* else the reference would be what trains */
    const pc_assess_options assess = {
        .policy = {parts->model, parts->adapter, parts->head ? &parts->head->weights : NULL},
        .reference = recipe->rollout.kl_weight > 0 && moves ? reference : NULL,
        .judge = parts->judge,
        .compute = recipe->bf16 ? PC_BF16 : PC_F32,
        .temperature = recipe->rollout.temperature,
    };
    const pc_rollout_options options = rollout_options(recipe, parts);
    pc_loader_limits(parts->loader, &prompts);
    return pc_rollout_new(out, parts->backend, &options, &assess, &prompts);
}

/* --- all parts --- */

/* A reward model that is an adapter belongs to the weights as they are on the disk. */
static pc_status open_judge(pc_training *t, const pc_recipe *recipe)
{
    const char *folder = recipe->rollout.reward_model;
    const pc_model *base = t->model;
    if (!t->stage->advantages || !folder) {
        return PC_OK;
    }
    if (!t->adapter && recipe->model_name_or_path) {
        PC_TRY(pc_model_load(&t->base, recipe->model_name_or_path)); /* mapped: pages that others have are there once */
        base = t->base;
    }
    return pc_judge_open(&t->judge, base, folder);
}

pc_status pc_training_open(pc_training *t, const pc_recipe *recipe, const pc_backend *backend)
{
    PC_TRY(pc_setup_check(recipe, &t->stage));
    PC_TRY(pc_setup_model(&t->model, recipe));
    PC_TRY(pc_train_data_open(&t->data, recipe, t->model, t->stage));
    PC_TRY(pc_setup_adapter(&t->adapter, recipe, t->model));
    PC_TRY(pc_setup_reference(&t->reference, recipe, t->stage));
    PC_TRY(pc_setup_head(&t->head, recipe, t->model, t->stage));
    PC_TRY(open_judge(t, recipe));
    const pc_setup_parts parts = {t->model, t->reference, t->adapter, t->head, backend, t->stage, t->data.loader,
                                  t->judge.head ? &t->judge.instance : NULL};
    PC_TRY(pc_setup_learner(&t->learner, recipe, &parts));
    return pc_setup_rollout(&t->rollout, recipe, &parts);
}

void pc_training_close(pc_training *t)
{
    pc_rollout_free(t->rollout);
    pc_learner_free(t->learner);
    pc_train_data_close(&t->data);
    pc_judge_clear(&t->judge);
    pc_model_free(t->base);
    pc_head_free(t->head);
    pc_adapter_free(t->adapter);
    pc_model_free(t->reference);
    pc_model_free(t->model);
}
