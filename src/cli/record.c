#include "cli/record.h"

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

static void give_up(pc_record *record)
{
    pc_log(PC_LOG_WARNING, "this run is not recorded: %s", pc_error());
    pc_runs_close(record->runs);
    *record = (pc_record){0};
}

pc_status pc_record_path(char **out)
{
    const char *own = getenv("PERCEPT_RUNS"), *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    *out = NULL;
    if (own ? !*own : !(data && *data) && !(home && *home)) {
        return PC_OK;
    }
    *out = own ? pc_strdup(own)
               : pc_path_join(data && *data ? data : home, data && *data ? "percept/runs.db" : ".local/share/percept/runs.db");
    return *out ? PC_OK : pc_fail_memory(0, "a path");
}

void pc_record_begin(pc_record *record, const pc_run_start *start)
{
    char *path = NULL;
    *record = (pc_record){0};
    pc_status status = pc_record_path(&path);
    if (status == PC_OK && path) {
        status = pc_runs_open(&record->runs, path);
    }
    if (status == PC_OK && record->runs) {
        status = pc_runs_begin(record->runs, start, &record->id);
    }
    if (status != PC_OK) {
        give_up(record);
    }
    pc_free(path);
}

void pc_record_point(pc_record *record, int64_t step, const char *metric, double value)
{
    if (record->runs && pc_runs_point(record->runs, record->id, step, metric, value) != PC_OK) {
        give_up(record);
    }
}

void pc_record_setting(pc_record *record, const char *key, const char *value)
{
    if (record->runs && pc_runs_setting(record->runs, record->id, key, value) != PC_OK) {
        give_up(record);
    }
}

void pc_record_end(pc_record *record, pc_status status, const char *result)
{
    const char *state = status == PC_OK ? "done" : status == PC_ERR_INTERRUPTED ? "stopped" : "failed";
    pc_str text = {0};
    if (!record->runs) {
        return;
    }
    /* The command's own message must survive. */
    if (pc_str_puts(&text, status == PC_OK ? (result ? result : "") : pc_error()) != PC_OK ||
        pc_runs_end(record->runs, record->id, state, text.data) != PC_OK) {
        pc_log(PC_LOG_WARNING, "the end of this run is not recorded: %s", pc_error());
    }
    if (status != PC_OK && text.data) {
        pc_fail(status, "%s", text.data);
    }
    pc_runs_close(record->runs);
    *record = (pc_record){0};
    pc_str_clear(&text);
}
