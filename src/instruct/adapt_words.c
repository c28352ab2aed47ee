/* How things, numbers and boxes are put into words. */
#include "instruct/adapt_internal.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

const pc_pools *pc_adapting_pools(const pc_adapting *a)
{
    return a->pools;
}

pc_rng *pc_adapting_rng(pc_adapting *a)
{
    return &a->rng;
}

size_t pc_adapting_most(const pc_adapting *a)
{
    return (size_t)a->options->most;
}

bool pc_adapting_wants_tokens(const pc_adapting *a)
{
    return a->options->ocr_tokens;
}

const char *pc_adapting_labels(const pc_adapting *a)
{
    return a->label_list;
}

/* a->text into the arena. */
static pc_status keep_text(pc_adapting *a, const char **text)
{
    char *copy = pc_arena_strdup(&a->arena, a->text.data ? a->text.data : "");
    *text = copy;
    return copy ? PC_OK : pc_fail_memory(a->text.length, "a text");
}

pc_status pc_adapting_join(pc_adapting *a, const char **text, const char *const *parts)
{
    pc_str_reset(&a->text);
    for (; *parts; parts++) {
        PC_TRY(pc_str_puts(&a->text, *parts));
    }
    return keep_text(a, text);
}

bool pc_adapting_unique(const pc_known *known, const char *name, size_t *index)
{
    size_t met = 0;
    for (size_t i = 0; i < known->thing_count; i++) {
        if (strcmp(known->things[i].name, name) == 0) {
            if (known->things[i].crowd) {
                return false;
            }
            met++;
            if (index) {
                *index = i;
            }
        }
    }
    return met == 1;
}

/* No other thing has name and colour, and none of the name has a colour that is not known. */
static bool unique_by_colour(const pc_known *known, const pc_thing *thing)
{
    for (size_t i = 0; i < known->thing_count; i++) {
        const pc_thing *other = &known->things[i];
        if (other != thing && strcmp(other->name, thing->name) == 0 &&
            (other->crowd || !other->colour || strcmp(other->colour, thing->colour) == 0)) {
            return false;
        }
    }
    return thing->colour && !thing->crowd;
}

pc_status pc_adapting_phrase(pc_adapting *a, const pc_known *known, size_t at, const char **phrase)
{
    const pc_thing *thing = &known->things[at];
    const char *name = pc_pools_name(a->pools, thing->name), *colour = thing->colour ? pc_pools_colour(a->pools, thing->colour) : NULL;
    *phrase = NULL;
    if (!name) {
        a->counts->unnamed++;
        return PC_OK;
    }
    if (pc_adapting_unique(known, thing->name, NULL)) {
        *phrase = name;
        return PC_OK;
    }
    if (!colour || !unique_by_colour(known, thing)) {
        return PC_OK;
    }
    const char *const parts[] = {colour, pc_pools_english(a->pools) ? " " : "", name, NULL};
    return pc_adapting_join(a, phrase, parts);
}

/* From the picture into the square it is padded to, equally on both sides (media/image.h). */
static void to_square(float out[4], const float box[4], const pc_known *known)
{
    double width = (double)known->width, height = (double)known->height, side = fmax(width, height);
    for (int i = 0; i < 4; i++) {
        double own = i % 2 ? height : width;
        out[i] = (float)((box[i] * own + (side - own) / 2) / side);
    }
}

pc_status pc_adapting_box(pc_adapting *a, const pc_known *known, const float box[4], const char **text)
{
    static const char *const forms[] = {"[%.2f, %.2f, %.2f, %.2f]", "[%.0f, %.0f, %.0f, %.0f]", "<box>(%.0f,%.0f),(%.0f,%.0f)</box>"};
    float at[4];
    double scale = a->options->box == PC_BOX_UNIT ? 1 : 1000;
    char line[96];
    *text = NULL;
    memcpy(at, box, sizeof at);
    if (a->options->square) {
        if (known->width <= 0 || known->height <= 0) {
            a->counts->bad_boxes++;
            return PC_OK;
        }
        to_square(at, box, known);
    }
    snprintf(line, sizeof line, forms[a->options->box], at[0] * scale, at[1] * scale, at[2] * scale, at[3] * scale);
    return pc_adapting_join(a, text, (const char *const[]){line, NULL});
}

pc_status pc_adapting_say_boxes(pc_adapting *a, const pc_known *known, const char *pool)
{
    size_t first = known->thing_count ? (size_t)pc_rng_below(pc_adapting_rng(a), known->thing_count) : 0;
    for (size_t i = 0; i < known->thing_count; i++) {
        size_t at = (first + i) % known->thing_count;
        const char *phrase, *box;
        PC_TRY(pc_adapting_phrase(a, known, at, &phrase));
        PC_TRY(pc_adapting_box(a, known, known->things[at].box, &box));
        if (phrase && box) {
            PC_TRY(pc_adapt_say(a, pool, PC_POLARITY_NONE, (const pc_variable[]){{"phrase", phrase}, {"box", box}, {0}}));
        }
    }
    return PC_OK;
}

pc_status pc_adapting_counted(pc_adapting *a, const char *name, int64_t count, const char **text)
{
    const char *own = pc_pools_name(a->pools, name), *one = pc_pools_word(a->pools, "one");
    pc_str_reset(&a->text);
    PC_TRY(pc_str_printf(&a->text, "%" PRId64 "%s", count, pc_pools_english(a->pools) ? " " : one ? one : ""));
    PC_TRY(count == 1 ? pc_str_puts(&a->text, own) : pc_pools_plural(a->pools, &a->text, own));
    return keep_text(a, text);
}

pc_status pc_adapting_with_article(pc_adapting *a, const char *name, const char **text)
{
    bool vowel = *name && strchr("aeiouAEIOU", *name);
    const char *const parts[] = {pc_pools_english(a->pools) ? (vowel ? "an " : "a ") : "", name, NULL};
    return pc_adapting_join(a, text, parts);
}
