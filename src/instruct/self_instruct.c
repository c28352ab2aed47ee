#include "instruct/self_instruct.h"

#include "base/file.h"
#include "base/rng.h"
#include "data/row_file.h"
#include "instruct/facts.h"
#include "instruct/kinds.h"
#include "instruct/llava_row.h"
#include "instruct/replies.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { KINDS_MAX = 16 };

static const uint64_t ASK_STREAM = UINT64_C(1) << 62;

typedef struct writing {
    const pc_self_instruct_options *options;
    pc_self_instruct_counts *counts;
    pc_kinds *files;
    pc_kind kinds[KINDS_MAX];
    int kind_count;
    pc_facts *facts;
    pc_known known;
    int64_t at; /* the picture in `known`; -1 = none */
    pc_turns turns;
    pc_str text;
    char *media_dir;
    pc_row_file rows, apart;
} writing;

static const pc_kind *kind_of(const writing *w, int64_t request)
{
    return &w->kinds[request % w->kind_count];
}

static pc_status look_at(writing *w, int64_t request)
{
    int64_t picture = request / w->kind_count;
    if (w->at != picture) {
        w->at = -1;
        PC_TRY(pc_facts_read(w->facts, picture, &w->known));
        w->at = picture;
    }
    return PC_OK;
}

/* --- requests --- */

/* Captions, a blank line, boxes: what the kind wants of them. */
static pc_status write_context(writing *w, const pc_kind *kind)
{
    const pc_known *known = &w->known;
    pc_str_reset(&w->text);
    PC_TRY(pc_str_puts(&w->text, ""));
    for (size_t i = 0; kind->captions && i < known->caption_count; i++) {
        PC_TRY(pc_str_printf(&w->text, "%s\n", known->captions[i]));
    }
    for (size_t i = 0; kind->captions && i < known->asked_count; i++) { /* captions in the shape of LLaVA's rows */
        PC_TRY(known->asked[i].as_is ? pc_str_printf(&w->text, "%s\n", known->asked[i].answer) : PC_OK);
    }
    if (kind->boxes && known->thing_count) {
        PC_TRY(w->text.length ? pc_str_putc(&w->text, '\n') : PC_OK);
    }
    for (size_t i = 0; kind->boxes && i < known->thing_count; i++) {
        const pc_thing *t = &known->things[i];
        PC_TRY(pc_str_printf(&w->text, "%s%s%s: [%.3f, %.3f, %.3f, %.3f]\n", t->colour ? t->colour : "", t->colour ? " " : "", t->name, t->box[0],
                             t->box[1], t->box[2], t->box[3]));
    }
    if (w->text.length) {
        w->text.data[--w->text.length] = '\0';
    }
    return PC_OK;
}

static pc_status add_seeds(const writing *w, const pc_kind *kind, pc_conversation *said)
{
    size_t all = pc_json_length(kind->seeds), most = w->options->seeds < 0 ? all : (size_t)w->options->seeds;
    for (size_t i = 0; i < all && i < most; i++) {
        const pc_json *seed = pc_json_at(kind->seeds, i);
        PC_TRY(pc_conversation_say(said, PC_ROLE_USER, pc_json_get_text(seed, "context", "")));
        PC_TRY(pc_conversation_say(said, PC_ROLE_ASSISTANT, pc_json_get_text(seed, "reply", "")));
    }
    return PC_OK;
}

static pc_status make(void *self, int64_t request, pc_ask *out)
{
    writing *w = self;
    const pc_kind *kind = kind_of(w, request);
    PC_TRY(look_at(w, request));
    PC_TRY(write_context(w, kind));
    out->nothing = !kind->picture && !w->text.length;
    if (out->nothing) {
        return PC_OK;
    }
    PC_TRY(pc_conversation_say(&out->conversation, PC_ROLE_SYSTEM, kind->system));
    PC_TRY(add_seeds(w, kind, &out->conversation));
    PC_TRY(pc_conversation_begin(&out->conversation, PC_ROLE_USER));
    if (kind->picture) {
        PC_TRY(pc_ask_add_picture(out, w->media_dir, w->known.image));
        PC_TRY(pc_conversation_add_media(&out->conversation, PC_MEDIA_IMAGE, 0));
    }
    return w->text.length ? pc_conversation_add_text(&out->conversation, w->text.data, w->text.length) : PC_OK;
}

/* --- replies --- */

/* An answer that speaks of what it was given, or gives coordinates, was not written as by one who sees. */
static const char *find_leak(const writing *w, const char *text)
{
    for (const char *const *leak = pc_kinds_leaks(w->files); *leak; leak++) {
        if (strcasestr(text, *leak)) {
            return *leak;
        }
    }
    return strstr(text, "[0.") ? "[0." : NULL;
}

/* w->turns of a reply; the question of an "answer" kind is drawn by the picture. */
static pc_status take_apart(writing *w, int64_t request, const char *reply, bool *good, char *reason)
{
    const pc_kind *kind = kind_of(w, request);
    if (kind->form != PC_REPLY_ANSWER) {
        PC_TRY(pc_reply_turns(&w->turns, reply, good, reason));
        if (*good && kind->form == PC_REPLY_TURN && w->turns.count != 1) {
            *good = false;
            snprintf(reason, PC_REPLY_REASON, "%zu questions; one was wanted", w->turns.count);
        }
        return PC_OK;
    }
    pc_rng rng;
    pc_rng_init(&rng, w->options->asking.seed, ASK_STREAM + (uint64_t)request);
    const char *ask = pc_json_text(pc_json_at(kind->ask, (size_t)pc_rng_below(&rng, pc_json_length(kind->ask))));
    *good = true;
    w->turns.count = 0;
    PC_TRY(pc_grow(&w->turns.turn, &w->turns.room, 1, sizeof *w->turns.turn, "turns"));
    w->turns.turn[w->turns.count++] = (pc_turn){.question = ask, .answer = reply};
    return PC_OK;
}

static pc_status read(void *self, int64_t request, const pc_answer *answer, pc_reply_check *out)
{
    writing *w = self;
    const char *reply = answer->text.data;
    bool good;
    if (pc_reply_begins_with_any(reply, pc_kinds_refusals(w->files))) {
        out->verdict = PC_VERDICT_REFUSED;
        return PC_OK;
    }
    PC_TRY(take_apart(w, request, reply, &good, out->reason));
    for (size_t i = 0; i < w->turns.count && good; i++) {
        const pc_turn *turn = &w->turns.turn[i];
        const char *leak = find_leak(w, turn->answer);
        leak = leak || kind_of(w, request)->form == PC_REPLY_ANSWER ? leak : find_leak(w, turn->question);
        if (leak || strstr(turn->question, "<image>") || strstr(turn->answer, "<image>")) {
            good = false;
            snprintf(out->reason, sizeof out->reason, "turn %zu says '%.60s'", i + 1, leak ? leak : "<image>");
        }
    }
    out->verdict = good ? PC_VERDICT_GOOD : PC_VERDICT_MALFORMED;
    return PC_OK;
}

/* --- rows --- */

static pc_status write_row(writing *w, int64_t request)
{
    pc_json *row = pc_json_new_object(), *turns;
    char id[96];
    pc_status status;
    snprintf(id, sizeof id, "%08" PRId64 "-%.60s", request / w->kind_count, kind_of(w, request)->name);
    PC_GO(pc_json_set(row, "id", pc_json_new_text(id)));
    PC_GO(pc_json_set(row, "image", pc_json_new_text(w->known.image)));
    PC_GO(pc_json_set(row, "kind", pc_json_new_text(kind_of(w, request)->name)));
    PC_GO(pc_json_set(row, "conversations", turns = pc_json_new_array()));
    for (size_t i = 0; i < w->turns.count; i++) {
        PC_GO(pc_llava_add_turn(turns, "human", i ? "" : "<image>\n", w->turns.turn[i].question));
        PC_GO(pc_llava_add_turn(turns, "gpt", "", w->turns.turn[i].answer));
    }
    w->counts->rows++;
    w->counts->exchanges += (int64_t)w->turns.count;
    status = pc_row_file_put(&w->rows, row);
done:
    pc_json_free(row);
    return status;
}

static pc_status put_apart(writing *w, int64_t request, const pc_json *line)
{
    pc_json *row = pc_json_copy(line);
    pc_status status = row ? pc_json_set(row, "image", pc_json_new_text(w->known.image)) : pc_fail_memory(0, "a row");
    status = status == PC_OK ? pc_json_set(row, "kind", pc_json_new_text(kind_of(w, request)->name)) : status;
    status = status == PC_OK ? pc_row_file_put(&w->apart, row) : status;
    pc_json_free(row);
    return status;
}

static pc_status take_line(void *user, const pc_json *line)
{
    writing *w = user;
    char reason[PC_REPLY_REASON];
    bool good;
    int64_t request = pc_json_get_integer(line, "request", 0);
    const char *verdict = pc_json_get_text(line, "verdict", "");
    PC_TRY(look_at(w, request));
    if (strcmp(verdict, pc_verdict_name(PC_VERDICT_GOOD)) != 0) {
        return strcmp(verdict, pc_verdict_name(PC_VERDICT_NOTHING)) == 0 ? PC_OK : put_apart(w, request, line);
    }
    PC_TRY(take_apart(w, request, pc_json_get_text(line, "reply", ""), &good, reason));
    return good ? write_row(w, request) : pc_fail(PC_ERR_DATA, "request %" PRId64 ": a good reply can't be read again: %s", request, reason);
}

static pc_status write_rows(writing *w, const pc_journal *journal)
{
    PC_TRY(pc_row_file_open(&w->rows, w->options->asking.folder, "instructions.json"));
    PC_TRY(pc_row_file_open(&w->apart, w->options->asking.folder, "apart.jsonl"));
    PC_TRY(pc_journal_read(journal, take_line, w));
    PC_TRY(pc_row_file_finish(&w->rows));
    return pc_row_file_finish(&w->apart);
}

/* --- all --- */

static pc_status choose_kinds(writing *w)
{
    for (const char *at = w->options->kinds; *at;) {
        size_t length = strcspn(at, ",");
        if (w->kind_count == KINDS_MAX) {
            return pc_fail(PC_ERR_USAGE, "more than %d kinds", KINDS_MAX);
        }
        PC_TRY(pc_kinds_find(w->files, at, length, &w->kinds[w->kind_count++]));
        at += length + (at[length] == ',');
    }
    return w->kind_count ? PC_OK : pc_fail(PC_ERR_USAGE, "no kind of instructions is named");
}

static pc_status set_files(pc_json *into, const char *key, const char *const *paths, int count)
{
    pc_json *list = pc_json_new_array();
    PC_TRY(pc_json_set(into, key, list));
    for (int i = 0; i < count; i++) {
        char hash[65];
        PC_TRY(pc_sha256_file(paths[i], hash));
        PC_TRY(pc_json_push(list, pc_json_new_text(hash)));
    }
    return PC_OK;
}

/* What the replies depend on. Not the endpoint's address: the same model may have moved. */
static pc_status set_settings(const writing *w, pc_json *into)
{
    const pc_self_instruct_options *o = w->options;
    PC_TRY(pc_json_set(into, "model", pc_json_new_text(o->model)));
    PC_TRY(pc_json_set(into, "kinds", pc_json_new_text(o->kinds)));
    PC_TRY(pc_json_set(into, "language", pc_json_new_text(o->language)));
    PC_TRY(set_files(into, "annotations", o->annotations, o->annotation_count));
    PC_TRY(set_files(into, "kind_files", o->kind_files, o->kind_file_count));
    PC_TRY(pc_json_set(into, "pictures", pc_json_new_integer(pc_facts_count(w->facts))));
    PC_TRY(pc_json_set(into, "seeds", pc_json_new_integer(o->seeds)));
    PC_TRY(pc_json_set(into, "max_tokens", pc_json_new_integer(o->asking.max_tokens)));
    PC_TRY(pc_json_set(into, "temperature", pc_json_new_number(o->asking.temperature)));
    PC_TRY(pc_json_set(into, "attempts", pc_json_new_integer(o->asking.attempts)));
    return pc_json_set(into, "seed", pc_json_new_integer((int64_t)o->asking.seed));
}

static pc_status run(writing *w, pc_json *settings, pc_journal *journal)
{
    const pc_self_instruct_options *o = w->options;
    pc_facts_options facts = {.image_name = o->image_name, .media_dir = o->media_dir, .limit = o->limit};
    PC_TRY(pc_kinds_open(&w->files, o->kind_files, o->kind_file_count, o->language));
    PC_TRY(choose_kinds(w));
    PC_TRY(pc_facts_open(&w->facts, o->annotations, o->annotation_count, &facts));
    w->counts->pictures = pc_facts_count(w->facts);
    w->media_dir = o->media_dir ? pc_strdup(o->media_dir) : pc_path_parent(o->annotations[0]);
    PC_TRY(w->media_dir && settings ? set_settings(w, settings) : pc_fail_memory(0, "settings"));
    const pc_job job = {.requests = pc_facts_count(w->facts) * w->kind_count, .settings = settings, .make = make, .read = read, .self = w};
    PC_TRY(pc_asking_run(journal, &job, &o->asking, &w->counts->asking));
    return write_rows(w, journal);
}

pc_status pc_self_instruct(const pc_self_instruct_options *options, pc_self_instruct_counts *counts)
{
    writing w = {.options = options, .counts = counts, .at = -1};
    pc_json *settings = pc_json_new_object();
    pc_journal journal = {0};
    *counts = (pc_self_instruct_counts){0};
    pc_status status = run(&w, settings, &journal);
    pc_journal_close(&journal);
    pc_json_free(settings);
    pc_row_file_close(&w.rows);
    pc_row_file_close(&w.apart);
    pc_facts_close(w.facts);
    pc_kinds_free(w.files);
    pc_known_clear(&w.known);
    pc_turns_clear(&w.turns);
    pc_str_clear(&w.text);
    pc_free(w.media_dir);
    return status;
}
