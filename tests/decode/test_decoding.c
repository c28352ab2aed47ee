/* Beam search, decoding methods, choices and log-probabilities, against golden/decode/decoding.json (made by
 * oracle/make_decoding.py with transformers and the papers' equations), and what must hold between them. */
#include "backend/cpu/cpu.h"
#include "decode/beam.h"
#include "decode/local.h"
#include "decode/noise.h"
#include "support/allocfail.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define GOLDEN PERCEPT_TESTS_DIR "/golden/"
#define LLAVA GOLDEN "llava/"

/* As in test_local.c. */
static const double LEAST_GAP = 0.002;

#define CHECK(call)                      \
    do {                                 \
        if ((call) != PC_OK) {           \
            fail_msg("%s", pc_error());  \
        }                                \
    } while (0)

static pc_json *read_golden(void)
{
    pc_json *all = NULL;
    CHECK(pc_json_read(&all, GOLDEN "decode/decoding.json", 1 << 24));
    return all;
}

static float *read_floats(const pc_json *list)
{
    float *out = calloc(pc_json_length(list) + 1, sizeof *out);
    for (size_t i = 0; i < pc_json_length(list); i++) {
        out[i] = (float)pc_json_number(pc_json_at(list, i), -INFINITY);
    }
    return out;
}

static void expect_ids(const char *name, const int32_t *ids, size_t count, const pc_json *expected)
{
    if (count != pc_json_length(expected)) {
        fail_msg("%s: %zu ids, expected %zu", name, count, pc_json_length(expected));
    }
    for (size_t i = 0; i < count; i++) {
        if (ids[i] != pc_json_integer(pc_json_at(expected, i), -1)) {
            fail_msg("%s: id %zu is %d, expected %lld", name, i, ids[i],
                     (long long)pc_json_integer(pc_json_at(expected, i), -1));
        }
    }
}

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
        {"alpha=1", "alpha"}, {"vcd,alpha=-1", "alpha"}, {"draft=ngram,vcd", "draft"}, {"dola,layers=middle", "layers"}, {"beams=x", "beams"}};
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

/* --- answers --- */

typedef struct setup {
    pc_model *model;
    pc_backend *backend;
    pc_local *local;
    pc_decoding how;
    pc_conversation conversation;
    pc_answer_media media;
    pc_answer_request request;
    pc_answer answer;
} setup;

static pc_status try_open(setup *s, const char *decoding, int threads)
{
    PC_TRY(pc_decoding_parse(&s->how, decoding));
    PC_TRY(pc_model_load(&s->model, LLAVA "hf"));
    PC_TRY(pc_cpu_backend_new(&s->backend, threads, 0));
    PC_TRY(pc_model_pack(s->model, s->backend, PC_F32));
    const pc_local_options options = {.compute = PC_F32, .context = 160, .decoding = &s->how, .probabilities = true,
                                      .top = 2};
    return pc_local_new(&s->local, s->model, s->backend, &options);
}

static pc_status try_ask(setup *s, const char *question, size_t most)
{
    pc_answerer answerer = pc_local_answerer(s->local);
    pc_conversation_clear(&s->conversation);
    PC_TRY(pc_conversation_begin(&s->conversation, PC_ROLE_USER));
    PC_TRY(pc_conversation_add_media(&s->conversation, PC_MEDIA_IMAGE, 0));
    PC_TRY(pc_conversation_add_text(&s->conversation, question, strlen(question)));
    s->media = (pc_answer_media){.kind = PC_MEDIA_IMAGE, .path = LLAVA "shapes.png"};
    s->request.conversation = &s->conversation;
    s->request.media = &s->media;
    s->request.media_count = 1;
    s->request.max_tokens = most;
    return answerer.answer(answerer.self, &s->request, &s->answer);
}

static void shut(setup *s)
{
    pc_answer_clear(&s->answer);
    pc_conversation_clear(&s->conversation);
    pc_local_free(s->local);
    pc_model_free(s->model);
    pc_cpu_backend_free(s->backend);
    pc_decoding_clear(&s->how);
}

/* Ask as `decoding` says; what `expected` holds comes out. */
static void check_answer(const char *decoding, double repetition, const pc_json *expected)
{
    setup s = {0};
    pc_json *all = read_golden();
    CHECK(try_open(&s, decoding, 2));
    CHECK(pc_sampling_set(pc_local_sampling(s.local), "repetition_penalty", repetition));
    for (int round = 0; round < 2; round++) { /* the second time the prompt is there already */
        CHECK(try_ask(&s, pc_json_get_text(all, "question", ""), 10));
        const pc_local_report *report = pc_local_last(s.local);
        expect_ids(decoding, report->ids.data, report->ids.count, expected);
        assert_int_equal(report->reused, round ? s.answer.prompt_tokens - 1 : 0);
    }
    shut(&s);
    pc_json_free(all);
}

static void answers_by_beams(void **state)
{
    (void)state;
    pc_json *all = read_golden();
    const pc_json *cases = pc_json_get(all, "beams");
    assert_int_equal(pc_json_length(cases), 3);
    for (size_t i = 0; i < pc_json_length(cases); i++) {
        const pc_json *one = pc_json_at(cases, i);
        check_answer(pc_json_get_text(one, "decoding", ""), pc_json_get_number(one, "repetition_penalty", 1),
                     pc_json_get(one, "ids"));
    }
    pc_json_free(all);
}

static void answers_by_methods(void **state)
{
    (void)state;
    pc_json *all = read_golden();
    const pc_json *cases = pc_json_get(all, "answers");
    assert_int_equal(pc_json_length(cases), 4);
    for (size_t i = 0; i < pc_json_length(cases); i++) {
        const pc_json *one = pc_json_at(cases, i);
        assert_true(pc_json_get_number(one, "gap", 0) >= LEAST_GAP);
        check_answer(pc_json_get_text(one, "decoding", ""), 1, pc_json_get(one, "ids"));
    }
    pc_json_free(all);
}

static void expect_same(const char *a, const char *b, double temperature)
{
    int32_t ids[16];
    size_t count = 0;
    const char *const decodings[] = {a, b};
    for (int i = 0; i < 2; i++) {
        setup s = {0};
        CHECK(try_open(&s, decodings[i], 1));
        s.request.temperature = temperature;
        s.request.seed = 5;
        CHECK(try_ask(&s, "And the shape?", 12));
        const pc_local_report *report = pc_local_last(s.local);
        if (i == 0) {
            count = report->ids.count;
            memcpy(ids, report->ids.data, count * sizeof *ids);
        } else {
            if (report->ids.count != count || memcmp(ids, report->ids.data, count * sizeof *ids) != 0) {
                fail_msg("%s and %s answer differently", a, b);
            }
        }
        shut(&s);
    }
}

/* A method that changes nothing changes nothing, greedy, drawn and with beams. */
static void methods_that_do_nothing(void **state)
{
    (void)state;
    for (int drawn = 0; drawn < 2; drawn++) {
        expect_same("", "vcd,alpha=0,beta=0", drawn);
        expect_same("", "icd,alpha=0,beta=0", drawn);
        expect_same("beams=3", "beams=3,vcd,alpha=0,beta=0", drawn);
        expect_same("beams=3", "beams=3,m3id,confident=0", drawn);
        expect_same("beams=4,groups=2", "beams=4,groups=2,vcd,alpha=0,beta=0", drawn);
    }
    expect_same("vcd,noise=0", "vcd,noise=0,alpha=0", 0); /* hardly any noise: both views are alike */
}

static void noise_changes_answers(void **state)
{
    (void)state;
    char *texts[3] = {NULL};
    const char *const decodings[] = {"", "vcd,alpha=3", "vcd,alpha=3,noise_seed=9"};
    for (int i = 0; i < 3; i++) {
        setup s = {0};
        CHECK(try_open(&s, decodings[i], 1));
        CHECK(try_ask(&s, "What is the colour?", 12));
        texts[i] = strdup(s.answer.text.data);
        shut(&s);
    }
    assert_string_not_equal(texts[0], texts[1]);
    assert_string_not_equal(texts[1], texts[2]);
    for (int i = 0; i < 3; i++) {
        free(texts[i]);
    }
}

/* --- drafts --- */

static void expect_draft_changes_nothing(const char *draft, double temperature)
{
    char decoding[512];
    setup plain = {0}, drafted = {0};
    snprintf(decoding, sizeof decoding, "draft=%s,draft_tokens=5", draft);
    CHECK(try_open(&plain, "", 1));
    CHECK(try_open(&drafted, decoding, 1));
    for (int round = 0; round < 4; round++) {
        const char *question = round == 2 ? "And the shape?" : "What is the colour?";
        size_t most = round == 3 ? 0 : 24; /* 0: up to the end of the context */
        plain.request.temperature = drafted.request.temperature = temperature;
        CHECK(try_ask(&plain, question, most));
        CHECK(try_ask(&drafted, question, most));
        const pc_local_report *a = pc_local_last(plain.local), *b = pc_local_last(drafted.local);
        assert_int_equal(a->ids.count, b->ids.count);
        assert_memory_equal(a->ids.data, b->ids.data, a->ids.count * sizeof *a->ids.data);
        assert_string_equal(plain.answer.text.data, drafted.answer.text.data);
        assert_int_equal(a->reused, b->reused);
        assert_int_equal(plain.answer.end, drafted.answer.end);
        for (size_t i = 0; i < 3 * a->ids.count; i++) {
            assert_int_equal(a->tokens[i].id, b->tokens[i].id);
            assert_true(a->tokens[i].log_probability >= b->tokens[i].log_probability &&
                        a->tokens[i].log_probability <= b->tokens[i].log_probability);
        }
    }
    shut(&plain);
    shut(&drafted);
}

/* Answers and log-probabilities to the last bit, greedy and drawn, with right guesses (the same model) and with wrong ones. */
static void drafts_change_nothing(void **state)
{
    (void)state;
    for (int drawn = 0; drawn < 2; drawn++) {
        expect_draft_changes_nothing("ngram", drawn);
        expect_draft_changes_nothing(LLAVA "hf", drawn);
    }
}

static void draft_models_must_fit(void **state)
{
    (void)state;
    setup s = {0};
    assert_int_equal(try_open(&s, "draft=" GOLDEN "llama/tied", 1), PC_ERR_DATA);
    assert_non_null(strstr(pc_error(), "vocabulary"));
    shut(&s);
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

static void answers_by_votes(void **state)
{
    (void)state;
    setup s = {0};
    size_t chains = 0;
    CHECK(try_open(&s, "votes=5", 1));
    assert_int_equal(try_ask(&s, "What is the colour?", 2), PC_ERR_USAGE); /* greedy chains are all the same */
    s.request.temperature = 0.7;
    CHECK(try_ask(&s, "What is the colour?", 2));
    const pc_votes *votes = pc_local_votes(s.local);
    const pc_vote *winner = pc_votes_winner(votes);
    for (size_t i = 0; i < votes->count; i++) {
        chains += votes->items[i].chains;
        assert_true(votes->items[i].chains <= winner->chains);
    }
    assert_in_range(chains, 1, 5);
    pc_str said = {0};
    CHECK(pc_extract_answer(&said, s.answer.text.data));
    assert_string_equal(said.data, winner->answer.data);
    pc_str_clear(&said);
    shut(&s);
}

/* --- log-probabilities and choices --- */

static void tells_log_probabilities(void **state)
{
    (void)state;
    setup s = {0};
    CHECK(try_open(&s, "", 1));
    CHECK(try_ask(&s, "What is the colour?", 6));
    const pc_local_report *report = pc_local_last(s.local);
    assert_int_equal(report->ids.count, 6);
    for (size_t i = 0; i < 6; i++) { /* greedy: the token is the likeliest one */
        const pc_token_probability *t = report->tokens + 3 * i;
        assert_int_equal(t[0].id, report->ids.data[i]);
        assert_int_equal(t[1].id, t[0].id);
        assert_true(t[1].log_probability <= 0 && t[1].log_probability >= t[2].log_probability);
        assert_true(fabs(t[0].log_probability - t[1].log_probability) < 1e-12);
        assert_int_not_equal(t[2].id, t[1].id);
    }
    shut(&s);
}

/* The sum for a choice is what reading it token by token gives; with lanes side by side or one by one. */
static void chooses_the_likeliest(void **state)
{
    (void)state;
    static const char *const choices[] = {"red", "The square is blue.", "no", "three shapes", NULL};
    double sums[2][4];
    for (int round = 0; round < 2; round++) {
        setup s = {0};
        CHECK(try_open(&s, round ? "beams=3" : "", 1));
        s.request.choices = choices;
        CHECK(try_ask(&s, "What is the colour?", 0));
        const pc_local_report *report = pc_local_last(s.local);
        size_t best = 0;
        assert_int_equal(report->choice_count, 4);
        for (size_t i = 0; i < 4; i++) {
            assert_string_equal(report->choices[i].text, choices[i]);
            sums[round][i] = report->choices[i].log_probability;
            assert_true(sums[round][i] < 0 && report->choices[i].tokens >= 1);
            best = sums[round][i] > sums[round][best] ? i : best;
        }
        assert_string_equal(s.answer.text.data, choices[best]);
        assert_int_equal(s.answer.end, PC_ANSWER_STOP);
        shut(&s);
    }
    for (size_t i = 0; i < 4; i++) {
        assert_true(fabs(sums[0][i] - sums[1][i]) < 1e-6 * fabs(sums[0][i]));
    }
}

static pc_status answer_all(void *user)
{
    setup s = {0};
    pc_status status = try_open(&s, user, 1);
    status = status == PC_OK ? try_ask(&s, "Hi", 3) : status;
    shut(&s);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    char decodings[][16] = {"beams=2,vcd", "draft=ngram"};
    for (int i = 0; i < 2; i++) {
        assert_true(pc_test_each_allocation(answer_all, decodings[i]) > 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(beams_as_transformers),     cmocka_unit_test(drawn_beams_follow_the_probabilities),
        cmocka_unit_test(methods_as_their_equations), cmocka_unit_test(noise_as_published),
        cmocka_unit_test(says_what_is_wrong),        cmocka_unit_test(answers_by_beams),
        cmocka_unit_test(answers_by_methods),        cmocka_unit_test(methods_that_do_nothing),
        cmocka_unit_test(extracts_answers),          cmocka_unit_test(votes_and_ties),
        cmocka_unit_test(answers_by_votes),
        cmocka_unit_test(drafts_change_nothing),     cmocka_unit_test(draft_models_must_fit),
        cmocka_unit_test(noise_changes_answers),     cmocka_unit_test(tells_log_probabilities),
        cmocka_unit_test(chooses_the_likeliest),     cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
