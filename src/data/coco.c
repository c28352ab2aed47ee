/* Dataset kind `coco`: annotations in COCO's format, pictures beside them.
 *
 *   {"images": [{"id": 9, "file_name": "a.jpg", "width": 640, "height": 480}, ...],
 *    "annotations": [{"image_id": 9, "caption": "A cat."}, ...]                     captions: a sample for each caption
 *                 | [{"image_id": 9, "category_id": 17, "bbox": [x, y, w, h]}, ...] instances: a sample for each picture with some
 *    "categories": [{"id": 17, "name": "cat"}, ...]}
 *
 * A sample of instances has a region for each annotation, the largest first, and its caption is the list of the categories. What
 * an annotation says wrongly (a picture or category that isn't listed, a box that is none) makes a bad sample, and is named.
 * LVIS's files have coco_url in place of file_name. Source: cocodataset.org, data format; pycocotools, coco.py.
 */
#include "base/file.h"
#include "base/memory.h"
#include "base/signal.h"
#include "data/dataset.h"
#include "data/json_lists.h"
#include "data/picture_folder.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IMAGES, ANNOTATIONS, CATEGORIES, LISTS };
static const char *const list_names[LISTS] = {"images", "annotations", "categories"};

static const int64_t NO_ID = INT64_MIN; /* of an element that has none */

typedef struct numbered {
    int64_t id;
    int64_t index; /* in its list */
} numbered;

typedef struct coco {
    pc_json_lists file;
    numbered *images;  /* by id */
    numbered *objects; /* annotations by the id of their picture; NULL for captions */
    int64_t *groups;   /* [count + 1]: where the annotations of each sample begin */
    int64_t group_count;
    pc_json *categories; /* id as a text -> name */
    char *folder;
} coco;

static bool matches(const char *path)
{
    return pc_ends_with(path, ".json") && pc_path_exists(path) && !pc_path_is_directory(path) &&
           (pc_json_begins_with_list(path, "images", "id") || pc_json_begins_with_list(path, "annotations", "image_id"));
}

/* --- opening --- */

static int by_id(const void *a, const void *b)
{
    const numbered *x = a, *y = b;
    return x->id != y->id ? (x->id < y->id ? -1 : 1) : x->index < y->index ? -1 : x->index > y->index;
}

/* *out (pc_free) = the elements of a list by the number under `key`. */
static pc_status number_list(numbered **out, const pc_json_lists *file, int list, const char *key)
{
    int64_t count = (int64_t)file->lists[list].count;
    PC_TRY(PC_NEW_ARRAY(*out, (size_t)count + 1, "the index of annotations"));
    for (int64_t i = 0; i < count; i++) {
        pc_json *element = NULL;
        pc_status status = pc_json_lists_read(file, list, i, &element);
        PC_TRY(status == PC_ERR_DATA ? PC_OK : status); /* a bad element is named when its sample is read */
        PC_TRY(pc_signal_pending() ? pc_fail(PC_ERR_INTERRUPTED, "stopped at annotation %" PRId64, i) : PC_OK);
        (*out)[i] = (numbered){pc_json_get_integer(element, key, NO_ID), i};
        pc_json_free(element);
    }
    qsort(*out, (size_t)count, sizeof **out, by_id);
    return PC_OK;
}

/* Neighbours with one id are a sample; each one without an id is a sample of its own. */
static pc_status group_objects(coco *self)
{
    int64_t count = (int64_t)self->file.lists[ANNOTATIONS].count;
    PC_TRY(number_list(&self->objects, &self->file, ANNOTATIONS, "image_id"));
    PC_TRY(PC_NEW_ARRAY(self->groups, (size_t)count + 1, "the index of annotations"));
    for (int64_t i = 0; i < count; i++) {
        if (i == 0 || self->objects[i].id != self->objects[i - 1].id || self->objects[i].id == NO_ID) {
            self->groups[self->group_count++] = i;
        }
    }
    self->groups[self->group_count] = count;
    return PC_OK;
}

static pc_status read_categories(coco *self)
{
    char key[32];
    self->categories = pc_json_new_object();
    PC_TRY(self->categories ? PC_OK : pc_fail_memory(0, "categories"));
    for (int64_t i = 0; i < (int64_t)self->file.lists[CATEGORIES].count; i++) {
        pc_json *category = NULL;
        PC_TRY(pc_json_lists_read(&self->file, CATEGORIES, i, &category));
        const pc_json *name = pc_json_get(category, "name");
        snprintf(key, sizeof key, "%" PRId64, pc_json_get_integer(category, "id", NO_ID));
        pc_status status = pc_json_is_string(name) ? pc_json_set(self->categories, key, pc_json_copy(name))
                                                   : pc_fail(PC_ERR_DATA, "category %" PRId64 " has no name", i);
        pc_json_free(category);
        PC_TRY(status);
    }
    return PC_OK;
}

/* The path of a picture below the folder; NULL when it has none. */
static const char *path_of(const pc_json *image)
{
    const char *name = pc_json_get_text(image, "file_name", NULL), *url = pc_json_get_text(image, "coco_url", NULL);
    return name ? name : url ? pc_path_base(url) : NULL;
}

static pc_status find_folder(coco *self, const char *path, const char *given)
{
    pc_json *image = NULL;
    char split[32];
    bool named = pc_picture_split(split, path);
    if (self->file.lists[IMAGES].count > 0) {
        pc_status status = pc_json_lists_read(&self->file, IMAGES, 0, &image);
        PC_TRY(status == PC_ERR_DATA ? PC_OK : status);
    }
    const char *name = path_of(image);
    pc_status status = pc_picture_folder_find(&self->folder, given, path, named ? split : NULL, name ? name : "");
    pc_json_free(image);
    return status;
}

static pc_status is_captions(const coco *self, bool *out)
{
    pc_json *first = NULL;
    pc_status status = self->file.lists[ANNOTATIONS].count ? pc_json_lists_read(&self->file, ANNOTATIONS, 0, &first) : PC_OK;
    PC_TRY(status == PC_ERR_DATA ? PC_OK : status);
    *out = pc_json_get(first, "caption") != NULL;
    pc_json_free(first);
    return PC_OK;
}

static pc_status set_up(coco *self, const char *path, const pc_dataset_options *options)
{
    bool captions = false;
    PC_TRY(pc_json_lists_open(&self->file, path, list_names, LISTS));
    for (int i = IMAGES; i <= ANNOTATIONS; i++) {
        PC_TRY(self->file.lists[i].found ? PC_OK : pc_fail(PC_ERR_DATA, "%s: no list \"%s\"", path, list_names[i]));
    }
    PC_TRY(number_list(&self->images, &self->file, IMAGES, "id"));
    PC_TRY(find_folder(self, path, options->image_folder));
    PC_TRY(read_categories(self));
    PC_TRY(is_captions(self, &captions));
    return captions ? PC_OK : group_objects(self);
}

static void close_coco(void *state)
{
    coco *self = state;
    pc_json_lists_close(&self->file);
    pc_json_free(self->categories);
    pc_free(self->images);
    pc_free(self->objects);
    pc_free(self->groups);
    pc_free(self->folder);
    pc_free(self);
}

static pc_status open_coco(void **state, int64_t *count, const char *path, const pc_dataset_options *options)
{
    coco *self = NULL;
    PC_TRY(PC_NEW(self, "a dataset"));
    self->file.fd = -1;
    pc_status status = set_up(self, path, options);
    if (status != PC_OK) {
        close_coco(self);
        return status;
    }
    *state = self;
    *count = self->objects ? self->group_count : (int64_t)self->file.lists[ANNOTATIONS].count;
    return PC_OK;
}

/* --- samples --- */

static pc_status find_image(const coco *self, int64_t id, pc_json **out)
{
    int64_t low = 0, high = (int64_t)self->file.lists[IMAGES].count;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (self->images[middle].id < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (id == NO_ID || low == (int64_t)self->file.lists[IMAGES].count || self->images[low].id != id) {
        return id == NO_ID ? pc_fail(PC_ERR_DATA, "an annotation without \"image_id\"")
                           : pc_fail(PC_ERR_DATA, "there is no image with id %" PRId64, id);
    }
    return pc_json_lists_read(&self->file, IMAGES, self->images[low].index, out);
}

static pc_status add_picture(const coco *self, pc_sample *out, const pc_json *image)
{
    const char *name = path_of(image);
    if (!name || !pc_path_is_plain(name)) {
        return pc_fail(PC_ERR_DATA, "\"file_name\": expected a path below the folder of the pictures, found '%s'",
                       name ? name : "nothing");
    }
    char *path = pc_path_join(self->folder, name);
    pc_status status = path ? pc_sample_load_image(out, path) : pc_fail_memory(strlen(name), "a path");
    pc_free(path);
    return status;
}

static pc_status read_caption(const coco *self, int64_t index, pc_sample *out)
{
    pc_json *annotation = NULL, *image = NULL;
    pc_status status;
    PC_GO(pc_json_lists_read(&self->file, ANNOTATIONS, index, &annotation));
    const pc_json *caption = pc_json_get(annotation, "caption");
    PC_GO(pc_json_is_string(caption) && pc_json_text_length(caption) > 0 ? PC_OK : pc_fail(PC_ERR_DATA, "there is no caption"));
    PC_GO(find_image(self, pc_json_get_integer(annotation, "image_id", NO_ID), &image));
    PC_GO(pc_sample_caption(out, pc_json_text(caption), pc_json_text_length(caption)));
    status = add_picture(self, out, image);
done:
    pc_json_free(annotation);
    pc_json_free(image);
    return status;
}

/* The annotation's box as fractions of the picture, and its category. */
static pc_status take_object(const coco *self, const pc_json *annotation, const pc_json *image, pc_region *out)
{
    const pc_json *box = pc_json_get(annotation, "bbox");
    double size[2] = {pc_json_get_number(image, "width", 0), pc_json_get_number(image, "height", 0)}, corner[4] = {0};
    char key[32];
    snprintf(key, sizeof key, "%" PRId64, pc_json_get_integer(annotation, "category_id", NO_ID));
    const char *name = pc_json_get_text(self->categories, key, NULL);
    if (!name) {
        return pc_fail(PC_ERR_DATA, "category %s is not listed", key);
    }
    for (int i = 0; i < 4 && pc_json_length(box) == 4; i++) {
        corner[i] = pc_json_number(pc_json_at(box, (size_t)i), -1);
    }
    bool good = pc_json_length(box) == 4 && size[0] >= 1 && size[1] >= 1 && corner[0] >= 0 && corner[1] >= 0 && corner[2] >= 0 &&
                corner[3] >= 0 && corner[0] + corner[2] <= size[0] + 1 && corner[1] + corner[3] <= size[1] + 1;
    if (!good) {
        return pc_fail(PC_ERR_DATA, "an annotation of '%s' whose \"bbox\" is no box of the picture", name);
    }
    *out = (pc_region){.image = 0};
    for (int i = 0; i < 4; i++) {
        double at = (i < 2 ? corner[i] : corner[i - 2] + corner[i]) / size[i % 2];
        out->box[i] = (float)(at < 1 ? at : 1);
    }
    snprintf(out->words, sizeof out->words, "%s", name);
    out->words[pc_utf8_valid_prefix(out->words, strlen(out->words))] = 0;
    return PC_OK;
}

static float area(const pc_region *region)
{
    return (region->box[2] - region->box[0]) * (region->box[3] - region->box[1]);
}

static int by_area(const void *a, const void *b)
{
    float x = area(a), y = area(b);
    return x != y ? (x > y ? -1 : 1) : memcmp(a, b, sizeof(pc_region)); /* any order that is always the same */
}

/* Every category once, in the order of the regions. */
static pc_status add_names(pc_sample *out)
{
    pc_str names = {0};
    pc_status status = PC_OK;
    for (size_t i = 0; i < out->region_count && status == PC_OK; i++) {
        bool known = false;
        for (size_t k = 0; k < i && !known; k++) {
            known = strcmp(out->regions[k].words, out->regions[i].words) == 0;
        }
        status = known ? PC_OK : pc_str_printf(&names, "%s%s", names.length ? ", " : "", out->regions[i].words);
    }
    status = status == PC_OK ? pc_sample_caption(out, names.data ? names.data : "", names.length) : status;
    pc_str_clear(&names);
    return status;
}

static pc_status read_objects(const coco *self, int64_t index, pc_sample *out)
{
    pc_json *image = NULL;
    pc_status status;
    int64_t first = self->groups[index], last = self->groups[index + 1];
    PC_GO(find_image(self, self->objects[first].id, &image));
    for (int64_t i = first; i < last; i++) {
        pc_json *annotation = NULL;
        pc_region region;
        PC_GO(pc_json_lists_read(&self->file, ANNOTATIONS, self->objects[i].index, &annotation));
        status = take_object(self, annotation, image, &region);
        pc_json_free(annotation);
        PC_GO(status);
        PC_GO(pc_sample_add_region(out, &region));
    }
    qsort(out->regions, out->region_count, sizeof *out->regions, by_area);
    PC_GO(add_names(out));
    status = add_picture(self, out, image);
done:
    pc_json_free(image);
    return status;
}

static pc_status read_sample(void *state, int64_t index, pc_sample *out)
{
    const coco *self = state;
    pc_status status = self->objects ? read_objects(self, index, out) : read_caption(self, index, out);
    int64_t annotation = self->objects ? self->objects[self->groups[index]].index : index;
    return status == PC_ERR_DATA ? pc_fail_prefix(status, "the annotation at byte %" PRId64,
                                                  self->file.lists[ANNOTATIONS].places[annotation].offset)
                                 : status;
}

const pc_dataset_type pc_dataset_coco = {
    .name = "coco",
    .help = "captions or instances in COCO's format, pictures beside them",
    .matches = matches,
    .open = open_coco,
    .read = read_sample,
    .close = close_coco,
};
