/* Reads English texts about scenes as a person would, from their words alone, and looks things up among the objects. Shares no code
 * with the generator but its object struct. */
#ifndef PC_TESTS_SCENE_READING_H
#define PC_TESTS_SCENE_READING_H

#include "data/scenes.h"

#include <ctype.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const char *const sizes[] = {"small", "medium", "large", NULL};
static const char *const textures[] = {"solid", "striped", "dotted", NULL};
static const char *const colours[] = {"red",  "orange", "yellow", "green", "cyan", "blue",
                                      "purple", "pink", "brown",  "gray",  NULL};
static const char *const nouns[] = {"circle", "square", "triangle", "diamond", "star", "cross",
                                    "heart",  "ring",   "letter",   "digit",   "object", NULL};
static const char *const plurals[] = {"circles", "squares", "triangles", "diamonds", "stars", "crosses",
                                      "hearts",  "rings",   "letters",   "digits",   "objects", NULL};
enum { OBJECT = 10, WORDS = 48, WORD = 24 };

typedef struct thing {
    int size, texture, colour, noun; /* -1 = not said */
    char glyph;                      /* 0 = not said */
} thing;

typedef struct sentence {
    int words;
    char word[WORDS][WORD];
    int things;
    thing thing[4];
} sentence;

static inline int find(const char *const *list, const char *word)
{
    for (int i = 0; list[i]; i++) {
        if (strcmp(list[i], word) == 0) {
            return i;
        }
    }
    return -1;
}

static inline void split(sentence *out, const char *text)
{
    out->words = 0;
    for (const char *p = text; *p;) {
        if (!isalnum((unsigned char)*p)) {
            p++;
            continue;
        }
        int length = 0;
        char *word = out->word[out->words++];
        assert_true(out->words < WORDS);
        while (isalnum((unsigned char)*p)) {
            assert_true(length < WORD - 1);
            word[length++] = *p++;
        }
        word[length] = '\0';
        if (length > 1) { /* single letters are names */
            word[0] = (char)tolower((unsigned char)word[0]);
        }
    }
}

/* Noun phrases: attribute words that end in a noun. */
static inline void find_things(sentence *s)
{
    thing now = {-1, -1, -1, -1, 0}, empty = now;
    s->things = 0;
    for (int i = 0; i < s->words; i++) {
        const char *word = s->word[i];
        int size = find(sizes, word), texture = find(textures, word), colour = find(colours, word);
        int noun = find(nouns, word) >= 0 ? find(nouns, word) : find(plurals, word);
        if (size >= 0) {
            now.size = size;
        } else if (texture >= 0) {
            now.texture = texture;
        } else if (colour >= 0) {
            now.colour = colour;
        } else if (noun >= 0) {
            now.noun = noun == OBJECT ? -1 : noun;
            if (noun != OBJECT && i + 1 < s->words && strlen(s->word[i + 1]) == 1 && s->word[i + 1][0] != 'a') {
                now.glyph = s->word[i + 1][0];
            }
            assert_true(s->things < 4);
            s->thing[s->things++] = now;
            now = empty;
        } else {
            now = empty;
        }
    }
}

static inline bool has(const sentence *s, const char *word)
{
    for (int i = 0; i < s->words; i++) {
        if (strcmp(s->word[i], word) == 0) {
            return true;
        }
    }
    return false;
}

static inline bool fits(const thing *t, const pc_scene_object *o)
{
    return (t->size < 0 || t->size == o->size) && (t->texture < 0 || t->texture == o->texture) &&
           (t->colour < 0 || t->colour == o->colour) && (t->noun < 0 || t->noun == o->noun) &&
           (!t->glyph || t->glyph == o->glyph);
}

static inline int count_fits(const pc_scene *scene, const thing *t)
{
    int count = 0;
    for (int i = 0; i < scene->count; i++) {
        count += fits(t, &scene->objects[i]);
    }
    return count;
}

static inline const pc_scene_object *only(const pc_scene *scene, const thing *t)
{
    assert_int_equal(count_fits(scene, t), 1);
    for (int i = 0; i < scene->count; i++) {
        if (fits(t, &scene->objects[i])) {
            return &scene->objects[i];
        }
    }
    return NULL;
}

static inline const char *row_name(const pc_scene_object *o)
{
    assert_true(fabsf(o->y - 32) > 2 && fabsf(o->y - 64) > 2);
    return o->y < 32 ? "top" : o->y < 64 ? "middle" : "bottom";
}

static inline const char *column_name(const pc_scene_object *o)
{
    assert_true(fabsf(o->x - 32) > 2 && fabsf(o->x - 64) > 2);
    return o->x < 32 ? "left" : o->x < 64 ? "center" : "right";
}

#endif
