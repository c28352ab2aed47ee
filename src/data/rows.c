/* Columns by their names, the shapes of rows, preferences, pictures. See rows.h.
 *
 * Sources: LLaMA-Factory, data/README.md (columns and tags of alpaca and sharegpt); ms-swift, custom dataset
 * (rejected_response, label); TRL, dataset formats (prompt, chosen, rejected, completion); LLaVA,
 * docs/Finetune_Custom_Data.md (image).
 */
#include "data/rows.h"

#include <stdio.h>
#include <string.h>

#define PC_ROW(name) extern const pc_row_shape pc_row_##name;
#include "data/row/list.h"
#undef PC_ROW

#define PC_ROW(name) &pc_row_##name,
static const pc_row_shape *const shapes[] = {
#include "data/row/list.h"
};
#undef PC_ROW

enum { MAX_PICTURES = 256 /* of one sample */, SPELLINGS = 8, MAX_ABOUT = 64 << 10 };

static const char *const usual[PC_COLUMNS][SPELLINGS] = {
    [PC_COLUMN_MESSAGES] = {"conversations", "messages"},
    [PC_COLUMN_SYSTEM] = {"system"},
    [PC_COLUMN_TOOLS] = {"tools"},
    [PC_COLUMN_IMAGES] = {"image", "images", "image_path", "img_path", "image_name"},
    [PC_COLUMN_VIDEOS] = {"video", "videos"},
    [PC_COLUMN_AUDIOS] = {"audio", "audios"},
    [PC_COLUMN_CHOSEN] = {"chosen"},
    [PC_COLUMN_REJECTED] = {"rejected", "rejected_response"},
    [PC_COLUMN_LABEL] = {"kto_tag", "label"},
    [PC_COLUMN_PROMPT] = {"instruction", "prompt"},
    [PC_COLUMN_QUERY] = {"input"},
    [PC_COLUMN_RESPONSE] = {"output", "completion", "response"},
    [PC_COLUMN_HISTORY] = {"history"},
    [PC_COLUMN_TEXT] = {"text", "caption"},
    [PC_COLUMN_QUESTION] = {"question"},
    [PC_COLUMN_ANSWER] = {"answer", "answers"},
};

const char *pc_row_column_name(const pc_row *row, pc_column column)
{
    return row->format && row->format->columns[column][0] ? row->format->columns[column] : usual[column][0];
}

static const pc_json *present(const pc_row *row, const char *name)
{
    const pc_json *value = pc_json_get(row->json, name);
    return pc_json_is_null(value) ? NULL : value;
}

const pc_json *pc_row_column(const pc_row *row, pc_column column)
{
    if (row->format && row->format->columns[column][0]) {
        return present(row, row->format->columns[column]);
    }
    const pc_json *found = NULL;
    for (int i = 0; i < SPELLINGS && usual[column][i] && !found; i++) {
        found = present(row, usual[column][i]);
    }
    return found;
}

bool pc_row_is_column(const char *name)
{
    for (int column = 0; column < PC_COLUMNS; column++) {
        for (int i = 0; i < SPELLINGS && usual[column][i]; i++) {
            if (strcmp(usual[column][i], name) == 0) {
                return true;
            }
        }
    }
    return false;
}

pc_status pc_row_add_system(const pc_row *row, pc_sample *out)
{
    const pc_json *text = pc_row_column(row, PC_COLUMN_SYSTEM);
    if (!text || (pc_json_is_string(text) && pc_json_text_length(text) == 0)) {
        return PC_OK;
    }
    return pc_row_add_text(row, out, text, PC_ROLE_SYSTEM);
}

/* --- pictures --- */

static pc_status decode_picture(const pc_row_picture *picture, pc_sample *out)
{
    char where[40];
    snprintf(where, sizeof where, "picture %zu", out->image_count + 1);
    return pc_sample_decode_image(out, picture->bytes, picture->size, where);
}

static pc_status add_pictures(const pc_row *row, pc_sample *out)
{
    const pc_json *images = row->picture_count ? NULL : pc_row_column(row, PC_COLUMN_IMAGES);
    bool list = pc_json_is_array(images);
    size_t own = out->image_count;
    size_t count = row->picture_count ? row->picture_count : list ? pc_json_length(images) : images != NULL;
    if (count + own > MAX_PICTURES) {
        return pc_fail(PC_ERR_DATA, "%zu pictures; at most %d are taken", count + own, MAX_PICTURES);
    }
    if (count > 0 && own > 0) {
        return pc_fail(PC_ERR_DATA, "pictures both in the messages and in the column '%s'",
                       pc_row_column_name(row, PC_COLUMN_IMAGES));
    }
    size_t marked = (size_t)out->conversation.media_count[PC_MEDIA_IMAGE];
    PC_TRY(pc_conversation_place_media(&out->conversation, PC_MEDIA_IMAGE, (int)(count + own)));
    out->unmarked = (size_t)out->conversation.media_count[PC_MEDIA_IMAGE] - marked;
    for (size_t i = 0; i < row->picture_count; i++) {
        PC_TRY(decode_picture(&row->pictures[i], out));
    }
    for (size_t i = 0; i < count && !row->picture_count; i++) {
        PC_TRY(pc_row_load_picture(row, out, list ? pc_json_at(images, i) : images));
    }
    return PC_OK;
}

/* --- preferences --- */

static pc_status same_text(bool *out, const pc_json *a, const pc_json *b)
{
    pc_str x = {0}, y = {0};
    pc_status status;
    PC_GO(pc_json_write(&x, a, 0));
    PC_GO(pc_json_write(&y, b, 0));
    *out = x.length == y.length && memcmp(x.data, y.data, x.length) == 0;
done:
    pc_str_clear(&x);
    pc_str_clear(&y);
    return status;
}

/* The losing answer: a text, a message, or the rest of a list behind the messages that it shares with the winner. */
static pc_status add_lost(const pc_row *row, pc_sample *side, const pc_json *rejected)
{
    const pc_json *chosen = pc_row_column(row, PC_COLUMN_CHOSEN);
    bool common = true, asked = true;
    if (!pc_json_is_array(rejected)) {
        return pc_row_add_said(row, side, rejected, PC_ROLE_ASSISTANT);
    }
    for (size_t i = 0; i < pc_json_length(rejected); i++) {
        common = common && i < pc_json_length(chosen) && pc_json_at(chosen, i);
        PC_TRY(common ? same_text(&common, pc_json_at(chosen, i), pc_json_at(rejected, i)) : PC_OK);
        PC_TRY(common ? PC_OK : pc_row_add_message(row, side, pc_json_at(rejected, i), &asked));
    }
    return PC_OK;
}

static pc_status add_rejected(const pc_row *row, pc_sample *out, const pc_json *rejected)
{
    pc_sample side = {0};
    pc_status status = add_lost(row, &side, rejected);
    bool fits = side.conversation.count > 0 && side.image_count == 0;
    for (size_t i = 0; i < side.conversation.count; i++) {
        fits = fits && side.conversation.messages[i].role == PC_ROLE_ASSISTANT;
    }
    if (status == PC_OK && !fits) {
        status = pc_fail(PC_ERR_DATA, "'%s' is no answer that differs from the chosen one",
                         pc_row_column_name(row, PC_COLUMN_REJECTED));
    }
    if (status == PC_OK) {
        out->rejected = side.conversation;
        side.conversation = (pc_conversation){0};
    }
    pc_sample_clear(&side);
    return status;
}

static pc_status add_preference(const pc_row *row, pc_sample *out)
{
    const pc_json *chosen = pc_row_column(row, PC_COLUMN_CHOSEN), *rejected = pc_row_column(row, PC_COLUMN_REJECTED);
    const pc_json *label = pc_row_column(row, PC_COLUMN_LABEL);
    if (chosen) {
        PC_TRY(pc_row_add_said(row, out, chosen, PC_ROLE_ASSISTANT));
    }
    if (rejected) {
        PC_TRY(add_rejected(row, out, rejected));
    }
    if (pc_json_is_bool(label)) {
        out->label = pc_json_bool(label, false) ? 1 : -1;
    }
    return PC_OK;
}

/* --- rows --- */

static pc_status refuse_unused(const pc_row *row)
{
    static const pc_column unused[] = {PC_COLUMN_TOOLS, PC_COLUMN_VIDEOS, PC_COLUMN_AUDIOS};
    for (size_t i = 0; i < sizeof unused / sizeof unused[0]; i++) {
        const pc_json *value = pc_row_column(row, unused[i]);
        bool empty = !value || (pc_json_is_array(value) && pc_json_length(value) == 0) ||
                     (pc_json_is_string(value) && pc_json_text_length(value) == 0);
        if (!empty) {
            return pc_fail(PC_ERR_DATA, "'%s' can't be trained on yet", pc_row_column_name(row, unused[i]));
        }
    }
    return PC_OK;
}

static const pc_row_shape *find_shape(const pc_row *row)
{
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        if (shapes[i]->matches(row)) {
            return shapes[i];
        }
    }
    return NULL;
}

static bool has_role(const pc_conversation *conversation, pc_role role)
{
    for (size_t i = 0; i < conversation->count; i++) {
        if (conversation->messages[i].role == role) {
            return true;
        }
    }
    return false;
}

/* The row's numbers, truth values and texts, without the pictures. */
static pc_status keep_about(const pc_row *row, pc_sample *out)
{
    const pc_json *from = row->about ? row->about : row->json;
    out->about = pc_json_new_object();
    PC_TRY(out->about ? PC_OK : pc_fail_memory(0, "a row"));
    for (void *it = pc_json_first(from); it; it = pc_json_next(from, it)) {
        const pc_json *value = pc_json_value(it);
        bool text = pc_json_is_string(value) && pc_json_text_length(value) <= MAX_ABOUT && !pc_starts_with(pc_json_text(value), "data:");
        if (text || pc_json_is_number(value) || pc_json_is_bool(value)) {
            PC_TRY(pc_json_set(out->about, pc_json_key(it), pc_json_copy(value)));
        }
    }
    return PC_OK;
}

static pc_status read_row(const pc_row *row, pc_sample *out)
{
    const pc_row_shape *shape = find_shape(row);
    if (!shape && !pc_row_column(row, PC_COLUMN_CHOSEN)) {
        return pc_fail(PC_ERR_DATA, "no list \"%s\", and none of \"instruction\", \"prompt\", \"text\", \"question\"",
                       pc_row_column_name(row, PC_COLUMN_MESSAGES));
    }
    PC_TRY(refuse_unused(row));
    PC_TRY(shape ? shape->read(row, out) : PC_OK);
    PC_TRY(add_preference(row, out));
    if (!has_role(&out->conversation, PC_ROLE_USER)) {
        return pc_fail(PC_ERR_DATA, "nobody asks in the conversation");
    }
    return add_pictures(row, out);
}

/* RLHF-V's pairs stand in one column, as an object or as its JSON: {"text": {"question", "chosen", "rejected"}, "image"}. *out =
 * a new row with these as columns, NULL for other rows. */
static pc_status unwrap(const pc_row *row, pc_json **out)
{
    const pc_json *text = pc_json_get(row->json, "text");
    pc_json *parsed = NULL;
    pc_status status = PC_OK;
    *out = NULL;
    if (pc_json_is_string(text) && pc_json_text_length(text) > 0 && pc_json_text(text)[0] == '{') {
        status = pc_json_parse(&parsed, pc_json_text(text), pc_json_text_length(text), "text");
        PC_TRY(status == PC_ERR_DATA ? PC_OK : status); /* then it is a text like any other */
        status = PC_OK;
    }
    const pc_json *pair = parsed ? parsed : text;
    if (pc_json_get(pair, "question") && pc_json_get(pair, "chosen") && pc_json_get(pair, "rejected")) {
        *out = pc_json_copy(row->json);
        status = *out ? PC_OK : pc_fail_memory(0, "a row");
        for (void *it = pc_json_first(pair); it && status == PC_OK; it = pc_json_next(pair, it)) {
            status = pc_json_set(*out, pc_json_key(it), pc_json_copy(pc_json_value(it)));
        }
    }
    pc_json_free(parsed);
    return status;
}

pc_status pc_row_read(const pc_row *row, pc_sample *out)
{
    pc_json *unwrapped = NULL;
    pc_status status;
    if (!pc_json_is_object(row->json)) {
        return pc_fail(PC_ERR_DATA, "a row is %s; expected an object", pc_json_is_array(row->json) ? "a list" : "no object");
    }
    PC_GO(out->keep_source ? keep_about(row, out) : PC_OK);
    PC_GO(row->format ? PC_OK : unwrap(row, &unwrapped));
    pc_row as = *row;
    as.json = unwrapped ? unwrapped : row->json;
    status = read_row(&as, out);
done:
    pc_json_free(unwrapped);
    return status;
}
