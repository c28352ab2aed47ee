/* The folders of checkpoints below a root: their names, listing and removing them.
 *
 * "checkpoint-<step>" is a checkpoint; "checkpoint-<step>.tmp-<16 hexadecimal digits>" is one that
 * is being written or removed, and nothing else is ever deleted.
 */
#ifndef PC_STORE_FOLDERS_H
#define PC_STORE_FOLDERS_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* False for a name that is neither of the two. */
bool pc_folder_parse(const char *name, int64_t *step, bool *temporary);
/* Paths; pc_free; NULL when memory is short. Each temporary one is new. */
char *pc_folder_final(const char *root, int64_t step);
char *pc_folder_temporary(const char *root, int64_t step);

typedef struct pc_step_list {
    int64_t *steps; /* those that have a manifest, newest first */
    size_t count, capacity;
    size_t bare; /* checkpoint folders without a manifest */
} pc_step_list;

/* Checkpoints below root; none when root does not exist. Release list->steps with pc_free, also on
 * failure. */
pc_status pc_folder_list(pc_step_list *list, const char *root);

/* Remove a folder that has a temporary name: manifest first. */
pc_status pc_folder_remove_temporary(const char *folder);
/* Rename a checkpoint to a temporary name, then remove that. */
pc_status pc_folder_remove(const char *root, int64_t step);

#endif
