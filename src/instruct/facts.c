/* The index of the records, and pictures from it. */
#include "instruct/facts.h"

#include "base/file.h"
#include "data/json_file.h"
#include "eval/metric/words.h"
#include "instruct/facts_internal.h"
#include "media/decode.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WHOLE_LIMIT = 1 << 30 /* bytes of an object that is held */, FILES_MAX = 64 };

/* An id of a file, and where what it names stands. */
typedef struct place {
    int64_t id;
    const pc_json *node;
} place;

typedef struct places {
    place *place; /* sorted by id */
    size_t count;
} places;

/* One file: rows by number, or one object. */
typedef struct source {
    char *path;
    pc_json_file rows;
    pc_json *whole; /* NULL: rows */
    places images, categories;
} source;

/* What belongs to a picture: row `index` of a file, or its annotation of that number. */
typedef struct record {
    uint32_t picture, source;
    int64_t index;
} record;

struct pc_facts {
    source *sources;
    int source_count;
    places questions; /* of all files: VQA v2 has questions and answers apart */
    pc_word_ids *names; /* of pictures */
    record *records; /* sorted by picture, source, index */
    size_t count, room;
    size_t *first; /* [pictures + 1]: where a picture's records begin */
    int64_t pictures, skipped;
    char *image_name, *media_dir;
};

/* --- places --- */

static int by_id(const void *a, const void *b)
{
    const place *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

static pc_status find_places(places *out, const pc_json *list, const char *key, const char *what, const char *path)
{
    size_t count = pc_json_length(list);
    if (!count) {
        return PC_OK;
    }
    place *grown = pc_realloc(out->place, out->count + count, sizeof *grown);
    PC_TRY(grown ? PC_OK : pc_fail_memory(count * sizeof *grown, what));
    out->place = grown;
    for (size_t i = 0; i < count; i++) {
        char where[400];
        place *one = &out->place[out->count];
        snprintf(where, sizeof where, "%.300s: %s[%zu]", path, what, i);
        one->node = pc_json_at(list, i);
        PC_TRY(pc_json_need_integer(&one->id, one->node, key, INT64_MIN, INT64_MAX, where));
        out->count++;
    }
    qsort(out->place, out->count, sizeof *out->place, by_id);
    return PC_OK;
}

static const pc_json *look_up(const places *in, const pc_json *node, const char *key)
{
    const pc_json *number = pc_json_get(node, key);
    place wanted = {.id = pc_json_integer(number, 0)};
    if (!pc_json_is_integer(number) || !in->count) {
        return NULL;
    }
    const place *found = bsearch(&wanted, in->place, in->count, sizeof *in->place, by_id);
    return found ? found->node : NULL;
}

/* --- opening --- */

/* JSON Lines are told from an object by the name alone: both begin with "{". */
static pc_status open_source(source *s, const char *path)
{
    char first = 0;
    pc_map map;
    *s = (source){.path = pc_strdup(path), .rows = {.fd = -1}};
    PC_TRY(s->path ? PC_OK : pc_fail_memory(0, "a path"));
    PC_TRY(pc_map_open(&map, path));
    for (size_t i = 0; i < map.size && (!first || strchr(" \t\r\n", first)); i++) {
        first = (char)map.data[i];
    }
    pc_map_close(&map);
    if (first != '{' || pc_ends_with(path, ".jsonl")) {
        return pc_json_file_open(&s->rows, path, &(pc_json_index_options){.lines = first == '{'});
    }
    PC_TRY(pc_json_read(&s->whole, path, WHOLE_LIMIT));
    if (!pc_json_is_array(pc_json_get(s->whole, "annotations")) && !pc_json_is_array(pc_json_get(s->whole, "questions"))) {
        return pc_fail(PC_ERR_DATA, "%s: expected a list of rows, or an object with a list \"annotations\" or \"questions\"", path);
    }
    PC_TRY(find_places(&s->images, pc_json_get(s->whole, "images"), "id", "images", path));
    return find_places(&s->categories, pc_json_get(s->whole, "categories"), "id", "categories", path);
}

/* {12} in the pattern becomes the number, with zeros in front. */
static pc_status numbered_name(const pc_facts *facts, char *out, size_t size, int64_t id)
{
    const char *open = strchr(facts->image_name, '{'), *close = open ? strchr(open, '}') : NULL;
    int digits = open ? atoi(open + 1) : -1;
    if (!close || digits < 0 || digits > 20) {
        return pc_fail(PC_ERR_USAGE, "image_name '%s': expected a number of digits in braces, as in COCO_val2014_{12}.jpg", facts->image_name);
    }
    snprintf(out, size, "%.*s%0*" PRId64 "%s", (int)(open - facts->image_name), facts->image_name, digits, id, close + 1);
    return PC_OK;
}

/* The name of an annotation's picture in out; "" when there is none. */
static pc_status image_of(const pc_facts *facts, const source *s, const pc_json *node, char *out, size_t size)
{
    const pc_json *image = look_up(&s->images, node, "image_id"), *id = pc_json_get(node, "image_id");
    const char *name = pc_facts_image_of(image ? image : node);
    out[0] = '\0';
    if (!name && pc_json_is_integer(id) && facts->image_name) {
        return numbered_name(facts, out, size, pc_json_integer(id, 0));
    }
    snprintf(out, size, "%s", name ? name : "");
    return PC_OK;
}

static pc_status add_record(pc_facts *facts, int source_index, int64_t index, const char *image)
{
    int picture;
    if (!*image) {
        facts->skipped++;
        return PC_OK;
    }
    PC_TRY(pc_word_ids_add(facts->names, image, strlen(image), &picture));
    PC_TRY(pc_grow(&facts->records, &facts->room, facts->count + 1, sizeof *facts->records, "records"));
    facts->records[facts->count++] = (record){(uint32_t)picture, (uint32_t)source_index, index};
    return PC_OK;
}

static pc_status index_rows(pc_facts *facts, int source_index)
{
    const source *s = &facts->sources[source_index];
    for (int64_t i = 0; i < (int64_t)s->rows.index.count; i++) {
        pc_json *row;
        pc_status status = pc_json_file_read(&s->rows, i, &row);
        if (status != PC_OK) {
            return pc_fail_prefix(status, "%s:%u", s->path, s->rows.index.places[i].line);
        }
        const char *image = pc_facts_image_of(row);
        status = add_record(facts, source_index, i, image ? image : "");
        pc_json_free(row);
        PC_TRY(status);
    }
    return PC_OK;
}

static pc_status index_annotations(pc_facts *facts, int source_index)
{
    const source *s = &facts->sources[source_index];
    const pc_json *list = pc_json_get(s->whole, "annotations");
    for (size_t i = 0; i < pc_json_length(list); i++) {
        char image[1024];
        PC_TRY(image_of(facts, s, pc_json_at(list, i), image, sizeof image));
        PC_TRY(add_record(facts, source_index, (int64_t)i, image));
    }
    return PC_OK;
}

static int by_picture(const void *a, const void *b)
{
    const record *x = a, *y = b;
    if (x->picture != y->picture) {
        return x->picture < y->picture ? -1 : 1;
    }
    if (x->source != y->source) {
        return x->source < y->source ? -1 : 1;
    }
    return x->index < y->index ? -1 : x->index > y->index;
}

static pc_status sort_records(pc_facts *facts, int64_t limit)
{
    size_t at = 0;
    facts->pictures = (int64_t)pc_word_ids_count(facts->names);
    facts->pictures = limit > 0 && limit < facts->pictures ? limit : facts->pictures;
    if (!facts->pictures) {
        return pc_fail(PC_ERR_DATA, "%s: no record names a picture (%" PRId64 " looked at)", facts->sources[0].path, facts->skipped);
    }
    qsort(facts->records, facts->count, sizeof *facts->records, by_picture);
    PC_TRY(PC_NEW_ARRAY(facts->first, (size_t)facts->pictures + 1, "pictures"));
    for (int64_t p = 0; p <= facts->pictures; p++) {
        for (; at < facts->count && facts->records[at].picture < p; at++) {
        }
        facts->first[p] = at;
    }
    return PC_OK;
}

static pc_status open_all(pc_facts *facts, const char *const *paths, int count, const pc_facts_options *options)
{
    facts->image_name = options->image_name ? pc_strdup(options->image_name) : NULL;
    facts->media_dir = options->media_dir ? pc_strdup(options->media_dir) : pc_path_parent(paths[0]);
    PC_TRY(facts->media_dir && (facts->image_name || !options->image_name) ? PC_OK : pc_fail_memory(0, "a path"));
    PC_TRY(PC_NEW_ARRAY(facts->sources, (size_t)count, "files of annotations"));
    PC_TRY(pc_word_ids_new(&facts->names));
    for (int i = 0; i < count; i++) {
        facts->source_count++;
        PC_TRY(open_source(&facts->sources[i], paths[i]));
        PC_TRY(find_places(&facts->questions, pc_json_get(facts->sources[i].whole, "questions"), "question_id", "questions", paths[i]));
    }
    for (int i = 0; i < count; i++) {
        PC_TRY(facts->sources[i].whole ? index_annotations(facts, i) : index_rows(facts, i));
    }
    return sort_records(facts, options->limit);
}

pc_status pc_facts_open(pc_facts **out, const char *const *paths, int count, const pc_facts_options *options)
{
    *out = NULL;
    if (count < 1 || count > FILES_MAX) {
        return pc_fail(PC_ERR_USAGE, "%d files of annotations; expected 1 to %d", count, FILES_MAX);
    }
    PC_TRY(PC_NEW(*out, "what is known"));
    pc_status status = open_all(*out, paths, count, options);
    if (status != PC_OK) {
        pc_facts_close(*out);
        *out = NULL;
    }
    return status;
}

void pc_facts_close(pc_facts *facts)
{
    if (!facts) {
        return;
    }
    for (int i = 0; i < facts->source_count; i++) {
        source *s = &facts->sources[i];
        pc_free(s->path);
        pc_json_file_close(&s->rows);
        pc_json_free(s->whole);
        pc_free(s->images.place);
        pc_free(s->categories.place);
    }
    pc_free(facts->sources);
    pc_free(facts->questions.place);
    pc_word_ids_free(facts->names);
    pc_free(facts->records);
    pc_free(facts->first);
    pc_free(facts->image_name);
    pc_free(facts->media_dir);
    pc_free(facts);
}

int64_t pc_facts_count(const pc_facts *facts)
{
    return facts->pictures;
}

int64_t pc_facts_skipped(const pc_facts *facts)
{
    return facts->skipped;
}

/* --- reading --- */

static void forget(pc_known *known)
{
    known->caption_count = known->label_count = known->thing_count = known->asked_count = known->legible_count = 0;
    known->bad_boxes = 0;
}

static void empty(pc_known *known)
{
    for (size_t i = 0; i < known->row_count; i++) {
        pc_json_free(known->rows[i]);
    }
    pc_arena_free(&known->texts);
    forget(known);
    known->row_count = 0;
    known->width = known->height = 0;
    known->image = NULL;
}

void pc_known_clear(pc_known *known)
{
    empty(known);
    pc_free(known->rows);
    pc_free(known->captions);
    pc_free(known->labels);
    pc_free(known->things);
    pc_free(known->asked);
    pc_free(known->legible);
    *known = (pc_known){0};
}

/* One annotation of COCO or VQA v2. */
static pc_status take_annotation(const pc_facts *facts, const source *s, const pc_json *node, pc_known *out)
{
    const pc_json *category = look_up(&s->categories, node, "category_id"), *question = look_up(&facts->questions, node, "question_id");
    const char *asked = pc_json_get_text(question ? question : node, "question", NULL);
    PC_TRY(pc_facts_take_caption(out, pc_json_get_text(node, "caption", NULL)));
    PC_TRY(asked ? pc_facts_take_answer(out, asked, node) : PC_OK);
    return pc_facts_take_thing(out, node, pc_json_get_text(category, "name", NULL));
}

static void take_size(pc_known *out, const pc_json *node)
{
    out->width = out->width ? out->width : pc_json_get_integer(node, "width", 0);
    out->height = out->height ? out->height : pc_json_get_integer(node, "height", 0);
}

static pc_status read_rows(const pc_facts *facts, int64_t picture, pc_known *out)
{
    for (size_t i = facts->first[picture]; i < facts->first[picture + 1]; i++) {
        const source *s = &facts->sources[facts->records[i].source];
        if (s->whole) {
            const pc_json *node = pc_json_at(pc_json_get(s->whole, "annotations"), (size_t)facts->records[i].index);
            take_size(out, look_up(&s->images, node, "image_id"));
            continue;
        }
        PC_TRY(pc_grow(&out->rows, &out->row_room, out->row_count + 1, sizeof *out->rows, "rows"));
        pc_status status = pc_json_file_read(&s->rows, facts->records[i].index, &out->rows[out->row_count]);
        PC_TRY(status == PC_OK ? PC_OK : pc_fail_prefix(status, "%s", s->path));
        take_size(out, out->rows[out->row_count++]);
    }
    return PC_OK;
}

/* The size of a picture that no file says; false when the picture is not there either. */
static bool measure(const pc_facts *facts, pc_known *out)
{
    char *path = pc_path_join(facts->media_dir, out->image);
    pc_image *image = NULL;
    bool good = path && pc_path_exists(path) && pc_image_load(&image, path, NULL) == PC_OK;
    if (good) {
        out->width = image->width;
        out->height = image->height;
        pc_image_free(image);
    }
    pc_free(path);
    return good;
}

static pc_status take_records(const pc_facts *facts, int64_t picture, pc_known *out)
{
    size_t row = 0;
    forget(out);
    for (size_t i = facts->first[picture]; i < facts->first[picture + 1]; i++) {
        const source *s = &facts->sources[facts->records[i].source];
        const pc_json *list = pc_json_get(s->whole, "annotations");
        PC_TRY(s->whole ? take_annotation(facts, s, pc_json_at(list, (size_t)facts->records[i].index), out)
                        : pc_facts_take_row(out, out->rows[row++]));
    }
    return PC_OK;
}

/* Pictures are decoded only for boxes in pixels that nothing else gives a measure for. */
pc_status pc_facts_read(const pc_facts *facts, int64_t picture, pc_known *out)
{
    empty(out);
    out->image = pc_word_ids_text(facts->names, (int)picture);
    PC_TRY(read_rows(facts, picture, out));
    PC_TRY(take_records(facts, picture, out));
    bool sized = out->width > 0 && out->height > 0;
    return out->bad_boxes && !sized && measure(facts, out) ? take_records(facts, picture, out) : PC_OK;
}
