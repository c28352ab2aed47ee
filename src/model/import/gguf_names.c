/* Names of parameters as Hugging Face's modules spell them -> names of tensors in GGUF files (llama.cpp's llama-arch.cpp and
 * clip.cpp). Easy to get wrong: in files of a vision tower ffn_down is the first layer of the MLP and ffn_up the second, for
 * the program that wrote them first had them the wrong way round; files that have it right are told by their shapes. */
#include "model/import/gguf.h"

#include "base/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct rename {
    const char *ours, *theirs;
} rename_pair;

static const rename_pair llm_parts[] = {
    {"self_attn.q_proj.", "attn_q."},       {"self_attn.k_proj.", "attn_k."},    {"self_attn.v_proj.", "attn_v."},
    {"self_attn.o_proj.", "attn_output."},  {"mlp.gate_proj.", "ffn_gate."},     {"mlp.up_proj.", "ffn_up."},
    {"mlp.down_proj.", "ffn_down."},        {"input_layernorm.", "attn_norm."},  {"post_attention_layernorm.", "ffn_norm."},
};
static const rename_pair llm_whole[] = {
    {"model.embed_tokens.", "token_embd."}, {"model.norm.", "output_norm."}, {"lm_head.", "output."},
};
static const rename_pair tower_parts[] = {
    {"self_attn.q_proj.", "attn_q."},      {"self_attn.k_proj.", "attn_k."}, {"self_attn.v_proj.", "attn_v."},
    {"self_attn.out_proj.", "attn_out."},  {"layer_norm1.", "ln1."},         {"layer_norm2.", "ln2."},
    {"mlp.fc1.", "ffn_down."},             {"mlp.fc2.", "ffn_up."},
};
static const rename_pair tower_whole[] = {
    {"embeddings.class_embedding", "class_embd"}, {"embeddings.patch_embedding.", "patch_embd."},
    {"embeddings.position_embedding.", "position_embd."}, {"pre_layrnorm.", "pre_ln."}, {"post_layernorm.", "post_ln."},
};
#define COUNT(table) (sizeof(table) / sizeof(table)[0])

static bool find(const rename_pair *table, size_t count, const char *name, const char *head, char *out, size_t size)
{
    for (size_t i = 0; i < count; i++) {
        if (pc_starts_with(name, table[i].ours)) {
            int length = snprintf(out, size, "%s%s%s", head, table[i].theirs, name + strlen(table[i].ours));
            return length > 0 && (size_t)length < size;
        }
    }
    return false;
}

/* "12.rest" behind the prefix of layers -> "blk.12." and the rest. */
static bool find_layer(const rename_pair *table, size_t count, const char *name, const char *head, char *out, size_t size)
{
    char block[32], *end;
    long layer = strtol(name, &end, 10);
    if (end == name || *end != '.' || layer < 0 || layer > 99999) {
        return false;
    }
    snprintf(block, sizeof block, "%sblk.%ld.", head, layer);
    return find(table, count, end + 1, block, out, size);
}

static bool llm_name(const char *name, char *out, size_t size)
{
    static const char layers[] = "model.layers.";
    return pc_starts_with(name, layers)
               ? find_layer(llm_parts, COUNT(llm_parts), name + strlen(layers), "", out, size)
               : find(llm_whole, COUNT(llm_whole), name, "", out, size);
}

static bool tower_name(const char *name, bool swapped, char *out, size_t size)
{
    static const char layers[] = "encoder.layers.";
    if (!pc_starts_with(name, layers)) {
        return find(tower_whole, COUNT(tower_whole), name, "v.", out, size);
    }
    if (!find_layer(tower_parts, COUNT(tower_parts), name + strlen(layers), "v.", out, size)) {
        return false;
    }
    char *down = strstr(out, "ffn_down."), *up = strstr(out, "ffn_up.");
    if (!swapped && (down || up)) {
        char tail[32];
        snprintf(tail, sizeof tail, "%s", (down ? down + 9 : up + 7));
        snprintf(down ? down : up, size - (size_t)((down ? down : up) - out), "%s%s", down ? "ffn_up." : "ffn_down.", tail);
    }
    return true;
}

/* "linear_2.weight" or "2.weight" -> "mm.2.weight"; one layer has no number in LLaVA's own checkpoints. */
static bool connector_name(const char *rest, char *out, size_t size)
{
    static const rename_pair parts[] = {{"linear_1.", "mm.0."}, {"linear_2.", "mm.2."}, {"0.", "mm.0."}, {"2.", "mm.2."}};
    bool plain = strcmp(rest, "weight") == 0 || strcmp(rest, "bias") == 0;
    return plain ? snprintf(out, size, "mm.0.%s", rest) < (int)size : find(parts, COUNT(parts), rest, "", out, size);
}

bool pc_gguf_name(const pc_model *model, const char *name, bool swapped, bool *vision, char *out, size_t size)
{
    const pc_import_prefixes *prefixes = &model->import->prefixes;
    const char *llm = prefixes->llm ? prefixes->llm : "";
    *vision = true;
    if (model->encoder.type && pc_starts_with(name, prefixes->encoder)) {
        return tower_name(name + strlen(prefixes->encoder), swapped, out, size);
    }
    if (model->connector.type && pc_starts_with(name, prefixes->connector)) {
        return connector_name(name + strlen(prefixes->connector), out, size);
    }
    if (model->tiles.newline && strcmp(name, model->tiles.newline->name) == 0) {
        return snprintf(out, size, "model.image_newline") < (int)size;
    }
    *vision = false;
    return pc_starts_with(name, llm) && llm_name(name + strlen(llm), out, size);
}
