/* Correcting descriptions, with answerers that are told what to say, and with the truth of a drawn scene as detector. */
#include "agent/correct.h"
#include "agent/words.h"
#include "base/memory.h"
#include "data/scenes.h"
#include "support/allocfail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define CHECK(call) assert_int_equal(call, PC_OK)

/* Replies by what stands in the question; the last entry has no key. */
typedef struct script {
    const char *key, *reply;
} script;

static pc_status reply(void *self, const pc_answer_request *request, pc_answer *out)
{
    const pc_conversation *said = request->conversation;
    const char *question = said->parts[said->part_count - 1].text;
    const script *at = self;
    pc_answer_clear(out);
    while (at->key && !strstr(question, at->key)) {
        at++;
    }
    return pc_str_puts(&out->text, at->reply);
}

static pc_answerer told(const script *lines)
{
    return (pc_answerer){.self = (void *)(uintptr_t)lines, .name = "script", .answer = reply, .parallel = 1};
}

static void takes_lists_apart(void **state)
{
    (void)state;
    static const char text[] = "A large striped red circle at the top left, two dogs and a green letter H on a table. The sky is blue.";
    static const char *const concepts[] = {"red circle", "dog", "green letter", ""};
    static const int counts[] = {1, 2, 1, 0};
    pc_words words;
    char plural[64];
    pc_words_read(&words, text);
    assert_int_equal(words.count, 4);
    assert_int_equal(words.sentences, 2);
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(words.items[i].concept, concepts[i]);
        assert_int_equal(words.items[i].count, counts[i]);
    }
    assert_memory_equal(text + words.items[0].place_begin, "top left", words.items[0].place_end - words.items[0].place_begin);
    pc_words_plural("red cross", plural, sizeof plural);
    assert_string_equal(plural, "red crosses");
    pc_words_plural("dog", plural, sizeof plural);
    assert_string_equal(plural, "dogs");
    pc_words_read(&words, "");
    assert_int_equal(words.count, 0);
}

static void expect(const script *looks, const script *language, pc_detect_style style, const char *text, const char *corrected,
                   size_t corrections, pc_json **record)
{
    static uint8_t grey[16 * 16 * 3];
    pc_image image = {.width = 16, .height = 16, .pixels = grey};
    const pc_answerer eyes = told(looks), words = language ? told(language) : (pc_answerer){0};
    const pc_corrector corrector = {.detector = &eyes, .vqa = &eyes, .language = language ? &words : NULL, .style = style};
    CHECK(pc_correct(&corrector, &(pc_answer_media){.kind = PC_MEDIA_IMAGE, .image = &image}, text, record));
    assert_string_equal(pc_json_get_text(*record, "corrected", ""), corrected);
    assert_int_equal(pc_json_length(pc_json_get(*record, "corrections")), corrections);
}

/* What is not there goes, what there is less of goes from the end, an attribute is put right; each with its evidence. */
static void corrects_by_rules(void **state)
{
    (void)state;
    static const script looks[] = {{"Is there a blue star", "no"}, {"Is there", "Yes, there is."}, {"How many red circles", "2"},
                                   {"How many", "One."}, {"Where is the green cross", "bottom right"}, {"Where", "here"},
                                   {"What size", "small"}, {"What pattern", "solid"}, {NULL, "?"}};
    pc_json *record;
    expect(looks, NULL, PC_DETECT_QUESTIONS,
           "A red circle at the top left, a blue star, a large solid green cross, a red circle and a red circle. It is dark.",
           "A red circle at the top left, a small solid green cross, a red circle. It is dark.", 3, &record);
    const pc_json *corrections = pc_json_get(record, "corrections"), *star = pc_json_at(corrections, 0);
    assert_string_equal(pc_json_get_text(star, "before", ""), "a blue star");
    assert_string_equal(pc_json_get_text(star, "evidence", ""), "There is no blue star.");
    const pc_json *cross = pc_json_at(corrections, 1), *box = pc_json_at(pc_json_get(cross, "boxes"), 0);
    assert_string_equal(pc_json_get_text(cross, "after", ""), "a small solid green cross");
    assert_true(pc_json_number(pc_json_at(box, 0), 0) > 0.66 && pc_json_number(pc_json_at(box, 1), 0) > 0.66);
    assert_string_equal(pc_json_get_text(pc_json_at(corrections, 2), "evidence", ""), "There are 2 red circles.");
    pc_json_free(record);
    expect(looks, NULL, PC_DETECT_QUESTIONS, "A blue star. A dog sleeps.", "A dog sleeps.", 1, &record);
    pc_json_free(record);
    expect(looks, NULL, PC_DETECT_QUESTIONS, "Three red circles and a dog.", "Two red circles, a dog.", 1, &record);
    pc_json_free(record);
    expect(looks, NULL, PC_DETECT_QUESTIONS, "Nothing to see, or so it seems", "Nothing to see, or so it seems", 0, &record);
    pc_json_free(record);
    expect(looks, NULL, PC_DETECT_QUESTIONS, "", "", 0, &record);
    pc_json_free(record);
}

/* Concepts, questions and the new text by a language model; boxes as JSON, small and double ones left out, crops asked about. */
static void corrects_by_a_model(void **state)
{
    (void)state;
    static const script language[] = {{"Which physical objects", "dog. Cat.dog"},
                                      {"Write questions", "What colour is the dog?&dog\nIs it raining?&sky\nno ampersand"},
                                      {"put right by facts", "A brown dog. It rains."}, {NULL, "?"}};
    static const script looks[] = {{"every dog", "Here: [[0.1, 0.1, 0.5, 0.5], [0.1, 0.1, 0.5, 0.501], [0.2, 0.2, 0.21, 0.21]]"},
                                   {"every", "[]"}, {"What colour", "brown"}, {NULL, "?"}};
    static const script broken[] = {{"every", "[[0, 0, 40, 40]]"}, {NULL, "?"}};
    pc_json *record;
    expect(looks, language, PC_DETECT_BOXES, "A white dog and a cat. It rains.", "A brown dog. It rains.", 1, &record);
    const pc_json *claims = pc_json_get(record, "claims");
    assert_string_equal(pc_json_text(pc_json_at(claims, 0)), "There is one dog: [0.100, 0.100, 0.500, 0.500].");
    assert_string_equal(pc_json_text(pc_json_at(claims, 1)), "There is no Cat.");
    assert_string_equal(pc_json_text(pc_json_at(claims, 2)), "dog: What colour is the dog? brown");
    const pc_json *change = pc_json_at(pc_json_get(record, "corrections"), 0);
    assert_string_equal(pc_json_get_text(change, "before", ""), "A white dog and a cat.");
    assert_non_null(strstr(pc_json_get_text(change, "evidence", ""), "There is one dog"));
    assert_int_equal(pc_json_length(pc_json_get(change, "boxes")), 1);
    pc_json_free(record);
    const pc_answerer eyes = told(broken);
    const pc_corrector corrector = {.detector = &eyes, .vqa = &eyes, .style = PC_DETECT_BOXES};
    assert_int_equal(pc_correct(&corrector, &(pc_answer_media){.kind = PC_MEDIA_IMAGE}, "A dog.", &record), PC_ERR_DATA);
    assert_non_null(strstr(pc_error(), "from 0 to 1"));
}

static pc_status correct_once(void *user)
{
    static const script looks[] = {{"Is there a blue star", "no"}, {"Is there", "yes"}, {"How many", "1"}, {NULL, "top left"}};
    const pc_answerer eyes = told(looks);
    const pc_corrector corrector = {.detector = &eyes, .vqa = &eyes};
    pc_json *record = NULL;
    pc_status status = pc_correct(&corrector, &(pc_answer_media){.kind = PC_MEDIA_IMAGE}, user, &record);
    pc_json_free(record);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    char text[] = "A large red circle at the top left, a blue star.";
    (void)state;
    assert_true(pc_test_each_allocation(correct_once, text) > 20);
}

/* --- a scene's truth as detector --- */

static pc_status truth(void *self, const pc_answer_request *request, pc_answer *out)
{
    const pc_scene *scene = self;
    const pc_conversation *said = request->conversation;
    const char *question = said->parts[said->part_count - 1].text;
    const pc_scene_language *english = pc_scene_language_find("en");
    int count = 0;
    pc_answer_clear(out);
    for (int i = 0; i < scene->count; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s %s", pc_scene_colour_word(english, scene->objects[i].colour),
                 pc_scene_noun_word(english, scene->objects[i].noun));
        count += strstr(question, name) != NULL;
    }
    return strstr(question, "How many") ? pc_str_printf(&out->text, "%d", count) : pc_str_puts(&out->text, count ? "yes" : "no");
}

/* An object that is not there is taken out of the true caption again, and nothing else. */
static void finds_what_was_made_up(void **state)
{
    (void)state;
    int tried = 0;
    for (uint64_t i = 0; i < 40; i++) {
        pc_scene scene;
        pc_scene_caption caption;
        pc_str text = {0};
        pc_json *record;
        CHECK(pc_scene_draw(&scene, 77, i, NULL));
        pc_scene_caption_write(&caption, &scene, pc_scene_language_find("en"), true);
        if (strstr(caption.text, "pink heart")) {
            continue;
        }
        const char *end = strstr(caption.text, ". The");
        assert_non_null(end);
        CHECK(pc_str_printf(&text, "%.*s, a large pink heart at the top left%s", (int)(end - caption.text), caption.text, end));
        const pc_answerer eyes = {.self = &scene, .name = "truth", .answer = truth, .parallel = 1};
        const pc_corrector corrector = {.detector = &eyes, .vqa = &eyes};
        CHECK(pc_correct(&corrector, &(pc_answer_media){.kind = PC_MEDIA_IMAGE}, text.data, &record));
        assert_string_equal(pc_json_get_text(record, "corrected", ""), caption.text);
        assert_int_equal(pc_json_length(pc_json_get(record, "corrections")), 1);
        pc_json_free(record);
        pc_str_clear(&text);
        tried++;
    }
    assert_in_range(tried, 20, 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_lists_apart),
        cmocka_unit_test(corrects_by_rules),
        cmocka_unit_test(corrects_by_a_model),
        cmocka_unit_test(finds_what_was_made_up),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
