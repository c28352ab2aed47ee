/* Dataset kind `nlvr`: sentences about drawings of three boxes, true or false.
 *
 *   FOLDER/train1000.jsonl | train.json | dev.json | test.json    one object in each line:
 *     {"identifier": "2321-0", "directory": "52", "sentence": "There is 1 tower with ...", "label": "true"}
 *   FOLDER/images/52/train-2321-0-K.png    400 x 100, K = 0 .. 5: the orders of the boxes
 *
 * A sample is one picture, asked "SENTENCE True or false?" and answered with the label: six samples for each line. content
 * "boxes" gives the three boxes as pictures of their own, without the grey between them; "whole" (also NULL) the picture as it is.
 * Source: Suhr et al. 2017, A Corpus of Natural Language for Visual Reasoning (github.com/lil-lab/nlvr).
 */
#include "base/file.h"
#include "base/memory.h"
#include "data/dataset.h"
#include "data/json_file.h"
#include "media/decode.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { ORDERS = 6, BOXES = 3, SIDE = 100, BOX_STEP = 150 }; /* pixels from the start of a box to the next one's */

static const struct part {
    const char *file, *prefix;
} parts[] = {{"train1000.jsonl", "train"}, {"train.json", "train"}, {"dev.json", "dev"}, {"test.json", "test1"}};

typedef struct nlvr {
    pc_json_file file;
    char *folder;
    const char *prefix;
    bool boxes;
} nlvr;

static bool has(const char *folder, const char *name, char path[PATH_MAX])
{
    int length = snprintf(path, PATH_MAX, "%s/%s", folder, name);
    return length > 0 && length < PATH_MAX && pc_path_exists(path);
}

/* The part that lies in the folder, beside images; NULL when none does. file is its path. */
static const struct part *find_part(const char *folder, char file[PATH_MAX])
{
    bool drawn = has(folder, "images", file);
    for (size_t i = 0; drawn && i < sizeof parts / sizeof parts[0]; i++) {
        if (has(folder, parts[i].file, file)) {
            return &parts[i];
        }
    }
    return NULL;
}

static bool matches(const char *path)
{
    char file[PATH_MAX];
    return find_part(path, file) != NULL;
}

static void close_nlvr(void *state)
{
    nlvr *self = state;
    pc_json_file_close(&self->file);
    pc_free(self->folder);
    pc_free(self);
}

static pc_status take_content(nlvr *self, const char *content)
{
    self->boxes = content && strcmp(content, "boxes") == 0;
    return !content || self->boxes || strcmp(content, "whole") == 0
               ? PC_OK
               : pc_fail(PC_ERR_USAGE, "content '%s': expected whole or boxes", content);
}

static pc_status open_folder(void **state, int64_t *count, const char *path, const pc_dataset_options *options)
{
    nlvr *self = NULL;
    char file[PATH_MAX];
    pc_json_index_options how = {.lines = true};
    const struct part *part = find_part(path, file);
    pc_status status;
    PC_GO(part ? PC_OK : pc_fail(PC_ERR_DATA, "%s: no NLVR here: a .json file of sentences and the folder images", path));
    PC_GO(PC_NEW(self, "a dataset"));
    self->file.fd = -1;
    self->prefix = part->prefix;
    PC_GO(take_content(self, options->content));
    self->folder = pc_strdup(path);
    PC_GO(self->folder ? PC_OK : pc_fail_memory(strlen(path), "a path"));
    PC_GO(pc_json_file_open(&self->file, file, &how));
    *state = self;
    *count = (int64_t)self->file.index.count * ORDERS;
    self = NULL;
done:
    if (self) {
        close_nlvr(self);
    }
    return status;
}

/* The picture in the file, in three parts. */
static pc_status load_boxes(pc_sample *out, const char *path)
{
    pc_image *whole = NULL;
    pc_status status = out->texts_only ? PC_OK : pc_image_load(&whole, path, NULL);
    for (int box = 0; box < BOXES && status == PC_OK; box++) {
        pc_image *part = NULL;
        status = whole ? pc_image_crop(&part, whole, box * BOX_STEP, 0, SIDE, SIDE) : PC_OK;
        status = status == PC_OK ? pc_sample_add_image(out, part) : status;
    }
    pc_image_free(whole);
    return status;
}

static pc_status add_picture(const nlvr *self, pc_sample *out, const pc_json *row, int order)
{
    const char *identifier = pc_json_get_text(row, "identifier", ""), *directory = pc_json_get_text(row, "directory", "");
    pc_str name = {0};
    char *path = NULL;
    pc_status status;
    PC_GO(pc_str_printf(&name, "images/%s/%s-%s-%d.png", directory, self->prefix, identifier, order));
    PC_GO(pc_path_is_plain(name.data) ? PC_OK : pc_fail(PC_ERR_DATA, "'%s' is no picture's name", name.data));
    path = pc_path_join(self->folder, name.data);
    PC_GO(path ? PC_OK : pc_fail_memory(name.length, "a path"));
    status = self->boxes ? load_boxes(out, path) : pc_sample_load_image(out, path);
done:
    pc_free(path);
    pc_str_clear(&name);
    return status;
}

static pc_status add_turn(const nlvr *self, pc_sample *out, const pc_json *row)
{
    const char *sentence = pc_json_get_text(row, "sentence", NULL), *label = pc_json_get_text(row, "label", NULL);
    pc_str question = {0};
    if (!sentence || !label || (strcmp(label, "true") != 0 && strcmp(label, "false") != 0)) {
        return pc_fail(PC_ERR_DATA, "no \"sentence\" with a \"label\" true or false");
    }
    pc_status status = pc_str_printf(&question, "%s True or false?", sentence);
    if (status == PC_OK) {
        status = pc_conversation_say(&out->conversation, PC_ROLE_USER, question.data);
    }
    pc_str_clear(&question);
    PC_TRY(status);
    PC_TRY(pc_conversation_say(&out->conversation, PC_ROLE_ASSISTANT, label));
    return pc_conversation_place_media(&out->conversation, PC_MEDIA_IMAGE, self->boxes ? BOXES : 1);
}

static pc_status read_sample(void *state, int64_t index, pc_sample *out)
{
    const nlvr *self = state;
    pc_json *row = NULL;
    PC_TRY(pc_json_file_read(&self->file, index / ORDERS, &row));
    pc_status status = add_turn(self, out, row);
    if (status == PC_OK) {
        status = add_picture(self, out, row, (int)(index % ORDERS));
    }
    pc_json_free(row);
    return status;
}

static int64_t line_of(void *state, int64_t index)
{
    const nlvr *self = state;
    return self->file.index.places[index / ORDERS].line;
}

const pc_dataset_type pc_dataset_nlvr = {
    .name = "nlvr",
    .help = "sentences about three boxes, true or false",
    .matches = matches,
    .open = open_folder,
    .read = read_sample,
    .line = line_of,
    .close = close_nlvr,
};
