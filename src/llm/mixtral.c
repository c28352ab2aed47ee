/* Mixtral: Mistral's decoder whose MLPs are mixtures of eight experts, of which each token uses two.
 *
 * Source: Jiang et al. 2024 (arXiv:2401.04088); transformers models/mixtral. Easy to get wrong: an absent sliding_window means
 * none, unlike Mistral's; the loss that balances the experts counts the choices of all layers together.
 */
#include "llm/decoder.h"

static const pc_field fields[] = {
    PC_DECODER_FIELDS("32000", "4096", "14336", "32", "32", "8", "131072"),
    PC_DECODER_FIELD(sliding_window, PC_FIELD_INT, "0", 0, 1 << 24, "keys that a row sees; 0 = all"),
    PC_DECODER_MOE_FIELDS("8", "2", "0.001"),
};

static pc_status read(void *any, const pc_json *json, const char *where)
{
    pc_decoder_config *config = any;
    config->use_sliding_window = true;
    config->max_window_layers = 0;
    return pc_decoder_read(config, json, where);
}

static pc_status check(const void *any, const char *where)
{
    const pc_decoder_config *config = any;
    return config->moe.experts ? pc_decoder_check(any, where)
                               : pc_fail(PC_ERR_DATA, "%s: num_local_experts is 0, Mixtral has at least one", where);
}

const pc_llm_type pc_llm_mixtral = {
    .model_type = "mixtral",
    .read = read,
    .check = check,
    PC_DECODER_PARTS(fields),
};
