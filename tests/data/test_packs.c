/* Packs and groups of alike lengths: what is in them, that nothing is lost, the file of kept sizes, failures. */
#include "base/file.h"
#include "base/memory.h"
#include "data/batch.h"
#include "data/extents.h"
#include "data/groups.h"
#include "data/loader_case.h"
#include "data/packs.h"
#include "support/allocfail.h"

#include <stdio.h>

enum { SAMPLES = 90, CUTOFF = 240 };

typedef struct packs_case {
    loader_case loader;
    char folder[256], sizes[512];
    pc_dataset *dataset;
} packs_case;

/* Sample i: every third with a picture, its question i % 23 words longer than the shortest, its answer "N<i>". `broken` has no
 * answer, `missing` a picture that isn't there; -1 = none. */
static void write_samples(packs_case *c, int broken, int missing)
{
    pc_str text = {0};
    char path[512];
    must(pc_str_putc(&text, '['));
    for (int i = 0; i < SAMPLES; i++) {
        bool picture = i % 3 == 0;
        must(pc_str_printf(&text, "%s{%s%s%s\"conversations\": [{\"from\": \"human\", \"value\": \"%s\\nWhat", i ? ",\n" : "",
                           picture ? "\"image\": \"" : "", picture ? i == missing ? "none.png" : "a.png" : "",
                           picture ? "\", " : "", picture ? "<image>" : ""));
        for (int w = 0; w < i % 23; w++) {
            must(pc_str_puts(&text, " is"));
        }
        must(pc_str_printf(&text, " %d?\"}%s", i, i == broken ? "]}" : ", {\"from\": \"gpt\", \"value\": \"N"));
        must(i == broken ? PC_OK : pc_str_printf(&text, "%d\"}]}", i));
    }
    must(pc_str_puts(&text, "]"));
    pc_dataset_close(c->dataset);
    pc_test_write(c->folder, "data.json", text.data, text.length);
    pc_str_clear(&text);
    c->dataset = open_dataset(pc_test_path(path, c->folder, "data.json"));
}

static int set_up(void **state)
{
    packs_case *c = calloc(1, sizeof *c);
    uint8_t pixels[60 * 50 * 3] = {0};
    char path[512];
    pc_image image = {.width = 60, .height = 50, .pixels = pixels};
    pc_test_folder_new(c->folder);
    must(pc_image_save_png(&image, pc_test_path(path, c->folder, "a.png")));
    pc_test_path(c->sizes, c->folder, "all.sizes");
    case_open(&c->loader);
    c->loader.options.cutoff = CUTOFF;
    c->loader.options.packing = true;
    c->loader.options.batch_size = 2;
    c->loader.options.accumulation = 1;
    c->loader.options.sizes_file = c->sizes;
    write_samples(c, -1, -1);
    *state = c;
    return 0;
}

static int tear_down(void **state)
{
    packs_case *c = *state;
    pc_dataset_close(c->dataset);
    pc_test_folder_free(c->folder);
    case_close(&c->loader);
    free(c);
    return 0;
}

/* Adds up what a batch holds; targets tell the samples apart, so their sum does not depend on the packs. */
typedef struct total {
    int64_t samples, tokens, images, ids;
} total;

static void add_up(total *sum, const pc_batch *batch)
{
    sum->samples += batch->samples;
    sum->tokens += batch->tokens;
    sum->images += batch->images;
    for (int64_t i = 0; i < batch->targets; i++) {
        sum->ids += batch->target_ids[i];
    }
}

static total epoch_of(const packs_case *c, pc_loader *loader, int64_t steps)
{
    pc_batch_limits limits;
    total sum = {0};
    pc_loader_limits(loader, &limits);
    for (int64_t s = 0; s < steps; s++) {
        const pc_batch *batch;
        must(pc_loader_next(loader, &batch));
        for (int64_t m = 0; m < c->loader.options.accumulation; m++) {
            assert_true(batch[m].tokens <= limits.tokens && batch[m].images <= limits.images);
            assert_true(batch[m].targets <= limits.targets && batch[m].samples <= limits.samples);
            add_up(&sum, &batch[m]);
        }
    }
    return sum;
}

/* An epoch of packs holds every sample once, in fewer steps; the packs are nearly full. */
static void test_an_epoch(void **state)
{
    packs_case *c = *state;
    c->loader.options.batch_size = 1; /* so that an epoch ends with a pack */
    pc_loader *packed = new_loader(&c->loader, c->dataset);
    int64_t steps = pc_loader_steps_per_epoch(packed);
    total a = epoch_of(c, packed, steps), again = epoch_of(c, packed, steps);
    c->loader.options.packing = false;
    pc_loader *plain = new_loader(&c->loader, c->dataset);
    total b = epoch_of(c, plain, SAMPLES);
    assert_memory_equal(&a, &b, sizeof a);
    assert_memory_equal(&a, &again, sizeof a);
    assert_int_equal(a.samples, SAMPLES);
    int64_t fewest = (a.tokens + CUTOFF - 1) / CUTOFF;
    assert_in_range(steps, fewest, fewest + 1);
    print_message("%d samples of %lld tokens in %lld packs of %d\n", SAMPLES, (long long)a.tokens, (long long)steps, CUTOFF);
    pc_loader_free(packed);
    pc_loader_free(plain);
}

/* No row of a pack sees a row of another sample: positions start anew, and ranges begin with them. */
static void test_samples_stay_apart(void **state)
{
    packs_case *c = *state;
    const pc_batch *batch;
    c->loader.options.turns = PC_TURNS_HISTORY;
    pc_loader *loader = new_loader(&c->loader, c->dataset);
    must(pc_loader_next(loader, &batch));
    int64_t start = 0, starts = 0;
    assert_true(batch->samples > 4);
    for (int64_t t = 0; t < batch->tokens; t++) {
        if (batch->positions[t] == 0) {
            start = t;
            starts++;
        }
        const pc_attention_range *range = &batch->ranges[t];
        assert_int_equal(batch->positions[t], t - start);
        assert_int_equal(range->begin, start);
        assert_int_equal(range->end, t + 1);
        assert_int_equal(range->prefix_begin, range->prefix_end);
    }
    assert_int_equal(starts, batch->samples);
    pc_loader_free(loader);
}

static void test_threads_and_places(void **state)
{
    packs_case *c = *state;
    enum { STEPS = 30, FROM = 17 };
    c->loader.options.shift = 2;
    pc_loader *a = new_loader(&c->loader, c->dataset);
    c->loader.options.workers = 3;
    pc_loader *b = new_loader(&c->loader, c->dataset), *sought = new_loader(&c->loader, c->dataset);
    must(pc_loader_seek(sought, FROM));
    for (int s = 0; s < STEPS; s++) {
        const pc_batch *x, *y, *z;
        must(pc_loader_next(a, &x));
        must(pc_loader_next(b, &y));
        assert_same_batch(x, y);
        if (s >= FROM) {
            must(pc_loader_next(sought, &z));
            assert_same_batch(x, z);
        }
    }
    pc_loader_free(a);
    pc_loader_free(b);
    pc_loader_free(sought);
}

/* A sample that can't be measured is left out and counted; one whose picture is missing is met later and left out then. */
static void test_bad_samples(void **state)
{
    packs_case *c = *state;
    int64_t seen, skipped;
    c->loader.options.batch_size = 1;
    write_samples(c, 10, 33);
    pc_loader *loader = new_loader(&c->loader, c->dataset);
    total sum = epoch_of(c, loader, pc_loader_steps_per_epoch(loader));
    assert_int_equal(sum.samples, SAMPLES - 2);
    pc_loader_free(loader);
    loader = new_loader(&c->loader, c->dataset); /* the sizes come from the file now */
    sum = epoch_of(c, loader, pc_loader_steps_per_epoch(loader));
    pc_loader_counts(loader, &seen, &skipped);
    assert_int_equal(sum.samples, SAMPLES - 2);
    assert_true(seen >= SAMPLES && skipped >= 2 && seen - skipped >= SAMPLES - 2);
    pc_loader_free(loader);
    c->loader.options.strict = true;
    remove(c->sizes);
    const pc_dataset *list[] = {c->dataset};
    must_fail(pc_loader_new(&loader, list, NULL, 1, &c->loader.options), PC_ERR_DATA, "sample 10");
}

/* A pack whose samples are all bad gives its place to another one; when none is good, the run ends. */
static void test_empty_packs(void **state)
{
    packs_case *c = *state;
    const pc_batch *batch;
    char path[512];
    remove(pc_test_path(path, c->folder, "a.png"));
    c->loader.options.cutoff = 60; /* a sample or two in a pack */
    pc_loader *loader = new_loader(&c->loader, c->dataset);
    pc_status status = PC_OK;
    for (int s = 0; s < 60 && status == PC_OK; s++) {
        status = pc_loader_next(loader, &batch);
        assert_true(status != PC_OK || batch->samples > 0);
    }
    must_fail(status, PC_ERR_DATA, "bad");
    pc_loader_free(loader);
}

static void expect_measured(packs_case *c, pc_extents *out)
{
    const pc_dataset *list[] = {c->dataset};
    must(pc_extents_measure(out, list, 1, &c->loader.options, c->sizes));
    assert_int_equal(out->count, SAMPLES);
    assert_int_equal(out->items[0].images, 1);
    assert_int_equal(out->items[1].images, 0);
    assert_true(out->items[22].tokens - out->items[1].tokens >= 21);
}

/* Sizes are kept and read again; a damaged file is measured anew; one of other data is noticed when its samples come. */
static void test_kept_sizes(void **state)
{
    packs_case *c = *state;
    pc_extents first, second;
    char *bytes;
    size_t size;
    const pc_batch *batch;
    expect_measured(c, &first);
    must(pc_file_read(&bytes, &size, c->sizes, 1 << 20));
    assert_int_equal(size, 64 + 12 * SAMPLES);
    for (size_t at = 0; at < size; at += 37) { /* each change is noticed */
        bytes[at] ^= 1;
        pc_test_write(c->folder, "all.sizes", bytes, size);
        bytes[at] ^= 1;
        expect_measured(c, &second);
        assert_memory_equal(first.items, second.items, sizeof *first.items * SAMPLES);
        pc_extents_clear(&second);
    }
    pc_test_write(c->folder, "all.sizes", bytes, size - 1);
    expect_measured(c, &second);
    pc_extents_clear(&second);
    pc_extents_clear(&first);
    pc_free(bytes);
    write_samples(c, -1, -1);
    c->loader.options.tokens_per_image = SOFT - 4; /* as if the file's name had not changed with the model */
    c->loader.options.strict = true;
    pc_loader *loader = new_loader(&c->loader, c->dataset);
    pc_status status = PC_OK;
    for (int s = 0; s < 30 && status == PC_OK; s++) {
        status = pc_loader_next(loader, &batch);
    }
    must_fail(status, PC_ERR_DATA, "remove");
    assert_non_null(strstr(pc_error(), "all.sizes"));
    pc_loader_free(loader);
}

/* Within 50 steps nothing is lost, and the samples of a step are about equally long. */
static void test_groups(void **state)
{
    packs_case *c = *state;
    pc_extents extents;
    pc_order order = {0};
    pc_groups groups = {0};
    enum { STEP = 4, DRAWS = 50 * STEP };
    const int64_t size = SAMPLES;
    uint8_t drawn[2 * DRAWS] = {0};
    expect_measured(c, &extents);
    must(pc_order_init(&order, &size, NULL, 1, 5));
    int64_t spread = 0, rises = 0, before = 0;
    for (uint64_t n = 0; n < 2 * DRAWS; n++) {
        static int64_t least, most;
        uint64_t draw;
        int dataset;
        int64_t sample;
        must(pc_groups_at(&groups, &order, &extents, STEP, n, &draw));
        assert_true(draw / DRAWS == n / DRAWS);
        drawn[draw]++;
        pc_order_at(&order, draw, &dataset, &sample);
        int64_t tokens = pc_extent_at(&extents, dataset, sample)->tokens;
        least = n % STEP == 0 || tokens < least ? tokens : least;
        most = n % STEP == 0 || tokens > most ? tokens : most;
        if (n % STEP == STEP - 1) {
            spread += most - least;
            rises += most > before;
            before = most;
        }
    }
    for (int i = 0; i < 2 * DRAWS; i++) {
        assert_int_equal(drawn[i], 1);
    }
    assert_true(spread <= 2 * 50);            /* a token or so a step; 20 and more without groups */
    assert_in_range(rises, 25, 75);           /* steps don't come sorted */
    pc_groups_clear(&groups);
    pc_order_clear(&order);
    pc_extents_clear(&extents);
}

static void test_grouped_loader(void **state)
{
    packs_case *c = *state;
    const pc_batch *x, *y;
    c->loader.options.packing = false;
    c->loader.options.group_by_length = true;
    c->loader.options.batch_size = 4;
    pc_loader *a = new_loader(&c->loader, c->dataset);
    c->loader.options.workers = 3;
    pc_loader *b = new_loader(&c->loader, c->dataset);
    must(pc_loader_seek(b, 3));
    for (int s = 0; s < 60; s++) {
        must(pc_loader_next(a, &x));
        assert_int_equal(x->samples, 4);
        if (s >= 3) {
            must(pc_loader_next(b, &y));
            assert_same_batch(x, y);
        }
    }
    pc_loader_free(a);
    pc_loader_free(b);
}

static void test_refusals(void **state)
{
    packs_case *c = *state;
    pc_loader *loader;
    const pc_dataset *list[] = {c->dataset};
    pc_loader_options options = c->loader.options;
    options.group_by_length = true;
    must_fail(pc_loader_new(&loader, list, NULL, 1, &options), PC_ERR_USAGE, "equally long");
    options.group_by_length = false;
    options.kind = PC_BATCH_PAIRS;
    must_fail(pc_loader_new(&loader, list, NULL, 1, &options), PC_ERR_USAGE, "packing: only");
    options.kind = PC_BATCH_LANGUAGE;
    options.cutoff = 5;
    must_fail(pc_loader_new(&loader, list, NULL, 1, &options), PC_ERR_DATA, "more than one in a hundred");
}

/* Without threads, so that every run makes the same requests. */
static pc_status make_all(void *user)
{
    packs_case *c = user;
    pc_loader *loader = NULL;
    pc_groups groups = {0};
    pc_extents extents = {0};
    pc_order order = {0};
    uint64_t draw;
    const int64_t size = SAMPLES;
    const pc_dataset *list[] = {c->dataset};
    pc_status status;
    remove(c->sizes);
    PC_GO(pc_loader_new(&loader, list, NULL, 1, &c->loader.options));
    PC_GO(pc_extents_measure(&extents, list, 1, &c->loader.options, NULL));
    PC_GO(pc_order_init(&order, &size, NULL, 1, 5));
    PC_GO(pc_groups_at(&groups, &order, &extents, 3, 7, &draw));
done:
    pc_groups_clear(&groups);
    pc_extents_clear(&extents);
    pc_order_clear(&order);
    pc_loader_free(loader);
    return status;
}

static void test_out_of_memory(void **state)
{
    packs_case *c = *state;
    c->loader.options.sizes_file = NULL; /* a file that can't be kept is no failure */
    assert_true(pc_test_each_allocation(make_all, c) > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_an_epoch, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_samples_stay_apart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_threads_and_places, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_samples, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_empty_packs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_kept_sizes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_groups, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_grouped_loader, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refusals, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_out_of_memory, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
