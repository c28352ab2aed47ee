/* The trainer. See trainer.h for the flow; RELIABILITY: checkpoints are whole or absent, non-finite numbers never reach
 * the weights, a signal saves and stops. */
#include "train/trainer.h"

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/str.h"
#include "model/fingerprint.h"
#include "store/checkpoint.h"
#include "train/data.h"
#include "train/log.h"
#include "train/setup.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BAD_STEPS_LIMIT = 10 };

typedef struct trainer {
    const pc_recipe *recipe;
    const pc_backend *backend;
    const pc_trainer_hooks *hooks;
    pc_training of;
    pc_train_log log;
    char hash[65]; /* of the resolved recipe, without what may change between runs */
    int64_t step, steps, warmup;
    int64_t skipped_steps, bad_in_row;
    double started;      /* seconds */
    int64_t first_step;  /* of this process */
    int64_t tokens, images; /* of this process */
} trainer;

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* --- setting up --- */

static void plan_steps(trainer *t)
{
    const pc_recipe *recipe = t->recipe;
    t->steps = pc_setup_steps(recipe, t->of.data.loader);
    t->warmup = recipe->warmup_steps ? recipe->warmup_steps : (int64_t)ceil(recipe->warmup_ratio * (double)t->steps);
}

/* What makes two runs the same run: every key but those that only say where or how fast. */
static pc_status hash_recipe(trainer *t)
{
    pc_recipe copy = *t->recipe;
    pc_str text = {0};
    copy.feature_cache = copy.output_dir = copy.resume_from_checkpoint = copy.report_to = NULL;
    copy.threads = copy.dataloader_num_workers = copy.logging_steps = copy.save_steps = copy.save_total_limit = 0;
    copy.overwrite_output_dir = copy.gradient_checkpointing = false;
    pc_status status = pc_recipe_write(&copy, &text);
    if (status == PC_OK) {
        pc_sha256(text.data, text.length, t->hash);
    }
    pc_str_clear(&text);
    return status;
}

static pc_status write_recipe(const trainer *t)
{
    pc_str text = {0};
    char *path = pc_path_join(t->recipe->output_dir, "recipe.resolved.yaml");
    pc_status status = path ? pc_recipe_write(t->recipe, &text) : pc_fail_memory(0, "a path");
    if (status == PC_OK) {
        status = pc_file_write(path, text.data, text.length);
    }
    pc_str_clear(&text);
    pc_free(path);
    return status;
}

/* --- checkpoints --- */

static pc_status write_state(const trainer *t, pc_checkpoint_writer *writer)
{
    char text[256];
    int64_t seen, skipped;
    char kl_weight[64] = "";
    pc_loader_counts(t->of.data.loader, &seen, &skipped);
    if (t->of.rollout) {
        snprintf(kl_weight, sizeof kl_weight, ", \"kl_coef\": %.17g", *pc_rollout_kl_weight(t->of.rollout));
    }
    int length = snprintf(text, sizeof text,
                          "{\"global_step\": %lld, \"max_steps\": %lld, \"skipped_steps\": %lld, "
                          "\"samples_seen\": %lld, \"samples_skipped\": %lld%s}\n",
                          (long long)t->step, (long long)t->steps, (long long)t->skipped_steps, (long long)seen,
                          (long long)skipped, kl_weight);
    return pc_checkpoint_write(writer, "trainer_state.json", text, (size_t)length);
}

static pc_status save_weights(const trainer *t, const char *folder)
{
    PC_TRY(t->of.head ? pc_head_save(t->of.head, folder) : PC_OK);
    return t->of.adapter ? pc_adapter_save_weights(t->of.adapter, t->of.model, folder, PC_F32)
                      : pc_model_save_weights(t->of.model, folder, PC_F32);
}

static pc_status load_weights(trainer *t, const char *folder)
{
    PC_TRY(t->of.head ? pc_head_load_values(t->of.head, folder) : PC_OK);
    return t->of.adapter ? pc_adapter_load_values(t->of.adapter, t->of.model, folder)
                      : pc_model_load_values(t->of.model, folder, false, NULL);
}

static pc_status write_checkpoint(const trainer *t, pc_checkpoint_writer *writer)
{
    const char *folder = pc_checkpoint_folder(writer);
    char *optimizer = pc_path_join(folder, "optimizer.safetensors");
    pc_status status = optimizer ? save_weights(t, folder) : pc_fail_memory(0, "a path");
    if (status == PC_OK) {
        status = pc_checkpoint_add(writer, t->of.adapter ? "adapter_model.safetensors" : "model.safetensors");
    }
    if (status == PC_OK && t->of.head) {
        status = pc_checkpoint_add(writer, PC_HEAD_FILE);
    }
    if (status == PC_OK) {
        status = pc_learner_save(t->of.learner, optimizer);
    }
    if (status == PC_OK) {
        status = pc_checkpoint_add(writer, "optimizer.safetensors");
    }
    if (status == PC_OK) {
        status = write_state(t, writer);
    }
    pc_free(optimizer);
    return status == PC_OK ? pc_checkpoint_commit(writer, (int)t->recipe->save_total_limit) : status;
}

static pc_status save_checkpoint(trainer *t)
{
    pc_checkpoint_writer *writer = NULL;
    const pc_params *params = t->of.adapter ? &t->of.adapter->params : &t->of.model->params;
    uint64_t bytes = 4 * (uint64_t)(pc_params_elements(params, NULL) + 2 * pc_learner_trained(t->of.learner));
    PC_TRY(pc_train_log_sync(&t->log));
    PC_TRY(pc_checkpoint_begin(&writer, t->recipe->output_dir, t->step, t->hash, bytes + (1 << 16)));
    pc_status status = write_checkpoint(t, writer);
    pc_checkpoint_writer_free(writer);
    return status;
}

static pc_status read_state(trainer *t, const char *folder)
{
    pc_json *json = NULL;
    char *path = pc_path_join(folder, "trainer_state.json");
    pc_status status = path ? pc_json_read(&json, path, 1 << 16) : pc_fail_memory(0, "a path");
    if (status == PC_OK) {
        status = pc_json_need_integer(&t->step, json, "global_step", 0, INT64_MAX, path);
    }
    if (status == PC_OK) {
        t->skipped_steps = pc_json_get_integer(json, "skipped_steps", 0);
    }
    if (status == PC_OK && t->of.rollout) {
        double *weight = pc_rollout_kl_weight(t->of.rollout);
        *weight = pc_json_get_number(json, "kl_coef", *weight);
    }
    pc_json_free(json);
    pc_free(path);
    return status;
}

static pc_status load_checkpoint(trainer *t, const pc_checkpoint_info *info)
{
    if (strcmp(info->config_hash, t->hash) != 0) {
        return pc_fail(PC_ERR_USAGE, "%s belongs to another recipe (model, data or optimisation keys differ); "
                                     "choose another output_dir or set overwrite_output_dir", info->folder);
    }
    char *optimizer = pc_path_join(info->folder, "optimizer.safetensors");
    pc_status status = optimizer ? load_weights(t, info->folder) : pc_fail_memory(0, "a path");
    if (status == PC_OK) {
        status = pc_learner_load(t->of.learner, optimizer);
    }
    if (status == PC_OK) {
        status = read_state(t, info->folder);
    }
    if (status == PC_OK) {
        pc_learner_seek(t->of.learner, t->step);
        status = pc_loader_seek(t->of.data.loader, t->step);
    }
    if (status == PC_OK) {
        pc_log(PC_LOG_INFO, "resumed from %s", info->folder);
    }
    pc_free(optimizer);
    return status;
}

static pc_status remove_checkpoints(const char *folder)
{
    pc_checkpoint_info info = {0};
    PC_TRY(pc_checkpoint_find(&info, folder));
    while (info.folder) {
        pc_status status = pc_remove_tree(info.folder);
        pc_checkpoint_info_clear(&info);
        PC_TRY(status);
        PC_TRY(pc_checkpoint_find(&info, folder));
    }
    return PC_OK;
}

/* Where to begin: at a checkpoint when the recipe asks for it, else at step 0 of a clean folder. */
static pc_status begin(trainer *t)
{
    const pc_recipe *recipe = t->recipe;
    const char *resume = recipe->resume_from_checkpoint;
    pc_checkpoint_info info = {0};
    PC_TRY(pc_checkpoint_clean(recipe->output_dir, NULL));
    if (!resume && recipe->overwrite_output_dir) {
        return remove_checkpoints(recipe->output_dir);
    }
    bool named = resume && strcmp(resume, "latest") != 0 && strcmp(resume, "true") != 0;
    pc_status status = named ? pc_checkpoint_verify(&info, resume) : pc_checkpoint_find(&info, recipe->output_dir);
    if (status == PC_OK && info.folder && !resume) {
        status = pc_fail(PC_ERR_USAGE, "%s exists: set resume_from_checkpoint: latest, or overwrite_output_dir: true",
                         info.folder);
    } else if (status == PC_OK && info.folder) {
        status = load_checkpoint(t, &info);
    }
    pc_checkpoint_info_clear(&info);
    return status;
}

/* --- steps --- */

static size_t resident_bytes(void)
{
    long pages = 0, ignored;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file) {
        if (fscanf(file, "%ld %ld", &ignored, &pages) != 2) {
            pages = 0;
        }
        fclose(file);
    }
    return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}

static pc_progress describe(const trainer *t, const pc_step_result *result, double factor)
{
    double seconds = now() - t->started;
    int64_t done = t->step - t->first_step, seen, skipped;
    int64_t per_epoch = pc_loader_steps_per_epoch(t->of.data.loader);
    pc_loader_counts(t->of.data.loader, &seen, &skipped);
    return (pc_progress){
        .step = t->step,
        .steps = t->steps,
        .epoch = (double)t->step / (double)(per_epoch > 0 ? per_epoch : 1),
        .loss = result->loss,
        .grad_norm = result->grad_norm,
        .metrics = result->metrics,
        .metric_names = t->of.stage->metrics,
        .learning_rate = t->recipe->learning_rate * factor,
        .tokens_per_second = (double)t->tokens / seconds,
        .images_per_second = (double)t->images / seconds,
        .seconds = seconds,
        .seconds_left = seconds / (double)(done > 0 ? done : 1) * (double)(t->steps - t->step),
        .memory = resident_bytes(),
        .skipped_steps = t->skipped_steps,
        .skipped_samples = skipped,
    };
}

static pc_status count_bad_step(trainer *t, const pc_step_result *result)
{
    if (!result->skipped) {
        t->bad_in_row = 0;
        return PC_OK;
    }
    t->skipped_steps++;
    pc_log(PC_LOG_WARNING, "step %lld: loss %g, gradient norm %g: not finite, no weight changed", (long long)t->step,
           result->loss, result->grad_norm);
    if (++t->bad_in_row >= BAD_STEPS_LIMIT) {
        return pc_fail(PC_ERR_DIVERGED,
                       "training diverged: loss or gradients were not finite in %d steps in a row, the last is step %lld",
                       BAD_STEPS_LIMIT, (long long)t->step);
    }
    return PC_OK;
}

static pc_status one_step(trainer *t)
{
    const pc_batch *batches;
    pc_step_result result;
    double factor = pc_schedule_factor((pc_schedule)t->recipe->schedule, t->step, t->steps, t->warmup);
    PC_TRY(pc_loader_next(t->of.data.loader, &batches));
    PC_TRY(pc_rollout_step(t->of.rollout, t->of.learner, batches, t->recipe->accumulation, t->step, factor, &result));
    t->step++;
    t->tokens += result.tokens;
    t->images += result.images;
    PC_TRY(count_bad_step(t, &result));
    pc_progress progress = describe(t, &result, factor);
    PC_TRY(pc_train_log_write(&t->log, &progress, result.skipped));
    if (t->hooks->progress) {
        t->hooks->progress(t->hooks->user, &progress);
    }
    return PC_OK;
}

static pc_status run_steps(trainer *t)
{
    const pc_recipe *recipe = t->recipe;
    t->started = now();
    t->first_step = t->step;
    while (t->step < t->steps) {
        PC_TRY(one_step(t));
        bool stop = t->hooks->stop && t->hooks->stop(t->hooks->user);
        bool due = recipe->save_steps > 0 && t->step % recipe->save_steps == 0;
        if ((due || stop) && t->bad_in_row == 0) {
            PC_TRY(save_checkpoint(t));
        }
        if (stop) {
            return pc_fail(PC_ERR_INTERRUPTED, "stopped at step %lld; continue with resume_from_checkpoint=latest",
                           (long long)t->step);
        }
    }
    return PC_OK;
}

/* --- the result --- */

static pc_status write_card(const trainer *t)
{
    const pc_recipe *recipe = t->recipe;
    pc_str card = {0};
    char *path = pc_path_join(recipe->output_dir, "README.md");
    pc_status status = path ? PC_OK : pc_fail_memory(0, "a path");
    if (status == PC_OK) {
        status = pc_str_printf(&card,
                               "---\nlibrary_name: percept\npipeline_tag: image-text-to-text\n---\n\n"
                               "# A model trained with percept %s\n\n"
                               "- stage: %s\n- data: %s\n- steps: %lld\n- parameters: %lld\n\n"
                               "`recipe.resolved.yaml` has every setting, `train_log.jsonl` the loss of every step.\n\n"
                               "    percept run %s --image PICTURE \"QUESTION\"\n",
                               PERCEPT_VERSION, recipe->stage, recipe->dataset, (long long)t->step,
                               (long long)pc_params_elements(&t->of.model->params, NULL), t->of.adapter ? "MODEL --adapter ." : ".");
    }
    if (status == PC_OK) {
        status = pc_file_write(path, card.data, card.length);
    }
    pc_str_clear(&card);
    pc_free(path);
    return status;
}

static pc_status finish(trainer *t)
{
    int64_t found, encoded;
    pc_learner_features(t->of.learner, &found, &encoded);
    if (found + encoded > 0) {
        pc_log(PC_LOG_INFO, "features of %lld pictures came from the cache, %lld pictures were encoded", (long long)found,
               (long long)encoded);
    }
    int dtype = pc_dtype_from_name(t->recipe->save_dtype);
    PC_TRY(save_checkpoint(t));
    PC_TRY(t->of.adapter ? pc_adapter_save(t->of.adapter, t->of.model, t->recipe->output_dir, t->recipe->model_name_or_path,
                                        (pc_dtype)dtype)
                      : pc_model_save(t->of.model, t->recipe->output_dir, (pc_dtype)dtype));
    PC_TRY(t->of.head ? pc_head_save(t->of.head, t->recipe->output_dir) : PC_OK);
    PC_TRY(write_card(t));
    return t->recipe->plot_loss ? pc_train_log_plot(t->recipe->output_dir) : PC_OK;
}

static pc_status tell_beginning(const trainer *t)
{
    pc_fingerprint print;
    if (t->hooks->begins) {
        PC_TRY(pc_fingerprint_of(&print, t->of.model));
        t->hooks->begins(t->hooks->user, print.whole);
    }
    return PC_OK;
}

static pc_status carry_out(trainer *t)
{
    const pc_recipe *recipe = t->recipe;
    PC_TRY(hash_recipe(t));
    PC_TRY(pc_training_open(&t->of, recipe, t->backend));
    plan_steps(t);
    PC_TRY(pc_make_directories(recipe->output_dir));
    PC_TRY(begin(t));
    PC_TRY(write_recipe(t));
    PC_TRY(tell_beginning(t));
    if (!t->of.adapter) { /* an adapter's folder has no model: config.json would pretend there is one */
        PC_TRY(pc_model_save_description(t->of.model, recipe->output_dir, (pc_dtype)pc_dtype_from_name(recipe->save_dtype)));
    }
    PC_TRY(pc_train_log_open(&t->log, recipe->output_dir, t->step, pc_recipe_reports_to(recipe, "tensorboard")));
    pc_log(PC_LOG_INFO, "training %lld of %lld parameters, %lld steps of %lld samples, %.0f MB for activations and state",
           (long long)pc_learner_trained(t->of.learner), (long long)pc_params_elements(&t->of.model->params, NULL),
           (long long)t->steps, (long long)(recipe->batch_size * recipe->accumulation),
           (double)pc_learner_bytes(t->of.learner) / 1e6);
    PC_TRY(run_steps(t));
    return finish(t);
}

pc_status pc_train(const pc_recipe *recipe, const pc_backend *backend, const pc_trainer_hooks *hooks)
{
    trainer t = {.recipe = recipe, .backend = backend, .hooks = hooks};
    pc_status status = carry_out(&t);
    pc_train_log_close(&t.log);
    pc_training_close(&t.of);
    return status;
}
