#!/usr/bin/env python3
"""Which files and keys of a LLaVA directory does transformers need? Remove each and see.

    probe_directory.py [DIR]        (default: tests/golden/llava/hf)

For every file and every JSON key (one level into nested objects too) a copy without it is opened
with LlavaForConditionalGeneration + AutoProcessor and asked one question about one picture. Prints
`needed` with the error, `changes` with what came out different, or nothing if it made no difference.
"""

import json
import resource
import shutil
import sys
import tempfile
from pathlib import Path

import torch
from PIL import Image
from transformers import AutoProcessor, LlavaForConditionalGeneration

import common as c

c.quiet()
# Without a size in config.json the defaults mean seven billion parameters: let that fail early.
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
SOURCE = Path(sys.argv[1]) if len(sys.argv) > 1 else c.GOLDEN / "llava" / "hf"


def result(folder):
    """Everything a user would notice, or the error that stops him."""
    try:
        model, info = LlavaForConditionalGeneration.from_pretrained(
            folder, dtype=torch.float32, output_loading_info=True)
    except Exception as e:
        return f"model: {type(e).__name__}: {str(e).splitlines()[0][:110]}"
    out = {"keys": str({k: len(v) for k, v in info.items() if v and k.endswith("_keys")})}
    try:
        proc = AutoProcessor.from_pretrained(folder, backend="pil")
    except Exception as e:
        return f"processor: {type(e).__name__}: {str(e).splitlines()[0][:110]}"
    out["processor"] = type(proc).__name__
    out["tokenizer"] = type(getattr(proc, "tokenizer", proc)).__name__
    image = Image.open(c.GOLDEN / "llava" / "shapes.png").convert("RGB")
    content = [{"type": "image"}, {"type": "text", "text": "What is the colour?"}]
    try:
        text = proc.apply_chat_template([{"role": "user", "content": content}],
                                        add_generation_prompt=True, tokenize=False)
    except Exception as e:
        out["template"] = f"{type(e).__name__}: {str(e)[:80]}"
        text = "USER: <image>\nWhat is the colour? ASSISTANT:"
    try:
        inputs = proc(text=text, images=image, return_tensors="pt")
        out["ids"] = inputs["input_ids"].tolist()
        out["pixels"] = (list(inputs["pixel_values"].shape), round(inputs["pixel_values"].double().sum().item(), 4))
        torch.manual_seed(0)
        found = model.generate(**inputs, max_new_tokens=40, do_sample=False)
        found = found[0, inputs["input_ids"].shape[1]:]
        out["answer"], out["length"] = found[:8].tolist(), len(found)
        out["text"] = proc.decode(found, skip_special_tokens=True)[:12]
        batch = proc(text=[text, text + " The"], images=[image, image], padding=True, return_tensors="pt")
        out["batch"] = batch["input_ids"][0, :2].tolist()
    except Exception as e:
        out["call"] = f"{type(e).__name__}: {str(e).splitlines()[0][:110]}"
    return out


def report(what, got):
    if isinstance(got, str):
        print(f"needed   {what}: {got}")
    elif got != BASE:
        print(f"changes  {what}: " + "; ".join(
            f"{k} {str(BASE.get(k))[:50]} -> {str(got.get(k))[:130]}" for k in sorted(set(BASE) | set(got))
            if BASE.get(k) != got.get(k)))
    else:
        print(f"no need  {what}")


def variants():
    for file in sorted(SOURCE.iterdir()):
        yield file.name, None
        if file.suffix == ".json" and file.name not in ("tokenizer.json",) and "index" not in file.name:
            for key, value in json.loads(file.read_text()).items():
                yield file.name, (key,)
                if isinstance(value, dict):
                    for inner in value:
                        yield file.name, (key, inner)


BASE = result(SOURCE)
print("base", BASE)
for name, path in variants():
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "m"
        shutil.copytree(SOURCE, folder)
        if path is None:
            (folder / name).unlink()
        else:
            data = json.loads((folder / name).read_text())
            inner = data
            for key in path[:-1]:
                inner = inner[key]
            del inner[path[-1]]
            (folder / name).write_text(json.dumps(data))
        report(name + ("" if path is None else " " + ".".join(path)), result(folder))
