#include "data/json_file.h"

#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

pc_status pc_json_file_open(pc_json_file *out, const char *path, const pc_json_index_options *options)
{
    struct stat info;
    *out = (pc_json_file){.fd = open(path, O_RDONLY | O_CLOEXEC)};
    if (out->fd < 0 || fstat(out->fd, &info) != 0) {
        return pc_fail(PC_ERR_IO, "%s: cannot be opened: %s", path, strerror(errno));
    }
    if (!S_ISREG(info.st_mode)) {
        return pc_fail(PC_ERR_IO, "%s: not a regular file", path);
    }
    return pc_json_index_build(&out->index, out->fd, path, options);
}

void pc_json_file_close(pc_json_file *file)
{
    if (file->fd >= 0) {
        close(file->fd);
    }
    pc_json_index_clear(&file->index);
    file->fd = -1;
}

static pc_status read_bytes(int fd, const pc_json_place *place, char *bytes)
{
    size_t done = 0;
    while (done < place->size) {
        ssize_t got = pread(fd, bytes + done, place->size - done, place->offset + (int64_t)done);
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

pc_status pc_json_file_read(const pc_json_file *file, int64_t row, pc_json **out)
{
    const pc_json_place *place = &file->index.places[row];
    char *bytes = NULL, where[48];
    pc_status status;
    *out = NULL;
    snprintf(where, sizeof where, "the object at byte %" PRId64, place->offset);
    PC_GO(PC_NEW_ARRAY(bytes, place->size, "a sample"));
    PC_GO(read_bytes(file->fd, place, bytes));
    PC_GO(pc_json_parse(out, bytes, place->size, where));
done:
    pc_free(bytes);
    return status;
}
