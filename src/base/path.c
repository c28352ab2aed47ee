/* Paths and folders (declared in file.h). */
#include "base/file.h"

#include "base/memory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool pc_path_exists(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0;
}

bool pc_path_is_directory(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static pc_status make_directory(const char *path)
{
    if (mkdir(path, 0777) == 0) {
        return PC_OK;
    }
    int reason = errno;
    if (pc_path_is_directory(path)) {
        return PC_OK; /* it was there, or another process was faster */
    }
    return pc_fail(PC_ERR_IO, "%s: cannot make the folder: %s", path, strerror(reason));
}

pc_status pc_make_directories(const char *path)
{
    char *partial = pc_strdup(path);
    if (!partial) {
        return pc_fail_memory(strlen(path) + 1, "a path");
    }
    pc_status status = PC_OK;
    for (char *at = partial + 1; status == PC_OK && path[0] && *at; at++) {
        if (*at == '/' && at[-1] != '/') {
            *at = '\0';
            status = make_directory(partial);
            *at = '/';
        }
    }
    if (status == PC_OK) {
        status = make_directory(partial);
    }
    pc_free(partial);
    return status;
}

static pc_status fail_remove(const char *name)
{
    return pc_fail(PC_ERR_IO, "%s: cannot remove: %s", name, strerror(errno));
}

/* Works relative to open folders, so that a folder exchanged for a link meanwhile is not followed. */
static pc_status remove_entry(int folder, const char *name)
{
    if (unlinkat(folder, name, 0) == 0 || errno == ENOENT) {
        return PC_OK;
    }
    if (errno != EISDIR && errno != EPERM) {
        return fail_remove(name);
    }
    int inner = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *listing = inner < 0 ? NULL : fdopendir(inner);
    if (!listing) {
        pc_status status = fail_remove(name);
        if (inner >= 0) {
            close(inner);
        }
        return status;
    }
    pc_status status = PC_OK;
    struct dirent *entry;
    while (status == PC_OK && (entry = readdir(listing)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            status = remove_entry(inner, entry->d_name);
        }
    }
    closedir(listing);
    if (status == PC_OK && unlinkat(folder, name, AT_REMOVEDIR) != 0 && errno != ENOENT) {
        status = fail_remove(name);
    }
    return status;
}

pc_status pc_remove_tree(const char *path)
{
    pc_status status = remove_entry(AT_FDCWD, path);
    return status == PC_OK ? PC_OK : pc_fail_prefix(status, "%s", path);
}

char *pc_path_join(const char *folder, const char *name)
{
    size_t length = strlen(folder);
    size_t tail = strlen(name);
    bool slash = length > 0 && folder[length - 1] != '/';
    char *path = pc_calloc(length + tail + 2, 1);
    if (path) {
        memcpy(path, folder, length);
        if (slash) {
            path[length++] = '/';
        }
        memcpy(path + length, name, tail);
    }
    return path;
}

const char *pc_path_base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

char *pc_path_parent(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash) {
        return pc_strdup(".");
    }
    while (slash > path && slash[-1] == '/') {
        slash--;
    }
    return slash == path ? pc_strdup("/") : pc_strndup(path, (size_t)(slash - path));
}

bool pc_path_is_plain(const char *name)
{
    if (strchr(name, '\\')) {
        return false;
    }
    /* An absolute path begins with an empty part. */
    for (const char *part = name;; part++) {
        size_t length = strcspn(part, "/");
        if (length == 0 || (length == 2 && memcmp(part, "..", 2) == 0)) {
            return false;
        }
        part += length;
        if (*part == '\0') {
            return true;
        }
    }
}
