/* Evaluation without a model: an answerer that knows some answers, tasks from files, what is
 * counted and what is written. */
#include "base/file.h"
#include "base/memory.h"
#include "eval/tally.h"
#include "prompt/match.h"
#include "support/allocfail.h"
#include "support/folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define GOLDEN PERCEPT_TESTS_DIR "/golden/"

#define CHECK(call)                     \
    do {                                \
        if ((call) != PC_OK) {          \
            fail_msg("%s", pc_error()); \
        }                               \
    } while (0)

static void match_is_exact_but_for_case_space_and_period(void **state)
{
    (void)state;
    static const struct {
        const char *answer, *truth;
        bool same;
    } cases[] = {
        {"Yes", "yes", true},        {" red.\n", "red", true},    {"red .", "red", true},
        {"red..", "red", false},     {"", "", true},              {".", "", true},
        {"reds", "red", false},      {"RED CIRCLE", "red circle", true},
        {"\xC3\x84", "\xC3\xA4", false}, {NULL, "", true},        {"a  b", "a b", false},
        {"There are 3.", "there are 3", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bool same = !cases[i].same;
        CHECK(pc_match_exact(cases[i].answer, cases[i].truth, &same));
        if (same != cases[i].same) {
            fail_msg("'%s' and '%s': %d", cases[i].answer ? cases[i].answer : "NULL",
                     cases[i].truth, same);
        }
    }
}

/* Knows what `truth` says when the question begins with K; notes what it was shown. */
typedef struct oracle {
    const char *truth;
    int asked, pictures, blank;
    int stop_at; /* cancels at this question; 0 = never */
} oracle;

static bool is_blank(const pc_image *image)
{
    for (int i = 0; i < image->width * image->height * 3; i++) {
        if (image->pixels[i] != 128) {
            return false;
        }
    }
    return true;
}

static pc_status answer(void *self, const pc_answer_request *request, pc_answer *out)
{
    oracle *o = self;
    const pc_conversation *said = request->conversation;
    const pc_part *text = &said->parts[said->part_count - 1];
    const char *words = text->text[0] == 'K' ? o->truth : "no idea";
    assert_true(request->temperature == 0);
    o->asked++;
    o->pictures += (int)request->media_count;
    o->blank += request->media_count && request->media[0].image &&
        is_blank(request->media[0].image);
    pc_answer_clear(out);
    out->end = o->asked == o->stop_at ? PC_ANSWER_CANCELLED : PC_ANSWER_STOP;
    return pc_str_puts(&out->text, words);
}

static const char LINES[] = "{\"image\": \"a.png\", \"question\": \"K1\", \"answer\": \"red\", "
                            "\"kind\": \"colour\"}\n"
                            "\n  \n"
                            "{\"image\": \"a.png\", \"question\": \"X2\", \"answer\": \"red\", "
                            "\"kind\": \"colour\"}\r\n"
                            "{\"question\": \"K3\", \"answer\": \"RED.\", \"kind\": \"shape\"}\n"
                            "{\"question\": \"X4\", \"answer\": \"blue\"}";

static void make_questions(const char *folder)
{
    size_t size;
    unsigned char *bytes = pc_test_read(GOLDEN "llava", "shapes.png", &size);
    pc_test_write(folder, "a.png", bytes, size);
    free(bytes);
    pc_test_write(folder, "q.jsonl", LINES, strlen(LINES));
}

static pc_status score(pc_tally *out, oracle *o, const char *word, const pc_tally_options *options)
{
    const pc_task *task;
    const char *path;
    pc_answerer answerer = {.self = o, .name = "oracle", .answer = answer, .parallel = 1};
    PC_TRY(pc_task_find(&task, &path, word, NULL));
    return pc_tally_task(out, &answerer, task, &(pc_task_options){.path = path, .seed = 900001},
                         options);
}

static void counts_by_kind_and_writes_samples(void **state)
{
    (void)state;
    char folder[256], path[512], samples[512];
    oracle o = {.truth = "Red."};
    pc_tally got;
    size_t size;
    pc_test_folder_new(folder);
    make_questions(folder);
    CHECK(score(&got, &o, pc_test_path(path, folder, "q.jsonl"),
                &(pc_tally_options){.samples = pc_test_path(samples, folder, "s.jsonl")}));
    assert_int_equal(got.asked, 4);
    assert_int_equal(got.right, 2);
    assert_int_equal(got.kind_count, 2);
    assert_string_equal(got.kinds[0].name, "colour");
    assert_int_equal(got.kinds[0].asked, 2);
    assert_int_equal(got.kinds[0].right, 1);
    assert_int_equal(got.kinds[1].right, 1);
    assert_int_equal(o.pictures, 2);
    assert_int_equal(o.blank, 0);
    unsigned char *text = pc_test_read(folder, "s.jsonl", &size);
    static const char first[] = "{\"id\": \"1\", \"kind\": \"colour\", \"question\": \"K1\", "
                                "\"truth\": \"red\", \"answer\": \"Red.\", \"right\": true}\n";
    assert_true(size > strlen(first));
    assert_memory_equal(text, first, strlen(first));
    free(text);
    CHECK(score(&got, &o, path, &(pc_tally_options){.limit = 3}));
    assert_int_equal(got.asked, 3);
    pc_test_folder_free(folder);
}

static void blank_pictures_have_the_size_and_no_content(void **state)
{
    (void)state;
    char folder[256], path[512];
    oracle o = {.truth = "red"};
    pc_tally got;
    pc_test_folder_new(folder);
    make_questions(folder);
    CHECK(score(&got, &o, pc_test_path(path, folder, "q.jsonl"),
                &(pc_tally_options){.blank_images = true}));
    assert_int_equal(o.pictures, 2);
    assert_int_equal(o.blank, 2);
    o = (oracle){.truth = "red"};
    CHECK(score(&got, &o, "scenes", &(pc_tally_options){.blank_images = true, .limit = 30}));
    assert_int_equal(o.blank, 30);
    pc_test_folder_free(folder);
}

static void scenes_are_the_same_each_time(void **state)
{
    (void)state;
    const pc_task *task;
    const char *path;
    void *a, *b;
    pc_task_question x, y;
    bool have;
    CHECK(pc_task_find(&task, &path, "scenes", NULL));
    CHECK(task->open(&a, &(pc_task_options){.seed = 900001}));
    CHECK(task->open(&b, &(pc_task_options){.seed = 900001}));
    for (int i = 0; i < 100; i++) {
        CHECK(task->next(a, &x, &have));
        CHECK(task->next(b, &y, &have));
        assert_true(have);
        assert_string_equal(x.id, y.id);
        assert_string_equal(x.question, y.question);
        assert_string_equal(x.answer, y.answer);
        assert_memory_equal(x.image->pixels, y.image->pixels, 96 * 96 * 3);
    }
    task->close(a);
    task->close(b);
}

static void easy_vqa_folder(void **state)
{
    (void)state;
    static const char questions[] = "[[\"what is the red shape?\", \"circle\", 0],"
                                    " [\"is there a circle?\", \"yes\", 0],"
                                    " [\"what is the color of the shape?\", \"red\", 3]]";
    char folder[256], path[512];
    oracle o = {.truth = ""};
    pc_tally got;
    pc_test_folder_new(folder);
    assert_int_equal(pc_make_directories(pc_test_path(path, folder, "images")), PC_OK);
    pc_test_write(folder, "questions.json", questions, strlen(questions));
    CHECK(score(&got, &o, folder, &(pc_tally_options){.limit = 0}));
    assert_int_equal(got.asked, 3);
    assert_int_equal(got.kind_count, 3);
    assert_string_equal(got.kinds[0].name, "shape");
    assert_string_equal(got.kinds[1].name, "yes_no");
    assert_string_equal(got.kinds[2].name, "colour");
    assert_int_equal(o.pictures, 3);
    pc_test_write(folder, "questions.json", "[[1]]", 5);
    assert_int_equal(score(&got, &o, folder, &(pc_tally_options){.limit = 0}), PC_ERR_DATA);
    pc_test_folder_free(folder);
}

static void a_signal_ends_it(void **state)
{
    (void)state;
    oracle o = {.truth = "", .stop_at = 4};
    pc_tally got;
    assert_int_equal(score(&got, &o, "scenes", &(pc_tally_options){.limit = 9}),
                     PC_ERR_INTERRUPTED);
    assert_int_equal(got.asked, 3);
}

static void refuses(void **state)
{
    (void)state;
    static const char *const lines[] = {"{\"question\": \"a\"}", "{\"answer\": \"a\"}", "[]", "{",
                                        "{\"question\": 3, \"answer\": \"a\"}"};
    char folder[256], path[512];
    oracle o = {.truth = ""};
    pc_tally got;
    pc_tally_options options = {0};
    pc_test_folder_new(folder);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        pc_test_write(folder, "q.jsonl", lines[i], strlen(lines[i]));
        assert_int_equal(score(&got, &o, pc_test_path(path, folder, "q.jsonl"), &options),
                         PC_ERR_DATA);
        assert_non_null(strstr(pc_error(), "q.jsonl:1"));
    }
    assert_int_equal(score(&got, &o, "sceness", &options), PC_ERR_USAGE);
    assert_non_null(strstr(pc_error(), "'scenes'"));
    assert_int_equal(score(&got, &o, "scenes:x", &options), PC_ERR_USAGE);
    assert_int_equal(score(&got, &o, "questions", &options), PC_ERR_USAGE);
    assert_int_equal(score(&got, &o, "no/such.jsonl", &options), PC_ERR_IO);
    pc_test_folder_free(folder);
}

/* --- memory --- */

static char shared_path[512];

static pc_status score_and_write(void *user)
{
    oracle o = {.truth = "red"};
    pc_tally got;
    pc_json *json = NULL;
    (void)user;
    PC_TRY(score(&got, &o, shared_path, &(pc_tally_options){.blank_images = true}));
    PC_TRY(pc_tally_to_json(&got, &json));
    pc_json_free(json);
    return score(&got, &o, "scenes", &(pc_tally_options){.limit = 12});
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    char folder[256];
    pc_test_folder_new(folder);
    make_questions(folder);
    pc_test_path(shared_path, folder, "q.jsonl");
    assert_true(pc_test_each_allocation(score_and_write, NULL) > 20);
    pc_test_folder_free(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(match_is_exact_but_for_case_space_and_period),
        cmocka_unit_test(counts_by_kind_and_writes_samples),
        cmocka_unit_test(blank_pictures_have_the_size_and_no_content),
        cmocka_unit_test(scenes_are_the_same_each_time),
        cmocka_unit_test(easy_vqa_folder),
        cmocka_unit_test(a_signal_ends_it),
        cmocka_unit_test(refuses),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
