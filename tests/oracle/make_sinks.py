#!/usr/bin/env python3
"""tests/golden/decode/sinks.safetensors: golden/llama/tied over a text longer than its cache, by the rolling cache of StreamingLLM.

The cache holds keys before their rotation: the first S tokens and the newest W. Each step takes one token, puts out the oldest that
is no sink when there are more, then gives the positions 0 .. n-1 to what is there and n-1 to the query (Xiao et al. 2024,
arXiv:2309.17453, section 3.2; mit-han-lab/streaming-llm, pos_shift/modify_llama.py). All in f64. The forward pass here is checked
against transformers on a text that fits.
"""

import json

import torch
from safetensors.torch import load_file, save_file

import common as c

c.quiet()
from transformers import AutoModelForCausalLM  # noqa: E402

MODEL = c.GOLDEN / "llama" / "tied"
CONFIG = json.loads((MODEL / "config.json").read_text())
W = {k.removeprefix("model."): v.double() for k, v in load_file(MODEL / "model.safetensors").items()}
H, K, E, EPS = CONFIG["num_attention_heads"], CONFIG["num_key_value_heads"], CONFIG["head_dim"], CONFIG["rms_norm_eps"]
BASE = CONFIG["rope_parameters"]["rope_theta"]


def norm(x, weight):
    return x / torch.sqrt((x * x).mean(-1, keepdim=True) + EPS) * weight


def rotate(x, positions):  # x [n,heads,E]
    angle = positions.double()[:, None] * BASE ** (-torch.arange(0, E, 2).double() / E)
    cos, sin = (torch.cat([f(angle)] * 2, -1)[:, None] for f in (torch.cos, torch.sin))
    half = torch.cat([-x[..., E // 2 :], x[..., : E // 2]], -1)
    return x * cos + half * sin


def attend(q, keys, values):
    """q [H,E] of the newest token, keys and values [n,K,E] not rotated."""
    n = keys.shape[0]
    places = torch.arange(n)
    q = rotate(q[None], places[-1:])[0].view(K, H // K, E)
    k = rotate(keys, places)
    weights = torch.softmax(torch.einsum("khe,nke->khn", q, k) / E**0.5, -1)
    return torch.einsum("khn,nke->khe", weights, values).reshape(H * E)


def rolling(ids, sinks, window):
    """[T,V]: logits behind each token."""
    caches = [([], []) for _ in range(CONFIG["num_hidden_layers"])]
    out = []
    for token in ids:
        x = W["embed_tokens.weight"][token]
        for i, (keys, values) in enumerate(caches):
            layer = f"layers.{i}."
            n = norm(x, W[layer + "input_layernorm.weight"])
            q, k, v = (W[layer + f"self_attn.{p}_proj.weight"] @ n for p in "qkv")
            keys.append(k.view(K, E))
            values.append(v.view(K, E))
            if len(keys) > sinks + window:
                del keys[sinks], values[sinks]
            mixed = attend(q.view(H, E), torch.stack(keys), torch.stack(values))
            x = x + W[layer + "self_attn.o_proj.weight"] @ mixed
            n = norm(x, W[layer + "post_attention_layernorm.weight"])
            gate, up = (W[layer + f"mlp.{p}_proj.weight"] @ n for p in ("gate", "up"))
            x = x + W[layer + "mlp.down_proj.weight"] @ (torch.nn.functional.silu(gate) * up)
        out.append(W["embed_tokens.weight"] @ norm(x, W["norm.weight"]))
    return torch.stack(out)


ids = torch.randint(3, CONFIG["vocab_size"], (400,), generator=torch.Generator().manual_seed(26))
model = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float64)
with torch.no_grad():
    theirs = model(ids[None, :60]).logits[0]
mine = rolling(ids[:60], 4, 100)
off = ((mine - theirs).abs().max() / theirs.abs().max()).item()
print(f"without anything put out: {off:.1e} from transformers")
assert off < 1e-6  # transformers rotates in f32

PLACES = torch.tensor([20, 36, 37, 38, 150, 399])
tensors = {"ids": ids.int(), "places": PLACES.int()}
for name, sinks, window in (("sinks", 5, 32), ("window", 0, 37)):
    tensors[name] = rolling(ids, sinks, window)[PLACES].float()
print("sinks matter: at the end", ((tensors["sinks"] - tensors["window"]).abs().max() / tensors["sinks"].abs().max()).item())
save_file(tensors, c.GOLDEN / "decode" / "sinks.safetensors")
