/* SWEEP.yaml, and the points of its grid. */
#include "base/file.h"
#include "base/str.h"
#include "base/yaml.h"
#include "cli/sweep.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { LIMIT = 1 << 20, DEPTH = 4, MOST_POINTS = 100000 };

static const char *const known[] = {"recipe", "output_dir", "tasks", "seeds", "without_images", "set", "eval", "axes"};

/* Texts go to file[key][key]...; the mappings between come into being. */
static pc_status put(pc_json *at, const pc_yaml_value *value)
{
    for (int d = 0; d + 1 < value->depth; d++) {
        pc_json *next = pc_json_get(at, value->keys[d]);
        if (next && !pc_json_is_object(next)) {
            return pc_fail(PC_ERR_USAGE, "%s: '%s' is a value already", value->where, value->keys[d]);
        }
        if (!next) {
            next = pc_json_new_object();
            PC_TRY(pc_json_set(at, value->keys[d], next));
        }
        at = next;
    }
    const char *last = value->keys[value->depth - 1];
    if (pc_json_get(at, last)) {
        return pc_fail(PC_ERR_USAGE, "%s: '%s' is given twice", value->where, last);
    }
    return pc_json_set(at, last, pc_json_new_text(value->text));
}

static pc_status set_value(void *user, const pc_yaml_value *value)
{
    pc_json *at = user;
    const char *first = value->keys[0];
    bool section = strcmp(first, "set") == 0 || strcmp(first, "eval") == 0 || strcmp(first, "axes") == 0;
    bool right = section == (value->depth > 1) && (value->depth < 3 || strcmp(first, "axes") == 0);
    size_t count = sizeof known / sizeof known[0], i = 0;
    while (i < count && strcmp(known[i], first) != 0) {
        i++;
    }
    if (i == count) {
        const char *near = pc_nearest_name(first, known, count, sizeof known[0]);
        return pc_fail(PC_ERR_USAGE, "%s: unknown key '%s'%s%s%s", value->where, first, near ? "; did you mean '" : "",
                       near ? near : "", near ? "'?" : "");
    }
    if (!right) {
        return pc_fail(PC_ERR_USAGE, "%s: '%s' takes %s", value->where, first, section ? "keys below it" : "a plain value");
    }
    if (strcmp(first, "axes") == 0 && value->depth == 3 && *value->text) {
        return pc_fail(PC_ERR_USAGE, "%s: '%s' takes recipe keys below it, or the axis takes a list", value->where, value->keys[2]);
    }
    return put(at, value);
}

static size_t parts_of(const char *list)
{
    size_t parts = 1;
    for (; *list; list++) {
        parts += *list == ',';
    }
    return parts;
}

/* Part `index` of "a,b,c", trimmed; in the arena. NULL when memory is short. */
static char *part_of(pc_arena *arena, const char *list, size_t index)
{
    for (; index > 0; index--) {
        list = strchr(list, ',') + 1;
    }
    list += strspn(list, " ");
    size_t length = strcspn(list, ",");
    while (length > 0 && list[length - 1] == ' ') {
        length--;
    }
    char *text = pc_arena_alloc(arena, length + 1, 1);
    if (text) {
        memcpy(text, list, length);
    }
    return text;
}

/* The value of an axis at object's index, or of a plain list of values of one recipe key. */
static size_t values_of(const pc_json *axis)
{
    return pc_json_is_object(axis) ? pc_json_length(axis) : parts_of(pc_json_text(axis));
}

static void *entry_at(pc_json *object, size_t index)
{
    void *at = pc_json_first(object);
    for (; index > 0; index--) {
        at = pc_json_next(object, at);
    }
    return at;
}

const char *pc_sweep_axis(const pc_sweep *sweep, int axis)
{
    return pc_json_key(entry_at(pc_json_get(sweep->file, "axes"), (size_t)axis));
}

static pc_status read_seeds(pc_sweep *sweep)
{
    const char *seeds = pc_json_get_text(sweep->file, "seeds", "0");
    sweep->seed_count = parts_of(seeds);
    sweep->seeds = pc_arena_alloc(&sweep->arena, sweep->seed_count, sizeof *sweep->seeds);
    for (size_t i = 0; sweep->seeds && i < sweep->seed_count; i++) {
        sweep->seeds[i] = part_of(&sweep->arena, seeds, i);
        if (!sweep->seeds[i]) {
            return pc_fail_memory(0, "seeds");
        }
    }
    return sweep->seeds ? PC_OK : pc_fail_memory(0, "seeds");
}

static pc_status read_axes(pc_sweep *sweep, const char *path)
{
    pc_json *axes = pc_json_get(sweep->file, "axes");
    size_t points = sweep->seed_count;
    if (pc_json_length(axes) > PC_SWEEP_AXES) {
        return pc_fail(PC_ERR_USAGE, "%s: %zu axes; at most %d are swept", path, pc_json_length(axes), PC_SWEEP_AXES);
    }
    for (void *at = pc_json_first(axes); at; at = pc_json_next(axes, at)) {
        size_t values = values_of(pc_json_value(at));
        sweep->values[sweep->axes++] = values;
        if (!pc_mul_size(points, values, &points) || points > MOST_POINTS) {
            return pc_fail(PC_ERR_USAGE, "%s: more than %d points", path, MOST_POINTS);
        }
    }
    return PC_OK;
}

pc_status pc_sweep_read(pc_sweep *out, const char *path)
{
    *out = (pc_sweep){.file = pc_json_new_object()};
    if (!out->file) {
        return pc_fail_memory(0, path);
    }
    PC_TRY(pc_yaml_read(path, LIMIT, DEPTH, set_value, out->file));
    PC_TRY(pc_json_need_text(&out->recipe, out->file, "recipe", path));
    PC_TRY(pc_json_need_text(&out->output_dir, out->file, "output_dir", path));
    PC_TRY(pc_json_need_text(&out->tasks, out->file, "tasks", path));
    out->without_images = strcmp(pc_json_get_text(out->file, "without_images", "false"), "true") == 0;
    PC_TRY(read_seeds(out));
    return read_axes(out, path);
}

void pc_sweep_clear(pc_sweep *sweep)
{
    pc_json_free(sweep->file);
    pc_arena_free(&sweep->arena);
    *sweep = (pc_sweep){0};
}

size_t pc_sweep_points(const pc_sweep *sweep)
{
    size_t points = sweep->seed_count;
    for (int a = 0; a < sweep->axes; a++) {
        points *= sweep->values[a];
    }
    return points;
}

/* "key=value" for each text of an object. */
static pc_status add_settings(pc_sweep_point *out, pc_sweep *sweep, pc_json *object)
{
    for (void *at = pc_json_first(object); at; at = pc_json_next(object, at)) {
        const char *key = pc_json_key(at), *value = pc_json_text(pc_json_value(at));
        size_t size = strlen(key) + strlen(value) + 2;
        char *text = pc_arena_alloc(&sweep->arena, size, 1);
        if (!text) {
            return pc_fail_memory(size, "a setting");
        }
        snprintf(text, size, "%s=%s", key, value);
        out->settings[out->setting_count++] = text;
    }
    return PC_OK;
}

static pc_status add_axis(pc_sweep_point *out, pc_sweep *sweep, int axis, size_t index)
{
    void *entry = entry_at(pc_json_get(sweep->file, "axes"), (size_t)axis);
    pc_json *values = pc_json_value(entry);
    if (pc_json_is_object(values)) {
        void *value = entry_at(values, index);
        out->labels[axis] = pc_json_key(value);
        return add_settings(out, sweep, pc_json_value(value));
    }
    char *value = part_of(&sweep->arena, pc_json_text(values), index);
    pc_json *one = pc_json_new_object();
    pc_status status = value && one ? pc_json_set(one, pc_json_key(entry), pc_json_new_text(value)) : pc_fail_memory(0, "a value");
    if (status == PC_OK) {
        out->labels[axis] = value;
        status = add_settings(out, sweep, one);
    }
    pc_json_free(one);
    return status;
}

/* Labels are texts of the user's: what can't stand in a file name becomes '_'. */
static pc_status name_folder(pc_sweep_point *out, pc_sweep *sweep)
{
    pc_str path = {0};
    pc_status status;
    for (int a = 0; a < sweep->axes; a++) {
        PC_GO(a ? pc_str_putc(&path, '-') : PC_OK);
        for (const char *c = out->labels[a]; *c; c++) {
            PC_GO(pc_str_putc(&path, strchr("/\\ :", *c) ? '_' : *c));
        }
    }
    PC_GO(pc_str_printf(&path, "%sseed-%s", sweep->axes ? "/" : "", out->seed));
    char *whole = pc_path_join(sweep->output_dir, path.data);
    out->folder = whole ? pc_arena_strdup(&sweep->arena, whole) : NULL;
    pc_free(whole);
    status = out->folder ? PC_OK : pc_fail_memory(0, "a path");
done:
    pc_str_clear(&path);
    return status;
}

static size_t most_settings(const pc_sweep *sweep)
{
    pc_json *axes = pc_json_get(sweep->file, "axes");
    size_t most = pc_json_length(pc_json_get(sweep->file, "set")) + 1;
    for (void *at = pc_json_first(axes); at; at = pc_json_next(axes, at)) {
        pc_json *values = pc_json_value(at);
        size_t here = 1;
        for (void *value = pc_json_first(values); value; value = pc_json_next(values, value)) {
            size_t length = pc_json_length(pc_json_value(value));
            here = length > here ? length : here;
        }
        most += here;
    }
    return most;
}

pc_status pc_sweep_point_at(pc_sweep_point *out, pc_sweep *sweep, size_t index)
{
    size_t at[PC_SWEEP_AXES] = {0};
    *out = (pc_sweep_point){.seed = sweep->seeds[index % sweep->seed_count]};
    index /= sweep->seed_count;
    for (int a = sweep->axes - 1; a >= 0; a--) {
        at[a] = index % sweep->values[a];
        index /= sweep->values[a];
    }
    out->settings = pc_arena_alloc(&sweep->arena, most_settings(sweep), sizeof *out->settings);
    if (!out->settings) {
        return pc_fail_memory(0, "settings");
    }
    PC_TRY(add_settings(out, sweep, pc_json_get(sweep->file, "set")));
    for (int a = 0; a < sweep->axes; a++) {
        PC_TRY(add_axis(out, sweep, a, at[a]));
    }
    return name_folder(out, sweep);
}
