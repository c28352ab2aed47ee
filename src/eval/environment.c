#include "eval/environment.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/str.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { FILE_LIMIT = 16 << 20 };

/* *json = the file, or what a new one holds; *tasks borrowed from it. */
static pc_status read_file(pc_json **json, pc_json **tasks, const char *path)
{
    *json = NULL;
    if (pc_path_exists(path)) {
        PC_TRY(pc_json_read(json, path, FILE_LIMIT));
    } else if (!(*json = pc_json_new_object())) {
        return pc_fail_memory(0, "an environment");
    }
    *tasks = pc_json_get(*json, "tasks");
    if (*tasks && pc_json_is_object(*tasks)) {
        return PC_OK;
    }
    *tasks = pc_json_new_object();
    return pc_json_is_object(*json) ? pc_json_set(*json, "tasks", *tasks)
                                    : (pc_json_free(*tasks), pc_fail(PC_ERR_DATA, "%s: expected an object", path));
}

static pc_status same_value(bool *same, const pc_json *a, const pc_json *b)
{
    pc_str x = {0}, y = {0};
    pc_status status;
    *same = false;
    if (!a || !b) {
        return PC_OK;
    }
    PC_GO(pc_json_write(&x, a, 0));
    PC_GO(pc_json_write(&y, b, 0));
    *same = x.length == y.length && memcmp(x.data, y.data, x.length) == 0;
done:
    pc_str_clear(&x);
    pc_str_clear(&y);
    return status;
}

static pc_status begun_with_another(const char *key, const char *samples)
{
    return pc_fail(PC_ERR_USAGE, "%s: was begun with another %s; give another --output_path or remove the file", samples, key);
}

/* Equal in all keys of either. */
static pc_status compare_setups(const pc_json *old, const pc_json *setup, const char *samples)
{
    for (void *it = pc_json_first(old); it; it = pc_json_next(old, it)) {
        PC_TRY(pc_json_get(setup, pc_json_key(it)) ? PC_OK : begun_with_another(pc_json_key(it), samples));
    }
    for (void *it = pc_json_first(setup); it; it = pc_json_next(setup, it)) {
        bool same;
        PC_TRY(same_value(&same, pc_json_value(it), pc_json_get(old, pc_json_key(it))));
        PC_TRY(same ? PC_OK : begun_with_another(pc_json_key(it), samples));
    }
    return PC_OK;
}

static bool has_bytes(const char *path)
{
    struct stat about;
    return stat(path, &about) == 0 && about.st_size > 0;
}

pc_status pc_environment_claim(const char *folder, const char *task, const char *samples, pc_json *setup)
{
    char *path = pc_path_join(folder, "environment.json");
    pc_json *json = NULL, *tasks, *one;
    pc_status status;
    PC_GO(path ? PC_OK : pc_fail_memory(strlen(folder), "a path"));
    PC_GO(read_file(&json, &tasks, path));
    PC_GO(has_bytes(samples) ? compare_setups(pc_json_get(pc_json_get(tasks, task), "setup"), setup, samples) : PC_OK);
    PC_GO(pc_json_set(tasks, task, one = pc_json_new_object()));
    pc_json *given = setup;
    setup = NULL;
    PC_GO(pc_json_set(one, "setup", given));
    PC_GO(pc_json_write_file(path, json, 2));
done:
    pc_json_free(setup);
    pc_json_free(json);
    pc_free(path);
    return status;
}

static pc_status note_machine(pc_json *into)
{
    char host[256] = "", now[32] = "";
    time_t seconds = time(NULL);
    struct tm utc;
    gethostname(host, sizeof host - 1);
    strftime(now, sizeof now, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&seconds, &utc));
    PC_TRY(pc_json_set(into, "ended", pc_json_new_text(now)));
    PC_TRY(pc_json_set(into, "host", pc_json_new_text(host)));
    return pc_json_set(into, "processors", pc_json_new_integer(sysconf(_SC_NPROCESSORS_ONLN)));
}

pc_status pc_environment_note(const char *folder, const char *task, double seconds, int threads)
{
    char *path = pc_path_join(folder, "environment.json");
    pc_json *json = NULL, *tasks, *one;
    pc_status status;
    PC_GO(path ? PC_OK : pc_fail_memory(strlen(folder), "a path"));
    PC_GO(read_file(&json, &tasks, path));
    if (!(one = pc_json_get(tasks, task))) {
        PC_GO(pc_json_set(tasks, task, one = pc_json_new_object()));
    }
    PC_GO(pc_json_set(one, "seconds", pc_json_new_number(seconds)));
    PC_GO(pc_json_set(one, "threads", pc_json_new_integer(threads)));
    PC_GO(note_machine(one));
    PC_GO(pc_json_write_file(path, json, 2));
done:
    pc_json_free(json);
    pc_free(path);
    return status;
}

/* --- the stamp --- */

static pc_status describe(pc_str *out, const char *folder, const char *name)
{
    char *path = name ? pc_path_join(folder, name) : pc_strdup(folder);
    struct stat about;
    pc_status status = path ? PC_OK : pc_fail_memory(strlen(folder), "a path");
    if (status == PC_OK && stat(path, &about) == 0 && S_ISREG(about.st_mode)) {
        status = pc_str_printf(out, "%s %lld %lld.%09ld\n", name ? name : "", (long long)about.st_size,
                               (long long)about.st_mtim.tv_sec, about.st_mtim.tv_nsec);
    }
    pc_free(path);
    return status;
}

pc_status pc_environment_stamp(char out[65], const char *path)
{
    struct dirent **entry = NULL;
    pc_str text = {0};
    pc_status status = PC_OK;
    int count = pc_path_is_directory(path) ? scandir(path, &entry, NULL, alphasort) : -1;
    PC_GO(count < 0 ? describe(&text, path, NULL) : PC_OK);
    for (int i = 0; i < count; i++) {
        const char *name = entry[i]->d_name;
        const bool packed = strncmp(name, "packed-", 7) == 0 && pc_ends_with(name, ".safetensors"); /* what it has, the weights have */
        PC_GO(packed ? PC_OK : describe(&text, path, name));
    }
    pc_sha256(text.data ? text.data : "", text.length, out);
done:
    for (int i = 0; i < count; i++) {
        free(entry[i]);
    }
    free(entry);
    pc_str_clear(&text);
    return status;
}
