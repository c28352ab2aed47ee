#!/usr/bin/env python3
"""Golden vectors of a checkpoint, computed by transformers: what `percept verify MODEL` compares with.

    tools/make_golden.py MODEL [--out MODEL/golden] [--image F]... [--prompt TEXT]...

Takes a Hugging Face directory (LLaVA and its kin, a language model, CLIP or SigLIP). Writes golden.json and a safetensors
file for each case: pixel_values, input_ids, encoder.features, connector.tokens, logits in f32, and copies the pictures.
With pictures, each prompt asks about all of them; without --prompt it is "What is in the picture?".
Wants torch, transformers, safetensors and Pillow (tests/oracle/requirements.txt pins versions).
"""

import argparse
import json
import shutil
from pathlib import Path

import torch
from PIL import Image
from safetensors.torch import save_file
from transformers import (AutoConfig, AutoModel, AutoModelForCausalLM, AutoModelForImageTextToText, AutoProcessor,
                          AutoTokenizer)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--image", type=Path, action="append", default=[])
    parser.add_argument("--prompt", action="append", default=[])
    given = parser.parse_args()
    given.out = given.out or given.model / "golden"
    given.prompt = given.prompt or ["What is in the picture?" if given.image else "Hello, world!"]
    return given


def processor_of(path):
    """The processor that percept follows: the slow one, which works with Pillow."""
    try:
        return AutoProcessor.from_pretrained(path, backend="pil")
    except TypeError:
        return AutoProcessor.from_pretrained(path, use_fast=False)


def messages_of(prompt, images):
    return [{"role": "user", "content": [{"type": "image"}] * images + [{"type": "text", "text": prompt}]}]


@torch.no_grad()
def picture_chat(given, images):
    """LLaVA and its kin: the projector's input and output are the features and the soft tokens."""
    model = AutoModelForImageTextToText.from_pretrained(given.model, dtype=torch.float32).eval()
    processor = processor_of(given.model)
    seen = {}
    projector = next(m for n, m in model.named_modules() if n.endswith("multi_modal_projector"))
    projector.register_forward_hook(lambda _, args, out: seen.update({
        "encoder.features": args[0], "connector.tokens": out.flatten(0, -2)}))
    for prompt in given.prompt:
        messages = messages_of(prompt, len(images))
        text = processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        inputs = processor(text=text, images=images or None, return_tensors="pt")
        seen.clear()
        tensors = {"logits": model(**inputs).logits[0], "input_ids": inputs["input_ids"][0]}
        for name in ("pixel_values", "image_sizes"):
            if name in inputs:
                tensors[name] = inputs[name].flatten(0, 1) if inputs[name].ndim == 5 else inputs[name]
        yield {"messages": messages}, tensors | seen


@torch.no_grad()
def words(given, _):
    model = AutoModelForCausalLM.from_pretrained(given.model, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(given.model)
    for prompt in given.prompt:
        ids = tokenizer(prompt, return_tensors="pt").input_ids
        yield {"text": prompt}, {"input_ids": ids[0], "logits": model(ids).logits[0]}


@torch.no_grad()
def contrast(given, images):
    model = AutoModel.from_pretrained(given.model, dtype=torch.float32).eval()
    pixels = processor_of(given.model).image_processor(images=images, return_tensors="pt")["pixel_values"]
    embeds = model.get_image_features(pixel_values=pixels)
    embeds = getattr(embeds, "pooler_output", embeds)
    yield {}, {"pixel_values": pixels, "image_embeds": embeds / embeds.norm(dim=-1, keepdim=True)}


def main():
    given = arguments()
    kind = AutoConfig.from_pretrained(given.model).model_type
    ways = {"llava": picture_chat, "llava_next": picture_chat, "clip": contrast, "siglip": contrast}
    given.out.mkdir(parents=True, exist_ok=True)
    images = [Image.open(path).convert("RGB") for path in given.image]
    names = []
    for i, path in enumerate(given.image):
        names.append(f"picture_{i}{path.suffix}")
        shutil.copyfile(path, given.out / names[-1])
    cases = []
    for i, (case, tensors) in enumerate(ways.get(kind, words)(given, images)):
        file = f"case_{i}.safetensors"
        save_file({k: v.contiguous() for k, v in tensors.items()}, str(given.out / file))
        cases.append({"name": f"case {i}", "tensors": file} | ({"images": names} if names else {}) | case)
    (given.out / "golden.json").write_text(json.dumps({"cases": cases}, indent=1, ensure_ascii=False) + "\n")
    print(given.out / "golden.json", len(cases), "cases")


if __name__ == "__main__":
    main()
