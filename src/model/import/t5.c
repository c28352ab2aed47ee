/* T5ForConditionalGeneration directories of Hugging Face: T5, T5 v1.1, Flan-T5. */
#include "model/import/import.h"

static pc_status configure(pc_model *model, const char *where)
{
    return pc_model_set_llm(model, "t5", model->config, where);
}

/* The embedding under the names that it has as a part of either stack; a head that has no tensor of its own. */
static bool alias(const char *name, int i, char *out, size_t size)
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

const pc_import pc_import_t5 = {
    .model_type = "t5",
    .architecture = "T5ForConditionalGeneration",
    .prefixes = {.llm = ""},
    .configure = configure,
    .alias = alias,
    .describe = describe,
};
