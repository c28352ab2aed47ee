#include "eval/samples.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/str.h"
#include "eval/metric/lines.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

struct pc_samples {
    char *path;
    pc_json_lines *old;
    size_t at; /* of the old ones */
    FILE *file;
    pc_str line;
    char where[320];
};

/* A killed process may have left the beginning of a line. */
static pc_status cut_last_line(const char *path)
{
    pc_map map = {0};
    PC_TRY(pc_map_open(&map, path));
    size_t whole = map.size;
    for (; whole && map.data[whole - 1] != '\n'; whole--) {
    }
    bool partial = whole < map.size;
    pc_map_close(&map);
    return partial && truncate(path, (off_t)whole) != 0 ? pc_fail(PC_ERR_IO, "%s: %s", path, strerror(errno)) : PC_OK;
}

/* The file with the lock of the only process that writes it. */
static pc_status open_file(FILE **out, const char *path)
{
    *out = fopen(path, "ab");
    if (!*out) {
        return pc_fail(PC_ERR_IO, "%s: %s", path, strerror(errno));
    }
    return flock(fileno(*out), LOCK_EX | LOCK_NB) == 0 ? PC_OK
                                                       : pc_fail(PC_ERR_IO, "%s: another evaluation writes it", path);
}

pc_status pc_samples_open(pc_samples **out, const char *path)
{
    pc_samples *samples = NULL;
    pc_status status;
    *out = NULL;
    PC_GO(PC_NEW(samples, "a file of samples"));
    samples->path = pc_strdup(path);
    PC_GO(samples->path ? PC_OK : pc_fail_memory(strlen(path), "a path"));
    PC_GO(open_file(&samples->file, path));
    PC_GO(cut_last_line(path));
    PC_GO(pc_json_lines_read(&samples->old, path, false));
    *out = samples;
    return PC_OK;
done:
    pc_samples_close(samples);
    return status;
}

const pc_json *pc_samples_next(pc_samples *samples)
{
    if (!samples->old || samples->at == samples->old->count) {
        return NULL;
    }
    const pc_json_line *line = &samples->old->line[samples->at++];
    snprintf(samples->where, sizeof samples->where, "%.280s:%" PRId64, samples->path, line->line);
    return line->json;
}

const char *pc_samples_where(const pc_samples *samples)
{
    return samples->where;
}

pc_status pc_samples_append(pc_samples *samples, const pc_json *sample)
{
    pc_str_reset(&samples->line);
    PC_TRY(pc_json_write(&samples->line, sample, 0));
    PC_TRY(pc_str_putc(&samples->line, '\n'));
    if (fwrite(samples->line.data, 1, samples->line.length, samples->file) != samples->line.length ||
        fflush(samples->file) != 0) {
        return pc_fail(PC_ERR_IO, "%s: %s", samples->path, strerror(errno));
    }
    return PC_OK;
}

pc_status pc_samples_close(pc_samples *samples)
{
    pc_status status = PC_OK;
    if (!samples) {
        return status;
    }
    if (samples->file && fclose(samples->file) != 0) {
        status = pc_fail(PC_ERR_IO, "%s: %s", samples->path, strerror(errno));
    }
    pc_json_lines_free(samples->old);
    pc_str_clear(&samples->line);
    pc_free(samples->path);
    pc_free(samples);
    return status;
}
