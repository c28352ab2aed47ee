#!/usr/bin/env python3
"""Random tiny models of every supported shape: percept trace against transformers, stage by stage.

    parity_sweep.py --percept build/release/percept [-n 40] [--seed 0] [--kind llava] [--dtype bf16]

Each case draws a configuration (numbers of heads and of key heads, head sizes that are not D/H, tied
or separate heads, biases, activations, epsilons, rotary bases, layers, picture and patch sizes, feature
layers, "default" or "full", stored type f32/bf16/f16), saves a random model with transformers, runs
`percept trace --all` on random ids and pixels, and compares every named tensor. One line a case: the
worst deviation relative to the tensor's largest magnitude. The limit is 1e-4; with --dtype bf16 2e-2 or
twice what transformers itself loses in bf16. A case alone: --only NUMBER. Exit 1 if any fails.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

import common as c
import compare_trace

ACTIVATIONS = ["gelu", "gelu_new", "gelu_pytorch_tanh", "quick_gelu", "relu", "silu"]


def heads_and_keys(r):
    heads = r.choice([1, 2, 3, 4, 6, 8])
    return heads, r.choice([k for k in range(1, heads + 1) if heads % k == 0])


def text_config(r):
    heads, keys = heads_and_keys(r)
    size = r.choice([2, 4, 6, 8, 10, 16, 20])
    width = heads * (size if r.random() < 0.4 else r.randint(3, 16))
    return dict(
        hidden_size=width, intermediate_size=r.randint(9, 90), num_hidden_layers=r.randint(1, 4),
        num_attention_heads=heads, num_key_value_heads=keys, head_dim=size, vocab_size=r.choice([97, 128, 301]),
        max_position_embeddings=128, rms_norm_eps=r.choice([1e-6, 1e-5, 1e-3]),
        rope_parameters={"rope_type": "default", "rope_theta": r.choice([500.0, 10000.0, 1e6])},
        hidden_act=r.choice(ACTIVATIONS), attention_bias=r.random() < 0.3, mlp_bias=r.random() < 0.3,
        tie_word_embeddings=r.random() < 0.4, bos_token_id=1, eos_token_id=2)


def vision_config(r):
    heads = r.choice([1, 2, 3, 4])
    patch = r.choice([3, 4, 7, 8, 14])
    return dict(
        hidden_size=heads * r.choice([4, 6, 8, 16, 20]), intermediate_size=r.randint(9, 90),
        num_hidden_layers=r.randint(2, 5), num_attention_heads=heads, patch_size=patch,
        image_size=patch * r.randint(1, 5), hidden_act=r.choice(ACTIVATIONS), layer_norm_eps=r.choice([1e-6, 1e-5, 1e-3]),
        projection_dim=16)


def make_llama(r):
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(**text_config(r))
    return LlamaForCausalLM(config), [r.randrange(config.vocab_size) for _ in range(r.randint(1, 40))], None


def make_clip(r):
    from transformers import CLIPConfig, CLIPModel

    vision, heads, old = vision_config(r), r.choice([1, 2, 3, 4]), r.random() < 0.3
    config = CLIPConfig(projection_dim=r.choice([8, 16, 24]), vision_config=vision, text_config=dict(
        hidden_size=heads * r.choice([4, 8, 10]), intermediate_size=r.randint(9, 90), num_hidden_layers=r.randint(1, 4),
        num_attention_heads=heads, vocab_size=99, max_position_embeddings=20, hidden_act=r.choice(ACTIVATIONS),
        layer_norm_eps=r.choice([1e-6, 1e-5]), bos_token_id=97, eos_token_id=2 if old else 98, pad_token_id=98))
    ids = [97] + [r.randrange(3, 97) for _ in range(r.randint(0, 12))] + [98] * r.randint(1, 4)
    return CLIPModel(config), ids, (r.randint(1, 3), vision["image_size"])


def make_llava(r):
    from transformers import LlavaConfig, LlavaForConditionalGeneration

    text, vision = text_config(r), vision_config(r)
    layer = r.choice([k for k in (-1, -2, -3, 1) if -k <= vision["num_hidden_layers"]])
    strategy = r.choice(["default", "full"])
    token = text["vocab_size"] - 1
    config = LlavaConfig(
        vision_config=dict(vision, model_type="clip_vision_model"), text_config=dict(text, model_type="llama"),
        image_token_index=token, vision_feature_layer=layer, vision_feature_select_strategy=strategy,
        projector_hidden_act=r.choice(ACTIVATIONS), multimodal_projector_bias=r.random() < 0.7,
        tie_word_embeddings=text["tie_word_embeddings"])
    side = vision["image_size"] // vision["patch_size"]
    ids, images = [r.randrange(token) for _ in range(r.randint(1, 5))], r.randint(0, 3)
    for _ in range(images):
        ids += [token] * (side * side + (strategy == "full"))
        ids += [r.randrange(token) for _ in range(r.randint(0, 6))]
    return LlavaForConditionalGeneration(config), ids, (images, vision["image_size"]) if images else None


MAKERS = {"llama": make_llama, "clip": make_clip, "llava": make_llava}


def trace(args, folder, ids, pixels):
    out, command = folder / "t.safetensors", [args.percept, "trace", str(folder), "--all", "--dtype", args.dtype]
    command += ["--input-ids", ",".join(map(str, ids)), "--out", str(out)]
    if pixels is not None:
        save_file({"pixel_values": pixels}, str(folder / "pixels.safetensors"))
        command += ["--pixels", str(folder / "pixels.safetensors")]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        return None, done.stderr.strip()
    return load_file(str(out)), ""


def worst_of(found, want):
    """The largest deviation, and where; a tensor that is missing or not finite counts as infinite."""
    worst, where = 0.0, ""
    for name, truth in want.items():
        got = found.get(name)
        if got is None:
            # Layers behind the chosen feature layer are not computed.
            if name.startswith("encoder.hidden."):
                continue
            return float("inf"), f"{name} is missing"
        if got.numel() != truth.numel():
            return float("inf"), f"{name} is {list(got.shape)}, expected {list(truth.shape)}"
        value = c.deviation(got.float().flatten(), truth.float().flatten())
        if not value <= worst:
            worst, where = value, name
    return worst, where


def run_case(number, args):
    r = random.Random(args.seed * 100003 + number)
    kind = args.kind or list(MAKERS)[number % 3]
    model, ids, picture = MAKERS[kind](r)
    stored = r.choice(["float32", "bfloat16", "float16"])
    c.randomise(model.eval(), number + 1)
    generator = torch.Generator().manual_seed(number)
    pixels = torch.randn(picture[0], 3, picture[1], picture[1], generator=generator) if picture else None
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        model.to(getattr(torch, stored)).save_pretrained(folder)
        found, why = trace(args, folder, ids, pixels)
        if found is None:
            return kind, stored, float("inf"), why, 0.0, json.loads((folder / "config.json").read_text())
        want = compare_trace.truth(kind, compare_trace.load(folder, torch.float32)[1], found)
        worst, where = worst_of(found, want)
        own = 0.0
        if args.dtype == "bf16":
            half = compare_trace.truth(kind, compare_trace.load(folder, torch.bfloat16)[1], found)
            own = worst_of(half, want)[0]
        return kind, stored, worst, where, own, json.loads((folder / "config.json").read_text())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--percept", required=True, metavar="PROGRAM")
    parser.add_argument("-n", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", choices=sorted(MAKERS))
    parser.add_argument("--dtype", choices=("f32", "bf16"), default="f32")
    parser.add_argument("--only", type=int, metavar="NUMBER", help="this case alone, with its configuration")
    args = parser.parse_args()
    c.quiet()
    failed, most = 0, {}
    for number in [args.only] if args.only is not None else range(args.n):
        kind, stored, worst, where, own, config = run_case(number, args)
        limit = 1e-4 if args.dtype == "f32" else max(2e-2, 2 * own)
        bad = not worst <= limit
        failed += bad
        if not bad:
            most[kind] = max(most.get(kind, 0.0), worst)
        note = f" (transformers in bf16: {own:.1e})" if own else ""
        print(f"{'FAIL' if bad else 'ok  '} {number:3} {kind:5} {stored:8} {worst:.2e} {where}{note}", flush=True)
        if bad or args.only is not None:
            print(json.dumps(config, indent=1))
    print(f"{failed} failed; worst of the others: " + ", ".join(f"{k} {v:.1e}" for k, v in sorted(most.items())))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
