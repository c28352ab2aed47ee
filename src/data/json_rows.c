/* Dataset kinds `llava_json` (a JSON list of rows) and `jsonl` (a row in each line), of any size: what a row may hold is
 * said in rows.h. Only the places of the rows are held in memory (16 bytes each), or mapped from a kept index.
 */
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "data/dataset.h"
#include "data/json_index.h"
#include "data/rows.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct json_rows {
    int fd;
    char *images; /* folder */
    pc_row_format format;
    bool formatted;
    pc_json_index index;
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
    if (self->fd >= 0) {
        close(self->fd);
    }
    pc_free(self->images);
    pc_json_index_clear(&self->index);
    pc_free(self);
}

static pc_status set_up(json_rows *self, const char *path, const pc_dataset_options *options, bool lines)
{
    struct stat info;
    pc_json_index_options how = {.lines = lines, .limit = options->limit, .folder = options->index_folder};
    self->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (self->fd < 0 || fstat(self->fd, &info) != 0) {
        return pc_fail(PC_ERR_IO, "%s: cannot be opened: %s", path, strerror(errno));
    }
    if (!S_ISREG(info.st_mode)) {
        return pc_fail(PC_ERR_IO, "%s: not a regular file", path);
    }
    self->images = options->image_folder ? pc_strdup(options->image_folder) : pc_path_parent(path);
    if (!self->images) {
        return pc_fail_memory(strlen(path) + 1, "a path");
    }
    self->formatted = options->rows != NULL;
    if (self->formatted) {
        self->format = *options->rows;
    }
    return pc_json_index_build(&self->index, self->fd, path, &how);
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
    *count = (int64_t)self->index.count;
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

static pc_status read_bytes(const json_rows *self, const pc_json_place *place, char *bytes)
{
    size_t done = 0;
    while (done < place->size) {
        ssize_t got = pread(self->fd, bytes + done, place->size - done, place->offset + (int64_t)done);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return pc_fail(PC_ERR_IO, "byte %" PRId64 ": %s", place->offset + (int64_t)done,
                           got == 0 ? "the file has become shorter" : strerror(errno));
        }
        done += (size_t)got;
    }
    return PC_OK;
}

static pc_status read_sample(void *state, int64_t index, pc_sample *out)
{
    const json_rows *self = state;
    const pc_json_place *place = &self->index.places[index];
    char *bytes = NULL, where[48];
    pc_json *json = NULL;
    pc_status status;
    snprintf(where, sizeof where, "the object at byte %" PRId64, place->offset);
    PC_GO(PC_NEW_ARRAY(bytes, place->size, "a sample"));
    PC_GO(read_bytes(self, place, bytes));
    PC_GO(pc_json_parse(&json, bytes, place->size, where));
    pc_row row = {.json = json, .format = self->formatted ? &self->format : NULL, .folder = self->images};
    status = pc_row_read(&row, out);
    if (status == PC_ERR_DATA) {
        pc_fail_prefix(status, "%s", where);
    }
done:
    pc_json_free(json);
    pc_free(bytes);
    return status;
}

static int64_t line_of(void *state, int64_t index)
{
    const json_rows *self = state;
    return self->index.places[index].line;
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
