#!/usr/bin/env python3
"""QLoRA adapters of percept in peft, and peft's in percept: equal logits on the weights that the blocks mean.

    qlora_peft.py --percept build/release/percept [--model models/percept-tiny] [--types q8_0,q4_0,q4_k] [--steps 4]

For each block type: MODEL becomes GGUF (`percept convert`), and GGUF a directory of f32 weights, the dequantised base. Then
  1. `percept train` makes an adapter over the blocks; peft opens it on the dequantised base;
  2. peft makes an adapter (every linear layer of the language model) on the dequantised base; percept opens it over the blocks.
Both times `percept trace` reads a picture and a question over the blocks in f32, and transformers gets its ids and pixels.
Prints the largest deviation of the logits relative to their largest magnitude (limit 1e-4), and how far the adapter moves them.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from transformers import LlavaForConditionalGeneration

import common as c

warnings.filterwarnings("ignore")
ROOT = Path(__file__).resolve().parent.parent.parent
LIMIT = 1e-4
TARGETS = r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"


def base(folder):
    return LlavaForConditionalGeneration.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()


@torch.no_grad()
def logits(model, trace):
    pixels = trace["pixel_values"]
    return model(input_ids=trace["input_ids"].reshape(1, -1).long(), pixel_values=pixels).logits[0]


class Case:
    def __init__(self, options, kind, work):
        self.percept, self.work, self.options = options.percept, work, options
        self.gguf, self.plain = work / "blocks" / "model.gguf", work / "plain"
        self.run("convert", options.model, self.gguf, "--type", kind)
        self.run("convert", self.gguf, self.plain, "--type", "f32")

    def run(self, *words):
        done = subprocess.run([self.percept, *map(str, words)], capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"percept {' '.join(map(str, words))}: {done.stderr.strip()}")

    def trace(self, name, adapter=None):
        out = self.work / f"{name}.safetensors"
        self.run("trace", self.gguf, "--image", self.options.image, "--prompt", "What is in the picture?", "--chat",
                 "--template", self.options.template, "--dtype", "f32", "--out", out,
                 *(["--adapter", adapter] if adapter else []))
        return load_file(str(out))

    def train(self):
        out = self.work / "adapter"
        recipe = self.work / "recipe.yaml"
        recipe.write_text(f"""model_name_or_path: {self.gguf}
template: {self.options.template}
stage: sft
finetuning_type: lora
lora_rank: 4
dataset: scenes?seed=9&n=1000&content=questions&turns=1
cutoff_len: 400
per_device_train_batch_size: 2
learning_rate: 1e-2
lr_scheduler_type: constant
max_steps: {self.options.steps}
save_steps: 0
plot_loss: false
output_dir: {out}
""")
        self.run("train", recipe)
        return out

    def foreign(self):
        out = self.work / "foreign"
        model = get_peft_model(base(self.plain), LoraConfig(r=3, lora_alpha=5, target_modules=TARGETS))
        for key, p in model.named_parameters():
            if p.requires_grad:
                g = torch.Generator().manual_seed(sum(ord(x) * (i + 1) for i, x in enumerate(key)))
                p.data = 0.05 * torch.randn(p.shape, generator=g)
        model.save_pretrained(out)
        return out


def compare(kind, way, case, adapter, unchanged):
    trace = case.trace(way, adapter)
    model = PeftModel.from_pretrained(base(case.plain), adapter).eval()
    truth, scale = logits(model, trace), trace["logits"].abs().max()
    error = ((truth - trace["logits"]).abs().max() / scale).item()
    moved = ((unchanged - trace["logits"]).abs().max() / scale).item()
    adapted = len({k.rsplit(".lora_", 1)[0] for k, _ in model.named_parameters() if ".lora_" in k})
    good = error < LIMIT < moved
    print(f"  {kind:7} {way:8} {adapted:3} layers: deviation {error:.2g}, the adapter moves {moved:.2g}{'' if good else '  FAILED'}")
    return good


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--percept", default="build/release/percept")
    parser.add_argument("--model", default=str(ROOT / "models/percept-tiny"))
    parser.add_argument("--template", default="chatml")
    parser.add_argument("--image")
    parser.add_argument("--types", default="q8_0,q4_0,q4_k")
    parser.add_argument("--steps", type=int, default=4)
    options = parser.parse_args()
    c.quiet()
    failed = passed = 0
    for kind in options.types.split(","):
        with tempfile.TemporaryDirectory() as folder:
            work = Path(folder)
            if not options.image:
                subprocess.run([options.percept, "data", "make", "scenes", work / "scenes", "--n", "1"], check=True,
                               capture_output=True)
            picture, options.image = options.image, options.image or next((work / "scenes/images").glob("*.png"))
            case = Case(options, kind, work)
            plain = case.trace("none")
            own = ((logits(base(case.plain), plain) - plain["logits"]).abs().max() / plain["logits"].abs().max()).item()
            print(f"  {kind:7} without adapter: deviation {own:.2g}")
            written = case.train()
            assert json.loads((written / "adapter_config.json").read_text())["peft_type"] == "LORA"
            for way, adapter in (("percept", written), ("peft", case.foreign())):
                good = compare(kind, way, case, adapter, plain["logits"])
                passed, failed = passed + good, failed + (not good)
            options.image = picture
    print(f"{passed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
