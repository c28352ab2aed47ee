#!/usr/bin/env python3
"""Greedy answers of one directory here and in transformers: are they the same words?

    roundtrip.py MODEL QUESTIONS.jsonl --percept build/release/percept [-n 50] [--max-tokens 32]
    roundtrip.py MODEL QUESTIONS.jsonl --percept build/release/percept --reverse

QUESTIONS.jsonl: one object a line, {"question": TEXT} with "image": FILE or "images": [FILE...]
(relative to the file; none for text alone). MODEL is opened with LlavaForConditionalGeneration and
AutoProcessor, prompted through its own chat template, and answers greedily in f32; then
`percept run MODEL QUESTION --image F --temp 0 --dtype f32 --json` must give the same.

--reverse first saves model and processor with transformers' save_pretrained into a fresh directory
and lets percept run that one: what transformers writes must be readable here.

Answers are compared as ids where percept prints them ("ids" in its JSON), else as text with the
number of completion tokens. A near tie (the two best logits within 1e-4 of the largest) at the first
difference is counted apart and named, because rounding decides it. Exit 1 on any other difference.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from PIL import Image, ImageOps

import common as c


def questions(path, count):
    out = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        item = json.loads(line)
        images = item.get("images", [item["image"]] if item.get("image") else [])
        if "question" not in item:
            sys.exit(f"{path}:{number}: no \"question\"")
        out.append((item["question"], [str(path.parent / f) for f in images]))
        if len(out) == count:
            break
    return out


class Reference:
    def __init__(self, folder):
        from transformers import AutoProcessor, LlavaForConditionalGeneration

        self.model, info = LlavaForConditionalGeneration.from_pretrained(
            folder, dtype=torch.float32, output_loading_info=True)
        wrong = {k: sorted(v)[:5] for k, v in info.items() if k.endswith("_keys") and v}
        if wrong:
            sys.exit(f"roundtrip: {folder} does not load cleanly: {wrong}")
        self.model.eval()
        self.processor = AutoProcessor.from_pretrained(folder, backend="pil")

    @torch.no_grad()
    def answer(self, question, images, limit):
        content = [{"type": "image"}] * len(images) + [{"type": "text", "text": question}]
        prompt = self.processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False)
        pixels = [ImageOps.exif_transpose(Image.open(f)).convert("RGB") for f in images]
        inputs = self.processor(text=prompt, images=pixels or None, return_tensors="pt")
        got = self.model.generate(**inputs, max_new_tokens=limit, do_sample=False, num_beams=1,
                                  return_dict_in_generate=True, output_logits=True, pad_token_id=0)
        ids = got.sequences[0, inputs["input_ids"].shape[1]:].tolist()
        gaps = []
        for step in got.logits:
            top = step[0].double().topk(2).values
            gaps.append(((top[0] - top[1]) / step.abs().max()).item())
        text = self.processor.tokenizer.decode(ids, skip_special_tokens=True)
        return {"ids": ids, "text": text, "gaps": gaps, "prompt_tokens": inputs["input_ids"].shape[1]}


def percept_answer(program, folder, question, images, args):
    command = [program, "run", str(folder), question, "--temp", "0", "-n", str(args.max_tokens),
               "--dtype", "f32", "--json"]
    for f in images:
        command += ["--image", f]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"roundtrip: {' '.join(command)}\nexit {done.returncode}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def compare(want, got):
    """(same, what differs, smallest gap up to there)"""
    if "ids" in got:
        if got["ids"] == want["ids"]:
            return True, "", 1.0
        first = next((i for i, (a, b) in enumerate(zip(got["ids"], want["ids"])) if a != b),
                     min(len(got["ids"]), len(want["ids"])))
        return False, f"ids differ at {first}", want["gaps"][min(first, len(want["gaps"]) - 1)]
    usage = got.get("usage", {})
    if got["text"].strip() != want["text"].strip():
        return False, "text differs", min(want["gaps"])
    if usage.get("prompt_tokens") not in (None, want["prompt_tokens"]):
        return False, f"prompt_tokens {usage['prompt_tokens']}, expected {want['prompt_tokens']}", 1.0
    if usage.get("completion_tokens") not in (None, len(want["ids"])):
        return False, f"completion_tokens {usage['completion_tokens']}, expected {len(want['ids'])}", 1.0
    return True, "", 1.0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("questions", type=Path)
    parser.add_argument("--percept", required=True, metavar="PROGRAM")
    parser.add_argument("-n", type=int, default=50, help="how many questions")
    parser.add_argument("--max-tokens", type=int, default=32)
    parser.add_argument("--reverse", action="store_true")
    parser.add_argument("--keep", type=Path, help="with --reverse: save to this directory and leave it")
    args = parser.parse_args()
    c.quiet()
    reference = Reference(args.model)
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.model
        if args.reverse:
            folder = args.keep or Path(scratch)
            reference.model.save_pretrained(folder)
            reference.processor.save_pretrained(folder)
        same = ties = wrong = 0
        for question, images in questions(args.questions, args.n):
            want = reference.answer(question, images, args.max_tokens)
            got = percept_answer(args.percept, folder, question, images, args)
            ok, why, gap = compare(want, got)
            if ok:
                same += 1
                continue
            tie = gap < 1e-4
            ties, wrong = ties + tie, wrong + (not tie)
            print(f"{'tie ' if tie else 'FAIL'} {images} {question!r}: {why} (gap {gap:.2e})\n"
                  f"     transformers {want['text']!r} {want['ids']}\n     percept      {got['text']!r}"
                  + (f" {got['ids']}" if "ids" in got else ""))
    print(f"{same} the same, {wrong} different, {ties} decided by a near tie")
    return 1 if wrong or same + ties == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
