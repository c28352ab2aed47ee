/* Task `questions`: a JSONL file of {"image", "question", "answer", "kind"}.
 *
 * Pictures are named relative to the file's folder; "image" and "kind" may be missing. Questions
 * about one picture should stand behind each other: then it is encoded once.
 */
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/str.h"
#include "eval/task.h"

#include <stdio.h>
#include <string.h>

typedef struct questions {
    char *path, *folder;
    pc_map map;
    size_t at; /* offset of the next line */
    int64_t line;
    pc_json *json; /* the line whose texts are lent */
    char *picture;
} questions;

static bool matches(const char *path)
{
    return pc_ends_with(path, ".jsonl");
}

static void close_questions(void *state)
{
    questions *self = state;
    pc_json_free(self->json);
    pc_map_close(&self->map);
    pc_free(self->picture);
    pc_free(self->path);
    pc_free(self->folder);
    pc_free(self);
}

static pc_status open_questions(void **state, const pc_task_options *options)
{
    questions *self = NULL;
    PC_TRY(PC_NEW(self, "a task"));
    self->path = pc_strdup(options->path);
    self->folder = pc_path_parent(options->path);
    pc_status status = self->path && self->folder ? pc_map_open(&self->map, options->path)
                                                  : pc_fail_memory(0, "a path");
    if (status != PC_OK) {
        close_questions(self);
        return status;
    }
    *state = self;
    return PC_OK;
}

static bool is_blank(const char *line, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (line[i] != ' ' && line[i] != '\t' && line[i] != '\r') {
            return false;
        }
    }
    return true;
}

/* The next line that is not empty; false at the end. */
static bool next_line(questions *self, const char **line, size_t *length)
{
    while (self->at < self->map.size) {
        const char *start = (const char *)self->map.data + self->at;
        const char *end = memchr(start, '\n', self->map.size - self->at);
        *length = end ? (size_t)(end - start) : self->map.size - self->at;
        self->at += *length + (end != NULL);
        self->line++;
        *line = start;
        if (!is_blank(start, *length)) {
            return true;
        }
    }
    return false;
}

static pc_status find_picture(questions *self, const char *name)
{
    pc_free(self->picture);
    self->picture = NULL;
    if (!name) {
        return PC_OK;
    }
    self->picture = name[0] == '/' ? pc_strdup(name) : pc_path_join(self->folder, name);
    return self->picture ? PC_OK : pc_fail_memory(strlen(name), "a path");
}

static pc_status next(void *state, pc_task_question *out, bool *have)
{
    questions *self = state;
    const char *line;
    size_t length;
    char where[512];
    *have = next_line(self, &line, &length);
    if (!*have) {
        return PC_OK;
    }
    pc_json_free(self->json);
    self->json = NULL;
    snprintf(where, sizeof where, "%.400s:%lld", self->path, (long long)self->line);
    PC_TRY(pc_json_parse(&self->json, line, length, where));
    *out = (pc_task_question){.kind = pc_json_get_text(self->json, "kind", "")};
    PC_TRY(pc_json_need_text(&out->question, self->json, "question", where));
    PC_TRY(pc_json_need_text(&out->answer, self->json, "answer", where));
    PC_TRY(find_picture(self, pc_json_get_text(self->json, "image", NULL)));
    out->path = self->picture;
    snprintf(out->id, sizeof out->id, "%lld", (long long)self->line);
    return PC_OK;
}

const pc_task pc_task_questions = {
    .name = "questions",
    .help = "a .jsonl file of image, question, answer, kind",
    .version = "questions-1",
    .matches = matches,
    .open = open_questions,
    .next = next,
    .close = close_questions,
};
