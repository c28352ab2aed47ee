/* Dataset kind `llava_json`: a JSON list of conversations with pictures, of any size.
 *
 *   [{"id": ..., "image": "a.png" | ["a.png", ...] | absent,
 *     "conversations": [{"from": "human", "value": "<image>\nWhat is it?"}, {"from": "gpt", "value": "A cat."}]}, ...]
 *
 * Also "images" for "image", "messages" for "conversations", "role"/"content" for "from"/"value", and content as a list
 * of {"type": "text"} and {"type": "image"} parts. Only the places of the samples are held in memory (16 bytes each).
 *
 * Source: LLaVA, docs/Finetune_Custom_Data.md and llava/train/train.py (preprocess_multimodal: marks go to the front of
 * a user's message that has some, the rest is trimmed; a conversation that a model opens loses that message). Departures:
 * a picture without a mark goes to the front of the first user message; a mark without a picture makes a bad sample; in
 * answers "<image>" is text.
 */
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "data/dataset.h"
#include "data/json_index.h"
#include "media/decode.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_PICTURES = 256 }; /* of one sample */

typedef struct llava_json {
    int fd;
    char *images; /* folder */
    pc_json_index index;
} llava_json;

static bool matches(const char *path)
{
    return pc_ends_with(path, ".json") && pc_path_exists(path) && !pc_path_is_directory(path);
}

static void close_file(void *state)
{
    llava_json *self = state;
    if (self->fd >= 0) {
        close(self->fd);
    }
    pc_free(self->images);
    pc_json_index_clear(&self->index);
    pc_free(self);
}

static pc_status set_up(llava_json *self, const char *path, const pc_dataset_options *options)
{
    struct stat info;
    self->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (self->fd < 0 || fstat(self->fd, &info) != 0) {
        return pc_fail(PC_ERR_IO, "%s: cannot be opened: %s", path, strerror(errno));
    }
    if (!S_ISREG(info.st_mode)) {
        return pc_fail(PC_ERR_IO, "%s: not a regular file", path);
    }
    self->images = options->image_folder ? pc_strdup(options->image_folder) : pc_path_parent(path);
    if (!self->images) {
        return pc_fail_memory(strlen(path) + 1, "a path");
    }
    return pc_json_index_build(&self->index, self->fd, path, options->limit);
}

static pc_status open_file(void **state, int64_t *count, const char *path, const pc_dataset_options *options)
{
    llava_json *self = NULL;
    PC_TRY(PC_NEW(self, "a dataset"));
    pc_status status = set_up(self, path, options);
    if (status != PC_OK) {
        close_file(self);
        return status;
    }
    *state = self;
    *count = (int64_t)self->index.count;
    return PC_OK;
}

/* --- conversations --- */

static bool has_mark(const char *text, size_t length)
{
    return memmem(text, length, "<image>", 7) || memmem(text, length, "<video>", 7) ||
           memmem(text, length, "<audio>", 7);
}

static pc_status add_part(pc_conversation *out, const pc_json *part)
{
    const char *type = pc_json_get_text(part, "type", "");
    const pc_json *text = pc_json_get(part, "text");
    if (strcmp(type, "text") == 0 && pc_json_is_string(text)) {
        return pc_conversation_add_text(out, pc_json_text(text), pc_json_text_length(text));
    }
    if (strcmp(type, "image") == 0) {
        return pc_conversation_add_media(out, PC_MEDIA_IMAGE, out->media_count[PC_MEDIA_IMAGE]);
    }
    return pc_fail(PC_ERR_DATA, "a part of a message is neither text nor image");
}

static pc_status add_content(pc_conversation *out, const pc_json *content, pc_role role)
{
    if (pc_json_is_array(content)) {
        for (size_t i = 0; i < pc_json_length(content); i++) {
            PC_TRY(add_part(out, pc_json_at(content, i)));
        }
        return PC_OK;
    }
    if (!pc_json_is_string(content)) {
        return pc_fail(PC_ERR_DATA, "message %zu has no text", out->count);
    }
    const char *text = pc_json_text(content);
    size_t length = pc_json_text_length(content);
    return role == PC_ROLE_USER && has_mark(text, length)
               ? pc_conversation_add_marked(out, text, length, PC_MARKERS_FIRST)
               : pc_conversation_add_text(out, text, length);
}

static const pc_json *either(const pc_json *object, const char *key, const char *other)
{
    const pc_json *value = pc_json_get(object, key);
    return value ? value : pc_json_get(object, other);
}

static pc_status add_message(pc_conversation *out, const pc_json *message, bool *asked)
{
    const pc_json *name = either(message, "from", "role");
    pc_role role;
    if (!pc_json_is_string(name)) {
        return pc_fail(PC_ERR_DATA, "message %zu does not say who speaks (\"from\" or \"role\")", out->count + 1);
    }
    PC_TRY(pc_role_parse(&role, pc_json_text(name)));
    if (role == PC_ROLE_ASSISTANT && !*asked) {
        return PC_OK; /* the model speaks first */
    }
    *asked = *asked || role == PC_ROLE_USER;
    PC_TRY(pc_conversation_begin(out, role));
    return add_content(out, either(message, "value", "content"), role);
}

static pc_status add_conversation(pc_conversation *out, const pc_json *sample)
{
    const pc_json *messages = either(sample, "conversations", "messages");
    bool asked = false;
    if (!pc_json_is_array(messages)) {
        return pc_fail(PC_ERR_DATA, "no list \"conversations\"");
    }
    for (size_t i = 0; i < pc_json_length(messages); i++) {
        PC_TRY(add_message(out, pc_json_at(messages, i), &asked));
    }
    return asked ? PC_OK : pc_fail(PC_ERR_DATA, "nobody asks in the conversation");
}

/* --- pictures --- */

static pc_status add_picture(const llava_json *self, pc_sample *out, const pc_json *name)
{
    const char *text = pc_json_text(name);
    pc_image *image;
    if (!text || strlen(text) != pc_json_text_length(name) || !pc_path_is_plain(text)) {
        return pc_fail(PC_ERR_DATA, "picture %zu: expected a path below the folder of the pictures, found '%s'",
                       out->image_count + 1, text ? text : "no text");
    }
    char *path = pc_path_join(self->images, text);
    if (!path) {
        return pc_fail_memory(strlen(text) + 1, "a path");
    }
    pc_status status = pc_image_load(&image, path, NULL);
    pc_free(path);
    return status == PC_OK ? pc_sample_add_image(out, image) : status;
}

static pc_status add_pictures(const llava_json *self, pc_sample *out, const pc_json *sample)
{
    const pc_json *images = either(sample, "image", "images");
    bool list = pc_json_is_array(images);
    size_t count = list ? pc_json_length(images) : !pc_json_is_null(images);
    if (count > MAX_PICTURES) {
        return pc_fail(PC_ERR_DATA, "%zu pictures; at most %d are taken", count, MAX_PICTURES);
    }
    PC_TRY(pc_conversation_place_media(&out->conversation, PC_MEDIA_IMAGE, (int)count));
    for (size_t i = 0; i < count; i++) {
        PC_TRY(add_picture(self, out, list ? pc_json_at(images, i) : images));
    }
    return PC_OK;
}

/* --- one sample --- */

static pc_status read_bytes(const llava_json *self, const pc_json_place *place, char *bytes)
{
    size_t done = 0;
    while (done < (size_t)place->size) {
        ssize_t got = pread(self->fd, bytes + done, (size_t)place->size - done, place->offset + (int64_t)done);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return pc_fail(PC_ERR_IO, "byte %" PRId64 ": %s", place->offset + (int64_t)done,
                           got == 0 ? "the file has become shorter" : strerror(errno));
        }
        done += (size_t)got;
    }
    return PC_OK;
}

static pc_status read_sample(void *state, int64_t index, pc_sample *out)
{
    const llava_json *self = state;
    const pc_json_place *place = &self->index.places[index];
    char *bytes = NULL, where[48];
    pc_json *sample = NULL;
    pc_status status;
    snprintf(where, sizeof where, "the object at byte %" PRId64, place->offset);
    PC_GO(PC_NEW_ARRAY(bytes, (size_t)place->size, "a sample"));
    PC_GO(read_bytes(self, place, bytes));
    PC_GO(pc_json_parse(&sample, bytes, (size_t)place->size, where));
    status = add_conversation(&out->conversation, sample);
    if (status == PC_OK) {
        status = add_pictures(self, out, sample);
    }
    if (status == PC_ERR_DATA) {
        pc_fail_prefix(status, "%s", where);
    }
done:
    pc_json_free(sample);
    pc_free(bytes);
    return status;
}

const pc_dataset_type pc_dataset_llava_json = {
    .name = "llava_json",
    .help = "a JSON list of conversations with pictures, as LLaVA has it",
    .matches = matches,
    .open = open_file,
    .read = read_sample,
    .close = close_file,
};
