/* The public API as a user has it: percept.h and the shared library, nothing of the inside. */
#include <percept/percept.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define LLAVA PERCEPT_TESTS_DIR "/golden/llava/hf"
static const char *const pictures[] = {PERCEPT_TESTS_DIR "/golden/llava/shapes.png",
                                       PERCEPT_TESTS_DIR "/golden/llava/triangle.png"};
static const size_t NEW_TOKENS = 12;

static int load(void **state)
{
    pc_percept *model = NULL;
    int status = pc_percept_load(&model, LLAVA, &(pc_percept_options){.threads = 1});
    *state = model;
    return status;
}

static int unload(void **state)
{
    pc_percept_free(*state);
    return 0;
}

typedef struct heard {
    char text[256];
    size_t length, stop_at;
} heard;

static int hear(void *user, const char *text, size_t length)
{
    heard *h = user;
    assert_true(h->length + length < sizeof h->text);
    memcpy(h->text + h->length, text, length);
    h->length += length;
    return h->stop_at == 0 || h->length < h->stop_at;
}

/* transformers' greedy ids for this question, as tests/golden/llava/cases.json has them */
static void test_answers_about_pictures(void **state)
{
    static const int32_t greedy[] = {42, 25, 182, 219, 296, 51, 205, 29, 87, 130, 4, 16};
    heard h = {{0}, 0, 0};
    pc_percept_request request = {.prompt = "Compare the pictures.", .images = pictures, .image_count = 2,
                                  .max_tokens = NEW_TOKENS, .on_text = hear, .user = &h};
    char *answer = NULL, *expected = NULL;
    assert_int_equal(pc_percept_detokenize(*state, greedy, 12, &expected), PC_PERCEPT_OK);
    assert_int_equal(pc_percept_answer(*state, &request, &answer), PC_PERCEPT_OK);
    assert_int_equal(strlen(answer), h.length);
    assert_memory_equal(answer, h.text, h.length);
    /* The ids of a random model needn't be well-formed UTF-8, which an answer is: the ASCII part agrees. */
    const char *at = answer;
    for (const char *c = expected; *c; c++) {
        if ((unsigned char)*c < 128 && *c != ' ') {
            at = strchr(at, *c);
            assert_non_null(at);
            at++;
        }
    }
    pc_percept_release(answer);
    pc_percept_release(expected);
}

static void test_same_answer_again(void **state)
{
    pc_percept_request request = {.prompt = "What is the colour?", .system = "Be brief.", .images = pictures,
                                  .image_count = 1, .max_tokens = NEW_TOKENS, .temperature = 1.5, .seed = 7};
    char *first = NULL, *second = NULL;
    assert_int_equal(pc_percept_answer(*state, &request, &first), PC_PERCEPT_OK);
    assert_int_equal(pc_percept_answer(*state, &request, &second), PC_PERCEPT_OK);
    assert_string_equal(first, second);
    pc_percept_release(first);
    pc_percept_release(second);
}

static void test_stops_when_told(void **state)
{
    heard h = {{0}, 0, 1};
    char *answer = NULL;
    pc_percept_request request = {.prompt = "Tell me.", .max_tokens = 64, .on_text = hear, .user = &h};
    assert_int_equal(pc_percept_answer(*state, &request, &answer), PC_PERCEPT_ERR_INTERRUPTED);
    assert_non_null(answer);
    assert_true(strlen(answer) >= 1 && strlen(answer) < 64);
    pc_percept_release(answer);
}

static void test_tokens_and_back(void **state)
{
    static const char text[] = "two blue squares, </s> and <image>";
    int32_t *ids = NULL;
    size_t count = 0;
    char *back = NULL;
    assert_int_equal(pc_percept_tokenize(*state, text, strlen(text), &ids, &count), PC_PERCEPT_OK);
    assert_true(count > 5);
    assert_int_equal(pc_percept_detokenize(*state, ids, count, &back), PC_PERCEPT_OK);
    assert_string_equal(back, text);
    pc_percept_release(ids);
    pc_percept_release(back);
    assert_int_equal(pc_percept_tokenize(*state, "", 0, &ids, &count), PC_PERCEPT_OK);
    assert_int_equal(count, 0);
    pc_percept_release(ids);
}

static void test_failures_say_why(void **state)
{
    pc_percept *model = NULL;
    char *answer = NULL;
    const char *missing[] = {"no/such/picture.png"};
    assert_int_equal(pc_percept_load(&model, "no/such/model", NULL), PC_PERCEPT_ERR_IO);
    assert_null(model);
    assert_non_null(strstr(pc_percept_error(), "no/such/model"));
    assert_int_equal(pc_percept_load(NULL, LLAVA, NULL), PC_PERCEPT_ERR_USAGE);
    assert_int_equal(pc_percept_load(&model, LLAVA, &(pc_percept_options){.chat_template = "vicunna"}),
                     PC_PERCEPT_ERR_USAGE);

    pc_percept_request request = {.prompt = "What?", .images = missing, .image_count = 1};
    assert_int_equal(pc_percept_answer(*state, &request, &answer), PC_PERCEPT_ERR_IO);
    assert_null(answer);
    assert_non_null(strstr(pc_percept_error(), "no/such/picture.png"));
    request = (pc_percept_request){.prompt = "<image> and <image>", .images = pictures, .image_count = 1};
    assert_int_equal(pc_percept_answer(*state, &request, &answer), PC_PERCEPT_ERR_DATA);
    request = (pc_percept_request){0};
    assert_int_equal(pc_percept_answer(*state, &request, &answer), PC_PERCEPT_ERR_USAGE);
    pc_percept_free(NULL);
    pc_percept_release(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers_about_pictures), cmocka_unit_test(test_same_answer_again),
        cmocka_unit_test(test_stops_when_told),        cmocka_unit_test(test_tokens_and_back),
        cmocka_unit_test(test_failures_say_why),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
