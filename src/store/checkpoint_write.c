/* The protocol, and why each step is where it is:
 *
 *     free space?            a full disk shows before the first byte
 *     checkpoint-N.tmp-x/    no reader looks at this name
 *     file, fsync, close     ... each checked; a failed fsync is final
 *     manifest, fsync        lengths and SHA-256 of all the others, sealed by its own
 *     fsync of the folders   the names are on disk, too
 *     rename, fsync of root  from here on it exists
 *     delete the older       each renamed back to a temporary name first, then its manifest, then
 * the rest
 *
 * Removing begins with the rename, so that there is never a folder "checkpoint-N" with only some of
 * its files, and what a kill leaves is recognised by its name alone: cleaning never touches a
 * folder that it did not make.
 */
#include "store/checkpoint.h"

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/memory.h"
#include "store/durable.h"
#include "store/folders.h"
#include "store/manifest.h"
#include "store/names.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { RESERVE = 1024 * 1024 }; /* bytes for the manifest and the folders */

struct pc_checkpoint_writer {
    char *root;
    char *folder; /* temporary */
    char *final;
    char *config_hash;
    pc_manifest manifest;
    pc_json *extra;
    bool made;   /* the temporary folder exists */
    bool broken; /* something failed: no commit */
};

static pc_status fail_errno(const char *path, const char *action)
{
    return pc_fail(PC_ERR_IO, "%s: %s: %s", path, action, strerror(errno));
}

static pc_status check_space(const char *root, uint64_t expected)
{
    struct statvfs about;
    if (statvfs(root, &about) != 0) {
        return fail_errno(root, "asking for its free space");
    }
    uint64_t available = (uint64_t)about.f_bavail * about.f_frsize;
    if (expected > UINT64_MAX - RESERVE || available < expected + RESERVE) {
        return pc_fail(PC_ERR_IO, "%s: a checkpoint of %llu bytes does not fit, %llu are free",
                       root, (unsigned long long)expected, (unsigned long long)available);
    }
    return PC_OK;
}

static pc_status make_root(const char *root)
{
    if (pc_path_is_directory(root)) {
        return PC_OK;
    }
    PC_TRY(pc_make_directories(root));
    char *parent = pc_path_parent(root);
    if (parent == NULL) {
        return pc_fail_memory(strlen(root), "path of a folder");
    }
    pc_status status = pc_fsync_directory(parent);
    pc_free(parent);
    return status;
}

pc_status pc_checkpoint_begin(pc_checkpoint_writer **out, const char *root, int64_t step,
                              const char *config_hash, uint64_t expected_bytes)
{
    pc_checkpoint_writer *writer;
    *out = NULL;
    size_t length = strlen(config_hash);
    if (step < 0 || step > 999999999999999999 ||
        pc_utf8_valid_prefix(config_hash, length) != length) {
        return pc_fail(PC_ERR_USAGE,
                       "checkpoint: step %lld or the hash of the configuration is out of range",
                       (long long)step);
    }
    PC_TRY(PC_NEW(writer, "checkpoint"));
    pc_status status;
    writer->root = pc_strdup(root);
    writer->folder = pc_folder_temporary(root, step);
    writer->final = pc_folder_final(root, step);
    writer->config_hash = pc_strdup(config_hash);
    writer->extra = pc_json_new_object();
    if (!writer->root || !writer->folder || !writer->final || !writer->config_hash ||
        !writer->extra) {
        status = pc_fail_memory(strlen(root), "checkpoint");
        goto done;
    }
    writer->manifest.step = step;
    writer->manifest.config_hash = writer->config_hash;
    PC_GO(make_root(root));
    PC_GO(check_space(root, expected_bytes));
    if (mkdir(writer->folder, 0777) != 0) {
        status = fail_errno(writer->folder, "making the folder");
        goto done;
    }
    writer->made = true;
    *out = writer;
    return PC_OK;
done:
    pc_checkpoint_writer_free(writer);
    return status;
}

const char *pc_checkpoint_folder(const pc_checkpoint_writer *writer)
{
    return writer->folder;
}

/* Take the file into the manifest; hash NULL: of what lies on disk. */
static pc_status record(pc_checkpoint_writer *writer, const char *name, const char *path,
                        const char *hash)
{
    pc_manifest *manifest = &writer->manifest;
    pc_manifest_file file = {0};
    PC_TRY(pc_durable_sync(path, &file.bytes));
    if (hash != NULL) {
        memcpy(file.sha256, hash, sizeof file.sha256);
    } else {
        PC_TRY(pc_sha256_file(path, file.sha256));
    }
    PC_TRY(pc_grow(&manifest->files, &manifest->file_capacity, manifest->file_count + 1,
                   sizeof file, "files of a checkpoint"));
    file.name = pc_strdup(name);
    if (file.name == NULL) {
        return pc_fail_memory(strlen(name) + 1, "name of a file");
    }
    manifest->files[manifest->file_count++] = file;
    return PC_OK;
}

static pc_status check_name(const pc_checkpoint_writer *writer, const char *name)
{
    char shown[96];
    bool good = pc_path_is_plain(name) && strcmp(name, PC_CHECKPOINT_MANIFEST) != 0 &&
                pc_utf8_valid_prefix(name, strlen(name)) == strlen(name);
    for (size_t i = 0; good && i < writer->manifest.file_count; i++) {
        good = strcmp(writer->manifest.files[i].name, name) != 0;
    }
    return good ? PC_OK
                : pc_fail(PC_ERR_USAGE, "%s: %s is no name for a file of it, or was added before",
                          writer->folder, pc_name_text(name, shown));
}

pc_status pc_checkpoint_add(pc_checkpoint_writer *writer, const char *name)
{
    PC_TRY(check_name(writer, name));
    char *path = pc_path_join(writer->folder, name);
    pc_status status = path != NULL ? record(writer, name, path, NULL)
                                    : pc_fail_memory(strlen(name), "path of a file");
    pc_free(path);
    writer->broken |= status != PC_OK;
    return status;
}

static pc_status write_file(const char *path, const void *bytes, size_t size)
{
    int fd;
    PC_TRY(pc_durable_create(&fd, path, size));
    pc_status status = pc_durable_write(fd, bytes, size, 0, path);
    if (status != PC_OK) {
        close(fd);
        return status;
    }
    return pc_durable_close(&fd, path);
}

pc_status pc_checkpoint_write(pc_checkpoint_writer *writer, const char *name, const void *bytes,
                              size_t size)
{
    char hash[65];
    PC_TRY(check_name(writer, name));
    pc_status status;
    char *path = pc_path_join(writer->folder, name);
    if (path == NULL) {
        status = pc_fail_memory(strlen(name), "path of a file");
        goto done;
    }
    PC_GO(write_file(path, bytes, size));
    pc_sha256(bytes, size, hash); /* of what was meant, not of what was read back */
    PC_GO(record(writer, name, path, hash));
done:
    pc_free(path);
    writer->broken |= status != PC_OK;
    return status;
}

static pc_status set_extra(pc_checkpoint_writer *writer, const char *key, pc_json *value)
{
    static const char *const reserved[] = {"format", "step", "config_hash", "files",
                                           "manifest_sha256"};
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++) {
        if (strcmp(key, reserved[i]) == 0) {
            pc_json_free(value);
            return pc_fail(PC_ERR_USAGE, "checkpoint: the field %s of the manifest is reserved",
                           key);
        }
    }
    return pc_json_set(writer->extra, key, value);
}

pc_status pc_checkpoint_set_text(pc_checkpoint_writer *writer, const char *key, const char *value)
{
    return set_extra(writer, key, pc_json_new_text(value));
}

pc_status pc_checkpoint_set_integer(pc_checkpoint_writer *writer, const char *key, int64_t value)
{
    return set_extra(writer, key, pc_json_new_integer(value));
}

/* fsync of each folder between the checkpoint's and its files, and of the checkpoint's own, last.
 */
static pc_status sync_folders(const pc_checkpoint_writer *writer)
{
    for (size_t i = 0; i < writer->manifest.file_count; i++) {
        if (strchr(writer->manifest.files[i].name, '/') == NULL) {
            continue;
        }
        char *path = pc_path_join(writer->folder, writer->manifest.files[i].name);
        if (path == NULL) {
            return pc_fail_memory(0, "path of a folder");
        }
        pc_status status = PC_OK;
        size_t root = strlen(writer->folder);
        for (char *slash = strrchr(path, '/');
             status == PC_OK && slash != NULL && (size_t)(slash - path) > root;
             slash = strrchr(path, '/')) {
            *slash = '\0';
            status = pc_fsync_directory(path);
        }
        pc_free(path);
        PC_TRY(status);
    }
    return pc_fsync_directory(writer->folder);
}

static pc_status write_manifest(const pc_checkpoint_writer *writer)
{
    pc_str text = {0};
    pc_status status;
    char *path = pc_path_join(writer->folder, PC_CHECKPOINT_MANIFEST);
    if (path == NULL) {
        status = pc_fail_memory(0, "path of a manifest");
        goto done;
    }
    PC_GO(pc_manifest_print(&text, &writer->manifest, writer->extra));
    PC_GO(write_file(path, text.data, text.length));
done:
    pc_str_clear(&text);
    pc_free(path);
    return status;
}

/* Give the folder its name. An older checkpoint of this step changes places with it in one
 * operation, and is what `folder` holds afterwards. */
static pc_status publish(pc_checkpoint_writer *writer, bool *replaced)
{
    *replaced = false;
    if (renameat2(AT_FDCWD, writer->folder, AT_FDCWD, writer->final, RENAME_NOREPLACE) == 0) {
        return PC_OK;
    }
    if (errno == EEXIST &&
        renameat2(AT_FDCWD, writer->folder, AT_FDCWD, writer->final, RENAME_EXCHANGE) == 0) {
        *replaced = true;
        return PC_OK;
    }
    if ((errno == EINVAL || errno == ENOSYS) && rename(writer->folder, writer->final) == 0) {
        return PC_OK; /* a file system without the two flags, and no older one of this step */
    }
    return fail_errno(writer->final, "renaming the finished checkpoint");
}

/* Keep the `keep` newest and `current`; what cannot be deleted is only logged. */
static void rotate(const char *root, int64_t current, int keep)
{
    pc_step_list list;
    pc_status status = pc_folder_list(&list, root);
    for (size_t i = (size_t)keep; status == PC_OK && i < list.count; i++) {
        if (list.steps[i] != current) {
            status = pc_folder_remove(root, list.steps[i]);
        }
    }
    if (status != PC_OK) {
        pc_log(PC_LOG_WARNING, "an old checkpoint was not deleted: %s", pc_error());
    }
    pc_free(list.steps);
}

pc_status pc_checkpoint_commit(pc_checkpoint_writer *writer, int keep)
{
    bool replaced;
    if (writer->broken || !writer->made) {
        return pc_fail(PC_ERR_USAGE, "%s: commit after a failure, or twice", writer->final);
    }
    writer->broken = true;
    PC_TRY(write_manifest(writer));
    PC_TRY(sync_folders(writer));
    PC_TRY(publish(writer, &replaced));
    writer->made = replaced;
    PC_TRY(pc_fsync_directory(writer->root));
    if (replaced && pc_folder_remove_temporary(writer->folder) != PC_OK) {
        pc_log(PC_LOG_WARNING, "an old checkpoint was not deleted: %s", pc_error());
    }
    writer->made = false;
    if (keep > 0) {
        rotate(writer->root, writer->manifest.step, keep);
    }
    return PC_OK;
}

void pc_checkpoint_writer_free(pc_checkpoint_writer *writer)
{
    if (writer == NULL) {
        return;
    }
    if (writer->made) {
        pc_remove_tree(writer->folder); /* what cannot be removed is left to pc_checkpoint_clean */
    }
    for (size_t i = 0; i < writer->manifest.file_count; i++) {
        pc_free((char *)writer->manifest.files[i].name);
    }
    pc_manifest_clear(&writer->manifest);
    pc_json_free(writer->extra);
    pc_free(writer->root);
    pc_free(writer->folder);
    pc_free(writer->final);
    pc_free(writer->config_hash);
    pc_free(writer);
}
