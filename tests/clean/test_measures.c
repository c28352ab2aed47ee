/* What is measured of one sample, the rules at their limits, and the search for duplicates against comparing with each. */
#include "base/memory.h"
#include "base/rng.h"
#include "clean/language.h"
#include "clean/rules.h"
#include "clean/seen.h"
#include "data/dataset_case.h"

#include <math.h>
#include <stdio.h>

static void measure_text(pc_clean_measures *out, const char *text)
{
    pc_sample sample = {0};
    pc_image *image = NULL;
    must(pc_sample_caption(&sample, text, strlen(text)));
    must(pc_image_new(&image, 500, 200));
    must(pc_sample_add_image(&sample, image));
    must(pc_clean_measure(out, &sample, false));
    pc_sample_clear(&sample);
}

static void test_words(void **state)
{
    static const struct {
        const char *text;
        int64_t words, characters;
        double repeated;
    } cases[] = {
        {"A cat.", 2, 6, 0},
        {"the cat, The CAT and the dog", 7, 28, 3.0 / 7},
        {"  two\twords\n", 2, 12, 0},
        {"一只猫和一只狗", 7, 7, 2.0 / 7},
        {"iPhone手机 - ok", 5, 13, 0},
        {"caf\xc3\xa9 CAF\xc3\x89", 2, 9, 0.5},
        {"... ... ...", 3, 11, 0}, /* signs repeat nothing */
        {"", 0, 0, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pc_clean_measures m = {0};
        measure_text(&m, cases[i].text);
        if (m.words != cases[i].words || m.characters != cases[i].characters || fabs(m.repeated - cases[i].repeated) > 1e-12) {
            fail_msg("'%s': %d words, %d characters, %g repeated", cases[i].text, (int)m.words, (int)m.characters, m.repeated);
        }
        assert_int_equal(m.side, 200);
        assert_true(m.aspect == 2.5);
        pc_clean_measures_clear(&m);
    }
}

static void test_languages(void **state)
{
    static const char *const cases[][2] = {
        {"en", "a dog is sitting on the bench"}, {"de", "Ein Hund sitzt auf der Bank"}, {"fr", "un chien est assis sur le banc"},
        {"es", "un perro está sentado en el banco"}, {"it", "un cane è seduto sulla panchina"}, {"pt", "um cachorro está no banco"},
        {"nl", "een hond zit op het bankje"}, {"pl", "pies siedzi na ławce"}, {"ru", "собака сидит на скамейке"}, {"uk", "собака сидить і їсть"},
        {"zh", "一只狗坐在长椅上"}, {"ja", "ベンチに座っている犬"}, {"ko", "벤치에 앉아 있는 개"}, {"ar", "كلب يجلس على المقعد"},
        {"hi", "बेंच पर बैठा कुत्ता"}, {"th", "สุนัขนั่งบนม้านั่ง"}, {"el", "ένας σκύλος"}, {"und", "IMG_2041"}, {"und", "123 !"}, {"und", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_string_equal(pc_language_guess(cases[i][1], strlen(cases[i][1])), cases[i][0]);
    }
}

/* At a limit a sample is kept. */
static void test_limits(void **state)
{
    static const struct {
        const char *set[4], *about;
        int rule;
    } cases[] = {
        {{"min_words", "3"}, NULL, -1},
        {{"min_words", "4"}, NULL, PC_RULE_WORDS},
        {{"max_words", "2"}, NULL, PC_RULE_WORDS},
        {{"max_characters", "9", "min_characters", "9"}, NULL, -1},
        {{"max_characters", "8"}, NULL, PC_RULE_CHARACTERS},
        {{"max_repeated", "0.34"}, NULL, -1},
        {{"max_repeated", "0.33"}, NULL, PC_RULE_REPEATED},
        {{"languages", "en, de"}, NULL, -1},
        {{"languages", "de,fr"}, NULL, PC_RULE_LANGUAGE},
        {{"max_text_uses", "10"}, NULL, -1},
        {{"max_text_uses", "9"}, NULL, PC_RULE_TEXT_USES},
        {{"min_side", "200"}, NULL, -1},
        {{"min_side", "201"}, NULL, PC_RULE_SIDE},
        {{"max_aspect", "2.5"}, NULL, -1},
        {{"max_aspect", "2.4"}, NULL, PC_RULE_ASPECT},
        {{"max_nsfw", "0.5"}, "{\"punsafe\": 0.5}", -1},
        {{"max_nsfw", "0.5"}, "{\"punsafe\": 0.1, \"nsfw_score_gantman\": 0.6}", PC_RULE_NSFW},
        {{"nsfw_words", "UNLIKELY,unsure"}, "{\"NSFW\": \"UNSURE\"}", -1},
        {{"nsfw_words", "UNLIKELY"}, "{\"nsfw\": \"NSFW\"}", PC_RULE_NSFW},
        {{"max_watermark", "0.8"}, "{\"pwatermark\": 0.81}", PC_RULE_WATERMARK},
        {{"min_aesthetic", "7"}, "{\"aesthetic_score_laion_v2\": 6.9}", PC_RULE_AESTHETIC},
        {{"min_given_similarity", "0.28"}, "{\"clip_similarity_vitb32\": 0.3}", -1},
        {{"min_given_similarity", "0.28"}, "{\"similarity\": 0.27}", PC_RULE_GIVEN_SIMILARITY},
        {{"max_watermark", "0.8"}, "{\"width\": 3}", -1},
        {{"max_watermark", "0.8", "missing", "drop"}, "{\"pwatermark\": \"much\"}", PC_RULE_WATERMARK},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pc_clean_options options = {0};
        pc_clean_measures m = {0};
        pc_clean_verdict verdict;
        pc_json *about = NULL;
        must(pc_fields_default(&pc_clean_fields, &options));
        for (int k = 0; k < 4 && cases[i].set[k]; k += 2) {
            must(pc_fields_set(&pc_clean_fields, &options, cases[i].set[k], cases[i].set[k + 1], "test"));
        }
        must(cases[i].about ? pc_json_parse(&about, cases[i].about, strlen(cases[i].about), "about") : PC_OK);
        measure_text(&m, "the red. the");
        m.characters = 9;
        pc_clean_judge(&verdict, &options, &m, about, 10);
        if (verdict.rule != cases[i].rule) {
            fail_msg("case %zu (%s %s): rule %d, %s", i, cases[i].set[0], cases[i].set[1], verdict.rule, verdict.found);
        }
        pc_json_free(about);
        pc_clean_measures_clear(&m);
        pc_fields_clear(&pc_clean_fields, &options);
    }
}

/* Bands find exactly what comparing with each one finds. */
static void test_near(void **state)
{
    static const int nears[] = {-1, 0, 1, 3, 4, 8, 16};
    enum { PICTURES = 4000 };
    (void)state;
    for (size_t n = 0; n < sizeof nears / sizeof nears[0]; n++) {
        pc_rng rng;
        pc_clean_seen *seen = NULL;
        pc_clean_key *kept = NULL;
        int count = 0, near_found = 0, same_found = 0;
        pc_rng_init(&rng, 7, n);
        must(PC_NEW_ARRAY(kept, PICTURES, "keys"));
        must(pc_clean_seen_new(&seen, nears[n]));
        for (int i = 0; i < PICTURES; i++) {
            pc_clean_key key = {{pc_rng_u64(&rng) % 3000 + 1, 5}, pc_rng_u64(&rng), 0};
            if (count > 0 && i % 3 == 0) { /* some bits of an earlier one changed */
                key.phash = kept[pc_rng_u64(&rng) % (uint64_t)count].phash;
                for (uint64_t flips = pc_rng_u64(&rng) % 20; flips > 0; flips--) {
                    key.phash ^= (uint64_t)1 << (pc_rng_u64(&rng) % 64);
                }
            }
            pc_clean_found expected = PC_SEEN_NOT;
            for (int k = 0; k < count; k++) {
                bool near = __builtin_popcountll(kept[k].phash ^ key.phash) <= nears[n];
                expected = kept[k].content[0] == key.content[0] ? PC_SEEN_SAME : expected == PC_SEEN_NOT && near ? PC_SEEN_NEAR : expected;
            }
            pc_clean_found found = pc_clean_seen_find(seen, &key);
            assert_int_equal(found, expected);
            near_found += found == PC_SEEN_NEAR;
            same_found += found == PC_SEEN_SAME;
            if (found == PC_SEEN_NOT) {
                must(pc_clean_seen_add(seen, &key));
                kept[count++] = key;
            }
        }
        assert_true(same_found > 100 && (nears[n] < 1 || near_found > 20) && (nears[n] >= 0 || near_found == 0));
        pc_clean_seen_free(seen);
        pc_free(kept);
    }
}

static void test_pairs_and_uses(void **state)
{
    pc_clean_seen *seen = NULL;
    pc_clean_uses *uses = NULL;
    pc_clean_key a = {{1, 2}, 0xff00, 10}, b = a;
    (void)state;
    must(pc_clean_seen_new(&seen, 2));
    must(pc_clean_seen_add(seen, &a));
    b.text = 11; /* the same picture with another caption */
    assert_int_equal(pc_clean_seen_find(seen, &b), PC_SEEN_NOT);
    b = a;
    b.content[0] = 9;
    b.phash ^= 3;
    assert_int_equal(pc_clean_seen_find(seen, &b), PC_SEEN_NEAR);
    pc_clean_seen_free(seen);
    must(pc_clean_uses_new(&uses));
    for (uint64_t i = 0; i < 30000; i++) {
        must(pc_clean_uses_add(uses, i % 10000 * (i % 3 == 0)));
    }
    assert_int_equal(pc_clean_uses_of(uses, 0), 20000 + 1);
    assert_int_equal(pc_clean_uses_of(uses, 9999), 1);
    assert_int_equal(pc_clean_uses_of(uses, 77777), 0);
    pc_clean_uses_free(uses);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words), cmocka_unit_test(test_languages),      cmocka_unit_test(test_limits),
        cmocka_unit_test(test_near),  cmocka_unit_test(test_pairs_and_uses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
