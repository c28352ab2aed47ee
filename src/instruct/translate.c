#include "instruct/translate.h"

#include "base/file.h"
#include "data/row_file.h"
#include "instruct/replies.h"
#include "instruct/row_source.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char mark[] = "<image>";

typedef struct range {
    unsigned first, last;
} range;

/* Languages by their code, as a model is told them, and the scripts that only they of the two languages have. */
static const struct language {
    const char *code, *name;
    range scripts[3];
} languages[] = {
    {"zh", "Simplified Chinese", {{0x4E00, 0x9FFF}, {0x3400, 0x4DBF}}},
    {"ja", "Japanese", {{0x3040, 0x30FF}, {0x4E00, 0x9FFF}}},
    {"ko", "Korean", {{0xAC00, 0xD7A3}}},
    {"ru", "Russian", {{0x0400, 0x04FF}}},
    {"uk", "Ukrainian", {{0x0400, 0x04FF}}},
    {"ar", "Arabic", {{0x0600, 0x06FF}}},
    {"en", "English", {{0}}},
    {"de", "German", {{0}}},
    {"fr", "French", {{0}}},
    {"es", "Spanish", {{0}}},
    {"pt", "Portuguese", {{0}}},
    {"it", "Italian", {{0}}},
};

typedef struct translating {
    const pc_translate_options *options;
    pc_translate_counts *counts;
    const struct language *language; /* NULL = an unknown code */
    pc_row_source source;
    pc_json *row;
    int64_t at;     /* the row; -1 = none */
    pc_json *turns; /* of the row */
    const char *key; /* "value" or "content" */
    pc_turns found;
    pc_str text;
    pc_row_file rows, apart;
} translating;

/* --- rows --- */

static pc_status look_at(translating *t, int64_t request)
{
    if (t->at == request) {
        return PC_OK;
    }
    pc_json_free(t->row);
    t->row = NULL;
    t->at = -1;
    PC_TRY(pc_row_source_read(&t->source, request, &t->row));
    t->turns = pc_json_get(t->row, "conversations");
    t->key = "value";
    if (!pc_json_is_array(t->turns)) {
        t->turns = pc_json_get(t->row, "messages");
        t->key = "content";
    }
    if (!pc_json_is_array(t->turns)) {
        return pc_fail(PC_ERR_DATA, "row %" PRId64 ": no list \"conversations\" or \"messages\"", request);
    }
    for (size_t i = 0; i < pc_json_length(t->turns); i++) {
        if (!pc_json_get_text(pc_json_at(t->turns, i), t->key, NULL)) {
            return pc_fail(PC_ERR_DATA, "row %" PRId64 ": turn %zu has no text \"%s\"", request, i + 1, t->key);
        }
    }
    t->at = request;
    return PC_OK;
}

/* A text between its marks: *before stand in front, *behind follow; what is to be translated lies between. */
static void bare(const char *text, size_t *from, size_t *length)
{
    *from = 0;
    *length = strlen(text);
    for (;;) {
        if (pc_starts_with(text + *from, mark)) {
            *from += sizeof mark - 1;
        } else if (text[*from] && strchr(" \n\t", text[*from])) {
            ++*from;
        } else {
            break;
        }
    }
    *length -= *from;
    for (bool more = *length > 0; more;) {
        more = false;
        if (*length >= sizeof mark - 1 && strncmp(text + *from + *length - (sizeof mark - 1), mark, sizeof mark - 1) == 0) {
            *length -= sizeof mark - 1;
            more = true;
        } else if (*length && strchr(" \n\t", text[*from + *length - 1])) {
            --*length;
            more = true;
        }
    }
}

static bool has_letters(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (isalpha((unsigned char)text[i])) {
            return true;
        }
    }
    return false;
}

/* --- requests --- */

static const char *name_of(const translating *t)
{
    return t->options->language_name ? t->options->language_name : t->language ? t->language->name : t->options->language;
}

static pc_status make(void *self, int64_t request, pc_ask *out)
{
    translating *t = self;
    pc_str rules = {0};
    pc_status status;
    PC_TRY(look_at(t, request));
    pc_str_reset(&t->text);
    for (size_t i = 0; i < pc_json_length(t->turns); i++) {
        size_t from, length;
        const char *text = pc_json_get_text(pc_json_at(t->turns, i), t->key, "");
        bare(text, &from, &length);
        PC_TRY(pc_str_printf(&t->text, "%s[%zu] %.*s", i ? "\n" : "", i + 1, (int)length, text + from));
    }
    out->nothing = pc_json_length(t->turns) == 0;
    PC_GO(pc_str_printf(&rules, "You translate talks about pictures into %s. The texts of a talk are numbered. Translate each of them faithfully and "
                                "naturally, keep numbers, coordinates in brackets and line breaks as they are, and keep short answers short. Reply "
                                "with the translations alone, each behind its number in brackets, in the same order: [1] ...%s%s",
                        name_of(t), t->options->rules ? " " : "", t->options->rules ? t->options->rules : ""));
    PC_GO(pc_conversation_say(&out->conversation, PC_ROLE_SYSTEM, rules.data));
    PC_GO(pc_conversation_say(&out->conversation, PC_ROLE_USER, t->text.data ? t->text.data : ""));
done:
    pc_str_clear(&rules);
    return status;
}

/* --- replies --- */

static bool in_script(const struct language *language, const char *text)
{
    for (size_t i = 0, length = strlen(text); i < length;) {
        unsigned c;
        int used = pc_utf8_decode(text + i, length - i, &c);
        i += used > 0 ? (size_t)used : 1;
        for (int s = 0; used > 0 && s < 3 && language->scripts[s].last; s++) {
            if (c >= language->scripts[s].first && c <= language->scripts[s].last) {
                return true;
            }
        }
    }
    return false;
}

static pc_status check(translating *t, const char *reply, bool *good, char *reason)
{
    bool translated = false, letters = false;
    PC_TRY(pc_reply_numbered(&t->found, reply, pc_json_length(t->turns), good, reason));
    for (size_t i = 0; *good && i < t->found.count; i++) {
        size_t from, length;
        const char *text = pc_json_get_text(pc_json_at(t->turns, i), t->key, "");
        bare(text, &from, &length);
        letters = letters || has_letters(text + from, length);
        translated = translated || (t->language && in_script(t->language, t->found.turn[i].answer));
        if (strstr(t->found.turn[i].answer, mark)) {
            *good = false;
            snprintf(reason, PC_REPLY_REASON, "text [%zu] says '%s'", i + 1, mark);
        }
    }
    if (*good && letters && t->language && t->language->scripts[0].last && !translated) {
        *good = false;
        snprintf(reason, PC_REPLY_REASON, "no character of %s: the texts were copied", t->language->name);
    }
    return PC_OK;
}

static pc_status read(void *self, int64_t request, const pc_answer *answer, pc_reply_check *out)
{
    translating *t = self;
    bool good;
    PC_TRY(look_at(t, request));
    PC_TRY(check(t, answer->text.data, &good, out->reason));
    out->verdict = good ? PC_VERDICT_GOOD : PC_VERDICT_MALFORMED;
    return PC_OK;
}

/* --- the translated rows --- */

static pc_status exchange(translating *t)
{
    for (size_t i = 0; i < t->found.count; i++) {
        pc_json *turn = pc_json_at(t->turns, i);
        const char *text = pc_json_get_text(turn, t->key, "");
        size_t from, length;
        bare(text, &from, &length);
        pc_str_reset(&t->text);
        PC_TRY(pc_str_add(&t->text, text, from));
        PC_TRY(pc_str_puts(&t->text, t->found.turn[i].answer));
        PC_TRY(pc_str_puts(&t->text, text + from + length));
        PC_TRY(pc_json_set(turn, t->key, pc_json_new_text_n(t->text.data, t->text.length)));
    }
    return pc_json_set(t->row, "language", pc_json_new_text(t->options->language));
}

static pc_status take_line(void *user, const pc_json *line)
{
    translating *t = user;
    char reason[PC_REPLY_REASON];
    bool good;
    const char *verdict = pc_json_get_text(line, "verdict", "");
    if (strcmp(verdict, pc_verdict_name(PC_VERDICT_GOOD)) != 0) {
        return strcmp(verdict, pc_verdict_name(PC_VERDICT_NOTHING)) == 0 ? PC_OK : pc_row_file_put(&t->apart, line);
    }
    PC_TRY(look_at(t, pc_json_get_integer(line, "request", 0)));
    PC_TRY(check(t, pc_json_get_text(line, "reply", ""), &good, reason));
    PC_TRY(good ? exchange(t) : pc_fail(PC_ERR_DATA, "request %" PRId64 ": a good reply can't be read again: %s", t->at, reason));
    t->counts->rows++;
    t->counts->turns += (int64_t)t->found.count;
    t->at = -1; /* the row has changed */
    return pc_row_file_put(&t->rows, t->row);
}

/* --- all --- */

static pc_status set_settings(const translating *t, pc_json *into)
{
    const pc_translate_options *o = t->options;
    pc_json *hashes = pc_json_new_array();
    PC_TRY(pc_json_set(into, "rows", hashes));
    for (int i = 0; i < o->row_count; i++) {
        char hash[65];
        PC_TRY(pc_sha256_file(o->rows[i], hash));
        PC_TRY(pc_json_push(hashes, pc_json_new_text(hash)));
    }
    PC_TRY(pc_json_set(into, "model", pc_json_new_text(o->model)));
    PC_TRY(pc_json_set(into, "language", pc_json_new_text(name_of(t))));
    PC_TRY(pc_json_set(into, "rules", pc_json_new_text(o->rules ? o->rules : "")));
    PC_TRY(pc_json_set(into, "count", pc_json_new_integer(t->source.count)));
    PC_TRY(pc_json_set(into, "max_tokens", pc_json_new_integer(o->asking.max_tokens)));
    PC_TRY(pc_json_set(into, "temperature", pc_json_new_number(o->asking.temperature)));
    PC_TRY(pc_json_set(into, "attempts", pc_json_new_integer(o->asking.attempts)));
    return pc_json_set(into, "seed", pc_json_new_integer((int64_t)o->asking.seed));
}

static pc_status run(translating *t, pc_json *settings, pc_journal *journal)
{
    const pc_translate_options *o = t->options;
    for (size_t i = 0; i < sizeof languages / sizeof *languages; i++) {
        t->language = strcmp(languages[i].code, o->language) == 0 ? &languages[i] : t->language;
    }
    PC_TRY(pc_row_source_open(&t->source, o->rows, o->row_count, o->limit));
    PC_TRY(settings ? set_settings(t, settings) : pc_fail_memory(0, "settings"));
    const pc_job job = {.requests = t->source.count, .settings = settings, .make = make, .read = read, .self = t};
    PC_TRY(pc_asking_run(journal, &job, &o->asking, &t->counts->asking));
    PC_TRY(pc_row_file_open(&t->rows, o->asking.folder, "translated.json"));
    PC_TRY(pc_row_file_open(&t->apart, o->asking.folder, "apart.jsonl"));
    PC_TRY(pc_journal_read(journal, take_line, t));
    PC_TRY(pc_row_file_finish(&t->rows));
    return pc_row_file_finish(&t->apart);
}

pc_status pc_translate(const pc_translate_options *options, pc_translate_counts *counts)
{
    translating t = {.options = options, .counts = counts, .at = -1};
    pc_json *settings = pc_json_new_object();
    pc_journal journal = {0};
    *counts = (pc_translate_counts){0};
    pc_status status = run(&t, settings, &journal);
    pc_journal_close(&journal);
    pc_json_free(settings);
    pc_json_free(t.row);
    pc_row_file_close(&t.rows);
    pc_row_file_close(&t.apart);
    pc_row_source_close(&t.source);
    pc_turns_clear(&t.found);
    pc_str_clear(&t.text);
    return status;
}
