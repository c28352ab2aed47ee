#!/usr/bin/env python3
"""Make tests/golden/decode/samplers.json: what transformers' logits processors leave of given logits.

Values are f32 written so that they read back exactly; a removed logit is null.
"""

import json
import math
from pathlib import Path

import torch
from transformers.generation.logits_process import (
    LogitsProcessorList, MinPLogitsWarper, RepetitionPenaltyLogitsProcessor, TemperatureLogitsWarper, TopKLogitsWarper,
    TopPLogitsWarper)

GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "decode"

# In the order in which transformers applies them (generation/utils.py, _get_logits_processor).
MAKE = {
    "repetition_penalty": RepetitionPenaltyLogitsProcessor,
    "temperature": TemperatureLogitsWarper,
    "top_k": TopKLogitsWarper,
    "top_p": TopPLogitsWarper,
    "min_p": MinPLogitsWarper,
}

SETTINGS = [
    {"temperature": 0.7}, {"temperature": 1.7}, {"top_k": 1}, {"top_k": 5}, {"top_k": 40}, {"top_k": 1000},
    {"top_p": 0.9}, {"top_p": 0.5}, {"top_p": 0.01}, {"top_p": 0.0}, {"min_p": 0.05}, {"min_p": 0.5}, {"min_p": 1.0},
    {"repetition_penalty": 1.3}, {"repetition_penalty": 0.8},
    {"top_k": 10, "top_p": 0.8}, {"temperature": 0.5, "top_p": 0.9}, {"temperature": 1.5, "top_k": 7, "min_p": 0.1},
    {"repetition_penalty": 1.2, "temperature": 0.8, "top_k": 20, "top_p": 0.95, "min_p": 0.02},
]


def logits_cases():
    g = torch.Generator().manual_seed(7)
    yield "normal", torch.randn(48, generator=g) * 3
    yield "flat", torch.randn(32, generator=g) * 0.2
    yield "peaked", torch.cat([torch.tensor([9.0]), torch.randn(31, generator=g) - 4])
    yield "ties", torch.randint(-3, 4, (40,), generator=g).float()


def main():
    cases = []
    g = torch.Generator().manual_seed(8)
    inputs = {}
    for label, logits in logits_cases():
        history = torch.randint(0, len(logits), (9,), generator=g).tolist()
        history += history[:3]  # an id that occurs twice is penalised once
        inputs[label] = {"logits": logits.tolist(), "history": history}
        for settings in SETTINGS:
            if label == "ties" and ("top_p" in settings):
                continue  # which of equal logits torch.sort keeps is not defined
            chain = LogitsProcessorList(MAKE[k](settings[k]) for k in MAKE if k in settings)
            left = chain(torch.tensor([history]), logits.clone()[None])[0].tolist()
            cases.append({"input": label, "set": settings,
                          "logits": [None if math.isinf(x) else x for x in left]})
    GOLDEN.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"inputs": inputs, "cases": cases}, separators=(",", ":")).replace('{"input"', '\n{"input"')
    (GOLDEN / "samplers.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
