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

const pc_import *pc_import_find(const pc_json *config)
{
    const char *model_type = pc_json_get_text(config, "model_type", "");
    for (int i = 0; i < IMPORTS; i++) {
        if (imports[i]->matches && imports[i]->matches(config)) {
            return imports[i];
        }
    }
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
