/* Measures of instruction data: self-BLEU and distinct n-grams as nltk has them, words, tasks, pairs of verb and noun. */
#include "base/json.h"
#include "base/memory.h"
#include "instruct/coverage.h"
#include "instruct/measure.h"
#include "instruct/roots.h"
#include "instruct/self_bleu.h"
#include "instruct/wording.h"
#include "support/allocfail.h"
#include "support/folder.h"
#include "support/golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void test_likeness(void **state)
{
    enum { MOST = 64 };
    pc_json *truth;
    pc_word_ids *ids;
    pc_words texts[MOST];
    pc_likeness found;
    (void)state;
    assert_int_equal(pc_json_read(&truth, GOLDEN("instruct/self_bleu.json"), 1 << 20), PC_OK);
    assert_int_equal(pc_word_ids_new(&ids), PC_OK);
    const pc_json *list = pc_json_get(truth, "texts");
    size_t count = pc_json_length(list);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(pc_word_ids_read(ids, &texts[i], pc_json_text(pc_json_at(list, i))), PC_OK);
    }
    assert_int_equal(pc_likeness_of(&found, texts, count), PC_OK);
    assert_float_equal(found.self_bleu, pc_json_get_number(truth, "self_bleu", 0), 1e-12);
    for (size_t n = 0; n < PC_NGRAM_MAX; n++) {
        assert_float_equal(found.distinct[n], pc_json_number(pc_json_at(pc_json_get(truth, "distinct"), n), 0), 1e-12);
    }
    assert_int_equal(pc_likeness_of(&found, texts, 1), PC_OK); /* nothing to compare with */
    assert_float_equal(found.self_bleu, 0, 0);
    for (size_t i = 0; i < count; i++) {
        pc_free(texts[i].id);
    }
    pc_word_ids_free(ids);
    pc_json_free(truth);
}

static void test_wording(void **state)
{
    static const struct {
        const char *text, *words;
        size_t count;
    } cases[] = {
        {"What's the DOG's name?", "what's the dog's name", 4},
        {"Ärger, 3.5 x", "ärger 3 5 x", 4},
        {"图片里有2只cat吗？", "图 片 里 有 2 只 cat 吗", 8},
        {"  'quoted' ... ", "quoted'", 1},
        {"a\xff" "b", "a b", 2},
        {"", NULL, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pc_str words = {0};
        size_t count;
        assert_int_equal(pc_wording(&words, cases[i].text, strlen(cases[i].text), &count), PC_OK);
        assert_int_equal(count, cases[i].count);
        assert_true(cases[i].words ? strcmp(words.data, cases[i].words) == 0 : words.length == 0);
        pc_str_clear(&words);
    }
}

static void test_tasks(void **state)
{
    static const struct {
        const char *question, *answer, *task;
        int pictures;
    } cases[] = {
        {"How many dogs are there?", "Two", "counting", 1},
        {"How many legs has a dog?", "Four", "text only", 0},
        {"Is there a dog?", "No, there is a cat.", "yes or no", 1},
        {"Look closely. Is there a dog?", "I can't tell", "yes or no", 1},
        {"Is it big or tiny?", "big", "other", 1},
        {"Where is the cat?", "[0.1, 0.25, 0.5, 0.75]", "grounding", 1},
        {"What is at (12,30),(50,90)?", "a cat", "grounding", 1},
        {"Where is the cat?", "[1, 2, 3]", "place", 1},
        {"What is it?\nA. a cat\nB. a dog", "A", "choice", 1},
        {"Why is the street wet?", "It rained.", "reasoning", 1},
        {"What colour is the ball?", "red", "attribute", 1},
        {"What is written on the sign?", "STOP", "text reading", 1},
        {"Describe the picture.", "A cat on a mat.", "description", 1},
        {"What is the man doing?", "running", "action", 1},
        {"What animal is it?", "a cat", "object", 1},
        {"Hello", "Good day", "other", 1},
        {"图片里有多少只猫？", "两只", "counting", 1},
        {"有没有狗？", "没有", "yes or no", 1},
        {"请描述图片。", "一只猫", "description", 1},
        {"Recount it.", "So it was", "other", 1}, /* "count" is no whole word there */
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const pc_exchange exchange = {cases[i].question, cases[i].answer, cases[i].pictures};
        assert_string_equal(pc_coverage_name(pc_coverage_task(&exchange)), cases[i].task);
    }
}

static void test_roots(void **state)
{
    static const char *const cases[][2] = {
        {"please describe the picture in detail", "describe picture"},
        {"give me a brief description of it", "give description"},
        {"can you list all the objects", "list objects"},
        {"what colour is it", NULL},
        {"look at the small red ball near the old tree and describe it", NULL}, /* too far behind */
        {"describe it", NULL},
        {"", NULL},
    };
    char found[PC_ROOTS_ROOM];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(pc_roots_find(found, cases[i][0]), cases[i][1] != NULL);
        if (cases[i][1]) {
            assert_string_equal(found, cases[i][1]);
        }
    }
}

static const char rows[] =
    "{\"conversations\": [{\"from\": \"human\", \"value\": \"Describe the sea.\"}, {\"from\": \"gpt\", \"value\": \"It is wide.\"},"
    " {\"from\": \"human\", \"value\": \"Describe the sky.\"}, {\"from\": \"gpt\", \"value\": \"Blue\"}]}\n"
    "{\"conversations\": [{\"from\": \"human\", \"value\": \"Describe the sea.\"}, {\"from\": \"gpt\", \"value\": \"It is deep.\"}]}\n"
    "{\"broken\": 1}\n";

static pc_status measure_rows(void *user)
{
    const char *path = user;
    const pc_measure_options options = {.sample = 100, .top = 3, .seed = 1};
    pc_json *report;
    PC_TRY(pc_measure_data(&report, &path, 1, &options));
    pc_json_free(report);
    return PC_OK;
}

static void test_report(void **state)
{
    char folder[256], path[512];
    pc_json *report;
    const pc_measure_options options = {.sample = 100, .top = 1, .seed = 1};
    (void)state;
    pc_test_folder_new(folder);
    pc_test_write(folder, "rows.jsonl", rows, strlen(rows));
    const char *where = pc_test_path(path, folder, "rows.jsonl");
    assert_int_equal(pc_measure_data(&report, &where, 1, &options), PC_OK);
    const pc_json *questions = pc_json_get(report, "questions"), *pairs = pc_json_get(questions, "verb_noun");
    assert_int_equal(pc_json_get_integer(report, "samples", 0), 3);
    assert_int_equal(pc_json_get_integer(report, "skipped", 0), 1);
    assert_int_equal(pc_json_get_integer(report, "exchanges", 0), 3);
    assert_int_equal(pc_json_get_integer(pc_json_get(report, "tasks"), "text only", 0), 3);
    assert_float_equal(pc_json_get_number(report, "tasks_effective", 0), 1, 1e-12);
    assert_float_equal(pc_json_get_number(questions, "different", 0), 2.0 / 3, 1e-12);
    assert_float_equal(pc_json_get_number(questions, "distinct_1", 0), 4.0 / 9, 1e-12);
    assert_int_equal(pc_json_get_integer(pairs, "different", 0), 2);
    assert_string_equal(pc_json_text(pc_json_at(pc_json_at(pc_json_get(pairs, "top"), 0), 0)), "describe sea");
    assert_int_equal(pc_json_get_integer(pc_json_get(report, "answer_forms"), "word", 0), 3);
    pc_json_free(report);
    pc_test_each_allocation(measure_rows, path);
    pc_test_folder_free(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_likeness), cmocka_unit_test(test_wording), cmocka_unit_test(test_tasks),
        cmocka_unit_test(test_roots),    cmocka_unit_test(test_report),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
