/* Opening: one file -> its header's arrays; an index -> the shards that it names -> the arrays that
 * it lists. */
#include "store/store.h"

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "store/gguf_read.h"
#include "store/header.h"
#include "store/members.h"

#include <stdio.h>
#include <string.h>

/* 64 MiB hold the index of a model with half a million tensors; the member walk keeps memory near
 * the file's size. */
enum { INDEX_LIMIT = 64 * 1024 * 1024, INDEX_MEMBER_LIMIT = 1024 * 1024 };

struct pc_store {
    pc_arena arena; /* every string */
    const char *path;
    pc_header all; /* arrays of all shards, metadata of the first */
    pc_map *maps;  /* one for each shard */
    size_t map_count;
    pc_gguf *gguf; /* keys of the (first) GGUF file, or NULL */
};

/* One line of weight_map. */
typedef struct weight {
    const char *name;
    size_t shard; /* position in index.shards */
} weight;

typedef struct shard {
    const char *name;
} shard;

typedef struct weight_index {
    const char *path;
    char *text; /* the file */
    size_t size;
    weight *weights;
    size_t weight_count;
    pc_names names;
    shard *shards;
    size_t shard_count;
    pc_names shard_names;
    double total_size; /* bytes; -1 when absent */
    pc_str buffer;
} weight_index;

static pc_status keep_text(const char **out, const char *text, pc_store *store)
{
    *out = pc_arena_strdup(&store->arena, text);
    return *out != NULL ? PC_OK : pc_fail_memory(strlen(text) + 1, "name in a safetensors index");
}

static pc_status new_store(pc_store **out, const char *path)
{
    pc_store *store;
    *out = NULL;
    PC_TRY(PC_NEW(store, "store"));
    pc_status status = keep_text(&store->path, path, store);
    if (status != PC_OK) {
        pc_store_free(store);
        return status;
    }
    *out = store;
    return PC_OK;
}

static pc_status read_weight(pc_store *store, weight_index *index, const pc_members *walk)
{
    char shown[96];
    weight *next = &index->weights[index->weight_count];
    pc_json *pair;
    PC_TRY(pc_members_parse(&pair, walk, INDEX_MEMBER_LIMIT, &index->buffer));
    const pc_json *value = pc_json_at(pair, 1);
    const char *file = pc_json_text(value);
    bool plain = file != NULL && strlen(file) == pc_json_text_length(value) &&
                 strcmp(file, ".") != 0 && strchr(file, '/') == NULL && pc_path_is_plain(file);
    pc_status status = keep_text(&next->name, pc_json_text(pc_json_at(pair, 0)), store);
    if (status == PC_OK && plain) {
        next->shard =
            pc_names_find(&index->shard_names, index->shards, sizeof *index->shards, file);
        if (next->shard == PC_NAMES_NONE) {
            next->shard = index->shard_count;
            status = keep_text(&index->shards[next->shard].name, file, store);
        }
    }
    pc_json_free(pair);
    PC_TRY(status);
    if (!plain) {
        return pc_fail(PC_ERR_DATA, "%s: weight_map: %s is not mapped to the plain name of a file",
                       index->path, pc_name_text(next->name, shown));
    }
    if (next->shard == index->shard_count) {
        pc_names_add(&index->shard_names, index->shards, sizeof *index->shards,
                     index->shard_count++);
    }
    if (pc_names_add(&index->names, index->weights, sizeof *next, index->weight_count) !=
        PC_NAMES_NONE) {
        return pc_fail(PC_ERR_DATA, "%s: weight_map lists %s twice", index->path,
                       pc_name_text(next->name, shown));
    }
    index->weight_count++;
    return PC_OK;
}

/* Counted first, so that the tables get their size at once. */
static pc_status read_weights(pc_store *store, weight_index *index, const pc_members *outer)
{
    pc_members walk;
    bool more;
    size_t count = 0;
    pc_members_init(&walk, outer->value, outer->value_length, index->path);
    for (;; count++) {
        PC_TRY(pc_members_next(&walk, &more));
        if (!more) {
            break;
        }
    }
    PC_TRY(PC_NEW_ARRAY(index->weights, count, "weight_map"));
    PC_TRY(PC_NEW_ARRAY(index->shards, count, "shards of weight_map"));
    PC_TRY(pc_names_init(&index->names, count, "weight_map"));
    PC_TRY(pc_names_init(&index->shard_names, count, "shards of weight_map"));
    pc_members_init(&walk, outer->value, outer->value_length, index->path);
    while (index->weight_count < count) {
        PC_TRY(pc_members_next(&walk, &more));
        PC_TRY(read_weight(store, index, &walk));
    }
    return PC_OK;
}

static pc_status read_total_size(weight_index *index, const pc_json *metadata)
{
    const pc_json *total = pc_json_get(metadata, "total_size");
    if (!pc_json_is_object(metadata) || (total != NULL && !pc_json_is_number(total))) {
        return pc_fail(PC_ERR_DATA, "%s: metadata is no object, or its total_size is no number",
                       index->path);
    }
    index->total_size = pc_json_number(total, -1); /* some published indexes write it as 4.2e9 */
    return PC_OK;
}

/* {"metadata": {"total_size": n}, "weight_map": {name: shard}}; other members are parsed and left
 * alone. */
static pc_status read_index(pc_store *store, weight_index *index)
{
    pc_members walk;
    bool more, seen_map = false, seen_metadata = false;
    pc_members_init(&walk, index->text, index->size, index->path);
    for (;;) {
        pc_json *pair;
        PC_TRY(pc_members_next(&walk, &more));
        if (!more) {
            break;
        }
        if (walk.key_length == 12 && memcmp(walk.key, "\"weight_map\"", 12) == 0) {
            if (seen_map) {
                return pc_fail(PC_ERR_DATA, "%s: weight_map appears twice", index->path);
            }
            seen_map = true;
            PC_TRY(read_weights(store, index, &walk));
            continue;
        }
        PC_TRY(pc_members_parse(&pair, &walk, INDEX_MEMBER_LIMIT, &index->buffer));
        pc_status status = PC_OK;
        if (strcmp(pc_json_text(pc_json_at(pair, 0)), "metadata") == 0) {
            status = seen_metadata ? pc_fail(PC_ERR_DATA, "%s: metadata appears twice", index->path)
                                   : read_total_size(index, pc_json_at(pair, 1));
            seen_metadata = true;
        }
        pc_json_free(pair);
        PC_TRY(status);
    }
    return seen_map ? PC_OK : pc_fail(PC_ERR_DATA, "%s: weight_map is missing", index->path);
}

/* Take over those arrays of a shard that the index maps to it. */
static pc_status take_arrays(pc_store *store, const weight_index *index, size_t shard_at,
                             const pc_header *header)
{
    size_t taken = 0;
    for (size_t i = 0; i < header->count; i++) {
        size_t at = pc_names_find(&index->names, index->weights, sizeof *index->weights,
                                  header->arrays[i].name);
        if (at == PC_NAMES_NONE || index->weights[at].shard != shard_at) {
            continue;
        }
        store->all.arrays[store->all.count] = header->arrays[i];
        pc_names_add(&store->all.names, store->all.arrays, sizeof *store->all.arrays,
                     store->all.count);
        store->all.count++;
        taken++;
    }
    if (taken < header->count) {
        pc_log(PC_LOG_WARNING, "%s: %zu tensors of %s are not listed in the index and left out",
               index->path, header->count - taken, index->shards[shard_at].name);
    }
    return PC_OK;
}

static pc_status open_shard(pc_store *store, const weight_index *index, size_t at,
                            const char *folder)
{
    char shown[96];
    pc_header header;
    const char *file;
    char *path = pc_path_join(folder, index->shards[at].name);
    if (path == NULL) {
        return pc_fail_memory(0, "path of a shard");
    }
    pc_status status = keep_text(&file, path, store);
    pc_free(path);
    PC_TRY(status);
    if (!pc_path_exists(file) || pc_path_is_directory(file)) {
        return pc_fail(PC_ERR_DATA, "%s: the shard %s does not exist or is no file", index->path,
                       pc_name_text(index->shards[at].name, shown));
    }
    pc_map *map = &store->maps[store->map_count];
    PC_TRY(pc_map_open(map, file));
    store->map_count++;
    PC_TRY(pc_header_read(&header, map->data, map->size, file, &store->arena));
    status = take_arrays(store, index, at, &header);
    if (at == 0) {
        store->all.metadata = header.metadata;
        store->all.metadata_count = header.metadata_count;
        header.metadata = NULL;
    }
    pc_header_clear(&header);
    return status;
}

/* All that the index lists is there; a wrong total_size is only worth a word. */
static pc_status check_index(const pc_store *store, const weight_index *index)
{
    char shown[96], file[96];
    double total = 0;
    for (size_t i = 0; i < index->weight_count; i++) {
        const pc_array *array = pc_store_find(store, index->weights[i].name);
        if (array == NULL) {
            return pc_fail(PC_ERR_DATA, "%s: weight_map lists %s in %s, which does not have it",
                           index->path, pc_name_text(index->weights[i].name, shown),
                           pc_name_text(index->shards[index->weights[i].shard].name, file));
        }
        total += (double)array->bytes;
    }
    if (index->total_size >= 0 && index->total_size != total) {
        pc_log(PC_LOG_WARNING, "%s: total_size is %.0f, but its tensors have %.0f bytes",
               index->path, index->total_size, total);
    }
    return PC_OK;
}

static pc_status open_index(pc_store *store, const char *path)
{
    weight_index index = {.path = path, .total_size = -1};
    char *folder = NULL;
    pc_status status;
    PC_GO(pc_file_read(&index.text, &index.size, path, INDEX_LIMIT));
    PC_GO(read_index(store, &index));
    folder = pc_path_parent(path);
    if (folder == NULL) {
        status = pc_fail_memory(0, "path of a folder");
        goto done;
    }
    PC_GO(PC_NEW_ARRAY(store->maps, index.shard_count, "mapped files"));
    PC_GO(PC_NEW_ARRAY(store->all.arrays, index.weight_count, "tensors of a store"));
    PC_GO(pc_names_init(&store->all.names, index.weight_count, "tensors of a store"));
    for (size_t i = 0; i < index.shard_count; i++) {
        PC_GO(open_shard(store, &index, i, folder));
    }
    PC_GO(check_index(store, &index));
done:
    pc_free(folder);
    pc_free(index.text);
    pc_free(index.weights);
    pc_free(index.shards);
    pc_names_clear(&index.names);
    pc_names_clear(&index.shard_names);
    pc_str_clear(&index.buffer);
    return status;
}

/* --- GGUF --- */

/* The file `at` of `count`: "<stem>-00001-of-00003.gguf"; false when the first one is not named so. */
static bool split_name(char *out, size_t size, const char *first, int64_t at, int64_t count)
{
    char end[64];
    int tail = snprintf(end, sizeof end, "-%05d-of-%05d.gguf", 1, (int)count);
    size_t length = strlen(first);
    if (!pc_ends_with(first, end) || length >= size) {
        return false;
    }
    snprintf(out, size, "%.*s-%05d-of-%05d.gguf", (int)(length - (size_t)tail), first, (int)at + 1, (int)count);
    return true;
}

/* Append the arrays of a further file. */
static pc_status add_arrays(pc_store *store, const pc_header *header)
{
    char shown[96];
    for (size_t i = 0; i < header->count; i++) {
        store->all.arrays[store->all.count] = header->arrays[i];
        if (pc_names_add(&store->all.names, store->all.arrays, sizeof *store->all.arrays, store->all.count) !=
            PC_NAMES_NONE) {
            return pc_fail(PC_ERR_DATA, "%s: the tensor '%s' is in another file of the split too", header->arrays[i].file,
                           pc_name_text(header->arrays[i].name, shown));
        }
        store->all.count++;
    }
    return PC_OK;
}

static pc_status check_split(const pc_gguf *gguf, int64_t at, int64_t count, int64_t *tensors)
{
    int64_t number, files;
    PC_TRY(pc_gguf_integer(&number, gguf, "split.no", 0, 0, 65535));
    PC_TRY(pc_gguf_integer(&files, gguf, "split.count", 1, 0, 65535));
    PC_TRY(pc_gguf_integer(tensors, gguf, "split.tensors.count", 0, 0, 1 << 24));
    if (number != at || files != count) {
        return pc_fail(PC_ERR_DATA, "%s: it says that it is file %lld of %lld, expected %lld of %lld%s", pc_gguf_file(gguf),
                       (long long)number + 1, (long long)files, (long long)at + 1, (long long)count,
                       at == 0 ? "; name the first file" : "");
    }
    return PC_OK;
}

/* *out = the head of one file of a GGUF model, mapped. */
static pc_status map_gguf(pc_store *store, const char *path, pc_gguf **gguf, pc_header *out)
{
    const char *file;
    pc_map *map = &store->maps[store->map_count];
    PC_TRY(keep_text(&file, path, store));
    PC_TRY(pc_map_open(map, path));
    store->map_count++;
    return pc_gguf_read(gguf, out, map->data, map->size, file, &store->arena);
}

static pc_status open_split(pc_store *store, const char *path, int64_t at, int64_t count, int64_t expected)
{
    char name[4096];
    pc_gguf *gguf = NULL;
    pc_header header = {0};
    int64_t tensors;
    if (!split_name(name, sizeof name, path, at, count)) {
        return pc_fail(PC_ERR_DATA, "%s: one of %lld files, but not named ...-00001-of-%05lld.gguf", path, (long long)count,
                       (long long)count);
    }
    if (!pc_path_exists(name)) {
        return pc_fail(PC_ERR_DATA, "%s: the file is missing; the model has %lld", name, (long long)count);
    }
    PC_TRY(map_gguf(store, name, &gguf, &header));
    pc_status status = check_split(gguf, at, count, &tensors);
    if (status == PC_OK && store->all.count + header.count > (size_t)expected) {
        status = pc_fail(PC_ERR_DATA, "%s: key 'split.tensors.count' is %lld, but the files up to %s have more", path,
                         (long long)expected, name);
    }
    status = status == PC_OK ? add_arrays(store, &header) : status;
    pc_header_clear(&header);
    pc_gguf_free(gguf);
    return status;
}

/* The further files of a split; the tables of the first are made anew in the size of all. */
static pc_status open_splits(pc_store *store, const char *path, int64_t count, int64_t expected)
{
    pc_header first = store->all;
    pc_map map = store->maps[0], *maps = NULL;
    store->all = (pc_header){0};
    pc_status status;
    if (expected < (int64_t)first.count) {
        status = pc_fail(PC_ERR_DATA, "%s: key 'split.tensors.count' is %lld, but this file alone has %zu", path,
                         (long long)expected, first.count);
        goto done;
    }
    PC_GO(PC_NEW_ARRAY(maps, (size_t)count, "mapped files"));
    pc_free(store->maps);
    store->maps = maps;
    maps[0] = map;
    PC_GO(PC_NEW_ARRAY(store->all.arrays, (size_t)expected, "tensors of a store"));
    PC_GO(pc_names_init(&store->all.names, (size_t)expected, "tensors of a store"));
    PC_GO(add_arrays(store, &first));
    for (int64_t at = 1; at < count; at++) {
        PC_GO(open_split(store, path, at, count, expected));
    }
    if ((int64_t)store->all.count != expected) {
        status = pc_fail(PC_ERR_DATA, "%s: key 'split.tensors.count' is %lld, but the files have %zu tensors", path,
                         (long long)expected, store->all.count);
    }
done:
    pc_header_clear(&first);
    return status;
}

static pc_status open_gguf(pc_store *store, const char *path)
{
    int64_t count, tensors;
    PC_TRY(pc_gguf_integer(&count, store->gguf, "split.count", 1, 0, 65535));
    if (count <= 1) {
        return PC_OK;
    }
    PC_TRY(check_split(store->gguf, 0, count, &tensors));
    return open_splits(store, path, count, tensors);
}

static pc_status open_single(pc_store *store, const char *path)
{
    const char *file;
    PC_TRY(PC_NEW_ARRAY(store->maps, 1, "mapped files"));
    PC_TRY(keep_text(&file, path, store));
    PC_TRY(pc_map_open(&store->maps[0], path));
    store->map_count = 1;
    if (pc_gguf_recognise(store->maps[0].data, store->maps[0].size)) {
        PC_TRY(pc_gguf_read(&store->gguf, &store->all, store->maps[0].data, store->maps[0].size, file, &store->arena));
        return open_gguf(store, path);
    }
    return pc_header_read(&store->all, store->maps[0].data, store->maps[0].size, file,
                          &store->arena);
}

static pc_status open_folder(pc_store *store, const char *path)
{
    pc_status status;
    char *single = pc_path_join(path, "model.safetensors");
    char *index = pc_path_join(path, "model.safetensors.index.json");
    if (single == NULL || index == NULL) {
        status = pc_fail_memory(0, "path of a model file");
    } else if (pc_path_exists(single)) {
        status = open_single(store, single);
    } else if (pc_path_exists(index)) {
        status = open_index(store, index);
    } else {
        status = pc_fail(PC_ERR_IO,
                         "%s: neither model.safetensors nor model.safetensors.index.json is there",
                         path);
    }
    pc_free(single);
    pc_free(index);
    return status;
}

pc_status pc_store_open(pc_store **out, const char *path)
{
    pc_store *store;
    pc_status status;
    *out = NULL;
    PC_TRY(new_store(&store, path));
    if (pc_path_is_directory(path)) {
        status = open_folder(store, path);
    } else if (pc_ends_with(path, ".json")) {
        status = open_index(store, path);
    } else {
        status = open_single(store, path);
    }
    if (status != PC_OK) {
        pc_store_free(store);
        return status;
    }
    *out = store;
    return PC_OK;
}

pc_status pc_store_open_memory(pc_store **out, const void *bytes, size_t size, const char *where)
{
    pc_store *store;
    *out = NULL;
    PC_TRY(new_store(&store, where));
    pc_status status = pc_gguf_recognise(bytes, size)
                           ? pc_gguf_read(&store->gguf, &store->all, bytes, size, store->path, &store->arena)
                           : pc_header_read(&store->all, bytes, size, store->path, &store->arena);
    if (status != PC_OK) {
        pc_store_free(store);
        return status;
    }
    *out = store;
    return PC_OK;
}

void pc_store_release(const pc_store *store, const void *data, size_t size)
{
    for (size_t i = 0; store && i < store->map_count; i++) {
        pc_map_release(&store->maps[i], data, size);
    }
}

void pc_store_free(pc_store *store)
{
    if (store == NULL) {
        return;
    }
    pc_header_clear(&store->all);
    pc_gguf_free(store->gguf);
    for (size_t i = 0; i < store->map_count; i++) {
        pc_map_close(&store->maps[i]);
    }
    pc_free(store->maps);
    pc_arena_free(&store->arena);
    pc_free(store);
}

size_t pc_store_count(const pc_store *store)
{
    return store->all.count;
}

const pc_array *pc_store_at(const pc_store *store, size_t index)
{
    return &store->all.arrays[index];
}

const pc_array *pc_store_find(const pc_store *store, const char *name)
{
    size_t at =
        pc_names_find(&store->all.names, store->all.arrays, sizeof *store->all.arrays, name);
    return at != PC_NAMES_NONE ? &store->all.arrays[at] : NULL;
}

pc_status pc_store_need(const pc_array **out, const pc_store *store, const char *name)
{
    char shown[96], other[96];
    *out = pc_store_find(store, name);
    if (*out != NULL) {
        return PC_OK;
    }
    const char *nearest =
        pc_nearest_name(name, store->all.arrays, store->all.count, sizeof *store->all.arrays);
    return pc_fail(PC_ERR_DATA, "%s: tensor %s is missing%s%s", store->path,
                   pc_name_text(name, shown), nearest != NULL ? "; the nearest name is " : "",
                   nearest != NULL ? pc_name_text(nearest, other) : "");
}

const char *pc_store_path(const pc_store *store)
{
    return store->path;
}

const char *pc_store_metadata(const pc_store *store, const char *key)
{
    for (size_t i = 0; i < store->all.metadata_count; i++) {
        if (strcmp(store->all.metadata[i].key, key) == 0) {
            return store->all.metadata[i].value;
        }
    }
    return NULL;
}

size_t pc_store_metadata_count(const pc_store *store)
{
    return store->all.metadata_count;
}

void pc_store_metadata_at(const pc_store *store, size_t index, const char **key, const char **value)
{
    *key = store->all.metadata[index].key;
    *value = store->all.metadata[index].value;
}

const pc_gguf *pc_store_gguf(const pc_store *store)
{
    return store->gguf;
}
