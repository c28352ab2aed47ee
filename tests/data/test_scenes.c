/* The scenes generator: the same scenes everywhere and always, objects visible, answers balanced and true. */
#include "base/memory.h"
#include "data/scenes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Changes only together with PC_SCENE_VERSION. */
static const char frozen_hash[] = "8b9ff5728b7026d0d6d091b915cd22f9c4b1cfe64178bfab51581eaea51a7080";

static void test_frozen_hash(void **state)
{
    (void)state;
    char hash[65];
    assert_int_equal(pc_scene_hash(hash), PC_OK);
    assert_string_equal(hash, frozen_hash);
}

static void test_same_index_same_scene(void **state)
{
    (void)state;
    static uint8_t first[96 * 96 * 3], second[96 * 96 * 3];
    pc_scene a, b;
    for (uint64_t i = 0; i < 20; i++) {
        assert_int_equal(pc_scene_draw(&a, 7, i, NULL), PC_OK);
        assert_int_equal(pc_scene_draw(&b, 7, i, NULL), PC_OK);
        assert_int_equal(a.count, b.count);
        pc_scene_render(&a, first);
        pc_scene_render(&b, second);
        assert_memory_equal(first, second, sizeof first);
    }
    pc_scene_draw(&b, 8, 19, NULL);
    pc_scene_render(&b, second);
    assert_memory_not_equal(first, second, sizeof first);
}

static void test_options(void **state)
{
    (void)state;
    pc_scene scene;
    pc_scene_options small = {.side = 95}, wrong = {.min_objects = 3, .max_objects = 2}, nine = {0, 1, 9};
    assert_int_equal(pc_scene_draw(&scene, 1, 1, &small), PC_ERR_USAGE);
    assert_int_equal(pc_scene_draw(&scene, 1, 1, &wrong), PC_ERR_USAGE);
    assert_int_equal(pc_scene_draw(&scene, 1, 1, &nine), PC_ERR_USAGE);
    pc_scene_options two = {.side = 160, .min_objects = 1, .max_objects = 2};
    for (uint64_t i = 0; i < 50; i++) {
        assert_int_equal(pc_scene_draw(&scene, 1, i, &two), PC_OK);
        assert_in_range(scene.count, 1, 2);
        assert_int_equal(scene.side, 160);
    }
    pc_image *picture = NULL;
    assert_int_equal(pc_scene_image(&picture, &scene), PC_OK);
    assert_int_equal(picture->width, 160);
    pc_image_free(picture);
    assert_null(pc_scene_language_find("xx"));
}

static void test_visible(void **state)
{
    (void)state;
    static uint8_t masks[PC_SCENE_OBJECTS][96 * 96];
    pc_scene scene;
    double least = 1;
    for (uint64_t index = 0; index < 1500; index++) {
        pc_scene_draw(&scene, 11, index, NULL);
        assert_in_range(scene.count, 1, PC_SCENE_OBJECTS);
        for (int i = 0; i < scene.count; i++) {
            pc_scene_mask(&scene, i, masks[i]);
        }
        for (int i = 0; i < scene.count; i++) {
            int all = 0, seen = 0;
            for (int p = 0; p < 96 * 96; p++) {
                bool covered = false;
                for (int j = i + 1; j < scene.count; j++) {
                    covered |= masks[j][p] >= 128;
                }
                all += masks[i][p] >= 128;
                seen += masks[i][p] >= 128 && !covered;
            }
            double share = (double)seen / all;
            least = share < least ? share : least;
        }
    }
    print_message("least visible share %.3f\n", least);
    assert_true(least >= 0.6);
}

/* Guess, for each phrasing, the answer most frequent in these very scenes. */
enum { PATTERNS = 128, ANSWERS = 64 };
typedef struct tally {
    int count, used;
    char answers[ANSWERS][PC_SCENE_TEXT];
    int counts[ANSWERS];
} tally;

static void tally_add(tally *t, const char *answer)
{
    char text[PC_SCENE_TEXT];
    bool yes = strncmp(answer, "Yes", 3) == 0 || strncmp(answer, "No,", 3) == 0;
    snprintf(text, sizeof text, "%.*s", yes ? 3 : PC_SCENE_TEXT - 1, answer);
    t->count++;
    for (int i = 0; i < t->used; i++) {
        if (strcmp(t->answers[i], text) == 0) {
            t->counts[i]++;
            return;
        }
    }
    if (t->used < ANSWERS) {
        memcpy(t->answers[t->used], text, sizeof text);
        t->counts[t->used++] = 1;
    }
}

static void test_blind_guessing(void **state)
{
    (void)state;
    tally *tallies = pc_calloc(PATTERNS, sizeof *tallies);
    assert_non_null(tallies);
    pc_scene scene;
    pc_scene_question questions[PC_SCENE_QUESTIONS];
    int kinds[PC_SCENE_KINDS] = {0}, total = 0, scenes = 3000, hits = 0;
    for (uint64_t index = 0; index < (uint64_t)scenes; index++) {
        pc_scene_draw(&scene, 5, index, NULL);
        int count = pc_scene_questions(&scene, pc_scene_language_find("en"), questions);
        for (int i = 0; i < count; i++) {
            assert_in_range(questions[i].pattern, 0, PATTERNS - 1);
            kinds[questions[i].kind]++;
            total++;
            if (!questions[i].sentence) {
                tally_add(&tallies[questions[i].pattern], questions[i].answer);
            }
        }
    }
    int counted = 0;
    for (int p = 0; p < PATTERNS; p++) {
        int best = 0;
        for (int i = 0; i < tallies[p].used; i++) {
            best = tallies[p].counts[i] > best ? tallies[p].counts[i] : best;
        }
        hits += best;
        counted += tallies[p].count;
    }
    pc_free(tallies);
    print_message("%.2f questions a scene, guessing without pictures: %.1f %%\n", (double)total / scenes,
                  100.0 * hits / counted);
    assert_true((double)hits / counted < 0.40);
    assert_true((double)total / scenes >= 8);
    for (int k = 0; k < PC_SCENE_KINDS; k++) {
        print_message("%-10s %.3f\n", pc_scene_kind_name((pc_scene_kind)k), (double)kinds[k] / total);
        assert_true((double)kinds[k] / total > 0.03);
    }
    assert_true((double)kinds[PC_SCENE_RELATION] / total >= 0.20);
}

static void test_words_fit(void **state)
{
    (void)state;
    pc_scene scene;
    pc_scene_question questions[PC_SCENE_QUESTIONS];
    pc_scene_caption caption;
    const pc_scene_language *english = pc_scene_language_find("en");
    for (uint64_t index = 0; index < 500; index++) {
        pc_scene_draw(&scene, 6, index, NULL);
        int count = pc_scene_questions(&scene, english, questions);
        for (int i = 0; i < count; i++) {
            assert_null(strpbrk(questions[i].question, "{}"));
            assert_null(strpbrk(questions[i].answer, "{}"));
            assert_null(strstr(questions[i].question, "  "));
            assert_true(strlen(questions[i].question) < 200 && questions[i].answer[0]);
            if (questions[i].sentence) {
                assert_int_equal(questions[i].answer[strlen(questions[i].answer) - 1], '.');
            }
        }
        for (int detailed = 0; detailed < 2; detailed++) {
            pc_scene_caption_write(&caption, &scene, english, detailed);
            assert_null(strpbrk(caption.text, "{}"));
            assert_int_equal(caption.text[strlen(caption.text) - 1], '.');
        }
    }
}

static void test_object_words(void **state)
{
    (void)state;
    const pc_scene_language *english = pc_scene_language_find("en");
    pc_scene_object star = {.noun = 4, .colour = 2, .size = 1, .texture = 1, .x = 80, .y = 50, .radius = 11};
    pc_scene_object letter = {.noun = PC_SCENE_LETTER, .glyph = 'K', .colour = 0, .size = 2, .x = 20, .y = 20, .radius = 17};
    char words[96];
    pc_scene_object_words(words, sizeof words, &star, english);
    assert_string_equal(words, "medium striped yellow star middle right");
    pc_scene_object_words(words, sizeof words, &letter, english);
    assert_string_equal(words, "large red letter K top left");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frozen_hash), cmocka_unit_test(test_same_index_same_scene),
        cmocka_unit_test(test_options),     cmocka_unit_test(test_visible),
        cmocka_unit_test(test_blind_guessing), cmocka_unit_test(test_words_fit),
        cmocka_unit_test(test_object_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
