#include "instruct/pools.h"

#include "base/memory.h"

#include <stdio.h>
#include <string.h>

enum { FILE_LIMIT = 16 << 20, FILES_MAX = 64 };

static const char *const form_names[PC_FORMS] = {"short", "long"};

typedef struct entry {
    const char *pool;
    pc_pool_texts forms[PC_FORMS];
} entry;

struct pc_pools {
    pc_json *files[FILES_MAX];
    int file_count;
    char *language;
    char *paths; /* for messages */
    entry *entries;
    size_t count, room;
};

/* --- reading --- */

static pc_status take_list(const char ***list, size_t *count, size_t *room, const pc_json *from, const char *where)
{
    if (from && !pc_json_is_array(from)) {
        return pc_fail(PC_ERR_DATA, "%s: expected a list of templates", where);
    }
    for (size_t i = 0; i < pc_json_length(from); i++) {
        const char *text = pc_json_text(pc_json_at(from, i));
        if (!text || !*text) {
            return pc_fail(PC_ERR_DATA, "%s[%zu]: expected a text", where, i);
        }
        PC_TRY(pc_grow(list, room, *count + 1, sizeof **list, "templates"));
        (*list)[(*count)++] = text;
    }
    return PC_OK;
}

static pc_status find_entry(entry **out, pc_pools *pools, const char *name)
{
    for (size_t i = 0; i < pools->count; i++) {
        if (strcmp(pools->entries[i].pool, name) == 0) {
            *out = &pools->entries[i];
            return PC_OK;
        }
    }
    PC_TRY(pc_grow(&pools->entries, &pools->room, pools->count + 1, sizeof *pools->entries, "pools"));
    *out = &pools->entries[pools->count++];
    **out = (entry){.pool = name};
    return PC_OK;
}

static pc_status take_form(pc_pool_texts *texts, const pc_json *from, const char *where)
{
    char inner[420];
    if (pc_json_get_bool(from, "replace", false)) {
        texts->ask_count = texts->answer_count = 0;
    }
    snprintf(inner, sizeof inner, "%s.ask", where);
    PC_TRY(take_list(&texts->ask, &texts->ask_count, &texts->ask_room, pc_json_get(from, "ask"), inner));
    snprintf(inner, sizeof inner, "%s.answer", where);
    return take_list(&texts->answer, &texts->answer_count, &texts->answer_room, pc_json_get(from, "answer"), inner);
}

static pc_status take_templates(pc_pools *pools, const pc_json *file, const char *path)
{
    const pc_json *all = pc_json_get(file, "templates");
    for (void *it = pc_json_first(all); it; it = pc_json_next(all, it)) {
        const pc_json *forms = pc_json_get(pc_json_value(it), pools->language);
        entry *into;
        PC_TRY(find_entry(&into, pools, pc_json_key(it)));
        for (int f = 0; f < PC_FORMS; f++) {
            char where[400];
            snprintf(where, sizeof where, "%.200s: %.80s.%s.%s", path, pc_json_key(it), pools->language, form_names[f]);
            PC_TRY(take_form(&into->forms[f], pc_json_get(forms, form_names[f]), where));
        }
    }
    return PC_OK;
}

static pc_status open_all(pc_pools *pools, const char *const *paths, int count)
{
    static const char *const keys[] = {"templates", "words", "names", "colours", "plurals"};
    pc_str list = {0};
    for (int i = 0; i < count; i++) {
        pc_status status = pc_str_printf(&list, "%s%s", i ? ", " : "", paths[i]);
        pools->paths = list.data;
        PC_TRY(status);
        PC_TRY(pc_json_read(&pools->files[pools->file_count], paths[i], FILE_LIMIT));
        const pc_json *file = pools->files[pools->file_count++];
        bool known = false;
        for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
            known = known || pc_json_is_object(pc_json_get(file, keys[k]));
        }
        PC_TRY(known ? PC_OK : pc_fail(PC_ERR_DATA, "%s: expected an object with \"templates\", \"words\", \"names\", \"colours\" or \"plurals\"", paths[i]));
        PC_TRY(take_templates(pools, file, paths[i]));
    }
    return PC_OK;
}

pc_status pc_pools_open(pc_pools **out, const char *const *paths, int count, const char *language)
{
    *out = NULL;
    if (count < 1 || count > FILES_MAX) {
        return pc_fail(PC_ERR_USAGE, "%d files of templates; expected 1 to %d", count, FILES_MAX);
    }
    PC_TRY(PC_NEW(*out, "pools of templates"));
    (*out)->language = pc_strdup(language);
    pc_status status = (*out)->language ? open_all(*out, paths, count) : pc_fail_memory(0, "a language");
    if (status != PC_OK) {
        pc_pools_free(*out);
        *out = NULL;
    }
    return status;
}

void pc_pools_free(pc_pools *pools)
{
    if (!pools) {
        return;
    }
    for (size_t i = 0; i < pools->count; i++) {
        for (int f = 0; f < PC_FORMS; f++) {
            pc_free(pools->entries[i].forms[f].ask);
            pc_free(pools->entries[i].forms[f].answer);
        }
    }
    for (int i = 0; i < FILES_MAX; i++) {
        pc_json_free(pools->files[i]);
    }
    pc_free(pools->entries);
    pc_free(pools->paths);
    pc_free(pools->language);
    pc_free(pools);
}

/* --- looking up --- */

const pc_pool_texts *pc_pools_find(const pc_pools *pools, const char *pool, pc_form form)
{
    for (size_t i = 0; i < pools->count; i++) {
        if (strcmp(pools->entries[i].pool, pool) == 0) {
            return pools->entries[i].forms[form].ask_count ? &pools->entries[i].forms[form] : NULL;
        }
    }
    return NULL;
}

static bool is_known(const char *name, size_t length, const char *const *known)
{
    for (; *known; known++) {
        if (strlen(*known) == length && strncmp(*known, name, length) == 0) {
            return true;
        }
    }
    return false;
}

static pc_status check_text(const pc_pools *pools, const char *pool, const char *text, const char *const *known)
{
    for (const char *at = text; (at = strchr(at, '{')); at++) {
        size_t length = strcspn(at + 1, "}");
        if (!at[1 + length] || !is_known(at + 1, length, known)) {
            return pc_fail(PC_ERR_DATA, "%s: pool %s, template '%.100s': %s '%.*s'", pools->paths, pool, text,
                           at[1 + length] ? "unknown variable" : "a brace stays open in", (int)(length < 60 ? length : 60), at + 1);
        }
    }
    return PC_OK;
}

pc_status pc_pools_check(const pc_pools *pools, const char *pool, const char *const *known)
{
    for (int f = 0; f < PC_FORMS; f++) {
        const pc_pool_texts *texts = pc_pools_find(pools, pool, (pc_form)f);
        for (size_t i = 0; texts && i < texts->ask_count; i++) {
            PC_TRY(check_text(pools, pool, texts->ask[i], known));
        }
        for (size_t i = 0; texts && i < texts->answer_count; i++) {
            PC_TRY(check_text(pools, pool, texts->answer[i], known));
        }
    }
    return PC_OK;
}

/* The latest file that has it. */
static const char *look_up(const pc_pools *pools, const char *section, const char *language, const char *key)
{
    for (int i = pools->file_count; i-- > 0;) {
        const pc_json *part = pc_json_get(pools->files[i], section);
        const char *text = pc_json_get_text(language ? pc_json_get(part, language) : part, key, NULL);
        if (text) {
            return text;
        }
    }
    return NULL;
}

bool pc_pools_english(const pc_pools *pools)
{
    return strcmp(pools->language, "en") == 0;
}

const char *pc_pools_word(const pc_pools *pools, const char *word)
{
    return look_up(pools, "words", pools->language, word);
}

const char *pc_pools_name(const pc_pools *pools, const char *name)
{
    const char *found = look_up(pools, "names", pools->language, name);
    return found || !pc_pools_english(pools) ? found : name;
}

const char *pc_pools_colour(const pc_pools *pools, const char *colour)
{
    return look_up(pools, "colours", pools->language, colour);
}

const char *pc_pools_any_colour(const pc_pools *pools, size_t wanted)
{
    for (int i = 0; i < pools->file_count; i++) {
        const pc_json *all = pc_json_get(pc_json_get(pools->files[i], "colours"), pools->language);
        for (void *it = pc_json_first(all); it; it = pc_json_next(all, it)) {
            if (wanted-- == 0) {
                return pc_json_key(it);
            }
        }
    }
    return NULL;
}

/* --- writing --- */

static bool ends_in(const char *word, size_t length, const char *end)
{
    size_t own = strlen(end);
    return length > own && strncmp(word + length - own, end, own) == 0;
}

/* The usual rules of spelling; exceptions stand in "plurals", looked up by the whole name and by its last word. */
static pc_status plural_of(const pc_pools *pools, pc_str *out, const char *word)
{
    size_t length = strlen(word);
    const char *known = look_up(pools, "plurals", NULL, word);
    if (known) {
        return pc_str_puts(out, known);
    }
    if (ends_in(word, length, "s") || ends_in(word, length, "x") || ends_in(word, length, "ch") || ends_in(word, length, "sh")) {
        return pc_str_printf(out, "%ses", word);
    }
    if (ends_in(word, length, "y") && !strchr("aeiou", word[length - 2])) {
        return pc_str_printf(out, "%.*sies", (int)length - 1, word);
    }
    return pc_str_printf(out, "%ss", word);
}

pc_status pc_pools_plural(const pc_pools *pools, pc_str *out, const char *name)
{
    const char *known = look_up(pools, "plurals", NULL, name), *last = strrchr(name, ' ');
    if (!pc_pools_english(pools)) {
        return pc_str_puts(out, name);
    }
    if (known) {
        return pc_str_puts(out, known);
    }
    if (last && strlen(last + 1) == 1) { /* "letter A": letters A */
        PC_TRY(pc_str_add(out, name, (size_t)(last - name)));
        return pc_str_printf(out, "s%s", last);
    }
    PC_TRY(last ? pc_str_add(out, name, (size_t)(last + 1 - name)) : PC_OK);
    return plural_of(pools, out, last ? last + 1 : name);
}

pc_status pc_pool_fill(pc_str *out, const char *text, const pc_variable *variables)
{
    for (;;) {
        size_t plain = strcspn(text, "{");
        PC_TRY(pc_str_add(out, text, plain));
        text += plain;
        if (!*text) {
            return PC_OK;
        }
        size_t length = strcspn(text + 1, "}");
        for (const pc_variable *v = variables; v->name; v++) {
            if (strlen(v->name) == length && strncmp(v->name, text + 1, length) == 0) {
                PC_TRY(pc_str_puts(out, v->text));
                break;
            }
        }
        text += length + 2;
    }
}
