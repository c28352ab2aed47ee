#include "instruct/row_source.h"

#include "base/json.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

/* Does the file hold one list? */
static bool is_list(const char *path)
{
    char bytes[256] = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t got = fd >= 0 ? read(fd, bytes, sizeof bytes - 1) : 0;
    if (fd >= 0) {
        close(fd);
    }
    return got > 0 && bytes[strspn(bytes, " \t\r\n")] == '[';
}

pc_status pc_row_source_open(pc_row_source *out, const char *const *paths, int count, int64_t limit)
{
    if (count < 1 || count > PC_ROW_SOURCE_FILES) {
        return pc_fail(PC_ERR_USAGE, "%d files of rows; expected 1 to %d", count, PC_ROW_SOURCE_FILES);
    }
    for (int i = 0; i < count; i++) {
        out->files[i].fd = -1;
        out->paths[i] = paths[i];
        out->file_count++;
        PC_TRY(pc_json_file_open(&out->files[i], paths[i], &(pc_json_index_options){.lines = !is_list(paths[i])}));
        out->count += (int64_t)out->files[i].index.count;
    }
    out->count = limit > 0 && limit < out->count ? limit : out->count;
    return out->count ? PC_OK : pc_fail(PC_ERR_DATA, "%s: no rows", paths[0]);
}

void pc_row_source_close(pc_row_source *source)
{
    for (int i = 0; i < source->file_count; i++) {
        pc_json_file_close(&source->files[i]);
    }
    *source = (pc_row_source){0};
}

pc_status pc_row_source_read(const pc_row_source *source, int64_t row, pc_json **out)
{
    int f = 0;
    for (; row >= (int64_t)source->files[f].index.count; f++) {
        row -= (int64_t)source->files[f].index.count;
    }
    pc_status status = pc_json_file_read(&source->files[f], row, out);
    if (status == PC_OK && !pc_json_is_object(*out)) {
        pc_json_free(*out);
        *out = NULL;
        status = pc_fail(PC_ERR_DATA, "expected an object");
    }
    return status == PC_OK ? PC_OK : pc_fail_prefix(status, "%s:%u", source->paths[f], source->files[f].index.places[row].line);
}
