/* Recipes: the table of keys, overrides, the learning-rate schedules. Reading YAML: recipe_yaml.c. */
#include "train/recipe.h"

#include "base/memory.h"
#include "base/str.h"
#include "train/recipe_yaml.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const schedules[] = {"cosine", "linear", "constant", NULL};
static const char *const tunings[] = {"full", "lora", NULL};
static const char *const mirrors[] = {"none", "horizontal", "both", NULL};
static const char *const pair_losses[] = {"sigmoid", "hinge", "ipo", "orpo", "simpo", NULL}; /* as pc_pair_loss */
static const char *const mixes[] = {"concat", "sqrt", "temperature", NULL}; /* as pc_mix */
static const char *const turns[] = {"history", "independent", NULL};

#define FIELD(key, spelling, kind, standard, lo, hi, text)                                                          \
    {.name = spelling, .type = kind, .offset = offsetof(pc_recipe, key), .fallback = standard, .low = lo, .high = hi, \
     .help = text}
#define TEXT(key, standard, text) FIELD(key, #key, PC_FIELD_TEXT, standard, 0, 0, text)
#define FLAG_AS(key, spelling, standard, text) FIELD(key, spelling, PC_FIELD_BOOL, standard, 0, 0, text)
#define FLAG(key, standard, text) FIELD(key, #key, PC_FIELD_BOOL, standard, 0, 0, text)
#define COUNT(key, spelling, standard, lo, text) FIELD(key, spelling, PC_FIELD_INT, standard, lo, 1e15, text)
#define REAL(key, spelling, standard, lo, hi, text) FIELD(key, spelling, PC_FIELD_FLOAT, standard, lo, hi, text)

static const pc_field fields[] = {
    TEXT(model_name_or_path, NULL, "model directory to go on from"),
    TEXT(model_init, NULL, "config.json of a new model with random weights, in place of model_name_or_path"),
    TEXT(tokenizer_name_or_path, NULL, "tokenizer of a new model, or of one that brings none (directory or file)"),
    FLAG(resize_vocab, "false",
         "give both: model_init's model takes the weights of model_name_or_path, tables of the vocabulary token by token"),
    TEXT(vision_tower_path, NULL, "take the encoder's weights from this directory (a contrastive model, for example)"),
    TEXT(language_model_path, NULL, "take the language model's weights from this directory; its vocabulary is this model's"),
    TEXT(stage, "sft", "pt, sft, regions, contrastive, dpo, kto, rm, ppo or grpo"),
    FIELD(template_name, "template", PC_FIELD_TEXT, NULL, 0, 0, "chat template; unset = the model's own"),
    FLAG(freeze_vision_tower, "true", "the encoder does not train"),
    FLAG(freeze_multi_modal_projector, "false", "the connector does not train"),
    FLAG(freeze_language_model, "false", "the language model does not train"),
    {.name = "finetuning_type", .type = PC_FIELD_CHOICE, .offset = offsetof(pc_recipe, tuning), .choices = tunings,
     .help = "full: the weights train; lora: they stay, an adapter trains"},
    COUNT(quantization_bit, "quantization_bit", "0", 0,
          "finetuning_type lora (QLoRA): the frozen linear layers are kept in blocks of 4, 5, 6 or 8 bits; 0 = as they are"),
    TEXT(quantization_type, NULL, "which blocks: q4_0, q4_k, iq4_nl (also called nf4), q5_k, q6_k or q8_0; unset = by quantization_bit"),
    COUNT(lora.rank, "lora_rank", "8", 1, "rank of the adapter's matrices"),
    REAL(lora.alpha, "lora_alpha", "0", 0, 1e9, "the adapter counts alpha / rank times; 0 = twice the rank"),
    REAL(lora.dropout, "lora_dropout", "0", 0, 0.999, "share of what the adapter's matrices read that is dropped in training"),
    FIELD(lora.target, "lora_target", PC_FIELD_TEXT, "all", 0, 0,
          "linear layers to adapt: all, last words of names, or patterns with *; a list. Frozen parts get none"),
    FLAG_AS(lora.rslora, "use_rslora", "false", "count alpha / sqrt(rank) times"),
    FLAG_AS(lora.dora, "use_dora", "false", "train the length of each weight's rows apart from their direction"),
    FIELD(lora.additional_target, "additional_target", PC_FIELD_TEXT, NULL, 0, 0,
          "modules that train whole beside the adapter (multi_modal_projector); a list"),
    TEXT(adapter_name_or_path, NULL, "adapter to go on from (finetuning_type: lora)"),
    {.name = "pref_loss", .type = PC_FIELD_CHOICE, .offset = offsetof(pc_recipe, preference.loss), .choices = pair_losses,
     .help = "stage dpo: loss over pairs of answers; orpo and simpo need no reference model"},
    REAL(preference.beta, "pref_beta", "0.1", 1e-6, 1e6, "stages dpo, kto: how much the model may leave its reference; smaller is further"),
    REAL(preference.likelihood, "pref_ftx", "0", 0, 1e3, "stage dpo: weight of the chosen answers' own loss, added"),
    REAL(preference.label_smoothing, "dpo_label_smoothing", "0", 0, 0.5, "pref_loss sigmoid: share of pairs that are the wrong way round"),
    REAL(preference.margin, "simpo_gamma", "0.5", 0, 1e3, "pref_loss simpo: by how much the chosen answer should win"),
    REAL(preference.changed_weight, "ddpo_gamma", "1", 0, 1e3,
         "weight of tokens in segments that differ between the answers (RLHF-V's dense DPO); 1 = as the others"),
    FLAG_AS(preference.normalise, "ddpo_normalise", "false", "an answer's score is the mean over its tokens' weights, not the sum"),
    REAL(preference.wanted_weight, "kto_chosen_weight", "1", 0, 1e6, "stage kto: what the loss of a wanted answer counts"),
    REAL(preference.unwanted_weight, "kto_rejected_weight", "1", 0, 1e6, "stage kto: what the loss of an unwanted answer counts"),
    REAL(preference.centre, "center_rewards_coefficient", "0", 0, 1e3,
         "stage rm: this times the square of two rewards' sum is added, to keep them round 0"),
    FIELD(preference.reference, "ref_model", PC_FIELD_TEXT, NULL, 0, 0,
          "stages dpo, kto, ppo, grpo: reference model; unset = model_name_or_path as it was, without its adapter"),
    FIELD(sparse.experts, "moe_experts", PC_FIELD_INT, "0", 0, 1024,
          "turn MLPs of a dense language model into so many experts each, copies at first (MoE-LLaVA); 0 = leave it as it is"),
    FIELD(sparse.top_k, "moe_top_k", PC_FIELD_INT, "2", 1, 1024, "experts that a token goes to"),
    FIELD(sparse.layers, "moe_layers", PC_FIELD_TEXT, "sparse", 0, 0,
          "layers that get experts: sparse (every other, from the first), dense (all), first_half or second_half"),
    REAL(sparse.capacity, "moe_capacity_factor", "1.5", 0, 1e6, "tokens that an expert takes in training, in even shares; 0 = all"),
    REAL(sparse.balance, "moe_aux_loss_coef", "0.01", 0, 1e3, "weight of the loss that balances the experts"),
    REAL(sparse.z, "moe_z_loss_coef", "0", 0, 1e3, "weight of the loss that keeps router logits small"),
    FIELD(rollout.reward_model, "reward_model", PC_FIELD_TEXT, NULL, 0, 0,
          "stages ppo, grpo: what stage rm left (adapter of this model, or a model; with value_head.safetensors)"),
    FIELD(rollout.reward_rule, "reward_rule", PC_FIELD_TEXT, NULL, 0, 0,
          "stages ppo, grpo: reward by comparison with the sample's own answer: match, words or scene; may stand beside reward_model"),
    REAL(rollout.rule_weight, "reward_rule_weight", "1", -1e6, 1e6, "what reward_rule's number counts"),
    REAL(rollout.missing_end, "missing_eos_penalty", "0", 0, 1e6, "taken off the reward of an answer that max_new_tokens cut"),
    REAL(rollout.length_penalty, "length_penalty", "0", -1e6, 1e6, "taken off the reward in the share length / max_new_tokens"),
    COUNT(rollout.max_new_tokens, "max_new_tokens", "128", 1, "stages ppo, grpo: tokens of an answer at most"),
    REAL(rollout.temperature, "temperature", "1", 1e-3, 1e3, "stages ppo, grpo: at which answers are drawn and learned"),
    COUNT(rollout.generations, "num_generations", "8", 1, "stage grpo: answers to each prompt"),
    COUNT(rollout.epochs, "ppo_epochs", "4", 1, "stages ppo, grpo: times that the answers of a step are learned from"),
    COUNT(rollout.mini_batches, "num_mini_batches", "1", 1,
          "stages ppo, grpo: updates in each of them; divides gradient_accumulation_steps"),
    REAL(rollout.kl_weight, "kl_coef", "0.05", 0, 1e6, "what distance to the reference costs; 0 = no reference"),
    REAL(rollout.kl_target, "ppo_target", "0", 0, 1e6, "stage ppo: kl_coef follows so that an answer's KL stays there; 0 = fixed"),
    REAL(rollout.gamma, "gamma", "1", 0, 1, "stage ppo: what a later reward counts"),
    REAL(rollout.lambda, "lam", "0.95", 0, 1, "stage ppo: lambda of the advantages' estimation"),
    REAL(rollout.clip, "cliprange", "0.2", 0, 1e3, "stages ppo, grpo: how far a token's probability counts as changed, as a ratio"),
    REAL(rollout.value_clip, "cliprange_value", "0.2", 0, 1e6, "stage ppo: how far a value counts as changed; 0 = any"),
    REAL(rollout.value_weight, "vf_coef", "0.1", 0, 1e6, "stage ppo: weight of the values' loss"),
    FLAG_AS(rollout.whiten_rewards, "ppo_whiten_rewards", "false", "rewards of all tokens of a step get variance 1"),
    TEXT(dataset, NULL, "datasets, separated by commas: FILE, FOLDER, scenes?seed=1&n=1000 or a name in dataset_info.json"),
    TEXT(dataset_dir, "data", "folder of dataset_info.json"),
    TEXT(dataset_format, NULL, "kind of the datasets; unset = found by looking"),
    TEXT(media_dir, NULL, "folder where picture paths start; unset = the dataset's own"),
    TEXT(interleave_probs, NULL, "shares of the datasets, separated by commas; unset = by mix_strategy. Beside sqrt and temperature: factors on "
                                 "their shares"),
    {.name = "mix_strategy", .type = PC_FIELD_CHOICE, .offset = offsetof(pc_recipe, mix_strategy), .choices = mixes,
     .help = "shares of the datasets by size: concat = size, sqrt = its square root (InstructBLIP), temperature = size^(1/mix_temperature)"},
    REAL(mix_temperature, "mix_temperature", "2", 0.01, 1e6, "mix_strategy temperature: 1 = by size, large = all alike"),
    COUNT(cutoff_len, "cutoff_len", "2048", 1, "tokens of a sample at most"),
    COUNT(max_samples, "max_samples", "0", 0, "use at most so many samples of each dataset; 0 = all"),
    COUNT(max_images, "max_images", "1", 1, "pictures of a sample at most"),
    COUNT(dataloader_num_workers, "dataloader_num_workers", "1", 0, "threads that prepare batches"),
    FIELD(image_shift, "image_shift", PC_FIELD_INT, "0", 0, 1024, "augmentation: move pictures by up to so many pixels"),
    REAL(region_weight, "region_weight", "0", 0, 1e3, "dense labels: weight of a region's words at each picture token"),
    {.name = "image_mirror", .type = PC_FIELD_CHOICE, .offset = offsetof(pc_recipe, image_mirror), .choices = mirrors,
     .help = "augmentation: half of the pictures are mirrored, left to right, or also top to bottom; not for questions of sides"},
    {.name = "turns", .type = PC_FIELD_CHOICE, .offset = offsetof(pc_recipe, turns), .choices = turns,
     .help = "history: a turn sees what was said before; independent: the picture and itself alone"},
    TEXT(feature_cache, NULL, "folder where the features of a frozen encoder are kept: each picture is encoded once. Needs disk: 4 bytes a "
                              "number"),
    FLAG(packing, "false",
         "put samples together until they fill cutoff_len: per_device_train_batch_size packs make a micro-batch. Samples of a pack "
         "don't see each other"),
    FLAG(neat_packing, "false", "the same as packing, which never lets samples see each other"),
    FLAG(group_by_length, "false", "the samples of a step are about equally long"),
    FLAG(strict, "false", "stop at the first bad sample"),
    COUNT(batch_size, "per_device_train_batch_size", "8", 1, "samples in a micro-batch"),
    COUNT(accumulation, "gradient_accumulation_steps", "1", 1, "micro-batches in a step"),
    REAL(epochs, "num_train_epochs", "3", 0, 1e9, "times over the data"),
    FIELD(max_steps, "max_steps", PC_FIELD_INT, "-1", -1, 1e15, "steps; -1 = by num_train_epochs"),
    REAL(learning_rate, "learning_rate", "5e-5", 0, 1e30, "of every part without its own"),
    REAL(vision_lr, "vision_lr", "0", 0, 1e30, "of the encoder; 0 = learning_rate"),
    REAL(projector_lr, "projector_lr", "0", 0, 1e30, "of the connector; 0 = learning_rate"),
    {.name = "lr_scheduler_type", .type = PC_FIELD_CHOICE, .offset = offsetof(pc_recipe, schedule), .choices = schedules,
     .help = "course of the learning rate behind the warm-up"},
    COUNT(warmup_steps, "warmup_steps", "0", 0, "steps in which the rate rises from 0"),
    REAL(warmup_ratio, "warmup_ratio", "0", 0, 1, "the same as a share of all steps"),
    TEXT(optim, "adamw_torch", "optimizer: adamw_torch, sgd, or muon (hidden matrices; AdamW for the rest)"),
    REAL(sgd_momentum, "sgd_momentum", "0", 0, 1, "SGD's momentum"),
    REAL(muon_momentum, "muon_momentum", "0.95", 0, 0.9999, "Muon's momentum"),
    REAL(dropout, "dropout", "0", 0, 0.999, "share of what attention and MLP add to their stream that is dropped in training"),
    REAL(weight_decay, "weight_decay", "0", 0, 1e3, "of the optimizer, not on norms and biases"),
    REAL(beta1, "adam_beta1", "0.9", 0, 1, "AdamW's beta1"),
    REAL(beta2, "adam_beta2", "0.999", 0, 1, "AdamW's beta2"),
    REAL(epsilon, "adam_epsilon", "1e-8", 0, 1, "AdamW's epsilon"),
    REAL(max_grad_norm, "max_grad_norm", "1", 0, 1e30, "gradients are scaled down to this norm; 0 = never"),
    FLAG(gradient_checkpointing, "false", "layers are computed again for their gradients: less memory, more time, same result"),
    FLAG(bf16, "false", "matrix products in bf16; masters, sums and everything else in f32"),
    COUNT(seed, "seed", "42", 0, "of initial weights and of the order of the data"),
    FIELD(threads, "threads", PC_FIELD_INT, "0", 0, 1024, "threads of the engine; 0 = one for each processor"),
    TEXT(output_dir, NULL, "where checkpoints, logs and the model go (needed)"),
    FLAG(overwrite_output_dir, "false", "start anew in a folder that has checkpoints"),
    TEXT(resume_from_checkpoint, NULL, "latest, or a checkpoint's folder"),
    COUNT(logging_steps, "logging_steps", "10", 1, "steps between lines on a terminal"),
    COUNT(save_steps, "save_steps", "500", 0, "steps between checkpoints; 0 = at the end alone"),
    COUNT(save_total_limit, "save_total_limit", "2", 0, "checkpoints kept; 0 = all"),
    TEXT(save_dtype, "float32", "type of the saved model's weights: float32, bfloat16 or float16"),
    TEXT(report_to, "jsonl", "jsonl (always written), tensorboard for event files in output_dir, all or none; a list"),
    FLAG(plot_loss, "true", "write loss.svg"),
};

const pc_field_table pc_recipe_fields = {fields, sizeof fields / sizeof fields[0]};

static pc_status apply_override(pc_recipe *out, const char *text)
{
    const char *equals = strchr(text, '=');
    char *key = equals ? pc_strndup(text, (size_t)(equals - text)) : NULL;
    if (!equals) {
        return pc_fail(PC_ERR_USAGE, "'%s': expected key=value", text);
    }
    if (!key) {
        return pc_fail_memory(strlen(text), "an option");
    }
    pc_status status = pc_fields_set(&pc_recipe_fields, out, key, equals + 1, "command line");
    pc_free(key);
    return status;
}

/* The next word of a list with commas; false at its end. */
static bool next_word(const char **at, char word[32])
{
    size_t length = strcspn(*at, ", ");
    snprintf(word, 32, "%.*s", (int)length, *at);
    bool have = length > 0 || **at;
    *at += length + strspn(*at + length, ", ");
    return have;
}

bool pc_recipe_reports_to(const pc_recipe *recipe, const char *where)
{
    char word[32];
    for (const char *at = recipe->report_to ? recipe->report_to : ""; next_word(&at, word);) {
        if (strcmp(word, where) == 0 || strcmp(word, "all") == 0) {
            return true;
        }
    }
    return false;
}

static pc_status check_reports(const pc_recipe *recipe)
{
    static const char *const known[] = {"jsonl", "tensorboard", "all", "none"};
    char word[32];
    for (const char *at = recipe->report_to ? recipe->report_to : ""; next_word(&at, word);) {
        bool found = false;
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
            found = found || strcmp(word, known[i]) == 0;
        }
        if (!found) {
            return pc_fail(PC_ERR_USAGE, "report_to '%s': expected jsonl, tensorboard, all or none", word);
        }
    }
    return PC_OK;
}

pc_status pc_recipe_read(pc_recipe *out, const char *path, const char *const *overrides, int count)
{
    memset(out, 0, sizeof *out);
    PC_TRY(pc_fields_default(&pc_recipe_fields, out));
    PC_TRY(pc_recipe_read_yaml(out, path));
    for (int i = 0; i < count; i++) {
        PC_TRY(apply_override(out, overrides[i]));
    }
    if (out->resize_vocab ? !out->model_name_or_path || !out->model_init : !out->model_name_or_path == !out->model_init) {
        return pc_fail(PC_ERR_USAGE, "%s: give %s", path,
                       out->resize_vocab ? "model_name_or_path and model_init: resize_vocab needs both"
                                         : "either model_name_or_path or model_init");
    }
    if (!out->dataset || !out->output_dir) {
        return pc_fail(PC_ERR_USAGE, "%s: %s is missing", path, out->dataset ? "output_dir" : "dataset");
    }
    return check_reports(out);
}

void pc_recipe_clear(pc_recipe *recipe)
{
    pc_fields_clear(&pc_recipe_fields, recipe);
}

pc_status pc_recipe_write(const pc_recipe *recipe, pc_str *out)
{
    pc_json *json = pc_json_new_object();
    pc_status status = json ? pc_fields_to_json(&pc_recipe_fields, recipe, json) : pc_fail_memory(0, "a recipe");
    for (void *it = status == PC_OK ? pc_json_first(json) : NULL; it && status == PC_OK; it = pc_json_next(json, it)) {
        status = pc_str_printf(out, "%s: ", pc_json_key(it));
        /* JSON's values are YAML's, its strings the double-quoted ones. */
        status = status == PC_OK ? pc_json_write(out, pc_json_value(it), 0) : status;
        status = status == PC_OK ? pc_str_putc(out, '\n') : status;
    }
    pc_json_free(json);
    return status;
}

double pc_schedule_factor(pc_schedule schedule, int64_t step, int64_t steps, int64_t warmup)
{
    static const double PI = 3.14159265358979323846;
    if (step < warmup) {
        return (double)step / (double)(warmup > 1 ? warmup : 1);
    }
    double rest = (double)(steps - warmup > 1 ? steps - warmup : 1);
    double progress = (double)(step - warmup) / rest;
    switch (schedule) {
    case PC_SCHEDULE_COSINE: return fmax(0, 0.5 * (1 + cos(PI * progress)));
    case PC_SCHEDULE_LINEAR: return fmax(0, 1 - progress);
    default: return 1;
    }
}
