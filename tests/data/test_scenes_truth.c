/* Reads every question as a person would, from its words alone, works out the answer from the objects' attributes and
 * centres, and compares it with the generator's. Shares no code with the generator but its object struct. */
#include "data/scene_reading.h"

#include <stdio.h>

/* The object that a question about a place or a description means. */
static const pc_scene_object *meant(const pc_scene *scene, const sentence *s)
{
    if (!has(s, "at")) {
        assert_int_equal(s->things, 1);
        return only(scene, &s->thing[0]);
    }
    const pc_scene_object *found = NULL;
    for (int i = 0; i < scene->count; i++) {
        const pc_scene_object *o = &scene->objects[i];
        if (has(s, row_name(o)) && has(s, column_name(o))) {
            assert_null(found);
            found = o;
        }
    }
    assert_non_null(found);
    return found;
}

static const pc_scene_object *only_glyph(const pc_scene *scene)
{
    const pc_scene_object *found = NULL;
    for (int i = 0; i < scene->count; i++) {
        if (scene->objects[i].glyph) {
            assert_null(found);
            found = &scene->objects[i];
        }
    }
    assert_non_null(found);
    return found;
}

static const char *yes_no(bool yes)
{
    return yes ? "yes" : "no";
}

static const char *relation(const pc_scene *scene, const sentence *s)
{
    assert_true(s->things == 2);
    const pc_scene_object *a = only(scene, &s->thing[0]), *b = only(scene, &s->thing[1]);
    assert_ptr_not_equal(a, b);
    bool x = has(s, "left") || has(s, "right");
    float difference = x ? b->x - a->x : b->y - a->y;
    assert_true(fabsf(difference) >= 12);
    if (has(s, "left") && has(s, "right")) {
        return difference > 0 ? "left" : "right";
    }
    if (has(s, "above") && has(s, "below")) {
        return difference > 0 ? "above" : "below";
    }
    bool before = has(s, "left") || has(s, "above") || has(s, "higher");
    assert_true(before || has(s, "right") || has(s, "below") || has(s, "lower"));
    return yes_no(before ? difference > 0 : difference < 0);
}

static const char *comparison(const pc_scene *scene, const sentence *s)
{
    assert_int_equal(s->things, 2);
    if (has(s, "more")) {
        return yes_no(count_fits(scene, &s->thing[0]) > count_fits(scene, &s->thing[1]));
    }
    const pc_scene_object *a = only(scene, &s->thing[0]), *b = only(scene, &s->thing[1]);
    if (has(s, "color")) {
        return yes_no(a->colour == b->colour);
    }
    assert_true(fabsf(a->radius - b->radius) > 3);
    return yes_no(a->radius > b->radius);
}

static void work_out(char out[64], const pc_scene *scene, pc_scene_kind kind, const sentence *s)
{
    const pc_scene_object *o;
    switch (kind) {
    case PC_SCENE_EXISTENCE: snprintf(out, 64, "%s", yes_no(count_fits(scene, &s->thing[0]) > 0)); break;
    case PC_SCENE_COLOUR: snprintf(out, 64, "%s", colours[meant(scene, s)->colour]); break;
    case PC_SCENE_SHAPE: snprintf(out, 64, "%s", nouns[meant(scene, s)->noun]); break;
    case PC_SCENE_COUNT:
        snprintf(out, 64, "%d", s->things ? count_fits(scene, &s->thing[0]) : scene->count);
        break;
    case PC_SCENE_SIZE: {
        float radius = only(scene, &s->thing[0])->radius;
        snprintf(out, 64, "%s", sizes[radius < 9 ? 0 : radius < 14 ? 1 : 2]);
        break;
    }
    case PC_SCENE_TEXTURE: snprintf(out, 64, "%s", textures[only(scene, &s->thing[0])->texture]); break;
    case PC_SCENE_RELATION: snprintf(out, 64, "%s", relation(scene, s)); break;
    case PC_SCENE_COMPARISON: snprintf(out, 64, "%s", comparison(scene, s)); break;
    case PC_SCENE_READING:
        o = s->things == 1 ? only(scene, &s->thing[0]) : only_glyph(scene);
        snprintf(out, 64, "%c", o->glyph);
        break;
    default:
        o = only(scene, &s->thing[0]);
        if (has(s, "row")) {
            snprintf(out, 64, "%s", row_name(o));
        } else if (has(s, "column")) {
            snprintf(out, 64, "%s", column_name(o));
        } else {
            snprintf(out, 64, "%s %s", row_name(o), column_name(o));
        }
    }
}

/* A sentence opens with yes or no, or holds the answer's words. */
static bool says(const char *answer, const char *expected)
{
    sentence said, wanted;
    split(&said, answer);
    split(&wanted, expected);
    if (strcmp(expected, "yes") == 0 || strcmp(expected, "no") == 0) {
        bool negated = has(&said, "not") || has(&said, "different") || strstr(answer, "there is no ") != NULL;
        return strcmp(said.word[0], expected) == 0 && negated == (expected[0] == 'n');
    }
    for (int i = 0; i < wanted.words; i++) {
        if (!has(&said, wanted.word[i])) {
            return false;
        }
    }
    return true;
}

static void check(const pc_scene *scene, const pc_scene_question *q)
{
    char text[PC_SCENE_TEXT], expected[64];
    sentence s;
    snprintf(text, sizeof text, "%s", q->question);
    char *suffix = strstr(text, " Answer ");
    suffix = suffix ? suffix : strstr(text, " Reply ");
    if (suffix) {
        *suffix = '\0';
    }
    assert_int_equal(q->sentence, strstr(q->question, "sentence") != NULL);
    split(&s, text);
    find_things(&s);
    work_out(expected, scene, q->kind, &s);
    bool good = q->sentence ? says(q->answer, expected) : strcmp(q->answer, expected) == 0;
    if (!good) {
        print_error("scene %d: %s -> %s, expected %s\n", (int)scene->index, q->question, q->answer, expected);
    }
    assert_true(good);
}

static void test_answers_are_true(void **state)
{
    (void)state;
    pc_scene scene;
    pc_scene_question questions[PC_SCENE_QUESTIONS];
    for (uint64_t index = 0; index < 3000; index++) {
        assert_int_equal(pc_scene_draw(&scene, 3, index, NULL), PC_OK);
        int count = pc_scene_questions(&scene, pc_scene_language_find("en"), questions);
        for (int i = 0; i < count; i++) {
            check(&scene, &questions[i]);
        }
    }
}

/* Every object of a detailed caption is there, and as many as there are. */
static void test_captions_are_true(void **state)
{
    (void)state;
    pc_scene scene;
    pc_scene_caption caption;
    for (uint64_t index = 0; index < 500; index++) {
        assert_int_equal(pc_scene_draw(&scene, 4, index, NULL), PC_OK);
        pc_scene_caption_write(&caption, &scene, pc_scene_language_find("en"), true);
        int items = 0;
        char *save = NULL;
        for (char *item = strtok_r(caption.text, ",.", &save); item && !strstr(item, "background");
             item = strtok_r(NULL, ",.", &save)) {
            sentence s;
            split(&s, item);
            find_things(&s);
            assert_int_equal(s.things, 1);
            bool found = false;
            for (int i = 0; i < scene.count; i++) {
                const pc_scene_object *o = &scene.objects[i];
                found |= fits(&s.thing[0], o) && has(&s, row_name(o)) && has(&s, column_name(o));
            }
            assert_true(found);
            items++;
        }
        assert_int_equal(items, scene.count);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_answers_are_true), cmocka_unit_test(test_captions_are_true)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
