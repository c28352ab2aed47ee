/* Dataset kind `emoji`: pictures of emoji and their names in twelve languages (Noto emoji, Unicode CLDR short names).
 *
 *   FOLDER/names-12-languages.jsonl   {"file": "emoji_u0023.png", "en": "hash sign", "de": "Doppelkreuz", ...}
 *   FOLDER/png72/emoji_u0023.png      72 x 72
 *
 * A sample is a picture with one turn for each language: "What is this?" asked in it, and the name. content "train" (also
 * NULL) leaves out every tenth picture, "test" has those, "all" has all; lang keeps one language.
 */
#include "base/file.h"
#include "base/memory.h"
#include "data/dataset.h"
#include "data/json_file.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { EVERY = 10, TEST = 9 };

static const struct language {
    const char *code, *question;
} languages[] = {
    {"en", "What is this?"},     {"de", "Was ist das?"},      {"fr", "Qu'est-ce que c'est ?"}, {"es", "¿Qué es esto?"},
    {"it", "Che cos'è?"},        {"pt", "O que é isto?"},     {"ru", "Что это?"},              {"zh", "这是什么？"},
    {"ja", "これは何ですか？"}, {"ko", "이것은 무엇입니까?"}, {"ar", "ما هذا؟"},               {"hi", "यह क्या है?"},
};
enum { LANGUAGES = sizeof languages / sizeof languages[0] };

typedef struct emoji {
    pc_json_file file;
    char *folder;
    const struct language *only; /* NULL = all */
    bool train, test;
} emoji;

static bool find_names(const char *folder, char file[PATH_MAX])
{
    int length = snprintf(file, PATH_MAX, "%s/names-12-languages.jsonl", folder);
    return length > 0 && length < PATH_MAX && pc_path_exists(file);
}

static bool matches(const char *path)
{
    char file[PATH_MAX];
    return find_names(path, file);
}

static void close_emoji(void *state)
{
    emoji *self = state;
    pc_json_file_close(&self->file);
    pc_free(self->folder);
    pc_free(self);
}

static pc_status take_options(emoji *self, const pc_dataset_options *options)
{
    const char *content = options->content ? options->content : "train";
    bool all = strcmp(content, "all") == 0;
    self->train = all || strcmp(content, "train") == 0;
    self->test = all || strcmp(content, "test") == 0;
    if (!self->train && !self->test) {
        return pc_fail(PC_ERR_USAGE, "content '%s': expected train, test or all", content);
    }
    for (int i = 0; options->lang && i < LANGUAGES; i++) {
        self->only = strcmp(languages[i].code, options->lang) == 0 ? &languages[i] : self->only;
    }
    return !options->lang || self->only ? PC_OK : pc_fail(PC_ERR_USAGE, "lang '%s' is none of en de fr es it pt ru zh ja ko ar hi",
                                                          options->lang);
}

/* Pictures of the first `rows` lines that belong to the chosen part. */
static int64_t count_rows(const emoji *self, int64_t rows)
{
    int64_t test = rows / EVERY + (rows % EVERY > TEST);
    return (self->train ? rows - test : 0) + (self->test ? test : 0);
}

static pc_status open_folder(void **state, int64_t *count, const char *path, const pc_dataset_options *options)
{
    emoji *self = NULL;
    char file[PATH_MAX];
    pc_json_index_options how = {.lines = true};
    pc_status status;
    PC_GO(PC_NEW(self, "a dataset"));
    self->file.fd = -1;
    self->folder = pc_path_join(path, "png72");
    PC_GO(self->folder ? PC_OK : pc_fail_memory(strlen(path), "a path"));
    PC_GO(find_names(path, file) ? PC_OK : pc_fail(PC_ERR_DATA, "%s: there is no names-12-languages.jsonl", path));
    PC_GO(take_options(self, options));
    PC_GO(pc_json_file_open(&self->file, file, &how));
    *state = self;
    *count = count_rows(self, (int64_t)self->file.index.count);
    self = NULL;
done:
    if (self) {
        close_emoji(self);
    }
    return status;
}

static int64_t row_of(const emoji *self, int64_t index)
{
    if (self->train && self->test) {
        return index;
    }
    return self->test ? index * EVERY + TEST : index / (EVERY - 1) * EVERY + index % (EVERY - 1);
}

static pc_status add_turns(const emoji *self, pc_sample *out, const pc_json *row)
{
    for (int i = 0; i < LANGUAGES; i++) {
        const struct language *language = &languages[i];
        const char *name = pc_json_get_text(row, language->code, NULL);
        if (!name || (self->only && self->only != language)) {
            continue;
        }
        PC_TRY(pc_conversation_say(&out->conversation, PC_ROLE_USER, language->question));
        PC_TRY(pc_conversation_say(&out->conversation, PC_ROLE_ASSISTANT, name));
    }
    return out->conversation.count ? PC_OK : pc_fail(PC_ERR_DATA, "no name in the language");
}

static pc_status read_row(const emoji *self, pc_sample *out, const pc_json *row)
{
    const char *name = pc_json_get_text(row, "file", NULL);
    if (!name || !pc_path_is_plain(name)) {
        return pc_fail(PC_ERR_DATA, "\"file\" is no file's name");
    }
    PC_TRY(add_turns(self, out, row));
    PC_TRY(pc_conversation_place_media(&out->conversation, PC_MEDIA_IMAGE, 1));
    char *path = pc_path_join(self->folder, name);
    pc_status status = path ? pc_sample_load_image(out, path) : pc_fail_memory(strlen(name), "a path");
    pc_free(path);
    return status;
}

static pc_status read_sample(void *state, int64_t index, pc_sample *out)
{
    const emoji *self = state;
    pc_json *row = NULL;
    PC_TRY(pc_json_file_read(&self->file, row_of(self, index), &row));
    pc_status status = read_row(self, out, row);
    pc_json_free(row);
    return status;
}

static int64_t line_of(void *state, int64_t index)
{
    const emoji *self = state;
    return self->file.index.places[row_of(self, index)].line;
}

const pc_dataset_type pc_dataset_emoji = {
    .name = "emoji",
    .help = "pictures of emoji with their names in twelve languages",
    .matches = matches,
    .open = open_folder,
    .read = read_sample,
    .line = line_of,
    .close = close_emoji,
};
