/* `percept data clean` below the command: every sample is kept, dropped or damaged; what is kept is a dataset again; a run that broke off,
 * however, ends in the same bytes, whatever the number of threads. */
#include "base/file.h"
#include "clean/clean.h"
#include "clean/sample_row.h"
#include "data/dataset_case.h"
#include "support/allocfail.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>

enum { ROWS = 400 };

static char folder[256];

/* Rows 0..ROWS-1: picture i % 50 with a caption; some are damaged, some have short captions or are not English. */
static int make_folder(void **state)
{
    pc_str rows = {0};
    char path[512], name[64];
    (void)state;
    pc_test_folder_new(folder);
    for (int i = 0; i < 50; i++) {
        pc_image *image = NULL;
        must(pc_image_new(&image, 40 + i, 30));
        for (int k = 0; k < image->width * image->height * 3; k++) {
            image->pixels[k] = (uint8_t)((k * (i + 3)) >> (i % 5));
        }
        snprintf(name, sizeof name, "%d.png", i);
        must(pc_image_save_png(image, pc_test_path(path, folder, name)));
        pc_image_free(image);
    }
    for (int i = 0; i < ROWS; i++) {
        const char *caption = i % 7 == 3 ? "cat" : i % 11 == 5 ? "ein Hund auf der Bank" : "a dog on the bench";
        must(i % 97 == 96 ? pc_str_puts(&rows, "{\"text\": torn\n")
             : i % 41 == 40
                 ? pc_str_printf(&rows, "{\"text\": \"gone\", \"image\": \"lost%d.png\"}\n", i)
                 : pc_str_printf(&rows, "{\"text\": \"%s %d\", \"image\": \"%d.png\", \"NSFW\": \"%s\", \"url\": \"u%d\"}\n", caption,
                                 i % 60, i % 50, i % 13 == 6 ? "NSFW" : "UNLIKELY", i));
    }
    must(pc_str_puts(&rows, "{\"messages\": [{\"role\": \"user\", \"content\": \"<image>What is on the bench? <image>\"}, {\"role\": "
                            "\"assistant\", \"content\": \"a dog that is not <image> there\"}], \"images\": [\"1.png\", \"2.png\"]}\n"
                            "{\"text\": \"a text without any picture\"}\n"));
    pc_test_write(folder, "rows.jsonl", rows.data, rows.length);
    pc_str_clear(&rows);
    return 0;
}

static int drop_folder(void **state)
{
    (void)state;
    pc_test_folder_free(folder);
    return 0;
}

/* --- runs --- */

static pc_clean_options usual(void)
{
    pc_clean_options options = {0};
    must(pc_fields_default(&pc_clean_fields, &options));
    must(pc_fields_set(&pc_clean_fields, &options, "min_words", "3", "test"));
    must(pc_fields_set(&pc_clean_fields, &options, "languages", "en", "test"));
    must(pc_fields_set(&pc_clean_fields, &options, "nsfw_words", "UNLIKELY", "test"));
    must(pc_fields_set(&pc_clean_fields, &options, "duplicates", "pair", "test"));
    options.shard = 30;
    options.threads = 1;
    return options;
}

typedef struct stopper {
    int calls, at;
} stopper;

static int stop(void *user)
{
    stopper *s = user;
    return ++s->calls == s->at;
}

static pc_status clean(const char *out, const pc_clean_options *options, stopper *s, pc_json **report)
{
    char in[512], to[512];
    pc_clean_hooks hooks = {.user = s, .stop = s ? stop : NULL};
    return pc_clean_data(report, pc_test_path(in, folder, "rows.jsonl"), pc_test_path(to, folder, out), options, &hooks);
}

static int64_t dropped_by(const pc_json *report, const char *rule)
{
    const pc_json *rules = pc_json_get(report, "rules");
    for (size_t i = 0; i < pc_json_length(rules); i++) {
        if (strcmp(pc_json_get_text(pc_json_at(rules, i), "rule", ""), rule) == 0) {
            return pc_json_get_integer(pc_json_at(rules, i), "dropped", -1);
        }
    }
    return 0;
}

static int64_t lines_of(const char *name)
{
    size_t size;
    int64_t lines = 0;
    unsigned char *bytes = pc_test_read(folder, name, &size);
    for (size_t i = 0; i < size; i++) {
        lines += bytes[i] == '\n';
    }
    free(bytes);
    return lines;
}

static void test_counts(void **state)
{
    pc_clean_options options = usual();
    pc_json *report = NULL, *again = NULL;
    (void)state;
    must(clean("counts", &options, NULL, &report));
    int64_t kept = pc_json_get_integer(report, "kept", -1), dropped = pc_json_get_integer(report, "dropped", -1);
    int64_t damaged = pc_json_get_integer(report, "damaged", -1);
    assert_int_equal(pc_json_get_integer(report, "seen", -1), ROWS + 2);
    assert_int_equal(kept + dropped + damaged, ROWS + 2);
    assert_int_equal(damaged, 4 + 9); /* torn lines, lost pictures */
    assert_int_equal(dropped_by(report, "pair"), 1);
    assert_true(dropped_by(report, "words") > 40 && dropped_by(report, "language") > 20 && dropped_by(report, "nsfw") > 20);
    assert_true(dropped_by(report, "duplicate") > 10); /* the pair repeats each 300 rows */
    assert_int_equal(lines_of("counts/dropped.jsonl"), dropped + damaged);
    assert_int_equal(pc_json_length(pc_json_get(report, "damaged_examples")), 3);
    /* what is finished is only told again */
    must(clean("counts", &options, NULL, &again));
    assert_int_equal(pc_json_get_integer(again, "kept", -1), kept);
    options.min_words = 4;
    pc_json_free(again);
    must_fail(clean("counts", &options, NULL, &again), PC_ERR_USAGE, "another dataset or other options");
    must_fail(clean("", &options, NULL, &again), PC_ERR_USAGE, "expected an empty folder");
    pc_json_free(report);
    pc_fields_clear(&pc_clean_fields, &options);
}

/* --- what is kept is a dataset again --- */

static pc_dataset *open_at(const char *name)
{
    char path[512];
    return open_dataset(pc_test_path(path, folder, name));
}

static void test_read_back(void **state)
{
    pc_clean_options options = usual();
    pc_json *report = NULL;
    pc_sample source = {0}, shard = {0}, row = {0};
    (void)state;
    must(clean("shards", &options, NULL, &report));
    int64_t kept = pc_json_get_integer(report, "kept", -1);
    pc_json_free(report);
    options.format = PC_CLEAN_JSONL;
    must(clean("lines", &options, NULL, &report));
    assert_int_equal(pc_json_get_integer(report, "kept", -1), kept);
    pc_dataset *in = open_at("rows.jsonl"), *shards = open_at("shards"), *lines = open_at("lines/data.jsonl");
    assert_int_equal(pc_dataset_count(shards), kept);
    assert_int_equal(pc_dataset_count(lines), kept);
    for (int64_t i = 0, at = 0; i < kept; i++, at++) {
        must(pc_dataset_read_source(shards, i, &shard));
        must(pc_dataset_read_source(lines, i, &row));
        pc_status status = pc_dataset_read_source(in, at, &source);
        while (status != PC_OK || strcmp(pc_json_get_text(source.about, "url", ""), pc_json_get_text(shard.about, "url", "")) != 0) {
            status = pc_dataset_read_source(in, ++at, &source);
        }
        assert_same_conversation(&source.conversation, &shard.conversation);
        assert_same_conversation(&source.conversation, &row.conversation);
        assert_same_pictures(&source, &shard);
        for (size_t k = 0; k < source.image_count; k++) { /* the files as they were */
            assert_int_equal(row.encoded[k].length, source.encoded[k].length);
            assert_memory_equal(row.encoded[k].data, source.encoded[k].data, source.encoded[k].length);
        }
        assert_int_equal(pc_json_get_integer(row.about, "width", 0), source.images[0]->width);
        assert_int_equal(strlen(pc_json_get_text(row.about, "clean_phash", "")), 16);
    }
    pc_dataset_close(in);
    pc_dataset_close(shards);
    pc_dataset_close(lines);
    pc_sample_clear(&source);
    pc_sample_clear(&shard);
    pc_sample_clear(&row);
    pc_json_free(report);
    pc_fields_clear(&pc_clean_fields, &options);
}

/* Preferences, labels and drawn pictures, too. */
static void test_other_rows(void **state)
{
    static const char text[] =
        "{\"prompt\": \"<image>Which one is it?\", \"chosen\": \"the better one\", \"rejected\": \"the other one\", \"image\": \"3.png\"}\n"
        "{\"prompt\": \"Which one is it?\", \"completion\": \"the wanted one\", \"label\": false, \"image\": \"4.png\"}\n";
    pc_clean_options options = {0};
    char in[512], to[512];
    pc_json *report = NULL;
    pc_sample a = {0}, b = {0};
    (void)state;
    must(pc_fields_default(&pc_clean_fields, &options));
    pc_test_write(folder, "preferences.jsonl", text, sizeof text - 1);
    for (int format = PC_CLEAN_WEBDATASET; format <= PC_CLEAN_JSONL; format++) {
        options.format = format;
        const char *out = format ? "preferences_lines" : "preferences_shards";
        must(pc_clean_data(&report, pc_test_path(in, folder, "preferences.jsonl"), pc_test_path(to, folder, out), &options, NULL));
        pc_dataset *before = open_at("preferences.jsonl"), *after = open_at(format ? "preferences_lines/data.jsonl" : out);
        for (int64_t i = 0; i < 2; i++) {
            must(pc_dataset_read(before, i, &a));
            must(pc_dataset_read(after, i, &b));
            assert_same_conversation(&a.conversation, &b.conversation);
            assert_same_conversation(&a.rejected, &b.rejected);
            assert_int_equal(a.label, b.label);
            assert_same_pictures(&a, &b);
        }
        pc_dataset_close(before);
        pc_dataset_close(after);
        pc_json_free(report);
    }
    options.format = PC_CLEAN_WEBDATASET;
    must(pc_clean_data(&report, "scenes?seed=3&n=5&content=captions", pc_test_path(to, folder, "drawn"), &options, NULL));
    pc_dataset *before = open_dataset("scenes?seed=3&n=5&content=captions"), *after = open_at("drawn");
    for (int64_t i = 0; i < 5; i++) {
        must(pc_dataset_read(before, i, &a));
        must(pc_dataset_read(after, i, &b));
        assert_same_pictures(&a, &b);
        assert_string_equal(text_of(&a, 1), text_of(&b, 1));
    }
    pc_dataset_close(before);
    pc_dataset_close(after);
    pc_json_free(report);
    pc_sample_clear(&a);
    pc_sample_clear(&b);
}

/* --- interruptions --- */

/* The same files with the same bytes; state.json and what is of a run at hand left out. */
static void assert_same_folders(const char *a, const char *b)
{
    char path[512], first[600], second[600];
    DIR *entries = opendir(pc_test_path(path, folder, a));
    int files = 0;
    assert_non_null(entries);
    for (struct dirent *entry; (entry = readdir(entries));) {
        if (entry->d_name[0] == '.' || strcmp(entry->d_name, "state.json") == 0 || strcmp(entry->d_name, "images") == 0) {
            continue;
        }
        size_t sizes[2];
        snprintf(first, sizeof first, "%s/%.200s", a, entry->d_name);
        snprintf(second, sizeof second, "%s/%.200s", b, entry->d_name);
        unsigned char *x = pc_test_read(folder, first, &sizes[0]), *y = pc_test_read(folder, second, &sizes[1]);
        assert_int_equal(sizes[0], sizes[1]);
        assert_memory_equal(x, y, sizes[0]);
        free(x);
        free(y);
        files++;
    }
    closedir(entries);
    assert_true(files >= 2);
}

static void test_interruptions(void **state)
{
    pc_clean_options options = usual();
    pc_json *report = NULL;
    (void)state;
    options.max_text_uses = 6;
    options.near = 3;
    for (int format = PC_CLEAN_WEBDATASET; format <= PC_CLEAN_NONE; format++) {
        char whole[32], broken[32];
        int stops = 0;
        options.format = format;
        options.threads = 1;
        snprintf(whole, sizeof whole, "whole%d", format);
        snprintf(broken, sizeof broken, "broken%d", format);
        must(clean(whole, &options, NULL, &report));
        pc_json_free(report);
        report = NULL;
        options.threads = 3;
        pc_status status = PC_ERR_INTERRUPTED;
        for (int at = 1; status == PC_ERR_INTERRUPTED; at++, stops++) {
            stopper s = {.at = at % 5 + 8}; /* seven calls go over the captions first */
            status = clean(broken, &options, &s, &report);
        }
        must(status);
        assert_true(stops > 2);
        pc_json_free(report);
        report = NULL;
        assert_same_folders(whole, broken);
    }
    pc_fields_clear(&pc_clean_fields, &options);
}

/* A process that is killed leaves files longer than its last state says, and shards that this does not know of. */
static void test_killed(void **state)
{
    pc_clean_options options = usual();
    pc_json *report = NULL;
    (void)state;
    for (int format = PC_CLEAN_WEBDATASET; format <= PC_CLEAN_JSONL; format++) {
        char whole[32], killed[32], saved[64];
        stopper early = {.at = 2}, late = {.at = 4};
        size_t size;
        options.format = format;
        snprintf(whole, sizeof whole, "sound%d", format);
        snprintf(killed, sizeof killed, "killed%d", format);
        snprintf(saved, sizeof saved, "%s/state.json", killed);
        must(clean(whole, &options, NULL, &report));
        pc_json_free(report);
        must_fail(clean(killed, &options, &early, &report), PC_ERR_INTERRUPTED, "goes on from there");
        unsigned char *old = pc_test_read(folder, saved, &size);
        must_fail(clean(killed, &options, &late, &report), PC_ERR_INTERRUPTED, "goes on from there");
        pc_test_write(folder, saved, old, size);
        must(clean(killed, &options, NULL, &report));
        pc_json_free(report);
        assert_same_folders(whole, killed);
        free(old);
    }
    pc_fields_clear(&pc_clean_fields, &options);
}

/* Pictures of another dataset are none of ours. */
static void test_against(void **state)
{
    pc_clean_options options = {0};
    pc_json *report = NULL;
    char path[512];
    static const char rows[] = "{\"text\": \"b\", \"image\": \"7.png\"}\n{\"text\": \"c\", \"image\": \"nothing.png\"}\n";
    (void)state;
    pc_test_write(folder, "bench.jsonl", rows, sizeof rows - 1);
    must(pc_fields_default(&pc_clean_fields, &options));
    must(pc_fields_set(&pc_clean_fields, &options, "against", pc_test_path(path, folder, "bench.jsonl"), "test"));
    must(clean("against", &options, NULL, &report));
    assert_int_equal(dropped_by(report, "against"), 8); /* 7, 57, 107 ... 357 */
    pc_json_free(report);
    pc_fields_clear(&pc_clean_fields, &options);
}

/* --- lack of memory --- */

static pc_status one_run(void *user)
{
    static int number;
    pc_clean_options options = {0};
    pc_json *report = NULL;
    char out[64], path[512];
    pc_status status;
    snprintf(out, sizeof out, "memory%d", number++);
    PC_GO(pc_fields_default(&pc_clean_fields, &options));
    options.threads = 1;
    options.duplicates = PC_DUPLICATES_PAIR;
    options.near = 2;
    options.max_text_uses = 9;
    options.format = *(int *)user;
    status = pc_clean_data(&report, pc_test_path(path, folder, "preferences.jsonl"), pc_test_path((char[512]){0}, folder, out), &options, NULL);
done:
    pc_json_free(report);
    pc_fields_clear(&pc_clean_fields, &options);
    return status;
}

static void test_out_of_memory(void **state)
{
    int format = PC_CLEAN_JSONL;
    (void)state;
    assert_true(pc_test_each_allocation(one_run, &format) > 50);
    format = PC_CLEAN_WEBDATASET;
    assert_true(pc_test_each_allocation(one_run, &format) > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts),        cmocka_unit_test(test_read_back), cmocka_unit_test(test_other_rows),
        cmocka_unit_test(test_interruptions), cmocka_unit_test(test_killed),    cmocka_unit_test(test_against),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
