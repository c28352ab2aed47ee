/* Mistral: the shared decoder with a sliding window over every layer, unless sliding_window is null.
 *
 * Source: Jiang et al. 2023 (arXiv:2310.06825). Easy to get wrong: an absent sliding_window means 4096, null means none
 * (Mistral-7B-v0.2).
 */
#include "llm/decoder.h"

static const pc_field fields[] = {
    PC_DECODER_FIELDS("32000", "4096", "14336", "32", "32", "8", "131072"),
    PC_DECODER_FIELD(sliding_window, PC_FIELD_INT, "4096", 0, 1 << 24, "keys that a row sees; 0 = all"),
    PC_DECODER_MOE_FIELDS("0", "2", "0.001"),
};

static pc_status read(void *any, const pc_json *json, const char *where)
{
    pc_decoder_config *config = any;
    config->use_sliding_window = true;
    config->max_window_layers = 0;
    return pc_decoder_read(config, json, where);
}

const pc_llm_type pc_llm_mistral = {
    .model_type = "mistral",
    .gguf = "llama",
    .read = read,
    .check = pc_decoder_check,
    PC_DECODER_PARTS(fields),
};
