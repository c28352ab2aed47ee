/* Steps over answers that the model writes.
 *
 *   prompts [accumulation] -> generate -> answers -> batch.h (answered) -> assess -> reward.h -> advantage.h
 *                          -> epochs x mini_batches updates over the answered batches
 *
 * The adaptive weight of the KL is that of Ziegler et al. 2019 (arXiv:1909.08593), section 2.2, with trl's horizon.
 * Easy to get wrong: all micro-batches of a step are written and judged before the first update.
 */
#include "train/rollout.h"

#include "base/str.h"

#include <math.h>

static const double KL_HORIZON = 10000, KL_LARGEST_ERROR = 0.2; /* trl's AdaptiveKLController */

/* Numbers of all tokens and answers of a step, in the order of the micro-batches. */
typedef struct judged {
    int64_t tokens, answers;
    int64_t *ends;  /* [A] */
    double *scores; /* [A] */
    double *kl, *values, *rewards, *advantages, *returns, *weights; /* [N], one allocation from kl on */
    size_t token_capacity;
} judged;

struct pc_rollout {
    const pc_model *model; /* the policy's */
    pc_rollout_options options;
    pc_generate *generate;
    pc_assess *assess;
    pc_answers *answers; /* [accumulation] */
    pc_batch *batches;   /* [accumulation]: answered */
    judged of;
    pc_str said, wanted;
};

pc_batch_limits pc_rollout_limits(const pc_batch_limits *prompts, int64_t each, int64_t most)
{
    pc_batch_limits out = *prompts;
    out.targets = prompts->samples * each * most;
    out.tokens += out.targets;
    return out;
}

pc_status pc_rollout_new(pc_rollout **out, const pc_backend *backend, const pc_rollout_options *options,
                         const pc_assess_options *assess, const pc_batch_limits *prompts)
{
    pc_rollout *r = NULL;
    pc_assess_options judging = *assess;
    size_t answers = (size_t)(options->accumulation * options->generate.prompts * options->generate.each);
    pc_status status;
    *out = NULL;
    PC_TRY(PC_NEW(r, "a rollout"));
    r->model = assess->policy.model;
    r->options = *options;
    judging.limits = pc_rollout_limits(prompts, options->generate.each, options->generate.most);
    judging.answers = options->generate.prompts * options->generate.each;
    PC_GO(PC_NEW_ARRAY(r->answers, (size_t)options->accumulation, "a rollout"));
    PC_GO(PC_NEW_ARRAY(r->batches, (size_t)options->accumulation, "a rollout"));
    PC_GO(PC_NEW_ARRAY(r->of.ends, answers, "a rollout"));
    PC_GO(PC_NEW_ARRAY(r->of.scores, answers, "a rollout"));
    PC_GO(pc_generate_new(&r->generate, assess->policy.model, backend, &options->generate));
    PC_GO(pc_assess_new(&r->assess, backend, &judging));
    *out = r;
done:
    if (status != PC_OK) {
        pc_rollout_free(r);
    }
    return status;
}

void pc_rollout_free(pc_rollout *r)
{
    if (!r) {
        return;
    }
    for (int64_t m = 0; m < r->options.accumulation; m++) {
        if (r->answers) {
            pc_answers_clear(&r->answers[m]);
        }
        if (r->batches) {
            pc_batch_clear(&r->batches[m]);
        }
    }
    pc_assess_free(r->assess);
    pc_generate_free(r->generate);
    pc_free(r->answers);
    pc_free(r->batches);
    pc_free(r->of.ends);
    pc_free(r->of.scores);
    pc_free(r->of.kl);
    pc_str_clear(&r->said);
    pc_str_clear(&r->wanted);
    pc_free(r);
}

pc_answers *pc_rollout_answers(pc_rollout *r, int64_t micro_batch)
{
    return &r->answers[micro_batch];
}

double *pc_rollout_kl_weight(pc_rollout *r)
{
    return &r->options.advantage.kl_weight;
}

size_t pc_rollout_bytes(const pc_rollout *r)
{
    return pc_generate_bytes(r->generate) + pc_assess_bytes(r->assess);
}

pc_status pc_rollout_write(pc_rollout *r, const pc_batch *prompts, int64_t step)
{
    const pc_generate_options *o = &r->options.generate;
    uint64_t each = (uint64_t)(o->prompts * o->each), stream = (uint64_t)step * (uint64_t)r->options.accumulation * each;
    for (int64_t m = 0; m < r->options.accumulation; m++, stream += each) {
        PC_TRY(pc_generate_run(r->generate, &prompts[m], stream, &r->answers[m]));
    }
    return PC_OK;
}

/* --- rewards --- */

/* The text of ids; *out is data of `text`. */
static pc_status text_of(const pc_rollout *r, const int32_t *ids, int64_t count, pc_str *text, const char **out)
{
    pc_str_reset(text);
    PC_TRY(pc_tokenizer_decode(r->model->tokenizer, ids, (size_t)count, PC_DETOKENIZE_SKIP_SPECIAL, text));
    *out = text->length > 0 ? text->data : "";
    return PC_OK;
}

/* The reward of answer `a` of a micro-batch, whose scores are those of the reward model so far. */
static pc_status reward_answer(pc_rollout *r, const pc_batch *prompts, const pc_answers *answers, int64_t a, double *score)
{
    int64_t first = a > 0 ? answers->ends[a - 1] : 0, count = answers->ends[a] - first, prompt = a / answers->each;
    int64_t own = prompt > 0 ? prompts->answer_ends[prompt - 1] : 0, own_count = prompts->answer_ends[prompt] - own;
    const char *said = "", *wanted = "";
    if (r->options.reward.rule) {
        if (own_count == 0) {
            return pc_fail(PC_ERR_DATA, "reward_rule %s compares with the answer that a sample brings; a sample has none",
                           r->options.reward.rule->name);
        }
        PC_TRY(text_of(r, answers->ids + first, count, &r->said, &said));
        PC_TRY(text_of(r, prompts->target_ids + own, own_count, &r->wanted, &wanted));
    }
    return pc_reward_of(&r->options.reward, *score, said, wanted, count, answers->ended[a], score);
}

/* Answered batch m: assessed and rewarded, counted into r->of. */
static pc_status assess_batch(pc_rollout *r, const pc_batch *prompts, int64_t m)
{
    judged *of = &r->of;
    const pc_answers *answers = &r->answers[m];
    const pc_written written = pc_answers_view(answers);
    int64_t side = r->model->encoder.type ? r->model->encoder.info.image_size : 0;
    double *scores = of->scores + of->answers;
    PC_TRY(pc_batch_answer(&r->batches[m], prompts, &written, 3 * side * side));
    PC_TRY(pc_assess_run(r->assess, &r->batches[m], scores));
    for (int64_t a = 0; a < answers->count; a++) {
        PC_TRY(reward_answer(r, prompts, answers, a, &scores[a]));
        of->ends[of->answers + a] = of->tokens + answers->ends[a];
    }
    of->answers += answers->count;
    of->tokens += r->batches[m].targets;
    return PC_OK;
}

/* --- advantages --- */

static pc_status room_for_tokens(judged *of)
{
    enum { COLUMNS = 6 };
    PC_TRY(pc_grow(&of->kl, &of->token_capacity, (size_t)of->tokens * COLUMNS + 1, sizeof *of->kl, "a rollout"));
    double **const columns[COLUMNS] = {&of->kl, &of->values, &of->rewards, &of->advantages, &of->returns, &of->weights};
    for (int i = 1; i < COLUMNS; i++) {
        *columns[i] = of->kl + i * of->tokens;
    }
    return PC_OK;
}

static void gather(pc_rollout *r)
{
    int64_t token = 0;
    for (int64_t m = 0; m < r->options.accumulation; m++) {
        const pc_batch *batch = &r->batches[m];
        for (int64_t t = 0; t < batch->targets; t++, token++) {
            const float *row = batch->experience + t * PC_EXPERIENCE;
            r->of.kl[token] = (double)row[PC_OLD_LOG_PROBABILITY] - (double)row[PC_REFERENCE_LOG_PROBABILITY];
            r->of.values[token] = (double)row[PC_OLD_VALUE];
        }
    }
}

static void spread(pc_rollout *r)
{
    int64_t token = 0;
    for (int64_t m = 0; m < r->options.accumulation; m++) {
        pc_batch *batch = &r->batches[m];
        for (int64_t t = 0; t < batch->targets; t++, token++) {
            float *row = batch->experience + t * PC_EXPERIENCE;
            row[PC_ADVANTAGE] = (float)r->of.advantages[token];
            row[PC_RETURN] = (float)r->of.returns[token];
            batch->target_weights[t] = (float)r->of.weights[token];
        }
    }
}

static void describe(const pc_rollout *r, pc_step_result *out)
{
    const judged *of = &r->of;
    double answers = of->answers > 0 ? (double)of->answers : 1, ended = 0, score = 0, kl = 0;
    for (int64_t a = 0; a < of->answers; a++) {
        score += of->scores[a];
    }
    for (int64_t t = 0; t < of->tokens; t++) {
        kl += of->kl[t];
    }
    for (int64_t m = 0; m < r->options.accumulation; m++) {
        for (int64_t a = 0; a < r->answers[m].count; a++) {
            ended += r->answers[m].ended[a];
        }
    }
    out->metrics[PC_ROLLOUT_SCORE] = score / answers;
    out->metrics[PC_ROLLOUT_KL] = kl / answers;
    out->metrics[PC_ROLLOUT_LENGTH] = (double)of->tokens / answers;
    out->metrics[PC_ROLLOUT_ENDED] = ended / answers;
}

pc_status pc_rollout_judge(pc_rollout *r, const pc_batch *prompts, const pc_batch **batches, pc_step_result *out)
{
    judged *of = &r->of;
    of->tokens = of->answers = 0;
    for (int64_t m = 0; m < r->options.accumulation; m++) {
        PC_TRY(assess_batch(r, &prompts[m], m));
    }
    PC_TRY(room_for_tokens(of));
    gather(r);
    pc_judgement judgement = {
        .params = r->options.advantage,
        .answers = of->answers,
        .ends = of->ends,
        .scores = of->scores,
        .kl = of->kl,
        .values = of->values,
        .rewards = of->rewards,
        .advantages = of->advantages,
        .returns = of->returns,
        .weights = of->weights,
    };
    r->options.advantages(&judgement);
    spread(r);
    describe(r, out);
    *batches = r->batches;
    return PC_OK;
}

/* --- updates --- */

/* Sums of what the updates report, which become means. */
static void count_in(pc_step_result *sum, const pc_step_result *one)
{
    sum->loss += one->loss;
    sum->grad_norm += one->grad_norm;
    for (int i = 0; i < PC_POLICY_METRICS; i++) {
        sum->metrics[i] += one->metrics[i];
    }
    sum->tokens += one->tokens;
    sum->targets += one->targets;
    sum->images += one->images;
    sum->skipped = sum->skipped || one->skipped;
}

static pc_status learn(pc_rollout *r, pc_learner *learner, const pc_batch *batches, double scale_rate, pc_step_result *out)
{
    int64_t each = r->options.accumulation / r->options.mini_batches, updates = r->options.epochs * r->options.mini_batches;
    for (int64_t u = 0; u < updates; u++) {
        pc_step_result one;
        const pc_batch *part = batches + u % r->options.mini_batches * each;
        PC_TRY(pc_learner_step(learner, part, each, scale_rate, &one));
        count_in(out, &one);
    }
    out->loss /= (double)updates;
    out->grad_norm /= (double)updates;
    for (int i = 0; i < PC_POLICY_METRICS; i++) {
        out->metrics[i] /= (double)updates;
    }
    return PC_OK;
}

/* More KL than wanted makes it dearer. */
static void adapt_kl_weight(pc_rollout *r, double kl)
{
    double target = r->options.kl_target;
    if (target > 0 && isfinite(kl)) {
        double error = fmin(fmax(kl / target - 1, -KL_LARGEST_ERROR), KL_LARGEST_ERROR);
        r->options.advantage.kl_weight *= 1 + error * (double)r->of.answers / KL_HORIZON;
    }
}

pc_status pc_rollout_step(pc_rollout *r, pc_learner *learner, const pc_batch *batches, int64_t count, int64_t step,
                          double scale_rate, pc_step_result *out)
{
    const pc_batch *answered;
    if (!r) {
        return pc_learner_step(learner, batches, count, scale_rate, out);
    }
    *out = (pc_step_result){0};
    PC_TRY(pc_rollout_write(r, batches, step));
    PC_TRY(pc_rollout_judge(r, batches, &answered, out));
    PC_TRY(learn(r, learner, answered, scale_rate, out));
    adapt_kl_weight(r, out->metrics[PC_ROLLOUT_KL]);
    return PC_OK;
}
