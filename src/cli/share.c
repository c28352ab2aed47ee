#include "cli/share.h"

#include "base/file.h"
#include "base/memory.h"

#include <limits.h>
#include <unistd.h>

/* PREFIX/bin/percept -> PREFIX/share/percept; SOURCE/build/PRESET/percept -> SOURCE. */
static pc_status look(char **out, const char *program, const char *base, const char *name)
{
    char *folder = pc_path_parent(program);
    char *root = folder ? pc_path_join(folder, base) : NULL;
    char *path = root ? pc_path_join(root, name) : NULL;
    pc_status status = path ? PC_OK : pc_fail_memory(0, "a path");
    if (path && pc_path_exists(path)) {
        *out = path;
        path = NULL;
    }
    pc_free(path);
    pc_free(root);
    pc_free(folder);
    return status;
}

pc_status pc_share_find(char **out, const char *installed, const char *source)
{
    char program[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    *out = NULL;
    if (length <= 0) {
        return PC_OK;
    }
    program[length] = '\0';
    PC_TRY(look(out, program, "../share/percept", installed));
    return *out ? PC_OK : look(out, program, "../..", source);
}
