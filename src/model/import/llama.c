/* LlamaForCausalLM directories of Hugging Face. */
#include "model/import/import.h"

static pc_status configure(pc_model *model, const char *where)
{
    PC_TRY(pc_import_rope(model->config, where));
    return pc_model_set_llm(model, "llama", model->config, where);
}

static bool alias(const char *name, int i, char *out, size_t size)
{
    return pc_import_alias_of(name, i, NULL, 0, out, size);
}

static pc_status describe(const pc_model *model, pc_json *config)
{
    return pc_import_complete_llm(config, model);
}

const pc_import pc_import_llama = {
    .model_type = "llama",
    .architecture = "LlamaForCausalLM",
    .prefixes = {.llm = ""},
    .configure = configure,
    .alias = alias,
    .describe = describe,
};
