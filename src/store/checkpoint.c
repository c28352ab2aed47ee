/* Finding and verifying checkpoints. Writing, and the protocol as a whole: checkpoint_write.c. */
#include "store/checkpoint.h"

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "store/folders.h"
#include "store/manifest.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

enum { MANIFEST_LIMIT = 16 * 1024 * 1024 }; /* bytes */

void pc_checkpoint_info_clear(pc_checkpoint_info *info)
{
    pc_free(info->folder);
    pc_free(info->config_hash);
    memset(info, 0, sizeof *info);
}

static pc_status verify_file(const char *folder, const pc_manifest_file *file)
{
    char hash[65];
    struct stat about;
    pc_status status;
    char *path = pc_path_join(folder, file->name);
    if (path == NULL) {
        return pc_fail_memory(strlen(folder), "path of a file");
    }
    if (lstat(path, &about) != 0 || !S_ISREG(about.st_mode)) {
        status = pc_fail(PC_ERR_DATA, "%s: listed in the manifest, but not there", path);
        goto done;
    }
    if ((uint64_t)about.st_size != file->bytes) {
        status = pc_fail(PC_ERR_DATA, "%s: %llu bytes, the manifest says %llu", path,
                         (unsigned long long)about.st_size, (unsigned long long)file->bytes);
        goto done;
    }
    PC_GO(pc_sha256_file(path, hash));
    if (strcmp(hash, file->sha256) != 0) {
        status = pc_fail(PC_ERR_DATA, "%s: its SHA-256 is not the manifest's: the file is damaged",
                         path);
    }
done:
    pc_free(path);
    return status;
}

static pc_status fill_info(pc_checkpoint_info *out, const char *folder, const pc_manifest *manifest)
{
    memset(out, 0, sizeof *out);
    out->folder = pc_strdup(folder);
    out->config_hash = pc_strdup(manifest->config_hash);
    if (out->folder == NULL || out->config_hash == NULL) {
        pc_checkpoint_info_clear(out);
        return pc_fail_memory(strlen(folder), "path of a checkpoint");
    }
    out->step = manifest->step;
    out->files = manifest->file_count;
    for (size_t i = 0; i < manifest->file_count; i++) {
        out->bytes += manifest->files[i].bytes;
    }
    return PC_OK;
}

pc_status pc_checkpoint_verify(pc_checkpoint_info *out, const char *folder)
{
    pc_manifest manifest = {0};
    char *text = NULL;
    size_t size;
    pc_status status;
    char *path = pc_path_join(folder, PC_CHECKPOINT_MANIFEST);
    if (path == NULL) {
        status = pc_fail_memory(strlen(folder), "path of a manifest");
        goto done;
    }
    if (!pc_path_exists(path)) {
        status = pc_fail(PC_ERR_DATA, "%s: is not there, so this is no complete checkpoint", path);
        goto done;
    }
    PC_GO(pc_file_read(&text, &size, path, MANIFEST_LIMIT));
    PC_GO(pc_manifest_parse(&manifest, text, size, path));
    for (size_t i = 0; i < manifest.file_count; i++) {
        PC_GO(verify_file(folder, &manifest.files[i]));
    }
    if (out != NULL) {
        PC_GO(fill_info(out, folder, &manifest));
    }
done:
    pc_manifest_clear(&manifest);
    pc_free(text);
    pc_free(path);
    return status;
}

/* verify, and the manifest's step must be the folder's: a folder that was copied to another name is
 * none. */
static pc_status verify_step(pc_checkpoint_info *out, const char *root, int64_t step)
{
    char *folder = pc_folder_final(root, step);
    if (folder == NULL) {
        return pc_fail_memory(strlen(root), "path of a checkpoint");
    }
    pc_status status = pc_checkpoint_verify(out, folder);
    if (status == PC_OK && out->step != step) {
        status = pc_fail(PC_ERR_DATA, "%s: its manifest is that of step %lld", folder,
                         (long long)out->step);
        pc_checkpoint_info_clear(out);
    }
    pc_free(folder);
    return status;
}

pc_status pc_checkpoint_find(pc_checkpoint_info *out, const char *root)
{
    pc_step_list list;
    bool found = false;
    memset(out, 0, sizeof *out);
    pc_status status;
    PC_GO(pc_folder_list(&list, root));
    if (list.bare > 0) {
        pc_log(PC_LOG_WARNING, "%s: %zu folders named like checkpoints skipped: no %s", root,
               list.bare, PC_CHECKPOINT_MANIFEST);
    }
    for (size_t i = 0; i < list.count && !found; i++) {
        status = verify_step(out, root, list.steps[i]);
        if (status == PC_ERR_MEMORY) {
            goto done;
        }
        found = status == PC_OK;
        if (!found) {
            pc_log(PC_LOG_WARNING, "checkpoint skipped: %s", pc_error());
        }
    }
    status = PC_OK;
    if (!found && list.count + list.bare > 0) {
        status = pc_fail(PC_ERR_DATA, "%s: none of its %zu checkpoints is whole", root,
                         list.count + list.bare);
    }
done:
    pc_free(list.steps);
    return status;
}

pc_status pc_checkpoint_clean(const char *root, int *removed)
{
    int count = 0;
    int64_t step;
    bool temporary;
    pc_status status = PC_OK;
    DIR *folder = opendir(root);
    if (removed != NULL) {
        *removed = 0;
    }
    if (folder == NULL) {
        return errno == ENOENT
                   ? PC_OK
                   : pc_fail(PC_ERR_IO, "%s: opening the folder: %s", root, strerror(errno));
    }
    for (const struct dirent *entry = readdir(folder); entry != NULL && status == PC_OK;
         entry = readdir(folder)) {
        if (!pc_folder_parse(entry->d_name, &step, &temporary) || !temporary) {
            continue;
        }
        char *path = pc_path_join(root, entry->d_name);
        status = path != NULL ? pc_folder_remove_temporary(path)
                              : pc_fail_memory(strlen(root), "path of a folder");
        pc_free(path);
        count++;
    }
    closedir(folder);
    if (removed != NULL) {
        *removed = count;
    }
    return status;
}
