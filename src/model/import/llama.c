/* Directories of a language model alone: LlamaForCausalLM, MistralForCausalLM, Qwen2ForCausalLM, T5ForConditionalGeneration of
 * Hugging Face. The name of
 * the family is that of the language model, and their tensors are named alike. */
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

/* The embedding under the names that it has as a part of either stack; a head that has no tensor of its own. */
static bool alias_t5(const char *name, int i, char *out, size_t size)
{
    static const pc_import_rename renames[] = {
        {"shared.", "encoder.embed_tokens."},
        {"shared.", "decoder.embed_tokens."},
        {"lm_head.", "shared."},
    };
    return pc_import_alias_of(name, i, renames, sizeof renames / sizeof renames[0], out, size);
}

static pc_status describe(const pc_model *model, pc_json *config)
{
    return pc_import_complete_llm(config, model);
}

#define FAMILY(name, class, names)           \
    const pc_import pc_import_##name = {     \
        .model_type = #name,                 \
        .architecture = class,               \
        .prefixes = {.llm = ""},             \
        .configure = configure,              \
        .alias = names,                      \
        .describe = describe,                \
    }

FAMILY(llama, "LlamaForCausalLM", alias);
FAMILY(mistral, "MistralForCausalLM", alias);
FAMILY(qwen2, "Qwen2ForCausalLM", alias);
FAMILY(t5, "T5ForConditionalGeneration", alias_t5);
