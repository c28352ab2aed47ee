/* Qwen2 and Qwen2.5: the shared decoder with biases at q, k and v, and a window over the upper layers when it is switched on.
 *
 * Source: Yang et al. 2024 (arXiv:2407.10671); transformers models/qwen2. Easy to get wrong: sliding_window stands in the
 * config of models that don't use it (use_sliding_window is false); layers from max_window_layers on have the window.
 */
#include "llm/decoder.h"

static const pc_field fields[] = {
    PC_DECODER_FIELDS("151936", "4096", "22016", "32", "32", "32", "32768"),
    PC_DECODER_FIELD(use_sliding_window, PC_FIELD_BOOL, "false", 0, 0, "upper layers have a window"),
    PC_DECODER_FIELD(sliding_window, PC_FIELD_INT, "4096", 0, 1 << 24, "keys that a row of such a layer sees"),
    PC_DECODER_FIELD(max_window_layers, PC_FIELD_INT, "28", 0, 1 << 20, "layers below the first with a window"),
    PC_DECODER_MOE_FIELDS("0", "2", "0.001"),
};

static pc_status read(void *any, const pc_json *json, const char *where)
{
    ((pc_decoder_config *)any)->qkv_bias = true;
    return pc_decoder_read(any, json, where);
}

const pc_llm_type pc_llm_qwen2 = {
    .model_type = "qwen2",
    .gguf = "qwen2",
    .read = read,
    .check = pc_decoder_check,
    PC_DECODER_PARTS(fields),
};
