/* Jobs of many requests: the journal, going on after a stop at any place, attempts, failures, budgets. */
#include "base/memory.h"
#include "instruct/asking.h"
#include "support/folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { REQUESTS = 11, SKIPPED = 4, REFUSED = 6, BAD = 8 };

/* A job whose requests are their numbers, and an answerer who repeats them. */
typedef struct world {
    char folder[256];
    int64_t calls, stop_at, fail_at; /* calls made; the job stops, the answerer fails at this request */
    int64_t bad_attempts;            /* replies to BAD that are malformed */
    size_t most;
    pc_json *settings;
    pc_asking_options options;
    pc_answerer answerer;
    pc_job job;
} world;

static pc_status make(void *self, int64_t request, pc_ask *out)
{
    char text[32];
    (void)self;
    snprintf(text, sizeof text, "%d", (int)request);
    out->nothing = request == SKIPPED;
    return out->nothing ? PC_OK : pc_conversation_say(&out->conversation, PC_ROLE_USER, text);
}

static pc_status answer(void *self, const pc_answer_request *request, pc_answer *out)
{
    world *w = self;
    int number = atoi(request->conversation->parts[0].text);
    pc_answer_clear(out);
    w->calls++;
    if (number == w->fail_at) {
        return pc_fail(PC_ERR_IO, "no connection");
    }
    out->prompt_tokens = 10;
    out->completion_tokens = 2;
    out->end = number == 9 ? PC_ANSWER_LENGTH : PC_ANSWER_STOP;
    return pc_str_printf(&out->text, "%s %d", number == BAD && w->bad_attempts-- > 0 ? "bad" : number == REFUSED ? "sorry" : "said", number);
}

static pc_status answer_many(void *self, const pc_answer_request *requests, pc_answer *outs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        PC_TRY(answer(self, &requests[i], &outs[i]));
    }
    return PC_OK;
}

static pc_status read_reply(void *self, int64_t request, const pc_answer *found, pc_reply_check *out)
{
    int number = -1;
    (void)self;
    out->verdict = pc_starts_with(found->text.data, "sorry") ? PC_VERDICT_REFUSED
                   : pc_starts_with(found->text.data, "bad") ? PC_VERDICT_MALFORMED : PC_VERDICT_GOOD;
    sscanf(found->text.data, "%*s %d", &number);
    assert_int_equal(number, request);
    return PC_OK;
}

static int stop(void *user)
{
    const world *w = user;
    return w->stop_at >= 0 && w->calls >= w->stop_at;
}

static int set_up(void **state)
{
    static world w;
    w = (world){.stop_at = -1, .fail_at = -1};
    pc_test_folder_new(w.folder);
    w.settings = pc_json_new_object();
    assert_int_equal(pc_json_set(w.settings, "model", pc_json_new_text("m")), PC_OK);
    w.answerer = (pc_answerer){.self = &w, .name = "echo", .answer = answer, .parallel = 1};
    w.job = (pc_job){.requests = REQUESTS, .settings = w.settings, .make = make, .read = read_reply, .self = &w};
    w.options = (pc_asking_options){.answerer = &w.answerer, .folder = w.folder, .seed = 3, .stop = stop, .user = &w};
    *state = &w;
    return 0;
}

static int tear_down(void **state)
{
    world *w = *state;
    pc_json_free(w->settings);
    pc_test_folder_free(w->folder);
    return 0;
}

static pc_status run(world *w, pc_asking_counts *counts)
{
    pc_journal journal = {0};
    pc_status status = pc_asking_run(&journal, &w->job, &w->options, counts);
    pc_journal_close(&journal);
    return status;
}

/* The journal as a text; free it. */
static char *replies(const world *w)
{
    size_t size;
    unsigned char *bytes = pc_test_read(w->folder, "replies.jsonl", &size);
    char *text = malloc(size + 1);
    assert_non_null(text);
    memcpy(text, bytes, size);
    text[size] = '\0';
    free(bytes);
    return text;
}

static void forget(const world *w)
{
    char path[512];
    remove(pc_test_path(path, w->folder, "replies.jsonl"));
}

static void assert_counts(const pc_asking_counts *c, int64_t good, int64_t malformed)
{
    assert_int_equal(c->done, REQUESTS);
    assert_int_equal(c->verdicts[PC_VERDICT_GOOD], good);
    assert_int_equal(c->verdicts[PC_VERDICT_REFUSED], 1);
    assert_int_equal(c->verdicts[PC_VERDICT_MALFORMED], malformed);
    assert_int_equal(c->verdicts[PC_VERDICT_CUT], 1);
    assert_int_equal(c->verdicts[PC_VERDICT_NOTHING], 1);
}

/* Stopped behind each number of calls, alone and in batches, the journal ends up the same. */
static void test_goes_on(void **state)
{
    world *w = *state;
    pc_asking_counts counts;
    assert_int_equal(run(w, &counts), PC_OK);
    assert_counts(&counts, 8, 0);
    assert_int_equal(counts.prompt_tokens, 100);
    assert_int_equal(counts.completion_tokens, 20);
    char *whole = replies(w);
    for (int batch = 1; batch <= 4; batch += 3) {
        w->options.batch = batch;
        w->answerer.answer_many = batch > 1 ? answer_many : NULL;
        w->answerer.most = (size_t)batch;
        for (w->stop_at = 0; w->stop_at < 10; w->stop_at++) {
            int64_t at = w->stop_at;
            forget(w);
            w->calls = 0;
            pc_status first = run(w, &counts);
            assert_true(first == PC_ERR_INTERRUPTED || (batch > 1 && first == PC_OK)); /* the last batch was asked before */
            w->stop_at = -1;
            assert_int_equal(run(w, &counts), PC_OK);
            assert_int_equal(w->calls, 10); /* nothing is asked twice */
            assert_true(counts.resumed >= at);
            assert_counts(&counts, 8, 0);
            char *found = replies(w);
            assert_string_equal(found, whole);
            free(found);
            w->stop_at = at;
        }
        w->stop_at = -1;
    }
    free(whole);
}

/* What a killed process leaves: a part of a line. */
static void test_torn(void **state)
{
    world *w = *state;
    pc_asking_counts counts;
    assert_int_equal(run(w, &counts), PC_OK);
    char *whole = replies(w);
    for (size_t cut = strlen(whole) / 3; cut < strlen(whole); cut += 7) {
        pc_test_write(w->folder, "replies.jsonl", whole, cut);
        assert_int_equal(run(w, &counts), PC_OK);
        char *found = replies(w);
        assert_string_equal(found, whole);
        free(found);
    }
    free(whole);
}

static void test_attempts(void **state)
{
    world *w = *state;
    pc_asking_counts counts;
    w->bad_attempts = 2;
    w->options.attempts = 2;
    assert_int_equal(run(w, &counts), PC_OK);
    assert_counts(&counts, 7, 1);
    assert_int_equal(counts.again, 3); /* refused, malformed, cut */
    forget(w);
    w->bad_attempts = 2;
    w->options.attempts = 3;
    assert_int_equal(run(w, &counts), PC_OK);
    assert_counts(&counts, 8, 0);
    assert_int_equal(counts.prompt_tokens, 100 + 60); /* those of all attempts */
}

static void test_failures(void **state)
{
    world *w = *state;
    pc_asking_counts counts;
    w->fail_at = 3;
    assert_int_equal(run(w, &counts), PC_ERR_IO);
    assert_non_null(strstr(pc_error(), "request 3 of 11: no connection"));
    assert_int_equal(counts.done, 3);
    w->options.max_failures = 1;
    w->options.batch = 4;
    w->answerer.answer_many = answer_many;
    w->answerer.most = 4;
    assert_int_equal(run(w, &counts), PC_OK);
    assert_int_equal(counts.verdicts[PC_VERDICT_FAILED], 1);
    assert_int_equal(counts.verdicts[PC_VERDICT_GOOD], 7);
    char *found = replies(w);
    assert_non_null(strstr(found, "{\"request\": 3, \"verdict\": \"failed\", \"reason\": \"no connection\"}"));
    free(found);
}

static void test_budget(void **state)
{
    world *w = *state;
    pc_asking_counts counts;
    w->options.budget = 30;
    assert_int_equal(run(w, &counts), PC_ERR_INTERRUPTED);
    assert_int_equal(counts.done, 3);
    assert_non_null(strstr(pc_error(), "budget of 30 tokens"));
    w->options.budget = 0;
    assert_int_equal(run(w, &counts), PC_OK);
    assert_int_equal(counts.resumed, 3);
}

static void test_refused(void **state)
{
    world *w = *state;
    pc_asking_counts counts;
    assert_int_equal(run(w, &counts), PC_OK);
    assert_int_equal(pc_json_set(w->settings, "model", pc_json_new_text("n")), PC_OK);
    assert_int_equal(run(w, &counts), PC_ERR_USAGE);
    assert_non_null(strstr(pc_error(), "model was \"m\", is \"n\""));
    static const char broken[] = "{\"settings\": {\"model\": \"n\"}}\n{\"request\": 1, \"verdict\": \"good\"}\n";
    pc_test_write(w->folder, "replies.jsonl", broken, strlen(broken));
    assert_int_equal(run(w, &counts), PC_ERR_DATA);
    assert_non_null(strstr(pc_error(), "replies.jsonl:2: expected request 0"));
    pc_test_write(w->folder, "replies.jsonl", "no JSON\n", 8);
    assert_int_equal(run(w, &counts), PC_ERR_DATA);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_goes_on, set_up, tear_down),  cmocka_unit_test_setup_teardown(test_torn, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_attempts, set_up, tear_down), cmocka_unit_test_setup_teardown(test_failures, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_budget, set_up, tear_down),   cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
