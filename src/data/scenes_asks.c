/* Facts of a scene that questions ask for: objects, words for the blanks, the answer.
 *
 * What keeps blind guessing low: yes/no questions toss the answer first and look for facts that fit it, in a way that
 * is possible for both answers whenever it is possible for one; counts prefer rare values. What keeps questions fair: an
 * object is named by a description that fits no other; relations need CLEAR distance, so none is borderline.
 */
#include "data/scenes_asks.h"

static const float CLEAR = PC_SCENE_CLEAR;

enum { ANY = PC_SCENE_ANY_WORD, NEED_NOUN = PC_SCENE_NEED_NOUN };

typedef pc_scene_asking asking;

static int below(asking *a, int n)
{
    return pc_scene_below(a, n);
}

static void blank(asking *a, const char *name, const char *text)
{
    pc_scene_blank_set(&a->blanks, name, text);
}

static bool answer_yes_no(asking *a, bool yes)
{
    a->yes = yes;
    blank(a, "answer", yes ? a->language->yes : a->language->no);
    return true;
}

static int bits_of(int mask)
{
    int count = 0;
    for (; mask; mask &= mask - 1) {
        count++;
    }
    return count;
}

static bool is_glyph(const pc_scene_object *object)
{
    return object->noun >= PC_SCENE_SHAPES;
}

/* Is this set of words good language for this object? */
static bool sayable(int mask, const pc_scene_object *object)
{
    if (is_glyph(object)) {
        return !(mask & PC_SAY_TEXTURE) && (!(mask & PC_SAY_NAME) || mask & PC_SAY_NOUN);
    }
    return !(mask & PC_SAY_NAME);
}

/* *out = a description that fits only this object, with words of `allowed`, the noun among them if `noun`; at most one
 * word more than needed. */
static bool refer(asking *a, int object, int allowed, bool noun, pc_scene_description *out)
{
    int masks[32], count = 0, least = 0;
    pc_scene_description trial = {.object = a->scene->objects[object]};
    for (int words = 1; words <= 4; words++) {
        for (int mask = 1; mask < 32; mask++) {
            trial.mask = mask;
            bool wanted = (mask & ~allowed) == 0 && (!noun || mask & PC_SAY_NOUN);
            if (wanted && bits_of(mask) == words && sayable(mask, &trial.object) &&
                pc_scene_fitting(a->scene, &trial) == 1) {
                least = least ? least : words;
                bool natural = words == least || (words == least + 1 && words <= 2 && mask & PC_SAY_NOUN);
                if (natural) {
                    masks[count++] = mask;
                }
            }
        }
    }
    if (count == 0) {
        return false;
    }
    trial.mask = masks[below(a, count)];
    *out = trial;
    return true;
}

bool pc_scene_name_object(asking *a, int object, int allowed, const char *blank_name)
{
    pc_scene_description description;
    char text[PC_BLANK_TEXT];
    if (!refer(a, object, allowed & ANY, allowed & NEED_NOUN, &description)) {
        return false;
    }
    pc_scene_phrase_the(text, a->language, &description);
    blank(a, blank_name, text);
    return true;
}

/* Try objects in a random cyclic order until `accept` takes one and it can be named. */
static int pick_object(asking *a, bool (*accept)(const pc_scene_object *), int allowed)
{
    int count = a->scene->count, first = below(a, count);
    for (int i = 0; i < count; i++) {
        int object = (first + i) % count;
        if ((!accept || accept(&a->scene->objects[object])) && pc_scene_name_object(a, object, allowed, "the")) {
            return object;
        }
    }
    return -1;
}

static bool is_shape(const pc_scene_object *object)
{
    return !is_glyph(object);
}

/* Existence: a description of an object that is there, or one changed until it fits none. The change takes the value
 * of another object where it can, so that "no" needs both attributes of one object. */
static bool ask_exist(asking *a)
{
    static const int masks[] = {PC_SAY_NOUN | PC_SAY_COLOUR, PC_SAY_NOUN | PC_SAY_COLOUR, PC_SAY_NOUN, PC_SAY_COLOUR,
                                PC_SAY_NOUN | PC_SAY_SIZE, PC_SAY_NOUN | PC_SAY_TEXTURE};
    bool yes = below(a, 2);
    const pc_scene_object *object = &a->scene->objects[below(a, a->scene->count)];
    pc_scene_description description = {.mask = masks[below(a, 6)], .object = *object};
    if (is_glyph(object)) {
        description.mask = PC_SAY_NOUN | PC_SAY_NAME;
    }
    for (int i = 0; !yes && pc_scene_fitting(a->scene, &description) > 0; i++) {
        const pc_scene_object *other = &a->scene->objects[below(a, a->scene->count)];
        bool borrow = i < 8;
        pc_scene_object *o = &description.object;
        if (i == 40) {
            return false;
        }
        if (is_glyph(o)) {
            int digits = PC_SCENE_GLYPH_DIGITS, letters = PC_SCENE_GLYPHS - digits;
            o->glyph = pc_scene_glyphs[o->noun == PC_SCENE_DIGIT ? below(a, digits) : digits + below(a, letters)].name;
        } else if (description.mask & PC_SAY_COLOUR && (below(a, 2) || !(description.mask & PC_SAY_NOUN))) {
            o->colour = borrow && description.mask & PC_SAY_NOUN ? other->colour : below(a, PC_SCENE_COLOURS);
        } else if (borrow && bits_of(description.mask) > 1 && is_shape(other)) {
            o->noun = other->noun;
        } else {
            o->noun = below(a, PC_SCENE_SHAPES);
        }
    }
    char text[PC_BLANK_TEXT];
    pc_scene_phrase_one(text, a->language, &description);
    blank(a, "one", text);
    pc_scene_phrase(text, a->language, &description, false);
    blank(a, "bare", text);
    return answer_yes_no(a, yes);
}

static bool ask_colour(asking *a)
{
    int object = pick_object(a, NULL, ANY & ~PC_SAY_COLOUR);
    if (object < 0) {
        return false;
    }
    blank(a, "answer", a->language->colours[a->scene->objects[object].colour]);
    return true;
}

static bool ask_shape(asking *a)
{
    int object = pick_object(a, is_shape, PC_SAY_SIZE | PC_SAY_TEXTURE | PC_SAY_COLOUR);
    if (object < 0) {
        return false;
    }
    blank(a, "answer", a->language->nouns[a->scene->objects[object].noun]);
    return true;
}

/* An object that has a ninth of the picture for itself; {at} names that place. */
static int pick_lonely(asking *a, bool (*accept)(const pc_scene_object *))
{
    const pc_scene *scene = a->scene;
    int first = below(a, scene->count);
    for (int i = 0; i < scene->count; i++) {
        const pc_scene_object *object = &scene->objects[(first + i) % scene->count];
        int row = pc_scene_row(object), column = pc_scene_column(object), inside = 0;
        for (int j = 0; j < scene->count; j++) {
            inside += pc_scene_row(&scene->objects[j]) == row && pc_scene_column(&scene->objects[j]) == column;
        }
        if (inside == 1 && (!accept || accept(object))) {
            char text[PC_BLANK_TEXT];
            pc_scene_place(text, a->language, row, column);
            blank(a, "at", text);
            return (first + i) % scene->count;
        }
    }
    return -1;
}

static bool ask_colour_at(asking *a)
{
    int object = pick_lonely(a, NULL);
    if (object < 0) {
        return false;
    }
    blank(a, "answer", a->language->colours[a->scene->objects[object].colour]);
    return true;
}

static bool ask_shape_at(asking *a)
{
    int object = pick_lonely(a, is_shape);
    if (object < 0) {
        return false;
    }
    blank(a, "answer", a->language->nouns[a->scene->objects[object].noun]);
    return true;
}

static bool answer_count(asking *a, const pc_scene_description *description, int count)
{
    char text[PC_BLANK_TEXT];
    pc_scene_phrase(text, a->language, description, true);
    blank(a, "many", text);
    pc_scene_phrase(text, a->language, description, count != 1);
    blank(a, "counted", text);
    blank(a, "be", count == 1 ? a->language->be_one : a->language->be_many);
    blank(a, "answer", a->language->numbers[count]);
    return true;
}

static bool ask_count_all(asking *a)
{
    pc_scene_description all = {0};
    return answer_count(a, &all, a->scene->count);
}

/* Every noun, colour, texture and size that could be counted, with how often it is there; a count is chosen first. */
static bool ask_count(asking *a)
{
    static const int weights[PC_SCENE_OBJECTS + 1] = {5, 4, 7, 9, 12, 12, 12, 12, 12};
    pc_scene_description candidates[PC_SCENE_NOUNS + PC_SCENE_COLOURS + PC_SCENE_TEXTURES + PC_SCENE_SIZES];
    int counts[sizeof candidates / sizeof candidates[0]], total = 0, present[PC_SCENE_OBJECTS + 1] = {0};
    for (int i = 0; i < PC_SCENE_NOUNS; i++) {
        candidates[total++] = (pc_scene_description){.mask = PC_SAY_NOUN, .object = {.noun = i}};
    }
    for (int i = 0; i < PC_SCENE_COLOURS; i++) {
        candidates[total++] = (pc_scene_description){.mask = PC_SAY_COLOUR, .object = {.colour = i}};
    }
    for (int i = 1; i < PC_SCENE_TEXTURES; i++) {
        candidates[total++] = (pc_scene_description){.mask = PC_SAY_TEXTURE, .object = {.texture = i}};
    }
    for (int i = 0; i < PC_SCENE_SIZES; i++) {
        candidates[total++] = (pc_scene_description){.mask = PC_SAY_SIZE, .object = {.size = i}};
    }
    for (int i = 0; i < total; i++) {
        counts[i] = pc_scene_fitting(a->scene, &candidates[i]);
        present[counts[i]]++;
    }
    int sum = 0;
    for (int i = 0; i <= PC_SCENE_OBJECTS; i++) {
        sum += present[i] ? weights[i] : 0;
    }
    int rest = below(a, sum), count = 0;
    for (;; count++) {
        int weight = present[count] ? weights[count] : 0;
        if (rest < weight) {
            break;
        }
        rest -= weight;
    }
    int nth = below(a, present[count]), i = 0;
    for (;; i++) {
        if (counts[i] == count && nth-- == 0) {
            return answer_count(a, &candidates[i], count);
        }
    }
}

static bool ask_size(asking *a)
{
    int wanted = below(a, PC_SCENE_SIZES), count = a->scene->count, first = below(a, count);
    for (int i = 0; i < 2 * count; i++) { /* first an object of the wanted size, then any */
        int object = (first + i) % count;
        const pc_scene_object *o = &a->scene->objects[object];
        if ((i >= count || o->size == wanted) && is_shape(o) && pc_scene_name_object(a, object, ANY & ~PC_SAY_SIZE, "the")) {
            blank(a, "answer", a->language->sizes[o->size]);
            return true;
        }
    }
    return false;
}

static bool ask_texture(asking *a)
{
    int object = pick_object(a, is_shape, ANY & ~PC_SAY_TEXTURE);
    if (object < 0) {
        return false;
    }
    blank(a, "answer", a->language->textures[a->scene->objects[object].texture]);
    return true;
}

enum { LEFT, RIGHT, ABOVE, BELOW };

/* Two different objects; tries until `accept` takes the pair and both can be named. */
static bool pick_pair(asking *a, bool (*accept)(const pc_scene_object *, const pc_scene_object *), int allowed,
                      const pc_scene_object *pair[2])
{
    int count = a->scene->count;
    for (int i = 0; count > 1 && i < 24; i++) {
        int first = below(a, count), second = (first + 1 + below(a, count - 1)) % count;
        pair[0] = &a->scene->objects[first];
        pair[1] = &a->scene->objects[second];
        if (accept(pair[0], pair[1]) && pc_scene_name_object(a, first, allowed, "the") && pc_scene_name_object(a, second, allowed, "the2")) {
            return true;
        }
    }
    return false;
}

static float distance(float a, float b)
{
    return a < b ? b - a : a - b;
}

static bool apart_x(const pc_scene_object *a, const pc_scene_object *b)
{
    return distance(a->x, b->x) >= CLEAR;
}

static bool apart_y(const pc_scene_object *a, const pc_scene_object *b)
{
    return distance(a->y, b->y) >= CLEAR;
}

/* The order of a pair is random, so that either answer is as likely for every word. */
static bool ask_relation(asking *a)
{
    const pc_scene_object *pair[2];
    int word = below(a, 4);
    if (!pick_pair(a, word < ABOVE ? apart_x : apart_y, ANY, pair)) {
        return false;
    }
    float difference = word < ABOVE ? pair[1]->x - pair[0]->x : pair[1]->y - pair[0]->y;
    blank(a, "relation", a->language->relations[word][below(a, 3) == 0]);
    return answer_yes_no(a, word == LEFT || word == ABOVE ? difference > 0 : difference < 0);
}

static bool answer_side(asking *a, int side)
{
    blank(a, "relation", a->language->relations[side][0]);
    blank(a, "answer", a->language->sides[side]);
    return true;
}

static bool ask_side_x(asking *a)
{
    const pc_scene_object *pair[2];
    return pick_pair(a, apart_x, ANY, pair) && answer_side(a, pair[0]->x < pair[1]->x ? LEFT : RIGHT);
}

static bool ask_side_y(asking *a)
{
    const pc_scene_object *pair[2];
    return pick_pair(a, apart_y, ANY, pair) && answer_side(a, pair[0]->y < pair[1]->y ? ABOVE : BELOW);
}

static bool ask_more(asking *a)
{
    bool nouns = below(a, 2);
    for (int i = 0; a->scene->count > 1 && i < 24; i++) {
        pc_scene_description two[2];
        int counts[2];
        for (int j = 0; j < 2; j++) {
            const pc_scene_object *object = &a->scene->objects[below(a, a->scene->count)];
            two[j] = (pc_scene_description){.mask = nouns ? PC_SAY_NOUN : PC_SAY_COLOUR, .object = *object};
            counts[j] = pc_scene_fitting(a->scene, &two[j]);
        }
        if (counts[0] != counts[1]) {
            char text[PC_BLANK_TEXT];
            pc_scene_phrase(text, a->language, &two[0], true);
            blank(a, "many", text);
            pc_scene_phrase(text, a->language, &two[1], true);
            blank(a, "many2", text);
            return answer_yes_no(a, counts[0] > counts[1]);
        }
    }
    return false;
}

static bool same_colour(const pc_scene_object *a, const pc_scene_object *b)
{
    return a->colour == b->colour;
}

static bool other_colour(const pc_scene_object *a, const pc_scene_object *b)
{
    return a->colour != b->colour;
}

/* Asked only where both answers can be had, so that they are equally frequent. */
static bool ask_same_colour(asking *a)
{
    const pc_scene_object *pair[2];
    bool yes = below(a, 2);
    int allowed = ANY & ~PC_SAY_COLOUR;
    return pick_pair(a, yes ? other_colour : same_colour, allowed, pair) &&
           pick_pair(a, yes ? same_colour : other_colour, allowed, pair) && answer_yes_no(a, yes);
}

/* A step towards "same colour?" that is learnt gradually: naming the first object's colour is right half of the time. */
static bool ask_shared_colour(asking *a)
{
    const pc_scene_object *pair[2];
    bool yes = below(a, 2);
    if (!pick_pair(a, yes ? same_colour : other_colour, ANY & ~PC_SAY_COLOUR, pair)) {
        return false;
    }
    blank(a, "answer", yes ? a->language->colours[pair[0]->colour] : a->language->none);
    a->yes = yes;
    return true;
}

static bool sizes_differ(const pc_scene_object *a, const pc_scene_object *b)
{
    return a->size != b->size && is_shape(a) && is_shape(b);
}

static bool ask_larger(asking *a)
{
    const pc_scene_object *pair[2];
    return pick_pair(a, sizes_differ, ANY & ~PC_SAY_SIZE, pair) && answer_yes_no(a, pair[0]->size > pair[1]->size);
}

static bool answer_glyph(asking *a, const pc_scene_object *object)
{
    char name[2] = {object->glyph, '\0'};
    blank(a, "answer", name);
    return true;
}

static bool ask_read(asking *a)
{
    int object = pick_object(a, is_glyph, PC_SAY_SIZE | PC_SAY_COLOUR | PC_SAY_NOUN | NEED_NOUN);
    return object >= 0 && answer_glyph(a, &a->scene->objects[object]);
}

static bool ask_read_only(asking *a)
{
    const pc_scene_object *glyph = NULL;
    for (int i = 0; i < a->scene->count; i++) {
        if (is_glyph(&a->scene->objects[i])) {
            if (glyph) {
                return false;
            }
            glyph = &a->scene->objects[i];
        }
    }
    return glyph && answer_glyph(a, glyph);
}

static bool ask_where(asking *a)
{
    int object = pick_object(a, NULL, ANY);
    if (object < 0) {
        return false;
    }
    const pc_scene_object *o = &a->scene->objects[object];
    char text[PC_BLANK_TEXT];
    pc_scene_place(text, a->language, pc_scene_row(o), pc_scene_column(o));
    blank(a, "answer", text);
    return true;
}

static bool ask_row(asking *a)
{
    int object = pick_object(a, NULL, ANY);
    if (object >= 0) {
        blank(a, "answer", a->language->rows[pc_scene_row(&a->scene->objects[object])]);
    }
    return object >= 0;
}

static bool ask_column(asking *a)
{
    int object = pick_object(a, NULL, ANY);
    if (object >= 0) {
        blank(a, "answer", a->language->columns[pc_scene_column(&a->scene->objects[object])]);
    }
    return object >= 0;
}

const pc_scene_ask_function pc_scene_ask_functions[PC_ASKS] = {
    [PC_ASK_EXIST] = ask_exist,       [PC_ASK_COLOUR] = ask_colour,
    [PC_ASK_COLOUR_AT] = ask_colour_at, [PC_ASK_SHAPE] = ask_shape,
    [PC_ASK_SHAPE_AT] = ask_shape_at, [PC_ASK_COUNT_ALL] = ask_count_all,
    [PC_ASK_COUNT] = ask_count,       [PC_ASK_SIZE] = ask_size,
    [PC_ASK_TEXTURE] = ask_texture,   [PC_ASK_RELATION] = ask_relation,
    [PC_ASK_SIDE_X] = ask_side_x,     [PC_ASK_SIDE_Y] = ask_side_y,
    [PC_ASK_MORE] = ask_more,         [PC_ASK_SAME_COLOUR] = ask_same_colour,
    [PC_ASK_LARGER] = ask_larger,     [PC_ASK_READ] = ask_read,
    [PC_ASK_READ_ONLY] = ask_read_only, [PC_ASK_WHERE] = ask_where,
    [PC_ASK_ROW] = ask_row,           [PC_ASK_COLUMN] = ask_column,
    [PC_ASK_SHARED_COLOUR] = ask_shared_colour,
};
