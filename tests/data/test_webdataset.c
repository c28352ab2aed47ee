/* Tar shards: grouping by key, long names, captions and rows, damage that is counted and named, hostile archives. */
#include "base/file.h"
#include "base/memory.h"
#include "data/dataset_case.h"
#include "data/tar_make.h"
#include "support/mutate.h"

#include <stdio.h>

enum { MUTANTS = 2000 };

static char folder[256];
static char *png;
static size_t png_size;

static int make_folder(void **state)
{
    char path[512];
    pc_image *image = NULL;
    (void)state;
    pc_test_folder_new(folder);
    must(pc_image_new(&image, 6, 4));
    must(pc_image_save_png(image, pc_test_path(path, folder, "a.png")));
    pc_image_free(image);
    must(pc_file_read(&png, &png_size, path, 1 << 20));
    return 0;
}

static int drop_folder(void **state)
{
    (void)state;
    pc_free(png);
    pc_test_folder_free(folder);
    return 0;
}

#define ROW                                                                                                       \
    "{\"conversations\": [{\"from\": \"human\", \"value\": \"<image>\\nWhat?\"}, {\"from\": \"gpt\", \"value\": " \
    "\"A dot.\"}]}"

/* Six samples: a key with two dots behind it, a long name in a PAX header, a caption in img2dataset's JSON, a picture named in
 * capitals, a row with two pictures, a GNU long name. */
static void make_shard(pc_str *tar)
{
    static const char pax[] = "33 path=deep/folder/0002.seg.jpg\n";
    static const char gnu[] = "deep/0005.jpg";
    must(tar_add(tar, "0001.png", '0', png, png_size));
    must(tar_text(tar, "0001.txt", "a dark cat"));
    must(tar_text(tar, "0001.cls", "7"));
    must(tar_add(tar, "x", 'x', pax, sizeof pax - 1));
    must(tar_add(tar, "cut", '0', png, png_size)); /* seg.jpg: no picture of the sample */
    must(tar_add(tar, "deep/folder/", '5', "", 0));
    must(tar_add(tar, "deep/folder/0002.jpg", '0', png, png_size));
    must(tar_text(tar, "deep/folder/0002.json", "{\"caption\": \"two\", \"status\": \"success\"}"));
    must(tar_add(tar, "0003.PNG", '0', png, png_size));
    must(tar_text(tar, "0003.txt", "three"));
    must(tar_text(tar, "__meta__", "not a sample"));
    must(tar_add(tar, "0004.0.png", '0', png, png_size));
    must(tar_add(tar, "0004.1.png", '0', png, png_size));
    must(tar_text(tar, "0004.json", "{\"messages\": [{\"role\": \"user\", \"content\": \"<image><image>Same?\"},"
                                    "{\"role\": \"assistant\", \"content\": \"Yes.\"}]}"));
    must(tar_add(tar, "././@LongLink", 'L', gnu, sizeof gnu));
    must(tar_add(tar, "cut", '0', png, png_size));
    must(tar_text(tar, "deep/0005.json", ROW));
}

static pc_dataset *open_shard(const pc_str *tar, const char *name)
{
    char path[512];
    pc_test_write(folder, name, tar->data, tar->length);
    return open_dataset(pc_test_path(path, folder, name));
}

static void expect(pc_dataset *dataset, int64_t index, size_t pictures, const char *answer)
{
    pc_sample sample = {0};
    must(pc_dataset_read(dataset, index, &sample));
    assert_int_equal(sample.image_count, pictures);
    assert_int_equal(sample.conversation.count, 2);
    assert_string_equal(text_of(&sample, 1), answer);
    pc_sample_clear(&sample);
}

static void test_grouping(void **state)
{
    pc_str tar = {0};
    (void)state;
    make_shard(&tar);
    must(tar_end(&tar));
    pc_dataset *dataset = open_shard(&tar, "s.tar");
    assert_int_equal(pc_dataset_count(dataset), 5);
    expect(dataset, 0, 1, "a dark cat");
    expect(dataset, 1, 1, "two");
    expect(dataset, 2, 1, "three");
    expect(dataset, 3, 2, "Yes.");
    expect(dataset, 4, 1, "A dot.");
    pc_dataset_close(dataset);
    pc_str_clear(&tar);
}

static void test_shards(void **state)
{
    char path[600], subfolder[512];
    (void)state;
    must(pc_make_directories(pc_test_path(subfolder, folder, "shards")));
    for (int i = 9; i < 12; i++) {
        char name[64], caption[32];
        pc_str tar = {0};
        snprintf(name, sizeof name, "shards/%05d.tar", i);
        snprintf(caption, sizeof caption, "shard %d", i);
        must(tar_add(&tar, "k.png", '0', png, png_size));
        must(tar_text(&tar, "k.txt", caption));
        pc_test_write(folder, name, tar.data, tar.length); /* no end: cut off at a member is fine */
        pc_str_clear(&tar);
    }
    pc_dataset *dataset = open_dataset(subfolder);
    assert_int_equal(pc_dataset_count(dataset), 3);
    expect(dataset, 0, 1, "shard 9");
    expect(dataset, 2, 1, "shard 11");
    pc_dataset_close(dataset);
    snprintf(path, sizeof path, "%s/{00010..00011}.tar", subfolder);
    dataset = open_dataset(path);
    assert_int_equal(pc_dataset_count(dataset), 2);
    expect(dataset, 0, 1, "shard 10");
    pc_dataset_close(dataset);
    snprintf(path, sizeof path, "%s/{00011..00012}.tar", subfolder);
    must_fail(pc_dataset_open(&dataset, path, NULL, NULL), PC_ERR_IO, "00012.tar");
}

/* Nothing is lost silently: what is damaged is a sample that can't be read, and says where. */
static void test_damage(void **state)
{
    pc_str tar = {0};
    pc_sample sample = {0};
    (void)state;
    must(tar_add(&tar, "1.png", '0', png, png_size));
    must(tar_text(&tar, "2.txt", "no picture")); /* 1: no caption; 2: no picture; 1 again: not adjacent */
    must(tar_text(&tar, "1.txt", "torn apart"));
    must(tar_add(&tar, "3.png", '0', "not a picture", 13));
    must(tar_text(&tar, "3.txt", "bad picture"));
    size_t header = tar.length;
    must(tar_text(&tar, "4.txt", "its header is damaged"));
    must(tar_add(&tar, "5.png", '0', png, png_size));
    must(tar_text(&tar, "5.txt", "good"));
    must(tar_add(&tar, "6.png", '0', png, png_size));
    must(tar_text(&tar, "6.txt", "a"));
    must(tar_text(&tar, "6.txt", "b"));
    must(tar_add(&tar, "7.png", '0', png, png_size));
    tar.data[header] ^= 1;
    tar.length -= 600;
    pc_dataset *dataset = open_shard(&tar, "damaged.tar");
    assert_int_equal(pc_dataset_count(dataset), 8);
    must_fail(pc_dataset_read(dataset, 0, &sample), PC_ERR_DATA, "damaged.tar: the sample at byte 0: the sample has no caption");
    must_fail(pc_dataset_read(dataset, 1, &sample), PC_ERR_DATA, "the sample has no picture");
    must_fail(pc_dataset_read(dataset, 2, &sample), PC_ERR_DATA, "the sample has no picture");
    must_fail(pc_dataset_read(dataset, 3, &sample), PC_ERR_DATA, "picture 1");
    must_fail(pc_dataset_read(dataset, 4, &sample), PC_ERR_DATA, "a header is damaged");
    expect(dataset, 5, 1, "good");
    must_fail(pc_dataset_read(dataset, 6, &sample), PC_ERR_DATA, "6.txt: the sample has another one");
    must_fail(pc_dataset_read(dataset, 7, &sample), PC_ERR_DATA, "cut off");
    pc_dataset_close(dataset);
    pc_sample_clear(&sample);
    pc_str_clear(&tar);
}

/* Every sample is read or refused; the archive as a whole is always taken. */
static pc_status read_all(const char *path, const void *bytes, size_t size, void *user)
{
    pc_dataset *dataset = NULL;
    pc_sample sample = {0};
    int64_t *counts = user;
    (void)bytes;
    (void)size;
    pc_status status = pc_dataset_open(&dataset, path, "webdataset", NULL);
    int64_t total = status == PC_OK ? pc_dataset_count(dataset) : 0, seen = 0, skipped = 0;
    for (int64_t i = 0; i < total; i++) {
        pc_status one = pc_dataset_read(dataset, i, &sample);
        assert_true(one == PC_OK || one == PC_ERR_DATA);
        assert_true(one == PC_OK || strlen(pc_error()) > 0);
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
    pc_str tar = {0};
    int64_t counts[2] = {0};
    (void)state;
    make_shard(&tar);
    must(tar_end(&tar));
    pc_mutant_result result = pc_test_mutants("shard.tar", tar.data, tar.length, read_all, counts, MUTANTS);
    print_message("%d archives: %lld samples read, %lld refused\n", result.accepted + result.refused, (long long)counts[0],
                  (long long)counts[1]);
    assert_int_equal(result.refused, 0);
    assert_true(counts[0] > MUTANTS && counts[1] > MUTANTS / 10);
    pc_str_clear(&tar);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grouping),
        cmocka_unit_test(test_shards),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_mutants),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
