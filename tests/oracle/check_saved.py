#!/usr/bin/env python3
"""Does transformers open what percept saves, and is it the same model?

    PERCEPT_KEEP=/tmp/saved build/release/model_test_save
    check_saved.py /tmp/saved [--percept build/release/percept]

tests/model/test_save.c leaves its directories in the folder. Each is opened with the class its
config.json names (LLaVA: with AutoProcessor as well); no key may be missing, unexpected or of
another shape. Then the fixtures of tests/golden must come out: the same ids from the same
conversations and, where the weights are the fixture's, the same logits and greedy ids. With
--percept, `percept trace` runs every directory, too, and its logits are compared.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from PIL import Image
from safetensors.torch import load_file

import common as c

# directory -> the truth its logits have (None: other weights), and the limit
FIXTURES = {
    "llava-f32": ("llava", 1e-5), "llava-bf16": ("llava", 1e-5), "llava-old-bf16": ("old", 1e-5),
    "portable-bf16": ("llava", 1e-5), "names-bf16": ("llava", 1e-5), "created-f32": (None, 0),
    "sparse-f32": (None, 0), "untied-f32": ("llama/untied", 1e-5), "untied-bf16": ("llama/untied", 2e-2),
    "tied-bf16": ("llama/tied", 1e-5), "clip-f32": ("clip", 1e-5), "llama2c-f32": ("llama/untied", 1e-4),
}


def open_model(folder):
    import transformers

    config = json.loads((folder / "config.json").read_text())
    kind = getattr(transformers, config["architectures"][0])
    model, info = kind.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    wrong = {k: sorted(map(str, v))[:5] for k, v in info.items() if k.endswith("_keys") and v}
    return config["model_type"], model.eval(), wrong


def conversation(processor, case):
    images = [Image.open(c.GOLDEN / "llava" / f).convert("RGB") for f in case["images"]]
    text = processor.apply_chat_template(case["messages"], add_generation_prompt=True, tokenize=False)
    return processor(text=text, images=images or None, return_tensors="pt")


@torch.no_grad()
def check_llava(folder, model, truth, limit, problems):
    from transformers import AutoProcessor

    processor = AutoProcessor.from_pretrained(folder, backend="pil")
    worst = 0.0
    if processor.chat_template is None and truth is None:
        return worst
    for case in json.loads((c.GOLDEN / "llava" / "cases.json").read_text())["cases"]:
        want = load_file(c.GOLDEN / "llava" / f"{case['name']}.safetensors")
        inputs = conversation(processor, case)
        ids = case["old_input_ids" if truth == "old" else "input_ids"]
        if inputs["input_ids"][0].tolist() != ids:
            problems.append(f"{case['name']}: other ids")
        if "pixel_values" in want and not torch.equal(inputs["pixel_values"], want["pixel_values"]):
            problems.append(f"{case['name']}: other pixels")
        if truth is None:
            continue
        fed = {"input_ids": want["input_ids"][None]} | ({"pixel_values": want["pixel_values"]} if "pixel_values" in want else {})
        worst = max(worst, c.deviation(model(**fed).logits[0], want["logits"]))
        got = model.generate(**fed, max_new_tokens=len(case["greedy_ids"]), do_sample=False, pad_token_id=0)
        if got[0, want["input_ids"].shape[0]:].tolist() != case["greedy_ids"]:
            problems.append(f"{case['name']}: other greedy ids")
    # A batch of prompts of different lengths: needs pad_token and padding at the left.
    both = processor(text=["USER: a ASSISTANT:", "USER: a longer question ASSISTANT:"], padding=True, return_tensors="pt")
    if set(both) != {"input_ids", "attention_mask"} or both["attention_mask"][0, 0] != 0:
        problems.append(f"a batch has {sorted(both)}, mask {both['attention_mask'][0].tolist()}")
    return worst


@torch.no_grad()
def check_llama(folder, model, truth):
    from transformers import AutoTokenizer

    want = load_file(c.GOLDEN / truth / "expected.safetensors")
    expected = json.loads((c.GOLDEN / truth / "expected.json").read_text())
    problems = []
    if AutoTokenizer.from_pretrained(folder)(expected["prompt"])["input_ids"] != expected["input_ids"]:
        problems.append("other ids")
    return c.deviation(model(want["input_ids"][None]).logits[0], want["logits"]), problems


@torch.no_grad()
def check_clip(model):
    want = load_file(c.GOLDEN / "clip" / "expected.safetensors")
    got = model(pixel_values=want["pixel_values"], input_ids=want["input_ids"])
    return c.deviation(got.logits_per_image, want["logits_per_image"])


def traced(program, folder, kind, model):
    """percept's own logits for the directory against transformers' for the same ids and pixels."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "t.safetensors"
        command = [program, "trace", str(folder), "--out", str(out), "--input-ids", "1,20,30,40,50"]
        if kind == "llava":
            command = command[:-2] + ["--prompt", "What is it? <image>",
                                      "--image", str(c.GOLDEN / "llava" / "shapes.png")]
        if kind == "clip":
            return 0.0
        subprocess.run(command, check=True)
        trace = load_file(out)
        fed = {"input_ids": trace["input_ids"][None]} | (
            {"pixel_values": trace["pixel_values"]} if "pixel_values" in trace else {})
        with torch.no_grad():
            return c.deviation(trace["logits"], model(**fed).logits[0])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--percept", metavar="PROGRAM")
    args = parser.parse_args()
    c.quiet()
    bad = 0
    for name, (truth, limit) in FIXTURES.items():
        folder, problems, worst = args.folder / name, [], 0.0
        kind, model, wrong = open_model(folder)
        if wrong:
            problems.append(str(wrong))
        if kind == "llava":
            worst = check_llava(folder, model, truth, limit, problems)
        elif kind == "llama":
            worst, more = check_llama(folder, model, truth)
            problems += more
        else:
            worst = check_clip(model)
        if not worst <= limit:
            problems.append(f"logits off by {worst:.2e}, allowed {limit:g}")
        line = f"{name:16} {kind:6} logits {worst:.1e}"
        if args.percept:
            own = traced(args.percept, folder, kind, model)
            line += f"  percept {own:.1e}"
            if not own <= 1e-4:
                problems.append(f"percept's logits off by {own:.2e}")
        print(("FAIL " if problems else "ok   ") + line, *problems, sep="\n     " if problems else "")
        bad += bool(problems)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
