#include "base/file.h"
#include "base/str.h"
#include "eval/task.h"

#include <stdio.h>
#include <string.h>

#define PC_TASK(name) extern const pc_task pc_task_##name;
#include "eval/list.h"
#undef PC_TASK

static const pc_task *const tasks[] = {
#define PC_TASK(name) &pc_task_##name,
#include "eval/list.h"
#undef PC_TASK
};
enum { TASKS = sizeof tasks / sizeof tasks[0] };

const pc_task *pc_task_at(size_t i)
{
    return i < TASKS ? tasks[i] : NULL;
}

pc_status pc_task_describe(pc_task_about *out, const pc_task *task, const char *path)
{
    *out = (pc_task_about){.usual_limit = task->usual_limit};
    snprintf(out->name, sizeof out->name, "%s", task->name);
    snprintf(out->version, sizeof out->version, "%s", task->version);
    snprintf(out->metric, sizeof out->metric, "%s", task->metric ? task->metric : "");
    return task->describe ? task->describe(out, path) : PC_OK;
}

static const pc_task *by_name(const char *name, size_t length)
{
    for (size_t i = 0; i < TASKS; i++) {
        if (strlen(tasks[i]->name) == length && strncmp(tasks[i]->name, name, length) == 0) {
            return tasks[i];
        }
    }
    return NULL;
}

static pc_status unknown(const char *word)
{
    const char *names[TASKS];
    for (size_t i = 0; i < TASKS; i++) {
        names[i] = tasks[i]->name;
    }
    const char *near = pc_nearest_name(word, names, TASKS, sizeof names[0]);
    return pc_fail(PC_ERR_USAGE,
                   "--tasks: '%s' is neither a task nor a file or folder of one%s%s%s",
                   word, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

pc_status pc_task_find(const pc_task **out, const char **path, const char *word, const char *data)
{
    const char *colon = strchr(word, ':');
    size_t length = colon ? (size_t)(colon - word) : strlen(word);
    *path = colon ? colon + 1 : NULL;
    *out = by_name(word, length);
    if (*out && (*out)->matches && !*path) {
        *path = data;
    }
    if (*out && !(*out)->matches == !*path) {
        return PC_OK;
    }
    if (*out) {
        return pc_fail(PC_ERR_USAGE, (*out)->matches ? "--tasks: %s needs a path: %s:PATH or --data PATH"
                                                     : "--tasks: %s takes no path (%s)",
                       (*out)->name, (*out)->name);
    }
    *path = word;
    for (size_t i = 0; i < TASKS; i++) {
        if (tasks[i]->matches && tasks[i]->matches(word)) {
            *out = tasks[i];
            return PC_OK;
        }
    }
    if (strchr(word, '/') && !pc_path_exists(word)) {
        return pc_fail(PC_ERR_IO, "%s: there is no such file or folder", word);
    }
    return unknown(word);
}
