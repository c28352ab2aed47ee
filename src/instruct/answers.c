#include "instruct/answers.h"

#include "base/file.h"
#include "data/row_file.h"
#include "instruct/completions.h"
#include "instruct/row_source.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef struct collecting {
    const pc_answers_options *options;
    pc_answers_counts *counts;
    pc_row_source source;
    pc_completions row;
    int64_t at;      /* the row; -1 = none */
    char *media_dir;
    pc_json *models, *responses; /* of the row that is written; owned until it has them */
    pc_row_file rows;
} collecting;

static pc_status look_at(collecting *c, int64_t row)
{
    pc_json *json;
    char where[64];
    if (c->at == row) {
        return PC_OK;
    }
    c->at = -1;
    snprintf(where, sizeof where, "row %" PRId64, row);
    PC_TRY(pc_row_source_read(&c->source, row, &json));
    PC_TRY(pc_completions_read(&c->row, json, where));
    c->at = row;
    return PC_OK;
}

static pc_status make(void *self, int64_t request, pc_ask *out)
{
    collecting *c = self;
    PC_TRY(look_at(c, request / c->options->answers));
    PC_TRY(pc_conversation_begin(&out->conversation, PC_ROLE_USER));
    if (c->row.image) {
        PC_TRY(pc_ask_add_picture(out, c->media_dir, c->row.image));
        PC_TRY(pc_conversation_add_media(&out->conversation, PC_MEDIA_IMAGE, 0));
    }
    return pc_conversation_add_text(&out->conversation, c->row.prompt, strlen(c->row.prompt));
}

static pc_status read(void *self, int64_t request, const pc_answer *answer, pc_reply_check *out)
{
    (void)self;
    (void)request;
    (void)answer;
    out->verdict = PC_VERDICT_GOOD;
    return PC_OK;
}

/* --- rows --- */

static pc_status begin_lists(collecting *c)
{
    c->models = pc_json_new_array();
    c->responses = pc_json_new_array();
    PC_TRY(c->models && c->responses ? PC_OK : pc_fail_memory(0, "answers"));
    for (size_t i = 0; i < c->row.count; i++) {
        PC_TRY(pc_json_push(c->models, pc_json_new_text(c->row.answer[i].model)));
        PC_TRY(pc_json_push(c->responses, pc_json_new_text(c->row.answer[i].response)));
    }
    return PC_OK;
}

/* The row keeps its members; "prompt" is there whatever it was called. */
static pc_status end_row(collecting *c)
{
    pc_json *completions = pc_json_new_object(), *models = c->models, *responses = c->responses;
    c->models = c->responses = NULL;
    c->counts->answers += (int64_t)pc_json_length(responses);
    pc_status first = pc_json_set(completions, "model", models), second = pc_json_set(completions, "response", responses);
    pc_status status = pc_json_set(c->row.row, "completions", completions);
    PC_TRY(status == PC_OK ? first : status);
    PC_TRY(second);
    PC_TRY(pc_json_get(c->row.row, "prompt") ? PC_OK : pc_json_set(c->row.row, "prompt", pc_json_new_text(c->row.prompt)));
    c->counts->rows++;
    c->at = -1; /* the row has changed */
    return pc_row_file_put(&c->rows, c->row.row);
}

static pc_status take_line(void *user, const pc_json *line)
{
    collecting *c = user;
    int64_t request = pc_json_get_integer(line, "request", 0), each = c->options->answers;
    PC_TRY(look_at(c, request / each));
    PC_TRY(request % each == 0 ? begin_lists(c) : PC_OK);
    if (strcmp(pc_json_get_text(line, "verdict", ""), pc_verdict_name(PC_VERDICT_GOOD)) == 0) {
        PC_TRY(pc_json_push(c->models, pc_json_new_text(c->options->model)));
        PC_TRY(pc_json_push(c->responses, pc_json_copy(pc_json_get(line, "reply"))));
    }
    return (request + 1) % each == 0 ? end_row(c) : PC_OK;
}

/* --- all --- */

static pc_status set_settings(const collecting *c, pc_json *into)
{
    const pc_answers_options *o = c->options;
    pc_json *hashes = pc_json_new_array();
    PC_TRY(pc_json_set(into, "rows", hashes));
    for (int i = 0; i < o->row_count; i++) {
        char hash[65];
        PC_TRY(pc_sha256_file(o->rows[i], hash));
        PC_TRY(pc_json_push(hashes, pc_json_new_text(hash)));
    }
    PC_TRY(pc_json_set(into, "model", pc_json_new_text(o->model)));
    PC_TRY(pc_json_set(into, "answers", pc_json_new_integer(o->answers)));
    PC_TRY(pc_json_set(into, "count", pc_json_new_integer(c->source.count)));
    PC_TRY(pc_json_set(into, "max_tokens", pc_json_new_integer(o->asking.max_tokens)));
    PC_TRY(pc_json_set(into, "temperature", pc_json_new_number(o->asking.temperature)));
    return pc_json_set(into, "seed", pc_json_new_integer((int64_t)o->asking.seed));
}

static pc_status run(collecting *c, pc_json *settings, pc_journal *journal)
{
    const pc_answers_options *o = c->options;
    PC_TRY(pc_row_source_open(&c->source, o->rows, o->row_count, o->limit));
    c->media_dir = o->media_dir ? pc_strdup(o->media_dir) : pc_path_parent(o->rows[0]);
    PC_TRY(settings && c->media_dir ? set_settings(c, settings) : pc_fail_memory(0, "settings"));
    const pc_job job = {.requests = c->source.count * o->answers, .settings = settings, .make = make, .read = read, .self = c};
    PC_TRY(pc_asking_run(journal, &job, &o->asking, &c->counts->asking));
    c->at = -1;
    PC_TRY(pc_row_file_open(&c->rows, o->asking.folder, "answers.jsonl"));
    PC_TRY(pc_journal_read(journal, take_line, c));
    return pc_row_file_finish(&c->rows);
}

pc_status pc_collect_answers(const pc_answers_options *options, pc_answers_counts *counts)
{
    collecting c = {.options = options, .counts = counts, .at = -1};
    pc_json *settings = pc_json_new_object();
    pc_journal journal = {0};
    *counts = (pc_answers_counts){0};
    pc_status status = run(&c, settings, &journal);
    pc_journal_close(&journal);
    pc_json_free(settings);
    pc_json_free(c.models);
    pc_json_free(c.responses);
    pc_row_file_close(&c.rows);
    pc_row_source_close(&c.source);
    pc_completions_clear(&c.row);
    pc_free(c.media_dir);
    return status;
}
