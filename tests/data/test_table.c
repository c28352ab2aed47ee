/* CSV and TSV: captions without a header in both orders, questions with base64 pictures, quotes, bad records, mutants. */
#include "base/base64.h"
#include "data/dataset_case.h"
#include "support/allocfail.h"
#include "support/mutate.h"

#include <stdio.h>

enum { MUTANTS = 2000 };

static char folder[256];
static pc_str base64;

static int make_folder(void **state)
{
    char path[512];
    pc_image *image = NULL;
    pc_str png = {0};
    (void)state;
    pc_test_folder_new(folder);
    must(pc_image_new(&image, 6, 4));
    must(pc_image_save_png(image, pc_test_path(path, folder, "a.png")));
    must(pc_image_encode_png(image, &png));
    must(pc_base64_encode(&base64, png.data, png.length));
    pc_str_clear(&png);
    pc_image_free(image);
    return 0;
}

static int drop_folder(void **state)
{
    (void)state;
    pc_str_clear(&base64);
    pc_test_folder_free(folder);
    return 0;
}

static pc_dataset *open_text(const char *name, const char *text)
{
    char path[512];
    pc_test_write(folder, name, text, strlen(text));
    return open_dataset(pc_test_path(path, folder, name));
}

static void expect(const pc_dataset *dataset, int64_t index, const char *question, const char *answer)
{
    pc_sample sample = {0};
    must(pc_dataset_read(dataset, index, &sample));
    assert_int_equal(sample.image_count, 1);
    assert_int_equal(sample.images[0]->width, 6);
    assert_int_equal(sample.conversation.count, 2);
    if (question) {
        assert_string_equal(text_of(&sample, 0), question);
    }
    assert_string_equal(text_of(&sample, 1), answer);
    pc_sample_clear(&sample);
}

static void test_captions(void **state)
{
    pc_sample sample = {0};
    (void)state;
    pc_dataset *cc3m = open_text("cc3m.tsv", "a \"dark\" cat\ta.png\n\"no end of quotes\ta.png\r\n\nthird\ta.png");
    assert_int_equal(pc_dataset_count(cc3m), 3);
    expect(cc3m, 0, NULL, "a \"dark\" cat");
    expect(cc3m, 1, NULL, "\"no end of quotes");
    expect(cc3m, 2, NULL, "third");
    pc_dataset_close(cc3m);
    pc_dataset *cc12m = open_text("cc12m.tsv", "a.png\tfirst\nhttp://x.org/b\tsecond\nx\ty\tz\na.png\t\n\xff\ta.png\nmissing.png\tgone\n");
    assert_int_equal(pc_dataset_count(cc12m), 6);
    expect(cc12m, 0, NULL, "first");
    must_fail(pc_dataset_read(cc12m, 1, &sample), PC_ERR_DATA, "cc12m.tsv:2: sample 1: picture 1: 'http://x.org/b'");
    must_fail(pc_dataset_read(cc12m, 2, &sample), PC_ERR_DATA, ":3: sample 2: 3 fields");
    must_fail(pc_dataset_read(cc12m, 3, &sample), PC_ERR_DATA, "there is no caption");
    must_fail(pc_dataset_read(cc12m, 4, &sample), PC_ERR_DATA, "no UTF-8");
    must_fail(pc_dataset_read(cc12m, 5, &sample), PC_ERR_IO, "missing.png");
    pc_dataset_close(cc12m);
    pc_sample_clear(&sample);
    pc_str rows = {0};
    must(pc_str_printf(&rows, "%s\tbase64 first\nbase64 behind\t%s\n", base64.data, base64.data));
    pc_dataset *coded = open_text("coded.tsv", rows.data);
    expect(coded, 0, NULL, "base64 first");
    expect(coded, 1, NULL, "base64 behind");
    pc_dataset_close(coded);
    pc_str_clear(&rows);
}

static void make_questions(pc_str *out)
{
    must(pc_str_puts(out, "index\timage\thint\tquestion\tA\tB\tC\tanswer\tcategory\n"));
    must(pc_str_printf(out, "1\t%s\tLook.\tWhich?\tone\ttwo\t\tB\tx\n", base64.data));
    must(pc_str_printf(out, "2\t%s\t\t\"Two\nlines, \"\"quoted\"\"\t?\"\t\t\t\tyes\tx\n", base64.data));
}

static void test_questions(void **state)
{
    pc_str text = {0};
    pc_sample sample = {0};
    (void)state;
    make_questions(&text);
    must(pc_str_puts(&text, "3\tshort\n"));
    pc_dataset *dataset = open_text("bench.tsv", text.data);
    assert_int_equal(pc_dataset_count(dataset), 3);
    expect(dataset, 0, "Look.\nWhich?\nA. one\nB. two\nAnswer with the option's letter from the given choices directly.", "B");
    expect(dataset, 1, "Two\nlines, \"quoted\"\t?", "yes");
    must_fail(pc_dataset_read(dataset, 2, &sample), PC_ERR_DATA, ":5: sample 2: 2 fields; the header has 9");
    pc_dataset_close(dataset);
    pc_str_clear(&text);
    dataset = open_text("rows.csv", "caption,image\n\"a, b\",a.png\n");
    assert_int_equal(pc_dataset_count(dataset), 1);
    expect(dataset, 0, NULL, "a, b");
    pc_dataset_close(dataset);
    pc_sample_clear(&sample);
}

/* seen + skipped = total, whatever the file holds. */
static pc_status read_all(const char *path, const void *bytes, size_t size, void *user)
{
    pc_dataset *dataset = NULL;
    pc_sample sample = {0};
    int64_t *counts = user, seen = 0, skipped = 0;
    char named[512];
    (void)path;
    pc_test_write(folder, "mutant.tsv", bytes, size);
    pc_status status = pc_dataset_open(&dataset, pc_test_path(named, folder, "mutant.tsv"), NULL, NULL);
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
    pc_str text = {0};
    int64_t counts[2] = {0};
    (void)state;
    make_questions(&text);
    pc_test_mutants("table.tsv", text.data, text.length, read_all, counts, MUTANTS);
    print_message("%lld records read, %lld refused\n", (long long)counts[0], (long long)counts[1]);
    assert_true(counts[0] > MUTANTS / 4 && counts[1] > MUTANTS / 10);
    pc_str_clear(&text);
}

static pc_status read_one(void *user)
{
    pc_dataset *dataset = NULL;
    pc_sample sample = {0};
    pc_status status;
    PC_GO(pc_dataset_open(&dataset, user, NULL, NULL));
    status = pc_dataset_read(dataset, 0, &sample);
done:
    pc_sample_clear(&sample);
    pc_dataset_close(dataset);
    return status;
}

static void test_out_of_memory(void **state)
{
    char path[512];
    pc_str text = {0};
    (void)state;
    make_questions(&text);
    pc_test_write(folder, "memory.tsv", text.data, text.length);
    assert_true(pc_test_each_allocation(read_one, (void *)pc_test_path(path, folder, "memory.tsv")) > 10);
    pc_str_clear(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_captions),
        cmocka_unit_test(test_questions),
        cmocka_unit_test(test_mutants),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
