/* Directories of a language model alone: LlamaForCausalLM, MistralForCausalLM, MixtralForCausalLM, Qwen2ForCausalLM,
 * StableLmForCausalLM, PhiForCausalLM, MptForCausalLM, GPTNeoXForCausalLM of Hugging Face, MosaicGPT of its authors. The name of the family is that of
 * the language model, and their tensors are named alike; Mixtral's files have an array for each expert, StableLM's one for each
 * head's norm. */
#include "model/import/import.h"

#include <stdio.h>
#include <string.h>

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

/* "<norm>.norms.<head>.weight" of "<norm>.weight" [H,E]. */
static bool head_norm(const pc_param *param, int i, pc_import_piece *out)
{
    static const char ENDS[] = "_layernorm.weight";
    const char *at = strstr(param->name, ENDS);
    if (!at || at[sizeof ENDS - 1] || param->shape.ndim != 2 || i >= param->shape.dim[0]) {
        return false;
    }
    int stem = (int)(at - param->name) + (int)strlen("_layernorm");
    int length = snprintf(out->tensor, sizeof out->tensor, "%.*s.norms.%d.weight", stem, param->name, i);
    out->shape = pc_dims(1, param->shape.dim[1]);
    return length >= 0 && (size_t)length < sizeof out->tensor;
}

static bool piece(const pc_model *model, const pc_param *param, int i, pc_import_piece *out)
{
    static const pc_import_experts names = {"block_sparse_moe.experts", "w1", "w3", "w2"};
    (void)model;
    return pc_import_expert(param, &names, i, out) || head_norm(param, i, out);
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
FAMILY(mosaic_gpt, "MosaicGPT");
FAMILY(gpt_neox, "GPTNeoXForCausalLM");
