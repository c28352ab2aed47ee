/* Pairs from a model's own answers.
 *
 *   prompts p .. p+B -> answers [B,each] -> scores against the dataset's answer
 *                       chosen = the best, or the dataset's answer where that is better;  rejected = the worst
 *
 * As Silkie's pairs are made (Li et al. 2023, arXiv:2312.10665), with a rule in place of the judge. Easy to get wrong: an answer
 * that the limit cut is worse for being cut and teaches to stop, not to see: it is left out.
 */
#include "train/mistakes.h"

#include "base/file.h"
#include "data/row_file.h"
#include "train/setup.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const double LEAST_DIFFERENCE = 1e-6; /* of two scores */

/* One prompt of a block, until its answers are there. */
typedef struct asked {
    int64_t sample; /* over all datasets */
    pc_image **images;
    size_t image_count;
    pc_json *messages; /* up to the answer */
    char *truth;
} asked;

typedef struct making {
    const pc_recipe *recipe;
    const pc_mistake_options *options;
    pc_mistake_counts *counts;
    const pc_stage *stage;
    const pc_reward_rule *rule;
    pc_model *model;
    pc_adapter *adapter;
    pc_train_data data;
    pc_generate *generate;
    pc_batch_maker maker;
    pc_batch batch;
    pc_answers answers;
    asked *asked; /* [B] */
    int64_t count; /* prompts of the block */
    pc_str text, best, worst;
    char *images; /* folder */
    pc_row_file rows;
} making;

static void forget(asked *a)
{
    for (size_t i = 0; i < a->image_count; i++) {
        pc_image_free(a->images[i]);
    }
    pc_free(a->images);
    pc_json_free(a->messages);
    pc_free(a->truth);
    *a = (asked){0};
}

/* --- opening --- */

static pc_status check(making *m)
{
    const pc_recipe *recipe = m->recipe;
    PC_TRY(pc_setup_check(recipe, &m->stage));
    if (!m->stage->advantages) {
        return pc_fail(PC_ERR_USAGE, "stage %s learns from data; a recipe of stage grpo or ppo says how answers are written and judged",
                       recipe->stage);
    }
    if (!recipe->rollout.reward_rule || recipe->rollout.reward_model) {
        return pc_fail(PC_ERR_USAGE, "mistakes are judged by reward_rule (%s), without a reward_model", pc_reward_rule_names());
    }
    m->rule = pc_reward_rule_find(recipe->rollout.reward_rule);
    return PC_OK;
}

static pc_status open_all(making *m, const pc_backend *backend)
{
    const pc_recipe *recipe = m->recipe;
    PC_TRY(check(m));
    PC_TRY(pc_setup_model(&m->model, recipe));
    PC_TRY(pc_train_data_open(&m->data, recipe, m->model, m->stage));
    PC_TRY(recipe->adapter_name_or_path ? pc_setup_adapter(&m->adapter, recipe, m->model) : PC_OK);
    const pc_generate_options options = {
        .adapter = m->adapter, .chat = m->model->chat, .compute = recipe->bf16 ? PC_BF16 : PC_F32, .prompts = recipe->batch_size,
        .each = recipe->rollout.generations, .cutoff = recipe->cutoff_len, .most = recipe->rollout.max_new_tokens,
        .temperature = recipe->rollout.temperature, .seed = (uint64_t)recipe->seed};
    PC_TRY(pc_generate_new(&m->generate, m->model, backend, &options));
    PC_TRY(PC_NEW_ARRAY(m->asked, (size_t)recipe->batch_size, "prompts"));
    m->maker.options = pc_loader_options_of(m->data.loader);
    m->images = pc_path_join(m->options->folder, "images");
    PC_TRY(m->images ? pc_make_directories(m->images) : pc_fail_memory(0, "a path"));
    return pc_row_file_open(&m->rows, m->options->folder, "pairs.jsonl");
}

static void close_all(making *m)
{
    for (int64_t i = 0; m->asked && i < m->recipe->batch_size; i++) {
        forget(&m->asked[i]);
    }
    pc_row_file_close(&m->rows);
    pc_free(m->asked);
    pc_free(m->images);
    pc_answers_clear(&m->answers);
    pc_batch_clear(&m->batch);
    pc_batch_maker_clear(&m->maker);
    pc_generate_free(m->generate);
    pc_train_data_close(&m->data);
    pc_adapter_free(m->adapter);
    pc_model_free(m->model);
    pc_str_clear(&m->text);
    pc_str_clear(&m->best);
    pc_str_clear(&m->worst);
}

/* --- prompts --- */

/* The text of a message; a picture is its mark. */
static pc_status text_of(pc_str *out, const pc_conversation *conversation, const pc_message *message)
{
    pc_str_reset(out);
    PC_TRY(pc_str_puts(out, ""));
    for (size_t i = 0; i < message->count; i++) {
        const pc_part *part = &conversation->parts[message->first + i];
        if (part->text && strstr(part->text, "<image>")) {
            return pc_fail(PC_ERR_DATA, "a text says '<image>' itself, which a row would read as a picture");
        }
        PC_TRY(part->text ? pc_str_add(out, part->text, part->length) : pc_str_puts(out, "<image>\n"));
    }
    return PC_OK;
}

static pc_status add_message(pc_json *messages, const char *role, const char *text)
{
    pc_json *message = pc_json_new_object();
    pc_status status;
    PC_GO(pc_json_set(message, "role", pc_json_new_text(role)));
    PC_GO(pc_json_set(message, "content", pc_json_new_text(text)));
    return pc_json_push(messages, message);
done:
    pc_json_free(message);
    return status;
}

/* What the row will need of maker->sample, whose pictures are taken. */
static pc_status keep(making *m, asked *a, int64_t sample)
{
    pc_sample *from = &m->maker.sample;
    const pc_conversation *said = &from->conversation;
    size_t last = said->count - 1;
    a->sample = sample;
    a->messages = pc_json_new_array();
    PC_TRY(a->messages ? PC_OK : pc_fail_memory(0, "a prompt"));
    for (size_t i = 0; i < last; i++) {
        PC_TRY(text_of(&m->text, said, &said->messages[i]));
        PC_TRY(add_message(a->messages, pc_role_name(said->messages[i].role), m->text.data));
    }
    PC_TRY(text_of(&m->text, said, &said->messages[last]));
    a->truth = pc_strdup(m->text.data);
    PC_TRY(a->truth ? PC_OK : pc_fail_memory(m->text.length, "an answer"));
    a->images = from->images;
    a->image_count = from->image_count;
    from->images = NULL;
    from->image_count = from->image_capacity = 0;
    return PC_OK;
}

/* Sample `at` as the next prompt of the block; one that can't be asked is counted. */
static pc_status add_prompt(making *m, int64_t at)
{
    int64_t index = at;
    bool shortened = false;
    asked *a = &m->asked[m->count];
    int dataset = pc_train_data_find(&m->data, &index);
    pc_status status = pc_dataset_read(m->data.datasets[dataset], index, &m->maker.sample);
    const pc_conversation *said = &m->maker.sample.conversation;
    if (status == PC_OK && (said->count < 2 || said->messages[said->count - 1].role != PC_ROLE_ASSISTANT)) {
        status = pc_fail(PC_ERR_DATA, "there is no answer to compare with");
    }
    status = status == PC_OK ? pc_batch_add(&m->batch, &m->maker, 0, 0, &shortened) : status;
    if (status == PC_ERR_DATA || status == PC_ERR_IO) {
        m->counts->skipped++;
        return PC_OK;
    }
    PC_TRY(status);
    m->count++;
    return keep(m, a, at);
}

/* --- pairs --- */

static pc_status read_answer(making *m, int64_t answer)
{
    int64_t first = answer > 0 ? m->answers.ends[answer - 1] : 0;
    pc_str_reset(&m->text);
    PC_TRY(pc_str_puts(&m->text, ""));
    return pc_tokenizer_decode(m->model->tokenizer, m->answers.ids + first, (size_t)(m->answers.ends[answer] - first),
                               PC_DETOKENIZE_SKIP_SPECIAL, &m->text);
}

static pc_status take(pc_str *into, const char *text)
{
    pc_str_reset(into);
    return pc_str_puts(into, text);
}

/* m->best and m->worst of the answers to prompt p with their scores; *found = how many of them had an end. */
static pc_status compare(making *m, int64_t p, double scores[2], int64_t *found)
{
    *found = 0;
    for (int64_t a = p * m->answers.each; a < (p + 1) * m->answers.each; a++) {
        double score;
        m->counts->answers++;
        PC_TRY(read_answer(m, a));
        if (!m->answers.ended[a] || pc_utf8_valid_prefix(m->text.data, m->text.length) < m->text.length) {
            m->counts->cut++;
            continue;
        }
        PC_TRY(m->rule->score(m->text.data, m->asked[p].truth, &score));
        m->counts->score += score;
        if (!*found || score > scores[0]) {
            scores[0] = score;
            PC_TRY(take(&m->best, m->text.data));
        }
        if (!*found || score < scores[1]) {
            scores[1] = score;
            PC_TRY(take(&m->worst, m->text.data));
        }
        ++*found;
    }
    return PC_OK;
}

static pc_status write_images(const making *m, const asked *a, pc_json *list)
{
    for (size_t i = 0; i < a->image_count; i++) {
        char name[64];
        snprintf(name, sizeof name, "images/%08" PRId64 "-%zu.png", a->sample, i);
        char *path = pc_path_join(m->options->folder, name);
        pc_status status = path ? pc_image_save_png(a->images[i], path) : pc_fail_memory(0, "a path");
        pc_free(path);
        PC_TRY(status);
        PC_TRY(pc_json_push(list, pc_json_new_text(name)));
    }
    return PC_OK;
}

static pc_status write_pair(making *m, asked *a, const double scores[2])
{
    pc_json *row = pc_json_new_object(), *list = pc_json_new_array();
    pc_status status;
    PC_GO(pc_json_set(row, "id", pc_json_new_integer(a->sample)));
    pc_json *images = list;
    list = NULL;
    PC_GO(pc_json_set(row, "images", images));
    PC_GO(write_images(m, a, images));
    pc_json *messages = a->messages;
    a->messages = NULL;
    PC_GO(pc_json_set(row, "messages", messages));
    PC_GO(pc_json_set(row, "chosen", pc_json_new_text(m->best.data)));
    PC_GO(pc_json_set(row, "rejected", pc_json_new_text(m->worst.data)));
    PC_GO(pc_json_set(row, "chosen_score", pc_json_new_number(scores[0])));
    PC_GO(pc_json_set(row, "rejected_score", pc_json_new_number(scores[1])));
    status = pc_row_file_put(&m->rows, row);
done:
    pc_json_free(list);
    pc_json_free(row);
    return status;
}

static pc_status judge(making *m, int64_t p)
{
    asked *a = &m->asked[p];
    double scores[2] = {0}, truth;
    int64_t found;
    PC_TRY(compare(m, p, scores, &found));
    PC_TRY(m->rule->score(a->truth, a->truth, &truth));
    bool told = truth > scores[0] + LEAST_DIFFERENCE;
    double best = told ? truth : scores[0];
    if (!found || best - scores[1] < LEAST_DIFFERENCE) {
        m->counts->agreed++;
        return PC_OK;
    }
    PC_TRY(told ? take(&m->best, a->truth) : PC_OK);
    m->counts->truths += told;
    m->counts->pairs++;
    return write_pair(m, a, (const double[]){best, scores[1]});
}

static bool enough(const making *m)
{
    return m->options->pairs && m->counts->pairs >= m->options->pairs;
}

static pc_status answer_block(making *m)
{
    pc_status status = PC_OK;
    if (m->count > 0) {
        status = pc_generate_run(m->generate, &m->batch, (uint64_t)(m->counts->asked * m->recipe->rollout.generations), &m->answers);
        m->counts->asked += m->count;
    }
    for (int64_t p = 0; p < m->count; p++) {
        status = status == PC_OK && !enough(m) ? judge(m, p) : status;
        forget(&m->asked[p]);
    }
    m->count = 0;
    pc_batch_reset(&m->batch);
    return status;
}

static pc_status go_over(making *m)
{
    const pc_mistake_options *o = m->options;
    int64_t total = 0;
    for (int d = 0; d < m->data.count; d++) {
        total += pc_dataset_count(m->data.datasets[d]);
    }
    total = o->most && o->most < total ? o->most : total;
    for (int64_t at = 0; at < total && !enough(m); at++) {
        PC_TRY(add_prompt(m, at));
        if (m->count < m->recipe->batch_size && at + 1 < total) {
            continue;
        }
        PC_TRY(answer_block(m));
        if (o->progress) {
            o->progress(o->user, m->counts->asked, m->counts->pairs);
        }
        if (o->stop && o->stop(o->user)) {
            return pc_fail(PC_ERR_INTERRUPTED, "stopped behind %" PRId64 " prompts", m->counts->asked);
        }
    }
    return pc_row_file_finish(&m->rows);
}

pc_status pc_mistakes_make(const pc_recipe *recipe, const pc_backend *backend, const pc_mistake_options *options,
                           pc_mistake_counts *counts)
{
    making m = {.recipe = recipe, .options = options, .counts = counts};
    *counts = (pc_mistake_counts){0};
    pc_status status = open_all(&m, backend);
    status = status == PC_OK ? go_over(&m) : status;
    int64_t judged = counts->answers - counts->cut;
    counts->score = judged > 0 ? counts->score / (double)judged : 0;
    close_all(&m);
    return status;
}
