#include "instruct/kinds.h"

#include "base/memory.h"
#include "base/str.h"

#include <stdio.h>
#include <string.h>

enum { FILE_LIMIT = 16 << 20, FILES_MAX = 16 };

typedef struct texts {
    const char **text; /* NULL-terminated */
    size_t count, room;
} texts;

struct pc_kinds {
    pc_json *files[FILES_MAX];
    int count;
    char *language;
    texts refusals, leaks;
};

static pc_status add_texts(texts *into, const pc_json *list)
{
    for (size_t i = 0; i <= pc_json_length(list); i++) { /* the last one is the end of the list */
        const char *text = pc_json_text(pc_json_at(list, i));
        PC_TRY(pc_grow(&into->text, &into->room, into->count + 2, sizeof *into->text, "texts"));
        into->text[into->count] = text;
        into->count += text != NULL;
        into->text[into->count] = NULL;
    }
    return PC_OK;
}

static bool are_texts(const pc_json *list)
{
    for (size_t i = 0; i < pc_json_length(list); i++) {
        if (!pc_json_is_string(pc_json_at(list, i))) {
            return false;
        }
    }
    return pc_json_is_array(list) && pc_json_length(list) > 0;
}

static bool are_seeds(const pc_json *list)
{
    for (size_t i = 0; i < pc_json_length(list); i++) {
        const pc_json *seed = pc_json_at(list, i);
        if (!pc_json_get_text(seed, "context", NULL) || !pc_json_get_text(seed, "reply", NULL)) {
            return false;
        }
    }
    return !list || pc_json_is_array(list);
}

static int form_of(const char *name)
{
    static const char *const forms[] = {"turns", "turn", "answer"};
    for (int i = 0; i < 3; i++) {
        if (strcmp(name, forms[i]) == 0) {
            return i;
        }
    }
    return -1;
}

static bool lists(const pc_json *list, const char *word)
{
    for (size_t i = 0; i < pc_json_length(list); i++) {
        const char *text = pc_json_text(pc_json_at(list, i));
        if (text && strcmp(text, word) == 0) {
            return true;
        }
    }
    return false;
}

static pc_status read_kind(pc_kind *out, const char *name, const pc_json *from, const char *where)
{
    int form = form_of(pc_json_get_text(from, "reply", ""));
    const pc_json *context = pc_json_get(from, "context");
    *out = (pc_kind){.name = name, .system = pc_json_get_text(from, "system", NULL), .form = (pc_reply_form)form,
                     .picture = pc_json_get_bool(from, "picture", false), .captions = lists(context, "captions"), .boxes = lists(context, "boxes"),
                     .ask = pc_json_get(from, "ask"), .seeds = pc_json_get(from, "seeds")};
    const char *missing = !out->system                                        ? "a text \"system\""
                          : form < 0                                          ? "\"reply\": \"turns\", \"turn\" or \"answer\""
                          : form == PC_REPLY_ANSWER && !are_texts(out->ask)   ? "a list \"ask\" of questions that the reply answers"
                          : !are_seeds(out->seeds)                            ? "\"seeds\": a list of {\"context\", \"reply\"}"
                          : !out->captions && !out->boxes && !out->picture    ? "\"context\" of \"captions\" or \"boxes\", or \"picture\": true"
                                                                              : NULL;
    return missing ? pc_fail(PC_ERR_DATA, "%s: kind %.60s: expected %s", where, name, missing) : PC_OK;
}

static pc_status check_file(const pc_kinds *kinds, const pc_json *file, const char *path)
{
    const pc_json *all = pc_json_get(file, "kinds");
    if (!pc_json_is_object(all) && !pc_json_get(file, "refusals") && !pc_json_get(file, "leaks")) {
        return pc_fail(PC_ERR_DATA, "%s: expected an object \"kinds\"", path);
    }
    for (void *it = pc_json_first(all); it; it = pc_json_next(all, it)) {
        const pc_json *own = pc_json_get(pc_json_value(it), kinds->language);
        pc_kind kind;
        PC_TRY(own ? read_kind(&kind, pc_json_key(it), own, path) : PC_OK);
    }
    return PC_OK;
}

static pc_status open_all(pc_kinds *kinds, const char *const *paths, int count)
{
    PC_TRY(add_texts(&kinds->refusals, NULL));
    PC_TRY(add_texts(&kinds->leaks, NULL));
    for (int i = 0; i < count; i++) {
        PC_TRY(pc_json_read(&kinds->files[i], paths[i], FILE_LIMIT));
        kinds->count++;
        PC_TRY(check_file(kinds, kinds->files[i], paths[i]));
        PC_TRY(add_texts(&kinds->refusals, pc_json_get(pc_json_get(kinds->files[i], "refusals"), kinds->language)));
        PC_TRY(add_texts(&kinds->leaks, pc_json_get(pc_json_get(kinds->files[i], "leaks"), kinds->language)));
    }
    return PC_OK;
}

pc_status pc_kinds_open(pc_kinds **out, const char *const *paths, int count, const char *language)
{
    *out = NULL;
    if (count < 1 || count > FILES_MAX) {
        return pc_fail(PC_ERR_USAGE, "%d files of kinds; expected 1 to %d", count, FILES_MAX);
    }
    PC_TRY(PC_NEW(*out, "kinds of instructions"));
    (*out)->language = pc_strdup(language);
    pc_status status = (*out)->language ? open_all(*out, paths, count) : pc_fail_memory(0, "a language");
    if (status != PC_OK) {
        pc_kinds_free(*out);
        *out = NULL;
    }
    return status;
}

void pc_kinds_free(pc_kinds *kinds)
{
    if (kinds) {
        for (int i = 0; i < FILES_MAX; i++) {
            pc_json_free(kinds->files[i]);
        }
        pc_free(kinds->refusals.text);
        pc_free(kinds->leaks.text);
        pc_free(kinds->language);
        pc_free(kinds);
    }
}

static pc_status refuse(const pc_kinds *kinds, const char *name, size_t length)
{
    pc_str list = {0};
    pc_status status = pc_str_puts(&list, "");
    for (int i = 0; i < kinds->count && status == PC_OK; i++) {
        const pc_json *all = pc_json_get(kinds->files[i], "kinds");
        for (void *it = pc_json_first(all); it && status == PC_OK; it = pc_json_next(all, it)) {
            status = pc_json_get(pc_json_value(it), kinds->language) ? pc_str_printf(&list, " %s", pc_json_key(it)) : PC_OK;
        }
    }
    status = status == PC_OK ? pc_fail(PC_ERR_USAGE, "no kind '%.*s' in language %s; there are:%.500s", (int)(length < 60 ? length : 60), name,
                                       kinds->language, list.data)
                             : status;
    pc_str_clear(&list);
    return status;
}

pc_status pc_kinds_find(const pc_kinds *kinds, const char *name, size_t length, pc_kind *out)
{
    for (int i = kinds->count; i-- > 0;) {
        const pc_json *all = pc_json_get(kinds->files[i], "kinds");
        for (void *it = pc_json_first(all); it; it = pc_json_next(all, it)) {
            const pc_json *own = pc_json_get(pc_json_value(it), kinds->language);
            if (own && strlen(pc_json_key(it)) == length && strncmp(pc_json_key(it), name, length) == 0) {
                return read_kind(out, pc_json_key(it), own, "kinds");
            }
        }
    }
    return refuse(kinds, name, length);
}

const char *const *pc_kinds_refusals(const pc_kinds *kinds)
{
    return kinds->refusals.text;
}

const char *const *pc_kinds_leaks(const pc_kinds *kinds)
{
    return kinds->leaks.text;
}
