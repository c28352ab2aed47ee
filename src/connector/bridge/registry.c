#include "connector/bridge/bridge.h"

#include "ops/attention.h"
#include "ops/rows.h"

#include <string.h>

#define PC_BRIDGE(name) extern const pc_bridge_type pc_bridge_##name;
#include "connector/bridge/list.h"
#undef PC_BRIDGE

#define PC_BRIDGE(name) &pc_bridge_##name,
static const pc_bridge_type *const bridges[] = {
#include "connector/bridge/list.h"
};
#undef PC_BRIDGE

#define PC_BRIDGE(name) " " #name
static const char names[] =
#include "connector/bridge/list.h"
    ;
#undef PC_BRIDGE

const pc_bridge_type *pc_bridge_find(const char *name)
{
    for (size_t i = 0; i < sizeof bridges / sizeof bridges[0]; i++) {
        if (strcmp(bridges[i]->name, name) == 0) {
            return bridges[i];
        }
    }
    return NULL;
}

const char *pc_bridge_names(void)
{
    return names + 1;
}

pc_tensor *pc_bridge_attend(const pc_build *build, const pc_bridge_input *in, int64_t block, pc_tensor *q, pc_tensor *k,
                            pc_tensor *v, double scale)
{
    if (in->memory) {
        k = pc_store_rows(build->graph, in->memory[block].keys, k, in->memory_rows); /* [S',H,E] */
        v = pc_store_rows(build->graph, in->memory[block].values, v, in->memory_rows);
    }
    return pc_attention(build->graph, q, k, v, in->seen, NULL, scale);
}
