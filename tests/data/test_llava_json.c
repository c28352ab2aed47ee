/* LLaVA JSON: the index of the file, conversations, pictures, bad files. */
#include "base/json.h"
#include "data/dataset_case.h"
#include "data/json_index.h"
#include "support/allocfail.h"
#include "support/mutate.h"

#include <stdio.h>

#define TURNS                                                                                                     \
    "\"conversations\": [{\"from\": \"human\", \"value\": \"Which [one]? {\\\"%d\\\"}\"}, {\"from\": \"gpt\", " \
    "\"value\": \"A.\"}]}"

static int make_folder(void **state)
{
    static char folder[256];
    char path[512];
    pc_image *image = NULL;
    pc_test_folder_new(folder);
    must(pc_image_new(&image, 6, 4));
    must(pc_image_save_png(image, pc_test_path(path, folder, "a.png")));
    pc_image_free(image);
    must(pc_image_new(&image, 3, 5));
    must(pc_image_save_png(image, pc_test_path(path, folder, "b.png")));
    pc_image_free(image);
    *state = folder;
    return 0;
}

static int drop_folder(void **state)
{
    pc_test_folder_free(*state);
    return 0;
}

static pc_status open_text(pc_dataset **out, const char *folder, const char *text)
{
    char path[512];
    pc_test_write(folder, "data.json", text, strlen(text));
    return pc_dataset_open(out, pc_test_path(path, folder, "data.json"), NULL, NULL);
}

/* Read sample 0 of a file that holds this one object. */
static pc_status read_one(pc_sample *out, const char *folder, const char *object)
{
    pc_dataset *dataset = NULL;
    pc_str text = {0};
    pc_status status;
    must(pc_str_printf(&text, " [ %s]\n", object));
    PC_GO(open_text(&dataset, folder, text.data));
    assert_int_equal(pc_dataset_count(dataset), 1);
    PC_GO(pc_dataset_read(dataset, 0, out));
done:
    pc_dataset_close(dataset);
    pc_str_clear(&text);
    return status;
}

/* The parts of a message as text: pictures as [index]. */
static void assert_message(const pc_sample *sample, size_t at, pc_role role, const char *expected)
{
    pc_str text = {0};
    assert_true(at < sample->conversation.count);
    const pc_message *message = &sample->conversation.messages[at];
    must(pc_str_puts(&text, ""));
    for (size_t p = message->first; p < message->first + message->count; p++) {
        const pc_part *part = &sample->conversation.parts[p];
        must(part->text ? pc_str_add(&text, part->text, part->length) : pc_str_printf(&text, "[%d]", part->index));
    }
    assert_int_equal(message->role, role);
    assert_string_equal(text.data ? text.data : "", expected);
    pc_str_clear(&text);
}

static void test_conversations(void **state)
{
    pc_sample s = {0};
    must(read_one(&s, *state, "{\"image\": \"a.png\", \"conversations\": ["
                              "{\"from\": \"system\", \"value\": \"Be brief.\"},"
                              "{\"from\": \"human\", \"value\": \" What is <image>\\nthis? \"},"
                              "{\"from\": \"gpt\", \"value\": \" An <image>. \"},"
                              "{\"from\": \"human\", \"value\": \" Why? \"}, {\"from\": \"gpt\", \"value\": \"\"}]}"));
    assert_int_equal(s.conversation.count, 5);
    assert_message(&s, 0, PC_ROLE_SYSTEM, "Be brief.");
    assert_message(&s, 1, PC_ROLE_USER, "[0]What is \nthis?"); /* LLaVA's rule */
    assert_message(&s, 2, PC_ROLE_ASSISTANT, " An <image>. ");
    assert_message(&s, 3, PC_ROLE_USER, " Why? ");
    assert_message(&s, 4, PC_ROLE_ASSISTANT, "");
    assert_int_equal(s.image_count, 1);
    assert_int_equal(s.images[0]->width, 6);

    /* No mark: to the front. Two pictures, one of them marked later. */
    must(read_one(&s, *state, "{\"image\": [\"b.png\", \"a.png\"], \"messages\": ["
                              "{\"role\": \"user\", \"content\": \"One\"}, {\"role\": \"assistant\", \"content\": \"1\"},"
                              "{\"role\": \"user\", \"content\": \"<image>Two\"}]}"));
    assert_message(&s, 0, PC_ROLE_USER, "[1]One");
    assert_message(&s, 2, PC_ROLE_USER, "[0]Two");
    assert_int_equal(s.image_count, 2);
    assert_int_equal(s.images[0]->width, 3);

    /* No picture; the model speaks first; parts. */
    must(read_one(&s, *state, "{\"image\": null, \"id\": 4, \"conversations\": [{\"from\": \"gpt\", \"value\": \"Hi\"},"
                              "{\"from\": \"human\", \"value\": \"Hello\"}, {\"from\": \"gpt\", \"value\": \"Yes\"}]}"));
    assert_message(&s, 0, PC_ROLE_USER, "Hello");
    assert_int_equal(s.image_count, 0);
    must(read_one(&s, *state, "{\"images\": [\"a.png\"], \"messages\": [{\"role\": \"user\", \"content\": "
                              "[{\"type\": \"text\", \"text\": \"Is \"}, {\"type\": \"image\"}]}]}"));
    assert_message(&s, 0, PC_ROLE_USER, "Is [0]");
    pc_sample_clear(&s);
}

static void test_bad_samples(void **state)
{
    static const struct {
        const char *object;
        pc_status status;
        const char *part;
    } cases[] = {
        {"{}", PC_ERR_DATA, "conversations"},
        {"{\"conversations\": []}", PC_ERR_DATA, "nobody asks"},
        {"{\"conversations\": [{\"from\": \"human\"}]}", PC_ERR_DATA, "message 1"},
        {"{\"conversations\": [{\"value\": \"a\"}]}", PC_ERR_DATA, "who speaks"},
        {"{\"conversations\": [{\"from\": \"dog\", \"value\": \"a\"}]}", PC_ERR_DATA, "dog"},
        {"{\"conversations\": [{\"from\": \"human\", \"value\": \"<image>a\"}]}", PC_ERR_DATA, "image"},
        {"{\"image\": \"a.png\", \"conversations\": [{\"from\": \"human\", \"value\": \"<image><image>a\"}]}",
         PC_ERR_DATA, "image 2"},
        {"{\"image\": \"../a.png\", \"conversations\": [{\"from\": \"human\", \"value\": \"a\"}]}", PC_ERR_DATA,
         "../a.png"},
        {"{\"image\": \"/a.png\", \"conversations\": [{\"from\": \"human\", \"value\": \"a\"}]}", PC_ERR_DATA, "/a.png"},
        {"{\"image\": \"c.png\", \"conversations\": [{\"from\": \"human\", \"value\": \"a\"}]}", PC_ERR_IO, "c.png"},
        {"{\"image\": \"data.json\", \"conversations\": [{\"from\": \"human\", \"value\": \"a\"}]}", PC_ERR_DATA,
         "data.json"},
        {"{\"image\": 3, \"conversations\": [{\"from\": \"human\", \"value\": \"a\"}]}", PC_ERR_DATA, "picture 1"},
        {"{\"id\": 1 2}", PC_ERR_DATA, "the object at byte 3"},
        {"{\"a\": 1, \"a\": 2}", PC_ERR_DATA, "already has"},
        {"{\"a\": \"\xff\"}", PC_ERR_DATA, "UTF-8"},
    };
    pc_sample sample = {0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        must_fail(read_one(&sample, *state, cases[i].object), cases[i].status, cases[i].part);
        assert_non_null(strstr(pc_error(), "data.json:1: sample 0"));
    }
    pc_sample_clear(&sample);
}

static void test_bad_files(void **state)
{
    static const struct {
        const char *text, *part;
    } cases[] = {
        {"", "byte 0: the file ends"},
        {"  \n", "byte 3"},
        {"x", "byte 0: expected a list of samples, found 'x'"},
        {"[{}", "byte 3: the file ends"},
        {"[{} {}]", "byte 4: expected ',' or ']'"},
        {"[{},]", "byte 4: expected an object"},
        {"[,{}]", "byte 1: expected an object"},
        {"[1]", "byte 1: expected an object, found '1'"},
        {"[[]]", "byte 1: expected an object"},
        {"[{]]", "byte 2: expected '}', found ']'"},
        {"[{\"a\": [}]", "byte 8: expected ']'"},
        {"[{}] x", "byte 5: expected nothing more"},
        {"[{}]]", "byte 4: expected nothing more"},
        {"[{\"a]}", "the file ends"},
        {"[{\"a\nb\": 1}]", "byte 4: expected a closed string, found byte 0x0a"},
        {"\xef\xbb\xbf[]", "byte 0: expected a list of samples, found byte 0xef"},
    };
    pc_dataset *dataset = NULL;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        must_fail(open_text(&dataset, *state, cases[i].text), PC_ERR_DATA, cases[i].part);
        assert_non_null(strstr(pc_error(), "data.json: byte"));
        assert_null(dataset);
    }
    pc_str deep = {0};
    must(pc_str_puts(&deep, "[{\"a\": "));
    for (int i = 0; i < 200; i++) {
        must(pc_str_putc(&deep, '['));
    }
    must_fail(open_text(&dataset, *state, deep.data), PC_ERR_DATA, "nested deeper");
    pc_str_clear(&deep);
    must(open_text(&dataset, *state, " [ ] "));
    assert_int_equal(pc_dataset_count(dataset), 0);
    pc_dataset_close(dataset);
    must_fail(pc_dataset_open(&dataset, *state, "llava_json", NULL), PC_ERR_IO, "regular");
}

/* Objects that lie across the borders of what is read at once, with brackets and quotes in strings. */
static void test_large_file(void **state)
{
    pc_str text = {0};
    char path[512], id[64];
    pc_sample sample = {0};
    pc_dataset *dataset = NULL;
    pc_dataset_options options = {.limit = 100};
    must(pc_str_putc(&text, '['));
    for (int i = 0; i < 3000; i++) {
        must(pc_str_printf(&text, "%s{\"id\": \"]}\\\"\\\\%d\", \"x\": [{\"y\": []}], ", i ? ",\n" : "", i));
        must(pc_str_printf(&text, TURNS, i));
        for (int pad = 0; pad < i % 977; pad++) {
            must(pc_str_putc(&text, ' '));
        }
    }
    must(pc_str_putc(&text, ']'));
    must(open_text(&dataset, *state, text.data));
    assert_int_equal(pc_dataset_count(dataset), 3000);
    for (int i = 0; i < 3000; i += 271) {
        must(pc_dataset_read(dataset, i, &sample));
        snprintf(id, sizeof id, "Which [one]? {\"%d\"}", i);
        assert_string_equal(text_of(&sample, 0), id);
        snprintf(id, sizeof id, "data.json:%d: sample %d", i + 1, i);
        assert_non_null(strstr(sample.where, id));
    }
    pc_dataset_close(dataset);
    pc_test_path(path, *state, "data.json");
    must(pc_dataset_open(&dataset, path, NULL, &options));
    assert_int_equal(pc_dataset_count(dataset), 100);
    /* The file shrinks while it is open. */
    pc_test_write(*state, "data.json", "[]", 2);
    must_fail(pc_dataset_read(dataset, 99, &sample), PC_ERR_IO, "shorter");
    pc_dataset_close(dataset);
    pc_sample_clear(&sample);
    pc_str_clear(&text);
}

#define SEED                                                                                                           \
    "[{\"id\": 1, \"image\": \"a.png\", \"conversations\": [{\"from\": \"human\", \"value\": \"<image>\\nWhat?\"}, "   \
    "{\"from\": \"gpt\", \"value\": \"A cat \\u00e9.\"}]},\n {\"id\": \"2\", \"image\": [\"a.png\", \"b.png\"], "     \
    "\"conversations\": [{\"from\": \"system\", \"value\": \"s\"}, {\"from\": \"human\", \"value\": \"x\"}, "          \
    "{\"from\": \"gpt\", \"value\": \"y\"}], \"x\": [1.5, -2e3, true, null, {}]},\n {\"messages\": [{\"role\": "       \
    "\"user\", \"content\": [{\"type\": \"text\", \"text\": \"hi\"}]}]}]"

static pc_status load_all(const char *path, const void *bytes, size_t size, void *user)
{
    pc_dataset *dataset = NULL;
    pc_dataset_options options = {.image_folder = user};
    pc_sample sample = {0};
    pc_status status;
    (void)bytes;
    (void)size;
    PC_GO(pc_dataset_open(&dataset, path, "llava_json", &options));
    for (int64_t i = 0; i < pc_dataset_count(dataset); i++) {
        status = pc_dataset_read(dataset, i, &sample);
        if (status == PC_ERR_IO && strstr(pc_error(), user)) {
            status = PC_ERR_DATA; /* a picture that isn't there */
        }
        PC_GO(status);
    }
done:
    pc_dataset_close(dataset);
    pc_sample_clear(&sample);
    return status;
}

static void test_mutants(void **state)
{
    pc_mutant_result result = pc_test_mutants("llava.json", SEED, strlen(SEED), load_all, *state, 600);
    assert_true(result.refused > 100);
}

static pc_status read_seed(void *user)
{
    char path[512];
    return load_all(pc_test_path(path, user, "seed.json"), NULL, 0, user);
}

static void test_out_of_memory(void **state)
{
    pc_test_write(*state, "seed.json", SEED, strlen(SEED));
    assert_true(pc_test_each_allocation(read_seed, *state) > 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conversations), cmocka_unit_test(test_bad_samples), cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_large_file),    cmocka_unit_test(test_mutants),     cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
