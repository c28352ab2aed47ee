/* Dataset kind `parquet`: rows as in rows.h, one or several files in a folder. Pictures stand in the column of pictures as
 * bytes, as {"bytes", "path"} (Hugging Face's Image) or as lists of these; captions in "text" or "caption". */
#include "base/file.h"
#include "base/memory.h"
#include "data/dataset.h"
#include "data/parquet.h"
#include "data/rows.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef struct part {
    char *path;
    pc_parquet file;
    int64_t first; /* row of the dataset */
} part;

typedef struct parquet_rows {
    part *parts;
    size_t count, capacity;
    char *folder;
    pc_row_format format;
    bool formatted;
} parquet_rows;

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

static bool matches(const char *path)
{
    return pc_path_is_directory(path) ? folder_has_files(path) : pc_ends_with(path, ".parquet") && pc_path_exists(path);
}

static void close_rows(void *state)
{
    parquet_rows *self = state;
    for (size_t i = 0; i < self->count; i++) {
        pc_parquet_close(&self->parts[i].file);
        pc_free(self->parts[i].path);
    }
    pc_free(self->parts);
    pc_free(self->folder);
    pc_free(self);
}

static pc_status add_part(parquet_rows *self, const char *path)
{
    PC_TRY(pc_grow(&self->parts, &self->capacity, self->count + 1, sizeof *self->parts, "a list of files"));
    self->parts[self->count] = (part){.path = pc_strdup(path), .file = {.fd = -1}};
    return self->parts[self->count++].path ? PC_OK : pc_fail_memory(strlen(path), "a path");
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const part *)a)->path, ((const part *)b)->path);
}

static pc_status list_folder(parquet_rows *self, const char *path)
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

static pc_status set_up(parquet_rows *self, int64_t *count, const char *path, const pc_dataset_options *options)
{
    bool folder = pc_path_is_directory(path);
    self->folder = options->image_folder ? pc_strdup(options->image_folder) : folder ? pc_strdup(path) : pc_path_parent(path);
    if (!self->folder) {
        return pc_fail_memory(strlen(path), "a path");
    }
    self->formatted = options->rows != NULL;
    if (self->formatted) {
        self->format = *options->rows;
    }
    PC_TRY(folder ? list_folder(self, path) : add_part(self, path));
    for (size_t i = 0; i < self->count; i++) {
        PC_TRY(pc_parquet_open(&self->parts[i].file, self->parts[i].path));
        self->parts[i].first = *count;
        if (__builtin_add_overflow(*count, pc_parquet_rows(&self->parts[i].file), count)) {
            return pc_fail(PC_ERR_DATA, "%s: too many rows", self->parts[i].path);
        }
    }
    return PC_OK;
}

static pc_status open_rows(void **state, int64_t *count, const char *path, const pc_dataset_options *options)
{
    parquet_rows *self = NULL;
    *count = 0;
    PC_TRY(PC_NEW(self, "a dataset"));
    pc_status status = set_up(self, count, path, options);
    if (status != PC_OK) {
        close_rows(self);
        return status;
    }
    *state = self;
    return PC_OK;
}

static pc_status read_sample(void *state, int64_t index, pc_sample *out)
{
    const parquet_rows *self = state;
    pc_json *json = NULL;
    size_t at = self->count - 1;
    while (self->parts[at].first > index) {
        at--;
    }
    int64_t row = index - self->parts[at].first;
    pc_status status = pc_parquet_read(&self->parts[at].file, row, &json);
    if (status == PC_OK) {
        pc_row as = {.json = json, .format = self->formatted ? &self->format : NULL, .folder = self->folder};
        status = pc_row_read(&as, out);
    }
    pc_json_free(json);
    return status == PC_ERR_DATA ? pc_fail_prefix(status, "%s: row %" PRId64, pc_path_base(self->parts[at].path), row)
                                 : status;
}

const pc_dataset_type pc_dataset_parquet = {
    .name = "parquet",
    .help = "Parquet files with the same rows; pictures as bytes",
    .matches = matches,
    .open = open_rows,
    .read = read_sample,
    .close = close_rows,
};
