/* Draws the layout of a scene: how many objects, which, and where.
 *
 *   background -> number of objects -> attributes (half the scenes repeat one, so that counts differ from 1)
 *              -> places, by trying: objects may touch little enough that each stays visible to 60 % and more
 *
 * Easy to get wrong: a centre near the border between two thirds of the picture would make "where" ambiguous, so
 * centres keep EDGE away from those borders; an object's box may lose only OVERLAP of its area to others, because the
 * slimmest shape (the star) fills a third of its box.
 */
#include "base/memory.h"
#include "data/scenes_internal.h"

#include <string.h>

static const float EDGE = 2.5f;     /* least distance of a centre from a border between thirds */
static const float OVERLAP = 0.11f; /* most of an object's box that other boxes may share */
static const float MARGIN = 1.5f;   /* between an object and the edge of the picture */
enum { TRIES = 60 };

/* Relative frequency of 1..8 objects. */
static const int count_weights[PC_SCENE_OBJECTS] = {8, 13, 15, 16, 15, 13, 11, 9};
static const float size_radius[PC_SCENE_SIZES] = {7.25f, 11.5f, 17.0f};
static const float size_jitter = 0.5f;

static const uint8_t light_colours[][3] = {{250, 248, 244}, {238, 242, 248}, {240, 248, 238}, {250, 242, 226},
                                           {244, 238, 248}, {232, 234, 236}, {252, 238, 236}};
static const uint8_t dark_colours[][3] = {{24, 26, 32}, {16, 24, 44}, {18, 36, 32}, {40, 26, 30}, {34, 28, 48}, {44, 46, 50}};
enum {
    LIGHT_COLOURS = sizeof light_colours / sizeof light_colours[0],
    DARK_COLOURS = sizeof dark_colours / sizeof dark_colours[0]
};

void pc_scene_rng(pc_rng *rng, uint64_t seed, uint64_t index, int stream)
{
    /* The golden ratio keeps streams of neighbouring seeds apart. */
    pc_rng_init(rng, seed * 8 + (uint64_t)stream + 0x9e3779b97f4a7c15u, index);
}

static int below(pc_rng *rng, int n)
{
    return (int)pc_rng_below(rng, (uint64_t)n);
}

static int weighted(pc_rng *rng, const int *weights, int count)
{
    int total = 0;
    for (int i = 0; i < count; i++) {
        total += weights[i];
    }
    int rest = below(rng, total);
    int i = 0;
    while (rest >= weights[i]) {
        rest -= weights[i++];
    }
    return i;
}

static void draw_background(pc_scene_background *out, pc_rng *rng)
{
    out->style = below(rng, 4);
    out->dark = below(rng, 3) == 0;
    const uint8_t(*colours)[3] = out->dark ? dark_colours : light_colours;
    int choices = out->dark ? DARK_COLOURS : LIGHT_COLOURS;
    memcpy(out->from, colours[below(rng, choices)], 3);
    memcpy(out->to, colours[below(rng, choices)], 3);
    static const float directions[4][2] = {{1, 0}, {0, 1}, {0.5f, 0.5f}, {0.5f, -0.5f}};
    const float *direction = directions[below(rng, 4)];
    out->across = direction[0];
    out->down = direction[1];
    out->noise = pc_rng_u32(rng);
    if (out->style == 0 || out->style == 2) {
        memcpy(out->to, out->from, 3);
    }
}

static void draw_shape(pc_scene_object *out, pc_rng *rng, int count)
{
    /* Crowded scenes have smaller objects, or they would not fit. */
    static const int roomy[PC_SCENE_SIZES] = {1, 1, 1}, crowded[PC_SCENE_SIZES] = {4, 4, 3};
    *out = (pc_scene_object){.noun = below(rng, PC_SCENE_SHAPES),
                             .colour = below(rng, PC_SCENE_COLOURS),
                             .size = weighted(rng, count > 4 ? crowded : roomy, PC_SCENE_SIZES),
                             .texture = below(rng, PC_SCENE_TEXTURES)};
}

static void make_glyph(pc_scene_object *object, pc_rng *rng)
{
    bool digit = below(rng, 2) == 0;
    object->noun = digit ? PC_SCENE_DIGIT : PC_SCENE_LETTER;
    object->glyph = digit ? pc_scene_glyphs[below(rng, PC_SCENE_GLYPH_DIGITS)].name
                          : pc_scene_glyphs[PC_SCENE_GLYPH_DIGITS + below(rng, PC_SCENE_GLYPHS - PC_SCENE_GLYPH_DIGITS)].name;
    object->face = below(rng, PC_SCENE_FACES);
    object->texture = 0;
    object->size = 1 + below(rng, 2);
}

/* Attributes of all objects, before they are placed. */
static void draw_objects(pc_scene_object *objects, int count, pc_rng *rng)
{
    for (int i = 0; i < count; i++) {
        draw_shape(&objects[i], rng, count);
    }
    if (count > 1 && below(rng, 10) < 6) {
        bool same_noun = below(rng, 2) == 0;
        int repeat = 2 + below(rng, count - 1);
        for (int i = 1; i < repeat; i++) {
            *(same_noun ? &objects[i].noun : &objects[i].colour) = same_noun ? objects[0].noun : objects[0].colour;
        }
    }
    if (below(rng, 2) == 0) {
        int glyphs = count > 2 ? 1 + below(rng, 2) : 1;
        for (int i = 0; i < glyphs; i++) {
            make_glyph(&objects[count - 1 - i], rng);
        }
    }
}

static float gap_to_border(float value)
{
    float third = PC_SCENE_UNIT / 3.0f;
    float first = value < third ? third - value : value - third;
    float second = value < 2 * third ? 2 * third - value : value - 2 * third;
    return first < second ? first : second;
}

/* Area that two boxes share. */
static float shared_area(const pc_scene_object *a, const pc_scene_object *b)
{
    float first[4], second[4];
    pc_scene_box(a, first);
    pc_scene_box(b, second);
    float left = first[0] > second[0] ? first[0] : second[0], right = first[2] < second[2] ? first[2] : second[2];
    float top = first[1] > second[1] ? first[1] : second[1], bottom = first[3] < second[3] ? first[3] : second[3];
    return right > left && bottom > top ? (right - left) * (bottom - top) : 0;
}

static float box_area(const pc_scene_object *object)
{
    float box[4];
    pc_scene_box(object, box);
    return (box[2] - box[0]) * (box[3] - box[1]);
}

static bool is_glyph(const pc_scene_object *object)
{
    return object->noun >= PC_SCENE_SHAPES;
}

/* shared[i] = area of object i that others share already; updated when the new object fits. */
static bool fits_among(const pc_scene_object *objects, int placed, float *shared)
{
    const pc_scene_object *object = &objects[placed];
    float areas[PC_SCENE_OBJECTS], own = 0;
    for (int i = 0; i < placed; i++) {
        areas[i] = shared_area(object, &objects[i]);
        own += areas[i];
        bool glyph = is_glyph(object) || is_glyph(&objects[i]);
        if (areas[i] > 0 && (glyph || shared[i] + areas[i] > OVERLAP * box_area(&objects[i]))) {
            return false;
        }
    }
    if (own > OVERLAP * box_area(object)) {
        return false;
    }
    for (int i = 0; i < placed; i++) {
        shared[i] += areas[i];
    }
    shared[placed] = own;
    return true;
}

/* Quarters of a unit are exact in binary, and fine enough. */
static float draw_place(pc_rng *rng, float radius)
{
    int low = (int)((radius + MARGIN) * 4) + 1;
    int high = PC_SCENE_UNIT * 4 - low;
    return (float)(low + below(rng, high - low + 1)) / 4;
}

static bool place(pc_scene_object *objects, int placed, float *shared, pc_rng *rng)
{
    pc_scene_object *object = &objects[placed];
    object->radius = size_radius[object->size] + size_jitter * (float)(2 * pc_rng_uniform(rng) - 1);
    for (int i = 0; i < TRIES; i++) {
        object->x = draw_place(rng, object->radius);
        object->y = draw_place(rng, object->radius);
        if (gap_to_border(object->x) >= EDGE && gap_to_border(object->y) >= EDGE && fits_among(objects, placed, shared)) {
            return true;
        }
    }
    return false;
}

static pc_status check_options(const pc_scene_options *options)
{
    if (options->side && (options->side < PC_SCENE_MIN_SIDE || options->side > PC_SCENE_MAX_SIDE)) {
        return pc_fail(PC_ERR_USAGE, "scenes: the side must be %d to %d pixels, not %d", PC_SCENE_MIN_SIDE,
                       PC_SCENE_MAX_SIDE, options->side);
    }
    bool usual = options->min_objects == 0 && options->max_objects == 0;
    if (!usual && (options->min_objects < 1 || options->max_objects > PC_SCENE_OBJECTS ||
                   options->min_objects > options->max_objects)) {
        return pc_fail(PC_ERR_USAGE, "scenes: the number of objects must be within 1 to %d, not %d to %d",
                       PC_SCENE_OBJECTS, options->min_objects, options->max_objects);
    }
    return PC_OK;
}

pc_status pc_scene_draw(pc_scene *out, uint64_t seed, uint64_t index, const pc_scene_options *options)
{
    static const pc_scene_options usual = {0};
    options = options ? options : &usual;
    PC_TRY(check_options(options));
    pc_rng rng;
    pc_scene_rng(&rng, seed, index, PC_SCENE_STREAM_LAYOUT);
    *out = (pc_scene){.seed = seed, .index = index, .side = options->side ? options->side : PC_SCENE_UNIT};
    draw_background(&out->background, &rng);
    int low = options->min_objects ? options->min_objects : 1;
    int high = options->max_objects ? options->max_objects : PC_SCENE_OBJECTS;
    int count = low + weighted(&rng, count_weights + low - 1, high - low + 1);
    pc_scene_object objects[PC_SCENE_OBJECTS];
    draw_objects(objects, count, &rng);
    float shared[PC_SCENE_OBJECTS];
    for (int i = 0; i < count; i++) {
        out->objects[out->count] = objects[i];
        bool placed = place(out->objects, out->count, shared, &rng);
        while (!placed && out->objects[out->count].size > (is_glyph(&objects[i]) ? 1 : 0)) {
            out->objects[out->count].size--;
            placed = place(out->objects, out->count, shared, &rng);
        }
        out->count += placed;
    }
    return PC_OK;
}

int pc_scene_column(const pc_scene_object *object)
{
    return (int)(object->x * 3 / PC_SCENE_UNIT);
}

int pc_scene_row(const pc_scene_object *object)
{
    return (int)(object->y * 3 / PC_SCENE_UNIT);
}

bool pc_scene_fits(const pc_scene_description *description, const pc_scene_object *object)
{
    int mask = description->mask;
    const pc_scene_object *want = &description->object;
    return (!(mask & PC_SAY_SIZE) || want->size == object->size) &&
           (!(mask & PC_SAY_TEXTURE) || want->texture == object->texture) &&
           (!(mask & PC_SAY_COLOUR) || want->colour == object->colour) &&
           (!(mask & PC_SAY_NOUN) || want->noun == object->noun) &&
           (!(mask & PC_SAY_NAME) || want->glyph == object->glyph);
}

int pc_scene_fitting(const pc_scene *scene, const pc_scene_description *description)
{
    int count = 0;
    for (int i = 0; i < scene->count; i++) {
        count += pc_scene_fits(description, &scene->objects[i]);
    }
    return count;
}
