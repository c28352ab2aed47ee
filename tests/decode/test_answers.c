/* Whole answers of the golden LLaVA by beams, methods, drafts, votes and choices, against golden/decode/decoding.json and what
 * must hold between them. */
#include "asked.h"

#include "support/allocfail.h"

/* As in test_local.c. */
static const double LEAST_GAP = 0.002;

/* Ask as `decoding` says; what `expected` holds comes out. */
static void check_answer(const char *decoding, double repetition, size_t most, const pc_json *expected)
{
    asked s = {0};
    pc_json *all = read_golden();
    CHECK(try_open(&s, decoding, 2));
    CHECK(pc_sampling_set(pc_local_sampling(s.local), "repetition_penalty", repetition));
    for (int round = 0; round < 2; round++) { /* the second time the prompt is there already */
        CHECK(try_ask(&s, pc_json_get_text(all, "question", ""), most));
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
        check_answer(pc_json_get_text(one, "decoding", ""), pc_json_get_number(one, "repetition_penalty", 1), 10,
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
        check_answer(pc_json_get_text(one, "decoding", ""), 1, 10, pc_json_get(one, "ids"));
    }
    pc_json_free(all);
}

/* As the authors' search: penalties on pictures and on over-trust, and going back. */
static void answers_by_opera(void **state)
{
    (void)state;
    pc_json *all = read_golden();
    const pc_json *cases = pc_json_get(all, "opera");
    size_t returned = 0;
    assert_int_equal(pc_json_length(cases), 5);
    for (size_t i = 0; i < pc_json_length(cases); i++) {
        const pc_json *one = pc_json_at(cases, i);
        assert_true(pc_json_get_number(one, "gap", 0) >= 1e-4);
        check_answer(pc_json_get_text(one, "decoding", ""), 1, (size_t)pc_json_get_integer(one, "most", 0), pc_json_get(one, "ids"));
        returned += pc_json_length(pc_json_get(one, "returned"));
    }
    assert_true(returned >= 2);
    pc_json_free(all);
}

static void expect_same(const char *a, const char *b, double temperature)
{
    int32_t ids[16];
    size_t count = 0;
    const char *const decodings[] = {a, b};
    for (int i = 0; i < 2; i++) {
        asked s = {0};
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
        asked s = {0};
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
    asked plain = {0}, drafted = {0};
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
    asked s = {0};
    assert_int_equal(try_open(&s, "draft=" GOLDEN "llama/tied", 1), PC_ERR_DATA);
    assert_non_null(strstr(pc_error(), "vocabulary"));
    shut(&s);
}

/* --- votes --- */

static void answers_by_votes(void **state)
{
    (void)state;
    asked s = {0};
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
    asked s = {0};
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
        asked s = {0};
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
    asked s = {0};
    pc_status status = try_open(&s, user, 1);
    status = status == PC_OK ? try_ask(&s, "Hi", 3) : status;
    shut(&s);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    char decodings[][16] = {"beams=2,vcd", "draft=ngram", "opera,beams=2"};
    for (int i = 0; i < 3; i++) {
        assert_true(pc_test_each_allocation(answer_all, decodings[i]) > 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_by_beams),      cmocka_unit_test(answers_by_methods),
        cmocka_unit_test(answers_by_opera),      cmocka_unit_test(methods_that_do_nothing),
        cmocka_unit_test(answers_by_votes),      cmocka_unit_test(drafts_change_nothing),
        cmocka_unit_test(draft_models_must_fit), cmocka_unit_test(noise_changes_answers),
        cmocka_unit_test(tells_log_probabilities), cmocka_unit_test(chooses_the_likeliest),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
