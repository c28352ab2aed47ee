/* Annotation files of published datasets with pictures beside them: COCO captions and instances (LVIS), VQA, SBU, rated answers,
 * folders of pictures. What is cut off, missing or wrong is counted and named. */
#include "base/base64.h"
#include "base/file.h"
#include "data/dataset_case.h"
#include "support/allocfail.h"
#include "support/mutate.h"

#include <stdio.h>
#include <sys/stat.h>

enum { MUTANTS = 2000 };

static char folder[256];

static void write_picture(const char *name, int width)
{
    char path[512];
    pc_image *image = NULL;
    must(pc_image_new(&image, width, 4));
    must(pc_image_save_png(image, pc_test_path(path, folder, name)));
    pc_image_free(image);
}

static int make_folder(void **state)
{
    static const char *const folders[] = {"images", "train2017", "annotations", "captions", "names", "names/cat", "names/big_dog"};
    char path[512];
    (void)state;
    pc_test_folder_new(folder);
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        must(pc_make_directories(pc_test_path(path, folder, folders[i])));
    }
    write_picture("images/a.png", 10);
    write_picture("images/b.png", 20);
    write_picture("train2017/c.png", 30);
    return 0;
}

static int drop_folder(void **state)
{
    (void)state;
    pc_test_folder_free(folder);
    return 0;
}

static pc_dataset *open_text(const char *name, const char *text)
{
    char path[512];
    pc_test_write(folder, name, text, strlen(text));
    return open_dataset(pc_test_path(path, folder, name));
}

static void refuse_text(const char *name, const char *text, const char *part)
{
    char path[512];
    pc_dataset *dataset = NULL;
    pc_test_write(folder, name, text, strlen(text));
    must_fail(pc_dataset_open(&dataset, pc_test_path(path, folder, name), NULL, NULL), PC_ERR_DATA, part);
}

static void expect(const pc_dataset *dataset, int64_t index, const char *question, const char *answer, int width)
{
    pc_sample sample = {0};
    must(pc_dataset_read(dataset, index, &sample));
    assert_int_equal(sample.image_count, 1);
    assert_int_equal(sample.images[0]->width, width);
    assert_int_equal(sample.conversation.count, 2);
    if (question) {
        assert_string_equal(text_of(&sample, 0), question);
    }
    assert_string_equal(text_of(&sample, 1), answer);
    pc_sample_clear(&sample);
}

#define CAPTIONS                                                                                                      \
    "{\"info\": {\"year\": 2017}, \"images\": [{\"file_name\": \"a.png\", \"id\": 9, \"width\": 10, \"height\": 4},\n"  \
    "{\"file_name\": \"b.png\", \"id\": 3}, {\"file_name\": \"gone.png\", \"id\": 4}, {\"id\": 5}], \"annotations\": [" \
    "{\"image_id\": 3, \"id\": 1, \"caption\": \"b \\\"one\\\"]}\"}, {\"image_id\": 9, \"id\": 2, \"caption\": \"a\"},\n" \
    "{\"image_id\": 8, \"caption\": \"no such\"}, {\"image_id\": 4, \"caption\": \"gone\"}, {\"image_id\": 9},"         \
    "{\"image_id\": 5, \"caption\": \"unnamed\"}, {\"image_id\": 3, \"caption\": \"b two\"}]}"

static void test_captions(void **state)
{
    pc_sample sample = {0};
    (void)state;
    pc_dataset *dataset = open_text("captions_val.json", CAPTIONS);
    assert_int_equal(pc_dataset_count(dataset), 7);
    expect(dataset, 0, NULL, "b \"one\"]}", 20);
    expect(dataset, 1, NULL, "a", 10);
    expect(dataset, 6, NULL, "b two", 20);
    must_fail(pc_dataset_read(dataset, 2, &sample), PC_ERR_DATA, "sample 2: the annotation at byte");
    assert_non_null(strstr(pc_error(), "there is no image with id 8"));
    must_fail(pc_dataset_read(dataset, 3, &sample), PC_ERR_IO, "gone.png");
    must_fail(pc_dataset_read(dataset, 4, &sample), PC_ERR_DATA, "there is no caption");
    must_fail(pc_dataset_read(dataset, 5, &sample), PC_ERR_DATA, "\"file_name\": expected a path");
    pc_dataset_close(dataset);
    /* as COCO is unpacked: annotations/captions_train2017.json, train2017/c.png */
    dataset = open_text("annotations/captions_train2017.json", "{\"images\": [{\"id\": 1, \"file_name\": \"c.png\"}],"
                                                               "\"annotations\": [{\"image_id\": 1, \"caption\": \"c\"}]}");
    expect(dataset, 0, NULL, "c", 30);
    pc_dataset_close(dataset);
    pc_sample_clear(&sample);
}

#define INSTANCES                                                                                                          \
    "{\"categories\": [{\"id\": 17, \"name\": \"cat\"}, {\"id\": 3, \"name\": \"car\"}], \"images\": [{\"id\": 9, \"file_name\": " \
    "\"a.png\", \"width\": 10, \"height\": 4}, {\"id\": 2, \"coco_url\": \"http://x.org/val/b.png\", \"width\": 20, \"height\": 4}]," \
    "\"annotations\": [{\"image_id\": 9, \"category_id\": 3, \"bbox\": [0, 0, 5, 2], \"segmentation\": [[1, 2]]}, "        \
    "{\"image_id\": 2, \"category_id\": 17, \"bbox\": [10, 0, 10, 4]}, {\"image_id\": 9, \"category_id\": 17, \"bbox\": "   \
    "[0, 1, 10, 3]}, {\"image_id\": 9, \"category_id\": 3, \"bbox\": [1, 1, 1, 1]}%s]}"

static void test_instances(void **state)
{
    char text[4096];
    pc_sample sample = {0};
    (void)state;
    snprintf(text, sizeof text, INSTANCES, ", {\"category_id\": 3}, {\"image_id\": 7, \"category_id\": 3}, {\"category_id\": 17}");
    pc_dataset *dataset = open_text("instances.json", text);
    assert_int_equal(pc_dataset_count(dataset), 5); /* two without a picture, a, b, one with an unknown picture */
    must_fail(pc_dataset_read(dataset, 0, &sample), PC_ERR_DATA, "an annotation without \"image_id\"");
    must_fail(pc_dataset_read(dataset, 1, &sample), PC_ERR_DATA, "an annotation without \"image_id\"");
    expect(dataset, 2, NULL, "cat", 20);
    must_fail(pc_dataset_read(dataset, 3, &sample), PC_ERR_DATA, "there is no image with id 7");
    expect(dataset, 4, NULL, "cat, car", 10);
    must(pc_dataset_read(dataset, 4, &sample));
    assert_int_equal(sample.region_count, 3);
    assert_string_equal(sample.regions[0].words, "cat");
    assert_true(sample.regions[0].box[0] == 0 && sample.regions[0].box[1] == 0.25f && sample.regions[0].box[2] == 1 &&
                sample.regions[0].box[3] == 1);
    assert_string_equal(sample.regions[2].words, "car");
    assert_true(sample.regions[2].box[2] == 0.2f);
    pc_dataset_close(dataset);
    snprintf(text, sizeof text, INSTANCES, ", {\"image_id\": 9, \"category_id\": 4, \"bbox\": [0, 0, 1, 1]}, {\"image_id\": 2, "
                                           "\"category_id\": 3, \"bbox\": [19, 0, 9, 1]}");
    dataset = open_text("instances.json", text);
    must_fail(pc_dataset_read(dataset, 0, &sample), PC_ERR_DATA, "'car' whose \"bbox\" is no box of the picture");
    must_fail(pc_dataset_read(dataset, 1, &sample), PC_ERR_DATA, "category 4 is not listed");
    pc_dataset_close(dataset);
    pc_sample_clear(&sample);
}

/* A file that is cut off says where it ends; what is no file of this kind says so. */
static void test_cut(void **state)
{
    static const char text[] = CAPTIONS;
    char part[sizeof text];
    (void)state;
    for (size_t size = 200; size < sizeof text - 1; size += 97) {
        snprintf(part, sizeof part, "%.*s", (int)size, text);
        refuse_text("cut.json", part, "the file ends where");
    }
    refuse_text("cut.json", "{\"images\": [{\"id\": 1}], \"annotations\": [], \"images\": []}", "a second \"images\"");
    refuse_text("cut.json", "{\"images\": [{\"id\": 1}], \"annotations\": [{\"image_id\": 1}],}", "expected a key");
    refuse_text("cut.json", "{\"images\": [{\"id\": 1}], \"annotations\": [{\"image_id\": 1}]} x", "expected nothing more");
    refuse_text("cut.json", "{\"images\": [{\"id\": 1]}", "expected a value");
    refuse_text("cut.json", "{\"images\": [{\"id\": 1}]}", "no list \"annotations\"");
}

static void test_vqa(void **state)
{
    static const char questions[] =
        "{\"info\": {}, \"data_subtype\": \"val2014\", \"questions\": [{\"image_id\": 42, \"question\": \"What?\", "
        "\"question_id\": 420}, {\"image_id\": 42, \"question\": \"Which?\", \"question_id\": 421}, {\"image_id\": 42, "
        "\"question\": \"Who?\", \"question_id\": 422}, {\"image\": \"a.png\", \"question\": \"Own?\", \"question_id\": 423}]}";
    static const char answers[] =
        "{\"annotations\": [{\"answers\": [{\"answer\": \"x\", \"answer_id\": 1}], \"multiple_choice_answer\": \"net\", "
        "\"question_id\": 421}, {\"question_id\": 420, \"answers\": [{\"answer\": \"one\"}, {\"answer\": \"two\"}, {\"answer\": "
        "\"two\"}]}, {\"question_id\": 423, \"multiple_choice_answer\": \"yes\"}]}";
    pc_sample sample = {0};
    char path[512];
    pc_dataset *dataset = NULL;
    (void)state;
    write_picture("images/COCO_val2014_000000000042.jpg", 7);
    pc_test_write(folder, "v2_OpenEnded_mscoco_val2014_questions.json", questions, sizeof questions - 1);
    must_fail(pc_dataset_open(&dataset, pc_test_path(path, folder, "v2_OpenEnded_mscoco_val2014_questions.json"), NULL, NULL),
              PC_ERR_IO, "v2_mscoco_val2014_annotations.json'; there is no such file");
    pc_test_write(folder, "v2_mscoco_val2014_annotations.json", answers, sizeof answers - 1);
    dataset = open_dataset(path);
    assert_int_equal(pc_dataset_count(dataset), 4);
    expect(dataset, 0, "What?", "two", 7);
    expect(dataset, 1, "Which?", "net", 7);
    must_fail(pc_dataset_read(dataset, 2, &sample), PC_ERR_DATA, "no annotation has its \"question_id\"");
    expect(dataset, 3, "Own?", "yes", 10);
    pc_dataset_close(dataset);
    pc_sample_clear(&sample);
}

static void test_sbu(void **state)
{
    pc_sample sample = {0};
    (void)state;
    pc_dataset *dataset = open_text("sbu.json", "{\"image_urls\": [\"http://x.org/1/a.png\", \"http://x.org/2/b.png?s=1\", "
                                                "\"http://x.org/lost.jpg\", \"http://x.org/\"], \"user_ids\": [1, 2, 3, 4], "
                                                "\"captions\": [\"one\", \"two [2]\", \"three\", \"four\"]}");
    assert_int_equal(pc_dataset_count(dataset), 4);
    expect(dataset, 0, NULL, "one", 10);
    expect(dataset, 1, NULL, "two [2]", 20);
    must_fail(pc_dataset_read(dataset, 2, &sample), PC_ERR_IO, "lost.jpg");
    must_fail(pc_dataset_read(dataset, 3, &sample), PC_ERR_DATA, "names no file");
    pc_dataset_close(dataset);
    pc_sample_clear(&sample);
    refuse_text("sbu.json", "{\"image_urls\": [\"a\", \"b\"], \"captions\": [\"one\"]}", "2 addresses and 1 captions");
}

/* --- folders --- */

static void test_folders(void **state)
{
    char path[512];
    pc_sample sample = {0};
    pc_dataset *dataset = NULL;
    (void)state;
    write_picture("captions/a.png", 5);
    write_picture("captions/a.b.jpg", 6);
    write_picture("captions/bare.png", 7);
    pc_test_write(folder, "captions/a.txt", " a cap\n", 7);
    pc_test_write(folder, "captions/a.b.txt", "another", 7);
    pc_test_write(folder, "captions/orphan.txt", "no picture", 10);
    dataset = open_dataset(pc_test_path(path, folder, "captions"));
    assert_int_equal(pc_dataset_count(dataset), 4);
    expect(dataset, 0, NULL, "another", 6);
    expect(dataset, 1, NULL, "a cap", 5);
    must_fail(pc_dataset_read(dataset, 2, &sample), PC_ERR_DATA, "bare.png has no text beside it");
    must_fail(pc_dataset_read(dataset, 3, &sample), PC_ERR_DATA, "orphan.txt has no picture beside it");
    pc_dataset_close(dataset);
    write_picture("names/cat/1.png", 8);
    write_picture("names/big_dog/1.JPG", 9);
    pc_test_write(folder, "names/README.txt", "about", 5);
    dataset = open_dataset(pc_test_path(path, folder, "names"));
    assert_int_equal(pc_dataset_count(dataset), 2);
    expect(dataset, 0, NULL, "big dog", 9);
    expect(dataset, 1, NULL, "cat", 8);
    pc_dataset_close(dataset);
    pc_sample_clear(&sample);
    /* pictures whose meaning nothing tells */
    must_fail(pc_dataset_open(&dataset, pc_test_path(path, folder, "images"), NULL, NULL), PC_ERR_DATA, "not recognised");
}

/* --- rated answers --- */

#define RATED(a, b) "{\"Helpfulness\": {\"Rating\": \"" a "\", \"Rationale\": \"r\"}, \"Visual Faithfulness\": {\"Rating\": " b "}}"

static void test_ratings(void **state)
{
    pc_sample sample = {0};
    (void)state;
    pc_dataset *dataset = open_text(
        "rated.jsonl",
        "{\"id\": \"1\", \"prompt\": \"Which?\", \"img_path\": \"images/a.png\", \"completions\": {\"model\": [\"x\", \"y\", \"z\"], "
        "\"response\": [\"low\", \"high\", \"high too\"], \"annotations\": [" RATED("1", "2") ", " RATED("5", "4") ", " RATED("4", "5")
        "]}}\n"
        "{\"prompt\": \"Again?\", \"image\": \"images/b.png\", \"completions\": [{\"response\": \"p\", \"annotations\": " RATED("3", "3")
        "}, {\"response\": \"q\", \"annotations\": " RATED("N/A", "3") "}, {\"response\": \"r\", \"annotations\": " RATED("1", "1") "}]}\n"
        "{\"prompt\": \"None?\", \"completions\": []}\n{\"torn\n");
    assert_int_equal(pc_dataset_count(dataset), 6); /* 2 of 3 pairs; a bad answer and 1 pair; no answers; a torn line */
    expect(dataset, 0, "Which?", "high", 10);
    must(pc_dataset_read(dataset, 1, &sample));
    assert_string_equal(text_of(&sample, 1), "high too");
    assert_string_equal(sample.rejected.parts[0].text, "low");
    must_fail(pc_dataset_read(dataset, 2, &sample), PC_ERR_DATA, "rated.jsonl:2: sample 2: row 1: answer 2 has no number");
    expect(dataset, 3, "Again?", "p", 20);
    must_fail(pc_dataset_read(dataset, 4, &sample), PC_ERR_DATA, "expected 1 to 64 answers, found 0");
    must_fail(pc_dataset_read(dataset, 5, &sample), PC_ERR_DATA, "rated.jsonl:4");
    pc_dataset_close(dataset);
    dataset = open_dataset(PERCEPT_TESTS_DIR "/golden/parquet/rated.parquet");
    assert_int_equal(pc_dataset_count(dataset), 5);
    for (int64_t i = 0; i < 5; i++) {
        must(pc_dataset_read(dataset, i, &sample));
        assert_int_equal(sample.image_count, 1);
        assert_true(strcmp(text_of(&sample, 1), sample.rejected.parts[0].text) > 0); /* the generator's good answers */
    }
    pc_dataset_close(dataset);
    pc_sample_clear(&sample);
}

/* RLHF-V's records: two fields of base64. */
static void test_pair_records(void **state)
{
    static const char pair[] = "[\"What is it?\", \"A cap.\", \"A cat on a mat.\"]";
    pc_str line = {0};
    pc_sample sample = {0};
    size_t size;
    unsigned char *png = pc_test_read(folder, "images/b.png", &size);
    (void)state;
    must(pc_str_puts(&line, "0\tcoco\t"));
    must(pc_base64_encode(&line, png, size));
    must(pc_str_puts(&line, "\t"));
    must(pc_base64_encode(&line, pair, sizeof pair - 1));
    must(pc_str_puts(&line, "\n"));
    pc_dataset *dataset = open_text("pairs.tsv", line.data);
    assert_int_equal(pc_dataset_count(dataset), 1);
    expect(dataset, 0, "What is it?", "A cap.", 20);
    must(pc_dataset_read(dataset, 0, &sample));
    assert_string_equal(sample.rejected.parts[0].text, "A cat on a mat.");
    pc_dataset_close(dataset);
    pc_sample_clear(&sample);
    pc_str_clear(&line);
    free(png);
}

/* --- the source of a sample --- */

static void test_source(void **state)
{
    pc_sample sample = {0};
    size_t size;
    unsigned char *png = pc_test_read(folder, "images/a.png", &size);
    (void)state;
    pc_dataset *dataset = open_text("source.jsonl", "{\"text\": \"a cap\", \"image\": \"images/a.png\", \"NSFW\": \"UNLIKELY\", "
                                                    "\"pwatermark\": 0.25, \"list\": [1]}\n");
    must(pc_dataset_read_source(dataset, 0, &sample));
    assert_int_equal(sample.encoded_count, 1);
    assert_int_equal(sample.encoded[0].length, size);
    assert_memory_equal(sample.encoded[0].data, png, size);
    assert_int_equal(sample.images[0]->width, 10);
    assert_string_equal(pc_json_get_text(sample.about, "NSFW", ""), "UNLIKELY");
    assert_true(pc_json_get_number(sample.about, "pwatermark", 0) == 0.25);
    assert_null(pc_json_get(sample.about, "list"));
    must(pc_dataset_read(dataset, 0, &sample));
    assert_int_equal(sample.encoded_count, 0);
    assert_null(sample.about);
    pc_dataset_close(dataset);
    pc_sample_clear(&sample);
    free(png);
}

/* --- hostile files --- */

/* seen + skipped = total, whatever the file holds. */
static pc_status read_all(const char *path, const void *bytes, size_t size, void *user)
{
    pc_dataset *dataset = NULL;
    pc_sample sample = {0};
    int64_t *counts = user, seen = 0, skipped = 0;
    char named[512];
    (void)path;
    pc_test_write(folder, "mutant.json", bytes, size);
    pc_status status = pc_dataset_open(&dataset, pc_test_path(named, folder, "mutant.json"), "coco", NULL);
    int64_t total = status == PC_OK ? pc_dataset_count(dataset) : 0;
    for (int64_t i = 0; i < total; i++) {
        pc_status one = pc_dataset_read(dataset, i, &sample);
        assert_true(one == PC_OK || one == PC_ERR_DATA || one == PC_ERR_IO);
        seen += one == PC_OK;
        skipped += one != PC_OK;
    }
    assert_int_equal(seen + skipped, total);
    counts[0] += seen;
    counts[1] += skipped;
    pc_sample_clear(&sample);
    pc_dataset_close(dataset);
    return status;
}

static void test_mutants(void **state)
{
    char text[4096];
    int64_t counts[2] = {0};
    (void)state;
    snprintf(text, sizeof text, INSTANCES, "");
    int refused = pc_test_mutants("instances.json", text, strlen(text), read_all, counts, MUTANTS / 2).refused;
    refused += pc_test_mutants("captions.json", CAPTIONS, strlen(CAPTIONS), read_all, counts, MUTANTS / 2).refused;
    print_message("%d files refused; %lld samples read, %lld refused\n", refused, (long long)counts[0], (long long)counts[1]);
    assert_true(counts[0] > MUTANTS / 4 && counts[1] > MUTANTS / 10);
}

static pc_status read_one(void *user)
{
    pc_dataset *dataset = NULL;
    pc_sample sample = {0};
    pc_status status;
    PC_GO(pc_dataset_open(&dataset, user, NULL, NULL));
    for (int64_t i = 0; i < pc_dataset_count(dataset) && i < 2; i++) {
        PC_GO(pc_dataset_read_source(dataset, i, &sample));
    }
done:
    pc_sample_clear(&sample);
    pc_dataset_close(dataset);
    return status;
}

static void test_out_of_memory(void **state)
{
    static const char *const names[] = {"memory_captions.json", "memory_instances.json", "v2_OpenEnded_mscoco_val2014_questions.json",
                                        "memory_sbu.json", "memory_rated.jsonl", "captions", "pairs.tsv"};
    static const char sbu[] = "{\"image_urls\": [\"http://x.org/1/a.png\"], \"captions\": [\"one\"]}";
    static const char rated[] = "{\"prompt\": \"q\", \"img_path\": \"images/a.png\", \"completions\": {\"response\": [\"a\", \"b\"], "
                                "\"annotations\": [" RATED("1", "2") ", " RATED("5", "4") "]}}\n";
    char text[4096], path[512];
    (void)state;
    snprintf(text, sizeof text, INSTANCES, "");
    pc_test_write(folder, names[0], CAPTIONS, strlen(CAPTIONS));
    pc_test_write(folder, names[1], text, strlen(text));
    pc_test_write(folder, names[3], sbu, sizeof sbu - 1);
    pc_test_write(folder, names[4], rated, sizeof rated - 1);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_true(pc_test_each_allocation(read_one, (void *)pc_test_path(path, folder, names[i])) > 10);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_captions), cmocka_unit_test(test_instances),    cmocka_unit_test(test_cut),
        cmocka_unit_test(test_vqa),      cmocka_unit_test(test_sbu),          cmocka_unit_test(test_folders),
        cmocka_unit_test(test_ratings),  cmocka_unit_test(test_pair_records), cmocka_unit_test(test_source),
        cmocka_unit_test(test_mutants),  cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
