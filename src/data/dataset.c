/* The registry of dataset kinds, and samples. */
#include "data/dataset.h"

#include "base/field.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/str.h"
#include "media/decode.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

#define PC_DATASET(name) extern const pc_dataset_type pc_dataset_##name;
#include "data/list.h"
#undef PC_DATASET

#define PC_DATASET(name) &pc_dataset_##name,
static const pc_dataset_type *const types[] = {
#include "data/list.h"
};
#undef PC_DATASET

#define PC_DATASET(name) " " #name
static const char names[] =
#include "data/list.h"
    ;
#undef PC_DATASET

struct pc_dataset {
    const pc_dataset_type *type;
    void *state;
    char *path;
    int64_t count;
};

const char *pc_dataset_kinds(void)
{
    return names + 1;
}

/* --- samples --- */

void pc_sample_clear(pc_sample *sample)
{
    pc_conversation_clear(&sample->conversation);
    pc_conversation_clear(&sample->rejected);
    for (size_t i = 0; i < sample->image_count; i++) {
        pc_image_free(sample->images[i]);
    }
    for (size_t i = 0; i < sample->encoded_count; i++) {
        pc_str_clear(&sample->encoded[i]);
    }
    pc_free(sample->images);
    pc_free(sample->encoded);
    pc_json_free(sample->about);
    pc_free(sample->regions);
    pc_free(sample->where);
    memset(sample, 0, sizeof *sample);
}

pc_status pc_sample_add_image(pc_sample *sample, pc_image *image)
{
    pc_status status = pc_grow(&sample->images, &sample->image_capacity, sample->image_count + 1,
                               sizeof *sample->images, "pictures of a sample");
    if (status != PC_OK) {
        pc_image_free(image);
        return status;
    }
    sample->images[sample->image_count++] = image;
    return PC_OK;
}

static pc_status keep_encoded(pc_sample *sample, const void *bytes, size_t size)
{
    PC_TRY(pc_grow(&sample->encoded, &sample->encoded_capacity, sample->encoded_count + 1, sizeof *sample->encoded,
                   "pictures of a sample"));
    sample->encoded[sample->encoded_count] = (pc_str){0};
    return pc_str_add(&sample->encoded[sample->encoded_count++], bytes, size);
}

pc_status pc_sample_decode_image(pc_sample *sample, const void *bytes, size_t size, const char *where)
{
    pc_image *image = NULL;
    PC_TRY(sample->texts_only ? PC_OK : pc_image_decode(&image, bytes, size, NULL, where));
    PC_TRY(pc_sample_add_image(sample, image));
    return sample->keep_source ? keep_encoded(sample, bytes, size) : PC_OK;
}

pc_status pc_sample_load_image(pc_sample *sample, const char *path)
{
    pc_image *image = NULL;
    char *bytes;
    size_t size;
    if (sample->keep_source) {
        PC_TRY(pc_file_read(&bytes, &size, path, PC_IMAGE_MAX_FILE));
        pc_status status = pc_sample_decode_image(sample, bytes, size, path);
        pc_free(bytes);
        return status;
    }
    PC_TRY(sample->texts_only ? PC_OK : pc_image_load(&image, path, NULL));
    return pc_sample_add_image(sample, image);
}

pc_status pc_sample_caption(pc_sample *sample, const char *text, size_t length)
{
    PC_TRY(pc_conversation_begin(&sample->conversation, PC_ROLE_USER));
    PC_TRY(pc_conversation_begin(&sample->conversation, PC_ROLE_ASSISTANT));
    PC_TRY(pc_conversation_add_text(&sample->conversation, text, length));
    return pc_conversation_place_media(&sample->conversation, PC_MEDIA_IMAGE, 1);
}

pc_status pc_sample_add_region(pc_sample *sample, const pc_region *region)
{
    PC_TRY(pc_grow(&sample->regions, &sample->region_capacity, sample->region_count + 1, sizeof *sample->regions,
                   "regions of a sample"));
    sample->regions[sample->region_count++] = *region;
    return PC_OK;
}

/* --- options behind the path --- */

typedef struct written {
    int64_t seed, first, limit, side, min_objects, max_objects, turns;
    char *content, *kinds, *lang, *split, *rationales, *image_folder;
} written;

#define FIELD(key, spelling, kind, hi, text) \
    {.name = spelling, .type = kind, .offset = offsetof(written, key), .high = hi, .help = text}
static const pc_field fields[] = {
    FIELD(seed, "seed", PC_FIELD_INT, 9e15, "of generated datasets"),
    FIELD(first, "first", PC_FIELD_INT, 9e15, "first index of generated datasets"),
    FIELD(limit, "n", PC_FIELD_INT, 9e15, "at most so many samples"),
    FIELD(side, "side", PC_FIELD_INT, 1 << 16, "pixels of a scene"),
    FIELD(min_objects, "min_objects", PC_FIELD_INT, 1 << 16, "fewest objects of a scene"),
    FIELD(turns, "turns", PC_FIELD_INT, 1 << 16, "questions of a scene; 0 = all"),
    FIELD(max_objects, "max_objects", PC_FIELD_INT, 1 << 16, "most objects of a scene"),
    FIELD(content, "content", PC_FIELD_TEXT, 0, "questions, captions, brief, mixed"),
    FIELD(kinds, "kinds", PC_FIELD_TEXT, 0, "kinds of questions about a scene, joined by +"),
    FIELD(lang, "lang", PC_FIELD_TEXT, 0, "language of the texts"),
    FIELD(split, "split", PC_FIELD_TEXT, 0, "train, val, test ... where a dataset has several lists"),
    FIELD(rationales, "rationales", PC_FIELD_TEXT, 0, "file of steps that a model wrote (scienceqa)"),
    FIELD(image_folder, "media_dir", PC_FIELD_TEXT, 0, "where picture paths start"),
};
#undef FIELD
static const pc_field_table table = {fields, sizeof fields / sizeof fields[0]};

static pc_status read_pair(written *out, const char *pair, size_t length, const char *where)
{
    pc_status status;
    pc_str key = {0};
    const char *equals = memchr(pair, '=', length);
    if (!equals) {
        return pc_fail(PC_ERR_USAGE, "%s: expected key=value behind '?', found '%.*s'", where, (int)length, pair);
    }
    /* Key and value, each with a NUL behind it, in one string. */
    size_t split = (size_t)(equals - pair);
    PC_GO(pc_str_add(&key, pair, length));
    key.data[split] = '\0';
    PC_GO(pc_fields_set(&table, out, key.data, key.data + split + 1, where));
done:
    pc_str_clear(&key);
    return status;
}

static pc_status read_options(written *out, const char *text, const char *where)
{
    while (*text) {
        size_t length = strcspn(text, "&");
        PC_TRY(read_pair(out, text, length, where));
        text += length + (text[length] == '&');
    }
    return PC_OK;
}

static void take_defaults(written *out, const pc_dataset_options *options)
{
    *out = (written){
        .seed = (int64_t)options->seed,
        .first = (int64_t)options->first,
        .limit = options->limit,
        .side = options->side,
        .min_objects = options->min_objects,
        .turns = options->turns,
        .max_objects = options->max_objects,
    };
}

static pc_dataset_options merge(const written *from, const pc_dataset_options *options)
{
    return (pc_dataset_options){
        .image_folder = from->image_folder ? from->image_folder : options->image_folder,
        .seed = (uint64_t)from->seed,
        .first = (uint64_t)from->first,
        .limit = from->limit,
        .side = (int)from->side,
        .min_objects = (int)from->min_objects,
        .turns = (int)from->turns,
        .max_objects = (int)from->max_objects,
        .content = from->content ? from->content : options->content,
        .kinds = from->kinds ? from->kinds : options->kinds,
        .lang = from->lang ? from->lang : options->lang,
        .split = from->split ? from->split : options->split,
        .rationales = from->rationales ? from->rationales : options->rationales,
        .index_folder = options->index_folder,
        .rows = options->rows,
    };
}

/* --- opening --- */

static pc_status find_type(const pc_dataset_type **out, const char *path, const char *format)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (format ? strcmp(types[i]->name, format) == 0 : types[i]->matches(path)) {
            *out = types[i];
            return PC_OK;
        }
    }
    if (format) {
        return pc_fail(PC_ERR_USAGE, "unknown kind of dataset '%s'; known are:%s", format, names);
    }
    if (!pc_path_exists(path)) {
        return pc_fail(PC_ERR_IO, "%s: no such file or folder, and no generated dataset", path);
    }
    return pc_fail(PC_ERR_DATA, "%s: not recognised as a dataset; the kinds are:%s", path, names);
}

bool pc_dataset_is_generated(const char *path)
{
    const pc_dataset_type *type = NULL;
    for (size_t i = 0; i < sizeof types / sizeof types[0] && !type; i++) {
        type = types[i]->matches(path) ? types[i] : NULL;
    }
    return type && !pc_path_exists(path);
}

static pc_status open_path(pc_dataset *dataset, const char *format, const pc_dataset_options *options)
{
    PC_TRY(find_type(&dataset->type, dataset->path, format));
    PC_TRY(dataset->type->open(&dataset->state, &dataset->count, dataset->path, options));
    if (options->limit > 0 && options->limit < dataset->count) {
        dataset->count = options->limit;
    }
    return PC_OK;
}

pc_status pc_dataset_open(pc_dataset **out, const char *path, const char *format, const pc_dataset_options *options)
{
    static const pc_dataset_options none = {0};
    pc_dataset *dataset = NULL;
    written extra;
    pc_status status;
    const pc_dataset_options *given = options ? options : &none;
    const char *mark = pc_path_exists(path) ? NULL : strchr(path, '?');
    *out = NULL;
    take_defaults(&extra, given);
    PC_GO(PC_NEW(dataset, "a dataset"));
    dataset->path = mark ? pc_strndup(path, (size_t)(mark - path)) : pc_strdup(path);
    if (!dataset->path) {
        status = pc_fail_memory(strlen(path) + 1, "a path");
        goto done;
    }
    PC_GO(read_options(&extra, mark ? mark + 1 : "", dataset->path));
    pc_dataset_options merged = merge(&extra, given);
    PC_GO(open_path(dataset, format, &merged));
    *out = dataset;
    dataset = NULL;
done:
    pc_fields_clear(&table, &extra);
    pc_dataset_close(dataset);
    return status;
}

void pc_dataset_close(pc_dataset *dataset)
{
    if (!dataset) {
        return;
    }
    if (dataset->state) {
        dataset->type->close(dataset->state);
    }
    pc_free(dataset->path);
    pc_free(dataset);
}

int64_t pc_dataset_count(const pc_dataset *dataset)
{
    return dataset->count;
}

static pc_status name_sample(pc_sample *sample, const pc_dataset *dataset, int64_t index)
{
    pc_str where = {0};
    pc_status status = pc_str_puts(&where, dataset->path);
    if (status == PC_OK && dataset->type->line) {
        status = pc_str_printf(&where, ":%" PRId64, dataset->type->line(dataset->state, index));
    }
    if (status == PC_OK) {
        status = pc_str_printf(&where, ": sample %" PRId64, index);
    }
    sample->where = where.data;
    return status;
}

static pc_status read_sample(const pc_dataset *dataset, int64_t index, pc_sample *out)
{
    if (index < 0 || index >= dataset->count) {
        return pc_fail(PC_ERR_USAGE, "%s: sample %" PRId64 " asked for, there are %" PRId64, dataset->path, index,
                       dataset->count);
    }
    PC_TRY(name_sample(out, dataset, index));
    pc_status status = dataset->type->read(dataset->state, index, out);
    if (status == PC_ERR_DATA || status == PC_ERR_IO) {
        pc_fail_prefix(status, "%s", out->where);
    }
    return status;
}

pc_status pc_dataset_read(const pc_dataset *dataset, int64_t index, pc_sample *out)
{
    pc_sample_clear(out);
    return read_sample(dataset, index, out);
}

pc_status pc_dataset_read_texts(const pc_dataset *dataset, int64_t index, pc_sample *out)
{
    pc_sample_clear(out);
    out->texts_only = true;
    return read_sample(dataset, index, out);
}

pc_status pc_dataset_read_source(const pc_dataset *dataset, int64_t index, pc_sample *out)
{
    pc_sample_clear(out);
    out->keep_source = true;
    return read_sample(dataset, index, out);
}

pc_status pc_dataset_describe(const pc_dataset *dataset, pc_str *out)
{
    struct stat info = {0};
    (void)stat(dataset->path, &info); /* generated datasets have no file */
    return pc_str_printf(out, "%s %s %" PRId64 " %lld %lld.%09ld\n", dataset->type->name, dataset->path, dataset->count,
                         (long long)info.st_size, (long long)info.st_mtim.tv_sec, (long)info.st_mtim.tv_nsec);
}
