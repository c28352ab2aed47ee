/* Field tables: defaults, text, JSON, errors with suggestions, help. */
#include "base/field.h"
#include "base/memory.h"

#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

typedef struct settings {
    int64_t steps;
    double rate;
    bool shuffle;
    char *name;
    int schedule;
    int64_t seed;
} settings;

static const char *const schedules[] = {"cosine", "linear", "warmup_stable", NULL};

static const pc_field fields[] = {
    {.name = "max_steps", .type = PC_FIELD_INT, .offset = offsetof(settings, steps), .fallback = "100", .low = 1,
     .high = 1e6, .help = "optimizer steps", .alias = "steps"},
    {.name = "learning_rate", .type = PC_FIELD_FLOAT, .offset = offsetof(settings, rate), .fallback = "1e-4", .low = 0,
     .high = 1, .help = "peak rate", .alias = "lr"},
    {.name = "shuffle", .type = PC_FIELD_BOOL, .offset = offsetof(settings, shuffle), .fallback = "true"},
    {.name = "name", .type = PC_FIELD_TEXT, .offset = offsetof(settings, name), .fallback = "run"},
    {.name = "schedule", .type = PC_FIELD_CHOICE, .offset = offsetof(settings, schedule), .choices = schedules},
    {.name = "seed", .type = PC_FIELD_INT, .offset = offsetof(settings, seed)},
};
static const pc_field_table table = {fields, sizeof fields / sizeof fields[0]};

static void defaults_are_set(void **state)
{
    (void)state;
    settings s;
    memset(&s, 0xa5, sizeof s);
    assert_int_equal(pc_fields_default(&table, &s), PC_OK);
    assert_int_equal(s.steps, 100);
    assert_true(s.rate == 1e-4);
    assert_true(s.shuffle);
    assert_string_equal(s.name, "run");
    assert_int_equal(s.schedule, 0);
    assert_int_equal(s.seed, 0);
    pc_fields_clear(&table, &s);
    assert_null(s.name);
    memset(&s, 0xa5, sizeof s);
    pc_alloc_fail_at(1, false);
    assert_int_equal(pc_fields_default(&table, &s), PC_ERR_MEMORY);
    assert_null(s.name);
    pc_alloc_fail_at(0, false);
}

static void text_is_taken(void **state)
{
    (void)state;
    settings s;
    assert_int_equal(pc_fields_default(&table, &s), PC_OK);
    assert_int_equal(pc_fields_set(&table, &s, "max-steps", "1e5", NULL), PC_OK);
    assert_int_equal(s.steps, 100000);
    assert_int_equal(pc_fields_set(&table, &s, "steps", "7", NULL), PC_OK);
    assert_int_equal(s.steps, 7);
    assert_int_equal(pc_fields_set(&table, &s, "lr", "1.0e-3", NULL), PC_OK);
    assert_true(s.rate == 1e-3);
    const char *const words[] = {"true", "no", "ON", "0", "yes", "Off", "1", "false"};
    for (int i = 0; i < 8; i++) {
        assert_int_equal(pc_fields_set(&table, &s, "shuffle", words[i], NULL), PC_OK);
        assert_int_equal(s.shuffle, i % 2 == 0);
    }
    assert_int_equal(pc_fields_set(&table, &s, "schedule", "warmup-stable", NULL), PC_OK);
    assert_int_equal(s.schedule, 2);
    assert_int_equal(pc_fields_set(&table, &s, "name", "a b", NULL), PC_OK);
    assert_string_equal(s.name, "a b");
    assert_int_equal(pc_fields_set(&table, &s, "seed", "-9223372036854775808", NULL), PC_OK);
    assert_true(s.seed == INT64_MIN);
    pc_fields_clear(&table, &s);
}

static void wrong_text_is_explained(void **state)
{
    (void)state;
    const struct { const char *key, *value, *message; } cases[] = {
        {"learnign_rate", "1", "r.yaml:3: there is no key 'learnign_rate'; did you mean 'learning_rate'?"},
        {"qqqqqqqq", "1", "r.yaml:3: there is no key 'qqqqqqqq'"},
        {"max_steps", "0", "r.yaml:3: 'max_steps' is 0; expected 1 to 1000000"},
        {"max_steps", "ten", "r.yaml:3: 'max_steps' is 'ten'; expected an integer"},
        {"max_steps", "1.5", "r.yaml:3: 'max_steps' is '1.5'; expected an integer"},
        {"max_steps", "", "r.yaml:3: 'max_steps' is ''; expected an integer"},
        {"max_steps", " 1", "r.yaml:3: 'max_steps' is ' 1'; expected an integer"},
        {"seed", "9223372036854775808", "r.yaml:3: 'seed' is '9223372036854775808'; expected an integer"},
        {"seed", "1-", "r.yaml:3: 'seed' is '1-'; expected an integer"},
        {"seed", "-", "r.yaml:3: 'seed' is '-'; expected an integer"},
        {"lr", "0x1p3", "r.yaml:3: 'learning_rate' is '0x1p3'; expected a number"},
        {"lr", "nan", "r.yaml:3: 'learning_rate' is 'nan'; expected a number"},
        {"lr", "1e-4x", "r.yaml:3: 'learning_rate' is '1e-4x'; expected a number"},
        {"lr", "2", "r.yaml:3: 'learning_rate' is 2; expected 0 to 1"},
        {"shuffle", "maybe", "r.yaml:3: 'shuffle' is 'maybe'; expected true or false"},
        {"schedule", "sine", "r.yaml:3: 'schedule' is 'sine'; expected one of cosine, linear, warmup_stable"},
    };
    settings s;
    assert_int_equal(pc_fields_default(&table, &s), PC_OK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(pc_fields_set(&table, &s, cases[i].key, cases[i].value, "r.yaml:3"), PC_ERR_USAGE);
        assert_string_equal(pc_error(), cases[i].message);
    }
    assert_int_equal(s.steps, 100); /* untouched */
    pc_fields_clear(&table, &s);
}

static pc_status from_text(settings *s, const char *text, bool lenient)
{
    pc_json *root;
    assert_int_equal(pc_json_parse(&root, text, strlen(text), "c"), PC_OK);
    pc_status status = pc_fields_from_json(&table, s, root, lenient, "c");
    pc_json_free(root);
    return status;
}

static void json_round_trips(void **state)
{
    (void)state;
    settings s;
    settings back;
    assert_int_equal(pc_fields_default(&table, &s), PC_OK);
    assert_int_equal(pc_fields_default(&table, &back), PC_OK);
    assert_int_equal(from_text(&s, "{\"steps\": 9, \"lr\": 1, \"shuffle\": false, \"name\": \"x\", \"schedule\": \"linear\","
                               "\"seed\": 1e3, \"other\": []}", true), PC_OK);
    assert_int_equal(s.seed, 1000);
    pc_json *root = pc_json_new_object();
    assert_int_equal(pc_fields_to_json(&table, &s, root), PC_OK);
    assert_int_equal(pc_json_length(root), 6);
    assert_int_equal(pc_fields_from_json(&table, &back, root, false, "c"), PC_OK);
    pc_json_free(root);
    assert_int_equal(back.steps, 9);
    assert_true(back.rate == 1 && !back.shuffle && back.schedule == 1 && back.seed == 1000);
    assert_string_equal(back.name, "x");
    assert_int_equal(from_text(&back, "{\"name\": null, \"seed\": null}", false), PC_OK);
    assert_null(back.name);
    assert_int_equal(back.seed, 1000);
    pc_fields_clear(&table, &s);
    pc_fields_clear(&table, &back);
}

static void wrong_json_is_explained(void **state)
{
    (void)state;
    settings s;
    assert_int_equal(pc_fields_default(&table, &s), PC_OK);
    assert_int_equal(from_text(&s, "{\"other\": 1}", false), PC_ERR_USAGE);
    assert_int_equal(from_text(&s, "[]", false), PC_ERR_DATA);
    assert_int_equal(from_text(&s, "{\"seed\": \"1\"}", false), PC_ERR_DATA);
    assert_string_equal(pc_error(), "c: key 'seed' is a string; expected an integer");
    assert_int_equal(from_text(&s, "{\"seed\": 1.5}", false), PC_ERR_DATA);
    assert_int_equal(from_text(&s, "{\"lr\": [1]}", false), PC_ERR_DATA);
    assert_int_equal(from_text(&s, "{\"shuffle\": 1}", false), PC_ERR_DATA);
    assert_int_equal(from_text(&s, "{\"name\": 1}", false), PC_ERR_DATA);
    assert_int_equal(from_text(&s, "{\"name\": \"a\\u0000\"}", false), PC_ERR_USAGE);
    assert_int_equal(from_text(&s, "{\"schedule\": \"no\"}", false), PC_ERR_USAGE);
    assert_int_equal(from_text(&s, "{\"steps\": 0}", false), PC_ERR_USAGE);
    assert_int_equal(from_text(&s, "{\"seed\": 0}", false), PC_OK);
    assert_int_equal(from_text(&s, "{\"seed\": 1}", false), PC_OK);
    assert_int_equal(s.seed, 1);
    pc_fields_clear(&table, &s);
}

static void help_tells_all(void **state)
{
    (void)state;
    pc_str help = {0};
    assert_int_equal(pc_fields_help(&table, &help), PC_OK);
    assert_non_null(strstr(help.data, "  max_steps      (integer, default 100, 1 to 1000000)  optimizer steps\n"));
    assert_non_null(strstr(help.data, "  schedule       (cosine|linear|warmup_stable, default cosine)"));
    assert_non_null(strstr(help.data, "  seed           (integer, default 0)"));
    pc_str_clear(&help);
    assert_non_null(pc_fields_find(&table, "learning-rate"));
    assert_null(pc_fields_find(&table, "learning"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_set),        cmocka_unit_test(text_is_taken),
        cmocka_unit_test(wrong_text_is_explained), cmocka_unit_test(json_round_trips),
        cmocka_unit_test(wrong_json_is_explained), cmocka_unit_test(help_tells_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
