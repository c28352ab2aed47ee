/* Two ways to ask for objects.
 *
 * Source: Woodpecker's detector (models/detector.py): boxes below a thousandth of the picture are left out, of two that overlap by
 * more than 0.95 the second one. Easy to get wrong: a model that is asked how many there are says some number even where there is
 * none, so whether there is one is asked first.
 */
#include "agent/detect.h"

#include "agent/ask.h"
#include "agent/words.h"
#include "media/decode.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ANSWER = 48, MOST_BOXES_ANSWER = 512, MOST_BOXES = 64 };
static const double SMALLEST = 0.001, SAME = 0.95;

/* --- by questions --- */

static pc_status ask_format(const pc_answerer *who, const pc_answer_media *picture, const char *before, const char *what,
                            const char *behind, pc_str *reply)
{
    pc_str question = {0};
    pc_status status = pc_str_printf(&question, "%s%s%s", before, what, behind);
    pc_str_reset(reply);
    status = status == PC_OK ? pc_ask(who, picture, question.data, MOST_ANSWER, reply) : status;
    pc_str_clear(&question);
    return status;
}

/* The first number of a reply, in digits or as a word; -1: there is none. */
static int64_t number_in(const char *reply)
{
    static const char *const words[] = {"zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"};
    const char *digit = strpbrk(reply, "0123456789");
    if (digit) {
        return strtol(digit, NULL, 10);
    }
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcasestr(reply, words[i])) {
            return (int64_t)i;
        }
    }
    return -1;
}

static pc_status add_box(pc_json *boxes, const double box[4])
{
    pc_json *out = pc_json_new_array();
    for (int i = 0; i < 4; i++) {
        pc_status status = pc_json_push(out, pc_json_new_number(round(1000 * box[i]) / 1000));
        if (status != PC_OK) {
            pc_json_free(out);
            return status;
        }
    }
    return pc_json_push(boxes, out);
}

/* Which third of the picture the words say: 0, 1, 2, or -1. */
static int third_of(const char *reply, const char *low, const char *middle, const char *high)
{
    return strcasestr(reply, low) ? 0 : strcasestr(reply, high) ? 2 : strcasestr(reply, middle) ? 1 : -1;
}

/* "top left" -> the ninth of the picture there; nothing when the reply names no place. */
static pc_status add_place(pc_json *boxes, const char *reply)
{
    const int row = third_of(reply, "top", "middle", "bottom"), column = third_of(reply, "left", "center", "right");
    if (row < 0 && column < 0) {
        return PC_OK;
    }
    const double top = row < 0 ? 0 : row / 3.0, left = column < 0 ? 0 : column / 3.0;
    return add_box(boxes, (double[4]){left, top, column < 0 ? 1 : left + 1 / 3.0, row < 0 ? 1 : top + 1 / 3.0});
}

static pc_status by_questions(const pc_corrector *c, const pc_answer_media *picture, const char *name, pc_json *boxes, int64_t *count)
{
    char plural[PC_WORDS_CONCEPT + 2];
    pc_str reply = {0};
    pc_status status;
    pc_words_plural(name, plural, sizeof plural);
    PC_GO(ask_format(c->detector, picture, strchr("aeiouAEIOU", name[0]) ? "Is there an " : "Is there a ", name, "?", &reply));
    *count = strncasecmp(reply.data, "yes", 3) == 0;
    if (*count) {
        PC_GO(ask_format(c->detector, picture, "How many ", plural, " are there?", &reply));
        const int64_t found = number_in(reply.data);
        *count = found > 0 ? found : 1;
    }
    if (*count == 1) {
        PC_GO(ask_format(c->detector, picture, "Where is the ", name, "?", &reply));
        PC_GO(add_place(boxes, reply.data));
    }
done:
    pc_str_clear(&reply);
    return status;
}

/* --- by boxes --- */

static double overlap(const double a[4], const double b[4])
{
    const double width = fmin(a[2], b[2]) - fmax(a[0], b[0]), height = fmin(a[3], b[3]) - fmax(a[1], b[1]);
    const double both = width > 0 && height > 0 ? width * height : 0;
    const double all = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both;
    return all > 0 ? both / all : 0;
}

static bool read_box(const pc_json *node, double out[4])
{
    for (size_t i = 0; i < 4; i++) {
        out[i] = pc_json_number(pc_json_at(node, i), -1);
        if (!(out[i] >= 0 && out[i] <= 1)) {
            return false;
        }
    }
    return pc_json_length(node) == 4 && out[2] >= out[0] && out[3] >= out[1];
}

static pc_status keep_boxes(const pc_json *found, const char *who, const char *reply, pc_json *boxes)
{
    double kept[MOST_BOXES][4];
    size_t count = 0;
    for (size_t i = 0; i < pc_json_length(found) && count < MOST_BOXES; i++) {
        double *box = kept[count];
        if (!read_box(pc_json_at(found, i), box)) {
            return pc_fail(PC_ERR_DATA, "%s: expected boxes [left, top, right, bottom] of numbers from 0 to 1, found: %.200s", who, reply);
        }
        bool known = (box[2] - box[0]) * (box[3] - box[1]) < SMALLEST;
        for (size_t k = 0; k < count; k++) {
            known = known || overlap(box, kept[k]) > SAME;
        }
        if (!known) {
            PC_TRY(add_box(boxes, box));
            count++;
        }
    }
    return PC_OK;
}

static pc_status by_boxes(const pc_corrector *c, const pc_answer_media *picture, const char *name, pc_json *boxes)
{
    pc_str question = {0}, reply = {0};
    pc_json *found = NULL;
    pc_status status;
    PC_GO(pc_str_printf(&question, "Find every %s in the picture. Answer with JSON alone: a list of boxes [left, top, right, bottom], each "
                                   "number from 0 to 1 as a share of the picture's width or height; [] if there is none.", name));
    PC_GO(pc_ask(c->detector, picture, question.data, MOST_BOXES_ANSWER, &reply));
    const char *begin = strchr(reply.data, '['), *end = strrchr(reply.data, ']');
    if (!begin || !end || end < begin) {
        PC_GO(pc_fail(PC_ERR_DATA, "%s: expected a list of boxes of \"%.60s\", found: %.200s", c->detector->name, name, reply.data));
    }
    PC_GO(pc_json_parse(&found, begin, (size_t)(end - begin) + 1, c->detector->name));
    status = keep_boxes(found, c->detector->name, reply.data, boxes);
done:
    pc_json_free(found);
    pc_str_clear(&question);
    pc_str_clear(&reply);
    return status;
}

pc_status pc_detect(const pc_corrector *c, const pc_answer_media *picture, pc_json *concept)
{
    const char *name = pc_json_get_text(concept, "name", "");
    int64_t count = 0;
    PC_TRY(pc_json_set(concept, "boxes", pc_json_new_array()));
    pc_json *boxes = pc_json_get(concept, "boxes");
    if (c->style == PC_DETECT_BOXES) {
        PC_TRY(by_boxes(c, picture, name, boxes));
        count = (int64_t)pc_json_length(boxes);
    } else {
        PC_TRY(by_questions(c, picture, name, boxes, &count));
    }
    return pc_json_set(concept, "count", pc_json_new_integer(count));
}

pc_status pc_detect_ask_crop(const pc_answerer *who, const pc_answer_media *picture, const pc_json *box, const char *question,
                             size_t most, pc_str *out)
{
    pc_image *loaded = NULL, *crop = NULL;
    double at[4];
    pc_status status;
    if (!picture->image) {
        PC_GO(pc_image_load(&loaded, picture->path, NULL));
    }
    const pc_image *image = loaded ? loaded : picture->image;
    status = read_box(box, at) ? PC_OK : pc_fail(PC_ERR_DATA, "a box that is none");
    PC_GO(status);
    const int left = (int)(at[0] * image->width), top = (int)(at[1] * image->height);
    const int width = (int)ceil(at[2] * image->width) - left, height = (int)ceil(at[3] * image->height) - top;
    PC_GO(pc_image_crop(&crop, image, left, top, width > 0 ? width : 1, height > 0 ? height : 1));
    status = pc_ask(who, &(pc_answer_media){.kind = PC_MEDIA_IMAGE, .image = crop}, question, most, out);
done:
    pc_image_free(loaded);
    pc_image_free(crop);
    return status;
}
