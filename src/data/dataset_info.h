/* dataset_info.json, LLaMA-Factory's list of datasets by name.
 *
 * Flow: folder + name -> pc_dataset_info_find -> path, names of columns and tags -> pc_dataset_open.
 * Source: LLaMA-Factory, data/README.md.
 */
#ifndef PC_DATA_DATASET_INFO_H
#define PC_DATA_DATASET_INFO_H

#include "data/rows.h"

typedef struct pc_dataset_entry {
    char *path; /* of the file; owned */
    pc_row_format format;
    int64_t limit; /* num_samples; 0 = all */
} pc_dataset_entry;

/* True when the folder has a dataset_info.json. */
bool pc_dataset_info_exists(const char *folder);
/* PC_ERR_USAGE for a name that is not there (with the nearest), PC_ERR_DATA for an entry that percept can't read: one that
 * lies on a hub, an unknown formatting, a column or tag that has no meaning. Clear *out also after a failure. */
pc_status pc_dataset_info_find(pc_dataset_entry *out, const char *folder, const char *name);
void pc_dataset_entry_clear(pc_dataset_entry *entry);

#endif
