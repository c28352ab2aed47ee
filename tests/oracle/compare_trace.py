#!/usr/bin/env python3
"""Compare a `percept trace` output with transformers, tensor by tensor.

    percept trace MODEL --image a.png --prompt 'USER: <image>\\nWhat? ASSISTANT:' --out t.safetensors
    compare_trace.py MODEL t.safetensors --image a.png --prompt 'USER: <image>\\nWhat? ASSISTANT:'

The model of the directory MODEL (LLaVA, LLaMA or CLIP) is fed the trace's own input_ids and
pixel_values, so a deviation is one of the model and not of the preparation. With --image or
--prompt the preparation is compared as well: Pillow image processor, tokenizer, placeholders.
--chat renders --prompt as one user turn with the directory's template, as `percept trace --chat`.
--percept PROGRAM runs the trace first (to the file named; other options are passed on by name).

Prints, for every tensor both sides have, the largest deviation relative to the truth's largest
magnitude. Exit 1 if one is above --tolerance (1e-4; 2e-2 with --dtype bf16), if ids differ, or if
nothing could be compared.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import torch
from PIL import Image, ImageOps
from safetensors.torch import load_file

import common as c


def load(folder, dtype):
    from transformers import CLIPModel, LlamaForCausalLM, LlavaForConditionalGeneration

    kind = json.loads((folder / "config.json").read_text())["model_type"]
    classes = {"llava": LlavaForConditionalGeneration, "llama": LlamaForCausalLM, "clip": CLIPModel}
    if kind not in classes:
        sys.exit(f"compare_trace: model_type {kind!r} of {folder} is not one of {sorted(classes)}")
    return kind, classes[kind].from_pretrained(folder, dtype=dtype).eval()


@torch.no_grad()
def clip_truth(model, ids, pixels):
    out = {}
    if pixels is not None:
        tower = model.vision_model(pixels.to(model.dtype), output_hidden_states=True)
        out |= {f"encoder.hidden.{i}": h for i, h in enumerate(tower.hidden_states)}
        features = model.visual_projection(tower.pooler_output)
        out["image_embeds"] = features / features.norm(dim=-1, keepdim=True)
        # Without a head of its own a tower shows its last hidden state, class token included.
        out["encoder.features"] = tower.last_hidden_state
    if ids is not None:
        tower = model.text_model(ids[None], output_hidden_states=True)
        out |= {f"text.hidden.{i}": h[0] for i, h in enumerate(tower.hidden_states)}
        features = model.text_projection(tower.pooler_output)
        out["text_embeds"] = features / features.norm(dim=-1, keepdim=True)
    if "image_embeds" in out and "text_embeds" in out:
        out["logits_per_image"] = model(pixel_values=pixels.to(model.dtype), input_ids=ids[None]).logits_per_image
    return out


@torch.no_grad()
def truth(kind, model, trace):
    """The tensors transformers has for the trace's inputs, under the names of `percept trace`."""
    ids, pixels = trace.get("input_ids"), trace.get("pixel_values")
    if kind == "clip":
        return clip_truth(model, ids, pixels)
    out, extra = {}, {}
    if kind == "llava" and pixels is not None:
        extra["pixel_values"] = pixels.to(model.dtype)
        tower = model.model.vision_tower(extra["pixel_values"], output_hidden_states=True)
        layer, strategy = model.config.vision_feature_layer, model.config.vision_feature_select_strategy
        picked = [tower.hidden_states[i] for i in ([layer] if isinstance(layer, int) else layer)]
        features = torch.cat([h[:, 1:] if strategy == "default" else h for h in picked], dim=-1)
        out |= {f"encoder.hidden.{i}": h for i, h in enumerate(tower.hidden_states)}
        out["encoder.features"] = features
        out["connector.tokens"] = model.model.multi_modal_projector(features).flatten(0, 1)
    if ids is not None:
        got = model(input_ids=ids[None], output_hidden_states=True, **extra)
        states = [h[0] for h in got.hidden_states]
        out |= {f"llm.hidden.{i}": h for i, h in enumerate(states[:-1])}
        out["llm.norm"] = states[-1]  # the last one follows the final norm
        out["logits"] = got.logits[0]
    return out


def prepared(folder, kind, args):
    """input_ids and pixel_values as the directory's own processor makes them."""
    from transformers import AutoProcessor, AutoTokenizer

    images = [ImageOps.exif_transpose(Image.open(f)).convert("RGB") for f in args.image]
    if kind != "llava":
        tok = AutoTokenizer.from_pretrained(folder)
        text = args.prompt
        if args.chat:
            text = tok.apply_chat_template([{"role": "user", "content": text}], tokenize=False,
                                           add_generation_prompt=True)
        return {"input_ids": tok(text, return_tensors="pt")["input_ids"][0]}
    proc = AutoProcessor.from_pretrained(folder, backend="pil")
    text = args.prompt
    if args.chat:
        content = [{"type": "image"}] * len(images) + [{"type": "text", "text": text}]
        text = proc.apply_chat_template([{"role": "user", "content": content}], tokenize=False,
                                        add_generation_prompt=True)
    if text is None:
        return {"pixel_values": proc.image_processor(images, return_tensors="pt")["pixel_values"]}
    got = proc(text=text, images=images or None, return_tensors="pt")
    return {k: v[0] if k == "input_ids" else v for k, v in got.items() if k in ("input_ids", "pixel_values")}


def run_percept(args):
    command = [args.percept, "trace", str(args.model), "--out", str(args.trace), "--dtype", args.dtype]
    for f in args.image:
        command += ["--image", f]
    if args.prompt is not None:
        command += ["--prompt", args.prompt] + (["--chat"] if args.chat else [])
    subprocess.run(command + (["--all"] if args.all else []), check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("trace", type=Path)
    parser.add_argument("--image", action="append", default=[])
    parser.add_argument("--prompt")
    parser.add_argument("--chat", action="store_true")
    parser.add_argument("--all", action="store_true", help="pass --all to percept trace")
    parser.add_argument("--dtype", choices=("f32", "bf16"), default="f32", help="what percept computed in")
    parser.add_argument("--percept", metavar="PROGRAM")
    parser.add_argument("--tolerance", type=float)
    args = parser.parse_args()
    c.quiet()
    if args.percept:
        run_percept(args)
    limit = args.tolerance or (1e-4 if args.dtype == "f32" else 2e-2)
    trace = load_file(str(args.trace))
    # The truth is f32 in both cases: 2e-2 is what computing in bf16 may cost.
    kind, model = load(args.model, torch.float32)
    want = truth(kind, model, trace)
    if args.image or args.prompt is not None:
        want |= prepared(args.model, kind, args)
    failed = compared = 0
    for name in sorted(set(trace) & set(want)):
        a, b = trace[name], want[name]
        compared += 1
        if a.shape != b.shape:
            verdict, bad = f"shape {list(a.shape)}, expected {list(b.shape)}", True
        elif not a.is_floating_point():
            bad = not torch.equal(a, b)
            verdict = "differs at " + str((a != b).nonzero()[0].tolist()) if bad else "equal"
        else:
            value = c.deviation(a.float(), b)
            bad = not value <= limit
            verdict = f"{value:.3e}"
            if name == "logits":
                same = (a.argmax(-1) == b.argmax(-1)).float().mean().item()
                verdict += f"   best token the same at {100 * same:.1f} % of positions"
        failed += bad
        print(f"{'FAIL' if bad else 'ok  '} {name:24} {str(list(a.shape)):18} {verdict}")
    for name in sorted(set(trace) - set(want)):
        print(f"     {name:24} {str(list(trace[name].shape)):18} no counterpart here")
    print(f"{compared} compared, {failed} failed, tolerance {limit:g}")
    return 1 if failed or not compared else 0


if __name__ == "__main__":
    sys.exit(main())
