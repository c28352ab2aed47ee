/* A growable list of token ids. Initialise with {0}; release with pc_ids_clear. */
#ifndef PC_TEXT_IDS_H
#define PC_TEXT_IDS_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

typedef struct pc_ids {
    int32_t *data;   /* NULL while never grown */
    size_t count;    /* ids in use */
    size_t capacity; /* ids allocated */
} pc_ids;

pc_status pc_ids_push(pc_ids *ids, int32_t id);
pc_status pc_ids_add(pc_ids *ids, const int32_t *data, size_t count); /* data may lie inside ids */
void pc_ids_reset(pc_ids *ids);                                       /* count 0, memory kept */
void pc_ids_clear(pc_ids *ids);                                       /* memory released */

#endif
