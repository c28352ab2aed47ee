#include "instruct/journal.h"

#include "base/file.h"
#include "base/memory.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

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

/* Two texts of one setting, for a message. */
static pc_status tell_difference(const char *path, const char *key, const pc_json *old, const pc_json *new)
{
    pc_str was = {0}, is = {0};
    pc_status status = old ? pc_json_write(&was, old, 0) : pc_str_puts(&was, "not set");
    status = status != PC_OK ? status : new ? pc_json_write(&is, new, 0) : pc_str_puts(&is, "not set");
    if (status == PC_OK) {
        status = pc_fail(PC_ERR_USAGE, "%s was begun with other settings: %s was %.120s, is %.120s; give another folder or remove it", path, key,
                         was.data, is.data);
    }
    pc_str_clear(&was);
    pc_str_clear(&is);
    return status;
}

static pc_status same(bool *out, const pc_json *a, const pc_json *b)
{
    pc_str x = {0}, y = {0};
    pc_status status = pc_json_write(&x, a, 0);
    status = status == PC_OK ? pc_json_write(&y, b, 0) : status;
    *out = status == PC_OK && x.length == y.length && memcmp(x.data, y.data, x.length) == 0;
    pc_str_clear(&x);
    pc_str_clear(&y);
    return status;
}

static pc_status compare_settings(const char *path, const pc_json *old, const pc_json *new)
{
    for (void *it = pc_json_first(new); it; it = pc_json_next(new, it)) {
        const pc_json *was = pc_json_get(old, pc_json_key(it));
        bool equal = false;
        PC_TRY(was ? same(&equal, was, pc_json_value(it)) : PC_OK);
        PC_TRY(equal ? PC_OK : tell_difference(path, pc_json_key(it), was, pc_json_value(it)));
    }
    for (void *it = pc_json_first(old); it; it = pc_json_next(old, it)) {
        PC_TRY(pc_json_get(new, pc_json_key(it)) ? PC_OK : tell_difference(path, pc_json_key(it), pc_json_value(it), NULL));
    }
    return PC_OK;
}

/* Each line to `take`; the first one to compare with settings, NULL = it is passed over. *count = lines behind it. */
static pc_status go_over(FILE *file, const char *path, const pc_json *settings, pc_journal_line take, void *user, int64_t *count)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t length;
    pc_status status = PC_OK;
    *count = -1;
    while (status == PC_OK && (length = getline(&line, &room, file)) > 0) {
        pc_json *json = NULL;
        char where[400];
        snprintf(where, sizeof where, "%.350s:%" PRId64, path, *count + 2);
        status = pc_json_parse(&json, line, (size_t)length, where);
        if (status == PC_OK && *count < 0) {
            const pc_json *old = pc_json_get(json, "settings");
            status = !old ? pc_fail(PC_ERR_DATA, "%s: expected \"settings\"", where) : settings ? compare_settings(path, old, settings) : PC_OK;
        } else if (status == PC_OK) {
            status = pc_json_get_integer(json, "request", -1) == *count ? take(user, json)
                                                                        : pc_fail(PC_ERR_DATA, "%s: expected request %" PRId64, where, *count);
        }
        pc_json_free(json);
        ++*count;
    }
    free(line);
    return status == PC_OK && ferror(file) ? pc_fail(PC_ERR_IO, "%s: %s", path, strerror(errno)) : status;
}

static pc_status begin(pc_journal *journal, const pc_json *settings)
{
    pc_json *line = pc_json_new_object();
    pc_status status = pc_json_set(line, "settings", pc_json_copy(settings));
    status = status == PC_OK ? pc_journal_append(journal, line) : status;
    pc_json_free(line);
    journal->count = 0;
    return status;
}

pc_status pc_journal_open(pc_journal *out, const char *path, const pc_json *settings, pc_journal_line take, void *user)
{
    *out = (pc_journal){.path = pc_strdup(path)};
    PC_TRY(out->path ? PC_OK : pc_fail_memory(0, "a path"));
    out->file = fopen(path, "a+be");
    if (!out->file) {
        return pc_fail(PC_ERR_IO, "%s: %s", path, strerror(errno));
    }
    if (flock(fileno(out->file), LOCK_EX | LOCK_NB) != 0) {
        return pc_fail(PC_ERR_IO, "%s: another run writes it", path);
    }
    PC_TRY(cut_last_line(path));
    rewind(out->file);
    PC_TRY(go_over(out->file, path, settings, take, user, &out->count));
    if (out->count < 0) {
        PC_TRY(begin(out, settings));
    }
    return PC_OK;
}

pc_status pc_journal_append(pc_journal *journal, const pc_json *line)
{
    pc_str_reset(&journal->line);
    PC_TRY(pc_json_write(&journal->line, line, 0));
    PC_TRY(pc_str_putc(&journal->line, '\n'));
    bool good = fwrite(journal->line.data, 1, journal->line.length, journal->file) == journal->line.length && fflush(journal->file) == 0;
    journal->count++;
    return good ? PC_OK : pc_fail(PC_ERR_IO, "%s: %s", journal->path, strerror(errno));
}

pc_status pc_journal_read(const pc_journal *journal, pc_journal_line take, void *user)
{
    int64_t count;
    FILE *file = fopen(journal->path, "rbe");
    if (!file) {
        return pc_fail(PC_ERR_IO, "%s: %s", journal->path, strerror(errno));
    }
    pc_status status = go_over(file, journal->path, NULL, take, user, &count);
    fclose(file);
    return status;
}

void pc_journal_close(pc_journal *journal)
{
    if (journal->file) {
        fclose(journal->file);
    }
    pc_free(journal->path);
    pc_str_clear(&journal->line);
    *journal = (pc_journal){0};
}
