#include "model/import/import.h"

#include "base/str.h"

#include <stdio.h>
#include <string.h>

#define PC_IMPORT(name) extern const pc_import pc_import_##name;
#include "model/import/list.h"
#undef PC_IMPORT

#define PC_IMPORT(name) &pc_import_##name,
static const pc_import *const imports[] = {
#include "model/import/list.h"
};
#undef PC_IMPORT

enum { IMPORTS = sizeof imports / sizeof imports[0] };

const pc_import *pc_import_find(const char *model_type)
{
    for (int i = 0; i < IMPORTS; i++) {
        if (imports[i]->model_type && strcmp(imports[i]->model_type, model_type) == 0) {
            return imports[i];
        }
    }
    return NULL;
}

const pc_import *pc_import_find_file(const char *path)
{
    for (int i = 0; i < IMPORTS; i++) {
        if (imports[i]->matches_file && imports[i]->matches_file(path)) {
            return imports[i];
        }
    }
    return NULL;
}

bool pc_import_replace_prefix(const char *name, const char *prefix, const char *other, char *out, size_t size)
{
    if (!pc_starts_with(name, prefix)) {
        return false;
    }
    int length = snprintf(out, size, "%s%s", other, name + strlen(prefix));
    return length >= 0 && (size_t)length < size;
}

bool pc_import_alias_of(const char *name, int i, const pc_import_rename *renames, int count, char *out, size_t size)
{
    if (i == 0) {
        int length = snprintf(out, size, "%s", name);
        return length >= 0 && (size_t)length < size;
    }
    for (int r = 0; r < count; r++) {
        if (pc_starts_with(name, renames[r].ours) && --i == 0) {
            return pc_import_replace_prefix(name, renames[r].ours, renames[r].theirs, out, size);
        }
    }
    return false;
}

pc_status pc_import_rope(const pc_json *json, const char *where)
{
    static const char *const keys[] = {"rope_scaling", "rope_parameters"};
    for (int i = 0; i < 2; i++) {
        const pc_json *rope = pc_json_get(json, keys[i]);
        const char *type = pc_json_get_text(rope, "rope_type", pc_json_get_text(rope, "type", "default"));
        if (strcmp(type, "default") != 0) {
            return pc_fail(PC_ERR_DATA, "%s: %s of type '%s' is not supported", where, keys[i], type);
        }
    }
    return PC_OK;
}

pc_status pc_import_flatten_rope(pc_json *json, const char *where)
{
    PC_TRY(pc_import_rope(json, where));
    const pc_json *theta = pc_json_get(pc_json_get(json, "rope_parameters"), "rope_theta");
    if (theta && !pc_json_get(json, "rope_theta")) {
        return pc_json_set(json, "rope_theta", pc_json_new_number(pc_json_number(theta, 10000)));
    }
    return PC_OK;
}
