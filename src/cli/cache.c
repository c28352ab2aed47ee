#include "cli/cache.h"

pc_status pc_cli_cache_options(pc_cache_options *out, const pc_cli_cache *given, pc_dtype compute)
{
    if (given->sinks > 0 && !given->window) {
        return pc_fail(PC_ERR_USAGE, "--sinks needs --window: how many of the newest tokens stay beside them");
    }
    *out = (pc_cache_options){.typed = true, .spread = given->spread, .window = given->window, .sinks = given->sinks < 0 ? PC_CACHE_SINKS : given->sinks};
    PC_TRY(pc_cache_type_read(&out->keys, "--cache_type_k", given->keys, compute));
    return pc_cache_type_read(&out->values, "--cache_type_v", given->values, compute);
}

pc_status pc_cli_cache_note(pc_json *settings, const pc_cli_cache *given)
{
    if (given->keys) {
        PC_TRY(pc_json_set(settings, "cache_type_k", pc_json_new_text(given->keys)));
    }
    if (given->values) {
        PC_TRY(pc_json_set(settings, "cache_type_v", pc_json_new_text(given->values)));
    }
    if (given->spread) {
        PC_TRY(pc_json_set(settings, "cache_hadamard", pc_json_new_bool(true)));
    }
    if (!given->window) {
        return PC_OK;
    }
    PC_TRY(pc_json_set(settings, "window", pc_json_new_integer(given->window)));
    return pc_json_set(settings, "sinks", pc_json_new_integer(given->sinks));
}
