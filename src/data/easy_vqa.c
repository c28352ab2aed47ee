/* Dataset kind `easy_vqa`: one half of the unpacked easy-VQA archive (train or test600).
 *
 *   FOLDER/questions.json  [["what color is the shape?", "red", 17], ...]   question, answer, picture
 *   FOLDER/images/17.png
 *
 * A sample is a picture with all its questions as turns. With content "captions" a picture whose colour and shape both
 * follow from its questions begins with the turn "Describe the image." - "red circle". What follows:
 *
 *   answer "red"                                             the colour is red
 *   "what is the red shape?", "what color is the circle?"    it is red; it is a circle
 *   "is there a red shape?" yes, "is no red shape present?" no
 *
 * Source: easy-VQA, Zhou 2019 (github.com/vzhou842/easy-VQA).
 */
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "data/dataset.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { QUESTIONS_LIMIT = 1 << 30 }; /* bytes of questions.json */

static const char *const colours[] = {"black", "gray", "red", "blue", "brown", "green", "yellow", "teal", NULL};
static const char *const shapes[] = {"circle", "rectangle", "triangle", NULL};

typedef struct question {
    int64_t image;
    size_t line; /* in questions.json */
    const char *text, *answer; /* in the arena */
} question;

typedef struct picture {
    size_t first, count; /* its questions */
} picture;

typedef struct easy_vqa {
    char *folder;
    bool captions;
    question *questions;
    picture *pictures;
    size_t question_count, picture_count, picture_capacity;
    pc_arena texts;
} easy_vqa;

static bool matches(const char *path)
{
    char file[PATH_MAX];
    int length = snprintf(file, sizeof file, "%s/questions.json", path);
    return length > 0 && (size_t)length < sizeof file && pc_path_exists(file);
}

static void close_folder(void *state)
{
    easy_vqa *self = state;
    pc_free(self->folder);
    pc_free(self->questions);
    pc_free(self->pictures);
    pc_arena_free(&self->texts);
    pc_free(self);
}

/* --- opening --- */

static pc_status keep_text(easy_vqa *self, const char **out, const pc_json *text)
{
    *out = pc_arena_strdup(&self->texts, pc_json_text(text));
    return *out ? PC_OK : pc_fail_memory(pc_json_text_length(text), "a question");
}

static pc_status read_question(easy_vqa *self, const pc_json *line, size_t number, const char *file)
{
    const pc_json *text = pc_json_at(line, 0), *answer = pc_json_at(line, 1), *image = pc_json_at(line, 2);
    question *q = &self->questions[number];
    int64_t id = pc_json_integer(image, -1);
    if (pc_json_length(line) != 3 || !pc_json_is_string(text) || !pc_json_is_string(answer) || id < 0) {
        return pc_fail(PC_ERR_DATA, "%s: entry %zu: expected [question, answer, number of the picture]", file, number);
    }
    q->image = id;
    q->line = number;
    PC_TRY(keep_text(self, &q->text, text));
    return keep_text(self, &q->answer, answer);
}

static pc_status read_questions(easy_vqa *self, const char *file)
{
    pc_json *root = NULL;
    pc_status status;
    PC_TRY(pc_json_read(&root, file, QUESTIONS_LIMIT));
    if (!pc_json_is_array(root)) {
        status = pc_fail(PC_ERR_DATA, "%s: expected a list of questions", file);
        goto done;
    }
    PC_GO(PC_NEW_ARRAY(self->questions, pc_json_length(root), "questions"));
    for (; self->question_count < pc_json_length(root); self->question_count++) {
        PC_GO(read_question(self, pc_json_at(root, self->question_count), self->question_count, file));
    }
done:
    pc_json_free(root);
    return status;
}

static int by_picture(const void *a, const void *b)
{
    const question *p = a, *q = b;
    int images = (p->image > q->image) - (p->image < q->image);
    return images ? images : (p->line > q->line) - (p->line < q->line);
}

static pc_status group(easy_vqa *self)
{
    if (self->question_count > 0) {
        qsort(self->questions, self->question_count, sizeof *self->questions, by_picture);
    }
    for (size_t i = 0; i < self->question_count; i++) {
        if (i > 0 && self->questions[i].image == self->questions[i - 1].image) {
            self->pictures[self->picture_count - 1].count++;
            continue;
        }
        PC_TRY(pc_grow(&self->pictures, &self->picture_capacity, self->picture_count + 1, sizeof *self->pictures,
                       "pictures of a dataset"));
        self->pictures[self->picture_count++] = (picture){i, 1};
    }
    return PC_OK;
}

static pc_status set_up(easy_vqa *self, const char *path, const pc_dataset_options *options)
{
    const char *content = options->content ? options->content : "questions";
    const char *folder = options->image_folder ? options->image_folder : path;
    self->captions = strcmp(content, "captions") == 0;
    if (!self->captions && strcmp(content, "questions") != 0) {
        return pc_fail(PC_ERR_USAGE, "easy_vqa: content is questions or captions, found '%s'", content);
    }
    self->folder = options->image_folder ? pc_strdup(folder) : pc_path_join(folder, "images");
    char *file = pc_path_join(path, "questions.json");
    pc_status status = self->folder && file ? read_questions(self, file) : pc_fail_memory(strlen(path), "a path");
    pc_free(file);
    return status == PC_OK ? group(self) : status;
}

static pc_status open_folder(void **state, int64_t *count, const char *path, const pc_dataset_options *options)
{
    easy_vqa *self = NULL;
    PC_TRY(PC_NEW(self, "a dataset"));
    pc_status status = set_up(self, path, options);
    if (status != PC_OK) {
        close_folder(self);
        return status;
    }
    *state = self;
    *count = (int64_t)self->picture_count;
    return PC_OK;
}

/* --- captions --- */

static bool is_letter(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool has_word(const char *text, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = strstr(text, word); at; at = strstr(at + 1, word)) {
        if ((at == text || !is_letter(at[-1])) && !is_letter(at[length])) {
            return true;
        }
    }
    return false;
}

/* True when what a question mentions is in the picture. */
static bool mentions_truth(const question *q)
{
    if (pc_starts_with(q->text, "what ")) {
        return true;
    }
    bool negated = has_word(q->text, "not") || has_word(q->text, "no");
    return strcmp(q->answer, negated ? "no" : "yes") == 0;
}

/* The word of the list that holds for the picture; NULL when its questions don't say. */
static const char *known(const easy_vqa *self, const picture *p, const char *const *words)
{
    for (size_t i = p->first; i < p->first + p->count; i++) {
        const question *q = &self->questions[i];
        for (int w = 0; words[w]; w++) {
            if (strcmp(q->answer, words[w]) == 0 || (mentions_truth(q) && has_word(q->text, words[w]))) {
                return words[w];
            }
        }
    }
    return NULL;
}

/* --- one sample --- */

static pc_status add_turn(pc_conversation *conversation, const char *text, const char *answer)
{
    bool first = conversation->count == 0;
    PC_TRY(pc_conversation_begin(conversation, PC_ROLE_USER));
    if (first) {
        PC_TRY(pc_conversation_add_media(conversation, PC_MEDIA_IMAGE, 0));
    }
    PC_TRY(pc_conversation_add_text(conversation, text, strlen(text)));
    return pc_conversation_say(conversation, PC_ROLE_ASSISTANT, answer);
}

static pc_status add_caption(pc_conversation *conversation, const easy_vqa *self, const picture *p)
{
    const char *colour = known(self, p, colours), *shape = known(self, p, shapes);
    char caption[32];
    if (!colour || !shape) {
        return PC_OK;
    }
    snprintf(caption, sizeof caption, "%s %s", colour, shape);
    return add_turn(conversation, "Describe the image.", caption);
}

static pc_status load_picture(const easy_vqa *self, int64_t id, pc_sample *out)
{
    char name[32];
    snprintf(name, sizeof name, "%" PRId64 ".png", id);
    char *path = pc_path_join(self->folder, name);
    if (!path) {
        return pc_fail_memory(strlen(self->folder) + sizeof name, "a path");
    }
    pc_status status = pc_sample_load_image(out, path);
    pc_free(path);
    return status;
}

static pc_status read_picture(void *state, int64_t index, pc_sample *out)
{
    const easy_vqa *self = state;
    const picture *p = &self->pictures[index];
    PC_TRY(load_picture(self, self->questions[p->first].image, out));
    if (self->captions) {
        PC_TRY(add_caption(&out->conversation, self, p));
    }
    for (size_t i = p->first; i < p->first + p->count; i++) {
        PC_TRY(add_turn(&out->conversation, self->questions[i].text, self->questions[i].answer));
    }
    return PC_OK;
}

const pc_dataset_type pc_dataset_easy_vqa = {
    .name = "easy_vqa",
    .help = "a folder of easy-VQA: questions.json and images/",
    .matches = matches,
    .open = open_folder,
    .read = read_picture,
    .close = close_folder,
};
