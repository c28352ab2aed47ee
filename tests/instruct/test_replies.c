/* Replies of models taken apart: grammars, reasons, refusals. */
#include "instruct/replies.h"
#include "support/allocfail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_turns(void **state)
{
    static const struct {
        const char *reply;
        size_t count;
        const char *last_question, *last_answer, *reason; /* reason: it is malformed */
    } cases[] = {
        {"Question:\nA?\n===\nAnswer:\nB\n===\nQuestion:\nC?\n===\nAnswer:\nD\n", 2, "C?", "D", NULL},
        {"Question: A?\nAnswer: B", 1, "A?", "B", NULL},
        {"Sure, here they are.\n\n**Question:** A?\n\n**Answer:** B\nand C\n=====\n", 1, "A?", "B\nand C", NULL},
        {"问题：\n几只猫？\n===\n回答：\n两只。", 1, "几只猫？", "两只。", NULL},
        {"### Question: A?\n# answer: B = C ===\n", 1, "A?", "B = C ===", NULL},
        {"Question:\nA?\n===\nQuestion:\nB?\n===\nAnswer:\nC", 0, NULL, NULL, "question 1 has no answer"},
        {"Question:\nA?", 0, NULL, NULL, "question 1 has no answer"},
        {"Answer:\nA", 0, NULL, NULL, "an answer without a question"},
        {"Question:\nA?\n===\nAnswer:\nB\n===\nAnswer:\nC", 0, NULL, NULL, "an answer without a question behind 1"},
        {"Question:\n\n===\nAnswer:\nB", 0, NULL, NULL, "question 1 is empty"},
        {"Question:\nA?\n===\nAnswer:\n  \n", 0, NULL, NULL, "answer 1 is empty"},
        {"There is a cat.", 0, NULL, NULL, "no question with an answer"},
        {"A question: why? Answer: so.", 0, NULL, NULL, "no question with an answer"},
        {"", 0, NULL, NULL, "no question"},
    };
    pc_turns turns = {0};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char reason[PC_REPLY_REASON];
        bool good;
        assert_int_equal(pc_reply_turns(&turns, cases[i].reply, &good, reason), PC_OK);
        if (good != !cases[i].reason || (cases[i].reason && !strstr(reason, cases[i].reason))) {
            fail_msg("case %zu: expected '%s', found '%s'", i, cases[i].reason ? cases[i].reason : "good", reason);
        }
        if (good) {
            assert_int_equal(turns.count, cases[i].count);
            assert_string_equal(turns.turn[turns.count - 1].question, cases[i].last_question);
            assert_string_equal(turns.turn[turns.count - 1].answer, cases[i].last_answer);
        }
    }
    pc_turns_clear(&turns);
}

static void test_numbered(void **state)
{
    static const struct {
        const char *reply;
        size_t wanted;
        bool good;
        const char *last;
    } cases[] = {
        {"[1] a\n[2] b c\nd", 2, true, "b c\nd"},
        {"Here:\n[1] a", 1, true, "a"},
        {"[1] at [0.1, 0.2, 0.3, 0.4]", 1, true, "at [0.1, 0.2, 0.3, 0.4]"},
        {"[1] a\n[0.1, 0.2, 0.3, 0.4]", 1, true, "a\n[0.1, 0.2, 0.3, 0.4]"},
        {"[1] a\n[2]\n", 2, false, NULL},
        {"[2] a\n[1] b", 2, false, NULL},
        {"[1] a", 2, false, NULL},
        {"[1] a\n[2] b\n[3] c", 2, false, NULL},
        {"a", 1, false, NULL},
    };
    pc_turns turns = {0};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char reason[PC_REPLY_REASON];
        bool good;
        assert_int_equal(pc_reply_numbered(&turns, cases[i].reply, cases[i].wanted, &good, reason), PC_OK);
        assert_int_equal(good, cases[i].good);
        if (good) {
            assert_string_equal(turns.turn[turns.count - 1].answer, cases[i].last);
        } else {
            assert_non_null(strstr(reason, "expected the texts"));
        }
    }
    pc_turns_clear(&turns);
}

static void test_refusals(void **state)
{
    static const char *const phrases[] = {"i'm sorry", "抱歉", NULL};
    char late[400];
    (void)state;
    assert_true(pc_reply_begins_with_any("I'm sorry, no.", phrases));
    assert_true(pc_reply_begins_with_any("很抱歉，我做不到。", phrases));
    assert_false(pc_reply_begins_with_any("Fine.", phrases));
    memset(late, 'x', sizeof late);
    strcpy(late + 300, "I'm sorry");
    assert_false(pc_reply_begins_with_any(late, phrases)); /* somebody in the picture may be */
}

static pc_status scenario(void *user)
{
    pc_turns turns = {0};
    char reason[PC_REPLY_REASON];
    bool good;
    pc_status status;
    (void)user;
    PC_GO(pc_reply_turns(&turns, "Question:\nA?\n===\nAnswer:\nB\n", &good, reason));
    status = pc_reply_numbered(&turns, "[1] a\n[2] b", 2, &good, reason);
done:
    pc_turns_clear(&turns);
    return status;
}

static void test_memory(void **state)
{
    (void)state;
    pc_test_each_allocation(scenario, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_turns), cmocka_unit_test(test_numbered), cmocka_unit_test(test_refusals), cmocka_unit_test(test_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
