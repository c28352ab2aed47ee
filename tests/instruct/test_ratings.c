/* A judge's reply: every rating once, in range; rationales; what is malformed. */
#include "instruct/ratings_reply.h"
#include "instruct/replies.h"
#include "support/allocfail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char *const aspects[] = {"Helpfulness", "Visual Faithfulness"};

static const char whole[] = "Response 1\nHelpfulness\nRating: 4\nRationale: It answers\nand more.\nVisual Faithfulness\nRating: 2\nRationale: No dog.\n\n"
                            "Response 2\nHelpfulness\nRating: 5\nVisual Faithfulness\nRating: 1\n";

static void assert_rating(const pc_ratings *found, size_t answer, size_t aspect, double value, const char *rationale)
{
    assert_float_equal(found->rating[answer][aspect].value, value, 0);
    if (rationale) {
        assert_string_equal(found->rating[answer][aspect].rationale, rationale);
    } else {
        assert_null(found->rating[answer][aspect].rationale);
    }
}

static void test_good(void **state)
{
    static const char *const others[] = {
        "**Response 1:**\n- **Helpfulness**: 4\n- Visual faithfulness: 2/5\n### Response 2\n* helpfulness\n  Rating: **5**\n* VISUAL FAITHFULNESS\nRating: 1 of 5",
        "Here are my ratings.\nresponse 2\nHelpfulness\nRating:\n5\nVisual Faithfulness\nRating: 1\nresponse 1\nHelpfulness\nRating: 4.0\nRationale: Helpfulness is "
        "what counts.\nResponse 2 is better there.\nRating it so is fair.\nVisual Faithfulness\nRating: 2",
    };
    pc_ratings found = {0};
    char reason[PC_REPLY_REASON];
    bool good;
    (void)state;
    assert_int_equal(pc_reply_ratings(&found, whole, aspects, 2, 2, &good, reason), PC_OK);
    assert_true(good);
    assert_rating(&found, 0, 0, 4, "It answers\nand more.");
    assert_rating(&found, 0, 1, 2, "No dog.");
    assert_rating(&found, 1, 0, 5, NULL);
    assert_rating(&found, 1, 1, 1, NULL);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        assert_int_equal(pc_reply_ratings(&found, others[i], aspects, 2, 2, &good, reason), PC_OK);
        if (!good) {
            fail_msg("reply %zu: %s", i, reason);
        }
        assert_float_equal(found.rating[0][0].value + 10 * found.rating[0][1].value + 100 * found.rating[1][0].value + 1000 * found.rating[1][1].value, 1524, 0);
    }
    assert_int_equal(pc_reply_ratings(&found, "Helpfulness\nRating: 3\nVisual Faithfulness\nRating: 4", aspects, 2, 1, &good, reason), PC_OK);
    assert_true(good); /* one answer needs no number */
    pc_ratings_clear(&found);
}

static void test_malformed(void **state)
{
    static const char *const cases[][2] = {
        {"Response 1\nHelpfulness\nRating: 4\nVisual Faithfulness\nRating: 2\nResponse 2\nHelpfulness\nRating: 5\n", "response 2, Visual Faithfulness: not rated"},
        {"Response 1\nHelpfulness\nRating: 9\n", "response 1, Helpfulness: no rating from 1 to 5"},
        {"Response 1\nHelpfulness\nRating: high\n", "no rating from 1 to 5"},
        {"Response 1\nHelpfulness\nRating: nan\n", "no rating from 1 to 5"},
        {"Response 1\nHelpfulness\nRating: 4\nRating: 3\n", "rated twice"},
        {"Response 3\nHelpfulness\nRating: 4\n", "a response that is none"},
        {"Helpfulness\nRating: 4\n", "a rating of no response"},
        {"Response 1\nRating: 4\n", "a rating of no response or no aspect"},
        {"Both are good.", "response 1, Helpfulness: not rated"},
        {"", "not rated"},
    };
    pc_ratings found = {0};
    char reason[PC_REPLY_REASON];
    bool good;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(pc_reply_ratings(&found, cases[i][0], aspects, 2, 2, &good, reason), PC_OK);
        if (good || !strstr(reason, cases[i][1])) {
            fail_msg("case %zu: expected '%s', found '%s'", i, cases[i][1], good ? "good" : reason);
        }
    }
    pc_ratings_clear(&found);
}

static pc_status scenario(void *user)
{
    pc_ratings found = {0};
    char reason[PC_REPLY_REASON];
    bool good;
    (void)user;
    pc_status status = pc_reply_ratings(&found, whole, aspects, 2, 2, &good, reason);
    pc_ratings_clear(&found);
    return status;
}

static void test_memory(void **state)
{
    (void)state;
    pc_test_each_allocation(scenario, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_good), cmocka_unit_test(test_malformed), cmocka_unit_test(test_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
