/* The scenes generator: the same scenes everywhere and always, objects visible, answers balanced and true. */
#include "base/memory.h"
#include "base/str.h"
#include "data/scenes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Changes only together with PC_SCENE_VERSION. */
static const char *const frozen[][2] = {
    {"en", "8b9ff5728b7026d0d6d091b915cd22f9c4b1cfe64178bfab51581eaea51a7080"},
    {"zh", "4bfe196d7f9fed58dbc0025ebe7760b214c408c2d789b03809fbea287c025034"},
};

static void test_frozen_hash(void **state)
{
    (void)state;
    for (int i = 0; i < PC_SCENE_LANGUAGES; i++) {
        char hash[65];
        assert_int_equal(pc_scene_hash(pc_scene_language_find(frozen[i][0]), hash), PC_OK);
        assert_string_equal(hash, frozen[i][1]);
    }
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
        double share = (double)kinds[k] / total;
        assert_true(k == PC_SCENE_SHARING ? share == 0 : share > 0.03);
    }
    assert_true((double)kinds[PC_SCENE_RELATION] / total >= 0.20);
}

/* "Do X and Y have the same color, and which?": asked only by name; half of the answers are a colour that the picture has twice. */
static void test_shared_colours(void **state)
{
    (void)state;
    const pc_scene_language *language = pc_scene_language_find("en");
    pc_scene scene;
    pc_scene_question questions[PC_SCENE_QUESTIONS];
    int asked = 0, none = 0;
    for (uint64_t index = 0; index < 1500; index++) {
        pc_scene_draw(&scene, 7, index, NULL);
        int count = pc_scene_questions_of(&scene, language, 1u << PC_SCENE_SHARING, questions);
        for (int i = 0; i < count; i++) {
            assert_int_equal(questions[i].kind, PC_SCENE_SHARING);
            bool shares_none = strcmp(questions[i].answer, "none") == 0;
            int with_it = 0;
            for (int o = 0; o < scene.count; o++) {
                with_it += strcmp(questions[i].answer, pc_scene_colour_word(language, scene.objects[o].colour)) == 0;
            }
            asked += !questions[i].sentence;
            none += shares_none;
            assert_true(questions[i].sentence || shares_none || with_it >= 2);
        }
    }
    assert_true(asked > 1500);
    assert_in_range(100 * none / asked, 40, 75);
}

/* No blank is left, nothing is cut, sentences end with `stop`. */
static void check_words(const char *code, const char *stop)
{
    pc_scene scene;
    pc_scene_question questions[PC_SCENE_QUESTIONS];
    pc_scene_caption caption;
    const pc_scene_language *language = pc_scene_language_find(code);
    for (uint64_t index = 0; index < 500; index++) {
        pc_scene_draw(&scene, 6, index, NULL);
        int count = pc_scene_questions(&scene, language, questions);
        for (int i = 0; i < count; i++) {
            assert_null(strpbrk(questions[i].question, "{}"));
            assert_null(strpbrk(questions[i].answer, "{}"));
            assert_null(strstr(questions[i].question, "  "));
            assert_true(strlen(questions[i].question) < 200 && questions[i].answer[0]);
            if (questions[i].sentence) {
                assert_true(pc_ends_with(questions[i].answer, stop));
            }
        }
        for (int detailed = 0; detailed < 2; detailed++) {
            pc_scene_caption_write(&caption, &scene, language, detailed);
            assert_null(strpbrk(caption.text, "{}"));
            assert_true(pc_ends_with(caption.text, stop));
        }
    }
}

static void test_words_fit(void **state)
{
    (void)state;
    check_words("en", ".");
    check_words("zh", "。");
}

/* Row i of both tables: short answers that mean the same. */
static bool same_meaning(const char *en, const char *zh)
{
    static const char *const words[][2] = {
        {"yes", "是"}, {"no", "否"}, {"small", "小号"}, {"medium", "中号"}, {"large", "大号"}, {"solid", "纯色"},
        {"striped", "条纹"}, {"dotted", "圆点"}, {"red", "红色"}, {"orange", "橙色"}, {"yellow", "黄色"},
        {"green", "绿色"}, {"cyan", "青色"}, {"blue", "蓝色"}, {"purple", "紫色"}, {"pink", "粉色"}, {"brown", "棕色"},
        {"gray", "灰色"}, {"circle", "圆形"}, {"square", "正方形"}, {"triangle", "三角形"}, {"diamond", "菱形"},
        {"star", "星形"}, {"cross", "十字形"}, {"heart", "心形"}, {"ring", "圆环"}, {"left", "左边"}, {"right", "右边"},
        {"above", "上面"}, {"below", "下面"}, {"top", "上排"}, {"middle", "中排"}, {"bottom", "下排"}, {"left", "左列"},
        {"center", "中列"}, {"right", "右列"},
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        size_t n = strlen(words[i][0]), m = strlen(words[i][1]);
        if (strncmp(en, words[i][0], n) == 0 && strncmp(zh, words[i][1], m) == 0) {
            if ((!en[n] && !zh[m]) || (en[n] == ' ' && same_meaning(en + n + 1, zh + m))) {
                return true;
            }
        }
    }
    return strcmp(en, zh) == 0 && !en[1]; /* a digit or letter */
}

/* Question i of a scene is the same one in both languages, with the same answer. */
static void test_languages_agree(void **state)
{
    (void)state;
    pc_scene scene;
    pc_scene_question en[PC_SCENE_QUESTIONS], zh[PC_SCENE_QUESTIONS];
    for (uint64_t index = 0; index < 2000; index++) {
        pc_scene_draw(&scene, 8, index, NULL);
        int count = pc_scene_questions(&scene, pc_scene_language_find("en"), en);
        assert_int_equal(pc_scene_questions(&scene, pc_scene_language_find("zh"), zh), count);
        for (int i = 0; i < count; i++) {
            assert_int_equal(zh[i].pattern, en[i].pattern);
            assert_int_equal(zh[i].sentence, en[i].sentence);
            if (!en[i].sentence && !same_meaning(en[i].answer, zh[i].answer)) {
                fail_msg("scene %d: '%s' %s, '%s' %s", (int)index, en[i].question, en[i].answer, zh[i].question,
                         zh[i].answer);
            }
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
        cmocka_unit_test(test_frozen_hash), cmocka_unit_test(test_shared_colours), cmocka_unit_test(test_same_index_same_scene),
        cmocka_unit_test(test_options),     cmocka_unit_test(test_visible),
        cmocka_unit_test(test_blind_guessing), cmocka_unit_test(test_words_fit),
        cmocka_unit_test(test_object_words),  cmocka_unit_test(test_languages_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
