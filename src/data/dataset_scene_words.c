/* Dataset kind `scene_words`: made-up words for what is in a picture, to learn from the examples before the question what they mean.
 *
 * A naming gives two made-up words to two values of an attribute: dax = striped, wug = dotted. Each picture shows one object that has one
 * of the values; "Is it dax or wug?" is answered with its word. Contents:
 *   episodes  sample i is a naming of its own and `turns` pictures (9), a turn each: with every turn the words are less of a guess
 *   single    all samples have the naming of the seed, one picture each: a task for percept eval, its examples are samples far away
 *   tossed    the same pictures and questions, but either word by chance: examples that tell nothing
 * kinds: the attributes, of colour, shape, size and texture; split: train or test, whose words are others.
 *
 * Source of the idea: episodes of random namings, Chan et al. 2022 (arXiv:2205.05055), after Lake et al.'s Omniglot.
 */
#include "base/memory.h"
#include "data/dataset.h"
#include "data/scenes_internal.h"

#include <stdio.h>
#include <string.h>

enum { COLOUR, SHAPE, SIZE, TEXTURE, ATTRIBUTES };
enum { EPISODES, SINGLE, TOSSED, CONTENTS };
enum { USUAL_TURNS = 9, MOST_TURNS = 33, DRAWS = 512, TRAIN_WORDS = 24, TEST_WORDS = 8 };

static const struct {
    const char *name;
    int values;
} attributes[ATTRIBUTES] = {{"colour", PC_SCENE_COLOURS}, {"shape", PC_SCENE_SHAPES}, {"size", PC_SCENE_SIZES}, {"texture", PC_SCENE_TEXTURES}};
static const char *const content_names[CONTENTS] = {"episodes", "single", "tossed"};

static const char *const train_words[TRAIN_WORDS] = {"blick", "dax",  "fep",  "gorp", "hux",  "jinty", "kep",  "lorp", "mib",   "nuff", "pilk", "quib",
                                                     "rin",   "sark", "tuma", "vash", "wug",  "yab",   "zup",  "bosk", "crell", "drim", "floon", "glab"};
static const char *const test_words[TEST_WORDS] = {"toma", "zav", "koob", "mulf", "pabe", "sneed", "vint", "gazzer"};

typedef struct scene_words {
    uint64_t seed, first;
    int content, turns, side;
    unsigned kinds; /* 1 << attribute */
    bool test;
} scene_words;

typedef struct naming {
    int attribute, values[2];
    const char *words[2];
} naming;

static bool matches(const char *path)
{
    return strcmp(path, "scene_words") == 0;
}

/* --- options --- */

static pc_status find_content(int *out, const char *name)
{
    for (int i = 0; i < CONTENTS; i++) {
        if (!name || strcmp(name, content_names[i]) == 0) {
            *out = i;
            return PC_OK;
        }
    }
    return pc_fail(PC_ERR_USAGE, "scene_words: content is episodes, single or tossed, found '%s'", name);
}

static pc_status add_attribute(unsigned *bits, const char *name, size_t length)
{
    for (int i = 0; i < ATTRIBUTES; i++) {
        if (strlen(attributes[i].name) == length && memcmp(attributes[i].name, name, length) == 0) {
            *bits |= 1u << i;
            return PC_OK;
        }
    }
    return pc_fail(PC_ERR_USAGE, "scene_words: kinds are colour, shape, size and texture, found '%.*s'", (int)length, name);
}

static pc_status set_up(scene_words *self, const pc_dataset_options *options)
{
    const char *split = options->split ? options->split : "train";
    pc_scene_options one = {.side = options->side, .min_objects = 1, .max_objects = 1};
    pc_scene scene;
    *self = (scene_words){.seed = options->seed, .first = options->first, .side = options->side, .test = strcmp(split, "test") == 0,
                          .turns = options->turns ? options->turns : USUAL_TURNS,
                          .kinds = options->kinds ? 0 : (1u << ATTRIBUTES) - 1};
    PC_TRY(find_content(&self->content, options->content));
    for (const char *at = options->kinds; at; at = strchr(at, '+') ? strchr(at, '+') + 1 : NULL) {
        PC_TRY(add_attribute(&self->kinds, at, strcspn(at, "+")));
    }
    if (!self->test && strcmp(split, "train") != 0) {
        return pc_fail(PC_ERR_USAGE, "scene_words: split is train or test, found '%s'", split);
    }
    if (self->turns > MOST_TURNS) {
        return pc_fail(PC_ERR_USAGE, "scene_words: at most %d turns, found %d", MOST_TURNS, self->turns);
    }
    return pc_scene_draw(&scene, 0, 0, &one); /* refuses a side out of range */
}

static pc_status open_words(void **state, int64_t *count, const char *path, const pc_dataset_options *options)
{
    scene_words *self = NULL;
    (void)path;
    if (options->limit <= 0) {
        return pc_fail(PC_ERR_USAGE, "scene_words: say how many, for example scene_words?seed=1&n=10000");
    }
    PC_TRY(PC_NEW(self, "a dataset of words"));
    pc_status status = set_up(self, options);
    if (status != PC_OK) {
        pc_free(self);
        return status;
    }
    *state = self;
    *count = options->limit;
    return PC_OK;
}

/* --- samples --- */

/* Two different numbers below n. */
static void draw_two(pc_rng *rng, int n, int out[2])
{
    out[0] = (int)pc_rng_below(rng, (uint64_t)n);
    out[1] = (out[0] + 1 + (int)pc_rng_below(rng, (uint64_t)n - 1)) % n;
}

static void draw_naming(const scene_words *self, pc_rng *rng, naming *out)
{
    int words[2], values[2];
    do {
        out->attribute = (int)pc_rng_below(rng, ATTRIBUTES);
    } while (!(self->kinds >> out->attribute & 1));
    draw_two(rng, attributes[out->attribute].values, values);
    draw_two(rng, self->test ? TEST_WORDS : TRAIN_WORDS, words);
    for (int i = 0; i < 2; i++) {
        out->values[i] = values[i];
        out->words[i] = (self->test ? test_words : train_words)[words[i]];
    }
}

static int value_of(const pc_scene_object *object, int attribute)
{
    switch (attribute) {
    case COLOUR: return object->colour;
    case SHAPE: return object->noun;
    case SIZE: return object->size;
    default: return object->texture;
    }
}

/* A picture of one shape with that value: the first of many draws that has it. */
static pc_status draw_picture(const scene_words *self, uint64_t number, int attribute, int value, pc_image **out)
{
    const pc_scene_options one = {.side = self->side, .min_objects = 1, .max_objects = 1};
    pc_scene scene;
    for (uint64_t i = 0; i < DRAWS; i++) {
        PC_TRY(pc_scene_draw(&scene, self->seed, number * DRAWS + i, &one));
        const pc_scene_object *object = scene.objects;
        if (scene.count == 1 && object->noun < PC_SCENE_SHAPES && value_of(object, attribute) == value) {
            return pc_scene_image(out, &scene);
        }
    }
    return pc_fail(PC_ERR_DATA, "scene_words: none of %d drawn scenes has the value wanted", DRAWS);
}

static pc_status add_turn(const scene_words *self, const naming *n, uint64_t number, pc_rng *rng, pc_sample *out)
{
    int which = (int)pc_rng_below(rng, 2), word = self->content == TOSSED ? (int)pc_rng_below(rng, 2) : which;
    char question[96];
    pc_image *picture;
    PC_TRY(draw_picture(self, number, n->attribute, n->values[which], &picture));
    PC_TRY(pc_sample_add_image(out, picture));
    snprintf(question, sizeof question, "Is it %s or %s?", n->words[0], n->words[1]);
    PC_TRY(pc_conversation_begin(&out->conversation, PC_ROLE_USER));
    PC_TRY(pc_conversation_add_media(&out->conversation, PC_MEDIA_IMAGE, (int)out->image_count - 1));
    PC_TRY(pc_conversation_add_text(&out->conversation, question, strlen(question)));
    return pc_conversation_say(&out->conversation, PC_ROLE_ASSISTANT, n->words[word]);
}

static pc_status read_words(void *state, int64_t index, pc_sample *out)
{
    const scene_words *self = state;
    uint64_t number = self->first + (uint64_t)index;
    bool episode = self->content == EPISODES;
    pc_rng rng;
    naming n;
    pc_scene_rng(&rng, self->seed, episode ? number : 0, PC_SCENE_STREAM_WORDS);
    draw_naming(self, &rng, &n);
    if (!episode) { /* what is shown goes by the sample */
        pc_scene_rng(&rng, self->seed, number + 1, PC_SCENE_STREAM_WORDS);
    }
    for (int i = 0; i < (episode ? self->turns : 1); i++) {
        PC_TRY(add_turn(self, &n, number * MOST_TURNS + (uint64_t)i, &rng, out));
    }
    return PC_OK;
}

const pc_dataset_type pc_dataset_scene_words = {
    .name = "scene_words",
    .help = "made-up words for what generated pictures show, to learn from examples",
    .matches = matches,
    .open = open_words,
    .read = read_words,
    .close = pc_free,
};
