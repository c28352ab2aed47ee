/* Task `data`: the questions of any dataset that can be trained on: each user message with the answer behind it.
 *
 *   percept eval MODEL --tasks 'data:FOLDER?content=test'
 *
 * A turn is asked by itself, with the sample's first picture; turns before it are not told.
 */
#include "base/memory.h"
#include "base/str.h"
#include "data/dataset.h"
#include "eval/task.h"

#include <inttypes.h>
#include <stdio.h>

typedef struct data_task {
    pc_dataset *dataset;
    pc_sample sample;
    int64_t next;   /* sample to read next */
    size_t message; /* of the sample at hand, to look at next */
    pc_str question, answer;
} data_task;

static bool matches(const char *path)
{
    (void)path;
    return false; /* by its name alone: easy-VQA folders are another task's */
}

static void close_data(void *state)
{
    data_task *self = state;
    pc_dataset_close(self->dataset);
    pc_sample_clear(&self->sample);
    pc_str_clear(&self->question);
    pc_str_clear(&self->answer);
    pc_free(self);
}

static pc_status open_data(void **state, const pc_task_options *options)
{
    data_task *self = NULL;
    pc_dataset_options how = {.seed = options->seed};
    if (!options->path) {
        return pc_fail(PC_ERR_USAGE, "task data needs a dataset: data:PATH");
    }
    PC_TRY(PC_NEW(self, "a task"));
    pc_status status = pc_dataset_open(&self->dataset, options->path, NULL, &how);
    if (status != PC_OK) {
        close_data(self);
        return status;
    }
    *state = self;
    return PC_OK;
}

/* The text parts of a message. */
static pc_status join(pc_str *out, const pc_conversation *conversation, size_t message)
{
    const pc_message *m = &conversation->messages[message];
    out->length = 0;
    PC_TRY(pc_str_puts(out, ""));
    for (size_t p = m->first; p < m->first + m->count; p++) {
        const pc_part *part = &conversation->parts[p];
        PC_TRY(part->text ? pc_str_add(out, part->text, part->length) : PC_OK);
    }
    return PC_OK;
}

/* The next question with an answer behind it, in this sample or a later one. */
static pc_status find(data_task *self, bool *have)
{
    const pc_conversation *c = &self->sample.conversation;
    for (;;) {
        for (; self->message + 1 < c->count; self->message++) {
            if (c->messages[self->message].role == PC_ROLE_USER && c->messages[self->message + 1].role == PC_ROLE_ASSISTANT) {
                *have = true;
                return PC_OK;
            }
        }
        *have = self->next < pc_dataset_count(self->dataset);
        if (!*have) {
            return PC_OK;
        }
        PC_TRY(pc_dataset_read(self->dataset, self->next++, &self->sample));
        self->message = 0;
    }
}

static pc_status next(void *state, pc_task_question *out, bool *have)
{
    data_task *self = state;
    PC_TRY(find(self, have));
    if (!*have) {
        return PC_OK;
    }
    PC_TRY(join(&self->question, &self->sample.conversation, self->message));
    PC_TRY(join(&self->answer, &self->sample.conversation, self->message + 1));
    *out = (pc_task_question){
        .kind = "",
        .question = self->question.data,
        .answer = self->answer.data,
        .image = self->sample.image_count ? self->sample.images[0] : NULL,
    };
    snprintf(out->id, sizeof out->id, "%" PRId64 "-%zu", self->next - 1, self->message);
    self->message += 2;
    return PC_OK;
}

const pc_task pc_task_data = {
    .name = "data",
    .help = "the questions of a dataset: data:PATH?key=value",
    .version = "data-1",
    .matches = matches,
    .open = open_data,
    .next = next,
    .close = close_data,
};
