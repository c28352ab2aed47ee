/* Dataset kind `parquet`: rows as in rows.h, one or several files in a folder. Pictures stand in the column of pictures as
 * bytes, as {"bytes", "path"} (Hugging Face's Image) or as lists of these; captions in "text" or "caption". */
#include "base/file.h"
#include "base/memory.h"
#include "data/dataset.h"
#include "data/parquet_set.h"
#include "data/rows.h"

#include <string.h>

typedef struct parquet_rows {
    pc_parquet_set files;
    char *folder;
    pc_row_format format;
    bool formatted;
} parquet_rows;

static void close_rows(void *state)
{
    parquet_rows *self = state;
    pc_parquet_set_close(&self->files);
    pc_free(self->folder);
    pc_free(self);
}

static pc_status set_up(parquet_rows *self, const char *path, const pc_dataset_options *options)
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
    return pc_parquet_set_open(&self->files, path);
}

static pc_status open_rows(void **state, int64_t *count, const char *path, const pc_dataset_options *options)
{
    parquet_rows *self = NULL;
    PC_TRY(PC_NEW(self, "a dataset"));
    pc_status status = set_up(self, path, options);
    if (status != PC_OK) {
        close_rows(self);
        return status;
    }
    *state = self;
    *count = self->files.rows;
    return PC_OK;
}

static pc_status read_sample(void *state, int64_t index, pc_sample *out)
{
    const parquet_rows *self = state;
    pc_json *json = NULL;
    pc_status status = pc_parquet_set_read(&self->files, index, &json);
    if (status == PC_OK) {
        pc_row as = {.json = json, .format = self->formatted ? &self->format : NULL, .folder = self->folder};
        status = pc_row_read(&as, out);
    }
    pc_json_free(json);
    return pc_parquet_set_name(&self->files, index, status);
}

const pc_dataset_type pc_dataset_parquet = {
    .name = "parquet",
    .help = "Parquet files with the same rows; pictures as bytes",
    .matches = pc_parquet_set_matches,
    .open = open_rows,
    .read = read_sample,
    .close = close_rows,
};
