/* Directories of a language model alone: LlamaForCausalLM, MistralForCausalLM, MixtralForCausalLM, Qwen2ForCausalLM,
 * StableLmForCausalLM, PhiForCausalLM, MptForCausalLM of Hugging Face. The name of the family is that of the language model, and their tensors are named alike; Mixtral's files have an array
 * for each expert. */
#include "model/import/import.h"

static pc_status configure(pc_model *model, const char *where)
{
    PC_TRY(pc_import_rope(model->config, where));
    return pc_model_set_llm(model, model->import->model_type, model->config, where);
}

static bool alias(const char *name, int i, char *out, size_t size)
{
    return pc_import_alias_of(name, i, NULL, 0, out, size);
}

static pc_status describe(const pc_model *model, pc_json *config)
{
    return pc_import_complete_llm(config, model);
}

static bool piece(const pc_model *model, const pc_param *param, int i, pc_import_piece *out)
{
    static const pc_import_experts names = {"block_sparse_moe.experts", "w1", "w3", "w2"};
    (void)model;
    return pc_import_expert(param, &names, i, out);
}

#define FAMILY(name, class)         \
    const pc_import pc_import_##name = { \
        .model_type = #name,        \
        .architecture = class,      \
        .prefixes = {.llm = ""},    \
        .configure = configure,     \
        .alias = alias,             \
        .piece = piece,             \
        .describe = describe,       \
    }

FAMILY(llama, "LlamaForCausalLM");
FAMILY(mistral, "MistralForCausalLM");
FAMILY(mixtral, "MixtralForCausalLM");
FAMILY(qwen2, "Qwen2ForCausalLM");
FAMILY(stablelm, "StableLmForCausalLM");
FAMILY(phi, "PhiForCausalLM");
FAMILY(mpt, "MptForCausalLM");
