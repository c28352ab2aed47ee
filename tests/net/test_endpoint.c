/* Endpoints: what is sent, what is made of replies, and every allocation failing. */
#include "decode/endpoint.h"
#include "net/http.h"
#include "support/allocfail.h"
#include "support/http_server.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct served {
    int listener, port;
    const char *script;
    char url[64];
    pthread_t thread;
} served;

static void *serve(void *user)
{
    served *s = user;
    http_server_serve(s->listener, s->script, NULL);
    return NULL;
}

static void begin(served *s, const char *script)
{
    s->script = script;
    s->listener = http_server_listen(&s->port);
    assert_true(s->listener >= 0);
    snprintf(s->url, sizeof s->url, "http://127.0.0.1:%d/v1/", s->port);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void end(served *s)
{
    shutdown(s->listener, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->listener);
}

static pc_status ask(const char *url, int64_t tries, pc_answer *out, pc_endpoint_counts *counts)
{
    pc_endpoint *endpoint = NULL;
    pc_conversation said = {0};
    pc_status status;
    PC_GO(pc_endpoint_new(&endpoint, &(pc_endpoint_options){.base_url = url, .model = "m", .key = "secret", .tries = tries,
                                                            .wait_s = 0.01}));
    PC_GO(pc_conversation_say(&said, PC_ROLE_USER, "How many?"));
    pc_answerer answerer = pc_endpoint_answerer(endpoint);
    pc_answer_request request = {.conversation = &said, .max_tokens = 8};
    PC_GO(answerer.answer(answerer.self, &request, out));
done:
    if (endpoint && counts) {
        *counts = pc_endpoint_counts_of(endpoint);
    }
    pc_conversation_clear(&said);
    pc_endpoint_free(endpoint);
    return status;
}

static void failures_that_may_pass_are_tried_again(void **state)
{
    (void)state;
    served s;
    pc_answer answer = {0};
    pc_endpoint_counts counts;
    begin(&s, "429 0 busy\n503 - {\"error\": {\"message\": \"tired\"}}\n0 - -\n200 - four\n");
    assert_int_equal(ask(s.url, 6, &answer, &counts), PC_OK);
    assert_string_equal(answer.text.data, "four");
    assert_int_equal(answer.prompt_tokens, 5);
    assert_int_equal(answer.completion_tokens, 2);
    assert_int_equal(answer.end, PC_ANSWER_STOP);
    assert_int_equal(counts.calls, 4);
    assert_int_equal(counts.retries, 3);
    pc_answer_clear(&answer);
    end(&s);
}

static void refusals_are_failures(void **state)
{
    (void)state;
    static const struct {
        const char *script;
        pc_status status;
        int64_t calls;
        const char *message;
    } cases[] = {
        {"401 - {\"error\": {\"message\": \"no such key\"}}", PC_ERR_IO, 1, "status 401 after 1 try: no such key"},
        {"400 - {\"error\": \"too long\"}", PC_ERR_IO, 1, "too long"},
        {"503 0 {\"error\": {\"message\": \"tired\"}}", PC_ERR_IO, 3, "status 503 after 3 tries: tired"},
        {"200 - {\"choices\": []}", PC_ERR_DATA, 1, "choices[0].message.content"},
        {"200 - {\"choices\": [{\"message\": {\"content\": null}}]}", PC_ERR_DATA, 1, "content"},
        {"200 - RAW not JSON", PC_ERR_DATA, 1, "127.0.0.1"},
        {"302 - RAW moved", PC_ERR_IO, 1, "status 302"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        served s;
        pc_answer answer = {0};
        pc_endpoint_counts counts = {0};
        begin(&s, cases[i].script);
        assert_int_equal(ask(s.url, 3, &answer, &counts), cases[i].status);
        assert_int_equal(counts.calls, cases[i].calls);
        if (!strstr(pc_error(), cases[i].message)) {
            fail_msg("expected '%s', found '%s'", cases[i].message, pc_error());
        }
        assert_null(strstr(pc_error(), "secret"));
        pc_answer_clear(&answer);
        end(&s);
    }
}

static void parts_of_a_reply_are_joined(void **state)
{
    (void)state;
    served s;
    pc_answer answer = {0};
    begin(&s, "200 - {\"choices\": [{\"message\": {\"content\": [{\"type\": \"text\", \"text\": \"a \"}, {\"text\": \"b\"}]}, "
              "\"finish_reason\": \"length\"}]}");
    assert_int_equal(ask(s.url, 1, &answer, NULL), PC_OK);
    assert_string_equal(answer.text.data, "a b");
    assert_int_equal(answer.end, PC_ANSWER_LENGTH);
    pc_answer_clear(&answer);
    end(&s);
}

static void wrong_addresses_are_refused(void **state)
{
    (void)state;
    pc_answer answer = {0};
    assert_int_equal(ask("ftp://127.0.0.1/v1", 1, &answer, NULL), PC_ERR_USAGE);
    assert_int_equal(ask("file:///etc/passwd", 1, &answer, NULL), PC_ERR_USAGE);
    assert_int_equal(ask("http://user:word@127.0.0.1:1/v1", 1, &answer, NULL), PC_ERR_USAGE);
    assert_null(strstr(pc_error(), "word@"));
    assert_int_equal(ask("http://127.0.0.1:1/v1", 1, &answer, NULL), PC_ERR_IO);
    assert_non_null(strstr(pc_error(), "127.0.0.1:1"));
}

static pc_status ask_once(void *user)
{
    served *s = user;
    pc_answer answer = {0};
    pc_status status = ask(s->url, 1, &answer, NULL);
    pc_answer_clear(&answer);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    served s;
    begin(&s, "200 - four");
    pc_test_each_allocation(ask_once, &s);
    end(&s);
}

int main(void)
{
    pc_http *probe;
    if (pc_http_new(&probe, NULL) != PC_OK) {
        puts("built without libcurl: nothing to test");
        return 0;
    }
    pc_http_free(probe);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failures_that_may_pass_are_tried_again), cmocka_unit_test(refusals_are_failures),
        cmocka_unit_test(parts_of_a_reply_are_joined), cmocka_unit_test(wrong_addresses_are_refused),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
