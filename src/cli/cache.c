#include "cli/cache.h"

#include "base/block_store.h"

static pc_status take_type(pc_dtype *out, const char *option, const char *name, pc_dtype compute)
{
    *out = compute;
    if (!name) {
        return PC_OK;
    }
    const int type = pc_dtype_from_name(name);
    if (type != PC_F32 && type != PC_F16 && type != PC_BF16 && (type < 0 || !pc_block_stores((pc_dtype)type))) {
        return pc_fail(PC_ERR_USAGE, "--%s '%s': expected f32, f16, bf16, q8_0 or q4_0", option, name);
    }
    *out = (pc_dtype)type;
    return PC_OK;
}

pc_status pc_cli_cache_options(pc_cache_options *out, const pc_cli_cache *given, pc_dtype compute)
{
    enum { USUAL_SINKS = 4 }; /* Xiao et al. 2024, section 3.2 */
    if (given->sinks >= 0 && !given->window) {
        return pc_fail(PC_ERR_USAGE, "--sinks needs --window: how many of the newest tokens stay beside them");
    }
    *out = (pc_cache_options){.typed = true, .window = given->window, .sinks = given->sinks < 0 ? USUAL_SINKS : given->sinks};
    PC_TRY(take_type(&out->keys, "cache_type_k", given->keys, compute));
    return take_type(&out->values, "cache_type_v", given->values, compute);
}

pc_status pc_cli_cache_note(pc_json *settings, const pc_cli_cache *given)
{
    if (given->keys) {
        PC_TRY(pc_json_set(settings, "cache_type_k", pc_json_new_text(given->keys)));
    }
    if (given->values) {
        PC_TRY(pc_json_set(settings, "cache_type_v", pc_json_new_text(given->values)));
    }
    if (!given->window) {
        return PC_OK;
    }
    PC_TRY(pc_json_set(settings, "window", pc_json_new_integer(given->window)));
    return pc_json_set(settings, "sinks", pc_json_new_integer(given->sinks));
}
