#include "data/parquet_set.h"

#include "base/file.h"
#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { KEPT_OPEN = 64 };

static bool folder_has_files(const char *path)
{
    DIR *folder = opendir(path);
    bool found = false;
    for (struct dirent *entry; folder && !found && (entry = readdir(folder));) {
        found = pc_ends_with(entry->d_name, ".parquet");
    }
    if (folder) {
        closedir(folder);
    }
    return found;
}

bool pc_parquet_set_matches(const char *path)
{
    return pc_path_is_directory(path) ? folder_has_files(path) : pc_ends_with(path, ".parquet") && pc_path_exists(path);
}

void pc_parquet_set_close(pc_parquet_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        pc_parquet_close(&set->parts[i].file);
        pc_free(set->parts[i].path);
    }
    pc_free(set->parts);
    *set = (pc_parquet_set){0};
}

static pc_status add_part(pc_parquet_set *self, const char *path)
{
    PC_TRY(pc_grow(&self->parts, &self->capacity, self->count + 1, sizeof *self->parts, "a list of files"));
    self->parts[self->count] = (pc_parquet_part){.path = pc_strdup(path), .file = {.fd = -1}};
    return self->parts[self->count++].path ? PC_OK : pc_fail_memory(strlen(path), "a path");
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const pc_parquet_part *)a)->path, ((const pc_parquet_part *)b)->path);
}

static pc_status list_folder(pc_parquet_set *self, const char *path)
{
    DIR *folder = opendir(path);
    pc_status status = folder ? PC_OK : pc_fail(PC_ERR_IO, "%s: %s", path, strerror(errno));
    for (struct dirent *entry; status == PC_OK && (entry = readdir(folder));) {
        char *full = pc_ends_with(entry->d_name, ".parquet") ? pc_path_join(path, entry->d_name) : NULL;
        status = full ? add_part(self, full) : PC_OK;
        pc_free(full);
    }
    if (folder) {
        closedir(folder);
    }
    if (self->count > 1) {
        qsort(self->parts, self->count, sizeof *self->parts, by_path);
    }
    return status;
}

pc_status pc_parquet_set_open(pc_parquet_set *out, const char *path)
{
    *out = (pc_parquet_set){0};
    PC_TRY(pc_path_is_directory(path) ? list_folder(out, path) : add_part(out, path));
    for (size_t i = 0; i < out->count; i++) {
        PC_TRY(pc_parquet_open(&out->parts[i].file, out->parts[i].path));
        out->parts[i].first = out->rows;
        if (__builtin_add_overflow(out->rows, pc_parquet_rows(&out->parts[i].file), &out->rows)) {
            return pc_fail(PC_ERR_DATA, "%s: too many rows", out->parts[i].path);
        }
        if (i >= KEPT_OPEN) {
            close(out->parts[i].file.fd);
            out->parts[i].file.fd = -1;
        }
    }
    return PC_OK;
}

static const pc_parquet_part *part_of(const pc_parquet_set *set, int64_t row)
{
    size_t at = set->count - 1;
    while (set->parts[at].first > row) {
        at--;
    }
    return &set->parts[at];
}

pc_status pc_parquet_set_read(const pc_parquet_set *set, int64_t row, pc_json **out)
{
    const pc_parquet_part *part = part_of(set, row);
    pc_parquet file = part->file; /* what it points to stays the part's */
    if (file.fd < 0) {
        file.fd = open(part->path, O_RDONLY | O_CLOEXEC);
        PC_TRY(file.fd >= 0 ? PC_OK : pc_fail(PC_ERR_IO, "%s: %s", part->path, strerror(errno)));
    }
    pc_status status = pc_parquet_read(&file, row - part->first, out);
    if (part->file.fd < 0) {
        close(file.fd);
    }
    return status;
}

pc_status pc_parquet_set_name(const pc_parquet_set *set, int64_t row, pc_status status)
{
    const pc_parquet_part *part = part_of(set, row);
    return status == PC_ERR_DATA ? pc_fail_prefix(status, "%s: row %" PRId64, pc_path_base(part->path), row - part->first) : status;
}
