/* The options of `percept eval`: one table for the command line, help and the record of a run. */
#ifndef PC_CLI_EVAL_OPTIONS_H
#define PC_CLI_EVAL_OPTIONS_H

#include "base/field.h"
#include "cli/cache.h"
#include "cli/options.h"

#include <stdbool.h>
#include <stdint.h>

/* Texts are owned; pc_fields_clear releases them. */
typedef struct pc_eval_options {
    char *tasks, *data, *output_path, *template_name, *system, *dtype, *adapter, *decoding, *mmproj, *visual_tokens;
    pc_cli_cache cache;
    char *model, *base_url, *api_key_env, *think, *conclude, *shots_select, *shots_task, *shots_data;
    int64_t shots, shots_pool, shots_seed, limit, seed, batch_size, max_new_tokens, context, threads, tries, max_failures;
    double calls_a_minute, temperature;
    bool correct, no_images, log_samples, json, pin;
} pc_eval_options;

extern const pc_field_table pc_eval_fields;
extern const pc_option_alias pc_eval_aliases[]; /* ends with NULLs */

#endif
