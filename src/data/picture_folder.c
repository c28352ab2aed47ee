#include "data/picture_folder.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/str.h"

#include <string.h>

bool pc_picture_split(char out[32], const char *annotations)
{
    const char *base = pc_path_base(annotations), *from = strrchr(base, '_');
    size_t length = from ? strcspn(from + 1, ".") : 0;
    if (length == 0 || length >= 32) {
        return false;
    }
    memcpy(out, from + 1, length);
    out[length] = 0;
    return true;
}

/* *found (pc_free) when `folder`/`inside` has the picture. */
static pc_status try_folder(char **found, const char *folder, const char *inside, const char *sample)
{
    pc_str path = {0};
    pc_status status;
    char *full = NULL;
    PC_GO(pc_str_printf(&path, "%s%s%s", folder, *inside ? "/" : "", inside));
    full = pc_path_join(path.data, sample);
    PC_GO(full ? PC_OK : pc_fail_memory(path.length, "a path"));
    if (pc_path_exists(full)) {
        *found = path.data;
        path = (pc_str){0};
    }
done:
    pc_free(full);
    pc_str_clear(&path);
    return status;
}

pc_status pc_picture_folder_find(char **out, const char *given, const char *annotations, const char *split, const char *sample)
{
    char *parent = pc_path_parent(annotations), above[64] = "";
    pc_status status = parent ? PC_OK : pc_fail_memory(strlen(annotations), "a path");
    const char *const inside[] = {"", "images", "../images", split ? split : "", above};
    if (split && strlen(split) < sizeof above - 4) {
        memcpy(above, "../", 3);
        memcpy(above + 3, split, strlen(split) + 1);
    }
    *out = NULL;
    for (size_t i = 0; i < sizeof inside / sizeof inside[0] && status == PC_OK && !given && !*out; i++) {
        status = pc_path_is_plain(sample) ? try_folder(out, parent, inside[i], sample) : PC_OK;
    }
    if (status == PC_OK && !*out) {
        *out = pc_strdup(given ? given : parent);
        status = *out ? PC_OK : pc_fail_memory(0, "a path");
    }
    pc_free(parent);
    return status;
}
