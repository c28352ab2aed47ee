/* What the tests of the loader share: a loader over a few datasets, comparing batches. */
#ifndef PC_TESTS_DATA_LOADER_CASE_H
#define PC_TESTS_DATA_LOADER_CASE_H

#include "data/dataset_case.h"
#include "data/loader.h"

enum { SIDE = 48, GRID = 4, SOFT = GRID * GRID };

typedef struct loader_case {
    pc_tokenizer *tokenizer;
    pc_image_recipe recipe;
    pc_loader_options options;
} loader_case;

static inline void case_open(loader_case *c)
{
    memset(c, 0, sizeof *c);
    c->tokenizer = load_tokenizer();
    pc_image_recipe_default(&c->recipe);
    c->recipe.size[0] = c->recipe.crop_width = c->recipe.crop_height = SIDE;
    c->options = (pc_loader_options){
        .tokenizer = c->tokenizer,
        .recipe = &c->recipe,
        .turns = PC_TURNS_INDEPENDENT,
        .image_token = pc_tokenizer_id(c->tokenizer, "<image>"),
        .tokens_per_image = SOFT,
        .image_width = SIDE,
        .image_height = SIDE,
        .batch_size = 3,
        .accumulation = 2,
        .cutoff = 2000,
        .vocabulary = 100000,
        .end_token = 1,
        .seed = 11,
    };
    must(pc_template_by_name(&c->options.chat, "llava_hf"));
}

static inline void case_close(loader_case *c)
{
    pc_tokenizer_free(c->tokenizer);
}

static inline pc_loader *new_loader(const loader_case *c, const pc_dataset *dataset)
{
    pc_loader *loader = NULL;
    must(pc_loader_new(&loader, &dataset, NULL, 1, &c->options));
    return loader;
}

#define same_array(a, b, array, count) \
    assert_memory_equal((a)->array, (b)->array, (size_t)(count) * sizeof *(a)->array)

static inline void assert_same_batch(const pc_batch *a, const pc_batch *b)
{
    size_t pixels = (size_t)a->images * 3 * SIDE * SIDE;
    assert_int_equal(a->samples, b->samples);
    assert_int_equal(a->images, b->images);
    assert_int_equal(a->tokens, b->tokens);
    assert_int_equal(a->soft, b->soft);
    assert_int_equal(a->targets, b->targets);
    same_array(a, b, pixels, pixels);
    same_array(a, b, ids, a->tokens);
    same_array(a, b, positions, a->tokens);
    same_array(a, b, ranges, a->tokens);
    same_array(a, b, soft_rows, a->soft);
    same_array(a, b, target_rows, a->targets);
    same_array(a, b, target_ids, a->targets);
    same_array(a, b, target_weights, a->targets);
}

#endif
