/* The loader: the same steps for any number of threads and from any start, bad samples, limits, failures. */
#include "base/memory.h"
#include "data/batch.h"
#include "data/loader_case.h"
#include "support/allocfail.h"

#include <math.h>
#include <stdio.h>

#define SCENES "scenes?seed=5&n=40&content=mixed"
enum { STEPS = 14 }; /* two epochs of 40 samples, 6 a step */

static void test_threads_do_not_matter(void **state)
{
    loader_case c;
    (void)state;
    case_open(&c);
    c.options.region_weight = 0.5;
    c.options.shift = 3;
    pc_dataset *dataset = open_dataset(SCENES);
    pc_loader *loaders[3];
    for (int i = 0; i < 3; i++) {
        c.options.workers = i + 1;
        c.options.ahead = i; /* 0 = default */
        loaders[i] = new_loader(&c, dataset);
    }
    for (int step = 0; step < STEPS; step++) {
        const pc_batch *batches[3];
        for (int i = 0; i < 3; i++) {
            must(pc_loader_next(loaders[i], &batches[i]));
        }
        for (int i = 1; i < 3; i++) {
            for (int m = 0; m < 2; m++) {
                assert_same_batch(&batches[0][m], &batches[i][m]);
            }
        }
    }
    for (int i = 0; i < 3; i++) {
        int64_t seen, skipped;
        pc_loader_counts(loaders[i], &seen, &skipped);
        assert_int_equal(seen, STEPS * 6);
        assert_int_equal(skipped, 0);
        assert_int_equal(pc_loader_shortened(loaders[i]), 0);
        pc_loader_free(loaders[i]);
    }
    pc_dataset_close(dataset);
    case_close(&c);
}

static void test_seek(void **state)
{
    loader_case c;
    const pc_batch *straight, *sought;
    (void)state;
    case_open(&c);
    c.options.workers = 2;
    c.options.shift = 2;
    pc_dataset *dataset = open_dataset(SCENES);
    pc_loader *a = new_loader(&c, dataset), *b = new_loader(&c, dataset);
    assert_int_equal(pc_loader_steps_per_epoch(a), 7);
    must(pc_loader_seek(b, 9)); /* before the threads run */
    for (int step = 0; step < STEPS; step++) {
        must(pc_loader_next(a, &straight));
        if (step >= 9) {
            must(pc_loader_next(b, &sought));
            assert_same_batch(&straight[1], &sought[1]);
        }
    }
    must(pc_loader_seek(b, 2)); /* while they run */
    must(pc_loader_seek(a, 2));
    must(pc_loader_seek(a, 1));
    must(pc_loader_next(a, &straight));
    must(pc_loader_next(a, &straight));
    must(pc_loader_next(b, &sought));
    assert_same_batch(&straight[0], &sought[0]);
    must_fail(pc_loader_seek(a, -1), PC_ERR_USAGE, "-1");
    pc_loader_free(a);
    pc_loader_free(b);
    pc_dataset_close(dataset);
    case_close(&c);
}

/* A run's arrays stay where they are once the largest batch was seen. */
/* The largest difference of two pictures [3, SIDE, SIDE], the first read mirrored. */
static float difference(const float *a, const float *b, bool across, bool down)
{
    float worst = 0;
    for (int c = 0; c < 3; c++) {
        for (int y = 0; y < SIDE; y++) {
            for (int x = 0; x < SIDE; x++) {
                int from = (c * SIDE + (down ? SIDE - 1 - y : y)) * SIDE + (across ? SIDE - 1 - x : x);
                worst = fmaxf(worst, fabsf(a[from] - b[(c * SIDE + y) * SIDE + x]));
            }
        }
    }
    return worst;
}

/* Pictures come upright or mirrored, each way some of the time, and otherwise unchanged. */
static void test_mirror(void **state)
{
    const float rounding = 0.02f; /* one level of 255, normalised: resampling may round a mirrored picture otherwise */
    loader_case c;
    int ways[4] = {0}, pictures = 0;
    (void)state;
    case_open(&c);
    pc_dataset *dataset = open_dataset(SCENES);
    pc_loader *plain = new_loader(&c, dataset);
    c.options.mirror = PC_MIRROR_BOTH;
    pc_loader *mirrored = new_loader(&c, dataset);
    for (int step = 0; step < 6; step++) {
        const pc_batch *a, *b;
        must(pc_loader_next(plain, &a));
        must(pc_loader_next(mirrored, &b));
        for (int64_t i = 0; i < a->images; i++, pictures++) {
            const float *x = a->pixels + i * 3 * SIDE * SIDE, *y = b->pixels + i * 3 * SIDE * SIDE;
            for (int way = 0; way < 4; way++) {
                ways[way] += difference(x, y, way & 1, way & 2) < rounding;
            }
        }
    }
    assert_int_equal(ways[0] + ways[1] + ways[2] + ways[3], pictures);
    for (int way = 0; way < 4; way++) {
        assert_true(ways[way] > 0);
    }
    pc_loader_free(plain);
    pc_loader_free(mirrored);
    c.options.region_weight = 1;
    must_fail(pc_loader_new(&plain, (const pc_dataset *[]){dataset}, NULL, 1, &c.options), PC_ERR_USAGE, "image_mirror");
    pc_dataset_close(dataset);
    case_close(&c);
}

static void test_buffers_are_kept(void **state)
{
    loader_case c;
    const pc_batch *batch;
    const float *pixels[3] = {0};
    (void)state;
    case_open(&c);
    c.options.ahead = 2; /* three slots */
    pc_dataset *dataset = open_dataset("scenes?seed=5&n=1"); /* every step is alike */
    pc_loader *loader = new_loader(&c, dataset);
    for (int step = 0; step < 12; step++) {
        must(pc_loader_next(loader, &batch));
        assert_true(step < 3 || pixels[step % 3] == batch->pixels);
        pixels[step % 3] = batch->pixels;
        assert_int_equal(batch->capacity[0], 3 * 3 * SIDE * SIDE);
    }
    pc_loader_free(loader);
    pc_dataset_close(dataset);
    case_close(&c);
}

/* --- bad samples --- */

static int make_folder(void **state)
{
    static char folder[256];
    char path[512];
    pc_image *image = NULL;
    pc_test_folder_new(folder);
    must(pc_image_new(&image, 60, 50));
    must(pc_image_save_png(image, pc_test_path(path, folder, "a.png")));
    pc_image_free(image);
    *state = folder;
    return 0;
}

static int drop_folder(void **state)
{
    pc_test_folder_free(*state);
    return 0;
}

/* `count` samples of which every `every`-th has no picture in the folder. */
static pc_dataset *write_samples(const char *folder, int count, int every)
{
    pc_str text = {0};
    char path[512];
    must(pc_str_putc(&text, '['));
    for (int i = 0; i < count; i++) {
        must(pc_str_printf(&text, "%s{\"image\": \"%s\", \"conversations\": [{\"from\": \"human\", \"value\": "
                                  "\"<image>\\nWhat is %d?\"}, {\"from\": \"gpt\", \"value\": \"A number.\"}]}",
                           i ? ", " : "", i % every == every - 1 ? "missing.png" : "a.png", i));
    }
    must(pc_str_putc(&text, ']'));
    pc_test_write(folder, "data.json", text.data, text.length);
    pc_str_clear(&text);
    return open_dataset(pc_test_path(path, folder, "data.json"));
}

static void test_few_bad_samples_are_replaced(void **state)
{
    loader_case c;
    const pc_batch *batch;
    int64_t seen, skipped;
    case_open(&c);
    pc_dataset *dataset = write_samples(*state, 200, 200);
    pc_loader *loader = new_loader(&c, dataset);
    for (int step = 0; step < 100; step++) { /* three epochs */
        must(pc_loader_next(loader, &batch));
        assert_int_equal(batch[0].samples, 3);
        assert_int_equal(batch[1].images, 3);
    }
    pc_loader_counts(loader, &seen, &skipped);
    assert_in_range(skipped, 3, 8);
    assert_int_equal(seen, 600 + skipped);
    pc_loader_free(loader);
    c.options.strict = true;
    c.options.workers = 2;
    loader = new_loader(&c, dataset);
    pc_status status = PC_OK;
    for (int step = 0; step < 34 && status == PC_OK; step++) {
        status = pc_loader_next(loader, &batch);
    }
    must_fail(status, PC_ERR_IO, "missing.png");
    assert_non_null(strstr(pc_error(), "sample 199"));
    must_fail(pc_loader_next(loader, &batch), PC_ERR_IO, "missing.png"); /* and stays so */
    assert_null(batch);
    pc_loader_free(loader);
    pc_dataset_close(dataset);
    case_close(&c);
}

static void test_many_bad_samples_end_the_run(void **state)
{
    loader_case c;
    const pc_batch *batch;
    pc_status status = PC_OK;
    int64_t seen, skipped;
    case_open(&c);
    pc_dataset *dataset = write_samples(*state, 200, 20);
    pc_loader *loader = new_loader(&c, dataset);
    for (int step = 0; step < 100 && status == PC_OK; step++) {
        status = pc_loader_next(loader, &batch);
    }
    must_fail(status, PC_ERR_DATA, "more than one in 100");
    assert_non_null(strstr(pc_error(), "missing.png"));
    pc_loader_counts(loader, &seen, &skipped);
    assert_true(skipped > 10 && seen < 400);
    pc_loader_free(loader);
    pc_dataset_close(dataset);

    dataset = write_samples(*state, 20, 1); /* not one is good */
    loader = new_loader(&c, dataset);
    must_fail(pc_loader_next(loader, &batch), PC_ERR_IO, "in a row");
    pc_loader_free(loader);
    pc_dataset_close(dataset);
    case_close(&c);
}

static void test_pictures_must_fit(void **state)
{
    loader_case c;
    const pc_batch *batch;
    case_open(&c);
    c.recipe.do_center_crop = false; /* 60 x 50 becomes 57 x 48 */
    c.options.strict = true;
    pc_dataset *dataset = write_samples(*state, 4, 100);
    pc_loader *loader = new_loader(&c, dataset);
    must_fail(pc_loader_next(loader, &batch), PC_ERR_DATA, "57 x 48");
    assert_non_null(strstr(pc_error(), "data.json:1: sample"));
    pc_loader_free(loader);
    pc_dataset_close(dataset);
    case_close(&c);
}

/* --- options and limits --- */

static void test_options(void **state)
{
    loader_case c;
    pc_loader *loader = NULL;
    pc_dataset *dataset = open_dataset(SCENES);
    const pc_dataset *list[1] = {dataset};
    double weight = -1;
    (void)state;
    case_open(&c);
#define refused(field, value, part)                                                                \
    do {                                                                                           \
        pc_loader_options bad = c.options;                                                         \
        bad.field = (value);                                                                       \
        must_fail(pc_loader_new(&loader, list, NULL, 1, &bad), PC_ERR_USAGE, part);                \
        assert_null(loader);                                                                       \
    } while (0)
    refused(batch_size, 0, "batches");
    refused(accumulation, 0, "accumulation");
    refused(cutoff, 0, "cutoff");
    refused(workers, -1, "negative");
    refused(tokenizer, NULL, "tokenizer");
    refused(chat, NULL, "template");
    refused(cutoff, INT32_MAX, "too many");
    refused(image_width, 0, "pictures");
    refused(max_images, INT64_MAX, "too many");
    c.options.region_weight = 1;
    refused(tokens_per_image, 15, "square");
#undef refused
    must_fail(pc_loader_new(&loader, list, &weight, 1, &c.options), PC_ERR_USAGE, "share");
    pc_dataset_close(dataset);
    case_close(&c);
}

/* A model without an encoder learns from texts; a sample with a picture is a bad one. */
static void test_no_pictures(void **state)
{
    static const char text[] = "[{\"conversations\": [{\"from\": \"human\", \"value\": \"Hi\"}, "
                               "{\"from\": \"gpt\", \"value\": \"Hello\"}]}]";
    loader_case c;
    char path[512];
    pc_batch_limits limits;
    const pc_batch *batches;
    case_open(&c);
    c.options.recipe = NULL;
    c.options.image_width = c.options.image_height = 0;
    pc_test_write(*state, "texts.json", text, strlen(text));
    pc_dataset *dataset = open_dataset(pc_test_path(path, *state, "texts.json"));
    pc_loader *loader = new_loader(&c, dataset);
    must(pc_loader_next(loader, &batches));
    assert_int_equal(batches[1].samples, 3);
    assert_int_equal(batches[1].images + batches[1].soft, 0);
    pc_loader_limits(loader, &limits);
    assert_int_equal(limits.images + limits.soft, 0);
    pc_loader_free(loader);
    pc_dataset_close(dataset);
    c.options.strict = true;
    dataset = open_dataset(SCENES);
    loader = new_loader(&c, dataset);
    must_fail(pc_loader_next(loader, &batches), PC_ERR_DATA, "does not take");
    pc_loader_free(loader);
    pc_dataset_close(dataset);
    case_close(&c);
}

static void test_limits(void **state)
{
    loader_case c;
    pc_batch_limits limits;
    const pc_batch *batches;
    (void)state;
    case_open(&c);
    c.options.max_images = 2;
    c.options.region_weight = 1;
    pc_dataset *dataset = open_dataset(SCENES);
    pc_loader *loader = new_loader(&c, dataset);
    pc_loader_limits(loader, &limits);
    assert_int_equal(limits.samples, 3);
    assert_int_equal(limits.images, 6);
    assert_int_equal(limits.soft, 6 * SOFT);
    assert_int_equal(limits.tokens, 6000);
    assert_int_equal(limits.targets, 6000 + 6 * SOFT * PC_REGION_IDS);
    must(pc_loader_next(loader, &batches));
    assert_true(batches->targets <= limits.targets && batches->tokens <= limits.tokens);
    pc_loader_free(loader);
    c.options.kind = PC_BATCH_PAIRS;
    loader = new_loader(&c, dataset);
    pc_loader_limits(loader, &limits);
    assert_int_equal(limits.images, 3);
    assert_int_equal(limits.soft, 0);
    assert_int_equal(limits.targets, 3);
    pc_loader_free(loader);
    pc_loader_free(NULL);
    pc_dataset_close(dataset);
    case_close(&c);
}

/* --- out of memory --- */

/* What a worker does for two samples, here without threads, so that every run makes the same requests. */
static pc_status fill_a_batch(void *user)
{
    const loader_case *c = user;
    pc_batch_maker maker = {.options = &c->options};
    pc_batch batch = {0};
    pc_dataset *dataset = NULL;
    pc_loader *loader = NULL;
    bool shortened;
    pc_status status;
    PC_GO(pc_dataset_open(&dataset, SCENES, NULL, NULL));
    const pc_dataset *list[1] = {dataset};
    PC_GO(pc_loader_new(&loader, list, NULL, 1, &c->options));
    for (int i = 0; i < 2; i++) {
        PC_GO(pc_dataset_read(dataset, i, &maker.sample));
        PC_GO(pc_batch_add(&batch, &maker, 1, 2, &shortened));
    }
done:
    pc_loader_free(loader);
    pc_dataset_close(dataset);
    pc_batch_clear(&batch);
    pc_batch_maker_clear(&maker);
    return status;
}

static void test_out_of_memory(void **state)
{
    loader_case c;
    (void)state;
    case_open(&c);
    c.options.region_weight = 1;
    c.options.max_images = 1;
    assert_true(pc_test_each_allocation(fill_a_batch, &c) > 50);
    c.options.kind = PC_BATCH_PAIRS;
    assert_true(pc_test_each_allocation(fill_a_batch, &c) > 20);
    case_close(&c);
}

/* In a thread: the failure comes out of pc_loader_next with its message. */
static void test_out_of_memory_in_a_thread(void **state)
{
    loader_case c;
    const pc_batch *batches;
    (void)state;
    case_open(&c);
    c.options.workers = 2;
    pc_dataset *dataset = open_dataset(SCENES);
    for (long n = 1; n < 400; n = n * 2 + 1) {
        pc_loader *loader = new_loader(&c, dataset);
        pc_alloc_fail_at(n, true);
        pc_status status = pc_loader_next(loader, &batches);
        pc_alloc_fail_at(0, false);
        must_fail(status, PC_ERR_MEMORY, "memory");
        pc_loader_free(loader);
    }
    pc_dataset_close(dataset);
    case_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads_do_not_matter),
        cmocka_unit_test(test_seek),
        cmocka_unit_test(test_mirror),
        cmocka_unit_test(test_buffers_are_kept),
        cmocka_unit_test_setup_teardown(test_few_bad_samples_are_replaced, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(test_many_bad_samples_end_the_run, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(test_pictures_must_fit, make_folder, drop_folder),
        cmocka_unit_test(test_options),
        cmocka_unit_test_setup_teardown(test_no_pictures, make_folder, drop_folder),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_out_of_memory_in_a_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
