/* Beams over a table, decoding methods, noise and votes, against golden/decode/decoding.json and what must hold of them. */
#include "asked.h"

#include "decode/beam.h"
#include "decode/noise.h"

/* --- beams over a table --- */

static void normalise(float *row, int64_t count)
{
    double sum = pc_log_sum(row, count);
    for (int64_t i = 0; i < count; i++) {
        row[i] = (float)((double)row[i] - sum);
    }
}

/* Search `table` [V,V] of log-probabilities behind `first`. */
static pc_beams *search_table(const char *decoding, const float *table, const pc_json *bigram, int32_t first, bool draws,
                              uint64_t seed)
{
    pc_decoding how;
    pc_beams *beams = NULL;
    size_t v = (size_t)pc_json_get_integer(bigram, "vocabulary", 0);
    int32_t end = (int32_t)pc_json_get_integer(bigram, "end", 0);
    CHECK(pc_decoding_parse(&how, decoding));
    pc_ids prompt = {.data = &first, .count = 1}, ends = {.data = &end, .count = 1};
    const pc_beams_setup setup = {.how = &how, .vocabulary = v, .prompt = &prompt, .ends = &ends,
                                  .most = (size_t)pc_json_get_integer(bigram, "steps", 0), .draws = draws, .seed = seed};
    CHECK(pc_beams_new(&beams, &setup));
    float *scores = calloc((size_t)how.beams * v, sizeof *scores);
    int32_t *parents = calloc((size_t)how.beams, sizeof *parents), *ids = calloc((size_t)how.beams, sizeof *ids);
    for (bool over = false; !over;) {
        for (int64_t b = 0; b < how.beams; b++) {
            size_t count;
            const int32_t *history = pc_beams_history(beams, b, &count);
            memcpy(scores + (size_t)b * v, table + (size_t)history[count - 1] * v, v * sizeof *scores);
        }
        CHECK(pc_beams_advance(beams, scores, parents, ids, &over));
    }
    free(scores), free(parents), free(ids);
    pc_decoding_clear(&how);
    return beams;
}

static float *read_table(const pc_json *bigram)
{
    int64_t v = pc_json_get_integer(bigram, "vocabulary", 0);
    float *table = read_floats(pc_json_get(bigram, "table"));
    for (int64_t i = 0; i < v; i++) {
        normalise(table + i * v, v);
    }
    return table;
}

static void beams_as_transformers(void **state)
{
    (void)state;
    pc_json *all = read_golden();
    const pc_json *bigram = pc_json_get(all, "bigram"), *cases = pc_json_get(bigram, "cases");
    float *table = read_table(bigram);
    assert_int_equal(pc_json_length(cases), 78);
    for (size_t i = 0; i < pc_json_length(cases); i++) {
        const pc_json *one = pc_json_at(cases, i);
        const char *decoding = pc_json_get_text(one, "decoding", "");
        pc_beams *beams = search_table(decoding, table, bigram, (int32_t)pc_json_get_integer(one, "first", 0), false, 0);
        const pc_beam_answer best = pc_beams_best(beams);
        expect_ids(decoding, best.ids, best.count, pc_json_get(one, "ids"));
        double expected = pc_json_get_number(one, "score", 0);
        if (fabs(best.score - expected) > 1e-5 * (1 + fabs(expected))) {
            fail_msg("%s: score %.9g, expected %.9g", decoding, best.score, expected);
        }
        pc_beams_free(beams);
    }
    free(table);
    pc_json_free(all);
}

/* Two beams drawn without replacement are never the same sequence, and each first one comes as often as its probability. */
static void drawn_beams_follow_the_probabilities(void **state)
{
    (void)state;
    float table[24];
    int counts[12] = {0};
    for (int i = 0; i < 24; i++) {
        table[i] = i % 12 == 2 ? -INFINITY : logf(i % 12 == 5 ? 0.5f : 0.05f);
    }
    for (uint64_t seed = 0; seed < 2000; seed++) {
        pc_decoding how;
        pc_beams *beams = NULL;
        int32_t first = 1, end = 2, parents[2], ids[2];
        bool over;
        float scores[24];
        pc_ids prompt = {.data = &first, .count = 1}, ends = {.data = &end, .count = 1};
        CHECK(pc_decoding_parse(&how, "beams=2"));
        const pc_beams_setup setup = {.how = &how, .vocabulary = 12, .prompt = &prompt, .ends = &ends, .most = 2,
                                      .draws = true, .seed = seed};
        CHECK(pc_beams_new(&beams, &setup));
        memcpy(scores, table, sizeof scores);
        CHECK(pc_beams_advance(beams, scores, parents, ids, &over));
        assert_int_not_equal(ids[0], ids[1]);
        counts[ids[0]]++;
        counts[ids[1]]++;
        pc_beams_free(beams);
        pc_decoding_clear(&how);
    }
    /* four of eleven are drawn, the two best go on: 1 - .5 * .47 * .45 * .42 is the share with 5 among them */
    assert_in_range(counts[5], 1860, 1960);
    for (int i = 0; i < 12; i++) {
        if (i != 5 && i != 2) {
            assert_in_range(counts[i], 120, 320);
        }
    }
    assert_int_equal(counts[2], 0);
}

/* A search that goes back in the middle ends as if it had not gone on from there. */
static void beams_go_back(void **state)
{
    (void)state;
    pc_json *all = read_golden();
    const pc_json *bigram = pc_json_get(all, "bigram");
    const int32_t first = 1, end = (int32_t)pc_json_get_integer(bigram, "end", 0);
    size_t v = (size_t)pc_json_get_integer(bigram, "vocabulary", 0);
    float *table = read_table(bigram), scores[3 * 64];
    pc_decoding how;
    pc_beams *beams = NULL, *straight = search_table("beams=3,early_stopping=never", table, bigram, first, false, 0);
    pc_beams_state *middle = NULL;
    pc_ids prompt = {.data = (int32_t *)&first, .count = 1}, ends = {.data = (int32_t *)&end, .count = 1};
    CHECK(pc_decoding_parse(&how, "beams=3,early_stopping=never"));
    const pc_beams_setup setup = {.how = &how, .vocabulary = v, .prompt = &prompt, .ends = &ends,
                                  .most = (size_t)pc_json_get_integer(bigram, "steps", 0)};
    CHECK(pc_beams_new(&beams, &setup));
    bool over = false;
    for (int step = 0; !over; step++) {
        int32_t parents[3], ids[3];
        if (step == 3) {
            CHECK(pc_beams_save(beams, &middle));
        } else if (step == 6) { /* what went on was nonsense */
            pc_beams_restore(beams, middle);
        }
        for (int b = 0; b < 3; b++) {
            size_t count;
            const int32_t *history = pc_beams_history(beams, b, &count);
            memcpy(scores + (size_t)b * v, table + (size_t)history[count - 1] * v, v * sizeof *scores);
            for (size_t i = 0; i < v && step >= 3 && step < 6; i++) {
                scores[(size_t)b * v + i] = -(float)((i + (size_t)b + (size_t)step) % v);
            }
        }
        CHECK(pc_beams_advance(beams, scores, parents, ids, &over));
    }
    const pc_beam_answer a = pc_beams_best(straight), b = pc_beams_best(beams);
    assert_int_equal(a.count, b.count);
    assert_memory_equal(a.ids, b.ids, a.count * sizeof *a.ids);
    assert_memory_equal(a.log_probabilities, b.log_probabilities, a.count * sizeof *a.log_probabilities);
    assert_true(a.score <= b.score && a.score >= b.score);
    pc_beams_state_free(middle);
    pc_beams_free(beams);
    pc_beams_free(straight);
    pc_decoding_clear(&how);
    free(table);
    pc_json_free(all);
}

/* --- methods --- */

static void methods_as_their_equations(void **state)
{
    (void)state;
    pc_json *all = read_golden();
    const pc_json *mix = pc_json_get(all, "mix"), *cases = pc_json_get(mix, "cases");
    float *plain = read_floats(pc_json_get(mix, "plain")), *other = read_floats(pc_json_get(mix, "other"));
    float *layers = read_floats(pc_json_get(mix, "layers"));
    int64_t v = (int64_t)pc_json_length(pc_json_get(mix, "plain"));
    assert_int_equal(pc_json_length(cases), 9);
    for (size_t i = 0; i < pc_json_length(cases); i++) {
        const pc_json *one = pc_json_at(cases, i);
        const char *name = pc_json_get_text(one, "decoding", "");
        float scores[64], *expected = read_floats(pc_json_get(one, "scores"));
        pc_decoding how;
        CHECK(pc_decoding_parse(&how, name));
        const pc_method_step step = {.plain = plain, .other = other, .layers = layers, .layer_count = 3, .vocabulary = v,
                                     .written = pc_json_get_integer(one, "written", 0)};
        how.method->mix(how.config, &step, scores);
        for (int64_t k = 0; k < v; k++) {
            bool same = isinf(expected[k]) ? isinf(scores[k]) && scores[k] < 0
                                           : fabsf(scores[k] - expected[k]) <= 2e-6f * (1 + fabsf(expected[k]));
            if (!same) {
                fail_msg("%s: score %d is %.9g, expected %.9g", name, (int)k, (double)scores[k], (double)expected[k]);
            }
        }
        free(expected);
        pc_decoding_clear(&how);
    }
    free(plain), free(other), free(layers);
    pc_json_free(all);
}

/* The schedule's printed values, and numbers that are normal. */
static void noise_as_published(void **state)
{
    (void)state;
    static const struct {
        int step;
        double signal, noise;
    } levels[] = {{0, 0.999989, 0.004726}, {500, 0.863017, 0.505175}, {700, 0.592677, 0.805440},
                  {900, 0.364888, 0.931051}, {999, 0.285042, 0.958515}};
    enum { COUNT = 20000 };
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        const pc_noise_level level = pc_noise_at(levels[i].step);
        assert_true(fabs(level.signal - levels[i].signal) < 6e-7 && fabs(level.noise - levels[i].noise) < 6e-7);
    }
    assert_true(fabs(pc_noise_at(500).beta - 0.00251249) < 6e-9);
    float *a = calloc(COUNT, sizeof *a), *b = calloc(COUNT, sizeof *b);
    double sum = 0, squares = 0, level = pc_noise_at(500).noise;
    pc_noise_add(a, COUNT, 500, 7);
    pc_noise_add(b, COUNT, 500, 7);
    assert_memory_equal(a, b, COUNT * sizeof *a);
    pc_noise_add(b, COUNT, 500, 8);
    assert_memory_not_equal(a, b, COUNT * sizeof *a);
    for (int i = 0; i < COUNT; i++) {
        sum += (double)a[i] / level;
        squares += (double)a[i] * (double)a[i] / level / level;
    }
    assert_true(fabs(sum / COUNT) < 5 / sqrt(COUNT) && fabs(squares / COUNT - 1) < 5 * sqrt(2.0 / COUNT));
    free(a), free(b);
}

static void says_what_is_wrong(void **state)
{
    (void)state;
    static const char *const wrong[][2] = {
        {"vdc", "vcd"}, {"beams=0", "beams"}, {"beams=4,groups=3", "groups"}, {"vcd,dola", "one method"},
        {"alpha=1", "alpha"}, {"vcd,alpha=-1", "alpha"}, {"draft=ngram,vcd", "draft"}, {"dola,layers=middle", "layers"}, {"beams=x", "beams"},
        {"opera,beams=4,groups=2", "group"}, {"opera,threshold=-1", "threshold"}, {"opera,draft=ngram", "draft"}};
    pc_decoding how;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(pc_decoding_parse(&how, wrong[i][0]), PC_ERR_USAGE);
        if (!strstr(pc_error(), wrong[i][1])) {
            fail_msg("%s: %s", wrong[i][0], pc_error());
        }
        assert_null(how.config);
    }
    CHECK(pc_decoding_parse(&how, NULL));
    assert_int_equal(how.beams, 1);
    assert_null(how.method);
    pc_decoding_clear(&how);
}

/* --- votes --- */

static void extracts_answers(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"Two and two. The answer is (B).", "b"},
        {"The answer is 3. No: The answer is 4.\nReally.", "4"},
        {"Step 1: look.\nAnswer: **Blue**", "blue"},
        {"ANSWER IS: \"left of it\"!", "left of it"},
        {" Yes. ", "yes"},
        {"I cannot tell\nyou", "i cannot tell\nyou"},
        {"The answer is", ""},
        {"", ""},
        {"(a) or (b)", "(a) or (b)"},
        {"左边：1个。答案是1。", "1"},
        {"答案是红色。不：答案：“蓝色”！", "“蓝色”"},
        {" 是。", "是"},
        {"。", ""},
    };
    pc_str out = {0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CHECK(pc_extract_answer(&out, cases[i][0]));
        assert_string_equal(out.data, cases[i][1]);
    }
    pc_str_clear(&out);
}

static void votes_and_ties(void **state)
{
    (void)state;
    pc_votes votes = {0};
    assert_null(pc_votes_winner(&votes));
    CHECK(pc_votes_add(&votes, "The answer is", -0.1)); /* no vote */
    assert_null(pc_votes_winner(&votes));
    CHECK(pc_votes_add(&votes, "The answer is red.", -2));
    CHECK(pc_votes_add(&votes, "Answer: blue", -2));
    assert_string_equal(pc_votes_winner(&votes)->answer.data, "red"); /* seen first */
    CHECK(pc_votes_add(&votes, "Answer: green", -1));
    assert_string_equal(pc_votes_winner(&votes)->answer.data, "green"); /* likelier */
    CHECK(pc_votes_add(&votes, "I say the answer is Blue", -1.5));
    const pc_vote *winner = pc_votes_winner(&votes); /* two of them */
    assert_string_equal(winner->answer.data, "blue");
    assert_int_equal(winner->chains, 2);
    assert_int_equal(winner->best_chain, 4);
    pc_votes_clear(&votes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(beams_as_transformers),      cmocka_unit_test(drawn_beams_follow_the_probabilities),
        cmocka_unit_test(beams_go_back),
        cmocka_unit_test(methods_as_their_equations), cmocka_unit_test(noise_as_published),
        cmocka_unit_test(says_what_is_wrong),         cmocka_unit_test(extracts_answers),
        cmocka_unit_test(votes_and_ties),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
