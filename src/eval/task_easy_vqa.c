/* Task `easy_vqa`: one half (train or test600) of the unpacked easy-VQA archive.
 *
 * Layout: questions.json, a list of [question, answer, image number]; images/NUMBER.png, 64 x 64.
 * The kinds are ours: yes_no, colour, shape.
 * Source: easy-VQA, Zhou 2019 (github.com/vzhou842/easy-VQA).
 */
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "eval/task.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { QUESTIONS_LIMIT = 256 << 20 };

typedef struct easy_vqa {
    char *folder, *picture;
    pc_json *questions;
    size_t at;
} easy_vqa;

static bool has_file(const char *folder, const char *name)
{
    char *path = pc_path_join(folder, name);
    bool found = path && pc_path_exists(path);
    pc_free(path);
    return found;
}

static bool matches(const char *path)
{
    return pc_path_is_directory(path) && has_file(path, "questions.json") &&
           has_file(path, "images");
}

static void close_easy_vqa(void *state)
{
    easy_vqa *self = state;
    pc_json_free(self->questions);
    pc_free(self->folder);
    pc_free(self->picture);
    pc_free(self);
}

static pc_status open_easy_vqa(void **state, const pc_task_options *options)
{
    easy_vqa *self = NULL;
    char *file = pc_path_join(options->path, "questions.json");
    pc_status status;
    PC_GO(PC_NEW(self, "a task"));
    self->folder = pc_strdup(options->path);
    PC_GO(file && self->folder ? PC_OK : pc_fail_memory(0, "a path"));
    PC_GO(pc_json_read(&self->questions, file, QUESTIONS_LIMIT));
    if (!pc_json_is_array(self->questions)) {
        status = pc_fail(PC_ERR_DATA, "%s: expected a list of [question, answer, image]", file);
    }
done:
    pc_free(file);
    if (status != PC_OK) {
        if (self) {
            close_easy_vqa(self);
        }
        return status;
    }
    *state = self;
    return PC_OK;
}

static const char *kind_of(const char *question, const char *answer)
{
    if (strcmp(answer, "yes") == 0 || strcmp(answer, "no") == 0) {
        return "yes_no";
    }
    return strstr(question, "color") ? "colour" : "shape";
}

static pc_status next(void *state, pc_task_question *out, bool *have)
{
    easy_vqa *self = state;
    const pc_json *line = pc_json_at(self->questions, self->at);
    char name[64];
    *have = self->at < pc_json_length(self->questions);
    if (!*have) {
        return PC_OK;
    }
    *out = (pc_task_question){
        .question = pc_json_text(pc_json_at(line, 0)),
        .answer = pc_json_text(pc_json_at(line, 1)),
    };
    int64_t number = pc_json_integer(pc_json_at(line, 2), -1);
    if (!out->question || !out->answer || number < 0) {
        return pc_fail(PC_ERR_DATA,
                       "%s/questions.json: question %zu: expected [text, text, number]",
                       self->folder, self->at + 1);
    }
    snprintf(name, sizeof name, "images/%" PRId64 ".png", number);
    pc_free(self->picture);
    self->picture = pc_path_join(self->folder, name);
    if (!self->picture) {
        return pc_fail_memory(strlen(self->folder), "a path");
    }
    out->path = self->picture;
    out->kind = kind_of(out->question, out->answer);
    snprintf(out->id, sizeof out->id, "%zu", self->at++);
    return PC_OK;
}

const pc_task pc_task_easy_vqa = {
    .name = "easy_vqa",
    .help = "a folder of easy-VQA: questions.json and images/",
    .version = "easy-vqa-1",
    .matches = matches,
    .open = open_easy_vqa,
    .next = next,
    .close = close_easy_vqa,
};
