/* Rows of every shape as conversations; dataset_info.json; the index that is kept. */
#include "base/file.h"
#include "data/dataset_case.h"
#include "data/dataset_info.h"
#include "data/json_index.h"
#include "support/allocfail.h"
#include "support/mutate.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[256];

static int make_folder(void **state)
{
    (void)state;
    char path[512];
    pc_image *image = NULL;
    pc_test_folder_new(folder);
    for (int i = 0; i < 3; i++) {
        char name[8];
        snprintf(name, sizeof name, "%c.png", 'a' + i);
        must(pc_image_new(&image, 3 + i, 2));
        must(pc_image_save_png(image, pc_test_path(path, folder, name)));
        pc_image_free(image);
    }
    return 0;
}

static int drop_folder(void **state)
{
    (void)state;
    pc_test_folder_free(folder);
    return 0;
}

/* "user: [0]What? | assistant: A." */
static void describe(pc_str *out, const pc_conversation *conversation)
{
    for (size_t m = 0; m < conversation->count; m++) {
        const pc_message *message = &conversation->messages[m];
        must(pc_str_printf(out, "%s%s: ", m ? " | " : "", pc_role_name(message->role)));
        for (size_t p = message->first; p < message->first + message->count; p++) {
            const pc_part *part = &conversation->parts[p];
            must(part->text ? pc_str_add(out, part->text, part->length) : pc_str_printf(out, "[%d]", part->index));
        }
    }
}

static pc_status read_with(pc_sample *out, const char *row, const pc_row_format *format)
{
    pc_json *json = NULL;
    PC_TRY(pc_json_parse(&json, row, strlen(row), "row"));
    pc_row at = {.json = json, .format = format, .folder = folder};
    pc_sample_clear(out);
    pc_status status = pc_row_read(&at, out);
    pc_json_free(json);
    return status;
}

static const struct good {
    const char *row, *said, *rejected;
    int images, label;
} good[] = {
    {"{'messages': [{'role': 'user', 'content': 'x <image> y'}, {'role': 'assistant', 'content': 'z'}], 'images': ['a.png']}",
     "user: x [0] y | assistant: z", "", 1, 0},
    {"{'messages': [{'role': 'user', 'content': '<image>\\nA<image>B'}, {'role': 'assistant', 'content': 'z'}], 'images': "
     "['a.png', 'b.png']}", "user: [0]A[1]B | assistant: z", "", 2, 0},
    {"{'conversations': [{'from': 'human', 'value': 'x <image> y'}, {'from': 'gpt', 'value': 'z'}], 'image': 'a.png'}",
     "user: [0]x  y | assistant: z", "", 1, 0},
    {"{'messages': [{'role': 'user', 'content': 'a'}, {'role': 'assistant', 'content': 'b'}], 'images': [], 'tools': ''}",
     "user: a | assistant: b", "", 0, 0},
    {"{'messages': [{'role': 'user', 'content': [{'type': 'text', 'text': 'Is '}, {'type': 'image_url', 'image_url': {'url': "
     "'b.png'}}, {'type': 'image', 'image': 'file://a.png'}, {'type': 'text', 'text': '?'}]}, {'role': 'assistant', "
     "'content': 'yes'}]}", "user: Is [0][1]? | assistant: yes", "", 2, 0},
    {"{'system': 'S', 'conversations': [{'from': 'human', 'value': 'a'}, {'from': 'gpt', 'value': 'b'}, {'from': "
     "'observation', 'value': 'o'}]}", "system: S | user: a | assistant: b | tool: o", "", 0, 0},
    {"{'instruction': 'I', 'input': 'J', 'output': 'K', 'system': 'S', 'history': [['p', 'q']]}",
     "system: S | user: p | assistant: q | user: I\nJ | assistant: K", "", 0, 0},
    {"{'instruction': '<image>I', 'input': '', 'output': 'K', 'images': ['a.png']}", "user: [0]I | assistant: K", "", 1, 0},
    {"{'instruction': 'I', 'chosen': 'good', 'rejected': 'bad'}", "user: I | assistant: good", "assistant: bad", 0, 0},
    {"{'conversations': [{'from': 'human', 'value': 'q'}], 'chosen': {'from': 'gpt', 'value': 'good'}, 'rejected': {'from': "
     "'gpt', 'value': 'bad'}, 'images': ['c.png']}", "user: [0]q | assistant: good", "assistant: bad", 1, 0},
    {"{'messages': [{'role': 'user', 'content': 'q'}, {'role': 'assistant', 'content': 'good'}], 'rejected_response': 'bad'}",
     "user: q | assistant: good", "assistant: bad", 0, 0},
    {"{'prompt': 'q', 'completion': 'a', 'label': false}", "user: q | assistant: a", "", 0, -1},
    {"{'prompt': [{'role': 'system', 'content': 's'}, {'role': 'user', 'content': 'q'}], 'chosen': [{'role': 'assistant', "
     "'content': 'good'}], 'rejected': [{'role': 'assistant', 'content': 'bad'}]}",
     "system: s | user: q | assistant: good", "assistant: bad", 0, 0},
    {"{'chosen': [{'role': 'user', 'content': 'q'}, {'role': 'assistant', 'content': 'good'}], 'rejected': [{'role': 'user', "
     "'content': 'q'}, {'role': 'assistant', 'content': 'bad'}]}", "user: q | assistant: good", "assistant: bad", 0, 0},
    {"{'messages': [{'role': 'user', 'content': 'q'}, {'role': 'assistant', 'content': 'a'}], 'kto_tag': true}",
     "user: q | assistant: a", "", 0, 1},
    {"{'question': 'q', 'answer': 'a', 'image_name': 'b.png', 'answer_type': 'OPEN'}", "user: [0]q | assistant: a", "", 1, 0},
    {"{'question': 'q', 'answer': ['no', 'yes', 'yes', 'no'], 'image': 'a.png', 'dataset': 'vqa'}",
     "user: [0]q | assistant: no", "", 1, 0}, /* the first of equals */
    {"{'question': 'q', 'answer': 12}", "user: q | assistant: 12", "", 0, 0},
    {"{'question': 'q', 'answers': ['no', 'yes', 'yes']}", "user: q | assistant: yes", "", 0, 0},
    {"{'question': 'q', 'chosen': 'good', 'rejected': 'bad', 'image': {'path': 'c.png'}, 'ds_name': 'RLAIF-V'}",
     "user: [0]q | assistant: good", "assistant: bad", 1, 0},
    {"{'ds_name': 'RLHF-V', 'text': {'question': 'q', 'chosen': 'good', 'rejected': 'bad'}, 'image': 'a.png'}",
     "user: [0]q | assistant: good", "assistant: bad", 1, 0},
    {"{'text': '{\\u0022question\\u0022: \\u0022q\\u0022, \\u0022chosen\\u0022: \\u0022good\\u0022, "
     "\\u0022rejected\\u0022: \\u0022bad\\u0022}', 'image': 'a.png'}", "user: [0]q | assistant: good", "assistant: bad", 1, 0},
    {"{'text': '{ no JSON'}", "user:  | assistant: { no JSON", "", 0, 0},
    /* ShareGPT4V, LVIS-Instruct4V, ALLaVA with and without a picture */
    {"{'id': '000000000009', 'image': 'a.png', 'conversations': [{'from': 'human', 'value': 'What is it?\\n<image>'}, {'from': "
     "'gpt', 'value': 'A cap.'}]}", "user: [0]What is it? | assistant: A cap.", "", 1, 0},
    {"{'id': 7, 'image': 'a.png', 'conversations': [{'from': 'human', 'value': '<image>\\nq'}, {'from': 'gpt', 'value': 'a'}, "
     "{'from': 'human', 'value': 'q2'}, {'from': 'gpt', 'value': 'b'}]}",
     "user: [0]q | assistant: a | user: q2 | assistant: b", "", 1, 0},
    {"{'id': 'allava_laion_inst_0', 'image': 'a.png', 'conversations': [{'from': 'human', 'value': '<image>\\nq'}, {'from': 'gpt', "
     "'value': 'a'}], 'original_caption': 'c', 'url': 'http://x.org/a.png'}", "user: [0]q | assistant: a", "", 1, 0},
    {"{'idx': 3, 'conversations': [{'from': 'human', 'value': 'q'}, {'from': 'gpt', 'value': 'a'}]}", "user: q | assistant: a", "",
     0, 0},
    {"{'text': 'All of <image> it.'}", "user:  | assistant: All of <image> it.", "", 0, 0},
    {"{'text': 'A cap.', 'image': 'a.png'}", "user: [0] | assistant: A cap.", "", 1, 0},
    {"{'messages': [{'role': 'user', 'content': [{'type': 'image', 'url': 'data:image/png;base64,"
     "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC'}]}, {'role': 'assistant', "
     "'content': 'red'}]}", "user: [0] | assistant: red", "", 1, 0},
};

static char *with_quotes(const char *row)
{
    char *copy = pc_strdup(row);
    assert_non_null(copy);
    for (char *c = copy; *c; c++) {
        *c = *c == '\'' ? '"' : *c;
    }
    return copy;
}

static void test_shapes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        pc_sample sample = {0};
        pc_str said = {0}, rejected = {0};
        char *row = with_quotes(good[i].row);
        must(read_with(&sample, row, NULL));
        must(pc_str_puts(&rejected, ""));
        describe(&said, &sample.conversation);
        describe(&rejected, &sample.rejected);
        assert_string_equal(said.data, good[i].said);
        assert_string_equal(rejected.data, good[i].rejected);
        assert_int_equal(sample.image_count, good[i].images);
        assert_int_equal(sample.label, good[i].label);
        pc_free(row);
        pc_str_clear(&said);
        pc_str_clear(&rejected);
        pc_sample_clear(&sample);
    }
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *row, *part;
    } bad[] = {
        {"{'messages': [{'role': 'user', 'content': 'q'}], 'videos': ['x.mp4']}", "'video' can't be trained on yet"},
        {"{'messages': [{'role': 'user', 'content': 'q'}], 'tools': '[{}]'}", "'tools' can't be trained on yet"},
        {"{'messages': [{'role': 'assistant', 'content': '', 'tool_calls': []}]}", "tool_calls"},
        {"{'conversations': [{'from': 'human', 'value': 'a'}, {'from': 'function_call', 'value': '{}'}]}", "function_call"},
        {"{'messages': [{'role': 'user', 'content': [{'type': 'video', 'video': 'x'}]}]}", "neither text nor image"},
        {"{'messages': [{'role': 'user', 'content': [{'type': 'image', 'image': 'a.png'}]}], 'images': ['b.png']}",
         "pictures both in the messages"},
        {"{'messages': [{'role': 'user', 'content': [{'type': 'image', 'image': 'https://x/y.png'}]}]}", "not fetched"},
        {"{'messages': [{'role': 'user', 'content': [{'type': 'image', 'image': 'data:image/png,abc'}]}]}", "not base64"},
        {"{'messages': [{'role': 'user', 'content': [{'type': 'image', 'image': 'data:;base64,ab!='}]}]}", "no base64"},
        {"{'messages': [{'role': 'user', 'content': [{'type': 'image', 'image': 'data:;base64,abc'}]}]}", "not whole"},
        {"{'prompt': 'q'}", "without \"completion\""},
        {"{'instruction': 'q'}", "no answer \"output\""},
        {"{'instruction': 'q', 'output': 'a', 'history': [['x']]}", "no list of pairs"},
        {"{'prompt': 'q', 'chosen': 'a', 'rejected': []}", "no answer that differs"},
        {"{'prompt': 'q', 'chosen': 'a', 'rejected': [{'role': 'user', 'content': 'x'}]}", "no answer that differs"},
        {"{'chosen': 'a', 'rejected': 'b'}", "nobody asks"},
        {"{'id': 3}", "no list \"conversations\", and none of"},
        {"[]", "a row is a list"},
        {"3", "a row is no object"},
    };
    pc_sample sample = {0};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char *row = with_quotes(bad[i].row);
        must_fail(read_with(&sample, row, NULL), PC_ERR_DATA, bad[i].part);
        pc_free(row);
    }
    pc_sample_clear(&sample);
}

#define INFO                                                                                                            \
    "{'one': {'file_name': 'one.jsonl', 'formatting': 'sharegpt', 'num_samples': 1, 'columns': {'messages': 'talk', "   \
    "'images': 'pics'}, 'tags': {'role_tag': 'who', 'content_tag': 'what', 'user_tag': 'me', 'assistant_tag': 'it'}}, " \
    "'two': {'file_name': 'two.json', 'columns': {'prompt': 'q', 'response': 'a'}}, 'hub': {'hf_hub_url': 'x/y'}, "     \
    "'bad': {'file_name': '../x'}, 'odd': {'file_name': 'x', 'formatting': 'other'}, 'col': {'file_name': 'x', "        \
    "'columns': {'colour': 'x'}}}"

static void test_dataset_info(void **state)
{
    (void)state;
    static const char row[] = "{'talk': [{'who': 'me', 'what': '<image>q'}, {'who': 'it', 'what': 'a'}], 'pics': ['a.png']}";
    char *info = with_quotes(INFO), *text = with_quotes(row);
    pc_dataset_entry entry;
    pc_sample sample = {0};
    pc_str said = {0};
    assert_false(pc_dataset_info_exists(folder));
    pc_test_write(folder, "dataset_info.json", info, strlen(info));
    assert_true(pc_dataset_info_exists(folder));
    must(pc_dataset_info_find(&entry, folder, "one"));
    assert_non_null(strstr(entry.path, "/one.jsonl"));
    assert_int_equal(entry.limit, 1);
    must(read_with(&sample, text, &entry.format));
    describe(&said, &sample.conversation);
    assert_string_equal(said.data, "user: [0]q | assistant: a");
    pc_dataset_entry_clear(&entry);
    must(pc_dataset_info_find(&entry, folder, "two"));
    must(read_with(&sample, "{\"q\": \"Q\", \"a\": \"A\"}", &entry.format));
    pc_dataset_entry_clear(&entry);
    must_fail(pc_dataset_info_find(&entry, folder, "tow"), PC_ERR_USAGE, "no dataset 'tow'; there are: one two hub");
    must_fail(pc_dataset_info_find(&entry, folder, "hub"), PC_ERR_DATA, "'hub': it lies elsewhere (hf_hub_url)");
    must_fail(pc_dataset_info_find(&entry, folder, "bad"), PC_ERR_DATA, "file_name");
    must_fail(pc_dataset_info_find(&entry, folder, "odd"), PC_ERR_DATA, "formatting 'other' is not known");
    must_fail(pc_dataset_info_find(&entry, folder, "col"), PC_ERR_DATA, "columns has no 'colour'");
    pc_dataset_entry_clear(&entry);
    pc_sample_clear(&sample);
    pc_str_clear(&said);
    pc_free(info);
    pc_free(text);
}

static pc_status find_mutant(const char *path, const void *bytes, size_t size, void *user)
{
    pc_dataset_entry entry;
    (void)path;
    (void)user;
    pc_test_write(folder, "dataset_info.json", bytes, size);
    pc_status status = pc_dataset_info_find(&entry, folder, "one");
    pc_dataset_entry_clear(&entry);
    return status;
}

/* One row of each shape, all read. */
static pc_status load_lines(const char *path, const void *bytes, size_t size, void *user)
{
    pc_dataset *dataset = NULL;
    pc_dataset_options options = {.image_folder = folder};
    pc_sample sample = {0};
    pc_status status;
    (void)bytes;
    (void)size;
    (void)user;
    PC_GO(pc_dataset_open(&dataset, path, "jsonl", &options));
    for (int64_t i = 0; i < pc_dataset_count(dataset); i++) {
        status = pc_dataset_read(dataset, i, &sample);
        if (status == PC_ERR_IO && strstr(pc_error(), folder)) {
            status = PC_ERR_DATA; /* a picture that isn't there */
        }
        PC_GO(status);
    }
done:
    pc_dataset_close(dataset);
    pc_sample_clear(&sample);
    return status;
}

static char *all_rows(void)
{
    pc_str text = {0};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        must(pc_str_printf(&text, "%s\n%s", good[i].row, i % 3 ? "" : "  \r\n"));
    }
    char *quoted = with_quotes(text.data);
    pc_str_clear(&text);
    return quoted;
}

static void test_mutants(void **state)
{
    (void)state;
    char *info = with_quotes(INFO), *rows = all_rows();
    assert_true(pc_test_mutants("dataset_info.json", info, strlen(info), find_mutant, NULL, 300).refused > 50);
    assert_true(pc_test_mutants("rows.jsonl", rows, strlen(rows), load_lines, NULL, 500).refused > 100);
    pc_free(info);
    pc_free(rows);
}

static pc_status read_all(void *path)
{
    return load_lines(path, NULL, 0, NULL);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    char path[512], *rows = all_rows();
    pc_test_write(folder, "rows.jsonl", rows, strlen(rows));
    pc_test_path(path, folder, "rows.jsonl");
    assert_true(pc_test_each_allocation(read_all, path) > 100);
    pc_free(rows);
}

/* --- the index --- */

static pc_status build(pc_json_index *index, const char *name, bool lines, const char *keep)
{
    char path[512];
    pc_json_index_options options = {.lines = lines, .folder = keep};
    int fd = open(pc_test_path(path, folder, name), O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    pc_status status = pc_json_index_build(index, fd, path, &options);
    close(fd);
    return status;
}

static void assert_same_index(const pc_json_index *a, const pc_json_index *b)
{
    assert_int_equal(a->count, b->count);
    assert_memory_equal(a->places, b->places, a->count * sizeof *a->places);
}

static void find_index(char *out, const char *keep)
{
    pc_str command = {0};
    must(pc_str_printf(&command, "ls %s/*.index", keep));
    FILE *pipe = popen(command.data, "r");
    assert_non_null(fgets(out, 512, pipe));
    out[strcspn(out, "\n")] = '\0';
    pclose(pipe);
    pc_str_clear(&command);
}

static void test_kept_index(void **state)
{
    (void)state;
    static const char lines[] = "{\"a\": 1}\n\n  {\"b\": 2}\r\n{}";
    static const char list[] = "[{\"a\": \"\\n]\"},\n\n {\"b\": {}}\n]";
    char keep[512], file[512];
    for (int kind = 0; kind < 2; kind++) {
        pc_json_index fresh = {0}, kept = {0};
        pc_test_path(keep, folder, kind ? "keep1" : "keep0");
        pc_test_write(folder, "index.jsonl", kind ? list : lines, strlen(kind ? list : lines));
        must(build(&fresh, "index.jsonl", !kind, keep));
        assert_null(fresh.map.data);
        assert_int_equal(fresh.count, kind ? 2 : 3);
        assert_int_equal(fresh.places[1].line, 3);
        assert_int_equal(fresh.places[1].offset, kind ? 17 : 12);
        must(build(&kept, "index.jsonl", !kind, keep));
        assert_non_null(kept.map.data);
        assert_same_index(&fresh, &kept);
        pc_json_index_clear(&kept);
        /* One damaged byte anywhere: made again, with the same result. */
        char *bytes;
        size_t size;
        find_index(file, keep);
        must(pc_file_read(&bytes, &size, file, 1 << 20));
        for (size_t i = 0; i < size; i++) {
            bytes[i] ^= 1;
            must(pc_file_write(file, bytes, size));
            must(build(&kept, "index.jsonl", !kind, keep));
            assert_same_index(&fresh, &kept);
            assert_null(kept.map.data);
            pc_json_index_clear(&kept);
            bytes[i] ^= 1;
        }
        must(pc_file_write(file, bytes, size / 2));
        must(build(&kept, "index.jsonl", !kind, keep));
        assert_same_index(&fresh, &kept);
        pc_free(bytes);
        pc_json_index_clear(&kept);
        pc_json_index_clear(&fresh);
    }
    /* Another file of the same size behind the same name. */
    pc_json_index changed = {0};
    pc_test_write(folder, "index.jsonl", "{}\n{}\n{}\n{}", 11);
    must(build(&changed, "index.jsonl", true, keep));
    assert_int_equal(changed.count, 4);
    pc_json_index_clear(&changed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes),  cmocka_unit_test(test_refusals),      cmocka_unit_test(test_dataset_info),
        cmocka_unit_test(test_mutants), cmocka_unit_test(test_out_of_memory), cmocka_unit_test(test_kept_index),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
