/* Conversations: building, marks in dataset texts, the place of media that no text mentions. */
#include "prompt/conversation.h"

#include "base/str.h"
#include "prompt/answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The conversation as text: role|text[image 0]text|role... */
static pc_status describe(const pc_conversation *conversation, pc_str *out)
{
    pc_str_reset(out);
    PC_TRY(pc_str_puts(out, ""));
    for (size_t m = 0; m < conversation->count; m++) {
        const pc_message *message = &conversation->messages[m];
        PC_TRY(pc_str_printf(out, "%s%s|", m == 0 ? "" : "|", pc_role_name(message->role)));
        for (size_t p = message->first; p < message->first + message->count; p++) {
            const pc_part *part = &conversation->parts[p];
            if (part->text != NULL) {
                PC_TRY(pc_str_printf(out, "(%s)", part->text));
            } else {
                PC_TRY(pc_str_printf(out, "[%s %d]", pc_media_kind_name(part->kind), part->index));
            }
        }
    }
    return PC_OK;
}

static void check(const pc_conversation *conversation, const char *wanted)
{
    pc_str found = {0};
    assert_int_equal(describe(conversation, &found), PC_OK);
    assert_string_equal(found.data == NULL ? "" : found.data, wanted);
    pc_str_clear(&found);
}

static void check_marked(const char *text, pc_markers markers, const char *wanted)
{
    pc_conversation conversation = {0};
    assert_int_equal(pc_conversation_begin(&conversation, PC_ROLE_USER), PC_OK);
    assert_int_equal(pc_conversation_add_marked(&conversation, text, strlen(text), markers), PC_OK);
    pc_str found = {0};
    assert_int_equal(describe(&conversation, &found), PC_OK);
    assert_string_equal(found.data + strlen("user|"), wanted);
    pc_str_clear(&found);
    pc_conversation_clear(&conversation);
}

static void test_building(void **state)
{
    (void)state;
    pc_conversation c = {0};
    assert_int_equal(pc_conversation_add_text(&c, "x", 1), PC_ERR_USAGE);
    assert_int_equal(pc_conversation_add_marked(&c, "x", 1, PC_MARKERS_EXACT), PC_ERR_USAGE);
    assert_int_equal(pc_conversation_say(&c, PC_ROLE_SYSTEM, "s"), PC_OK);
    assert_int_equal(pc_conversation_begin(&c, PC_ROLE_USER), PC_OK);
    assert_int_equal(pc_conversation_add_media(&c, PC_MEDIA_VIDEO, 0), PC_OK);
    assert_int_equal(pc_conversation_add_text(&c, "see <image> </s>", 16), PC_OK);
    assert_int_equal(pc_conversation_add_media(&c, PC_MEDIA_IMAGE, -1), PC_ERR_DATA);
    assert_int_equal(pc_conversation_add_media(&c, PC_MEDIA_IMAGE, 1 << 30), PC_ERR_DATA);
    assert_int_equal(pc_conversation_say(&c, PC_ROLE_TOOL, ""), PC_OK);
    check(&c, "system|(s)|user|[video 0](see <image> </s>)|tool|()");
    assert_int_equal(c.media_count[PC_MEDIA_VIDEO], 1);
    pc_conversation_clear(&c);
    check(&c, "");
    assert_int_equal(pc_conversation_say(&c, PC_ROLE_USER, "again"), PC_OK);
    check(&c, "user|(again)");
    pc_conversation_clear(&c);
}

static void test_text_with_nul(void **state)
{
    (void)state;
    pc_conversation c = {0};
    assert_int_equal(pc_conversation_begin(&c, PC_ROLE_USER), PC_OK);
    assert_int_equal(pc_conversation_add_text(&c, "a\0b", 3), PC_OK);
    assert_int_equal(c.parts[0].length, 3);
    assert_memory_equal(c.parts[0].text, "a\0b", 4);
    pc_conversation_clear(&c);
}

static void test_marks(void **state)
{
    (void)state;
    check_marked("<image>\nWhat?", PC_MARKERS_EXACT, "[image 0](\nWhat?)");
    check_marked("<image>\nWhat?", PC_MARKERS_IN_PLACE, "[image 0](What?)");
    check_marked("<image>\nWhat?", PC_MARKERS_FIRST, "[image 0](What?)");
    check_marked("What?\n<image>", PC_MARKERS_IN_PLACE, "(What?\n)[image 0]");
    check_marked("What?\n<image>", PC_MARKERS_FIRST, "[image 0](What?)");
    check_marked("<image>\n<image>\n\nWhat?", PC_MARKERS_IN_PLACE, "[image 0][image 1](\nWhat?)");
    check_marked("a <image>\n b <image>", PC_MARKERS_IN_PLACE, "(a )[image 0](\n b )[image 1]");
    check_marked("a <image>\n b <image>", PC_MARKERS_FIRST, "[image 0][image 1](a \n b)");
    check_marked("<audio><image><video><image>", PC_MARKERS_IN_PLACE,
                 "[audio 0][image 0][video 0][image 1]");
    check_marked("<Image><image ><imag", PC_MARKERS_FIRST, "(<Image><image ><imag)");
    check_marked("<<image>>", PC_MARKERS_IN_PLACE, "(<)[image 0](>)");
    check_marked("", PC_MARKERS_IN_PLACE, "");
    check_marked(" \n", PC_MARKERS_FIRST, "");
    check_marked("<image>", PC_MARKERS_FIRST, "[image 0]");
}

static void test_marks_count_on(void **state)
{
    (void)state;
    pc_conversation c = {0};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pc_conversation_begin(&c, PC_ROLE_USER), PC_OK);
        assert_int_equal(pc_conversation_add_marked(&c, "<image>a<image>", 15,
                                                    PC_MARKERS_IN_PLACE), PC_OK);
    }
    check(&c, "user|[image 0](a)[image 1]|user|[image 2](a)[image 3]");
    pc_conversation_clear(&c);
}

static void test_place_media(void **state)
{
    (void)state;
    pc_conversation c = {0};
    assert_int_equal(pc_conversation_say(&c, PC_ROLE_SYSTEM, "s"), PC_OK);
    assert_int_equal(pc_conversation_place_media(&c, PC_MEDIA_IMAGE, 0), PC_OK);
    assert_int_equal(pc_conversation_place_media(&c, PC_MEDIA_IMAGE, 1), PC_ERR_DATA);
    assert_int_equal(pc_conversation_say(&c, PC_ROLE_USER, "q"), PC_OK);
    assert_int_equal(pc_conversation_say(&c, PC_ROLE_ASSISTANT, "a"), PC_OK);
    assert_int_equal(pc_conversation_begin(&c, PC_ROLE_USER), PC_OK);
    assert_int_equal(pc_conversation_add_media(&c, PC_MEDIA_IMAGE, 1), PC_OK);
    assert_int_equal(pc_conversation_place_media(&c, PC_MEDIA_IMAGE, 1), PC_ERR_DATA);
    assert_int_equal(pc_conversation_place_media(&c, PC_MEDIA_IMAGE, -1), PC_ERR_DATA);
    assert_int_equal(pc_conversation_place_media(&c, PC_MEDIA_IMAGE, 3), PC_OK);
    check(&c, "system|(s)|user|[image 0][image 2](q)|assistant|(a)|user|[image 1]");
    assert_int_equal(c.media_count[PC_MEDIA_IMAGE], 3);
    assert_int_equal(pc_conversation_place_media(&c, PC_MEDIA_IMAGE, 3), PC_OK);
    check(&c, "system|(s)|user|[image 0][image 2](q)|assistant|(a)|user|[image 1]");
    pc_conversation_clear(&c);
}

static void test_roles(void **state)
{
    (void)state;
    pc_role role;
    assert_int_equal(pc_role_parse(&role, "human"), PC_OK);
    assert_int_equal(role, PC_ROLE_USER);
    assert_int_equal(pc_role_parse(&role, "gpt"), PC_OK);
    assert_int_equal(role, PC_ROLE_ASSISTANT);
    for (int r = PC_ROLE_SYSTEM; r <= PC_ROLE_TOOL; r++) {
        assert_int_equal(pc_role_parse(&role, pc_role_name((pc_role)r)), PC_OK);
        assert_int_equal(role, r);
    }
    assert_int_equal(pc_role_parse(&role, "User"), PC_ERR_DATA);
    assert_non_null(strstr(pc_error(), "User"));
}

/* Whatever allocation fails, a composed call leaves the conversation as it was. */
static void test_allocation_failures(void **state)
{
    (void)state;
    static const char marked[] = "a <image> b <image> c <video> d <image> e <image> f <image> g";
    for (int markers = PC_MARKERS_EXACT; markers <= PC_MARKERS_FIRST; markers++) {
        pc_status status = PC_ERR_MEMORY;
        for (long n = 1; status != PC_OK; n++) {
            pc_conversation c = {0};
            assert_int_equal(pc_conversation_say(&c, PC_ROLE_USER, "q"), PC_OK);
            assert_true(n < 1000);
            pc_alloc_fail_at(n, false);
            status = pc_conversation_add_marked(&c, marked, strlen(marked), (pc_markers)markers);
            pc_alloc_fail_at(0, false);
            if (status != PC_OK) {
                assert_int_equal(status, PC_ERR_MEMORY);
                check(&c, "user|(q)");
                assert_int_equal(c.media_count[PC_MEDIA_IMAGE], 0);
            }
            pc_alloc_fail_at(n, false);
            pc_status said = pc_conversation_say(&c, PC_ROLE_ASSISTANT, "answer");
            pc_alloc_fail_at(0, false);
            assert_true(said == PC_OK || c.count == 1);
            pc_alloc_fail_at(n, false);
            pc_status placed = pc_conversation_place_media(&c, PC_MEDIA_IMAGE, 9);
            pc_alloc_fail_at(0, false);
            assert_true(placed == PC_OK || placed == PC_ERR_MEMORY);
            pc_conversation_clear(&c);
        }
    }
}

/* What a chat does with a message that did not fit: the next one stands in its place. */
static void test_drop(void **state)
{
    (void)state;
    pc_conversation c = {0};
    pc_conversation_drop(&c);
    assert_int_equal(c.count, 0);
    assert_int_equal(pc_conversation_say(&c, PC_ROLE_USER, "one"), PC_OK);
    assert_int_equal(pc_conversation_begin(&c, PC_ROLE_USER), PC_OK);
    assert_int_equal(pc_conversation_add_media(&c, PC_MEDIA_IMAGE, 0), PC_OK);
    assert_int_equal(pc_conversation_add_text(&c, "two", 3), PC_OK);
    pc_conversation_drop(&c);
    assert_int_equal(c.count, 1);
    assert_int_equal(c.part_count, 1);
    assert_int_equal(c.media_count[PC_MEDIA_IMAGE], 0);
    assert_int_equal(pc_conversation_say(&c, PC_ROLE_ASSISTANT, "three"), PC_OK);
    assert_int_equal(c.messages[1].first, 1);
    assert_string_equal(c.parts[1].text, "three");
    pc_conversation_clear(&c);
}

static void test_answer_names(void **state)
{
    (void)state;
    pc_answer answer = {0};
    assert_string_equal(pc_answer_end_name(PC_ANSWER_STOP), "stop");
    assert_string_equal(pc_answer_end_name(PC_ANSWER_LENGTH), "length");
    assert_string_equal(pc_answer_end_name(PC_ANSWER_CANCELLED), "cancelled");
    assert_int_equal(pc_str_puts(&answer.text, "x"), PC_OK);
    pc_answer_clear(&answer);
    assert_null(answer.text.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_building),
        cmocka_unit_test(test_text_with_nul),
        cmocka_unit_test(test_marks),
        cmocka_unit_test(test_marks_count_on),
        cmocka_unit_test(test_place_media),
        cmocka_unit_test(test_roles),
        cmocka_unit_test(test_allocation_failures),
        cmocka_unit_test(test_drop),
        cmocka_unit_test(test_answer_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
