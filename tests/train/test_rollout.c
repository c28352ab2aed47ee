/* Learning from written answers: GAE and KL by hand, whole steps of PPO and GRPO against torch (tests/oracle/make_rollout.py),
 * and what must hold of any: the same answers for the same seed, the same bytes after a resume, shared weights. */
#include "backend/cpu/cpu.h"
#include "base/file.h"
#include "base/json.h"
#include "support/allocfail.h"
#include "support/folder.h"
#include "train/setup.h"
#include "train/trainer.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define GOLDEN PERCEPT_TESTS_DIR "/golden/"

enum { STEPS = 2, EPOCHS = 2, OVERRIDES = 12, MOST = 128 };

static const char RECIPE[] =
    "model_name_or_path: " GOLDEN "llava/hf\n"
    "stage: ppo\n"
    "dataset: " GOLDEN "alignment/prompts.jsonl\n"
    "media_dir: " GOLDEN "llava\n"
    "cutoff_len: 256\n"
    "freeze_vision_tower: false\n"
    "per_device_train_batch_size: 2\n"
    "gradient_accumulation_steps: 2\n"
    "num_mini_batches: 2\n"
    "ppo_epochs: 2\n"
    "reward_rule: match\n"
    "missing_eos_penalty: 0.5\n"
    "length_penalty: 0.25\n"
    "max_new_tokens: 24\n"
    "kl_coef: 0.1\n"
    "gamma: 0.99\n"
    "cliprange: 0.05\n"
    "cliprange_value: 0.1\n"
    "vf_coef: 0.3\n"
    "num_generations: 2\n"
    "learning_rate: 2e-3\n"
    "lr_scheduler_type: constant\n"
    "adam_beta2: 0.95\n"
    "adam_epsilon: 1e-6\n"
    "weight_decay: 0.1\n"
    "max_steps: 4\n"
    "save_steps: 1\n"
    "save_total_limit: 0\n"
    "strict: true\n"
    "plot_loss: false\n";

/* --- advantages by hand --- */

static void near(double got, double want)
{
    if (!(fabs(got - want) <= 1e-12)) {
        fail_msg("%.15g, expected %.15g", got, want);
    }
}

static void test_advantages(void **state)
{
    static const double rewards[] = {0, 0, 1}, values[] = {0.5, 0.4, 0.3};
    static const double lambda[] = {1, 0.95}, want[][3] = {{0.5, 0.6, 0.7}, {0.43675, 0.565, 0.7}};
    double advantages[3], returns[3];
    (void)state;
    for (int i = 0; i < 2; i++) {
        pc_estimate_advantages(rewards, values, 3, 1, lambda[i], advantages, returns);
        for (int t = 0; t < 3; t++) {
            near(advantages[t], want[i][t]);
            near(returns[t], want[i][t] + values[t]);
        }
    }
    double x[] = {1, 2, 6};
    pc_whiten(x, 3, true); /* variance 7 */
    near(x[0], 3 - 2 / sqrt(7 + 1e-8));
    near(x[2], 3 + 3 / sqrt(7 + 1e-8));
    double one[] = {5};
    pc_whiten(one, 1, false);
    near(one[0], 0);
}

/* Two answers of 2 and 1 tokens: distance to the reference costs at each token, the score comes at the last. */
static void test_rewards(void **state)
{
    static const int64_t ends[] = {2, 3};
    static const double scores[] = {1, -1}, kl[] = {0.2, -0.1, 0.4}, values[3] = {0};
    double rewards[3], advantages[3], returns[3], weights[3];
    pc_judgement j = {.params = {.kl_weight = 0.5, .gamma = 1, .lambda = 1, .each = 2},
                      .answers = 2, .ends = ends, .scores = scores, .kl = kl, .values = values,
                      .rewards = rewards, .advantages = advantages, .returns = returns, .weights = weights};
    (void)state;
    pc_advantages_of_values(&j);
    near(rewards[0], -0.1);
    near(rewards[1], 1.05);
    near(rewards[2], -1.2);
    near(returns[0], 0.95);
    near(advantages[0] + advantages[1] + advantages[2], 0);
    pc_advantages_of_group(&j); /* mean 0, deviation sqrt 2 */
    near(advantages[0], 1 / (sqrt(2) + 1e-4));
    near(advantages[2], -1 / (sqrt(2) + 1e-4));
    near(weights[0], 0.5);
    near(weights[2], 1);
}

static void test_rules(void **state)
{
    double score;
    const pc_reward_rule *match = pc_reward_rule_find("match"), *words = pc_reward_rule_find("words");
    (void)state;
    assert_int_equal(match->score("No.", " no", &score), PC_OK);
    near(score, 1);
    assert_int_equal(match->score("", "no", &score), PC_OK);
    near(score, 0);
    assert_int_equal(words->score("A red circle, a red square", "a blue circle and a red star", &score), PC_OK);
    near(score, 2 * 4.0 / 13);
    assert_int_equal(words->score("", "", &score), PC_OK);
    near(score, 1);
    const pc_reward_rule *scene = pc_reward_rule_find("scene");
    static const char CAPTION[] = "A small solid red circle at the top left, a large dotted blue star at the top right. The background is dark.";
    assert_int_equal(scene->score(CAPTION, CAPTION, &score), PC_OK);
    near(score, 1);
    assert_int_equal(scene->score("A red circle, a green ring, a blue ring.", CAPTION, &score), PC_OK);
    near(score, -0.5);
    assert_int_equal(scene->score("yes", CAPTION, &score), PC_OK);
    near(score, 0);
    assert_int_equal(scene->score("Yes, there is a red circle.", "No, there is no red circle.", &score), PC_OK);
    near(score, 0);
    assert_null(pc_reward_rule_find("luck"));
    const pc_reward reward = {.rule = match, .rule_weight = 2, .missing_end = 8, .length = 10, .most = 20};
    assert_int_equal(pc_reward_of(&reward, 0.5, "no", "no", 4, false, &score), PC_OK);
    near(score, 0.5 + 2 - 8 - 2);
}

/* --- against torch --- */

typedef struct setup {
    char folder[256];
    pc_recipe recipe;
    pc_backend *backend;
    pc_training of;
} setup;

static pc_status open_setup(setup *s, const char *const *overrides, int used)
{
    const char *all[OVERRIDES + 1];
    char path[512], output[600];
    pc_test_folder_new(s->folder);
    snprintf(output, sizeof output, "output_dir=%s/out", s->folder);
    assert_true(used <= OVERRIDES);
    all[0] = output;
    for (int i = 0; i < used; i++) {
        all[1 + i] = overrides[i];
    }
    PC_TRY(pc_file_write(pc_test_path(path, s->folder, "recipe.yaml"), RECIPE, sizeof RECIPE - 1));
    PC_TRY(pc_recipe_read(&s->recipe, path, all, used + 1));
    PC_TRY(pc_cpu_backend_new(&s->backend, 2, 0));
    return pc_training_open(&s->of, &s->recipe, s->backend);
}

static void close_setup(setup *s)
{
    pc_training_close(&s->of);
    pc_cpu_backend_free(s->backend);
    pc_recipe_clear(&s->recipe);
    pc_test_folder_free(s->folder);
}

static void must_open(setup *s, const char *const *overrides, int used)
{
    if (open_setup(s, overrides, used) != PC_OK) {
        fail_msg("%s", pc_error());
    }
}

static void close_to(const char *what, int step, int64_t i, double got, double want)
{
    if (!(fabs(got - want) <= 1e-5 * fmax(1, fabs(want)))) {
        fail_msg("step %d, %s %lld is %.9g, torch has %.9g", step + 1, what, (long long)i, got, want);
    }
}

/* The answers of the fixture in place of drawn ones. */
static void put_answers(pc_rollout *rollout, const pc_json *answers, int64_t micro_batches, int64_t each)
{
    size_t count = pc_json_length(answers), in_each = count / (size_t)micro_batches;
    for (size_t a = 0; a < count; a++) {
        const pc_json *answer = pc_json_at(answers, a), *list = pc_json_get(answer, "ids");
        pc_answers *out = pc_rollout_answers(rollout, (int64_t)(a / in_each));
        int32_t ids[MOST];
        out->count = a % in_each ? out->count : 0;
        out->each = each;
        for (size_t i = 0; i < pc_json_length(list); i++) {
            ids[i] = (int32_t)pc_json_integer(pc_json_at(list, i), -1);
        }
        assert_int_equal(pc_answers_add(out, ids, (int64_t)pc_json_length(list), pc_json_get_bool(answer, "ended", false)),
                         PC_OK);
    }
}

static void compare_experience(const pc_json *want, const pc_batch *batches, int64_t count, int step)
{
    static const char *const names[PC_EXPERIENCE] = {"old", "reference", "advantages", "returns", "values"};
    int64_t token = 0;
    for (int64_t m = 0; m < count; m++) {
        for (int64_t t = 0; t < batches[m].targets; t++, token++) {
            for (int c = 0; c < PC_EXPERIENCE; c++) {
                double expected = pc_json_number(pc_json_at(pc_json_get(want, names[c]), (size_t)token), NAN);
                close_to(names[c], step, token, (double)batches[m].experience[t * PC_EXPERIENCE + c], expected);
            }
        }
    }
    assert_int_equal(token, pc_json_length(pc_json_get(want, "old")));
}

static void compare_updates(setup *s, const pc_json *want, const pc_batch *batches, int step)
{
    int64_t parts = s->recipe.rollout.mini_batches, each = s->recipe.accumulation / parts;
    for (int64_t u = 0; u < EPOCHS * parts; u++) {
        const pc_json *row = pc_json_at(want, (size_t)u);
        pc_step_result got;
        assert_int_equal(pc_learner_step(s->of.learner, batches + u % parts * each, each, 1, &got), PC_OK);
        close_to("loss", step, u, got.loss, pc_json_number(pc_json_at(row, 0), NAN));
        close_to("gradient norm", step, u, got.grad_norm, pc_json_number(pc_json_at(row, 1), NAN));
        for (int m = 0; m < PC_POLICY_METRICS; m++) {
            close_to("metric", step, u, got.metrics[m], pc_json_number(pc_json_at(row, 2 + (size_t)m), NAN));
        }
    }
}

/* As the dataset has them, not shuffled. */
static void prompts_in_order(const setup *s, pc_batch *out)
{
    pc_batch_maker maker = {.options = pc_loader_options_of(s->of.data.loader)};
    bool shortened;
    for (int64_t i = 0; i < s->recipe.batch_size * s->recipe.accumulation; i++) {
        assert_int_equal(pc_dataset_read(s->of.data.datasets[0], i, &maker.sample), PC_OK);
        assert_int_equal(pc_batch_add(&out[i / s->recipe.batch_size], &maker, 0, 0, &shortened), PC_OK);
    }
    pc_batch_maker_clear(&maker);
}

static void compare(const char *fixture, const char *const *overrides, int used, int64_t each)
{
    setup s = {0};
    pc_json *expected;
    assert_int_equal(pc_json_read(&expected, fixture, 1 << 20), PC_OK);
    must_open(&s, overrides, used);
    if (s.of.head) {
        pc_param *weight = pc_params_find(&s.of.head->params, "v_head.summary.weight");
        for (int64_t i = 0; i < pc_shape_count(&weight->shape); i++) {
            ((float *)weight->data)[i] = (float)(0.5 * sin(0.7 * (double)i + 1));
        }
    }
    const pc_batch *answered;
    pc_batch fixed[2] = {0};
    prompts_in_order(&s, fixed);
    put_answers(s.of.rollout, pc_json_get(expected, "answers"), s.recipe.accumulation, each);
    for (int step = 0; step < STEPS; step++) {
        const pc_json *want = pc_json_at(pc_json_get(expected, "steps"), (size_t)step);
        pc_step_result result = {0};
        assert_int_equal(pc_rollout_judge(s.of.rollout, fixed, &answered, &result), PC_OK);
        close_to("KL", step, 0, result.metrics[PC_ROLLOUT_KL], pc_json_get_number(want, "kl", NAN));
        compare_experience(want, answered, s.recipe.accumulation, step);
        compare_updates(&s, pc_json_get(want, "updates"), answered, step);
    }
    pc_batch_clear(&fixed[0]);
    pc_batch_clear(&fixed[1]);
    close_setup(&s);
    pc_json_free(expected);
}

static void test_ppo(void **state)
{
    (void)state;
    compare(GOLDEN "alignment/ppo.json", (const char *const[]){"seed=0"}, 1, 1);
}

static void test_grpo(void **state)
{
    static const char *const keys[] = {"stage=grpo", "gradient_accumulation_steps=1", "num_mini_batches=1", "max_samples=2"};
    (void)state;
    compare(GOLDEN "alignment/grpo.json", keys, 4, 2);
}

/* --- whole runs --- */

typedef struct run {
    char folder[256];
    int64_t stop_at, step;
    double first[PC_STAGE_METRICS], last[PC_STAGE_METRICS];
} run;

static void count(void *user, const pc_progress *progress)
{
    run *r = user;
    r->step = progress->step;
    memcpy(progress->step == 1 ? r->first : r->last, progress->metrics, sizeof r->last);
}

static int stop(void *user)
{
    const run *r = user;
    return r->stop_at && r->step >= r->stop_at;
}

static pc_status train(run *r, const char *const *overrides, int used)
{
    pc_recipe recipe;
    pc_backend *backend;
    char path[512], output[600];
    const char *all[OVERRIDES + 1] = {output};
    snprintf(output, sizeof output, "output_dir=%s/out", r->folder);
    assert_true(used <= OVERRIDES);
    for (int i = 0; i < used; i++) {
        all[1 + i] = overrides[i];
    }
    assert_int_equal(pc_file_write(pc_test_path(path, r->folder, "recipe.yaml"), RECIPE, sizeof RECIPE - 1), PC_OK);
    pc_status status = pc_recipe_read(&recipe, path, all, used + 1);
    assert_int_equal(pc_cpu_backend_new(&backend, 2, 0), PC_OK);
    pc_trainer_hooks hooks = {.user = r, .progress = count, .stop = stop};
    status = status == PC_OK ? pc_train(&recipe, backend, &hooks) : status;
    pc_cpu_backend_free(backend);
    pc_recipe_clear(&recipe);
    return status;
}

static void must_train(run *r, const char *const *overrides, int used)
{
    if (train(r, overrides, used) != PC_OK) {
        fail_msg("%s", pc_error());
    }
}

static void hash(const run *r, const char *name, char out[65])
{
    char path[512];
    snprintf(path, sizeof path, "%s/out/%s", r->folder, name);
    assert_int_equal(pc_sha256_file(path, out), PC_OK);
}

/* A run stopped after two steps and gone on with ends with the bytes of one that was not: weights, state, and the log, which
 * has the rewards of every answer that was drawn. */
static void resumes(const char *const *files, const char *const *overrides, int used)
{
    const char *resumed[OVERRIDES];
    char a[65], b[65];
    run whole = {0}, parts = {.stop_at = 2};
    pc_test_folder_new(whole.folder);
    pc_test_folder_new(parts.folder);
    must_train(&whole, overrides, used);
    assert_int_equal(train(&parts, overrides, used), PC_ERR_INTERRUPTED);
    memcpy(resumed, overrides, (size_t)used * sizeof *overrides);
    resumed[used] = "resume_from_checkpoint=latest";
    parts.stop_at = 0;
    must_train(&parts, resumed, used + 1);
    for (size_t i = 0; files[i]; i++) {
        hash(&whole, files[i], a);
        hash(&parts, files[i], b);
        assert_string_equal(a, b);
    }
    pc_test_folder_free(whole.folder);
    pc_test_folder_free(parts.folder);
}

static void test_resume(void **state)
{
    static const char *const files[] = {"model.safetensors", "value_head.safetensors", "checkpoint-4/optimizer.safetensors",
                                        "train_log.jsonl", NULL};
    (void)state;
    resumes(files, (const char *const[]){"ppo_target=0.5", "max_new_tokens=8", "reward_rule=words"}, 3);
}

static void test_resume_grpo(void **state)
{
    static const char *const files[] = {"adapter_model.safetensors", "checkpoint-4/optimizer.safetensors", "train_log.jsonl", NULL};
    (void)state;
    resumes(files, (const char *const[]){"stage=grpo", "finetuning_type=lora", "freeze_vision_tower=true", "max_new_tokens=8",
                                         "reward_rule=words", "temperature=0.7"}, 6);
}

/* A reward model made by stage rm judges; it and the reference share the weights that the policy's adapter leaves alone. */
static void test_reward_model(void **state)
{
    char model[600];
    run rm = {0}, ppo = {0};
    (void)state;
    pc_test_folder_new(rm.folder);
    pc_test_folder_new(ppo.folder);
    must_train(&rm, (const char *const[]){"stage=rm", "dataset=" GOLDEN "alignment/pairs.jsonl", "cutoff_len=256",
                                          "finetuning_type=lora", "freeze_vision_tower=true"}, 5);
    snprintf(model, sizeof model, "reward_model=%s/out", rm.folder);
    const char *const keys[] = {model, "reward_rule_weight=0", "finetuning_type=lora", "freeze_vision_tower=true",
                                "max_new_tokens=6", "missing_eos_penalty=0", "length_penalty=0"};
    must_train(&ppo, keys, 7);
    assert_true(ppo.first[PC_ROLLOUT_SCORE] != 0);
    assert_true(ppo.first[PC_ROLLOUT_KL] == 0);      /* a fresh adapter changes nothing */
    assert_true(ppo.last[PC_ROLLOUT_KL] != 0);
    assert_true(ppo.first[PC_ROLLOUT_LENGTH] <= 6);
    pc_test_folder_free(rm.folder);
    pc_test_folder_free(ppo.folder);
}

/* The model that learns is at first the one that wrote: its first ratios are exactly 1. */
static void test_first_ratio(void **state)
{
    const pc_batch *prompts, *answered;
    pc_step_result result = {0};
    setup s = {0};
    (void)state;
    must_open(&s, (const char *const[]){"max_new_tokens=12", "bf16=true"}, 2);
    assert_int_equal(pc_loader_next(s.of.data.loader, &prompts), PC_OK);
    assert_int_equal(pc_rollout_write(s.of.rollout, prompts, 0), PC_OK);
    assert_int_equal(pc_rollout_judge(s.of.rollout, prompts, &answered, &result), PC_OK);
    assert_int_equal(pc_learner_step(s.of.learner, answered, 1, 0, &result), PC_OK);
    assert_true(result.metrics[PC_APPROXIMATE_KL] == 0);
    assert_true(result.metrics[PC_CLIPPED] == 0);
    close_setup(&s);
}

/* What is drawn depends on the seed and the step; answers to one prompt differ, whoever stands beside it. */
static void test_answers(void **state)
{
    static const char *const keys[] = {"stage=grpo", "num_generations=4", "max_new_tokens=10", "gradient_accumulation_steps=1",
                                       "num_mini_batches=1"};
    const pc_batch *prompts;
    setup s = {0};
    (void)state;
    must_open(&s, keys, 5);
    assert_int_equal(pc_loader_next(s.of.data.loader, &prompts), PC_OK);
    int32_t ids[3][MOST];
    int64_t counts[3];
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pc_rollout_write(s.of.rollout, prompts, i == 1), PC_OK);
        const pc_answers *answers = pc_rollout_answers(s.of.rollout, 0);
        assert_int_equal(answers->count, 8);
        counts[i] = answers->ends[7];
        assert_true(counts[i] <= 80);
        memcpy(ids[i], answers->ids, (size_t)counts[i] * sizeof *ids[i]);
        int64_t first = answers->ends[0], second = answers->ends[1] - first;
        assert_true(first != second || memcmp(answers->ids, answers->ids + first, (size_t)first * sizeof *answers->ids) != 0);
    }
    assert_int_equal(counts[0], counts[2]);
    assert_memory_equal(ids[0], ids[2], (size_t)counts[0] * sizeof *ids[0]);
    assert_true(counts[0] != counts[1] || memcmp(ids[0], ids[1], (size_t)counts[0] * sizeof *ids[0]) != 0);
    close_setup(&s);
}

/* The reward of a single token is learned: an answer that begins as wanted becomes probable. */
static void test_learns(void **state)
{
    static const char *const keys[] = {"stage=grpo", "num_generations=8", "max_new_tokens=1", "reward_rule=words", "kl_coef=0",
                                       "max_steps=12", "learning_rate=1e-2", "missing_eos_penalty=0", "length_penalty=0", "save_steps=0"};
    run r = {0};
    (void)state;
    pc_test_folder_new(r.folder);
    must_train(&r, keys, 10);
    assert_true(r.last[PC_ROLLOUT_SCORE] > r.first[PC_ROLLOUT_SCORE]);
    pc_test_folder_free(r.folder);
}

/* --- refusals --- */

static void refused(const char *const *overrides, int used, pc_status status, const char *says)
{
    run r = {0};
    pc_test_folder_new(r.folder);
    assert_int_equal(train(&r, overrides, used), status);
    if (!strstr(pc_error(), says)) {
        fail_msg("'%s' does not say '%s'", pc_error(), says);
    }
    pc_test_folder_free(r.folder);
}

#define REFUSED(status, says, ...) \
    refused((const char *const[]){__VA_ARGS__}, (int)(sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)), status, says)

static void test_refusals(void **state)
{
    (void)state;
    REFUSED(PC_ERR_USAGE, "reward_rule 'luck' is unknown", "reward_rule=luck");
    REFUSED(PC_ERR_USAGE, "doesn't divide", "num_mini_batches=3");
    REFUSED(PC_ERR_USAGE, "dropout", "dropout=0.1");
    REFUSED(PC_ERR_USAGE, "at least 2", "stage=grpo", "num_generations=1");
    REFUSED(PC_ERR_USAGE, "too many tokens", "max_new_tokens=2000000000");
    REFUSED(PC_ERR_USAGE, "turns", "turns=independent");
    REFUSED(PC_ERR_DATA, "cutoff of 20", "cutoff_len=20");
    REFUSED(PC_ERR_IO, "nowhere", "reward_model=/nowhere");
    REFUSED(PC_ERR_DATA, "reward_rule match compares", "dataset=" GOLDEN "alignment/questions.jsonl");
}

/* A rollout made, and one step with it: every allocation on the way may fail. */
typedef struct scenario {
    setup of;
    pc_batch prompts[1];
} scenario;

static pc_status one_rollout(void *user)
{
    scenario *s = user;
    pc_training *t = &s->of.of;
    pc_rollout *rollout = NULL;
    pc_step_result result;
    const pc_setup_parts parts = {t->model, t->reference, t->adapter, t->head, s->of.backend, t->stage, t->data.loader, NULL};
    pc_status status = pc_setup_rollout(&rollout, &s->of.recipe, &parts);
    if (status == PC_OK) {
        status = pc_rollout_step(rollout, t->learner, s->prompts, 1, 0, 0, &result);
    }
    pc_rollout_free(rollout);
    return status;
}

static void test_no_memory(void **state)
{
    static const char *const keys[] = {"max_new_tokens=3", "per_device_train_batch_size=1", "gradient_accumulation_steps=1",
                                       "num_mini_batches=1", "ppo_epochs=1", "reward_rule=words"};
    scenario *s = calloc(1, sizeof *s);
    (void)state;
    assert_non_null(s);
    must_open(&s->of, keys, 6);
    prompts_in_order(&s->of, s->prompts);
    print_message("%ld allocations failed once each\n", pc_test_each_allocation(one_rollout, s));
    pc_batch_clear(&s->prompts[0]);
    close_setup(&s->of);
    free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_advantages),   cmocka_unit_test(test_rewards), cmocka_unit_test(test_rules),
        cmocka_unit_test(test_ppo),          cmocka_unit_test(test_grpo),    cmocka_unit_test(test_resume),
        cmocka_unit_test(test_resume_grpo),  cmocka_unit_test(test_reward_model),
        cmocka_unit_test(test_first_ratio),  cmocka_unit_test(test_answers), cmocka_unit_test(test_learns),
        cmocka_unit_test(test_refusals),     cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
