/* Durable checkpoint directories: after a kill, a full disk or a power loss the newest complete one
 * is found again.
 *
 * begin: free-space check, folder <root>/checkpoint-<step>.tmp-<nonce>/ -> files are written there
 * and added (fsync, length, SHA-256) -> commit: manifest.json, fsync of file and folder, rename to
 * <root>/checkpoint-<step>/, fsync of root -> only then are older ones deleted: renamed away,
 * manifest first. Without a manifest that verifies a folder is no checkpoint.
 *
 * An error of write, fsync or close means that this checkpoint failed: nothing is retried, the
 * older ones stay. With several processes, all of them agree between the last add and commit, and
 * one of them commits.
 */
#ifndef PC_STORE_CHECKPOINT_H
#define PC_STORE_CHECKPOINT_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

#define PC_CHECKPOINT_MANIFEST "manifest.json"

typedef struct pc_checkpoint_writer pc_checkpoint_writer;

/* `config_hash`: what the state belongs to, e.g. the hex SHA-256 of the resolved recipe; copied
 * into the manifest. `expected_bytes`: size of all files to come; PC_ERR_IO "not enough free space"
 * before anything is written. root is made when it is missing. */
pc_status pc_checkpoint_begin(pc_checkpoint_writer **out, const char *root, int64_t step,
                              const char *config_hash, uint64_t expected_bytes);
/* The temporary folder, where files are written; borrowed. */
const char *pc_checkpoint_folder(const pc_checkpoint_writer *writer);
/* Register a file that was written completely below the folder under this plain relative name:
 * fsync, length, SHA-256. Folders between are fsynced by commit. */
pc_status pc_checkpoint_add(pc_checkpoint_writer *writer, const char *name);
/* Write a small file there and add it. */
pc_status pc_checkpoint_write(pc_checkpoint_writer *writer, const char *name, const void *bytes,
                              size_t size);
/* An extra field of the manifest ("code_version", "world_size"); the reserved names are refused. */
pc_status pc_checkpoint_set_text(pc_checkpoint_writer *writer, const char *key, const char *value);
pc_status pc_checkpoint_set_integer(pc_checkpoint_writer *writer, const char *key, int64_t value);
/* Makes it visible, then deletes all but the `keep` newest (0 = all are kept; this one always
 * stays). A failure to delete an old one is logged and is no failure of the checkpoint. A
 * checkpoint of the same step is replaced. */
pc_status pc_checkpoint_commit(pc_checkpoint_writer *writer, int keep);
/* Without a successful commit it removes the temporary folder. NULL is fine. */
void pc_checkpoint_writer_free(pc_checkpoint_writer *writer);

typedef struct pc_checkpoint_info {
    char *folder;      /* path */
    char *config_hash; /* as given to begin */
    int64_t step;
    size_t files;   /* files that the manifest lists */
    uint64_t bytes; /* their length together */
} pc_checkpoint_info;

void pc_checkpoint_info_clear(pc_checkpoint_info *info);

/* Check one folder against its manifest: every listed file has its length and SHA-256. Other files
 * do not matter. PC_ERR_DATA says what differs. out may be NULL; clear it otherwise. */
pc_status pc_checkpoint_verify(pc_checkpoint_info *out, const char *folder);
/* The newest checkpoint below root that verifies; those that do not are skipped and logged with the
 * reason. PC_OK with out->folder NULL when there is none at all (or no root); PC_ERR_DATA when
 * there are some but none verifies, so that a run never starts anew over damaged state without
 * being told to. */
pc_status pc_checkpoint_find(pc_checkpoint_info *out, const char *root);
/* Remove what interrupted saves and deletions left: the folders with temporary names, nothing else.
 * Call it when no other process saves to root. *removed may be NULL. */
pc_status pc_checkpoint_clean(const char *root, int *removed);

#endif
