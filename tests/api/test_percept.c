#define _GNU_SOURCE /* mkdtemp */
/* The public API as a user has it: percept.h and the shared library, nothing of the inside. */
#include <percept/percept.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LLAVA PERCEPT_TESTS_DIR "/golden/llava/hf"
static const pc_percept_image pictures[] = {{.path = PERCEPT_TESTS_DIR "/golden/llava/shapes.png"},
                                            {.path = PERCEPT_TESTS_DIR "/golden/llava/triangle.png"}};
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

static char *bytes_of(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    *size = (size_t)ftell(file);
    rewind(file);
    char *bytes = malloc(*size);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *size, file), *size);
    fclose(file);
    return bytes;
}

/* A picture is the same from a file, from its bytes, and, where it is of one colour, from pixels. */
static void test_pictures_in_memory(void **state)
{
    char *answers[4] = {NULL};
    size_t size;
    char *bytes = bytes_of(pictures[1].path, &size);
    static uint8_t dark[24 * 24 * 3], light[24 * 24 * 3];
    memset(light, 250, sizeof light);
    const pc_percept_image images[4] = {pictures[1], {.bytes = bytes, .size = size}, {.rgb = dark, .width = 24, .height = 24},
                                        {.rgb = light, .width = 24, .height = 24}};
    for (int i = 0; i < 4; i++) {
        pc_percept_request request = {.prompt = "What is the colour?", .images = &images[i], .image_count = 1,
                                      .max_tokens = NEW_TOKENS};
        assert_int_equal(pc_percept_answer(*state, &request, &answers[i]), PC_PERCEPT_OK);
    }
    assert_string_equal(answers[0], answers[1]);
    assert_string_not_equal(answers[2], answers[3]);
    for (int i = 0; i < 4; i++) {
        pc_percept_release(answers[i]);
    }
    free(bytes);
}

/* A conversation that goes on reads only what is new, and says what it would say anyway. */
static void test_conversation(void **state)
{
    char *first = NULL, *second = NULL, *again = NULL;
    pc_percept *fresh = NULL;
    pc_percept_request request = {.prompt = "What is the colour?", .images = pictures, .image_count = 1, .max_tokens = NEW_TOKENS};
    assert_int_equal(pc_percept_answer(*state, &request, &first), PC_PERCEPT_OK);
    const pc_percept_usage once = pc_percept_last(*state);
    assert_true(once.image_tokens > 0 && once.prompt_tokens > once.image_tokens && once.completion_tokens <= NEW_TOKENS);
    assert_true(strcmp(once.finish_reason, "length") == 0 || strcmp(once.finish_reason, "stop") == 0);
    const pc_percept_message said[] = {{"user", "What is the colour?"}, {"assistant", first}};
    request.prompt = "And the shape?";
    request.messages = said;
    request.message_count = 2;
    assert_int_equal(pc_percept_answer(*state, &request, &second), PC_PERCEPT_OK);
    assert_true(pc_percept_last(*state).prompt_tokens > once.prompt_tokens);
    assert_int_equal(load((void **)&fresh), PC_PERCEPT_OK);
    assert_null(pc_percept_last(fresh).finish_reason);
    assert_int_equal(pc_percept_answer(fresh, &request, &again), PC_PERCEPT_OK);
    assert_string_equal(second, again);
    pc_percept_free(fresh);
    pc_percept_release(first);
    pc_percept_release(second);
    pc_percept_release(again);
}

/* The likeliest of given texts; with top_k 1 a draw is no draw. */
static void test_choices_and_samplers(void **state)
{
    static const char *const choices[] = {"red", "blue", NULL};
    char *chosen = NULL, *greedy = NULL, *drawn = NULL;
    pc_percept *model = NULL;
    pc_percept_request request = {.prompt = "What is the colour?", .images = pictures, .image_count = 1, .choices = choices};
    assert_int_equal(pc_percept_answer(*state, &request, &chosen), PC_PERCEPT_OK);
    assert_true(strcmp(chosen, "red") == 0 || strcmp(chosen, "blue") == 0);
    request.choices = NULL;
    request.max_tokens = NEW_TOKENS;
    assert_int_equal(load((void **)&model), PC_PERCEPT_OK);
    assert_int_equal(pc_percept_answer(model, &request, &greedy), PC_PERCEPT_OK);
    assert_int_equal(pc_percept_set(model, "top_k", 1), PC_PERCEPT_OK);
    request.temperature = 2;
    assert_int_equal(pc_percept_answer(model, &request, &drawn), PC_PERCEPT_OK);
    assert_string_equal(greedy, drawn);
    pc_percept_free(model);
    pc_percept_release(chosen);
    pc_percept_release(greedy);
    pc_percept_release(drawn);
}

static int two_steps(void *user, const pc_percept_step *step)
{
    *(int64_t *)user = step->step;
    return step->step < 2;
}

/* A recipe from C: stopped after two steps, gone on with, and the model that comes out answers. */
static void test_trains(void **state)
{
    char folder[] = "/tmp/percept-api-XXXXXX", recipe[64], output[64], command[80];
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(recipe, sizeof recipe, "%s/recipe.yaml", folder);
    snprintf(output, sizeof output, "output_dir=%s/out", folder);
    FILE *file = fopen(recipe, "w");
    assert_non_null(file);
    fprintf(file, "model_init: %s/../recipes/tiny/quick\ntokenizer_name_or_path: %s/../recipes/tiny/english\n", PERCEPT_TESTS_DIR,
            PERCEPT_TESTS_DIR);
    fputs("template: chatml\nstage: sft\ndataset: scenes?seed=1&n=40&content=questions&turns=2\nturns: independent\n"
          "freeze_vision_tower: false\nper_device_train_batch_size: 2\nmax_steps: 3\nplot_loss: false\n", file);
    fclose(file);
    int64_t seen = 0;
    const char *const settings[] = {output, "resume_from_checkpoint=latest", NULL};
    assert_int_equal(pc_percept_train(recipe, settings, two_steps, &seen), PC_PERCEPT_ERR_INTERRUPTED);
    assert_int_equal(seen, 2);
    assert_int_equal(pc_percept_train(recipe, settings, NULL, NULL), PC_PERCEPT_OK);
    pc_percept *model = NULL;
    char *answer = NULL;
    const pc_percept_request request = {.prompt = "What is it?", .images = pictures, .image_count = 1, .max_tokens = 2};
    assert_int_equal(pc_percept_load(&model, output + strlen("output_dir="), NULL), PC_PERCEPT_OK);
    assert_int_equal(pc_percept_answer(model, &request, &answer), PC_PERCEPT_OK);
    pc_percept_release(answer);
    pc_percept_free(model);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    assert_int_equal(system(command), 0);
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

/* A text behind the 256 tokens that the model was made for, in a small cache; the same for any number of threads. */
static void test_small_cache(void **state)
{
    const pc_percept_request request = {.prompt = "Once upon a time", .max_tokens = 400, .temperature = 1, .seed = 4};
    char *answer[2] = {NULL, NULL};
    (void)state;
    for (int i = 0; i < 2; i++) {
        pc_percept *model = NULL;
        const pc_percept_options options = {.threads = 1 + i, .context = 1000, .chat_template = "raw", .cache_type_k = "q8_0",
                                            .cache_type_v = "q4_0", .window = 60};
        assert_int_equal(pc_percept_load(&model, PERCEPT_TESTS_DIR "/golden/llama/tied", &options), PC_PERCEPT_OK);
        assert_int_equal(pc_percept_answer(model, &request, &answer[i]), PC_PERCEPT_OK);
        const size_t made = pc_percept_last(model).completion_tokens;
        assert_true(made > 256);
        pc_percept_free(model);
    }
    assert_string_equal(answer[0], answer[1]);
    pc_percept_release(answer[0]);
    pc_percept_release(answer[1]);
    pc_percept *model;
    assert_int_equal(pc_percept_load(&model, LLAVA, &(pc_percept_options){.cache_type_v = "q6_k"}), PC_PERCEPT_ERR_USAGE);
    assert_string_equal(pc_percept_error(), "pc_percept_load: cache_type_v 'q6_k': expected f32, f16, bf16, q8_0 or q4_0");
}

static void test_failures_say_why(void **state)
{
    pc_percept *model = NULL;
    char *answer = NULL;
    const pc_percept_image missing[] = {{.path = "no/such/picture.png"}}, nothing[] = {{0}}, text[] = {{.bytes = "text", .size = 4}};
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
    request.images = nothing;
    assert_int_equal(pc_percept_answer(*state, &request, &answer), PC_PERCEPT_ERR_USAGE);
    assert_non_null(strstr(pc_percept_error(), "image 0"));
    request.images = text;
    assert_int_equal(pc_percept_answer(*state, &request, &answer), PC_PERCEPT_ERR_DATA);
    assert_non_null(strstr(pc_percept_error(), "image 0"));
    request = (pc_percept_request){.prompt = "What?", .messages = &(pc_percept_message){"narrator", "Once"}, .message_count = 1};
    assert_int_equal(pc_percept_answer(*state, &request, &answer), PC_PERCEPT_ERR_DATA);
    assert_non_null(strstr(pc_percept_error(), "narrator"));
    assert_int_equal(pc_percept_set(*state, "top_q", 1), PC_PERCEPT_ERR_USAGE);
    assert_int_equal(pc_percept_train("no/such/recipe.yaml", NULL, NULL, NULL), PC_PERCEPT_ERR_IO);
    assert_int_equal(pc_percept_load(&model, LLAVA, &(pc_percept_options){.adapter = "no/such/adapter"}), PC_PERCEPT_ERR_IO);
    assert_null(model);
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
        cmocka_unit_test(test_pictures_in_memory),     cmocka_unit_test(test_conversation),
        cmocka_unit_test(test_choices_and_samplers),   cmocka_unit_test(test_trains),
        cmocka_unit_test(test_stops_when_told),        cmocka_unit_test(test_tokens_and_back),
        cmocka_unit_test(test_failures_say_why),       cmocka_unit_test(test_small_cache),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
