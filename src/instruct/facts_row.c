/* What a row of annotations holds. */
#include "instruct/facts_internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *first_text(const pc_json *node, const char *const *keys)
{
    for (; *keys; keys++) {
        const char *text = pc_json_text(pc_json_get(node, *keys));
        if (text && *text) {
            return text;
        }
    }
    return NULL;
}

const char *pc_facts_image_of(const pc_json *row)
{
    static const char *const keys[] = {"image", "image_path", "img_path", "image_name", "file_name", NULL};
    const char *name = first_text(row, keys);
    return name ? name : pc_json_text(pc_json_at(pc_json_get(row, "images"), 0));
}

static pc_status add_text(const char ***list, size_t *count, size_t *room, const char *text)
{
    if (text && *text) {
        PC_TRY(pc_grow(list, room, *count + 1, sizeof **list, "texts"));
        (*list)[(*count)++] = text;
    }
    return PC_OK;
}

pc_status pc_facts_take_caption(pc_known *out, const char *text)
{
    return add_text(&out->captions, &out->caption_count, &out->caption_room, text);
}

static pc_status take_captions(pc_known *out, const pc_json *row)
{
    static const char *const keys[] = {"captions", "human_captions", NULL};
    PC_TRY(pc_facts_take_caption(out, pc_json_text(pc_json_get(row, "caption"))));
    for (int k = 0; keys[k]; k++) {
        const pc_json *list = pc_json_get(row, keys[k]);
        PC_TRY(pc_facts_take_caption(out, pc_json_text(list)));
        for (size_t i = 0; pc_json_is_array(list) && i < pc_json_length(list); i++) {
            PC_TRY(pc_facts_take_caption(out, pc_json_text(pc_json_at(list, i))));
        }
    }
    return PC_OK;
}

/* --- boxes --- */

static bool four_numbers(double out[4], const pc_json *list)
{
    bool good = pc_json_is_array(list) && pc_json_length(list) == 4;
    for (size_t i = 0; i < 4 && good; i++) {
        out[i] = pc_json_number(pc_json_at(list, i), NAN);
        good = isfinite(out[i]);
    }
    return good;
}

/* The box of a node in any of its spellings, as corners. */
static bool find_corners(double out[4], const pc_json *node)
{
    double v[4];
    if (four_numbers(out, pc_json_get(node, "box")) || four_numbers(out, pc_json_get(node, "xyxy"))) {
        return true;
    }
    if (four_numbers(v, pc_json_get(node, "bbox")) || four_numbers(v, pc_json_get(node, "xywh"))) {
        out[0] = v[0], out[1] = v[1], out[2] = v[0] + v[2], out[3] = v[1] + v[3];
        return true;
    }
    if (four_numbers(v, pc_json_get(node, "cxcywh"))) {
        out[0] = v[0] - v[2] / 2, out[1] = v[1] - v[3] / 2, out[2] = v[0] + v[2] / 2, out[3] = v[1] + v[3] / 2;
        return true;
    }
    return false;
}

/* A box that sticks out is cut at the edge; rounding lets one of fractions reach a little beyond 1. */
static bool read_box(float out[4], pc_known *known, const pc_json *node)
{
    static const double ABOVE_ONE = 1.01;
    double corner[4];
    if (!find_corners(corner, node)) {
        return false;
    }
    bool pixels = corner[2] > ABOVE_ONE || corner[3] > ABOVE_ONE;
    for (int i = 0; i < 4; i++) {
        int64_t side = i % 2 ? known->height : known->width;
        double at = !pixels ? corner[i] : side > 0 ? corner[i] / (double)side : NAN;
        out[i] = (float)fmin(1, fmax(0, at));
        if (isnan(at)) {
            known->bad_boxes++;
            return false;
        }
    }
    if (out[2] <= out[0] || out[3] <= out[1]) {
        known->bad_boxes++;
        return false;
    }
    return true;
}

/* --- things --- */

/* "digit" with the text "3" is called "digit 3". */
static pc_status name_of(const char **name, pc_known *out, const pc_json *node)
{
    static const char *const keys[] = {"name", "category", "label", "class", "shape", "phrase", NULL};
    const char *text = pc_json_text(pc_json_get(node, "text"));
    *name = first_text(node, keys);
    if (!*name || !text || !*text) {
        return PC_OK;
    }
    size_t room = strlen(*name) + strlen(text) + 2;
    char *both = pc_arena_alloc(&out->texts, room, 1);
    PC_TRY(both ? PC_OK : pc_fail_memory(room, "a name"));
    snprintf(both, room, "%s %s", *name, text);
    *name = both;
    return PC_OK;
}

pc_status pc_facts_take_thing(pc_known *out, const pc_json *node, const char *name)
{
    static const char *const colours[] = {"colour", "color", NULL};
    pc_thing thing = {.name = name, .colour = first_text(node, colours), .crowd = pc_json_get_integer(node, "iscrowd", 0) != 0};
    PC_TRY(name ? PC_OK : name_of(&thing.name, out, node));
    if (!thing.name || !read_box(thing.box, out, node)) {
        return PC_OK;
    }
    PC_TRY(pc_grow(&out->things, &out->thing_room, out->thing_count + 1, sizeof *out->things, "things"));
    out->things[out->thing_count++] = thing;
    return PC_OK;
}

static pc_status take_things(pc_known *out, const pc_json *row)
{
    static const char *const keys[] = {"objects", "boxes", "annotations", "regions", NULL};
    for (int k = 0; keys[k]; k++) {
        const pc_json *list = pc_json_get(row, keys[k]);
        for (size_t i = 0; pc_json_is_array(list) && i < pc_json_length(list); i++) {
            PC_TRY(pc_facts_take_thing(out, pc_json_at(list, i), NULL));
        }
    }
    return PC_OK;
}

/* --- questions --- */

/* The most frequent one, the first of equally frequent ones: {"answers": ["a", "b", "b"]} or [{"answer": "a"}, ...]. */
static const char *most_frequent(const pc_json *list)
{
    const char *best = NULL;
    size_t most = 0, count = pc_json_length(list);
    for (size_t i = 0; i < count; i++) {
        const pc_json *one = pc_json_at(list, i);
        const char *text = pc_json_is_object(one) ? pc_json_get_text(one, "answer", NULL) : pc_json_text(one);
        size_t same = 0;
        for (size_t k = i; text && k < count; k++) {
            const pc_json *other = pc_json_at(list, k);
            const char *said = pc_json_is_object(other) ? pc_json_get_text(other, "answer", NULL) : pc_json_text(other);
            same += said && strcmp(said, text) == 0;
        }
        if (same > most) {
            best = text;
            most = same;
        }
    }
    return best;
}

static pc_status add_asked(pc_known *out, const pc_asked *asked)
{
    if (asked->question && *asked->question && asked->answer && *asked->answer) {
        PC_TRY(pc_grow(&out->asked, &out->asked_room, out->asked_count + 1, sizeof *out->asked, "questions"));
        out->asked[out->asked_count++] = *asked;
    }
    return PC_OK;
}

/* An answer that is a number or a truth value. */
static pc_status spell(pc_known *out, const pc_json *value, const char **text)
{
    char line[32];
    *text = NULL;
    if (!pc_json_is_number(value) && !pc_json_is_bool(value)) {
        return PC_OK;
    }
    if (pc_json_is_bool(value)) {
        snprintf(line, sizeof line, "%s", pc_json_bool(value, false) ? "yes" : "no");
    } else {
        snprintf(line, sizeof line, "%.15g", pc_json_number(value, 0));
    }
    *text = pc_arena_strdup(&out->texts, line);
    return *text ? PC_OK : pc_fail_memory(sizeof line, "an answer");
}

pc_status pc_facts_take_answer(pc_known *out, const char *question, const pc_json *node)
{
    static const char *const answers[] = {"multiple_choice_answer", "answer", NULL}, *const options[] = {"options", "choices", NULL};
    pc_asked asked = {.question = question, .answer = first_text(node, answers)};
    const pc_json *list = pc_json_get(node, "answers");
    asked.answer = asked.answer ? asked.answer : pc_json_is_string(list) ? pc_json_text(list) : most_frequent(list);
    PC_TRY(asked.answer ? PC_OK : spell(out, pc_json_get(node, "answer"), &asked.answer));
    for (int k = 0; options[k] && !asked.options; k++) {
        asked.options = pc_json_get(node, options[k]);
    }
    return add_asked(out, &asked);
}

/* Turns of a conversation; LLaVA's mark of the picture is taken away, the place of the picture being the front. */
static pc_status take_turns(pc_known *out, const pc_json *turns)
{
    static const char mark[] = "<image>";
    for (size_t i = 0; pc_json_is_array(turns) && i + 1 < pc_json_length(turns); i++) {
        const char *from = pc_json_get_text(pc_json_at(turns, i), "from", ""), *to = pc_json_get_text(pc_json_at(turns, i + 1), "from", "");
        if (strcmp(from, "human") != 0 || strcmp(to, "gpt") != 0) {
            continue;
        }
        const char *said = pc_json_get_text(pc_json_at(turns, i), "value", "");
        char *question = pc_arena_strdup(&out->texts, said), *at = question ? strstr(question, mark) : NULL;
        PC_TRY(question ? PC_OK : pc_fail_memory(strlen(said), "a question"));
        if (at) {
            memmove(at, at + sizeof mark - 1, strlen(at + sizeof mark - 1) + 1);
        }
        question += strspn(question, " \n");
        for (size_t length = strlen(question); length && strchr(" \n", question[length - 1]); length--) {
            question[length - 1] = '\0';
        }
        PC_TRY(add_asked(out, &(pc_asked){.question = question, .answer = pc_json_get_text(pc_json_at(turns, i + 1), "value", ""), .as_is = true}));
    }
    return PC_OK;
}

/* --- text in the picture --- */

static pc_status add_legible(pc_known *out, const char *text, const pc_json *node)
{
    if (!text || !*text) {
        return PC_OK;
    }
    PC_TRY(pc_grow(&out->legible, &out->legible_room, out->legible_count + 1, sizeof *out->legible, "texts"));
    pc_legible *one = &out->legible[out->legible_count++];
    *one = (pc_legible){.text = text};
    one->placed = node && read_box(one->box, out, node);
    return PC_OK;
}

static pc_status take_legible(pc_known *out, const pc_json *row)
{
    static const char *const keys[] = {"ocr", "texts", NULL};
    for (int k = 0; keys[k]; k++) {
        const pc_json *list = pc_json_get(row, keys[k]);
        PC_TRY(add_legible(out, pc_json_text(list), NULL));
        for (size_t i = 0; pc_json_is_array(list) && i < pc_json_length(list); i++) {
            const pc_json *one = pc_json_at(list, i);
            PC_TRY(pc_json_is_object(one) ? add_legible(out, pc_json_get_text(one, "text", NULL), one)
                                          : add_legible(out, pc_json_text(one), NULL));
        }
    }
    return PC_OK;
}

/* Each once: rows of questions repeat the class of their picture. */
static pc_status take_label(pc_known *out, const char *label)
{
    for (size_t i = 0; label && i < out->label_count; i++) {
        if (strcmp(out->labels[i], label) == 0) {
            return PC_OK;
        }
    }
    return add_text(&out->labels, &out->label_count, &out->label_room, label);
}

pc_status pc_facts_take_row(pc_known *out, const pc_json *row)
{
    static const char *const labels[] = {"label", "class", "category", NULL};
    int64_t side = pc_json_get_integer(row, "side", 0);
    out->width = out->width ? out->width : pc_json_get_integer(row, "width", side);
    out->height = out->height ? out->height : pc_json_get_integer(row, "height", side);
    PC_TRY(take_captions(out, row));
    PC_TRY(take_things(out, row));
    PC_TRY(pc_facts_take_answer(out, pc_json_text(pc_json_get(row, "question")), row));
    PC_TRY(take_turns(out, pc_json_get(row, "conversations")));
    PC_TRY(take_label(out, first_text(row, labels)));
    return take_legible(out, row);
}
