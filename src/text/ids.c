#include "text/ids.h"

#include "base/memory.h"

#include <stdbool.h>
#include <string.h>

pc_status pc_ids_push(pc_ids *ids, int32_t id)
{
    if (ids->count == ids->capacity) {
        PC_TRY(pc_grow(&ids->data, &ids->capacity, ids->count + 1, sizeof *ids->data, "token ids"));
    }
    ids->data[ids->count++] = id;
    return PC_OK;
}

pc_status pc_ids_add(pc_ids *ids, const int32_t *data, size_t count)
{
    size_t need;
    if (count == 0) {
        return PC_OK;
    }
    if (!pc_add_size(ids->count, count, &need)) {
        return pc_fail_memory(~0ull, "token ids");
    }
    /* Growing may move the block that `data` points into: remember the place, not the pointer. */
    bool inside = ids->data && data >= ids->data && data < ids->data + ids->count;
    size_t at = inside ? (size_t)(data - ids->data) : 0;
    if (need > ids->capacity) {
        PC_TRY(pc_grow(&ids->data, &ids->capacity, need, sizeof *ids->data, "token ids"));
    }
    memmove(ids->data + ids->count, inside ? ids->data + at : data, count * sizeof *ids->data);
    ids->count = need;
    return PC_OK;
}

void pc_ids_reset(pc_ids *ids)
{
    ids->count = 0;
}

void pc_ids_clear(pc_ids *ids)
{
    pc_free(ids->data);
    *ids = (pc_ids){0};
}
