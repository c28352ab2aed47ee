/* Prompts by real vocabularies: the ids of golden/prompt/real.json, which the originals' code gave (oracle/make_real_prompts.py).
 * PERCEPT_VOCABULARIES is a folder with llama/tokenizer.model and mpt/tokenizer.json; data_prompts.sh makes it of the test data. Without
 * it nothing is tested. */
#include "prompt/conversation_json.h"
#include "prompt/prompt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* Stands for a picture where the vocabulary has no token for it. */
enum { PLACEHOLDER = 1 << 20 };

static pc_status slots_of(void *user, pc_media_kind kind, int index, size_t *out)
{
    (void)kind;
    (void)index;
    *out = *(const size_t *)user;
    return PC_OK;
}

static void load(pc_tokenizer **out, const char *folder, const pc_json *one)
{
    pc_str path = {0};
    const pc_json *added = pc_json_get(one, "added");
    assert_int_equal(pc_str_printf(&path, "%s/%s", folder, pc_json_get_text(one, "vocabulary", "")), PC_OK);
    if (pc_tokenizer_load(out, path.data) != PC_OK) {
        fail_msg("%s", pc_error());
    }
    for (size_t i = 0; i < pc_json_length(added); i++) {
        int32_t id;
        assert_int_equal(pc_tokenizer_add_token(*out, pc_json_text(pc_json_at(added, i)), true, &id), PC_OK);
    }
    pc_str_clear(&path);
}

static void compare(const pc_prompt *prompt, const pc_json *one, size_t number)
{
    const pc_json *ids = pc_json_get(one, "ids");
    const char *name = pc_json_get_text(one, "template", "");
    for (size_t i = 0; i < prompt->ids.count && i < pc_json_length(ids); i++) {
        int64_t id = pc_json_integer(pc_json_at(ids, i), 0), found = prompt->ids.data[i];
        if (found != (id < 0 ? PLACEHOLDER : id)) {
            fail_msg("case %zu (%s): id %zu is %lld, expected %lld", number, name, i, (long long)found, (long long)id);
        }
    }
    assert_int_equal(prompt->ids.count, pc_json_length(ids));
}

static void check_case(const char *folder, const pc_json *one, size_t slots, size_t number)
{
    pc_tokenizer *tokenizer = NULL;
    pc_conversation conversation = {0};
    pc_prompt prompt = {0};
    const pc_template *chat = NULL;
    load(&tokenizer, folder, one);
    bool has_token = pc_json_length(pc_json_get(one, "added")) > 0; /* and a picture is one of it */
    size_t count = has_token ? 1 : slots;
    pc_prompt_options options = {.invite = true, .slot_tokens = slots_of, .user = &count};
    options.media_id[PC_MEDIA_IMAGE] = has_token ? pc_tokenizer_id(tokenizer, "<image>") : PLACEHOLDER;
    const char *mark = pc_json_get_text(one, "open", NULL);
    options.media_open[PC_MEDIA_IMAGE] = options.media_close[PC_MEDIA_IMAGE] = mark ? pc_tokenizer_id(tokenizer, mark) : 0;
    assert_int_equal(conversation_from_json(&conversation, pc_json_get(one, "messages")), PC_OK);
    assert_int_equal(pc_template_by_name(&chat, pc_json_get_text(one, "template", "")), PC_OK);
    if (pc_prompt_build(&prompt, tokenizer, chat, &conversation, &options) != PC_OK) {
        fail_msg("case %zu: %s", number, pc_error());
    }
    compare(&prompt, one, number);
    pc_prompt_clear(&prompt);
    pc_conversation_clear(&conversation);
    pc_tokenizer_free(tokenizer);
}

static void test_prompts(void **state)
{
    const char *folder = getenv("PERCEPT_VOCABULARIES");
    pc_json *golden = NULL;
    (void)state;
    if (!folder) {
        skip();
    }
    assert_int_equal(pc_json_read(&golden, PERCEPT_TESTS_DIR "/golden/prompt/real.json", 1 << 24), PC_OK);
    const pc_json *cases = pc_json_get(golden, "cases");
    assert_true(pc_json_length(cases) > 20);
    for (size_t i = 0; i < pc_json_length(cases); i++) {
        check_case(folder, pc_json_at(cases, i), (size_t)pc_json_get_integer(golden, "slots", 0), i);
    }
    print_message("%zu prompts\n", pc_json_length(cases));
    pc_json_free(golden);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_prompts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
