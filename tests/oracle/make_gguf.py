#!/usr/bin/env python3
"""tests/golden/gguf: models of other fixtures as GGUF, written by llama.cpp's own writer, so that what was computed for the one
is the truth of the other. usage: make_gguf.py LLAMA_CPP, a checkout of ggerganov/llama.cpp.
"""

import json
import sys

sys.path.insert(0, sys.argv[1] + "/gguf-py")
import gguf  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

import common as c  # noqa: E402

OUT = c.GOLDEN / "gguf"
LLM = [("model.embed_tokens", "token_embd"), ("model.norm", "output_norm"), ("lm_head", "output"), ("model.layers", "blk"),
       ("self_attn.q_proj", "attn_q"), ("self_attn.k_proj", "attn_k"), ("self_attn.v_proj", "attn_v"),
       ("self_attn.o_proj", "attn_output"), ("mlp.gate_proj", "ffn_gate"), ("mlp.up_proj", "ffn_up"),
       ("mlp.down_proj", "ffn_down"), ("input_layernorm", "attn_norm"), ("post_attention_layernorm", "ffn_norm")]
# As convert_image_encoder_to_gguf.py names them, fc1 and fc2 the wrong way round.
TOWER = [("embeddings.class_embedding", "class_embd"), ("embeddings.patch_embedding", "patch_embd"),
         ("embeddings.position_embedding", "position_embd"), ("pre_layrnorm", "pre_ln"), ("encoder.layers", "blk"),
         ("self_attn.q_proj", "attn_q"), ("self_attn.k_proj", "attn_k"), ("self_attn.v_proj", "attn_v"),
         ("self_attn.out_proj", "attn_out"), ("layer_norm1", "ln1"), ("layer_norm2", "ln2"), ("mlp.fc1", "ffn_down"),
         ("mlp.fc2", "ffn_up")]
TOWER_NAME = "model.vision_tower.vision_tower.vision_model."


def rename(name, pairs):
    for theirs, ours in pairs:
        name = name.replace(theirs, ours)
    return name


def permute(w, heads):  # convert_hf_to_gguf.py, LlamaModel.permute
    return w.reshape(heads, 2, w.shape[0] // heads // 2, *w.shape[1:]).swapaxes(1, 2).reshape(w.shape)


def add(writer, name, tensor):
    """Matrices as they are (bf16 stays), vectors as f32."""
    if tensor.ndim > 1 and tensor.dtype == torch.bfloat16:
        writer.add_tensor(name, tensor.contiguous().view(torch.uint8).numpy(), raw_dtype=gguf.GGMLQuantizationType.BF16)
    else:
        writer.add_tensor(name, tensor.float().contiguous().numpy())


def close(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_llm(path, folder, arch):
    config, weights = json.loads((folder / "config.json").read_text()), load_file(folder / "model.safetensors")
    path.parent.mkdir(parents=True, exist_ok=True)
    w = gguf.GGUFWriter(str(path), arch)
    heads, rope = config["num_attention_heads"], config.get("rope_parameters") or config
    keys = config.get("num_key_value_heads", heads)
    w.add_context_length(config["max_position_embeddings"])
    w.add_embedding_length(config["hidden_size"])
    w.add_block_count(config["num_hidden_layers"])
    w.add_feed_forward_length(config["intermediate_size"])
    w.add_head_count(heads)
    w.add_head_count_kv(keys)
    if config.get("head_dim"):
        w.add_key_length(config["head_dim"])
        w.add_value_length(config["head_dim"])
        w.add_rope_dimension_count(config["head_dim"])
    w.add_layer_norm_rms_eps(config["rms_norm_eps"])
    w.add_rope_freq_base(rope["rope_theta"])
    if rope.get("rope_type", "default") != "default":
        w.add_rope_scaling_type(gguf.RopeScalingType(rope["rope_type"]))
        w.add_rope_scaling_factor(rope["factor"])
        if "original_max_position_embeddings" in rope:
            w.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
    for name, tensor in weights.items():
        if name.startswith(TOWER_NAME) or "mm_projector" in name or name == "model.image_newline":
            continue
        if arch == "llama" and ("q_proj" in name or "k_proj" in name):
            tensor = permute(tensor, heads if "q_proj" in name else keys)
        add(w, rename(name, LLM), tensor)
    close(w)


def write_mmproj(path, folder, tower_folder):
    config, weights = json.loads((folder / "config.json").read_text()), load_file(folder / "model.safetensors")
    vision = json.loads((tower_folder / "config.json").read_text())["vision_config"]
    if TOWER_NAME + "pre_layrnorm.weight" not in weights:
        weights |= {TOWER_NAME + k.removeprefix("vision_model."): v for k, v in load_file(tower_folder / "model.safetensors").items()}
    blocks = vision["num_hidden_layers"] - 1  # features are taken before the last one
    w = gguf.GGUFWriter(str(path), "clip")
    w.add_bool("clip.has_text_encoder", False)
    w.add_bool("clip.has_vision_encoder", True)
    w.add_bool("clip.has_llava_projector", True)
    w.add_string("clip.projector_type", "mlp")
    w.add_bool("clip.use_gelu", vision.get("hidden_act", "quick_gelu") == "gelu")
    for key, value in (("image_size", vision["image_size"]), ("patch_size", vision["patch_size"]),
                       ("embedding_length", vision["hidden_size"]), ("feed_forward_length", vision["intermediate_size"]),
                       ("projection_dim", vision["projection_dim"]), ("attention.head_count", vision["num_attention_heads"]),
                       ("block_count", blocks)):
        w.add_uint32("clip.vision." + key, value)
    w.add_float32("clip.vision.attention.layer_norm_epsilon", vision.get("layer_norm_eps", 1e-5))
    w.add_array("clip.vision.image_mean", [0.48145466, 0.4578275, 0.40821073])
    w.add_array("clip.vision.image_std", [0.26862954, 0.26130258, 0.27577711])
    if config["image_aspect_ratio"] == "anyres":
        w.add_array("clip.vision.image_grid_pinpoints", [side for pair in config["image_grid_pinpoints"] for side in pair])
        w.add_string("clip.vision.mm_patch_merge_type", config["mm_patch_merge_type"])
    for name, tensor in weights.items():
        if name.startswith(TOWER_NAME):
            short = "v." + rename(name.removeprefix(TOWER_NAME), TOWER)
            if not (short.startswith((f"v.blk.{blocks}.", "v.post_layernorm")) or "position_ids" in short):
                add(w, short, tensor)
        elif "mm_projector" in name:
            add(w, name.replace("model.mm_projector", "mm"), tensor)
        elif name == "model.image_newline":
            add(w, name, tensor)
    close(w)


write_llm(OUT / "qwen2.gguf", c.GOLDEN / "decoders/qwen2", "qwen2")
for case in ("mistral_open", "linear", "yarn"):
    write_llm(OUT / f"{case}.gguf", c.GOLDEN / "decoders" / case, "llama")
original = c.GOLDEN / "llava_original"
for version in ("v1.5", "v1.6"):
    write_llm(OUT / f"llava-{version}-tiny/model.gguf", original / f"llava-{version}-tiny", "llama")
    write_mmproj(OUT / f"llava-{version}-tiny/mmproj.gguf", original / f"llava-{version}-tiny", original / "tiny-clip")
