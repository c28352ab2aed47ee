/* `percept merge`: a model and an adapter become one model. */
#include "base/file.h"
#include "base/memory.h"
#include "cli/adapters.h"
#include "cli/command.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

typedef struct merge_options {
    char *output, *dtype;
} merge_options;

static const pc_field fields[] = {
    {.name = "output", .alias = "output_dir", .type = PC_FIELD_TEXT, .offset = offsetof(merge_options, output),
     .help = "folder for the merged model (needed)"},
    {.name = "dtype", .type = PC_FIELD_TEXT, .offset = offsetof(merge_options, dtype), .fallback = "auto",
     .help = "type of its weights: float32, bfloat16, float16; auto = as the model has them"},
};

static const pc_option_alias aliases[] = {{"-o", "output"}, {NULL, NULL}};

static pc_status choose_type(const pc_model *model, const char *name, pc_dtype *out)
{
    int dtype = strcmp(name, "auto") == 0 ? (int)model->stored : pc_dtype_from_name(name);
    if (dtype != PC_F32 && dtype != PC_BF16 && dtype != PC_F16) {
        return pc_fail(PC_ERR_USAGE, "--dtype '%s': expected float32, bfloat16, float16 or auto", name);
    }
    *out = (pc_dtype)dtype;
    return PC_OK;
}

static pc_status merge(pc_model *model, const pc_option_list *list, const merge_options *given)
{
    pc_cli_adapters adapters = {0};
    pc_dtype dtype = PC_F32;
    pc_status status;
    PC_GO(choose_type(model, given->dtype, &dtype));
    PC_GO(pc_params_own(&model->params));
    PC_GO(pc_cli_adapters_open(&adapters, model, list));
    for (int i = 0; i < adapters.count; i++) {
        PC_GO(pc_adapter_merge(adapters.items[i]));
    }
    PC_GO(pc_model_save(model, given->output, dtype));
    printf("%s\n", given->output);
done:
    pc_cli_adapters_close(&adapters);
    return status;
}

static pc_status merge_into(const char *path, const pc_option_list *list, const merge_options *given)
{
    pc_model *model = NULL;
    if (!list->count || !given->output) {
        return pc_fail(PC_ERR_USAGE, "percept merge needs --adapter DIR and -o FOLDER");
    }
    if (strcmp(path, given->output) == 0) {
        return pc_fail(PC_ERR_USAGE, "-o %s: the model itself lies there", given->output);
    }
    PC_TRY(pc_model_load(&model, path));
    pc_status status = merge(model, list, given);
    pc_model_free(model);
    return status;
}

static pc_status run(int argc, char **argv)
{
    merge_options given = {0};
    pc_arguments arguments;
    const char **items = NULL;
    PC_TRY(PC_NEW_ARRAY(items, (size_t)argc + 1, "arguments"));
    pc_option_list lists[] = {{"adapter", "an adapter; several are merged one after the other", items, 0}, {0}};
    const pc_options options = {
        .usage = "percept merge MODEL --adapter DIR [--adapter DIR]... -o FOLDER [OPTION]...\n\n"
                 "Writes a model directory in which the weights have taken in the adapter (LoRA, rsLoRA, DoRA, whole modules).",
        .fields = {fields, sizeof fields / sizeof fields[0]},
        .aliases = aliases,
        .lists = lists,
        .min_arguments = 1,
        .max_arguments = 1,
    };
    pc_status status = pc_options_parse(&options, &given, &arguments, argc, argv);
    if (status == PC_OK && !arguments.help) {
        status = merge_into(arguments.items[0], &lists[0], &given);
    }
    pc_fields_clear(&options.fields, &given);
    pc_free(items);
    return status;
}

const pc_command pc_command_merge = {.name = "merge", .summary = "write an adapter into its model", .run = run};
