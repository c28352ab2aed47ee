/* SQLite behind a dozen calls. Tables:
 *
 *   run(id, kind, name, folder, settings, version, pid, started, ended, state, result)
 *   point(run, step, metric, value)    primary key (run, metric, step)
 *
 * user_version of the file is FORMAT. Points wait in memory and go out in one transaction, so that nobody holds the file
 * for longer than that takes.
 */
#include "runs/runs.h"

#include "base/file.h"
#include "base/memory.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { FORMAT = 1, WAITING = 256, BUSY_MS = 10000, METRIC = 48 };

typedef struct point {
    int64_t run, step;
    double value;
    char metric[METRIC];
} point;

struct pc_runs {
    sqlite3 *db;
    char *path;
    point waiting[WAITING];
    int count;
    time_t since; /* when the oldest one came */
};

static pc_status failed(const pc_runs *runs, const char *doing)
{
    int code = sqlite3_errcode(runs->db);
    const char *why = sqlite3_errmsg(runs->db);
    if (code == SQLITE_NOMEM) {
        return pc_fail_memory(0, "the record of runs");
    }
    return pc_fail(code == SQLITE_NOTADB || code == SQLITE_CORRUPT ? PC_ERR_DATA : PC_ERR_IO, "%s: %s: %s", runs->path, doing,
                   why);
}

static pc_status execute(const pc_runs *runs, const char *sql)
{
    return sqlite3_exec(runs->db, sql, NULL, NULL, NULL) == SQLITE_OK ? PC_OK : failed(runs, "cannot be changed");
}

static pc_status prepare(const pc_runs *runs, sqlite3_stmt **out, const char *sql)
{
    return sqlite3_prepare_v2(runs->db, sql, -1, out, NULL) == SQLITE_OK ? PC_OK : failed(runs, "cannot be asked");
}

static pc_status finish(const pc_runs *runs, sqlite3_stmt *statement)
{
    int code = sqlite3_step(statement);
    pc_status status = code == SQLITE_DONE || code == SQLITE_ROW ? PC_OK : failed(runs, "cannot be written");
    sqlite3_finalize(statement);
    return status;
}

/* --- opening --- */

static pc_status read_format(const pc_runs *runs, int *format)
{
    sqlite3_stmt *statement = NULL;
    PC_TRY(prepare(runs, &statement, "PRAGMA user_version"));
    int code = sqlite3_step(statement);
    *format = code == SQLITE_ROW ? sqlite3_column_int(statement, 0) : 0;
    sqlite3_finalize(statement);
    return code == SQLITE_ROW ? PC_OK : failed(runs, "cannot be read");
}

static pc_status make_tables(const pc_runs *runs)
{
    static const char tables[] =
        "BEGIN IMMEDIATE;"
        "CREATE TABLE IF NOT EXISTS run(id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, name TEXT NOT NULL,"
        " folder TEXT NOT NULL, settings TEXT NOT NULL, version TEXT NOT NULL, pid INTEGER NOT NULL, started TEXT NOT NULL,"
        " ended TEXT NOT NULL, state TEXT NOT NULL, result TEXT NOT NULL);"
        "CREATE TABLE IF NOT EXISTS point(run INTEGER NOT NULL, metric TEXT NOT NULL, step INTEGER NOT NULL,"
        " value REAL NOT NULL, PRIMARY KEY(run, metric, step)) WITHOUT ROWID;"
        "PRAGMA user_version=1;"
        "COMMIT";
    int format;
    PC_TRY(read_format(runs, &format));
    if (format > FORMAT) {
        return pc_fail(PC_ERR_DATA, "%s: written by a newer percept (format %d, this one knows %d)", runs->path, format, FORMAT);
    }
    return format == FORMAT ? PC_OK : execute(runs, tables);
}

static pc_status open_file(pc_runs *runs, const char *path)
{
    char *folder = pc_path_parent(path);
    runs->path = pc_strdup(path);
    pc_status status = folder && runs->path ? pc_make_directories(folder) : pc_fail_memory(strlen(path), "a path");
    pc_free(folder);
    PC_TRY(status);
    if (sqlite3_open(path, &runs->db) != SQLITE_OK) {
        return runs->db ? failed(runs, "cannot be opened") : pc_fail_memory(0, "the record of runs");
    }
    sqlite3_busy_timeout(runs->db, BUSY_MS);
    return make_tables(runs);
}

pc_status pc_runs_open(pc_runs **out, const char *path)
{
    pc_runs *runs = NULL;
    *out = NULL;
    PC_TRY(PC_NEW(runs, "the record of runs"));
    pc_status status = open_file(runs, path);
    if (status != PC_OK) {
        pc_runs_close(runs);
        return status;
    }
    *out = runs;
    return PC_OK;
}

/* --- writing --- */

static pc_status write_points(const pc_runs *runs, sqlite3_stmt *statement)
{
    for (int i = 0; i < runs->count; i++) {
        const point *p = &runs->waiting[i];
        sqlite3_bind_int64(statement, 1, p->run);
        sqlite3_bind_text(statement, 2, p->metric, -1, SQLITE_STATIC);
        sqlite3_bind_int64(statement, 3, p->step);
        sqlite3_bind_double(statement, 4, p->value);
        if (sqlite3_step(statement) != SQLITE_DONE || sqlite3_reset(statement) != SQLITE_OK) {
            return failed(runs, "cannot be written");
        }
    }
    return PC_OK;
}

static pc_status flush(pc_runs *runs)
{
    sqlite3_stmt *statement = NULL;
    if (runs->count == 0) {
        return PC_OK;
    }
    PC_TRY(execute(runs, "BEGIN IMMEDIATE"));
    pc_status status = prepare(runs, &statement, "INSERT OR REPLACE INTO point(run, metric, step, value) VALUES(?, ?, ?, ?)");
    status = status == PC_OK ? write_points(runs, statement) : status;
    sqlite3_finalize(statement);
    if (status != PC_OK) {
        sqlite3_exec(runs->db, "ROLLBACK", NULL, NULL, NULL);
        return status;
    }
    runs->count = 0;
    return execute(runs, "COMMIT");
}

void pc_runs_close(pc_runs *runs)
{
    if (!runs) {
        return;
    }
    if (runs->db) {
        flush(runs); /* what can't be written now is lost, and pc_runs_end has said so */
        sqlite3_close(runs->db);
    }
    pc_free(runs->path);
    pc_free(runs);
}

static void now_text(char out[32])
{
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

pc_status pc_runs_begin(pc_runs *runs, const pc_run_start *start, int64_t *id)
{
    sqlite3_stmt *statement = NULL;
    char now[32];
    now_text(now);
    PC_TRY(prepare(runs, &statement, "INSERT INTO run(kind, name, folder, settings, version, pid, started, ended, state, result)"
                                     " VALUES(?, ?, ?, ?, ?, ?, ?, '', 'running', '')"));
    const char *const texts[] = {start->kind, start->name, start->folder, start->settings, PERCEPT_VERSION};
    for (int i = 0; i < 5; i++) {
        sqlite3_bind_text(statement, i + 1, texts[i] ? texts[i] : "", -1, SQLITE_STATIC);
    }
    sqlite3_bind_int64(statement, 6, getpid());
    sqlite3_bind_text(statement, 7, now, -1, SQLITE_STATIC);
    PC_TRY(finish(runs, statement));
    *id = sqlite3_last_insert_rowid(runs->db);
    return PC_OK;
}

pc_status pc_runs_point(pc_runs *runs, int64_t id, int64_t step, const char *metric, double value)
{
    time_t now = time(NULL);
    if (!isfinite(value)) {
        return PC_OK;
    }
    if (runs->count == WAITING || (runs->count > 0 && now > runs->since)) {
        PC_TRY(flush(runs));
    }
    runs->since = runs->count == 0 ? now : runs->since;
    point *p = &runs->waiting[runs->count++];
    *p = (point){.run = id, .step = step, .value = value};
    snprintf(p->metric, sizeof p->metric, "%s", metric);
    return PC_OK;
}

pc_status pc_runs_setting(pc_runs *runs, int64_t id, const char *key, const char *value)
{
    sqlite3_stmt *statement = NULL;
    PC_TRY(prepare(runs, &statement, "UPDATE run SET settings = settings || ? || ': ' || ? || char(10) WHERE id = ?"));
    sqlite3_bind_text(statement, 1, key, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 2, value, -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 3, id);
    return finish(runs, statement);
}

pc_status pc_runs_end(pc_runs *runs, int64_t id, const char *state, const char *result)
{
    sqlite3_stmt *statement = NULL;
    char now[32];
    now_text(now);
    PC_TRY(flush(runs));
    PC_TRY(prepare(runs, &statement, "UPDATE run SET ended = ?, state = ?, result = ? WHERE id = ?"));
    sqlite3_bind_text(statement, 1, now, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 2, state, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 3, result ? result : "", -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 4, id);
    return finish(runs, statement);
}

/* --- reading --- */

static const char *text_at(sqlite3_stmt *statement, int column)
{
    const char *text = (const char *)sqlite3_column_text(statement, column);
    return text ? text : "";
}

static pc_run row_of(sqlite3_stmt *statement)
{
    pc_run run = {
        .id = sqlite3_column_int64(statement, 0),
        .kind = text_at(statement, 1),
        .name = text_at(statement, 2),
        .folder = text_at(statement, 3),
        .settings = text_at(statement, 4),
        .version = text_at(statement, 5),
        .pid = sqlite3_column_int64(statement, 6),
        .started = text_at(statement, 7),
        .ended = text_at(statement, 8),
        .state = text_at(statement, 9),
        .result = text_at(statement, 10),
        .steps = sqlite3_column_int64(statement, 11),
        .loss = sqlite3_column_type(statement, 12) == SQLITE_NULL ? NAN : sqlite3_column_double(statement, 12),
    };
    if (strcmp(run.state, "running") == 0 && run.pid > 0 && kill((pid_t)run.pid, 0) != 0 && errno == ESRCH) {
        run.state = "died";
    }
    return run;
}

#define RUN_COLUMNS                                                                                                        \
    "SELECT id, kind, name, folder, settings, version, pid, started, ended, state, result,"                                \
    " (SELECT max(step) FROM point WHERE run = id),"                                                                       \
    " (SELECT value FROM point WHERE run = id AND metric = 'loss' ORDER BY step DESC LIMIT 1) FROM run "

static pc_status walk(const pc_runs *runs, sqlite3_stmt *statement, pc_run_fn each, void *user, int64_t *found)
{
    pc_status status = PC_OK;
    int code = SQLITE_DONE;
    for (*found = 0; status == PC_OK && (code = sqlite3_step(statement)) == SQLITE_ROW; ++*found) {
        pc_run run = row_of(statement);
        status = each(user, &run);
    }
    if (status == PC_OK && code != SQLITE_DONE) {
        status = failed(runs, "cannot be read");
    }
    sqlite3_finalize(statement);
    return status;
}

pc_status pc_runs_list(pc_runs *runs, int64_t limit, pc_run_fn each, void *user)
{
    sqlite3_stmt *statement = NULL;
    int64_t found;
    PC_TRY(flush(runs));
    PC_TRY(prepare(runs, &statement, RUN_COLUMNS "ORDER BY id DESC LIMIT ?"));
    sqlite3_bind_int64(statement, 1, limit > 0 ? limit : -1);
    return walk(runs, statement, each, user, &found);
}

pc_status pc_runs_get(pc_runs *runs, int64_t id, pc_run_fn each, void *user)
{
    sqlite3_stmt *statement = NULL;
    int64_t found;
    PC_TRY(flush(runs));
    PC_TRY(prepare(runs, &statement, RUN_COLUMNS "WHERE id = ?"));
    sqlite3_bind_int64(statement, 1, id);
    PC_TRY(walk(runs, statement, each, user, &found));
    return found ? PC_OK : pc_fail(PC_ERR_USAGE, "there is no run %" PRId64, id);
}

pc_status pc_runs_metrics(pc_runs *runs, int64_t id, pc_metric_fn each, void *user)
{
    sqlite3_stmt *statement = NULL;
    pc_status status = PC_OK;
    PC_TRY(flush(runs));
    PC_TRY(prepare(runs, &statement, "SELECT metric, count(*), min(value), max(value), (SELECT value FROM point p WHERE p.run ="
                                     " q.run AND p.metric = q.metric ORDER BY step DESC LIMIT 1) FROM point q WHERE run = ?"
                                     " GROUP BY metric ORDER BY metric"));
    sqlite3_bind_int64(statement, 1, id);
    while (status == PC_OK && sqlite3_step(statement) == SQLITE_ROW) {
        status = each(user, text_at(statement, 0), sqlite3_column_int64(statement, 1), sqlite3_column_double(statement, 4),
                      sqlite3_column_double(statement, 2), sqlite3_column_double(statement, 3));
    }
    sqlite3_finalize(statement);
    return status;
}

pc_status pc_runs_points(pc_runs *runs, int64_t id, const char *metric, pc_point_fn each, void *user)
{
    sqlite3_stmt *statement = NULL;
    pc_status status = PC_OK;
    int code = SQLITE_DONE;
    PC_TRY(flush(runs));
    PC_TRY(prepare(runs, &statement, "SELECT step, value FROM point WHERE run = ? AND metric = ? ORDER BY step"));
    sqlite3_bind_int64(statement, 1, id);
    sqlite3_bind_text(statement, 2, metric, -1, SQLITE_STATIC);
    while (status == PC_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        status = each(user, sqlite3_column_int64(statement, 0), sqlite3_column_double(statement, 1));
    }
    if (status == PC_OK && code != SQLITE_DONE) {
        status = failed(runs, "cannot be read");
    }
    sqlite3_finalize(statement);
    return status;
}
