#include "data/row_file.h"

#include "base/file.h"
#include "base/memory.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static pc_status fail(const pc_row_file *rows)
{
    return pc_fail(PC_ERR_IO, "%s: %s", rows->part, strerror(errno));
}

pc_status pc_row_file_open(pc_row_file *out, const char *folder, const char *name)
{
    pc_str part = {0};
    *out = (pc_row_file){.path = pc_path_join(folder, name), .list = pc_ends_with(name, ".json")};
    PC_TRY(out->path ? pc_str_printf(&part, "%s.part", out->path) : pc_fail_memory(0, "a path"));
    out->part = part.data;
    out->file = fopen(out->part, "we");
    return out->file ? PC_OK : fail(out);
}

pc_status pc_row_file_put(pc_row_file *rows, const pc_json *row)
{
    pc_str_reset(&rows->line);
    PC_TRY(rows->list ? pc_str_puts(&rows->line, rows->count ? ",\n" : "[\n") : PC_OK);
    PC_TRY(pc_json_write(&rows->line, row, 0));
    PC_TRY(rows->list ? PC_OK : pc_str_putc(&rows->line, '\n'));
    rows->count++;
    return fwrite(rows->line.data, 1, rows->line.length, rows->file) == rows->line.length ? PC_OK : fail(rows);
}

pc_status pc_row_file_finish(pc_row_file *rows)
{
    const char *end = !rows->list ? "" : rows->count ? "\n]\n" : "[]\n";
    bool good = fputs(end, rows->file) >= 0 && fflush(rows->file) == 0 && fsync(fileno(rows->file)) == 0;
    good = fclose(rows->file) == 0 && good;
    rows->file = NULL;
    return good && rename(rows->part, rows->path) == 0 ? PC_OK : fail(rows);
}

void pc_row_file_close(pc_row_file *rows)
{
    if (rows->file) {
        fclose(rows->file);
    }
    pc_str_clear(&rows->line);
    pc_free(rows->part);
    pc_free(rows->path);
    *rows = (pc_row_file){0};
}
