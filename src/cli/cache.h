/* What commands that run a model take about its cache of keys and values. */
#ifndef PC_CLI_CACHE_H
#define PC_CLI_CACHE_H

#include "base/field.h"
#include "base/json.h"
#include "model/cache_options.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct pc_cli_cache {
    char *keys, *values; /* names of types, as llama.cpp spells them; NULL = that of the products */
    bool spread;
    int64_t sinks, window; /* tokens; sinks -1 = not given */
} pc_cli_cache;

/* Fields of a struct with a member `pc_cli_cache cache`, and their short spellings. */
#define PC_CLI_CACHE_FIELDS(struct_type)                                                                                      \
    {.name = "cache_type_k", .type = PC_FIELD_TEXT, .offset = offsetof(struct_type, cache.keys),                              \
     .help = "how the KV cache keeps keys: f32, f16, bf16, q8_0 or q4_0; unset = as --dtype computes"},                      \
    {.name = "cache_type_v", .type = PC_FIELD_TEXT, .offset = offsetof(struct_type, cache.values),                            \
     .help = "how it keeps values, of the same types"},                                                                       \
    {.name = "cache_hadamard", .type = PC_FIELD_BOOL, .offset = offsetof(struct_type, cache.spread), .fallback = "false",     \
     .help = "keys go through a Hadamard matrix before they are kept"},                                                       \
    {.name = "window", .type = PC_FIELD_INT, .offset = offsetof(struct_type, cache.window), .low = 0, .high = 1 << 24,        \
     .help = "keep the newest N tokens and the first --sinks alone, so that a text (--context) may be longer than what the "  \
             "model was made for; 0 = everything"},                                                                           \
    {.name = "sinks", .type = PC_FIELD_INT, .offset = offsetof(struct_type, cache.sinks), .fallback = "-1", .low = -1,        \
     .high = 1 << 24, .help = "with --window: first tokens that stay; -1 = 4"}
#define PC_CLI_CACHE_ALIASES {"-ctk", "cache_type_k"}, {"-ctv", "cache_type_v"}, {"-khad", "cache_hadamard"}

/* PC_ERR_USAGE for other types, and for sinks without a window. compute: of the products. */
pc_status pc_cli_cache_options(pc_cache_options *out, const pc_cli_cache *given, pc_dtype compute);
/* What was chosen, into the settings of a run; nothing where nothing was. */
pc_status pc_cli_cache_note(pc_json *settings, const pc_cli_cache *given);

#endif
