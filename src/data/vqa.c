/* Dataset kind `vqa`: VQA v1 and v2 (also OK-VQA, Visual7W in their layout): a file of questions, its answers and pictures beside.
 *
 *   v2_OpenEnded_mscoco_train2014_questions.json  {"data_subtype": "train2014",
 *                                                  "questions": [{"question_id": 7, "image_id": 9, "question": "..."}, ...]}
 *   v2_mscoco_train2014_annotations.json          {"annotations": [{"question_id": 7, "multiple_choice_answer": "net", ...}, ...]}
 *
 * The path is the file of questions. The answers' name is that of the questions with "annotations" in place of "questions", as it
 * is or without "OpenEnded_" or "MultipleChoice_". A sample is a question and the answer that most people gave: without
 * multiple_choice_answer it is counted from `answers`. Pictures: COCO_SUBTYPE_000000000009.jpg (2014), 000000000009.jpg (2017), or
 * what "image" says. A question without an answer makes a bad sample. Source: GT-Vision-Lab/VQA, README; vqa.py.
 */
#include "base/file.h"
#include "base/memory.h"
#include "data/dataset.h"
#include "data/json_lists.h"
#include "data/picture_folder.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const question_lists[] = {"questions"}, *const answer_lists[] = {"annotations"};
static const int64_t NO_ID = INT64_MIN;

typedef struct answer_place {
    int64_t question; /* its id */
    int64_t index;
} answer_place;

typedef struct vqa {
    pc_json_lists questions, answers;
    answer_place *places; /* by question */
    char *folder;
    bool dated; /* pictures are called COCO_SUBTYPE_... */
} vqa;

static bool matches(const char *path)
{
    return pc_ends_with(path, ".json") && pc_path_exists(path) && !pc_path_is_directory(path) &&
           pc_json_begins_with_list(path, "questions", "question_id");
}

/* --- opening --- */

/* path with the last `word` replaced; false when there is none. */
static pc_status replace_last(pc_str *path, const char *word, const char *with, bool *done)
{
    pc_str out = {0};
    char *at = NULL;
    for (char *next = path->data; (next = strstr(next, word)); next++) {
        at = next;
    }
    *done = at != NULL;
    if (!at) {
        return PC_OK;
    }
    pc_status status = pc_str_printf(&out, "%.*s%s%s", (int)(at - path->data), path->data, with, at + strlen(word));
    if (status == PC_OK) {
        pc_str_clear(path);
        *path = out;
        return PC_OK;
    }
    pc_str_clear(&out);
    return status;
}

/* *out = the file of answers, which is there. */
static pc_status find_answers(pc_str *out, const char *questions)
{
    static const char *const tasks[] = {"OpenEnded_", "MultipleChoice_"};
    bool done = false;
    PC_TRY(pc_str_puts(out, questions));
    PC_TRY(replace_last(out, "questions", "annotations", &done));
    for (size_t i = 0; i < 2 && done && !pc_path_exists(out->data); i++) {
        bool task;
        PC_TRY(replace_last(out, tasks[i], "", &task));
    }
    return done && pc_path_exists(out->data)
               ? PC_OK
               : pc_fail(PC_ERR_IO, "%s: expected its answers in '%s'; there is no such file", questions,
                         done ? out->data : "a file named annotations in place of questions");
}

static int by_question(const void *a, const void *b)
{
    int64_t x = ((const answer_place *)a)->question, y = ((const answer_place *)b)->question;
    return x < y ? -1 : x > y;
}

static pc_status number_answers(vqa *self)
{
    size_t count = self->answers.lists[0].count;
    PC_TRY(PC_NEW_ARRAY(self->places, count + 1, "the index of answers"));
    for (size_t i = 0; i < count; i++) {
        pc_json *answer = NULL;
        pc_status status = pc_json_lists_read(&self->answers, 0, (int64_t)i, &answer);
        PC_TRY(status == PC_ERR_DATA ? PC_OK : status);
        self->places[i] = (answer_place){pc_json_get_integer(answer, "question_id", NO_ID), (int64_t)i};
        pc_json_free(answer);
    }
    qsort(self->places, count, sizeof *self->places, by_question);
    return PC_OK;
}

/* The picture's path below the folder. */
static pc_status name_picture(const vqa *self, const pc_json *question, bool dated, pc_str *out)
{
    const char *image = pc_json_get_text(question, "image", NULL);
    const char *subtype = pc_json_get_text(self->questions.head, "data_subtype", "");
    int64_t id = pc_json_get_integer(question, "image_id", -1);
    if (image) {
        return pc_str_puts(out, image);
    }
    if (id < 0) {
        return pc_fail(PC_ERR_DATA, "neither \"image\" nor \"image_id\" says which picture it is");
    }
    return dated ? pc_str_printf(out, "COCO_%s_%012" PRId64 ".jpg", subtype, id) : pc_str_printf(out, "%012" PRId64 ".jpg", id);
}

/* Which spelling names the first question's picture, and where it lies. */
static pc_status find_pictures(vqa *self, const char *path, const char *given)
{
    const char *subtype = pc_json_get_text(self->questions.head, "data_subtype", "");
    pc_json *question = NULL;
    pc_str name = {0};
    pc_status status = PC_OK;
    if (self->questions.lists[0].count > 0) {
        status = pc_json_lists_read(&self->questions, 0, 0, &question);
        status = status == PC_ERR_DATA ? PC_OK : status;
    }
    for (int dated = 1; dated >= 0 && status == PC_OK; dated--) {
        char *full = NULL;
        pc_str_reset(&name);
        pc_free(self->folder);
        self->folder = NULL;
        status = question ? name_picture(self, question, dated, &name) : PC_OK;
        status = status == PC_ERR_DATA ? PC_OK : status;
        PC_GO(status == PC_OK ? pc_picture_folder_find(&self->folder, given, path, subtype, name.data ? name.data : "") : status);
        full = pc_path_join(self->folder, name.data ? name.data : "");
        PC_GO(full ? PC_OK : pc_fail_memory(name.length, "a path"));
        bool found = pc_path_exists(full);
        pc_free(full);
        self->dated = dated;
        if (found) {
            break;
        }
    }
done:
    pc_str_clear(&name);
    pc_json_free(question);
    return status;
}

static pc_status set_up(vqa *self, const char *path, const pc_dataset_options *options)
{
    pc_str answers = {0};
    pc_status status;
    PC_GO(pc_json_lists_open(&self->questions, path, question_lists, 1));
    PC_GO(find_answers(&answers, path));
    PC_GO(pc_json_lists_open(&self->answers, answers.data, answer_lists, 1));
    PC_GO(self->answers.lists[0].found ? PC_OK : pc_fail(PC_ERR_DATA, "%s: no list \"annotations\"", answers.data));
    PC_GO(number_answers(self));
    status = find_pictures(self, path, options->image_folder);
done:
    pc_str_clear(&answers);
    return status;
}

static void close_vqa(void *state)
{
    vqa *self = state;
    pc_json_lists_close(&self->questions);
    pc_json_lists_close(&self->answers);
    pc_free(self->places);
    pc_free(self->folder);
    pc_free(self);
}

static pc_status open_vqa(void **state, int64_t *count, const char *path, const pc_dataset_options *options)
{
    vqa *self = NULL;
    PC_TRY(PC_NEW(self, "a dataset"));
    self->questions.fd = self->answers.fd = -1;
    pc_status status = set_up(self, path, options);
    if (status != PC_OK) {
        close_vqa(self);
        return status;
    }
    *state = self;
    *count = (int64_t)self->questions.lists[0].count;
    return PC_OK;
}

/* --- samples --- */

/* What most people said, the first of equals; NULL when nobody said anything. */
static const char *most_given(const pc_json *answers)
{
    const char *best = NULL;
    size_t most = 0;
    for (size_t i = 0; i < pc_json_length(answers); i++) {
        const char *answer = pc_json_get_text(pc_json_at(answers, i), "answer", NULL);
        size_t same = 0;
        for (size_t k = 0; answer && k < pc_json_length(answers); k++) {
            same += strcmp(pc_json_get_text(pc_json_at(answers, k), "answer", ""), answer) == 0;
        }
        if (same > most) {
            best = answer;
            most = same;
        }
    }
    return best;
}

static pc_status find_answer(const vqa *self, int64_t question, pc_json **out)
{
    answer_place wanted = {.question = question};
    const answer_place *found = question == NO_ID ? NULL : bsearch(&wanted, self->places, self->answers.lists[0].count,
                                                                    sizeof wanted, by_question);
    return found ? pc_json_lists_read(&self->answers, 0, found->index, out)
                 : pc_fail(PC_ERR_DATA, "no annotation has its \"question_id\"");
}

static pc_status add_turn(const vqa *self, const pc_json *question, pc_sample *out)
{
    const char *text = pc_json_get_text(question, "question", NULL);
    pc_json *annotation = NULL;
    pc_status status;
    PC_GO(text ? PC_OK : pc_fail(PC_ERR_DATA, "there is no \"question\""));
    PC_GO(find_answer(self, pc_json_get_integer(question, "question_id", NO_ID), &annotation));
    const char *answer = pc_json_get_text(annotation, "multiple_choice_answer", NULL);
    answer = answer ? answer : most_given(pc_json_get(annotation, "answers"));
    PC_GO(answer ? PC_OK : pc_fail(PC_ERR_DATA, "its annotation has no answer"));
    PC_GO(pc_conversation_say(&out->conversation, PC_ROLE_USER, text));
    PC_GO(pc_conversation_say(&out->conversation, PC_ROLE_ASSISTANT, answer));
    status = pc_conversation_place_media(&out->conversation, PC_MEDIA_IMAGE, 1);
done:
    pc_json_free(annotation);
    return status;
}

static pc_status add_picture(const vqa *self, const pc_json *question, pc_sample *out)
{
    pc_str name = {0};
    char *path = NULL;
    pc_status status;
    PC_GO(name_picture(self, question, self->dated, &name));
    PC_GO(pc_path_is_plain(name.data) ? PC_OK : pc_fail(PC_ERR_DATA, "'%s' is no path below the folder of the pictures", name.data));
    path = pc_path_join(self->folder, name.data);
    status = path ? pc_sample_load_image(out, path) : pc_fail_memory(name.length, "a path");
done:
    pc_free(path);
    pc_str_clear(&name);
    return status;
}

static pc_status read_sample(void *state, int64_t index, pc_sample *out)
{
    const vqa *self = state;
    pc_json *question = NULL;
    pc_status status = pc_json_lists_read(&self->questions, 0, index, &question);
    status = status == PC_OK ? add_turn(self, question, out) : status;
    status = status == PC_OK ? add_picture(self, question, out) : status;
    pc_json_free(question);
    return status == PC_ERR_DATA ? pc_fail_prefix(status, "the question at byte %" PRId64,
                                                  self->questions.lists[0].places[index].offset)
                                 : status;
}

const pc_dataset_type pc_dataset_vqa = {
    .name = "vqa",
    .help = "VQA's questions and annotations, pictures beside them",
    .matches = matches,
    .open = open_vqa,
    .read = read_sample,
    .close = close_vqa,
};
