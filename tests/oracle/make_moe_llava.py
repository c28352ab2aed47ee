#!/usr/bin/env python3
"""tests/golden/moe_llava: MoE-LLaVA in its authors' layout, on tiny random weights.

stablelm/, phi/, qwen/  config.json (model_type moe_llava_*, the object `moe`), weights with the CLIP tower among them
*.json                  greedy ids behind the prompt, and how clear the choices are

CLIP, StableLM and Phi are transformers' classes, and Qwen its Qwen2, which computes the same within seq_length, under Qwen's
names; the experts are written here after DeepSpeed's top2gating without its noise and with room for every token.
"""

import shutil

import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn
from transformers import (CLIPImageProcessorPil, CLIPVisionConfig, CLIPVisionModel, PhiConfig, PhiForCausalLM, Qwen2Config,
                          Qwen2ForCausalLM, StableLmConfig, StableLmForCausalLM)

import common as c

c.quiet()
OUT = c.GOLDEN / "moe_llava"
SIDE, INNER, WIDTH, EXPERTS, GREEDY = 8, 8, 16, 4, 4
VISION = dict(hidden_size=INNER, intermediate_size=12, num_hidden_layers=2, num_attention_heads=2, image_size=SIDE, patch_size=4)
SIZES = dict(vocab_size=40, hidden_size=WIDTH, intermediate_size=12, num_hidden_layers=2, num_attention_heads=2,
             max_position_embeddings=64)
IDS = torch.tensor([1, 5] + [40] * 4 + [9] + [40] * 4 + [12, 33])


class Mixture(nn.Module):
    """deepspeed_moe of one layer."""

    def __init__(self, mlp):
        super().__init__()
        self.deepspeed_moe = nn.Module()
        self.deepspeed_moe.gate = nn.Module()
        self.deepspeed_moe.gate.wg = nn.Linear(WIDTH, EXPERTS, bias=False)
        self.deepspeed_moe.experts = nn.Module()
        self.deepspeed_moe.experts.deepspeed_experts = nn.ModuleList(mlp() for _ in range(EXPERTS))
        self.margin = []

    def forward(self, x):
        gates = self.deepspeed_moe.gate.wg(x).softmax(-1)
        top = gates.topk(3, dim=-1)
        self.margin.append((top.values[..., 1] - top.values[..., 2]).min().item())
        weights = top.values[..., :2] / top.values[..., :2].sum(-1, keepdim=True)
        y = torch.zeros_like(x)
        for e, expert in enumerate(self.deepspeed_moe.experts.deepspeed_experts):
            y += (weights * (top.indices[..., :2] == e)).sum(-1, keepdim=True) * expert(x)
        return y


def qwen_names(state):
    out = {}
    for name, value in state.items():
        name = name.replace("model.embed_tokens", "transformer.wte").replace("model.norm.", "transformer.ln_f.")
        name = name.replace("model.layers.", "transformer.h.").replace("input_layernorm", "ln_1")
        name = name.replace("post_attention_layernorm", "ln_2").replace("self_attn.o_proj", "attn.c_proj")
        name = name.replace("gate_proj", "w2").replace("up_proj", "w1").replace("down_proj", "c_proj")
        out[name] = value
    for name in [n for n in out if ".q_proj." in n]:
        parts = [out.pop(name.replace("q_proj", p + "_proj")) for p in "qkv"]
        out[name.replace("self_attn.q_proj", "attn.c_attn")] = torch.cat(parts)
    return out


PHI = dict(SIZES, num_key_value_heads=2)
MODELS = {
    "stablelm": (StableLmForCausalLM, StableLmConfig(**SIZES, num_key_value_heads=1, use_qkv_bias=True, rope_parameters={
        "rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.25}), [0], "model", lambda s: s,
        {**SIZES, "num_key_value_heads": 1, "rope_pct": 0.25, "rope_theta": 10000, "norm_eps": 1e-5, "hidden_act": "silu"}),
    "phi": (PhiForCausalLM, PhiConfig(**PHI, rope_parameters={
        "rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.5}), [0], "model", lambda s: s,
        {**PHI, "partial_rotary_factor": 0.5, "rope_theta": 10000.0, "layer_norm_eps": 1e-5, "hidden_act": "gelu_new"}),
    "qwen": (Qwen2ForCausalLM, Qwen2Config(**SIZES, num_key_value_heads=2, rope_parameters={
        "rope_type": "default", "rope_theta": 10000.0}), [1], "transformer", qwen_names,
        {**SIZES, "intermediate_size": 24, "kv_channels": 8, "rotary_emb_base": 10000, "rotary_pct": 1.0, "seq_length": 64,
         "layer_norm_epsilon": 1e-6, "no_bias": True, "use_dynamic_ntk": True, "use_logn_attn": True}),
}


def pixels():
    processor = CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE})
    pictures = []
    for picture in ("shapes.png", "triangle.png"):
        one = Image.open(c.GOLDEN / "llava" / picture).convert("RGB")
        square = Image.new("RGB", (max(one.size),) * 2, (122, 116, 104))
        square.paste(one, ((square.width - one.width) // 2, (square.height - one.height) // 2))
        pictures.append(square)
    return processor(pictures, return_tensors="pt")["pixel_values"]


def embed(language, ids, tokens):
    embeds = language.get_input_embeddings()(torch.where(ids == 40, 0, ids))
    embeds[ids == 40] = tokens.flatten(0, 1)
    return embeds


@torch.no_grad()
def answer(language, tokens):
    ids, found, gap = IDS, [], 1.0
    for _ in range(GREEDY):
        logits = language(inputs_embeds=embed(language, ids, tokens)[None]).logits[0, -1]
        top = logits.topk(2).values
        gap = min(gap, ((top[0] - top[1]) / logits.abs().max()).item())
        found.append(int(logits.argmax()))
        ids = torch.cat([ids, torch.tensor([found[-1]])])
    return found, gap


@torch.no_grad()
def build(kind, config, layers, seed, picture):
    language = kind(config).eval()
    mixtures = []
    for i in layers:
        mlp = type(language.model.layers[i].mlp)
        language.model.layers[i].mlp = Mixture(lambda: mlp(config)).eval()
        mixtures.append(language.model.layers[i].mlp)
    tower = CLIPVisionModel(CLIPVisionConfig(**VISION)).eval()
    projector = nn.Sequential(nn.Linear(INNER, WIDTH), nn.GELU(), nn.Linear(WIDTH, WIDTH)).eval()
    for i, module in enumerate((tower, language, projector)):
        c.randomise(module, 3 * seed + i)
        c.round_to_bf16(module)
    features = tower(picture, output_hidden_states=True).hidden_states[-2][:, 1:]
    return language, mixtures, tower, projector, features, projector(features)


@torch.no_grad()
def save(name, kind, config, layers, root, rename, keys):
    picture, seed = pixels(), 0
    while True:
        seed += 1
        language, mixtures, tower, projector, features, tokens = build(kind, config, layers, seed, picture)
        found, gap = answer(language, tokens)
        margin = min(m for mixture in mixtures for m in mixture.margin)
        if gap > 0.015 and margin > 0.015 and len(set(found)) >= 3:
            break
    state = {f"{root}.image_tower.image_tower.vision_model." + k.removeprefix("vision_model."): v for k, v in tower.state_dict().items()}
    state |= {f"{root}.mm_projector.image_spatial_proj." + k: v for k, v in projector.state_dict().items()}
    state |= rename(language.state_dict())
    out = OUT / name
    out.mkdir(parents=True)
    save_file({k: v.to(torch.bfloat16).contiguous().clone() for k, v in state.items() if "position_ids" not in k},
              str(out / "model.safetensors"), metadata={"format": "pt"})
    c.save_json(out / "config.json", keys | {
        "architectures": ["MoELLaVA" + name.capitalize() + "ForCausalLM"], "model_type": "moe_llava_" + name,
        "tie_word_embeddings": False, "torch_dtype": "bfloat16", "mm_hidden_size": INNER, "mm_vision_select_layer": -2,
        "mm_vision_select_feature": "patch", "mm_image_tower": "somebody/tiny-clip", "mm_video_tower": None,
        "image_projector_type": "mlp2x_gelu", "mm_use_im_start_end": False, "mm_use_im_patch_token": False,
        "image_aspect_ratio": "pad", "vision_config": VISION | {"model_type": "clip_vision_model"},
        "moe": {"moe_enable": True, "moe_mode": "sparse", "moe_layers_idx": layers, "num_experts": [EXPERTS] * len(layers),
                "top_k_experts": 2, "capacity_factor": 1.5, "eval_capacity_factor": 2.0, "min_capacity": 0, "use_residual": False,
                "router_aux_loss_coef": 0.01, "ep_size": 1, "train_modules": ["wg"]}})
    embeds = embed(language, IDS, tokens)
    got = language.model(inputs_embeds=embeds[None], output_hidden_states=True)
    c.save_tensors(OUT / f"{name}.safetensors", {
        "input_ids": IDS, "pixel_values": picture, "encoder.features": features, "connector.tokens": tokens.flatten(0, 1),
        "logits": language.lm_head(got.last_hidden_state)[0], "hidden.0": embeds, "hidden.1": got.hidden_states[1][0]})
    print(name, "seed", seed, found, "gap %.3f, margin of choices %.3f" % (gap, margin))
    c.save_json(OUT / f"{name}.json", {"greedy_ids": found, "smallest_gap": gap, "smallest_margin": margin})


shutil.rmtree(OUT, ignore_errors=True)
for name, rest in MODELS.items():
    save(name, *rest)
c.readable(OUT)
