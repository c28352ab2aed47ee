/* The file of a kept index: a head of 64 bytes, then the places as they lie in memory (little endian).
 *
 *   "PCINDEX1", dataset: bytes, time of change in ns, rows, 1 for lines, then the SHA-256 of the places (first 24 bytes)
 *
 * A file that doesn't fit in any of these is no error: the index is made again.
 */
#include "base/memory.h"
#include "data/json_index.h"

#include <limits.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { HEAD = 64, SUM = 24 };
static const char MAGIC[8] = "PCINDEX1";

typedef struct head {
    char magic[8];
    int64_t bytes, changed, rows;
    int64_t lines;
    char sum[SUM]; /* hexadecimal digits */
} head;
_Static_assert(sizeof(head) == HEAD, "the head has no holes");
_Static_assert(sizeof(pc_json_place) == 16, "a place has no holes");

static pc_status describe(head *out, int fd, const char *path, const pc_json_index_options *options)
{
    struct stat info;
    if (fstat(fd, &info) != 0) {
        return pc_fail(PC_ERR_IO, "%s: cannot be looked at", path);
    }
    *out = (head){.bytes = info.st_size, .lines = options->lines};
    out->changed = (int64_t)info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec;
    memcpy(out->magic, MAGIC, sizeof out->magic);
    return PC_OK;
}

static void sum_places(head *out, const pc_json_place *places, size_t count)
{
    char hex[65];
    pc_sha256(places ? (const void *)places : "", count * sizeof *places, hex);
    memcpy(out->sum, hex, SUM);
}

/* FOLDER/<start of the SHA-256 of the dataset's absolute path>.index */
static char *name_file(const char *folder, const char *path)
{
    char absolute[PATH_MAX], hex[65], name[32];
    if (!realpath(path, absolute)) {
        return NULL;
    }
    pc_sha256(absolute, strlen(absolute), hex);
    snprintf(name, sizeof name, "%.16s.index", hex);
    return pc_path_join(folder, name);
}

/* Places that lie behind each other within the file. */
static bool in_order(const pc_json_place *places, size_t count, int64_t bytes)
{
    int64_t end = 0;
    for (size_t i = 0; i < count; i++) {
        if (places[i].offset < end || places[i].size == 0 || places[i].offset > bytes - (int64_t)places[i].size) {
            return false;
        }
        end = places[i].offset + (int64_t)places[i].size;
    }
    return true;
}

static bool fits(const pc_map *map, const head *wanted)
{
    head found;
    if (map->size < HEAD) {
        return false;
    }
    memcpy(&found, map->data, HEAD);
    if (memcmp(found.magic, wanted->magic, sizeof found.magic) != 0 || found.bytes != wanted->bytes ||
        found.changed != wanted->changed || found.lines != wanted->lines || found.rows < 0 ||
        (uint64_t)found.rows != (map->size - HEAD) / sizeof(pc_json_place) || (map->size - HEAD) % sizeof(pc_json_place)) {
        return false;
    }
    head summed = {0};
    const pc_json_place *places = (const pc_json_place *)(const void *)(map->data + HEAD);
    sum_places(&summed, places, (size_t)found.rows);
    return memcmp(found.sum, summed.sum, SUM) == 0 && in_order(places, (size_t)found.rows, found.bytes);
}

pc_status pc_json_index_load(pc_json_index *index, bool *found, int fd, const char *path,
                             const pc_json_index_options *options)
{
    head wanted;
    PC_TRY(describe(&wanted, fd, path, options));
    char *file = name_file(options->folder, path);
    *found = file && pc_path_exists(file) && pc_map_open(&index->map, file) == PC_OK;
    pc_free(file);
    if (*found && !fits(&index->map, &wanted)) {
        pc_map_close(&index->map);
        index->map = (pc_map){0};
        *found = false;
    }
    if (*found) {
        index->count = (index->map.size - HEAD) / sizeof *index->places;
        index->places = (const pc_json_place *)(const void *)(index->map.data + HEAD);
    }
    return PC_OK;
}

pc_status pc_json_index_save(const pc_json_index *index, int fd, const char *path, const pc_json_index_options *options)
{
    head top;
    char *bytes = NULL, *file = NULL;
    size_t size = index->count * sizeof *index->places;
    pc_status status;
    PC_GO(describe(&top, fd, path, options));
    top.rows = (int64_t)index->count;
    sum_places(&top, index->places, index->count);
    PC_GO(PC_NEW_ARRAY(bytes, HEAD + size, "the index of a dataset"));
    memcpy(bytes, &top, HEAD);
    if (size > 0) {
        memcpy(bytes + HEAD, index->places, size);
    }
    PC_GO(pc_make_directories(options->folder));
    file = name_file(options->folder, path);
    status = file ? pc_file_write(file, bytes, HEAD + size) : pc_fail(PC_ERR_IO, "%s: no absolute path", path);
done:
    pc_free(file);
    pc_free(bytes);
    return status;
}
