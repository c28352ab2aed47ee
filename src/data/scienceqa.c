/* Dataset kind `scienceqa`: multiple choice with lecture and solution, one stage of a chain of thought each.
 *
 *   FOLDER/problems.json     {"1": {"question", "choices": [...], "answer": 0, "hint", "lecture", "solution", "image": "image.png" or null,
 *                            "split", ...}, ...}
 *   FOLDER/pid_splits.json   {"train": ["1", ...], "val": [...], "test": [...]}
 *   FOLDER/images/SPLIT/ID/image.png, or without "images"
 *
 * content is IN-OUT in the authors' letters: Q question, C context, M options, L lecture, E explanation (the solution), G the steps of
 * `rationales`, A answer. The usual ones: QCM-A (answer at once), QCM-LE (stage 1: the steps), QCMG-A (stage 2: steps given, answer).
 * `rationales` is a samples file of `percept eval` (field "answer") or the authors' {"preds": [...]}, in the order of the split; without it
 * G are the true steps.
 *
 * Source: Lu et al. 2022 (arXiv:2209.09513); Zhang et al. 2023 (arXiv:2302.00923); amazon-science/mm-cot utils_prompt.py, utils_data.py.
 * Easy to get wrong: all white space becomes one space in the end; newlines of lecture and solution are the two characters \n; the
 * output LE has a period of its own behind the solution; the answer is "The answer is (B)." without "Answer:".
 */
#include "base/file.h"
#include "base/memory.h"
#include "data/dataset.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { JSON_LIMIT = 512 << 20, OPTIONS = 26 };

typedef struct scienceqa {
    char *folder, in[8], out[8];
    pc_json *problems, *splits;
    const pc_json *ids;  /* of the split */
    pc_json *rationales; /* array of texts, or NULL */
} scienceqa;

static bool has(const char *folder, const char *name)
{
    char path[PATH_MAX];
    int length = snprintf(path, sizeof path, "%s/%s", folder, name);
    return length > 0 && length < PATH_MAX && pc_path_exists(path);
}

static bool matches(const char *path)
{
    return has(path, "problems.json") && has(path, "pid_splits.json");
}

static void close_scienceqa(void *state)
{
    scienceqa *self = state;
    pc_free(self->folder);
    pc_json_free(self->problems);
    pc_json_free(self->splits);
    pc_json_free(self->rationales);
    pc_free(self);
}

static const char *const inputs[] = {"CQM", "CQMG", "QC", "QCEM", "QCLEM", "QCLM", "QCM", "QCME", "QCMG", "QCML", "QCMLE", "QM"};
static const char *const outputs[] = {"A", "AL", "AE", "ALE", "AEL", "LA", "EA", "LEA", "ELA", "LE", "E"};

static bool is_one_of(const char *text, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(text, list[i]) == 0) {
            return true;
        }
    }
    return false;
}

static pc_status take_content(scienceqa *self, const char *content)
{
    content = content ? content : "QCM-A";
    const char *dash = strchr(content, '-');
    int length = dash ? (int)(dash - content) : 0;
    snprintf(self->in, sizeof self->in, "%.*s", length, content);
    snprintf(self->out, sizeof self->out, "%s", dash ? dash + 1 : "");
    bool known = is_one_of(self->in, inputs, sizeof inputs / sizeof *inputs) &&
                 is_one_of(self->out, outputs, sizeof outputs / sizeof *outputs);
    return known ? PC_OK
                 : pc_fail(PC_ERR_USAGE, "scienceqa: content is IN-OUT, for example QCM-A, QCM-LE or QCMG-A, found '%s'", content);
}

static pc_status read_file(pc_json **out, const char *folder, const char *name)
{
    char *path = pc_path_join(folder, name);
    if (!path) {
        return pc_fail_memory(strlen(folder), "a path");
    }
    pc_status status = pc_json_read(out, path, JSON_LIMIT);
    pc_free(path);
    return status;
}

/* The line's field "answer" goes behind the others. */
static pc_status take_sample(pc_json *into, const char *line, size_t length, const char *where)
{
    pc_json *sample = NULL;
    const char *answer;
    pc_status status;
    PC_GO(pc_json_parse(&sample, line, length, where));
    PC_GO(pc_json_need_text(&answer, sample, "answer", where));
    PC_GO(pc_json_push(into, pc_json_new_text(answer)));
done:
    pc_json_free(sample);
    return status;
}

static pc_status read_samples(pc_json *into, const char *path, const char *text, size_t size)
{
    int64_t number = 0;
    for (size_t at = 0; at < size;) {
        const char *end = memchr(text + at, '\n', size - at);
        size_t length = end ? (size_t)(end - text) - at : size - at;
        char where[PATH_MAX + 32];
        snprintf(where, sizeof where, "%s:%lld", path, (long long)++number);
        PC_TRY(length ? take_sample(into, text + at, length, where) : PC_OK);
        at += length + (end != NULL);
    }
    return PC_OK;
}

static pc_status read_rationales(scienceqa *self, const char *path)
{
    char *text = NULL;
    size_t size;
    pc_json *whole = NULL;
    pc_status status;
    if (!path) {
        return PC_OK;
    }
    self->rationales = pc_json_new_array();
    PC_GO(self->rationales ? PC_OK : pc_fail_memory(0, "rationales"));
    PC_GO(pc_file_read(&text, &size, path, JSON_LIMIT));
    if (pc_ends_with(path, ".jsonl")) {
        PC_GO(read_samples(self->rationales, path, text, size));
    } else {
        PC_GO(pc_json_parse(&whole, text, size, path));
        for (size_t i = 0; i < pc_json_length(pc_json_get(whole, "preds")); i++) {
            const char *one = pc_json_text(pc_json_at(pc_json_get(whole, "preds"), i));
            PC_GO(pc_json_push(self->rationales, pc_json_new_text(one ? one : "")));
        }
    }
    size_t have = pc_json_length(self->rationales), want = pc_json_length(self->ids);
    PC_GO(have >= want ? PC_OK : pc_fail(PC_ERR_DATA, "%s: %zu rationales for the %zu questions of the split", path, have, want));
done:
    pc_free(text);
    pc_json_free(whole);
    return status;
}

static pc_status open_folder(void **state, int64_t *count, const char *path, const pc_dataset_options *options)
{
    scienceqa *self = NULL;
    const char *split = options->split ? options->split : "train";
    pc_status status;
    PC_GO(PC_NEW(self, "a dataset"));
    PC_GO(take_content(self, options->content));
    self->folder = pc_strdup(path);
    PC_GO(self->folder ? PC_OK : pc_fail_memory(strlen(path), "a path"));
    PC_GO(read_file(&self->problems, path, "problems.json"));
    PC_GO(read_file(&self->splits, path, "pid_splits.json"));
    self->ids = pc_json_get(self->splits, split);
    PC_GO(pc_json_is_array(self->ids) ? PC_OK : pc_fail(PC_ERR_USAGE, "%s/pid_splits.json: there is no split '%s'", path, split));
    PC_GO(read_rationales(self, options->rationales));
    *state = self;
    *count = (int64_t)pc_json_length(self->ids);
    self = NULL;
done:
    if (self) {
        close_scienceqa(self);
    }
    return status;
}

/* --- texts --- */

/* One problem and the letters of a format. */
typedef struct asking {
    const pc_json *problem;
    const char *rationale; /* G, or NULL: the true steps */
    char answer[8];        /* "(B)" */
} asking;

/* Line breaks become a backslash and an n. */
static pc_status add_escaped(pc_str *out, const char *text)
{
    for (; *text; text++) {
        PC_TRY(*text == '\n' ? pc_str_puts(out, "\\n") : pc_str_putc(out, *text));
    }
    return PC_OK;
}

static pc_status add_part(pc_str *out, const asking *a, const char *before, const char *key)
{
    PC_TRY(pc_str_puts(out, before));
    return add_escaped(out, pc_json_get_text(a->problem, key, ""));
}

static pc_status add_options(pc_str *out, const asking *a)
{
    const pc_json *choices = pc_json_get(a->problem, "choices");
    PC_TRY(pc_str_puts(out, "Options:"));
    for (size_t i = 0; i < pc_json_length(choices); i++) {
        const char *choice = pc_json_text(pc_json_at(choices, i));
        PC_TRY(pc_str_printf(out, " (%c) %s", (char)('A' + i), choice ? choice : ""));
    }
    return pc_str_putc(out, '\n');
}

static pc_status add_steps(pc_str *out, const asking *a)
{
    if (a->rationale) {
        PC_TRY(pc_str_puts(out, a->rationale));
        return pc_str_putc(out, '\n');
    }
    PC_TRY(add_part(out, a, "Solution: ", "lecture"));
    PC_TRY(add_part(out, a, " ", "solution"));
    return pc_str_putc(out, '\n');
}

/* L and E, one behind the other, are one line. */
static pc_status add_because(pc_str *out, const asking *a, const char *letters, int *used)
{
    *used = 1;
    if (letters[0] == 'E') {
        PC_TRY(add_part(out, a, "BECAUSE: ", "solution"));
        return pc_str_putc(out, '\n');
    }
    PC_TRY(add_part(out, a, "BECAUSE: ", "lecture"));
    if (letters[1] == 'E') {
        *used = 2;
        PC_TRY(add_part(out, a, " ", "solution"));
    }
    return pc_str_putc(out, '\n');
}

static pc_status add_input(pc_str *out, const asking *a, const char *letters)
{
    for (int used = 1; *letters; letters += used) {
        const char *hint = pc_json_get_text(a->problem, "hint", "");
        used = 1;
        switch (*letters) {
        case 'Q': PC_TRY(pc_str_printf(out, "Question: %s\n", pc_json_get_text(a->problem, "question", ""))); break;
        case 'C': PC_TRY(pc_str_printf(out, "Context: %s\n", hint[strspn(hint, " \t\n\r")] ? hint : "N/A")); break;
        case 'M': PC_TRY(add_options(out, a)); break;
        case 'G': PC_TRY(add_steps(out, a)); break;
        default: PC_TRY(add_because(out, a, letters, &used));
        }
    }
    return PC_OK;
}

/* In outputs that begin with the answer, the authors' AL tells the solution and AE the lecture; ALE and AEL are as they read. */
static pc_status add_output(pc_str *out, const asking *a, const char *letters)
{
    bool swapped = strcmp(letters, "AL") == 0 || strcmp(letters, "AE") == 0, first = true;
    for (; *letters; letters++) {
        bool lecture = (*letters == 'L') != swapped;
        const char *space = first ? "" : " ";
        if (*letters == 'A') {
            PC_TRY(pc_str_printf(out, "%sThe answer is %s.%s", space, a->answer, letters[1] ? " BECAUSE:" : ""));
        } else {
            PC_TRY(add_part(out, a, space, lecture ? "lecture" : "solution"));
        }
        first = false;
    }
    return PC_OK;
}

/* Runs of white space become one space, none at the ends. */
static void collapse(pc_str *text)
{
    size_t to = 0;
    for (size_t i = 0; i < text->length; i++) {
        bool space = strchr(" \t\n\r\f\v", text->data[i]) != NULL;
        if (!space) {
            text->data[to++] = text->data[i];
        } else if (to && text->data[to - 1] != ' ') {
            text->data[to++] = ' ';
        }
    }
    to -= to && text->data[to - 1] == ' ';
    text->data[to] = '\0';
    text->length = to;
}

static pc_status say(const scienceqa *self, const asking *a, pc_conversation *conversation)
{
    pc_str question = {0}, answer = {0};
    bool steps = strchr(self->out, 'A') == NULL;
    pc_status status;
    PC_GO(add_input(&question, a, self->in));
    PC_GO(pc_str_puts(&question, strcmp(self->out, "A") == 0 ? "Answer:" : "Solution:"));
    PC_GO(pc_str_puts(&answer, steps ? "Solution: " : ""));
    PC_GO(add_output(&answer, a, self->out));
    PC_GO(pc_str_puts(&answer, strcmp(self->out, "LE") == 0 ? "." : ""));
    collapse(&question);
    collapse(&answer);
    PC_GO(pc_conversation_say(conversation, PC_ROLE_USER, question.data));
    PC_GO(pc_conversation_say(conversation, PC_ROLE_ASSISTANT, answer.data));
done:
    pc_str_clear(&question);
    pc_str_clear(&answer);
    return status;
}

/* --- pictures --- */

static pc_status add_picture(const scienceqa *self, pc_sample *out, const char *id, const asking *a)
{
    const char *image = pc_json_get_text(a->problem, "image", NULL), *split = pc_json_get_text(a->problem, "split", "train");
    pc_str name = {0};
    char *path = NULL;
    pc_status status;
    if (!image) {
        return PC_OK;
    }
    PC_GO(pc_str_printf(&name, "%s%s/%s/%s", has(self->folder, "images") ? "images/" : "", split, id, image));
    PC_GO(pc_path_is_plain(name.data) ? PC_OK : pc_fail(PC_ERR_DATA, "'%s' is no picture's name", name.data));
    path = pc_path_join(self->folder, name.data);
    PC_GO(path ? PC_OK : pc_fail_memory(name.length, "a path"));
    PC_GO(pc_sample_load_image(out, path));
    PC_GO(pc_conversation_place_media(&out->conversation, PC_MEDIA_IMAGE, 1));
done:
    pc_free(path);
    pc_str_clear(&name);
    return status;
}

static pc_status read_sample(void *state, int64_t index, pc_sample *out)
{
    const scienceqa *self = state;
    const char *id = pc_json_text(pc_json_at(self->ids, (size_t)index)), *question;
    asking a = {.problem = id ? pc_json_get(self->problems, id) : NULL};
    int64_t answer;
    if (!a.problem) {
        return pc_fail(PC_ERR_DATA, "problems.json has no problem '%s'", id ? id : "");
    }
    int64_t choices = (int64_t)pc_json_length(pc_json_get(a.problem, "choices"));
    if (choices < 1 || choices > OPTIONS) {
        return pc_fail(PC_ERR_DATA, "problem '%s': expected 1 to %d choices, found %lld", id, OPTIONS, (long long)choices);
    }
    PC_TRY(pc_json_need_text(&question, a.problem, "question", id));
    PC_TRY(pc_json_need_integer(&answer, a.problem, "answer", 0, choices - 1, id));
    snprintf(a.answer, sizeof a.answer, "(%c)", (char)('A' + answer));
    a.rationale = self->rationales ? pc_json_text(pc_json_at(self->rationales, (size_t)index)) : NULL;
    PC_TRY(say(self, &a, &out->conversation));
    return add_picture(self, out, id, &a);
}

const pc_dataset_type pc_dataset_scienceqa = {
    .name = "scienceqa",
    .help = "ScienceQA's folder: questions with lecture and solution, one stage of a chain of thought each",
    .matches = matches,
    .open = open_folder,
    .read = read_sample,
    .close = close_scienceqa,
};
