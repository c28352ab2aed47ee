/* Dataset kinds `llava_json` (a JSON list of rows) and `jsonl` (a row in each line), of any size: what a row may hold is
 * said in rows.h. Only the places of the rows are held in memory (16 bytes each), or mapped from a kept index.
 */
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "data/dataset.h"
#include "data/json_file.h"
#include "data/rows.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

typedef struct json_rows {
    pc_json_file file;
    char *images; /* folder */
    pc_row_format format;
    bool formatted;
} json_rows;

/* The first byte that is no blank; 0 when there is none near the start. */
static char first_byte(const char *path)
{
    char bytes[4096];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t got = fd >= 0 ? read(fd, bytes, sizeof bytes) : 0;
    if (fd >= 0) {
        close(fd);
    }
    for (ssize_t i = 0; i < got; i++) {
        if (!strchr(" \t\r\n", bytes[i])) {
            return bytes[i];
        }
    }
    return 0;
}

static bool is_named(const char *path)
{
    return (pc_ends_with(path, ".json") || pc_ends_with(path, ".jsonl")) && pc_path_exists(path) &&
           !pc_path_is_directory(path);
}

/* By what is in the file; its name decides where nothing is. */
static bool matches_list(const char *path)
{
    return is_named(path) && first_byte(path) != '{' && (pc_ends_with(path, ".json") || first_byte(path) == '[');
}

static bool matches_lines(const char *path)
{
    return is_named(path) && !matches_list(path);
}

static void close_file(void *state)
{
    json_rows *self = state;
    pc_json_file_close(&self->file);
    pc_free(self->images);
    pc_free(self);
}

static pc_status set_up(json_rows *self, const char *path, const pc_dataset_options *options, bool lines)
{
    pc_json_index_options how = {.lines = lines, .limit = options->limit, .folder = options->index_folder};
    PC_TRY(pc_json_file_open(&self->file, path, &how));
    self->images = options->image_folder ? pc_strdup(options->image_folder) : pc_path_parent(path);
    if (!self->images) {
        return pc_fail_memory(strlen(path) + 1, "a path");
    }
    self->formatted = options->rows != NULL;
    if (self->formatted) {
        self->format = *options->rows;
    }
    return PC_OK;
}

static pc_status open_file(void **state, int64_t *count, const char *path, const pc_dataset_options *options, bool lines)
{
    json_rows *self = NULL;
    PC_TRY(PC_NEW(self, "a dataset"));
    pc_status status = set_up(self, path, options, lines);
    if (status != PC_OK) {
        close_file(self);
        return status;
    }
    *state = self;
    *count = (int64_t)self->file.index.count;
    return PC_OK;
}

static pc_status open_list(void **state, int64_t *count, const char *path, const pc_dataset_options *options)
{
    return open_file(state, count, path, options, false);
}

static pc_status open_lines(void **state, int64_t *count, const char *path, const pc_dataset_options *options)
{
    return open_file(state, count, path, options, true);
}

static pc_status read_sample(void *state, int64_t index, pc_sample *out)
{
    const json_rows *self = state;
    pc_json *json = NULL;
    PC_TRY(pc_json_file_read(&self->file, index, &json));
    pc_row row = {.json = json, .format = self->formatted ? &self->format : NULL, .folder = self->images};
    pc_status status = pc_row_read(&row, out);
    if (status == PC_ERR_DATA) {
        pc_fail_prefix(status, "the object at byte %" PRId64, self->file.index.places[index].offset);
    }
    pc_json_free(json);
    return status;
}

static int64_t line_of(void *state, int64_t index)
{
    const json_rows *self = state;
    return self->file.index.places[index].line;
}

const pc_dataset_type pc_dataset_llava_json = {
    .name = "llava_json",
    .help = "a JSON list of rows: LLaVA, ShareGPT, OpenAI messages, Alpaca, preferences",
    .matches = matches_list,
    .open = open_list,
    .read = read_sample,
    .line = line_of,
    .close = close_file,
};

const pc_dataset_type pc_dataset_jsonl = {
    .name = "jsonl",
    .help = "the same rows, one in each line",
    .matches = matches_lines,
    .open = open_lines,
    .read = read_sample,
    .line = line_of,
    .close = close_file,
};
