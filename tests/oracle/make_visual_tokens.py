#!/usr/bin/env python3
"""tests/golden/visual_tokens: what fewer tokens for a picture make of the tiny LLaVA in tests/golden/llava.

usage: make_visual_tokens.py TOME PRUMERGE
TOME      checkout of facebookresearch/ToMe: its tome/merge.py and parse_r are run
PRUMERGE  checkout of 42Shawn/LLaVA-PruMerge: its two methods are run, with the numbers that are made for 576 patches
          (the layer 23, the last place 575, 32 neighbours) replaced by those of nine

FastV (arXiv:2403.06764) is computed layer by layer from transformers' LLaMA: the original is a patch of transformers 4.31.
"""

import ast
import importlib.util
import sys
import types
import typing
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from transformers import LlavaForConditionalGeneration

import common as c

OUT = c.GOLDEN / "visual_tokens"
STEPS, NEAR = 4, 3


def load(path):
    spec = importlib.util.spec_from_file_location("merge", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def function_of(path, name):
    """One function of a file that imports what is not here."""
    tree = ast.parse(path.read_text())
    tree.body = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == name]
    space = {"List": typing.List, "Union": typing.Union, "Tuple": typing.Tuple}
    exec(compile(tree, str(path), "exec"), space)
    return space[name]


# --- ToMe ---

def attention(block, h, size, proportional):
    tokens, width = h.shape[1:]
    heads, each = block.self_attn.num_heads, width // block.self_attn.num_heads

    def split(x):
        return x.view(1, tokens, heads, each).transpose(1, 2)

    q, k, v = (split(p(h)) for p in (block.self_attn.q_proj, block.self_attn.k_proj, block.self_attn.v_proj))
    scores = (q @ k.transpose(-2, -1)) * each ** -0.5
    if proportional and size is not None:
        scores = scores + size.log()[:, None, None, :, 0]
    mixed = (scores.softmax(-1) @ v).transpose(1, 2).reshape(1, tokens, width)
    return block.self_attn.out_proj(mixed), k.mean(1)


def tome(model, merge, parse_r, pixels, merged, inflect, proportional):
    tower = model.model.vision_tower
    tower = getattr(tower, "vision_model", tower)
    blocks = tower.encoder.layers
    x = tower.pre_layrnorm(tower.embeddings(pixels))
    size, place = None, torch.arange(x.shape[1], dtype=torch.float32)[None, :, None]
    for block, r in list(zip(blocks, parse_r(len(blocks), (merged, inflect))))[:len(blocks) - 1]:
        mixed, metric = attention(block, block.layer_norm1(x), size, proportional)
        x = x + mixed
        if r > 0:
            join, _ = merge.bipartite_soft_matching(metric, r, True, False)
            place = first_of(join, place)
            x, size = merge.merge_wavg(join, x, size)
        x = x + block.mlp(block.layer_norm2(x))
    order = place[0, :, 0].argsort()
    return model.model.multi_modal_projector(x[:, order][:, 1:])[0]


def first_of(join, place):
    """Where each token that is left began: the odd rows, which others join, stay what they were."""
    odd = torch.arange(place.shape[1])[None, :, None] % 2 == 1
    out, behind = join(place, mode="sum").clone(), place.shape[1] // 2
    out[:, -behind:] = join(torch.where(odd, place, 0.0), mode="sum")[:, -behind:]
    return out


# --- PruMerge ---

def prumerge_class(path, patches):
    text = (path / "llava/model/multimodal_encoder/clip_encoder.py").read_text()
    for before, after in (("import matplotlib.pyplot as plt", ""), ("layers[23]", "layers[-1]"), ("575", str(patches - 1)),
                          ("k=int(32)", f"k=int({NEAR})")):
        assert before in text
        text = text.replace(before, after)
    module = types.ModuleType("clip_encoder")
    exec(compile(text, "clip_encoder.py", "exec"), module.__dict__)
    return module.CLIPVisionTower


def prumerge(kind, model, pixels, spread, share):
    tower = model.model.vision_tower

    class Tower:
        vision_model = getattr(tower, "vision_model", tower)

        def __call__(self, images, output_hidden_states):
            return tower(images, output_hidden_states=True)

    class Self:
        select_layer, select_feature = -2, "patch"
        vision_tower = Tower()
        device, dtype = torch.device("cpu"), torch.float32
        feature_select = kind.feature_select

    me = Self()
    method = kind.token_prune_merge_advanced_plus if spread else kind.token_prune_merge_advanced
    features = method(me, pixels) if share == 0 else method(me, pixels, if_adaptive=False, reduction_ratio=share)
    return model.model.multi_modal_projector(features)[0]


def with_outliers(kind, model):
    """Pixels of which some patch is an outlier of attention."""
    for seed in range(1000):
        pixels = 2 * torch.randn(1, 3, 21, 21, generator=torch.Generator().manual_seed(seed))
        if prumerge(kind, model, pixels, False, 0).shape[0] > 1:
            return pixels
    raise SystemExit("no picture has an outlier")


# --- FastV ---

def layers_over(llm, x, positions, first, last):
    mask = torch.full((x.shape[1], x.shape[1]), float("-inf")).triu(1)[None, None]
    rotary = llm.rotary_emb(x, positions)
    for layer in llm.layers[first:last]:
        x = layer(x, attention_mask=mask, position_ids=positions, position_embeddings=rotary)
        x = x[0] if isinstance(x, tuple) else x
    return x


def judge_row(llm, x, positions, index):
    """The mean over heads of what the last row's attention in layer `index` gives every row."""
    layer = llm.layers[index]
    h = layer.input_layernorm(x)
    config, size = llm.config, layer.self_attn.head_dim
    q = layer.self_attn.q_proj(h).view(1, -1, config.num_attention_heads, size).transpose(1, 2)
    k = layer.self_attn.k_proj(h).view(1, -1, config.num_key_value_heads, size).transpose(1, 2)
    cos, sin = llm.rotary_emb(x, positions)
    half = size // 2

    def turn(v):
        return v * cos[:, None] + torch.cat((-v[..., half:], v[..., :half]), -1) * sin[:, None]

    q, k = turn(q), turn(k).repeat_interleave(config.num_attention_heads // config.num_key_value_heads, 1)
    return ((q[:, :, -1:] @ k.transpose(-2, -1)) * size ** -0.5).softmax(-1).mean(1)[0, 0]


def fastv(model, ids, soft, image_id, layer, keep):
    llm = model.model.language_model
    pictures = (ids == image_id).nonzero()[:, 0]
    x = llm.embed_tokens(torch.where(ids == image_id, 0, ids))[None].clone()
    x[0, pictures] = soft
    logits, written = [], []
    kept = None
    for _ in range(STEPS):
        more = llm.embed_tokens(torch.tensor(written, dtype=torch.long))[None]
        whole = torch.cat((x, more), 1)
        positions = torch.arange(whole.shape[1])[None]
        h = layers_over(llm, whole, positions, 0, layer - 1)
        if kept is None:
            weights = judge_row(llm, h, positions, layer - 1)[pictures]
            stay = pictures[weights.topk(int(len(pictures) * keep + 0.5)).indices]
            gone = set(pictures.tolist()) - set(stay.tolist())
            kept = [i for i in range(len(ids)) if i not in gone]
        h = layers_over(llm, h, positions, layer - 1, layer)
        rows = torch.tensor(kept + list(range(len(ids), whole.shape[1])))
        h = layers_over(llm, h[:, rows], positions[:, rows], layer, len(llm.layers))
        logits.append(model.lm_head(llm.norm(h[:, -1]))[0])
        written.append(int(logits[-1].argmax()))
    return torch.stack(logits), torch.tensor(written, dtype=torch.int32), torch.tensor(kept, dtype=torch.int32)


@torch.no_grad()
def main():
    tome_dir, prumerge_dir = map(Path, sys.argv[1:3])
    c.quiet()
    model = LlavaForConditionalGeneration.from_pretrained(c.GOLDEN / "llava" / "hf", dtype=torch.float32,
                                                          attn_implementation="eager").eval()
    with safe_open(c.GOLDEN / "llava" / "one_image.safetensors", "pt") as f:
        names = list(f.keys())
        pixels = f.get_tensor("pixel_values").float().reshape(1, 3, 21, 21)
        ids = f.get_tensor("input_ids").flatten().long()
    merge, parse_r = load(tome_dir / "tome/merge.py"), function_of(tome_dir / "tome/utils.py", "parse_r")
    out = {"pixel_values": pixels, "input_ids": ids.int()}
    for name, case in {"tome": (2, 0.0, True), "tome_falling": (1, -1.0, True), "tome_plain": (2, 0.0, False)}.items():
        out[name] = tome(model, merge, parse_r, pixels, *case)
    kind = prumerge_class(prumerge_dir, 9)
    out["noise"] = with_outliers(kind, model)
    out["prumerge_none"] = prumerge(kind, model, pixels, False, 0)
    out["prumerge_third"] = prumerge(kind, model, pixels, False, 1 / 3)
    out["prumerge"] = prumerge(kind, model, out["noise"], False, 0)
    out["prumerge_spread"] = prumerge(kind, model, out["noise"], True, 0)
    soft = model.model.get_image_features(pixel_values=pixels, vision_feature_layer=-2)
    soft = soft if torch.is_tensor(soft) else getattr(soft, "pooler_output", soft)
    soft = soft[0] if isinstance(soft, (tuple, list)) else soft
    soft = soft.reshape(9, -1)
    for name, keep in {"fastv_half": 0.5, "fastv_third": 1 / 3}.items():
        logits, written, kept = fastv(model, ids, soft, model.config.image_token_id, 1, keep)
        out[name], out[name + ".written"], out[name + ".kept"] = logits, written, kept
    OUT.mkdir(exist_ok=True)
    save_file({k: v.contiguous() for k, v in out.items()}, OUT / "expected.safetensors")
    print({k: tuple(v.shape) for k, v in out.items()}, names)


if __name__ == "__main__":
    main()
