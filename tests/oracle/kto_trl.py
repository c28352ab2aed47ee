#!/usr/bin/env python3
"""KTO step for step against trl's own KTOTrainer: the same rows, the same model, the same optimizer; losses, gradient norms and
the distance to the reference of every step.

    kto_trl.py --percept build/release/percept [--steps 6]

Both train golden/llama/untied whole on two texts, one wanted and one not, so that each sample's neighbour is the other one,
whatever the order. trl computes in f32, as percept does.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import KTOConfig, KTOTrainer

import common as c

warnings.filterwarnings("ignore")
MODEL = c.GOLDEN / "llama/untied"
BETA, WANTED, UNWANTED, LR, BETAS, EPS, DECAY = 0.1, 3.0, 0.2, 2e-3, (0.9, 0.95), 1e-6, 0.1
LIMIT = 1e-4
ROWS = [("What is in the picture?", "A red circle.", True), ("Is there a green star?", "Yes, there is a star", False)]


def by_percept(percept, folder, steps):
    rows = folder / "rows.jsonl"
    rows.write_text("".join(json.dumps({"prompt": p, "completion": a, "label": l}) + "\n" for p, a, l in ROWS))
    recipe = folder / "recipe.yaml"
    recipe.write_text(f"""model_name_or_path: {MODEL}
stage: kto
dataset: {rows}
cutoff_len: 256
freeze_language_model: false
per_device_train_batch_size: 2
pref_beta: {BETA}
kto_chosen_weight: {WANTED}
kto_rejected_weight: {UNWANTED}
learning_rate: {LR}
lr_scheduler_type: constant
adam_beta1: {BETAS[0]}
adam_beta2: {BETAS[1]}
adam_epsilon: {EPS}
weight_decay: {DECAY}
max_grad_norm: 1.0
max_steps: {steps}
logging_steps: 1
save_steps: 0
plot_loss: false
output_dir: {folder / 'percept'}
""")
    done = subprocess.run([percept, "train", recipe], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr.strip())
    return [json.loads(line) for line in (folder / "percept/train_log.jsonl").read_text().splitlines()]


def by_trl(folder, steps):
    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    tokenizer.eos_token = "<|im_end|>"  # else trl puts a second end token behind
    model = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32, attn_implementation="eager")
    # The loss ends with the end token: no line feed of the template behind it.
    rows = Dataset.from_list([{"prompt": f"<|im_start|>user\n{p}<|im_end|>\n<|im_start|>assistant\n",
                               "completion": a + "<|im_end|>", "label": l} for p, a, l in ROWS])
    config = KTOConfig(output_dir=str(folder / "trl"), per_device_train_batch_size=2, max_steps=steps, logging_steps=1, beta=BETA,
                       desirable_weight=WANTED, undesirable_weight=UNWANTED, learning_rate=LR, lr_scheduler_type="constant",
                       adam_beta1=BETAS[0], adam_beta2=BETAS[1], adam_epsilon=EPS, weight_decay=DECAY, max_grad_norm=1.0,
                       gradient_checkpointing=False, bf16=False, use_cpu=True, report_to=[], save_strategy="no", disable_tqdm=True,
                       dataloader_num_workers=0, max_length=None)
    trainer = KTOTrainer(model=model, ref_model=AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32,
                                                                                    attn_implementation="eager"),
                         args=config, train_dataset=rows, processing_class=tokenizer)
    trainer.train()
    return [row for row in trainer.state.log_history if "loss" in row]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--percept", default="build/release/percept")
    parser.add_argument("--steps", type=int, default=6)
    options = parser.parse_args()
    c.quiet()
    with tempfile.TemporaryDirectory() as work:
        ours, theirs = by_percept(options.percept, Path(work), options.steps), by_trl(Path(work), options.steps)
    assert len(ours) == len(theirs) == options.steps
    failed = 0
    for step, (a, b) in enumerate(zip(ours, theirs)):
        wanted, unwanted = b["rewards/chosen"], b["rewards/rejected"]
        pairs = {"loss": (a["loss"], b["loss"]), "grad_norm": (a["grad_norm"], b["grad_norm"]), "kl": (a["kl"], b["kl"]),
                 "margin": (a["rewards/margins"], (wanted - unwanted) / 2)}
        worst = max(abs(x - y) / max(1, abs(y)) for x, y in pairs.values())
        failed += worst > LIMIT
        print(f"  step {step + 1}: " + ", ".join(f"{k} {x:.6f} {y:.6f}" for k, (x, y) in pairs.items()) + f"; worst {worst:.1e}")
    print(f"{options.steps - failed} steps agree, {failed} don't")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
