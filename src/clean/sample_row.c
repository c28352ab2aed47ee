#include "clean/sample_row.h"

#include "data/rows.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

bool pc_clean_is_caption(const pc_sample *sample)
{
    const pc_conversation *c = &sample->conversation;
    bool shape = c->count == 2 && c->messages[0].role == PC_ROLE_USER && c->messages[1].role == PC_ROLE_ASSISTANT &&
                 sample->rejected.count == 0 && sample->label == 0 && sample->image_count == 1;
    for (size_t i = 0; shape && i < c->messages[0].count; i++) {
        const pc_part *part = &c->parts[c->messages[0].first + i];
        shape = !part->text || part->length == 0;
    }
    return shape;
}

static bool has_mark(const pc_part *part)
{
    return memmem(part->text, part->length, "<image>", 7) || memmem(part->text, part->length, "<video>", 7) ||
           memmem(part->text, part->length, "<audio>", 7);
}

static pc_status add_part(pc_json *list, const pc_part *part)
{
    pc_json *object = pc_json_new_object();
    pc_status status = object ? pc_json_set(object, "type", pc_json_new_text(part->text ? "text" : "image")) : pc_fail_memory(0, "a row");
    if (status == PC_OK && part->text) {
        status = pc_json_set(object, "text", pc_json_new_text_n(part->text, part->length));
    }
    if (status != PC_OK) {
        pc_json_free(object);
        return status;
    }
    return pc_json_push(list, object);
}

/* A text, or parts where there are pictures or marks. *out is a new root. */
static pc_status make_content(pc_json **out, const pc_conversation *conversation, const pc_message *message)
{
    const pc_part *parts = conversation->parts + message->first;
    bool plain = message->count <= 1 && (message->count == 0 || (parts[0].text && !has_mark(&parts[0])));
    if (plain) {
        *out = pc_json_new_text_n(message->count ? parts[0].text : "", message->count ? parts[0].length : 0);
        return *out ? PC_OK : pc_fail_memory(0, "a row");
    }
    *out = pc_json_new_array();
    pc_status status = *out ? PC_OK : pc_fail_memory(0, "a row");
    for (size_t i = 0; i < message->count && status == PC_OK; i++) {
        status = add_part(*out, &parts[i]);
    }
    return status;
}

static pc_status add_message(pc_json *list, const pc_conversation *conversation, const pc_message *message)
{
    pc_json *content = NULL, *object = pc_json_new_object();
    pc_status status;
    PC_GO(object ? PC_OK : pc_fail_memory(0, "a row"));
    PC_GO(make_content(&content, conversation, message));
    PC_GO(pc_json_set(object, "role", pc_json_new_text(pc_role_name(message->role))));
    status = pc_json_set(object, "content", content);
    content = NULL;
    PC_GO(status);
    status = pc_json_push(list, object);
    object = NULL;
done:
    pc_json_free(content);
    pc_json_free(object);
    return status;
}

static pc_status add_messages(pc_json *row, const char *key, const pc_conversation *conversation)
{
    pc_json *list = pc_json_new_array();
    pc_status status = list ? PC_OK : pc_fail_memory(0, "a row");
    for (size_t m = 0; m < conversation->count && status == PC_OK; m++) {
        status = add_message(list, conversation, &conversation->messages[m]);
    }
    if (status != PC_OK) {
        pc_json_free(list);
        return status;
    }
    return pc_json_set(row, key, list);
}

pc_status pc_clean_add_row(pc_json *row, const pc_sample *sample, const pc_clean_measures *measures)
{
    if (pc_clean_is_caption(sample)) {
        return pc_json_set(row, "text", pc_json_new_text_n(measures->text, measures->length));
    }
    PC_TRY(add_messages(row, "messages", &sample->conversation));
    PC_TRY(sample->rejected.count ? add_messages(row, "rejected_response", &sample->rejected) : PC_OK);
    return sample->label ? pc_json_set(row, "label", pc_json_new_bool(sample->label > 0)) : PC_OK;
}

static bool is_ours(const char *name)
{
    return strncmp(name, "clean_", 6) == 0 || strcmp(name, "width") == 0 || strcmp(name, "height") == 0;
}

pc_status pc_clean_add_about(pc_json *row, const pc_sample *sample, const pc_clean_measures *m)
{
    char phash[20];
    for (void *it = pc_json_first(sample->about); it; it = pc_json_next(sample->about, it)) {
        const char *name = pc_json_key(it);
        if (!pc_row_is_column(name) && !is_ours(name)) {
            PC_TRY(pc_json_set(row, name, pc_json_copy(pc_json_value(it))));
        }
    }
    snprintf(phash, sizeof phash, "%016" PRIx64, m->phash);
    PC_TRY(pc_json_set(row, "width", pc_json_new_integer(m->width)));
    PC_TRY(pc_json_set(row, "height", pc_json_new_integer(m->height)));
    PC_TRY(pc_json_set(row, "clean_words", pc_json_new_integer(m->words)));
    PC_TRY(pc_json_set(row, "clean_language", pc_json_new_text(m->language)));
    PC_TRY(pc_json_set(row, "clean_phash", pc_json_new_text(phash)));
    return isnan(m->similarity) ? PC_OK : pc_json_set(row, "clean_similarity", pc_json_new_number(m->similarity));
}

const char *pc_clean_picture_suffix(const char *bytes, size_t size)
{
    static const struct {
        const char *magic;
        size_t at, length;
        const char *suffix;
    } kinds[] = {
        {"\xff\xd8\xff", 0, 3, "jpg"}, {"\x89PNG", 0, 4, "png"}, {"GIF8", 0, 4, "gif"},    {"WEBP", 8, 4, "webp"},
        {"BM", 0, 2, "bmp"},           {"II*", 0, 3, "tif"},     {"MM\0*", 0, 4, "tif"},   {"ftypavif", 4, 8, "avif"},
        {"ftyp", 4, 4, "heic"},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (size >= kinds[i].at + kinds[i].length && memcmp(bytes + kinds[i].at, kinds[i].magic, kinds[i].length) == 0) {
            return kinds[i].suffix;
        }
    }
    return "img";
}
