#include "instruct/asking.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/rng.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const verdict_names[PC_VERDICTS] = {"good", "refused", "malformed", "cut", "failed", "nothing"};

typedef struct running {
    const pc_job *job;
    const pc_asking_options *options;
    pc_asking_counts *counts;
    pc_journal *journal;
    int64_t batch;
    pc_ask *asks;                /* [batch] */
    pc_answer_request *requests; /* [batch] */
    pc_answer *answers;          /* [batch] */
    int64_t *numbers;            /* [batch]: of the requests */
    int64_t count;               /* that wait to be asked */
    pc_reply_check reading;
} running;

const char *pc_verdict_name(pc_verdict verdict)
{
    return verdict_names[verdict];
}

void pc_ask_clear(pc_ask *ask)
{
    pc_conversation_clear(&ask->conversation);
    for (size_t i = 0; i < ask->media_count; i++) {
        pc_free((char *)ask->media[i].path);
    }
    *ask = (pc_ask){0};
}

pc_status pc_ask_add_picture(pc_ask *ask, const char *folder, const char *name)
{
    char *path = name[0] == '/' ? pc_strdup(name) : pc_path_join(folder, name);
    if (!path) {
        return pc_fail_memory(strlen(name), "a path");
    }
    if (ask->media_count == PC_ASK_PICTURES || !pc_path_exists(path)) {
        pc_status status = ask->media_count == PC_ASK_PICTURES ? pc_fail(PC_ERR_DATA, "more than %d pictures to ask about", PC_ASK_PICTURES)
                                                               : pc_fail(PC_ERR_DATA, "%s: no such picture; --media_dir says where pictures lie", path);
        pc_free(path);
        return status;
    }
    ask->media[ask->media_count++] = (pc_answer_media){.kind = PC_MEDIA_IMAGE, .path = path};
    return PC_OK;
}

/* --- the journal --- */

static pc_status count_line(void *user, const pc_json *line)
{
    pc_asking_counts *counts = user;
    const char *name = pc_json_get_text(line, "verdict", "");
    for (int v = 0; v < PC_VERDICTS; v++) {
        if (strcmp(name, verdict_names[v]) == 0) {
            counts->verdicts[v]++;
            counts->done++;
            counts->resumed++;
            counts->prompt_tokens += pc_json_get_integer(line, "prompt_tokens", 0);
            counts->completion_tokens += pc_json_get_integer(line, "completion_tokens", 0);
            return PC_OK;
        }
    }
    return pc_fail(PC_ERR_DATA, "request %" PRId64 ": unknown verdict '%.40s'", counts->done, name);
}

/* The reply as the journal keeps it; what is not UTF-8 could not be written. */
static pc_status set_reply(const running *r, pc_json *line, const pc_answer *answer)
{
    const pc_str *text = r->reading.kept.length ? &r->reading.kept : &answer->text;
    size_t good = pc_utf8_valid_prefix(text->data ? text->data : "", text->length);
    return pc_json_set(line, "reply", pc_json_new_text_n(text->data ? text->data : "", good));
}

/* answer NULL: there is no reply. */
static pc_status note(running *r, int64_t number, const pc_answer *answer)
{
    pc_json *line = pc_json_new_object();
    pc_asking_counts *c = r->counts;
    pc_status status;
    PC_GO(pc_json_set(line, "request", pc_json_new_integer(number)));
    PC_GO(pc_json_set(line, "verdict", pc_json_new_text(verdict_names[r->reading.verdict])));
    PC_GO(r->reading.reason[0] ? pc_json_set(line, "reason", pc_json_new_text(r->reading.reason)) : PC_OK);
    PC_GO(answer ? set_reply(r, line, answer) : PC_OK);
    PC_GO(answer ? pc_json_set(line, "prompt_tokens", pc_json_new_integer((int64_t)answer->prompt_tokens)) : PC_OK);
    PC_GO(answer ? pc_json_set(line, "completion_tokens", pc_json_new_integer((int64_t)answer->completion_tokens)) : PC_OK);
    PC_GO(pc_journal_append(r->journal, line));
    c->done++;
    c->verdicts[r->reading.verdict]++;
    c->prompt_tokens += answer ? (int64_t)answer->prompt_tokens : 0;
    c->completion_tokens += answer ? (int64_t)answer->completion_tokens : 0;
done:
    pc_json_free(line);
    return status;
}

/* --- verdicts --- */

static void forget_reading(pc_reply_check *reading)
{
    reading->verdict = PC_VERDICT_GOOD;
    reading->reason[0] = '\0';
    pc_str_reset(&reading->kept);
}

static pc_status judge(running *r, int64_t number, const pc_answer *answer)
{
    forget_reading(&r->reading);
    if (answer->end == PC_ANSWER_CANCELLED) {
        return pc_fail(PC_ERR_INTERRUPTED, "stopped at request %" PRId64, number);
    }
    if (answer->end == PC_ANSWER_LENGTH) {
        r->reading.verdict = PC_VERDICT_CUT;
        snprintf(r->reading.reason, sizeof r->reading.reason, "cut at %zu tokens", answer->completion_tokens);
        return PC_OK;
    }
    if (!answer->text.length) {
        r->reading.verdict = PC_VERDICT_MALFORMED;
        snprintf(r->reading.reason, sizeof r->reading.reason, "an empty reply");
        return PC_OK;
    }
    return r->job->read(r->job->self, number, answer, &r->reading);
}

/* Draws of one request are independent of all others, and of those of its earlier attempts. */
static uint64_t seed_of(const running *r, int64_t number, int64_t attempt)
{
    pc_rng rng;
    pc_rng_init(&rng, r->options->seed, (uint64_t)number);
    uint64_t seed = 0;
    for (int64_t i = 0; i <= attempt; i++) {
        seed = pc_rng_u64(&rng);
    }
    return seed;
}

static bool worth_another(const running *r)
{
    pc_verdict v = r->reading.verdict;
    return v == PC_VERDICT_REFUSED || v == PC_VERDICT_MALFORMED || v == PC_VERDICT_CUT;
}

/* Tokens of all attempts belong to the request. */
static pc_status settle(running *r, int64_t at)
{
    pc_answer *answer = &r->answers[at];
    const pc_answerer *who = r->options->answerer;
    size_t prompt = 0, completion = 0;
    PC_TRY(judge(r, r->numbers[at], answer));
    for (int64_t attempt = 1; attempt < r->options->attempts && worth_another(r); attempt++) {
        prompt += answer->prompt_tokens;
        completion += answer->completion_tokens;
        r->counts->again++;
        r->requests[at].seed = seed_of(r, r->numbers[at], attempt);
        PC_TRY(who->answer(who->self, &r->requests[at], answer));
        PC_TRY(judge(r, r->numbers[at], answer));
    }
    answer->prompt_tokens += prompt;
    answer->completion_tokens += completion;
    return note(r, r->numbers[at], answer);
}

/* --- asking --- */

static pc_status note_failure(running *r, int64_t at, pc_status failure)
{
    bool may = failure == PC_ERR_IO || failure == PC_ERR_DATA;
    if (!may || r->counts->verdicts[PC_VERDICT_FAILED] >= r->options->max_failures) {
        return pc_fail_prefix(failure, "request %" PRId64 " of %" PRId64, r->numbers[at], r->job->requests);
    }
    forget_reading(&r->reading);
    r->reading.verdict = PC_VERDICT_FAILED;
    snprintf(r->reading.reason, sizeof r->reading.reason, "%.*s", PC_ASK_REASON - 1, pc_error());
    r->reading.reason[pc_utf8_valid_prefix(r->reading.reason, strlen(r->reading.reason))] = '\0';
    return note(r, r->numbers[at], NULL);
}

static pc_status ask_one(running *r, int64_t at)
{
    const pc_answerer *who = r->options->answerer;
    pc_answer_clear(&r->answers[at]);
    pc_status status = who->answer(who->self, &r->requests[at], &r->answers[at]);
    return status == PC_OK ? settle(r, at) : note_failure(r, at, status);
}

/* All that wait. A failure of many leaves all without an answer: where failures are allowed they are asked again one by one. */
static pc_status ask_waiting(running *r)
{
    const pc_answerer *who = r->options->answerer;
    int64_t count = r->count;
    r->count = 0;
    if (count > 1) {
        for (int64_t i = 0; i < count; i++) {
            pc_answer_clear(&r->answers[i]);
        }
        pc_status status = who->answer_many(who->self, r->requests, r->answers, (size_t)count);
        if (status != PC_OK && (!r->options->max_failures || (status != PC_ERR_IO && status != PC_ERR_DATA))) {
            return pc_fail_prefix(status, "requests %" PRId64 " to %" PRId64 " of %" PRId64, r->numbers[0], r->numbers[count - 1],
                                  r->job->requests);
        }
        for (int64_t i = 0; i < count && status == PC_OK; i++) {
            PC_TRY(settle(r, i));
        }
        if (status == PC_OK) {
            return PC_OK;
        }
    }
    for (int64_t i = 0; i < count; i++) {
        PC_TRY(ask_one(r, i));
    }
    return PC_OK;
}

/* Lines stand in the order of the requests, so that one with nothing to ask waits for those before it. */
static pc_status take_request(running *r, int64_t number)
{
    pc_ask *ask = &r->asks[r->count];
    pc_ask_clear(ask);
    PC_TRY(r->job->make(r->job->self, number, ask));
    if (ask->nothing) {
        PC_TRY(ask_waiting(r));
        forget_reading(&r->reading);
        r->reading.verdict = PC_VERDICT_NOTHING;
        return note(r, number, NULL);
    }
    r->requests[r->count] = (pc_answer_request){
        .conversation = &ask->conversation, .media = ask->media, .media_count = ask->media_count, .choices = ask->choices,
        .max_tokens = (size_t)r->options->max_tokens, .temperature = r->options->temperature, .seed = seed_of(r, number, 0)};
    r->numbers[r->count++] = number;
    return r->count == r->batch || number + 1 == r->job->requests ? ask_waiting(r) : PC_OK;
}

static pc_status check_stop(const running *r, int64_t number)
{
    const pc_asking_options *o = r->options;
    const pc_asking_counts *c = r->counts;
    if (o->stop && o->stop(o->user)) {
        return pc_fail(PC_ERR_INTERRUPTED, "stopped at request %" PRId64 " of %" PRId64 "; the same command goes on", number, r->job->requests);
    }
    if (o->budget && c->prompt_tokens + c->completion_tokens >= o->budget) {
        return pc_fail(PC_ERR_INTERRUPTED, "the budget of %" PRId64 " tokens is used up at request %" PRId64 " of %" PRId64
                                           "; the same command with a larger one goes on", o->budget, number, r->job->requests);
    }
    return PC_OK;
}

static pc_status run(running *r)
{
    const pc_asking_options *o = r->options;
    size_t batch = (size_t)r->batch;
    PC_TRY(PC_NEW_ARRAY(r->asks, batch, "requests"));
    PC_TRY(PC_NEW_ARRAY(r->requests, batch, "requests"));
    PC_TRY(PC_NEW_ARRAY(r->answers, batch, "answers"));
    PC_TRY(PC_NEW_ARRAY(r->numbers, batch, "requests"));
    for (int64_t i = r->counts->done; i < r->job->requests; i++) {
        PC_TRY(check_stop(r, i));
        PC_TRY(take_request(r, i));
        if (o->progress) {
            o->progress(o->user, r->counts, r->job->requests);
        }
    }
    return ask_waiting(r);
}

static void clear(running *r)
{
    for (int64_t i = 0; i < r->batch; i++) {
        if (r->asks) {
            pc_ask_clear(&r->asks[i]);
        }
        if (r->answers) {
            pc_answer_clear(&r->answers[i]);
        }
    }
    pc_free(r->asks);
    pc_free(r->requests);
    pc_free(r->answers);
    pc_free(r->numbers);
    pc_str_clear(&r->reading.kept);
}

static pc_status open_journal(pc_journal *journal, const pc_job *job, const char *folder, pc_asking_counts *counts)
{
    PC_TRY(pc_make_directories(folder));
    char *path = pc_path_join(folder, "replies.jsonl");
    pc_status status = path ? pc_journal_open(journal, path, job->settings, count_line, counts) : pc_fail_memory(0, "a path");
    pc_free(path);
    PC_TRY(status);
    return counts->done <= job->requests ? PC_OK
                                         : pc_fail(PC_ERR_DATA, "%s has %" PRId64 " replies; there are %" PRId64 " requests", journal->path,
                                                   counts->done, job->requests);
}

pc_status pc_asking_run(pc_journal *journal, const pc_job *job, const pc_asking_options *options, pc_asking_counts *counts)
{
    int64_t most = options->answerer->answer_many ? (int64_t)options->answerer->most : 1;
    running r = {.job = job, .options = options, .counts = counts, .journal = journal};
    r.batch = options->batch < 1 ? 1 : options->batch < PC_ASK_BATCH ? options->batch : PC_ASK_BATCH;
    r.batch = r.batch < most ? r.batch : most;
    *counts = (pc_asking_counts){0};
    PC_TRY(open_journal(journal, job, options->folder, counts));
    pc_status status = run(&r);
    clear(&r);
    return status;
}
