/* Words of a scene: patterns with blanks, noun phrases, captions. The words themselves are in the language tables. */
#include "data/scenes_internal.h"

#include <stdio.h>
#include <string.h>

static const pc_scene_language *const languages[PC_SCENE_LANGUAGES] = {&pc_scene_english, &pc_scene_chinese};

const pc_scene_language *pc_scene_language_find(const char *code)
{
    for (int i = 0; i < PC_SCENE_LANGUAGES; i++) {
        if (strcmp(languages[i]->code, code) == 0) {
            return languages[i];
        }
    }
    return NULL;
}

const char *pc_scene_colour_word(const pc_scene_language *language, int colour)
{
    return language->colours[colour];
}

const char *pc_scene_noun_word(const pc_scene_language *language, int noun)
{
    return language->nouns[noun];
}

const char *pc_scene_kind_name(pc_scene_kind kind)
{
    static const char *const names[PC_SCENE_KINDS] = {"existence", "colour",   "shape",      "count",   "size",
                                                      "texture",   "relation", "comparison", "reading", "position",
                                                      "sharing"};
    return (unsigned)kind < PC_SCENE_KINDS ? names[kind] : "unknown";
}

static char upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static pc_scene_blank *find_blank(pc_scene_blanks *blanks, const char *name, size_t length)
{
    for (int i = 0; i < blanks->count; i++) {
        const char *have = blanks->items[i].name;
        if (strlen(have) == length && lower(name[0]) == have[0] && memcmp(have + 1, name + 1, length - 1) == 0) {
            return &blanks->items[i];
        }
    }
    return NULL;
}

void pc_scene_blank_set(pc_scene_blanks *blanks, const char *name, const char *text)
{
    pc_scene_blank *blank = find_blank(blanks, name, strlen(name));
    if (!blank && blanks->count < PC_SCENE_BLANKS) {
        blank = &blanks->items[blanks->count++];
        blank->name = name;
    }
    if (blank) {
        snprintf(blank->text, sizeof blank->text, "%s", text);
    }
}

void pc_scene_expand(char *out, size_t size, const char *pattern, const pc_scene_blanks *blanks)
{
    size_t length = 0;
    out[0] = '\0';
    for (const char *p = pattern; *p && length + 1 < size;) {
        const char *end = *p == '{' ? strchr(p, '}') : NULL;
        if (!end) {
            out[length++] = *p++;
            out[length] = '\0';
            continue;
        }
        const pc_scene_blank *blank = find_blank((pc_scene_blanks *)blanks, p + 1, (size_t)(end - p - 1));
        const char *text = blank ? blank->text : "";
        int written = snprintf(out + length, size - length, "%s", text);
        if (written > 0 && p[1] != lower(p[1])) {
            out[length] = upper(out[length]);
        }
        length += (size_t)written < size - length ? (size_t)written : size - length - 1;
        p = end + 1;
        p += !text[0] && *p == ' ';
    }
}

void pc_scene_phrase(char *out, const pc_scene_language *language, const pc_scene_description *description, bool many)
{
    const pc_scene_object *object = &description->object;
    int mask = description->mask;
    int noun = mask & PC_SAY_NOUN ? object->noun : PC_SCENE_NOUNS;
    char name[2] = {object->glyph, '\0'};
    pc_scene_blanks blanks = {0};
    pc_scene_blank_set(&blanks, "size", mask & PC_SAY_SIZE ? language->sizes[object->size] : "");
    pc_scene_blank_set(&blanks, "texture", mask & PC_SAY_TEXTURE ? language->textures[object->texture] : "");
    pc_scene_blank_set(&blanks, "colour", mask & PC_SAY_COLOUR ? language->colours[object->colour] : "");
    pc_scene_blank_set(&blanks, "noun", many ? language->plurals[noun] : language->nouns[noun]);
    pc_scene_blank_set(&blanks, "name", name);
    pc_scene_expand(out, PC_BLANK_TEXT, mask & PC_SAY_NAME ? language->phrase_named : language->phrase, &blanks);
}

void pc_scene_phrase_one(char *out, const pc_scene_language *language, const pc_scene_description *description)
{
    char phrase[PC_BLANK_TEXT];
    pc_scene_phrase(phrase, language, description, false);
    bool vowel = phrase[0] && strchr("aeiou", phrase[0]);
    snprintf(out, PC_BLANK_TEXT, "%s%.*s", vowel ? language->article_vowel : language->article, PC_BLANK_TEXT - 8, phrase);
}

void pc_scene_phrase_the(char *out, const pc_scene_language *language, const pc_scene_description *description)
{
    char phrase[PC_BLANK_TEXT];
    pc_scene_phrase(phrase, language, description, false);
    snprintf(out, PC_BLANK_TEXT, "%s%.*s", language->definite, PC_BLANK_TEXT - 8, phrase);
}

void pc_scene_place(char *out, const pc_scene_language *language, int row, int column)
{
    pc_scene_blanks blanks = {0};
    pc_scene_blank_set(&blanks, "row", language->rows[row]);
    pc_scene_blank_set(&blanks, "column", language->columns[column]);
    pc_scene_expand(out, PC_BLANK_TEXT, language->place, &blanks);
}

void pc_scene_reading_order(const pc_scene *scene, int order[PC_SCENE_OBJECTS])
{
    for (int i = 0; i < scene->count; i++) {
        const pc_scene_object *object = &scene->objects[i];
        int at = i;
        for (; at > 0; at--) {
            const pc_scene_object *before = &scene->objects[order[at - 1]];
            int row = pc_scene_row(object), other = pc_scene_row(before);
            if (other < row || (other == row && before->x <= object->x)) {
                break;
            }
            order[at] = order[at - 1];
        }
        order[at] = i;
    }
}

static int name_bits(const pc_scene_object *object)
{
    return object->noun >= PC_SCENE_SHAPES ? PC_SAY_NOUN | PC_SAY_NAME : PC_SAY_NOUN;
}

pc_scene_description pc_scene_describe(const pc_scene_object *object)
{
    int texture = object->noun < PC_SCENE_SHAPES ? PC_SAY_TEXTURE : 0;
    return (pc_scene_description){.mask = name_bits(object) | PC_SAY_SIZE | PC_SAY_COLOUR | texture, .object = *object};
}

void pc_scene_object_words(char *out, size_t size, const pc_scene_object *object, const pc_scene_language *language)
{
    pc_scene_description all = {.mask = name_bits(object) | PC_SAY_SIZE | PC_SAY_TEXTURE | PC_SAY_COLOUR, .object = *object};
    char phrase[PC_BLANK_TEXT], place[PC_BLANK_TEXT];
    pc_scene_phrase(phrase, language, &all, false);
    pc_scene_place(place, language, pc_scene_row(object), pc_scene_column(object));
    snprintf(out, size, "%s%s%s", phrase, language->space, place);
}

static void append(char *out, size_t size, const char *text)
{
    size_t length = strlen(out);
    snprintf(out + length, size - length, "%s", text);
}

static void write_detailed(pc_scene_caption *out, const pc_scene *scene, const pc_scene_language *language,
                           const char *background)
{
    int order[PC_SCENE_OBJECTS];
    pc_scene_reading_order(scene, order);
    out->text[0] = '\0';
    for (int i = 0; i < scene->count; i++) {
        const pc_scene_object *object = &scene->objects[order[i]];
        pc_scene_description full = pc_scene_describe(object);
        char text[PC_SCENE_TEXT];
        pc_scene_blanks blanks = {0};
        pc_scene_phrase_one(text, language, &full);
        pc_scene_blank_set(&blanks, "one", text);
        pc_scene_place(text, language, pc_scene_row(object), pc_scene_column(object));
        pc_scene_blank_set(&blanks, "at", text);
        pc_scene_expand(text, sizeof text, language->detailed_item, &blanks);
        append(out->text, sizeof out->text, i ? language->separator : "");
        append(out->text, sizeof out->text, text);
    }
    char end[PC_SCENE_TEXT];
    pc_scene_blanks blanks = {0};
    pc_scene_blank_set(&blanks, "background", background);
    pc_scene_expand(end, sizeof end, language->detailed_end, &blanks);
    append(out->text, sizeof out->text, end);
}

enum { BRIEF_LIST = 3 };

static void write_brief(pc_scene_caption *out, const pc_scene *scene, const pc_scene_language *language,
                        const char *background)
{
    int order[PC_SCENE_OBJECTS];
    pc_scene_reading_order(scene, order);
    bool many = scene->count > BRIEF_LIST;
    int listed = many ? 2 : scene->count;
    char list[PC_BLANK_TEXT] = "";
    for (int i = 0; i < listed; i++) {
        const pc_scene_object *object = &scene->objects[order[i]];
        pc_scene_description brief = {.mask = name_bits(object) | PC_SAY_COLOUR, .object = *object};
        char one[PC_BLANK_TEXT];
        pc_scene_phrase_one(one, language, &brief);
        append(list, sizeof list, i == 0 ? "" : i == listed - 1 ? language->last_separator : language->separator);
        append(list, sizeof list, one);
    }
    pc_scene_blanks blanks = {0};
    pc_scene_blank_set(&blanks, "list", list);
    pc_scene_blank_set(&blanks, "count", language->number_words[scene->count]);
    pc_scene_blank_set(&blanks, "background", background);
    pc_scene_expand(out->text, sizeof out->text, many ? language->brief_many : language->brief, &blanks);
}

void pc_scene_caption_write(pc_scene_caption *out, const pc_scene *scene, const pc_scene_language *language,
                            bool detailed)
{
    pc_rng rng;
    pc_scene_rng(&rng, scene->seed, scene->index, detailed ? PC_SCENE_STREAM_DETAILED : PC_SCENE_STREAM_BRIEF);
    const char *const *requests = detailed ? language->detailed_requests : language->brief_requests;
    snprintf(out->request, sizeof out->request, "%s", requests[pc_rng_below(&rng, 4)]);
    const char *background = language->backgrounds[scene->background.dark];
    (detailed ? write_detailed : write_brief)(out, scene, language, background);
    out->text[0] = upper(out->text[0]);
}
