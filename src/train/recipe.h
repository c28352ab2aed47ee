/* A training recipe: LLaMA-Factory's flat YAML with Hugging Face's names, checked key by key.
 *
 * Flow: recipe.yaml + "key=value" overrides -> pc_recipe -> trainer.h. The resolved recipe is written beside the run.
 */
#ifndef PC_TRAIN_RECIPE_H
#define PC_TRAIN_RECIPE_H

#include "base/field.h"

typedef enum pc_schedule { PC_SCHEDULE_COSINE, PC_SCHEDULE_LINEAR, PC_SCHEDULE_CONSTANT } pc_schedule;

typedef enum pc_tuning { PC_TUNING_FULL, PC_TUNING_LORA } pc_tuning;

/* What trains in place of whole weights (nn/adapter.h). */
typedef struct pc_lora_keys {
    int64_t rank;
    double dropout;
    double alpha; /* 0 = twice the rank */
    char *target, *additional_target;
    bool rslora, dora;
} pc_lora_keys;

/* How one answer is preferred to another (ops/preference.h). */
typedef struct pc_preference_keys {
    int loss; /* pc_pair_loss */
    double beta, likelihood, label_smoothing, margin, changed_weight, centre, wanted_weight, unwanted_weight;
    bool normalise;
    char *reference;
} pc_preference_keys;

/* Experts in place of a dense model's MLPs (sparse.h). */
typedef struct pc_sparse_keys {
    int64_t experts; /* 0 = the model stays as it is */
    int64_t top_k;
    char *layers;    /* sparse, dense, first_half, second_half */
    double capacity, balance, z;
} pc_sparse_keys;

/* How a model learns from answers of its own (rollout.h). */
typedef struct pc_rollout_keys {
    char *reward_model, *reward_rule;
    double rule_weight, missing_end, length_penalty;
    int64_t max_new_tokens, generations, epochs, mini_batches;
    double temperature, kl_weight, kl_target, gamma, lambda, clip, value_clip, value_weight;
    bool whiten_rewards;
} pc_rollout_keys;

typedef struct pc_recipe {
    /* model */
    char *model_name_or_path, *model_init, *tokenizer_name_or_path, *vision_tower_path, *language_model_path, *stage, *template_name;
    bool resize_vocab;
    bool freeze_vision_tower, freeze_multi_modal_projector, freeze_language_model;
    int tuning; /* pc_tuning */
    int64_t quantization_bit;
    char *quantization_type;
    char *adapter_name_or_path;
    pc_lora_keys lora;
    pc_preference_keys preference;
    pc_sparse_keys sparse;
    pc_rollout_keys rollout;
    /* data */
    char *dataset, *dataset_dir, *dataset_format, *media_dir, *interleave_probs;
    int mix_strategy; /* pc_mix */
    double mix_temperature;
    int64_t cutoff_len, max_samples, max_images, dataloader_num_workers, image_shift;
    int image_mirror; /* pc_mirror */
    int turns;
    bool packing, neat_packing, group_by_length, strict;
    char *feature_cache;
    /* optimisation */
    int64_t batch_size, accumulation, max_steps, warmup_steps, seed, threads;
    double region_weight, epochs, learning_rate, vision_lr, projector_lr, warmup_ratio, weight_decay, beta1, beta2, epsilon;
    double max_grad_norm, sgd_momentum, muon_momentum, dropout;
    char *optim;
    int schedule; /* pc_schedule */
    bool bf16, gradient_checkpointing;
    /* output */
    char *output_dir, *resume_from_checkpoint, *save_dtype, *report_to;
    int64_t logging_steps, save_steps, save_total_limit;
    bool overwrite_output_dir, plot_loss;
} pc_recipe;

extern const pc_field_table pc_recipe_fields;

/* Read `path`, then apply "key=value" overrides. PC_ERR_USAGE names file, line and key, with a suggestion for an unknown
 * one. Release with pc_recipe_clear also after a failure. */
pc_status pc_recipe_read(pc_recipe *out, const char *path, const char *const *overrides, int count);
void pc_recipe_clear(pc_recipe *recipe);
/* Every key with its value, as YAML. */
pc_status pc_recipe_write(const pc_recipe *recipe, pc_str *out);

/* Is `where` one of the words of report_to? "all" means every one, "none" no one. */
bool pc_recipe_reports_to(const pc_recipe *recipe, const char *where);

/* Factor on the learning rate at step `step` of `steps` (0-based, before the update), as transformers' schedulers. */
double pc_schedule_factor(pc_schedule schedule, int64_t step, int64_t steps, int64_t warmup);

#endif
