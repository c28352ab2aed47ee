/* Made-up words: an episode names two values of one attribute the same way throughout, the next one otherwise; single samples share one
 * naming; tossed ones show the same with words by chance. */
#include "data/dataset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char *text_of(const pc_sample *sample, size_t message)
{
    const pc_message *m = &sample->conversation.messages[message];
    for (size_t p = m->first; p < m->first + m->count; p++) {
        if (sample->conversation.parts[p].text) {
            return sample->conversation.parts[p].text;
        }
    }
    return "";
}

static pc_dataset *open_set(const char *path)
{
    pc_dataset *dataset;
    assert_int_equal(pc_dataset_open(&dataset, path, NULL, NULL), PC_OK);
    return dataset;
}

/* The two words of "Is it dax or wug?". */
static void words_of(const char *question, char words[2][16])
{
    assert_int_equal(sscanf(question, "Is it %15s or %15[^?]?", words[0], words[1]), 2);
    assert_string_not_equal(words[0], words[1]);
}

static void test_episodes(void **state)
{
    pc_dataset *dataset = open_set("scene_words?seed=3&n=200&side=96");
    pc_sample sample = {0};
    int firsts = 0, changes = 0, answers = 0;
    char last[64] = "";
    (void)state;
    for (int64_t i = 0; i < 200; i++) {
        char words[2][16];
        assert_int_equal(pc_dataset_read(dataset, i, &sample), PC_OK);
        assert_int_equal(sample.image_count, 9);
        assert_int_equal(sample.conversation.count, 18);
        words_of(text_of(&sample, 0), words);
        for (size_t t = 0; t < 18; t += 2) {
            assert_string_equal(text_of(&sample, t), text_of(&sample, 0));
            bool first = strcmp(text_of(&sample, t + 1), words[0]) == 0;
            assert_true(first || strcmp(text_of(&sample, t + 1), words[1]) == 0);
            firsts += first;
            answers++;
        }
        changes += strcmp(last, text_of(&sample, 0)) != 0;
        snprintf(last, sizeof last, "%s", text_of(&sample, 0));
    }
    assert_in_range(firsts, answers * 45 / 100, answers * 55 / 100);
    assert_true(changes > 190);
    pc_sample_clear(&sample);
    pc_dataset_close(dataset);
}

/* The colour that stands out: of the pixel farthest from the corner's, by its largest and smallest channel. */
static void stands_out(const pc_image *image, int out[2])
{
    int most = -1;
    for (size_t i = 0; i < (size_t)image->width * (size_t)image->height; i++) {
        const uint8_t *pixel = image->pixels + 3 * i;
        int low = 0, high = 0;
        for (int c = 1; c < 3; c++) {
            low = pixel[c] < pixel[low] ? c : low;
            high = pixel[c] > pixel[high] ? c : high;
        }
        if (pixel[high] - pixel[low] > most) {
            most = pixel[high] - pixel[low];
            out[0] = high;
            out[1] = low;
        }
    }
}

/* One word, one colour: among seeds whose two colours differ in their strongest channel, each word has its own. */
static void test_words_have_a_meaning(void **state)
{
    int told_apart = 0;
    (void)state;
    for (int seed = 0; seed < 40; seed++) {
        char path[96], words[2][16];
        int channel[2][24], seen[2] = {0}, steady = 1;
        pc_sample sample = {0};
        snprintf(path, sizeof path, "scene_words?seed=%d&n=24&content=single&kinds=colour", seed);
        pc_dataset *dataset = open_set(path);
        for (int64_t i = 0; i < 24; i++) {
            int strongest[2] = {0};
            assert_int_equal(pc_dataset_read(dataset, i, &sample), PC_OK);
            words_of(text_of(&sample, 0), words);
            int which = strcmp(text_of(&sample, 1), words[1]) == 0;
            stands_out(sample.images[0], strongest);
            channel[which][seen[which]++] = strongest[0] * 3 + strongest[1];
        }
        for (int w = 0; w < 2; w++) {
            for (int i = 1; i < seen[w]; i++) {
                steady &= channel[w][i] == channel[w][0];
            }
        }
        told_apart += steady && seen[0] && seen[1] && channel[0][0] != channel[1][0];
        pc_sample_clear(&sample);
        pc_dataset_close(dataset);
    }
    assert_true(told_apart >= 10); /* others have gray, or two colours of one strongest channel */
}

static void test_single_and_tossed(void **state)
{
    pc_dataset *single = open_set("scene_words?seed=9&n=400&content=single&split=test&kinds=texture");
    pc_dataset *tossed = open_set("scene_words?seed=9&n=400&content=tossed&split=test&kinds=texture");
    pc_dataset *other = open_set("scene_words?seed=10&n=1&content=single&kinds=texture");
    pc_sample a = {0}, b = {0}, c = {0};
    char question[64] = "";
    int same = 0;
    (void)state;
    for (int64_t i = 0; i < 400; i++) {
        assert_int_equal(pc_dataset_read(single, i, &a), PC_OK);
        assert_int_equal(pc_dataset_read(tossed, i, &b), PC_OK);
        assert_int_equal(a.conversation.count, 2);
        assert_string_equal(text_of(&a, 0), text_of(&b, 0));
        assert_true(i == 0 || strcmp(question, text_of(&a, 0)) == 0);
        snprintf(question, sizeof question, "%s", text_of(&a, 0));
        same += strcmp(text_of(&a, 1), text_of(&b, 1)) == 0;
        assert_int_equal(a.image_count, 1);
    }
    assert_in_range(same, 160, 240);
    assert_int_equal(pc_dataset_read(other, 0, &c), PC_OK);
    assert_string_not_equal(text_of(&c, 0), question); /* words to train on are others */
    pc_sample_clear(&a);
    pc_sample_clear(&b);
    pc_sample_clear(&c);
    pc_dataset_close(single);
    pc_dataset_close(tossed);
    pc_dataset_close(other);
}

static void test_refused(void **state)
{
    static const char *const wrong[] = {"scene_words", "scene_words?n=2&content=none", "scene_words?n=2&kinds=colour+weight",
                                        "scene_words?n=2&split=val", "scene_words?n=2&turns=34", "scene_words?n=2&side=20"};
    pc_dataset *dataset;
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(pc_dataset_open(&dataset, wrong[i], NULL, NULL), PC_ERR_USAGE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_episodes), cmocka_unit_test(test_words_have_a_meaning),
                                       cmocka_unit_test(test_single_and_tossed), cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
