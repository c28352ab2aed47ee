/* Asks questions of several steps about a scene and says the steps.
 *
 *   for each kind: facts that fit (drawn until the answer that was drawn first comes out) -> blanks and a list of objects
 *     -> a phrasing of the language's table; rationale = before, listed objects, after, conclusion
 *
 * What keeps blind guessing low: counts draw their answer first, with weights; colours and shapes are nearly even in scenes; yes or
 * no is asked only where both can be had. What keeps questions fair: objects are named by words that fit no other, and centres
 * that are compared are PC_SCENE_CLEAR apart.
 */
#include "data/scenes_problems.h"

#include "base/file.h"
#include "base/str.h"
#include "data/scenes_asks.h"

#include <stdio.h>
#include <string.h>

enum { TRIES = 96, PICKY = 64 }; /* of TRIES draws the first PICKY want the answer that was drawn */
enum { LEFT, RIGHT, ABOVE, BELOW, SIDES };
enum { COLOUR, SHAPE };

const pc_scene_options pc_scene_problems_usual = {.min_objects = 3, .max_objects = PC_SCENE_OBJECTS};

/* One problem in the making. */
typedef struct solving {
    pc_scene_asking ask;
    int order[PC_SCENE_OBJECTS];  /* of reading */
    int listed[PC_SCENE_OBJECTS]; /* objects that the rationale goes through */
    int side[PC_SCENE_OBJECTS];   /* of each: where it lies */
    int count;                    /* listed */
} solving;

static int below(solving *s, int n)
{
    return pc_scene_below(&s->ask, n);
}

static const pc_scene_object *object_at(const solving *s, int i)
{
    return &s->ask.scene->objects[i];
}

static void blank(solving *s, const char *name, const char *text)
{
    pc_scene_blank_set(&s->ask.blanks, name, text);
}

static void blank_number(solving *s, const char *name, int count)
{
    blank(s, name, s->ask.language->numbers[count]);
}

static void blank_many(solving *s, const char *name, const pc_scene_description *description)
{
    char text[PC_BLANK_TEXT];
    pc_scene_phrase(text, s->ask.language, description, true);
    blank(s, name, text);
}

static void blank_place(solving *s, const char *name, const pc_scene_object *object)
{
    char text[PC_BLANK_TEXT];
    pc_scene_place(text, s->ask.language, pc_scene_row(object), pc_scene_column(object));
    blank(s, name, text);
}

static void blank_one(solving *s, const pc_scene_object *object)
{
    char text[PC_BLANK_TEXT];
    pc_scene_description all = pc_scene_describe(object);
    pc_scene_phrase_one(text, s->ask.language, &all);
    blank(s, "one", text);
}

static bool is_shape(const pc_scene_object *object)
{
    return object->noun < PC_SCENE_SHAPES;
}

/* {the} = a name of the object without the words `hidden`. */
static bool name(solving *s, int object, int hidden)
{
    return pc_scene_name_object(&s->ask, object, PC_SCENE_ANY_WORD & ~hidden, "the");
}

static int draw_weighted(solving *s, const int *weights, int count)
{
    int total = 0, i = 0;
    for (int k = 0; k < count; k++) {
        total += weights[k];
    }
    for (int rest = below(s, total); rest >= weights[i]; i++) {
        rest -= weights[i];
    }
    return i;
}

/* Words for a group of objects to which one that is there belongs; `masks` to choose from. */
static pc_scene_description draw_group(solving *s, const int *masks, int count)
{
    const pc_scene_object *object = object_at(s, below(s, s->ask.scene->count));
    pc_scene_description group = {.mask = masks[below(s, count)], .object = *object};
    if (!is_shape(object) && group.mask == PC_SAY_TEXTURE) {
        group.mask = PC_SAY_NOUN;
    }
    return group;
}

/* How far object a lies on a side of b, in 1/96 of the picture; negative: on the other side. */
static float beyond(const pc_scene_object *a, const pc_scene_object *b, int side)
{
    switch (side) {
    case LEFT: return b->x - a->x;
    case RIGHT: return a->x - b->x;
    case ABOVE: return b->y - a->y;
    default: return a->y - b->y;
    }
}

static int other_side(int side)
{
    return side ^ 1;
}

static bool is_clear(float distance)
{
    return distance >= PC_SCENE_CLEAR || distance <= -PC_SCENE_CLEAR;
}

static void blank_side(solving *s, int side)
{
    blank(s, "relation", s->ask.language->relations[side][0]);
    blank(s, "side", s->ask.language->sides[side]);
}

/* The colour or the shape of an object is the answer; `hidden`: the mask of words that the question tells. */
static bool answer_aspect(solving *s, const pc_scene_object *object, int told)
{
    const pc_scene_language *words = s->ask.language;
    bool colour = !(told & PC_SAY_COLOUR), shape = !(told & PC_SAY_NOUN) && is_shape(object);
    int aspect = colour && shape ? below(s, 2) : colour ? COLOUR : SHAPE;
    blank(s, "aspect", words->problems->aspects[aspect]);
    blank(s, "answer", aspect == COLOUR ? words->colours[object->colour] : words->nouns[object->noun]);
    return colour || shape;
}

/* --- facts --- */

/* Lists the group without `reference`, with the side of each; *count = those on `side`. False: one of them is borderline. */
static bool list_sides(solving *s, const pc_scene_description *group, int reference, int side, int *count)
{
    const pc_scene *scene = s->ask.scene;
    s->count = *count = 0;
    for (int i = 0; i < scene->count; i++) {
        int object = s->order[i];
        if (object != reference && pc_scene_fits(group, object_at(s, object))) {
            float distance = beyond(object_at(s, object), object_at(s, reference), side);
            if (!is_clear(distance)) {
                return false;
            }
            s->listed[s->count] = object;
            s->side[s->count++] = distance > 0 ? side : other_side(side);
            *count += distance > 0;
        }
    }
    return s->count > 0;
}

static bool side_count(solving *s)
{
    static const int masks[] = {0, PC_SAY_NOUN, PC_SAY_COLOUR, PC_SAY_SIZE, PC_SAY_TEXTURE}, weights[] = {4, 5, 5, 4, 2};
    int wanted = draw_weighted(s, weights, 5);
    for (int i = 0; i < TRIES; i++) {
        int reference = below(s, s->ask.scene->count), side = below(s, SIDES), count;
        pc_scene_description group = draw_group(s, masks, 5);
        if (list_sides(s, &group, reference, side, &count) && (i >= PICKY || count == wanted) && name(s, reference, 0)) {
            blank_many(s, "many", &group);
            blank_place(s, "at", object_at(s, reference));
            blank_side(s, side);
            blank_number(s, "answer", count);
            return true;
        }
    }
    return false;
}

/* Two groups that share no object, by noun or by colour; in one of four draws the second may be absent. */
static void draw_two(solving *s, pc_scene_description two[2], int counts[2])
{
    static const int nouns[] = {PC_SAY_NOUN}, colours[] = {PC_SAY_COLOUR};
    const int *mask = below(s, 2) ? nouns : colours;
    two[0] = draw_group(s, mask, 1);
    two[1] = draw_group(s, mask, 1);
    if (below(s, 4) == 0) {
        two[1].object.noun = below(s, PC_SCENE_SHAPES);
        two[1].object.colour = below(s, PC_SCENE_COLOURS);
    }
    for (int i = 0; i < 2; i++) {
        counts[i] = pc_scene_fitting(s->ask.scene, &two[i]);
    }
}

static bool same_group(const pc_scene_description two[2])
{
    return two[0].mask == PC_SAY_NOUN ? two[0].object.noun == two[1].object.noun : two[0].object.colour == two[1].object.colour;
}

/* The two counts added (sign 1) or subtracted (sign -1), never below 0. */
static bool combine(solving *s, int sign, const int *weights, int answers)
{
    int wanted = draw_weighted(s, weights, answers), counts[2];
    pc_scene_description two[2];
    for (int i = 0; i < TRIES; i++) {
        draw_two(s, two, counts);
        int answer = counts[0] + sign * counts[1];
        if (!same_group(two) && answer >= 0 && (i >= PICKY || answer == wanted)) {
            blank_many(s, "many", &two[0]);
            blank_many(s, "many2", &two[1]);
            blank_number(s, "count", counts[0]);
            blank_number(s, "count2", counts[1]);
            blank_number(s, "answer", answer);
            return true;
        }
    }
    return false;
}

static bool sum(solving *s)
{
    static const int weights[] = {0, 2, 4, 5, 5, 4, 3};
    return combine(s, 1, weights, 7);
}

static bool difference(solving *s)
{
    static const int weights[] = {3, 5, 5, 4, 3};
    return combine(s, -1, weights, 5);
}

/* Lists the others that share the attribute of `mask` with an object. */
static void list_others(solving *s, int object, int mask)
{
    const pc_scene_description alike = {.mask = mask, .object = *object_at(s, object)};
    s->count = 0;
    for (int i = 0; i < s->ask.scene->count; i++) {
        if (s->order[i] != object && pc_scene_fits(&alike, object_at(s, s->order[i]))) {
            s->side[s->count] = LEFT; /* not told */
            s->listed[s->count++] = s->order[i];
        }
    }
}

static bool same_count(solving *s)
{
    static const int weights[] = {4, 5, 5, 4, 2};
    int wanted = draw_weighted(s, weights, 5);
    for (int i = 0; i < TRIES; i++) {
        int object = below(s, s->ask.scene->count);
        list_others(s, object, PC_SAY_COLOUR);
        if ((i >= PICKY || s->count == wanted) && name(s, object, PC_SAY_COLOUR)) {
            blank(s, "colour", s->ask.language->colours[object_at(s, object)->colour]);
            blank_number(s, "answer", s->count);
            return true;
        }
    }
    return false;
}

/* The only other object that shares `mask` with one that can be named without it. */
static const pc_scene_object *find_other(solving *s, int mask)
{
    for (int i = 0; i < TRIES; i++) {
        int object = below(s, s->ask.scene->count);
        list_others(s, object, mask);
        const pc_scene_object *other = s->count == 1 ? object_at(s, s->listed[0]) : NULL;
        if (other && is_shape(other) && name(s, object, mask)) {
            blank(s, "colour", s->ask.language->colours[object_at(s, object)->colour]);
            blank(s, "shape", s->ask.language->nouns[object_at(s, object)->noun]);
            blank_one(s, other);
            blank_place(s, "at", other);
            return other;
        }
    }
    return NULL;
}

static bool other_shape(solving *s)
{
    const pc_scene_object *other = find_other(s, PC_SAY_COLOUR);
    blank(s, "answer", other ? s->ask.language->nouns[other->noun] : "");
    return other != NULL;
}

static bool other_colour(solving *s)
{
    const pc_scene_object *other = find_other(s, PC_SAY_NOUN);
    blank(s, "answer", other ? s->ask.language->colours[other->colour] : "");
    return other != NULL;
}

/* The outermost object of a group of two or more, listed; NULL when it is not clearly so. */
static const pc_scene_object *find_extreme(solving *s, const pc_scene_description *group, int side)
{
    const pc_scene_object *best = NULL;
    float margin = 0; /* between the outermost and the next */
    s->count = 0;
    for (int i = 0; i < s->ask.scene->count; i++) {
        const pc_scene_object *object = object_at(s, s->order[i]);
        if (!pc_scene_fits(group, object)) {
            continue;
        }
        float ahead = best ? beyond(object, best, side) : PC_SCENE_UNIT;
        if (ahead > 0) {
            best = object;
            margin = ahead;
        } else if (-ahead < margin) {
            margin = -ahead;
        }
        s->side[s->count] = side;
        s->listed[s->count++] = s->order[i];
    }
    return s->count > 1 && margin >= PC_SCENE_CLEAR ? best : NULL;
}

static void blank_extreme(solving *s, const pc_scene_description *group, int side, const pc_scene_object *object)
{
    blank(s, "most", s->ask.language->problems->extremes[side]);
    blank_many(s, "many", group);
    blank_one(s, object);
}

static bool extreme(solving *s)
{
    static const int masks[] = {0, PC_SAY_NOUN, PC_SAY_NOUN, PC_SAY_COLOUR, PC_SAY_COLOUR, PC_SAY_TEXTURE};
    for (int i = 0; i < TRIES; i++) {
        int side = below(s, SIDES);
        pc_scene_description group = draw_group(s, masks, 6);
        const pc_scene_object *object = find_extreme(s, &group, side);
        if (object && answer_aspect(s, object, group.mask)) {
            blank_extreme(s, &group, side, object);
            return true;
        }
    }
    return false;
}

static bool beside(solving *s)
{
    const pc_scene_description any = {0};
    for (int i = 0; i < TRIES; i++) {
        int reference = below(s, s->ask.scene->count), side = below(s, SIDES), count;
        if (!list_sides(s, &any, reference, side, &count) || count != 1 || !name(s, reference, 0)) {
            continue;
        }
        const pc_scene_object *found = NULL;
        for (int k = 0; k < s->count; k++) {
            found = s->side[k] == side ? object_at(s, s->listed[k]) : found;
        }
        blank_side(s, side);
        blank_place(s, "at", object_at(s, reference));
        blank_place(s, "at2", found);
        blank_one(s, found);
        return answer_aspect(s, found, 0);
    }
    return false;
}

static bool compare(solving *s, bool same)
{
    static const int masks[] = {0, PC_SAY_NOUN, PC_SAY_SIZE, PC_SAY_TEXTURE};
    for (int i = 0; i < TRIES; i++) {
        int reference = below(s, s->ask.scene->count), side = below(s, SIDES);
        pc_scene_description group = draw_group(s, masks, 4);
        const pc_scene_object *object = find_extreme(s, &group, side);
        if (object && object != object_at(s, reference) && (object->colour == object_at(s, reference)->colour) == same &&
            name(s, reference, PC_SAY_COLOUR)) {
            blank_extreme(s, &group, side, object);
            blank(s, "colour", s->ask.language->colours[object_at(s, reference)->colour]);
            blank(s, "answer", same ? s->ask.language->yes : s->ask.language->no);
            return true;
        }
    }
    return false;
}

static bool comparison(solving *s)
{
    bool same = below(s, 2);
    return compare(s, !same) && compare(s, same);
}

static const struct {
    const char *name;
    bool (*solve)(solving *s); /* fills blanks and list; false: the scene has no such question */
} kinds[PC_PROBLEMS] = {
    [PC_PROBLEM_SIDE_COUNT] = {"side_count", side_count}, [PC_PROBLEM_SUM] = {"sum", sum},
    [PC_PROBLEM_DIFFERENCE] = {"difference", difference}, [PC_PROBLEM_SAME_COUNT] = {"same_count", same_count},
    [PC_PROBLEM_OTHER_SHAPE] = {"other_shape", other_shape}, [PC_PROBLEM_OTHER_COLOUR] = {"other_colour", other_colour},
    [PC_PROBLEM_EXTREME] = {"extreme", extreme}, [PC_PROBLEM_BESIDE] = {"beside", beside},
    [PC_PROBLEM_COMPARISON] = {"comparison", comparison},
};

const char *pc_scene_problem_name(pc_scene_problem_kind kind)
{
    return (unsigned)kind < PC_PROBLEMS ? kinds[kind].name : "unknown";
}

/* --- words --- */

static void add(char *out, const char *pattern, const pc_scene_blanks *blanks)
{
    size_t length = strlen(out);
    pc_scene_expand(out + length, PC_SCENE_RATIONALE - length, pattern, blanks);
}

static void add_listed(const solving *s, char *out, const char *pattern)
{
    const pc_scene_language *language = s->ask.language;
    for (int i = 0; i < s->count; i++) {
        const pc_scene_object *object = object_at(s, s->listed[i]);
        pc_scene_description all = pc_scene_describe(object);
        pc_scene_blanks blanks = {0};
        char text[PC_BLANK_TEXT];
        pc_scene_phrase(text, language, &all, false);
        pc_scene_blank_set(&blanks, "bare", text);
        pc_scene_place(text, language, pc_scene_row(object), pc_scene_column(object));
        pc_scene_blank_set(&blanks, "at", text);
        pc_scene_blank_set(&blanks, "side", language->sides[s->side[i]]);
        add(out, i ? language->separator : "", &blanks);
        add(out, pattern, &blanks);
    }
}

static void say(solving *s, pc_scene_problem_kind kind, pc_scene_problem *out)
{
    const struct pc_scene_problem_language *language = s->ask.language->problems;
    const pc_scene_problem_words *words = &language->problems[kind];
    int phrasings = 0;
    while (phrasings < PC_PROBLEM_PHRASINGS && words->questions[phrasings]) {
        phrasings++;
    }
    int phrasing = below(s, phrasings);
    out->kind = kind;
    out->pattern = (int)kind * PC_PROBLEM_PHRASINGS + phrasing;
    pc_scene_expand(out->question, sizeof out->question, words->questions[phrasing], &s->ask.blanks);
    pc_scene_expand(out->answer, sizeof out->answer, "{answer}", &s->ask.blanks);
    out->rationale[0] = '\0';
    add(out->rationale, words->before, &s->ask.blanks);
    if (words->item) {
        add_listed(s, out->rationale, words->item);
        add(out->rationale, s->count || !words->none ? "" : words->none, &s->ask.blanks);
        add(out->rationale, words->after, &s->ask.blanks);
    }
    add(out->rationale, language->conclusion, &s->ask.blanks);
}

int pc_scene_problems(const pc_scene *scene, const pc_scene_language *language, pc_scene_problem out[PC_PROBLEMS])
{
    solving s = {.ask = {.scene = scene, .language = language}};
    int count = 0;
    pc_scene_rng(&s.ask.rng, scene->seed, scene->index, PC_SCENE_STREAM_PROBLEMS);
    pc_scene_reading_order(scene, s.order);
    for (int kind = 0; kind < PC_PROBLEMS; kind++) {
        s.ask.blanks.count = s.count = 0;
        if (kinds[kind].solve(&s)) {
            say(&s, (pc_scene_problem_kind)kind, &out[count++]);
        }
    }
    return count;
}

enum { HASHED = 64 };

pc_status pc_scene_problems_hash(const pc_scene_language *language, char out_hex[65])
{
    pc_str bytes = {0};
    pc_scene scene;
    pc_scene_problem problems[PC_PROBLEMS];
    pc_status status = PC_OK;
    for (uint64_t index = 0; index < HASHED; index++) {
        PC_GO(pc_scene_draw(&scene, 1, index, NULL));
        int count = pc_scene_problems(&scene, language, problems);
        for (int i = 0; i < count; i++) {
            const pc_scene_problem *p = &problems[i];
            PC_GO(pc_str_printf(&bytes, "%d %d\n%s\n%s\n%s\n", (int)p->kind, p->pattern, p->question, p->rationale, p->answer));
        }
    }
    pc_sha256(bytes.data, bytes.length, out_hex);
done:
    pc_str_clear(&bytes);
    return status;
}
