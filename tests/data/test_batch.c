/* Packed batches: what each turn sees is what it would see alone; positions, targets, soft rows, pixels, region labels,
 * the cutoff, pairs. */
#include "data/batch.h"
#include "data/loader_case.h"

#include <math.h>
#include <stdio.h>

/* A sample of `turns` questions with one picture whose pixels count up. */
static void fill_sample(pc_sample *sample, int turns, bool picture)
{
    pc_image *image = NULL;
    char text[64];
    pc_sample_clear(sample);
    if (picture) {
        must(pc_image_new(&image, SIDE, SIDE));
        for (int i = 0; i < SIDE * SIDE * 3; i++) {
            image->pixels[i] = (uint8_t)(i * 7 + i / 99);
        }
        must(pc_sample_add_image(sample, image));
    }
    for (int t = 0; t < turns; t++) {
        must(pc_conversation_begin(&sample->conversation, PC_ROLE_USER));
        if (t == 0 && picture) {
            must(pc_conversation_add_media(&sample->conversation, PC_MEDIA_IMAGE, 0));
        }
        snprintf(text, sizeof text, "What is the number %d?", t * 37);
        must(pc_conversation_add_text(&sample->conversation, text, strlen(text)));
        snprintf(text, sizeof text, "It is %d.", t * 11);
        must(pc_conversation_say(&sample->conversation, PC_ROLE_ASSISTANT, text));
    }
}

static pc_status count_tokens(void *user, pc_media_kind kind, int index, size_t *out)
{
    (void)user;
    (void)kind;
    (void)index;
    *out = SOFT;
    return PC_OK;
}

/* The prompt of messages [from, to) with the picture in front, built as a chat would be. */
static void build_alone(pc_prompt *out, const loader_case *c, const pc_sample *sample, size_t from, size_t to)
{
    pc_conversation alone = {0};
    pc_prompt_options how = {.slot_tokens = count_tokens};
    how.media_id[PC_MEDIA_IMAGE] = c->options.image_token;
    for (size_t m = from; m < to; m++) {
        must(pc_conversation_begin(&alone, sample->conversation.messages[m].role));
        if (m == from && sample->image_count) {
            must(pc_conversation_add_media(&alone, PC_MEDIA_IMAGE, 0));
        }
        const char *text = text_of(sample, m);
        must(pc_conversation_add_text(&alone, text, strlen(text)));
    }
    must(pc_prompt_build(out, c->options.tokenizer, c->options.chat, &alone, &how));
    pc_conversation_clear(&alone);
}

/* True when `row` of the batch has a target `id`. */
static bool has_target(const pc_batch *batch, int64_t row, int32_t id)
{
    for (int64_t i = 0; i < batch->targets; i++) {
        if (batch->target_rows[i] == row && batch->target_ids[i] == id) {
            return true;
        }
    }
    return false;
}

/* The rows that row `last` sees are `alone`, in order, at positions 0, 1, ...; returns how many targets it has. */
static int64_t assert_sees(const pc_batch *batch, int64_t last, const pc_prompt *alone, int32_t image_token)
{
    const pc_attention_range *range = &batch->ranges[last];
    int64_t at = 0, before = -1, targets = 0;
    for (int part = 0; part < 2; part++) {
        int64_t begin = part ? range->begin : range->prefix_begin, end = part ? range->end : range->prefix_end;
        for (int64_t row = begin; row < end; row++, at++) {
            int32_t id = alone->ids.data[at];
            assert_true((size_t)at < alone->ids.count);
            assert_int_equal(batch->ids[row], id == image_token ? 0 : id);
            assert_int_equal(batch->positions[row], at);
            if (alone->trained[at]) {
                targets++;
                assert_true(has_target(batch, before, id));
            }
            before = row;
        }
    }
    assert_int_equal(at, alone->ids.count);
    return targets;
}

typedef struct fixture {
    loader_case c;
    pc_batch_maker maker;
    pc_batch batch;
    bool shortened;
} fixture;

static void set_up(fixture *f)
{
    memset(f, 0, sizeof *f);
    case_open(&f->c);
    f->c.options.max_images = 1; /* as the loader fills in */
    f->maker.options = &f->c.options;
}

static void tear_down(fixture *f)
{
    pc_batch_clear(&f->batch);
    pc_batch_maker_clear(&f->maker);
    case_close(&f->c);
}

static void add(fixture *f)
{
    f->shortened = false;
    must(pc_batch_add(&f->batch, &f->maker, 0, 0, &f->shortened));
}

static void test_independent_turns(void **state)
{
    static const char *const templates[] = {"llava_hf", "vicuna_v1", "plain", "raw"};
    fixture f;
    pc_prompt alone = {0};
    (void)state;
    set_up(&f);
    for (size_t k = 0; k < sizeof templates / sizeof templates[0]; k++) {
        const pc_template *chat = NULL;
        pc_batch_reset(&f.batch);
        must(pc_template_by_name(&chat, templates[k]));
        f.c.options.chat = chat;
        int64_t targets = 0, first = 0;
        for (int s = 0; s < 3; s++) { /* three samples with 3, 2, 1 turns */
            fill_sample(&f.maker.sample, 3 - s, true);
            add(&f);
            int64_t last = first - 1;
            for (size_t t = 0; t < (size_t)(3 - s); t++) {
                build_alone(&alone, &f.c, &f.maker.sample, 2 * t, 2 * t + 2);
                const pc_slot *slot = &alone.slots[0];
                int64_t prefix = (int64_t)(slot->first + slot->count);
                last += (t == 0 ? prefix : 0) + (int64_t)alone.ids.count - prefix;
                targets += assert_sees(&f.batch, last, &alone, f.c.options.image_token);
                assert_int_equal(f.batch.ranges[last].prefix_begin, first);
                assert_int_equal(f.batch.soft_rows[s * SOFT], first + (int64_t)slot->first);
                assert_int_equal(f.batch.soft_rows[s * SOFT + SOFT - 1], first + prefix - 1);
            }
            /* The prefix is causal. */
            assert_int_equal(f.batch.ranges[first + 2].begin, first);
            assert_int_equal(f.batch.ranges[first + 2].end, first + 3);
            assert_int_equal(f.batch.ranges[first + 2].prefix_end, f.batch.ranges[first + 2].prefix_begin);
            first = f.batch.tokens;
            assert_int_equal(last, first - 1);
        }
        assert_int_equal(f.batch.targets, targets);
        assert_int_equal(f.batch.samples, 3);
        assert_int_equal(f.batch.images, 3);
        assert_int_equal(f.batch.soft, 3 * SOFT);
        for (int64_t i = 0; i < targets; i++) {
            assert_true(f.batch.target_weights[i] == 1);
        }
    }
    pc_prompt_clear(&alone);
    tear_down(&f);
}

static void test_history(void **state)
{
    fixture f;
    pc_prompt whole = {0};
    (void)state;
    set_up(&f);
    f.c.options.turns = PC_TURNS_HISTORY;
    int64_t targets = 0;
    for (int s = 0; s < 3; s++) {
        fill_sample(&f.maker.sample, 1 + s, s > 0); /* the first one has no picture */
        add(&f);
        build_alone(&whole, &f.c, &f.maker.sample, 0, f.maker.sample.conversation.count);
        targets += assert_sees(&f.batch, f.batch.tokens - 1, &whole, f.c.options.image_token);
    }
    assert_int_equal(f.batch.targets, targets);
    assert_int_equal(f.batch.images, 2);
    assert_int_equal(f.batch.soft, 2 * SOFT);
    pc_prompt_clear(&whole);
    tear_down(&f);
}

static void test_cutoff(void **state)
{
    fixture f;
    (void)state;
    for (int turns = 0; turns < 2; turns++) {
        set_up(&f);
        f.c.options.turns = turns ? PC_TURNS_HISTORY : PC_TURNS_INDEPENDENT;
        fill_sample(&f.maker.sample, 2, true);
        add(&f);
        int64_t two = f.batch.tokens, targets = f.batch.targets;
        assert_false(f.shortened);
        f.c.options.cutoff = two;
        fill_sample(&f.maker.sample, 5, true);
        add(&f);
        assert_true(f.shortened);
        assert_int_equal(f.batch.tokens, 2 * two);
        assert_int_equal(f.batch.targets, 2 * targets);
        f.c.options.cutoff = two - 1;
        fill_sample(&f.maker.sample, 2, true);
        add(&f);
        assert_true(f.shortened);
        assert_true(f.batch.tokens < 3 * two);
        f.c.options.cutoff = 20; /* less than one turn: the batch stays as it is */
        int64_t tokens = f.batch.tokens;
        must_fail(pc_batch_add(&f.batch, &f.maker, 0, 0, &f.shortened), PC_ERR_DATA, "cutoff of 20");
        assert_int_equal(f.batch.tokens, tokens);
        assert_int_equal(f.batch.samples, 3);
        assert_int_equal(f.batch.images, 3);
        tear_down(&f);
    }
}

static void test_samples_that_do_not_fit(void **state)
{
    fixture f;
    pc_image *image = NULL;
    (void)state;
    set_up(&f);
    fill_sample(&f.maker.sample, 0, true);
    must(pc_conversation_say(&f.maker.sample.conversation, PC_ROLE_USER, "Nobody answers."));
    must_fail(pc_batch_add(&f.batch, &f.maker, 0, 0, &f.shortened), PC_ERR_DATA, "no answer");
    fill_sample(&f.maker.sample, 1, false);
    must(pc_conversation_place_media(&f.maker.sample.conversation, PC_MEDIA_IMAGE, 1));
    must_fail(pc_batch_add(&f.batch, &f.maker, 0, 0, &f.shortened), PC_ERR_DATA, "picture 1");
    fill_sample(&f.maker.sample, 1, true);
    must(pc_image_new(&image, 4, 4));
    must(pc_sample_add_image(&f.maker.sample, image));
    must(pc_conversation_place_media(&f.maker.sample.conversation, PC_MEDIA_IMAGE, 2));
    must_fail(pc_batch_add(&f.batch, &f.maker, 0, 0, &f.shortened), PC_ERR_DATA, "more than 1 picture");
    assert_int_equal(f.batch.samples + f.batch.tokens + f.batch.images + f.batch.targets + f.batch.soft, 0);
    f.c.options.max_images = 2;
    add(&f);
    assert_int_equal(f.batch.images, 2);
    tear_down(&f);
}

/* Pixels are those of the recipe, in the order of the slots; a shift moves the picture. */
static void test_pixels(void **state)
{
    enum { PIXELS = 3 * SIDE * SIDE };
    static float expected[PIXELS];
    fixture f;
    pc_image *moved = NULL;
    (void)state;
    set_up(&f);
    for (int shift = 0; shift < 2; shift++) {
        fill_sample(&f.maker.sample, 1, true);
        must(pc_image_shift(&moved, f.maker.sample.images[0], 3 * shift, -2 * shift));
        must(pc_image_recipe_apply(&f.c.recipe, moved, expected));
        must(pc_batch_add(&f.batch, &f.maker, 3 * shift, -2 * shift, &f.shortened));
        assert_memory_equal(f.batch.pixels + shift * PIXELS, expected, sizeof expected);
        pc_image_free(moved);
    }
    assert_memory_not_equal(f.batch.pixels, f.batch.pixels + PIXELS, sizeof expected);
    tear_down(&f);
}

/* --- regions --- */

/* Sum of the weights of the targets that a soft token has, all of which must be ids of `words`. */
static double token_weight(const fixture *f, int token, const char *words)
{
    pc_ids ids = {0};
    double sum = 0;
    char spaced[128];
    int length = snprintf(spaced, sizeof spaced, " %s", words);
    must(pc_tokenizer_encode(f->c.tokenizer, spaced, (size_t)length, PC_TOKENIZE_CONTINUE, &ids));
    must(pc_tokenizer_encode(f->c.tokenizer, spaced + 1, (size_t)length - 1, PC_TOKENIZE_CONTINUE, &ids));
    /* The last row of the picture also predicts the text behind it, with weight 1. */
    for (int64_t i = 0; i < f->batch.targets; i++) {
        if (f->batch.target_rows[i] == f->batch.soft_rows[token] && f->batch.target_weights[i] < 1) {
            bool known = false;
            for (size_t k = 0; k < ids.count; k++) {
                known = known || ids.data[k] == f->batch.target_ids[i];
            }
            assert_true(known);
            sum += (double)f->batch.target_weights[i];
        }
    }
    pc_ids_clear(&ids);
    return sum;
}

static void add_region(pc_sample *sample, double left, double top, double right, double bottom, const char *words)
{
    pc_region region = {.box = {(float)left, (float)top, (float)right, (float)bottom}};
    snprintf(region.words, sizeof region.words, "%s", words);
    must(pc_sample_add_region(sample, &region));
}

static void assert_labels(const fixture *f, const char *const labels[SOFT])
{
    for (int token = 0; token < SOFT; token++) {
        double weight = token_weight(f, token, labels[token] ? labels[token] : "");
        if (fabs(weight - (labels[token] ? 0.5 : 0)) > 1e-6) {
            fail_msg("token %d has region labels of weight %g", token, weight);
        }
    }
}

static void test_regions(void **state)
{
    fixture f;
    (void)state;
    set_up(&f);
    f.c.options.region_weight = 0.5;
    fill_sample(&f.maker.sample, 1, true);
    add_region(&f.maker.sample, 0, 0, 0.5, 0.75, "large red circle");
    add_region(&f.maker.sample, 0.25, 0.5, 1, 0.75, "blue");      /* covers the first one's third row */
    add_region(&f.maker.sample, 0.76, 0.02, 0.80, 0.06, "green"); /* smaller than a patch */
    add(&f);
    const char *const a = "large red circle", *const b = "blue", *const g = "green";
    assert_labels(&f, (const char *const[SOFT]){a, a, NULL, g, a, a, NULL, NULL, a, b, b, b});
    pc_batch_reset(&f.batch);
    must(pc_batch_add(&f.batch, &f.maker, SIDE / 4, 0, &f.shortened)); /* one patch to the right */
    assert_labels(&f, (const char *const[SOFT]){NULL, a, a, NULL, NULL, a, a, NULL, NULL, a, b, b});
    tear_down(&f);
}

/* A word that the middle of a region has to itself. */
static void test_middle_of_a_region(void **state)
{
    fixture f;
    pc_region region = {.box = {0, 0, 0.5f, 0.75f}, .words = "red circle", .middle = "object"};
    (void)state;
    set_up(&f);
    f.c.options.region_weight = 0.5;
    fill_sample(&f.maker.sample, 1, true);
    must(pc_sample_add_region(&f.maker.sample, &region));
    add(&f);
    const char *const a = "red circle";
    assert_labels(&f, (const char *const[SOFT]){a, a, NULL, NULL, a, "red circle object", NULL, NULL, a, a});
    int alone = 0; /* targets of tokens that do not have the middle's word */
    for (int64_t i = 0; i < f.batch.targets; i++) {
        alone += f.batch.target_rows[i] == f.batch.soft_rows[0] && f.batch.target_weights[i] < 1;
        alone -= f.batch.target_rows[i] == f.batch.soft_rows[5] && f.batch.target_weights[i] < 1;
    }
    assert_true(alone < 0);
    tear_down(&f);
}

/* Boxes go through the recipe: a wide picture loses its sides to the crop, or gets borders above and below. */
static void test_regions_behind_a_recipe(void **state)
{
    fixture f;
    pc_image *wide = NULL;
    const char *const a = "red", *const b = "blue";
    (void)state;
    set_up(&f);
    f.c.options.region_weight = 0.5;
    fill_sample(&f.maker.sample, 1, true);
    must(pc_image_new(&wide, 4 * SIDE, 2 * SIDE));
    pc_image_free(f.maker.sample.images[0]);
    f.maker.sample.images[0] = wide;
    add_region(&f.maker.sample, 0, 0, 0.5, 0.5, a);
    add_region(&f.maker.sample, 0.75, 0.5, 1, 1, b);
    add(&f); /* the middle half stays */
    assert_labels(&f, (const char *const[SOFT]){a, a, NULL, NULL, a, a});
    pc_batch_reset(&f.batch);
    f.c.recipe.pad_square = true; /* rows 1 and 2 of four hold the picture */
    add(&f);
    assert_labels(&f, (const char *const[SOFT]){NULL, NULL, NULL, NULL, a, a, NULL, NULL, NULL, NULL, NULL, b});
    tear_down(&f);
}

/* An id that the model has no embedding for makes the sample a bad one, and the batch stays as it is. */
static void test_outside_the_vocabulary(void **state)
{
    fixture f;
    (void)state;
    set_up(&f);
    fill_sample(&f.maker.sample, 1, true);
    add(&f);
    int64_t tokens = f.batch.tokens;
    f.c.options.vocabulary = 30;
    for (int kind = 0; kind < 2; kind++) {
        f.c.options.kind = kind ? PC_BATCH_PAIRS : PC_BATCH_LANGUAGE;
        assert_int_equal(pc_batch_add(&f.batch, &f.maker, 0, 0, &f.shortened), PC_ERR_DATA);
        assert_non_null(strstr(pc_error(), "outside the model's vocabulary of 30"));
        assert_int_equal(f.batch.tokens, tokens);
        assert_int_equal(f.batch.samples, 1);
    }
    tear_down(&f);
}

/* Without a conversation: rows are soft tokens, picture after picture. */
static void test_regions_alone(void **state)
{
    fixture f;
    (void)state;
    set_up(&f);
    f.c.options.kind = PC_BATCH_REGIONS;
    f.c.options.region_weight = 0.5;
    for (int s = 0; s < 2; s++) {
        fill_sample(&f.maker.sample, 1, true);
        add_region(&f.maker.sample, 0, 0, 0.25, 0.25, "red"); /* the first token */
        add(&f);
        assert_int_equal(f.batch.samples, s + 1);
        assert_int_equal(f.batch.images, s + 1);
        assert_int_equal(f.batch.tokens, 0);
        assert_int_equal(f.batch.soft, (s + 1) * f.c.options.tokens_per_image);
        assert_int_equal(f.batch.target_rows[f.batch.targets - 1], s * f.c.options.tokens_per_image);
    }
    fill_sample(&f.maker.sample, 1, true);
    assert_int_equal(pc_batch_add(&f.batch, &f.maker, 0, 0, &f.shortened), PC_ERR_DATA); /* no regions */
    assert_int_equal(f.batch.samples, 2);
    tear_down(&f);
}

/* --- pairs --- */

static void test_pairs(void **state)
{
    fixture f;
    pc_ids ids = {0};
    (void)state;
    set_up(&f);
    f.c.options.kind = PC_BATCH_PAIRS;
    f.c.options.cutoff = 4;
    int32_t first = 0;
    for (int s = 0; s < 3; s++) {
        fill_sample(&f.maker.sample, 2, true);
        if (s == 1) {
            pc_conversation_clear(&f.maker.sample.conversation);
            must(pc_conversation_say(&f.maker.sample.conversation, PC_ROLE_ASSISTANT, "a"));
        }
        const char *text = text_of(&f.maker.sample, s == 1 ? 0 : 1);
        pc_ids_reset(&ids);
        must(pc_tokenizer_encode(f.c.tokenizer, text, strlen(text), PC_TOKENIZE_ADD_SPECIAL, &ids));
        add(&f);
        int32_t kept = ids.count < 3 ? (int32_t)ids.count : 3;
        assert_int_equal(f.shortened, ids.count > 3);
        assert_int_equal(f.batch.tokens, first + kept + 1);
        assert_int_equal(f.batch.text_ends[s], first + kept);
        assert_int_equal(f.batch.ids[first + kept], f.c.options.end_token);
        for (int32_t i = 0; i <= kept; i++) {
            assert_int_equal(f.batch.positions[first + i], i);
            assert_int_equal(f.batch.ranges[first + i].begin, first);
            assert_int_equal(f.batch.ranges[first + i].end, first + i + 1);
            assert_true(i == kept || f.batch.ids[first + i] == ids.data[i]);
        }
        first += kept + 1;
        assert_int_equal(f.batch.target_ids[s], s);
        assert_true(f.batch.target_weights[s] == 1);
    }
    assert_int_equal(f.batch.targets, 3);
    assert_int_equal(f.batch.images, 3);
    assert_int_equal(f.batch.soft, 0);
    fill_sample(&f.maker.sample, 1, false);
    must_fail(pc_batch_add(&f.batch, &f.maker, 0, 0, &f.shortened), PC_ERR_DATA, "no picture");
    fill_sample(&f.maker.sample, 0, true);
    must_fail(pc_batch_add(&f.batch, &f.maker, 0, 0, &f.shortened), PC_ERR_DATA, "no answer");
    assert_int_equal(f.batch.samples, 3);
    pc_ids_clear(&ids);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_independent_turns),
        cmocka_unit_test(test_history),
        cmocka_unit_test(test_cutoff),
        cmocka_unit_test(test_samples_that_do_not_fit),
        cmocka_unit_test(test_pixels),
        cmocka_unit_test(test_regions),
        cmocka_unit_test(test_regions_behind_a_recipe),
        cmocka_unit_test(test_middle_of_a_region),
        cmocka_unit_test(test_regions_alone),
        cmocka_unit_test(test_outside_the_vocabulary),
        cmocka_unit_test(test_pairs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
