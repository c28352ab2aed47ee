#!/usr/bin/env python3
"""tests/golden/mplug_owl: mPLUG-Owl 1 in its authors' layout, on tiny random weights.

The language model is transformers' LLaMA; tower and abstractor are written here after modeling_mplug_owl.py, whose code needs
a transformers of 2023.
"""

import math
import shutil

import torch
from PIL import Image
from safetensors.torch import save_file
from torch.nn import functional as F
from transformers import CLIPImageProcessorPil, LlamaConfig, LlamaForCausalLM

import common as c

c.quiet()
OUT = c.GOLDEN / "mplug_owl"
D, HIDDEN, HEADS, SIDE, PATCH, QUERIES, WIDTH = 8, 12, 2, 14, 7, 3, 16
VISION = dict(hidden_size=D, intermediate_size=HIDDEN, num_hidden_layers=2, num_attention_heads=HEADS, image_size=SIDE,
              patch_size=PATCH, layer_norm_eps=1e-6, hidden_act="quick_gelu", model_type="mplug_owl_vision_model")
ABSTRACTOR = dict(hidden_size=D, intermediate_size=HIDDEN, num_hidden_layers=2, num_attention_heads=HEADS, layer_norm_eps=1e-6,
                  encoder_hidden_size=D, model_type="mplug_owl_visual_abstract")
TEXT = dict(vocab_size=40, hidden_size=WIDTH, intermediate_size=20, num_hidden_layers=2, num_attention_heads=2,
            num_key_value_heads=2, max_position_embeddings=64, rms_norm_eps=1e-6)


def shapes():
    s = {"vision_model.embeddings.cls_token": (1, 1, D), "vision_model.embeddings.patch_embed.weight": (D, 3, PATCH, PATCH),
         "vision_model.embeddings.position_embedding": (1, (SIDE // PATCH) ** 2 + 1, D), "query_tokens": (1, QUERIES, D),
         "abstractor.vit_eos": (1, 1, WIDTH)}
    linears, norms = [("abstractor.visual_fc", WIDTH, D)], [("vision_model.embeddings.pre_layernorm", D), ("vision_model.post_layernorm", D)]
    for i in range(2):
        p = f"vision_model.encoder.layers.{i}."
        linears += [(p + "self_attn.query_key_value", 3 * D, D), (p + "self_attn.dense", D, D), (p + "mlp.fc1", HIDDEN, D), (p + "mlp.fc2", D, HIDDEN)]
        norms += [(p + "input_layernorm", D), (p + "post_attention_layernorm", D)]
        p = f"abstractor.encoder.layers.{i}.crossattention."
        linears += [(p + f"attention.{n}", D, D) for n in ("query", "key", "value")]
        linears += [(p + "output.out_proj", D, D), (p + "output.mlp.w1", HIDDEN, D), (p + "output.mlp.w2", D, HIDDEN), (p + "output.mlp.w3", HIDDEN, D)]
        norms += [(p + "norm1", D), (p + "normk", D), (p + "output.norm2", D), (p + "output.mlp.ffn_ln", HIDDEN)]
    for n, o, k in linears:
        s |= {n + ".weight": (o, k), n + ".bias": (o,)}
    for n, k in norms:
        s |= {n + ".weight": (k,), n + ".bias": (k,)}
    return s


def values(name, shape):
    g = torch.Generator().manual_seed(sum(ord(x) * (i + 1) for i, x in enumerate(name)))
    norm = len(shape) == 1 and name.endswith("weight")
    gain = 0.2 if len(shape) == 1 else 1 / math.sqrt(math.prod(shape[1:])) if "token" not in name else 1.0
    return gain * torch.randn(shape, generator=g) + (1.0 if norm else 0.0)


W = {k: values(k, s) for k, s in shapes().items()}


def linear(x, name):
    return F.linear(x, W[name + ".weight"], W[name + ".bias"])


def norm(x, name, eps):
    return F.layer_norm(x, x.shape[-1:], W[name + ".weight"], W[name + ".bias"], eps)


def mix(q, k, v):
    q, k, v = (t.unflatten(2, (HEADS, -1)).transpose(1, 2) for t in (q, k, v))
    p = (q @ k.transpose(2, 3) / math.sqrt(q.shape[-1])).softmax(-1)
    return (p @ v).transpose(1, 2).flatten(2)


def tower(pixels):
    x = F.conv2d(pixels, W["vision_model.embeddings.patch_embed.weight"], stride=PATCH).flatten(2).transpose(1, 2)
    x = torch.cat([W["vision_model.embeddings.cls_token"].expand(len(x), -1, -1), x], 1) + W["vision_model.embeddings.position_embedding"]
    states = [norm(x, "vision_model.embeddings.pre_layernorm", 1e-6)]
    for i in range(2):
        p, x = f"vision_model.encoder.layers.{i}.", states[-1]
        qkv = linear(norm(x, p + "input_layernorm", 1e-6), p + "self_attn.query_key_value").unflatten(2, (HEADS, 3, -1))
        x = x + linear(mix(*(qkv[:, :, :, j].flatten(2) for j in range(3))), p + "self_attn.dense")
        h = linear(norm(x, p + "post_attention_layernorm", 1e-6), p + "mlp.fc1")
        states.append(x + linear(h * torch.sigmoid(1.702 * h), p + "mlp.fc2"))
    return states, norm(states[-1], "vision_model.post_layernorm", 1e-6)


def abstractor(features):
    x = W["query_tokens"].expand(len(features), -1, -1)
    for i in range(2):
        p = f"abstractor.encoder.layers.{i}.crossattention."
        h = norm(x, p + "norm1", 1e-5)
        keys = torch.cat([h, norm(features, p + "normk", 1e-5)], 1)
        y = h + linear(mix(linear(h, p + "attention.query"), linear(keys, p + "attention.key"), linear(keys, p + "attention.value")), p + "output.out_proj")
        n = norm(y, p + "output.norm2", 1e-5)
        inner = F.silu(linear(n, p + "output.mlp.w1")) * linear(n, p + "output.mlp.w3")
        x = y + linear(norm(inner, p + "output.mlp.ffn_ln", 1e-6), p + "output.mlp.w2")
    return torch.cat([linear(x, "abstractor.visual_fc"), W["abstractor.vit_eos"].expand(len(x), -1, -1)], 1)


@torch.no_grad()
def main():
    shutil.rmtree(OUT, ignore_errors=True)
    (OUT / "v1").mkdir(parents=True)
    language = LlamaForCausalLM(LlamaConfig(**TEXT)).eval()
    c.randomise(language, 62)
    state = W | {"language_model." + k: v for k, v in language.state_dict().items()}
    save_file({k: v.contiguous().clone() for k, v in state.items()}, str(OUT / "v1" / "model.safetensors"), metadata={"format": "pt"})
    c.save_json(OUT / "v1" / "config.json", {
        "architectures": ["MplugOwlForConditionalGeneration"], "model_type": "mplug-owl", "num_query_tokens": QUERIES,
        "vision_config": VISION, "visual_abstractor_config": ABSTRACTOR,
        "text_config": TEXT | {"model_type": "llama", "rope_theta": 10000.0, "tie_word_embeddings": False}, "torch_dtype": "float32"})
    processor = CLIPImageProcessorPil(size={"height": SIDE, "width": SIDE}, do_center_crop=False)
    c.save_json(OUT / "v1" / "preprocessor_config.json", {
        "image_processor_type": "CLIPImageProcessor", "do_resize": True, "size": {"height": SIDE, "width": SIDE}, "resample": 3,
        "do_center_crop": False, "do_normalize": True, "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711]})
    pictures = [Image.open(c.GOLDEN / "llava" / n).convert("RGB") for n in ("shapes.png", "triangle.png")]
    pixels = processor(pictures, return_tensors="pt")["pixel_values"]
    states, features = tower(pixels)
    tokens = abstractor(features)
    image = TEXT["vocab_size"]
    ids = torch.tensor([1, 5] + [image] * (QUERIES + 1) + [9] + [image] * (QUERIES + 1) + [12, 33])
    embeds = language.get_input_embeddings()(torch.where(ids == image, 0, ids))
    embeds[ids == image] = tokens.flatten(0, 1)
    got = language.model(inputs_embeds=embeds[None], output_hidden_states=True)
    c.save_tensors(OUT / "v1.safetensors", {
        "input_ids": ids, "pixel_values": pixels, "encoder.features": features, "connector.tokens": tokens.flatten(0, 1),
        "logits": language.lm_head(got.last_hidden_state)[0], "hidden.0": embeds} | {
            f"vision.hidden.{i}": h for i, h in enumerate(states)})


main()
c.readable(OUT)
