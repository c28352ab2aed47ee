#include "model/cache_options.h"

#include "base/block_store.h"

pc_status pc_cache_type_read(pc_dtype *out, const char *option, const char *name, pc_dtype usual)
{
    *out = usual;
    if (!name) {
        return PC_OK;
    }
    const int type = pc_dtype_from_name(name);
    if (type != PC_F32 && type != PC_F16 && type != PC_BF16 && (type < 0 || !pc_block_stores((pc_dtype)type))) {
        return pc_fail(PC_ERR_USAGE, "%s '%s': expected f32, f16, bf16, q8_0 or q4_0", option, name);
    }
    *out = (pc_dtype)type;
    return PC_OK;
}
