/* Task `pope`: POPE (pope.h) over the pictures of a file of annotations in COCO's format:
 *   {"images": [{"id", "file_name"}], "annotations": [{"image_id", "category_id"}], "categories": [{"id", "name"}]}
 *
 * Pictures stand in a folder `images` beside the file, or beside it. The pool is all of them; asked are those with at least three
 * different objects, in the order of the file; a picture's objects are in the order of its annotations.
 */
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/str.h"
#include "eval/pope.h"
#include "eval/task.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_LIMIT = 1 << 30, CLASSES_MAX = 8192 };

/* One annotation: which picture holds which object. */
typedef struct mark {
    size_t picture, order;
    int class;
} mark;

/* An id of the file and its place in its list. */
typedef struct place {
    int64_t id;
    size_t at;
} place;

typedef struct pope {
    char *path, *folder;
    uint64_t seed;
    pc_json *json;
    const pc_json *images, *categories;
    place *image_places, *category_places; /* sorted by id */
    mark *marks; /* sorted by picture, then order; one for each different object of a picture */
    size_t mark_count, next_mark, image;
    pc_pope *counts;
    int object[PC_POPE_QUESTIONS], at, *objects;
    bool *present;
    char *picture, question[256];
} pope;

static void close_pope(void *state)
{
    pope *self = state;
    pc_json_free(self->json);
    pc_pope_free(self->counts);
    pc_free(self->image_places);
    pc_free(self->category_places);
    pc_free(self->marks);
    pc_free(self->objects);
    pc_free(self->present);
    pc_free(self->picture);
    pc_free(self->path);
    pc_free(self->folder);
    pc_free(self);
}

static int by_id(const void *a, const void *b)
{
    const place *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

static pc_status find_places(place **out, const pc_json *list, const char *what, const char *path)
{
    size_t count = pc_json_length(list);
    if (!pc_json_is_array(list) || !count) {
        return pc_fail(PC_ERR_DATA, "%s: %s: expected an array that is not empty", path, what);
    }
    PC_TRY(PC_NEW_ARRAY(*out, count, what));
    for (size_t i = 0; i < count; i++) {
        char where[600];
        snprintf(where, sizeof where, "%.500s: %s[%zu]", path, what, i);
        PC_TRY(pc_json_need_integer(&(*out)[i].id, pc_json_at(list, i), "id", INT64_MIN, INT64_MAX, where));
        (*out)[i].at = i;
    }
    qsort(*out, count, sizeof **out, by_id);
    return PC_OK;
}

/* *at = the place of the element of that id. */
static pc_status look_up(size_t *at, const pc_json *one, const char *key, const place *places, size_t count, const char *where)
{
    place wanted = {0};
    PC_TRY(pc_json_need_integer(&wanted.id, one, key, INT64_MIN, INT64_MAX, where));
    const place *found = bsearch(&wanted, places, count, sizeof *places, by_id);
    if (!found) {
        return pc_fail(PC_ERR_DATA, "%s: %s: nothing has the id %" PRId64, where, key, wanted.id);
    }
    *at = found->at;
    return PC_OK;
}

static int by_class(const void *a, const void *b)
{
    const mark *x = a, *y = b;
    return x->picture != y->picture ? (x->picture < y->picture ? -1 : 1)
           : x->class != y->class   ? (x->class < y->class ? -1 : 1)
                                    : (x->order < y->order ? -1 : 1);
}

static int by_order(const void *a, const void *b)
{
    const mark *x = a, *y = b;
    return x->picture != y->picture ? (x->picture < y->picture ? -1 : 1) : x->order < y->order ? -1 : x->order > y->order;
}

/* The first mark of each object of each picture. */
static pc_status read_marks(pope *self)
{
    const pc_json *list = pc_json_get(self->json, "annotations");
    size_t all = pc_json_length(list), kept = 0;
    PC_TRY(PC_NEW_ARRAY(self->marks, all, "annotations"));
    for (size_t i = 0; i < all; i++) {
        char where[600];
        size_t class = 0;
        mark *one = &self->marks[i];
        snprintf(where, sizeof where, "%.500s: annotations[%zu]", self->path, i);
        PC_TRY(look_up(&one->picture, pc_json_at(list, i), "image_id", self->image_places, pc_json_length(self->images), where));
        PC_TRY(look_up(&class, pc_json_at(list, i), "category_id", self->category_places, pc_json_length(self->categories), where));
        one->class = (int)class;
        one->order = i;
    }
    if (all) {
        qsort(self->marks, all, sizeof *self->marks, by_class);
    }
    for (size_t i = 0; i < all; i++) {
        if (!kept || self->marks[kept - 1].picture != self->marks[i].picture || self->marks[kept - 1].class != self->marks[i].class) {
            self->marks[kept++] = self->marks[i];
        }
    }
    if (kept) {
        qsort(self->marks, kept, sizeof *self->marks, by_order);
    }
    self->mark_count = kept;
    return PC_OK;
}

/* The objects of the picture whose marks begin at *next, which goes behind them. Gives how many. */
static int take_picture(pope *self, size_t *next)
{
    int count = 0;
    size_t picture = self->marks[*next].picture;
    memset(self->present, 0, pc_json_length(self->categories) * sizeof *self->present);
    for (; *next < self->mark_count && self->marks[*next].picture == picture; ++*next) {
        self->objects[count++] = self->marks[*next].class;
        self->present[self->marks[*next].class] = true;
    }
    return count;
}

static pc_status read_file(pope *self)
{
    PC_TRY(pc_json_read(&self->json, self->path, FILE_LIMIT));
    self->images = pc_json_get(self->json, "images");
    self->categories = pc_json_get(self->json, "categories");
    PC_TRY(find_places(&self->image_places, self->images, "images", self->path));
    PC_TRY(find_places(&self->category_places, self->categories, "categories", self->path));
    size_t classes = pc_json_length(self->categories);
    if (classes < 2 * PC_POPE_ASKED || classes > CLASSES_MAX) {
        return pc_fail(PC_ERR_DATA, "%s: categories: expected %d to %d, found %zu", self->path, 2 * PC_POPE_ASKED, CLASSES_MAX, classes);
    }
    PC_TRY(read_marks(self));
    PC_TRY(pc_pope_new(&self->counts, (int)classes));
    PC_TRY(PC_NEW_ARRAY(self->objects, classes, "objects"));
    PC_TRY(PC_NEW_ARRAY(self->present, classes, "objects"));
    for (size_t next = 0; next < self->mark_count;) {
        pc_pope_count(self->counts, self->objects, take_picture(self, &next));
    }
    return PC_OK;
}

static pc_status open_pope(void **state, const pc_task_options *options)
{
    pope *self = NULL;
    const char *path = options->path ? options->path : options->data;
    pc_status status;
    PC_GO(path ? PC_OK : pc_fail(PC_ERR_USAGE, "task pope needs a file of annotations: pope:FILE.json"));
    PC_GO(PC_NEW(self, "a task"));
    self->seed = options->seed;
    self->at = PC_POPE_QUESTIONS;
    self->path = pc_strdup(path);
    self->folder = pc_path_parent(path);
    PC_GO(self->path && self->folder ? PC_OK : pc_fail_memory(0, "a path"));
    PC_GO(read_file(self));
    *state = self;
    return PC_OK;
done:
    if (self) {
        close_pope(self);
    }
    return status;
}

/* --- questions --- */

static pc_status find_picture(pope *self)
{
    const char *name;
    char where[600];
    snprintf(where, sizeof where, "%.500s: images[%zu]", self->path, self->image);
    PC_TRY(pc_json_need_text(&name, pc_json_at(self->images, self->image), "file_name", where));
    char *inner = pc_path_join(self->folder, "images");
    pc_free(self->picture);
    self->picture = inner ? pc_path_join(inner, name) : NULL;
    if (self->picture && !pc_path_exists(self->picture)) {
        pc_free(self->picture);
        self->picture = pc_path_join(self->folder, name);
    }
    pc_free(inner);
    return self->picture ? PC_OK : pc_fail_memory(0, "a path");
}

/* The next picture with enough objects, and enough absent ones; *have = false behind the last. */
static pc_status next_picture(pope *self, bool *have)
{
    int classes = (int)pc_json_length(self->categories), count = 0;
    while (self->next_mark < self->mark_count) {
        self->image = self->marks[self->next_mark].picture;
        count = take_picture(self, &self->next_mark);
        if (count >= PC_POPE_ASKED && classes - count >= PC_POPE_ASKED) {
            pc_rng rng;
            pc_rng_init(&rng, self->seed, self->image);
            pc_pope_choose(self->counts, self->object, self->objects, self->present, &rng);
            self->at = 0;
            *have = true;
            return find_picture(self);
        }
    }
    *have = false;
    return PC_OK;
}

static pc_status next(void *state, pc_task_question *out, bool *have)
{
    pope *self = state;
    const char *name;
    char where[600];
    *have = true;
    PC_TRY(self->at == PC_POPE_QUESTIONS ? next_picture(self, have) : PC_OK);
    if (!*have) {
        return PC_OK;
    }
    int class = self->object[self->at];
    snprintf(where, sizeof where, "%.500s: categories[%d]", self->path, class);
    PC_TRY(pc_json_need_text(&name, pc_json_at(self->categories, (size_t)class), "name", where));
    snprintf(self->question, sizeof self->question, "Is there %s %.200s in the image?", *name && strchr("aeiou", *name) ? "an" : "a",
             name);
    *out = (pc_task_question){.kind = pc_pope_split(self->at), .question = self->question,
                              .answer = self->present[class] ? "yes" : "no", .path = self->picture};
    snprintf(out->id, sizeof out->id, "%" PRId64 "-%d", pc_json_get_integer(pc_json_at(self->images, self->image), "id", 0), self->at++);
    return PC_OK;
}

static bool never(const char *path)
{
    (void)path;
    return false;
}

const pc_task pc_task_pope = {
    .name = "pope",
    .help = "POPE over the pictures of a file of annotations in COCO's format: pope:FILE.json",
    .version = "pope-1",
    .metric = "pope",
    .usual_limit = 9000,
    .matches = never,
    .open = open_pope,
    .next = next,
    .close = close_pope,
};
