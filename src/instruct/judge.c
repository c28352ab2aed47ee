#include "instruct/judge.h"

#include "base/file.h"
#include "base/rng.h"
#include "instruct/judge_internal.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RULES_LIMIT = 1 << 20 };

static const uint64_t ORDER_STREAM = UINT64_C(1) << 61;

/* --- the row at hand --- */

/* Answers are shown in a drawn order: judges favour places (Zheng et al. 2023, arXiv:2306.05685). */
static void draw_order(pc_judging *j)
{
    pc_rng rng;
    pc_rng_init(&rng, j->options->asking.seed, ORDER_STREAM + (uint64_t)j->at);
    for (size_t i = 0; i < j->row.count; i++) {
        size_t k = (size_t)pc_rng_below(&rng, i + 1);
        j->order[i] = j->order[k];
        j->order[k] = i;
    }
}

pc_status pc_judging_look_at(pc_judging *j, int64_t row)
{
    pc_json *json;
    char where[64];
    if (j->at == row) {
        return PC_OK;
    }
    j->at = -1;
    snprintf(where, sizeof where, "row %" PRId64, row);
    PC_TRY(pc_row_source_read(&j->source, row, &json));
    PC_TRY(pc_completions_read(&j->row, json, where));
    j->at = row;
    draw_order(j);
    return PC_OK;
}

/* The row of a request: the last one that begins at or before it. */
static int64_t row_of(const pc_judging *j, int64_t request)
{
    int64_t low = 0, high = j->source.count;
    while (high - low > 1) {
        int64_t middle = low + (high - low) / 2;
        low = j->first[middle] <= request ? middle : low;
        high = j->first[middle] <= request ? high : middle;
    }
    return low;
}

/* A request of one answer and one aspect. */
static void find_part(const pc_judging *j, int64_t request, size_t *answer, size_t *aspect)
{
    size_t part = (size_t)(request - j->first[j->at]);
    *answer = part / j->aspect_count;
    *aspect = part % j->aspect_count;
}

/* --- requests --- */

static pc_status write_rules(pc_judging *j, pc_str *out)
{
    PC_TRY(pc_str_puts(out, j->system));
    for (size_t a = 0; a < j->aspect_count; a++) {
        PC_TRY(pc_str_printf(out, "\n%s: %s", j->aspects[a], j->about[a]));
    }
    PC_TRY(pc_str_puts(out, "\n\nReply in this form, for every response and every aspect, and with nothing else:\nResponse 1"));
    for (size_t a = 0; a < j->aspect_count; a++) {
        PC_TRY(pc_str_printf(out, "\n%s\nRating: a whole number from 1 to 5\nRationale: why, in a sentence or two", j->aspects[a]));
    }
    return pc_str_puts(out, "\nResponse 2\n...");
}

static pc_status write_answers(pc_judging *j, pc_str *out)
{
    PC_TRY(pc_str_printf(out, "Instruction: %s", j->row.prompt));
    for (size_t i = 0; i < j->row.count; i++) {
        PC_TRY(pc_str_printf(out, "\n\nResponse %zu:\n%s", i + 1, j->row.answer[j->order[i]].response));
    }
    return PC_OK;
}

static pc_status say(pc_judging *j, pc_ask *out, const char *rules)
{
    PC_TRY(pc_conversation_say(&out->conversation, PC_ROLE_SYSTEM, rules));
    PC_TRY(pc_conversation_begin(&out->conversation, PC_ROLE_USER));
    if (j->row.image) {
        PC_TRY(pc_ask_add_picture(out, j->media_dir, j->row.image));
        PC_TRY(pc_conversation_add_media(&out->conversation, PC_MEDIA_IMAGE, 0));
    }
    return pc_conversation_add_text(&out->conversation, j->text.data, j->text.length);
}

static pc_status make(void *self, int64_t request, pc_ask *out)
{
    static const char *const ratings[] = {"1", "2", "3", "4", "5", NULL};
    pc_judging *j = self;
    pc_str rules = {0};
    pc_status status;
    PC_TRY(pc_judging_look_at(j, row_of(j, request)));
    pc_str_reset(&j->text);
    if (j->options->likelihood) {
        size_t answer, aspect;
        find_part(j, request, &answer, &aspect);
        PC_GO(pc_str_printf(&rules, "%s\n%s: %s", j->single, j->aspects[aspect], j->about[aspect]));
        PC_GO(pc_str_printf(&j->text, "Instruction: %s\n\nResponse:\n%s\n\n%s, from 1 to 5:", j->row.prompt, j->row.answer[answer].response,
                            j->aspects[aspect]));
        out->choices = ratings;
    } else {
        out->nothing = j->row.count < 1;
        PC_GO(write_rules(j, &rules));
        PC_GO(write_answers(j, &j->text));
    }
    status = say(j, out, rules.data);
done:
    pc_str_clear(&rules);
    return status;
}

/* --- replies --- */

/* The mean of 1 to 5 by the probabilities of these texts, which are made to sum to 1. */
static pc_status expect_rating(const pc_answer *answer, pc_reply_check *out)
{
    double sum = 0, mean = 0, best = -INFINITY;
    if (!answer->choices) {
        return pc_fail(PC_ERR_USAGE, "the judge tells no likelihoods; --by text");
    }
    for (int k = PC_RATING_LEAST; k <= PC_RATING_MOST; k++) {
        best = fmax(best, answer->choices[k - PC_RATING_LEAST].log_probability);
    }
    for (int k = PC_RATING_LEAST; k <= PC_RATING_MOST; k++) {
        double weight = exp(answer->choices[k - PC_RATING_LEAST].log_probability - best);
        sum += weight;
        mean += weight * k;
    }
    out->verdict = PC_VERDICT_GOOD;
    return pc_str_printf(&out->kept, "%.6f", mean / sum);
}

static pc_status read(void *self, int64_t request, const pc_answer *answer, pc_reply_check *out)
{
    pc_judging *j = self;
    bool good;
    if (j->options->likelihood) {
        return expect_rating(answer, out);
    }
    PC_TRY(pc_judging_look_at(j, row_of(j, request)));
    PC_TRY(pc_reply_ratings(&j->ratings, answer->text.data, j->aspects, j->aspect_count, j->row.count, &good, out->reason));
    out->verdict = good ? PC_VERDICT_GOOD : PC_VERDICT_MALFORMED;
    return PC_OK;
}

/* --- rows --- */

/* Ratings in the order in which answers were shown -> in the row's. */
static void put_in_order(pc_judging *j)
{
    pc_rating shown[PC_RATING_ANSWERS][PC_RATING_ASPECTS];
    memcpy(shown, j->ratings.rating, sizeof shown);
    for (size_t i = 0; i < j->row.count; i++) {
        memcpy(j->ratings.rating[j->order[i]], shown[i], sizeof shown[i]);
    }
}

static pc_status take_text(pc_judging *j, const pc_json *line)
{
    char reason[PC_ASK_REASON];
    bool good;
    PC_TRY(pc_reply_ratings(&j->ratings, pc_json_get_text(line, "reply", ""), j->aspects, j->aspect_count, j->row.count, &good, reason));
    put_in_order(j);
    return good ? pc_judging_write(j) : pc_fail(PC_ERR_DATA, "row %" PRId64 ": a good reply can't be read again: %s", j->at, reason);
}

/* The ratings of a row come line by line. */
static pc_status take_part(pc_judging *j, int64_t request, const pc_json *line, bool good)
{
    size_t answer, aspect;
    find_part(j, request, &answer, &aspect);
    if (answer == 0 && aspect == 0) {
        pc_ratings_clear(&j->ratings);
        j->whole = true;
    }
    j->whole = j->whole && good;
    j->ratings.rating[answer][aspect].value = good ? strtod(pc_json_get_text(line, "reply", "0"), NULL) : 0;
    bool last = answer + 1 == j->row.count && aspect + 1 == j->aspect_count;
    return last && j->whole ? pc_judging_write(j) : PC_OK;
}

static pc_status take_line(void *user, const pc_json *line)
{
    pc_judging *j = user;
    int64_t request = pc_json_get_integer(line, "request", 0);
    const char *verdict = pc_json_get_text(line, "verdict", "");
    bool good = strcmp(verdict, pc_verdict_name(PC_VERDICT_GOOD)) == 0;
    PC_TRY(pc_judging_look_at(j, row_of(j, request)));
    if (!good && strcmp(verdict, pc_verdict_name(PC_VERDICT_NOTHING)) != 0) {
        PC_TRY(pc_row_file_put(&j->apart, line));
    }
    if (j->options->likelihood) {
        return take_part(j, request, line, good);
    }
    return good ? take_text(j, line) : PC_OK;
}

static pc_status write_files(pc_judging *j, const pc_journal *journal)
{
    PC_TRY(pc_row_file_open(&j->rated, j->options->asking.folder, "ratings.jsonl"));
    PC_TRY(pc_row_file_open(&j->pairs, j->options->asking.folder, "pairs.jsonl"));
    PC_TRY(pc_row_file_open(&j->apart, j->options->asking.folder, "apart.jsonl"));
    PC_TRY(pc_journal_read(journal, take_line, j));
    PC_TRY(pc_row_file_finish(&j->rated));
    PC_TRY(pc_row_file_finish(&j->pairs));
    return pc_row_file_finish(&j->apart);
}

/* --- all --- */

static pc_status read_rules(pc_judging *j)
{
    const char *path = j->options->rules;
    PC_TRY(pc_json_read(&j->rules, path, RULES_LIMIT));
    const pc_json *aspects = pc_json_get(j->rules, "aspects");
    PC_TRY(pc_json_need_text(&j->system, j->rules, "system", path));
    PC_TRY(pc_json_need_text(&j->single, j->rules, "single", path));
    if (!pc_json_is_array(aspects) || !pc_json_length(aspects) || pc_json_length(aspects) > PC_RATING_ASPECTS) {
        return pc_fail(PC_ERR_DATA, "%s: aspects: expected a list of 1 to %d", path, PC_RATING_ASPECTS);
    }
    for (size_t a = 0; a < pc_json_length(aspects); a++) {
        char where[400];
        snprintf(where, sizeof where, "%.300s: aspects[%zu]", path, a);
        PC_TRY(pc_json_need_text(&j->aspects[a], pc_json_at(aspects, a), "name", where));
        PC_TRY(pc_json_need_text(&j->about[a], pc_json_at(aspects, a), "about", where));
        snprintf(j->counts->aspects[a], sizeof j->counts->aspects[a], "%.60s", j->aspects[a]);
        j->aspect_count++;
    }
    j->counts->aspect_count = (int)j->aspect_count;
    return PC_OK;
}

/* By text one request a row; by likelihood one for each answer and aspect. */
static pc_status count_requests(pc_judging *j)
{
    PC_TRY(PC_NEW_ARRAY(j->first, (size_t)j->source.count + 1, "requests"));
    for (int64_t i = 0; i < j->source.count; i++) {
        PC_TRY(pc_judging_look_at(j, i));
        j->first[i + 1] = j->first[i] + (j->options->likelihood ? (int64_t)(j->row.count * j->aspect_count) : 1);
    }
    return j->first[j->source.count] ? PC_OK : pc_fail(PC_ERR_DATA, "%s: no row has answers (\"completions\")", j->options->rows[0]);
}

static pc_status set_settings(const pc_judging *j, pc_json *into)
{
    const pc_judge_options *o = j->options;
    pc_json *hashes = pc_json_new_array();
    char hash[65];
    PC_TRY(pc_json_set(into, "rows", hashes));
    for (int i = 0; i < o->row_count; i++) {
        PC_TRY(pc_sha256_file(o->rows[i], hash));
        PC_TRY(pc_json_push(hashes, pc_json_new_text(hash)));
    }
    PC_TRY(pc_sha256_file(o->rules, hash));
    PC_TRY(pc_json_set(into, "rules", pc_json_new_text(hash)));
    PC_TRY(pc_json_set(into, "judge", pc_json_new_text(o->model)));
    PC_TRY(pc_json_set(into, "by", pc_json_new_text(o->likelihood ? "likelihood" : "text")));
    PC_TRY(pc_json_set(into, "count", pc_json_new_integer(j->source.count)));
    PC_TRY(pc_json_set(into, "max_tokens", pc_json_new_integer(o->asking.max_tokens)));
    PC_TRY(pc_json_set(into, "temperature", pc_json_new_number(o->asking.temperature)));
    PC_TRY(pc_json_set(into, "attempts", pc_json_new_integer(o->asking.attempts)));
    return pc_json_set(into, "seed", pc_json_new_integer((int64_t)o->asking.seed));
}

static pc_status run(pc_judging *j, pc_json *settings, pc_journal *journal)
{
    const pc_judge_options *o = j->options;
    PC_TRY(read_rules(j));
    PC_TRY(pc_row_source_open(&j->source, o->rows, o->row_count, o->limit));
    PC_TRY(count_requests(j));
    j->media_dir = o->media_dir ? pc_strdup(o->media_dir) : pc_path_parent(o->rows[0]);
    PC_TRY(settings && j->media_dir ? set_settings(j, settings) : pc_fail_memory(0, "settings"));
    const pc_job job = {.requests = j->first[j->source.count], .settings = settings, .make = make, .read = read, .self = j};
    PC_TRY(pc_asking_run(journal, &job, &o->asking, &j->counts->asking));
    return write_files(j, journal);
}

pc_status pc_judge(const pc_judge_options *options, pc_judge_counts *counts)
{
    pc_judging j = {.options = options, .counts = counts, .at = -1};
    pc_json *settings = pc_json_new_object();
    pc_journal journal = {0};
    *counts = (pc_judge_counts){0};
    pc_status status = run(&j, settings, &journal);
    pc_journal_close(&journal);
    pc_json_free(settings);
    pc_json_free(j.rules);
    pc_row_file_close(&j.rated);
    pc_row_file_close(&j.pairs);
    pc_row_file_close(&j.apart);
    pc_row_source_close(&j.source);
    pc_completions_clear(&j.row);
    pc_ratings_clear(&j.ratings);
    pc_str_clear(&j.text);
    pc_free(j.first);
    pc_free(j.media_dir);
    return status;
}
