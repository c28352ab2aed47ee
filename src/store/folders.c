/* The names of checkpoint folders, listing and removing them. */
#include "store/folders.h"

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/str.h"
#include "store/checkpoint.h"
#include "store/durable.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char PREFIX[] = "checkpoint-";
static const char MARK[] = ".tmp-";

static pc_status fail_errno(const char *path, const char *action)
{
    return pc_fail(PC_ERR_IO, "%s: %s: %s", path, action, strerror(errno));
}

bool pc_folder_parse(const char *name, int64_t *step, bool *temporary)
{
    if (!pc_starts_with(name, PREFIX)) {
        return false;
    }
    const char *digits = name + sizeof PREFIX - 1;
    size_t length = strspn(digits, "0123456789");
    if (length == 0 || length > 18) {
        return false;
    }
    *step = strtoll(digits, NULL, 10);
    const char *rest = digits + length;
    if (*rest == '\0') {
        *temporary = false;
        return true;
    }
    *temporary = true;
    return pc_starts_with(rest, MARK) && strlen(rest) == sizeof MARK - 1 + 16 &&
           strspn(rest + sizeof MARK - 1, "0123456789abcdef") == 16;
}

char *pc_folder_temporary(const char *root, int64_t step)
{
    char name[64], nonce[17];
    pc_nonce(nonce);
    snprintf(name, sizeof name, "%s%lld%s%s", PREFIX, (long long)step, MARK, nonce);
    return pc_path_join(root, name);
}

char *pc_folder_final(const char *root, int64_t step)
{
    char name[64];
    snprintf(name, sizeof name, "%s%lld", PREFIX, (long long)step);
    return pc_path_join(root, name);
}

pc_status pc_folder_remove_temporary(const char *folder)
{
    char *manifest = pc_path_join(folder, PC_CHECKPOINT_MANIFEST);
    if (manifest == NULL) {
        return pc_fail_memory(strlen(folder), "path of a manifest");
    }
    pc_status status = PC_OK;
    if (unlink(manifest) == 0) {
        status = pc_fsync_directory(folder);
    } else if (errno != ENOENT) {
        status = fail_errno(manifest, "removing it");
    }
    pc_free(manifest);
    return status == PC_OK ? pc_remove_tree(folder) : status;
}

pc_status pc_folder_remove(const char *root, int64_t step)
{
    char *from = pc_folder_final(root, step), *to = pc_folder_temporary(root, step);
    pc_status status;
    if (from == NULL || to == NULL) {
        status = pc_fail_memory(strlen(root), "path of a checkpoint");
        goto done;
    }
    if (rename(from, to) != 0) {
        status = fail_errno(from, "renaming an old checkpoint away");
        goto done;
    }
    PC_GO(pc_fsync_directory(root));
    PC_GO(pc_folder_remove_temporary(to));
done:
    pc_free(from);
    pc_free(to);
    return status;
}

static int newest_first(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return a > b ? -1 : a < b;
}

static pc_status add_step(pc_step_list *list, const char *root, const char *name, int64_t step)
{
    char *own = pc_folder_final(root, step);
    char *manifest = own != NULL ? pc_path_join(own, PC_CHECKPOINT_MANIFEST) : NULL;
    pc_status status = PC_OK;
    if (manifest == NULL) {
        status = pc_fail_memory(strlen(root), "path of a manifest");
    } else if (strcmp(pc_path_base(own), name) != 0 ||
               !pc_path_exists(manifest)) { /* "checkpoint-007" is not ours */
        list->bare++;
    } else {
        status = pc_grow(&list->steps, &list->capacity, list->count + 1, sizeof *list->steps,
                         "list of checkpoints");
        if (status == PC_OK) {
            list->steps[list->count++] = step;
        }
    }
    pc_free(own);
    pc_free(manifest);
    return status;
}

pc_status pc_folder_list(pc_step_list *list, const char *root)
{
    memset(list, 0, sizeof *list);
    DIR *folder = opendir(root);
    if (folder == NULL) {
        return errno == ENOENT ? PC_OK : fail_errno(root, "opening the folder");
    }
    pc_status status = PC_OK;
    int64_t step;
    bool temporary;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(folder);
        if (entry == NULL) {
            if (errno != 0) {
                status = fail_errno(root, "reading the folder");
            }
            break;
        }
        if (pc_folder_parse(entry->d_name, &step, &temporary) && !temporary) {
            PC_GO(add_step(list, root, entry->d_name, step));
        }
    }
done:
    closedir(folder);
    if (status == PC_OK && list->count > 1) {
        qsort(list->steps, list->count, sizeof *list->steps, newest_first);
    }
    return status;
}
