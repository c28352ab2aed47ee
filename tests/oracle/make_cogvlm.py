#!/usr/bin/env python3
"""tests/golden/cogvlm: CogVLM in its authors' names on tiny random weights, one picture before the text.

Rotary embedding and norms of the language model are transformers' LLaMA's; everything else is written here after modeling_cogvlm.py
and visual.py of cogvlm-chat-hf, whose code needs a GPU and a transformers of 2023.
"""

import math
import shutil

import torch
from PIL import Image
from safetensors.torch import save_file
from torch.nn import functional as F
from transformers import CLIPImageProcessorPil, LlamaConfig
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding, apply_rotary_pos_emb

import common as c

c.quiet()
OUT = c.GOLDEN / "cogvlm"
M, SIDE, PATCH, VHEADS, D, HIDDEN, HEADS, LAYERS, VOCAB, VLAYERS = 8, 14, 7, 2, 16, 20, 2, 2, 40, 2
TEXT = dict(vocab_size=VOCAB, hidden_size=D, intermediate_size=HIDDEN, num_hidden_layers=LAYERS, num_attention_heads=HEADS,
            max_position_embeddings=64, rms_norm_eps=1e-5)
GREEDY = 6


def shapes():
    n = (SIDE // PATCH) ** 2 + 1
    p = "model.vision.patch_embedding."
    s = {p + "proj.weight": (M, 3, PATCH, PATCH), p + "proj.bias": (M,), p + "cls_embedding": (1, M), p + "position_embedding.weight": (n, M)}
    for i in range(VLAYERS):
        p = f"model.vision.transformer.layers.{i}."
        for k, o, m in (("attention.query_key_value", 3 * M, M), ("attention.dense", M, M), ("mlp.fc1", 12, M), ("mlp.fc2", M, 12)):
            s |= {p + k + ".weight": (o, m), p + k + ".bias": (o,)}
        for k in ("input_layernorm", "post_attention_layernorm"):
            s |= {p + k + ".weight": (M,), p + k + ".bias": (M,)}
    p = "model.vision.linear_proj."
    s |= {p + "linear_proj.weight": (D, M), p + "norm1.weight": (D,), p + "norm1.bias": (D,), p + "gate_proj.weight": (HIDDEN, D),
          p + "dense_h_to_4h.weight": (HIDDEN, D), p + "dense_4h_to_h.weight": (D, HIDDEN), "model.vision.boi": (1, 1, D), "model.vision.eoi": (1, 1, D),
          "model.embed_tokens.weight": (VOCAB, D), "model.norm.weight": (D,), "lm_head.weight": (VOCAB, D)}
    for i in range(LAYERS):
        p = f"model.layers.{i}."
        s |= {p + "input_layernorm.weight": (D,), p + "post_attention_layernorm.weight": (D,)}
        for k in ("vision", "language"):
            s |= {p + f"self_attn.{k}_expert_query_key_value.weight": (3 * D, D), p + f"self_attn.{k}_expert_dense.weight": (D, D)}
            for n, o, m in (("gate_proj", HIDDEN, D), ("up_proj", HIDDEN, D), ("down_proj", D, HIDDEN)):
                s[p + f"mlp.{k}_mlp.{n}.weight"] = (o, m)
    return s


def values(name, shape, seed):
    g = torch.Generator().manual_seed(seed * 7919 + sum(ord(x) * (i + 1) for i, x in enumerate(name)))
    norm = len(shape) == 1 and name.endswith("weight")
    gain = 0.2 if len(shape) == 1 else 1.0 if "embed" in name or "oi" in name.split(".")[-1] else 1 / math.sqrt(math.prod(shape[1:]))
    gain = 3 / math.sqrt(D) if name.startswith("lm_head") else gain
    return gain * torch.randn(shape, generator=g) + (1.0 if norm else 0.0)


W = {}


def linear(x, name):
    return F.linear(x, W[name + ".weight"], W.get(name + ".bias"))


def tower(pixels):
    p = "model.vision.patch_embedding."
    x = F.conv2d(pixels, W[p + "proj.weight"], W[p + "proj.bias"], stride=PATCH).flatten(2).transpose(1, 2)
    x = torch.cat([W[p + "cls_embedding"].expand(len(x), -1, -1), x], 1) + W[p + "position_embedding.weight"]
    states = [x]
    for i in range(VLAYERS):
        p = f"model.vision.transformer.layers.{i}."

        def norm(t, k):
            return F.layer_norm(t, (M,), W[p + k + ".weight"], W[p + k + ".bias"], 1e-6)

        q, k, v = linear(x, p + "attention.query_key_value").unflatten(2, (3, VHEADS, -1)).permute(2, 0, 3, 1, 4)
        mixed = (q @ k.transpose(-1, -2) / math.sqrt(M / VHEADS)).softmax(-1) @ v
        x = x + norm(linear(mixed.transpose(1, 2).flatten(2), p + "attention.dense"), "input_layernorm")
        x = x + norm(linear(F.gelu(linear(x, p + "mlp.fc1")), p + "mlp.fc2"), "post_attention_layernorm")
        states.append(x)
    return states, x[:, 1:]


def adapter(features):
    p = "model.vision.linear_proj."
    x = F.gelu(F.layer_norm(linear(features, p + "linear_proj"), (D,), W[p + "norm1.weight"], W[p + "norm1.bias"], 1e-5))
    x = linear(F.silu(linear(x, p + "gate_proj")) * linear(x, p + "dense_h_to_4h"), p + "dense_4h_to_h")
    return torch.cat([W["model.vision.boi"].expand(len(x), -1, -1), x, W["model.vision.eoi"].expand(len(x), -1, -1)], 1)


def rms(x, name):
    return W[name + ".weight"] * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + TEXT["rms_norm_eps"])


def choose(x, vision, expert, language):
    """Row by row: the expert's where vision is true."""
    return torch.where(vision[:, None], expert(x), language(x))


def after_attention(x, layer):
    """Where CogAgent (make_cogagent.py) reads the picture in detail."""
    return x


def run(x, types, rotary):
    """x [T,D]; types 1 for the slots of the picture. -> hidden states, logits."""
    vision = torch.zeros(len(types), dtype=torch.bool)
    vision[:-1] = (types[:-1] == 1) & (types[1:] == 1)
    positions, at = [], 0
    for i, t in enumerate(types.tolist()):  # BOS 0, boi 1, the picture 2, eoi 3, the text from 4 on
        inside = t == 1 and i > 0 and types[i - 1] == 1 and i + 1 < len(types) and types[i + 1] == 1
        at = at if inside and positions and positions[-1][1] else at + 1
        positions.append((at - 1, inside))
    cos, sin = rotary(x, torch.tensor([[p for p, _ in positions]]))
    states, mask = [x], torch.ones(len(x), len(x)).tril().bool()
    for i in range(LAYERS):
        p = f"model.layers.{i}."
        h = rms(x, p + "input_layernorm")
        qkv = choose(h, vision, *(lambda t, k=k: linear(t, f"{p}self_attn.{k}_expert_query_key_value") for k in ("vision", "language")))
        q, k, v = (t.unflatten(-1, (HEADS, -1)).transpose(0, 1)[None] for t in qkv.chunk(3, -1))
        q, k = apply_rotary_pos_emb(q, k, cos, sin)
        mixed = (q @ k.transpose(-1, -2) / math.sqrt(D / HEADS)).masked_fill(~mask, -torch.inf).softmax(-1) @ v
        mixed = mixed[0].transpose(0, 1).flatten(1)
        x = x + choose(mixed, vision, *(lambda t, k=k: linear(t, f"{p}self_attn.{k}_expert_dense") for k in ("vision", "language")))
        x = after_attention(x, i)
        h = rms(x, p + "post_attention_layernorm")

        def mlp(kind):
            m = f"{p}mlp.{kind}_mlp."
            return lambda t: linear(F.silu(linear(t, m + "gate_proj")) * linear(t, m + "up_proj"), m + "down_proj")

        x = x + choose(h, vision, mlp("vision"), mlp("language"))
        states.append(x)
    states[-1] = rms(x, "model.norm")
    return states, states[-1] @ W["lm_head.weight"].T, [p for p, _ in positions]


@torch.no_grad()
def main():
    global W
    shutil.rmtree(OUT, ignore_errors=True)
    (OUT / "chat").mkdir(parents=True)
    rotary = LlamaRotaryEmbedding(LlamaConfig(**TEXT))
    picture = Image.open(c.GOLDEN / "llava" / "shapes.png").convert("RGB")
    processor = CLIPImageProcessorPil(size={"height": SIDE, "width": SIDE}, do_center_crop=False)
    pixels = processor([picture], return_tensors="pt")["pixel_values"]
    slots = (SIDE // PATCH) ** 2 + 2
    ids = torch.tensor([1] + [VOCAB] * slots + [9, 12, 33, 21, 17])
    for seed in range(1, 500):
        W = {k: values(k, s, seed) for k, s in shapes().items()}
        states, features = tower(pixels)
        tokens = adapter(features)
        text, found, gaps = ids, [], []
        for _ in range(GREEDY):
            x = W["model.embed_tokens.weight"][torch.where(text == VOCAB, 0, text)]
            x[text == VOCAB] = tokens.flatten(0, 1)
            logits = run(x, (text == VOCAB).long(), rotary)[1][-1]
            top = logits.topk(2)
            gaps.append(((top.values[0] - top.values[1]) / logits.abs().max()).item())
            found.append(int(top.indices[0]))
            text = torch.cat([text, top.indices[:1]])
        if min(gaps) > 0.015 and len(set(found)) >= 4:
            break
    else:
        raise SystemExit("no seed gives a well separated answer")
    x = W["model.embed_tokens.weight"][torch.where(ids == VOCAB, 0, ids)]
    x[ids == VOCAB] = tokens.flatten(0, 1)
    hidden, logits, positions = run(x, (ids == VOCAB).long(), rotary)
    assert positions == [0, 1] + [2] * (slots - 2) + list(range(3, 3 + len(ids) - slots)), positions
    save_file({k: v.contiguous().clone() for k, v in W.items()}, str(OUT / "chat" / "model.safetensors"), metadata={"format": "pt"})
    c.save_json(OUT / "chat" / "config.json", TEXT | {
        "architectures": ["CogVLMForCausalLM"], "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, "hidden_act": "silu",
        "initializer_range": 0.02, "template_version": "chat", "tie_word_embeddings": False, "torch_dtype": "float32", "use_cache": True,
        "vision_config": {"dropout_prob": 0.0, "hidden_act": "gelu", "hidden_size": M, "image_size": SIDE, "in_channels": 3,
                          "intermediate_size": 12, "layer_norm_eps": 1e-6, "num_heads": VHEADS, "num_hidden_layers": VLAYERS,
                          "num_positions": slots - 1, "patch_size": PATCH}})
    c.save_tensors(OUT / "chat.safetensors", {
        "input_ids": ids, "pixel_values": pixels, "encoder.features": features, "connector.tokens": tokens.flatten(0, 1), "logits": logits}
        | {f"hidden.{i}": h for i, h in enumerate(hidden)} | {f"vision.hidden.{i}": h for i, h in enumerate(states)})
    c.save_json(OUT / "expected.json", {"greedy_ids": found, "smallest_gap": min(gaps)})
    print(seed, found, min(gaps), positions)


if __name__ == "__main__":
    main()
    c.readable(OUT)
