/* The record of runs, event files, plots. */
#include "base/file.h"
#include "base/memory.h"
#include "runs/events.h"
#include "runs/plot.h"
#include "runs/runs.h"
#include "support/folder.h"

#include <math.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[256], path[512];

static int set_up(void **state)
{
    (void)state;
    pc_test_folder_new(folder);
    pc_test_path(path, folder, "deep/er/runs.db");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    pc_test_folder_free(folder);
    return 0;
}

static pc_runs *open_runs(void)
{
    pc_runs *runs;
    if (pc_runs_open(&runs, path) != PC_OK) {
        fail_msg("%s", pc_error());
    }
    return runs;
}

typedef struct seen {
    int runs, points;
    int64_t ids[8], last_step, steps;
    double sum, loss;
    char state[16], result[64], name[32], settings[32];
} seen;

static pc_status see_run(void *user, const pc_run *run)
{
    seen *s = user;
    s->ids[s->runs++ % 8] = run->id;
    s->steps = run->steps;
    s->loss = run->loss;
    snprintf(s->state, sizeof s->state, "%s", run->state);
    snprintf(s->result, sizeof s->result, "%s", run->result);
    snprintf(s->name, sizeof s->name, "%s", run->name);
    snprintf(s->settings, sizeof s->settings, "%s", run->settings);
    assert_int_equal(strlen(run->started), 20);
    return PC_OK;
}

static pc_status see_point(void *user, int64_t step, double value)
{
    seen *s = user;
    assert_true(s->points == 0 || step > s->last_step);
    s->points++;
    s->last_step = step;
    s->sum += value;
    return PC_OK;
}

static pc_status see_metric(void *user, const char *metric, int64_t points, double last, double least, double most)
{
    seen *s = user;
    if (strcmp(metric, "loss") == 0) {
        s->points = (int)points;
        assert_true(last == 1.0 && least == 1.0 && most == 600.0);
    }
    s->runs++;
    return PC_OK;
}

static void test_one_run(void **state)
{
    (void)state;
    pc_runs *runs = open_runs();
    int64_t id, other;
    pc_run_start start = {.kind = "train", .name = "a'b; DROP TABLE run;", .folder = "out", .settings = "seed: 1\n"};
    assert_int_equal(pc_runs_begin(runs, &start, &id), PC_OK);
    for (int step = 1; step <= 600; step++) {
        assert_int_equal(pc_runs_point(runs, id, step, "loss", 601 - step), PC_OK);
        assert_int_equal(pc_runs_point(runs, id, step, "norm", step == 3 ? NAN : 1), PC_OK);
    }
    seen s = {0};
    assert_int_equal(pc_runs_get(runs, id, see_run, &s), PC_OK);
    assert_string_equal(s.state, "running");
    assert_int_equal(s.steps, 600);
    assert_true(s.loss == 1.0);
    assert_string_equal(s.name, start.name);
    assert_string_equal(s.settings, start.settings);
    assert_int_equal(pc_runs_setting(runs, id, "print", "it's 1"), PC_OK);
    assert_int_equal(pc_runs_get(runs, id, see_run, &s), PC_OK);
    assert_string_equal(s.settings, "seed: 1\nprint: it's 1\n");
    assert_int_equal(pc_runs_end(runs, id, "done", "{\"a\": 1}"), PC_OK);
    pc_runs_close(runs);

    runs = open_runs();
    assert_int_equal(pc_runs_begin(runs, &(pc_run_start){.kind = "eval", .name = "m"}, &other), PC_OK);
    assert_true(other > id);
    s = (seen){0};
    assert_int_equal(pc_runs_list(runs, 0, see_run, &s), PC_OK);
    assert_true(s.runs == 2 && s.ids[0] == other && s.ids[1] == id);
    assert_string_equal(s.state, "done");
    assert_string_equal(s.result, "{\"a\": 1}");
    s = (seen){0};
    assert_int_equal(pc_runs_list(runs, 1, see_run, &s), PC_OK);
    assert_int_equal(s.runs, 1);
    assert_true(isnan(s.loss));
    s = (seen){0};
    assert_int_equal(pc_runs_points(runs, id, "loss", see_point, &s), PC_OK);
    assert_true(s.points == 600 && s.sum == 600 * 601 / 2);
    s = (seen){0};
    assert_int_equal(pc_runs_points(runs, id, "norm", see_point, &s), PC_OK);
    assert_int_equal(s.points, 599); /* the NaN is left out */
    s = (seen){0};
    assert_int_equal(pc_runs_metrics(runs, id, see_metric, &s), PC_OK);
    assert_true(s.runs == 2 && s.points == 600);
    assert_int_equal(pc_runs_get(runs, 99, see_run, &s), PC_ERR_USAGE);
    pc_runs_close(runs);
}

/* Processes that write at the same time, one of which dies. */
static void test_processes(void **state)
{
    (void)state;
    pid_t children[4];
    for (int c = 0; c < 4; c++) {
        children[c] = fork();
        if (children[c] == 0) {
            pc_runs *runs;
            int64_t id;
            int bad = pc_runs_open(&runs, path) != PC_OK;
            bad = bad || pc_runs_begin(runs, &(pc_run_start){.kind = "bench", .name = "p"}, &id) != PC_OK;
            for (int step = 0; !bad && step < 600; step++) {
                bad = pc_runs_point(runs, id, step, "v", step) != PC_OK;
            }
            bad = bad || (c > 0 && pc_runs_end(runs, id, "done", "") != PC_OK);
            _exit(bad);
        }
    }
    for (int c = 0; c < 4; c++) {
        int status;
        assert_int_equal(waitpid(children[c], &status, 0), children[c]);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    pc_runs *runs = open_runs();
    seen s = {0};
    assert_int_equal(pc_runs_list(runs, 4, see_run, &s), PC_OK);
    int died = 0;
    for (int i = 0; i < 4; i++) {
        seen one = {0};
        assert_int_equal(pc_runs_get(runs, s.ids[i], see_run, &one), PC_OK);
        died += strcmp(one.state, "died") == 0;
    }
    assert_int_equal(died, 1);
    pc_runs_close(runs);
}

static void test_bad_files(void **state)
{
    (void)state;
    pc_runs *runs;
    char other[512];
    pc_test_path(other, folder, "bad.db");
    assert_int_equal(pc_file_write(other, "This is no database, however long one looks at it.....", 50), PC_OK);
    assert_int_equal(pc_runs_open(&runs, other), PC_ERR_DATA);
    assert_null(runs);
    assert_int_equal(pc_runs_open(&runs, folder), PC_ERR_IO);
    sqlite3 *db;
    pc_test_path(other, folder, "newer.db");
    assert_int_equal(sqlite3_open(other, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA user_version=9", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(pc_runs_open(&runs, other), PC_ERR_DATA);
    assert_non_null(strstr(pc_error(), "newer percept"));
}

static uint64_t little(const unsigned char *at, int bytes)
{
    uint64_t value = 0;
    for (int i = bytes; i-- > 0;) {
        value = value << 8 | at[i];
    }
    return value;
}

static uint64_t masked(const void *bytes, uint64_t size)
{
    uint32_t crc = pc_crc32c(bytes, size);
    return (uint32_t)((crc >> 15 | crc << 17) + UINT32_C(0xa282ead8));
}

static void test_events(void **state)
{
    (void)state;
    pc_events *events;
    char command[600], name[512];
    assert_int_equal(pc_crc32c("123456789", 9), UINT32_C(0xe3069283)); /* RFC 3720's polynomial, the usual check value */
    assert_int_equal(pc_events_open(&events, folder), PC_OK);
    assert_int_equal(pc_events_scalar(events, 300, "train/loss", 1.5), PC_OK);
    assert_int_equal(pc_events_scalar(events, 301, "train/loss", NAN), PC_OK);
    pc_events_close(events);
    snprintf(command, sizeof command, "ls %s/events.out.tfevents.*", folder);
    FILE *pipe = popen(command, "r");
    assert_non_null(fgets(name, sizeof name, pipe));
    pclose(pipe);
    name[strcspn(name, "\n")] = '\0';
    char *text;
    size_t size;
    assert_int_equal(pc_file_read(&text, &size, name, 1 << 20), PC_OK);
    const unsigned char *at = (const unsigned char *)text;
    int records = 0;
    for (; at < (const unsigned char *)text + size; records++) {
        uint64_t length = little(at, 8);
        assert_true(little(at + 8, 4) == masked(at, 8));
        assert_true(little(at + 12 + length, 4) == masked(at + 12, length));
        if (records == 1) {
            /* wall_time; step 300; summary { value { tag "train/loss", simple_value 1.5 } } */
            static const unsigned char rest[] = "\x10\xac\x02\x2a\x13\x0a\x11\x0a\x0atrain/loss\x15\x00\x00\xc0\x3f";
            assert_int_equal(at[12], 0x09);
            assert_int_equal(length, 9 + sizeof rest - 1);
            assert_memory_equal(at + 21, rest, sizeof rest - 1);
        }
        at += 16 + length;
    }
    assert_int_equal(records, 3);
    pc_free(text);
}

static void test_plot(void **state)
{
    (void)state;
    static pc_curve curves[2];
    pc_str svg = {0};
    for (int i = 1; i <= 1000; i++) {
        pc_curve_add(&curves[0], i, 1000, 2);
        pc_curve_add(&curves[1], i, 1000, i == 5 ? NAN : -1.0);
    }
    curves[0].name = "a<b&c";
    assert_int_equal(pc_plot_svg(&svg, curves, 2, 1000, "loss"), PC_OK);
    assert_non_null(strstr(svg.data, ">a&lt;b&amp;c</text>"));
    assert_non_null(strstr(svg.data, "step 1000"));
    assert_non_null(strstr(svg.data, ",60.0 "));  /* 2, the top */
    assert_non_null(strstr(svg.data, ",340.0 ")); /* -1, the bottom */
    assert_null(strstr(svg.data, "nan"));
    pc_str_clear(&svg);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_run), cmocka_unit_test(test_processes), cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_events),  cmocka_unit_test(test_plot),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
