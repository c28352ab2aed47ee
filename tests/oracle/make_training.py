#!/usr/bin/env python3
"""tests/golden/training: loss, gradients and ten AdamW steps of the tiny LLaVA of make_llava.py.

Start: tests/golden/llava/hf. The truth is computed in f64 and stored as f32 (json: decimal); the
figures of the same run in f32 stand beside it, to tell what rounding alone does. Batch: two samples padded on the right to one length (the
same thing as packing them with positions that restart and no attention across). The loss is the
mean over all unmasked tokens of the batch; dropout 0; every part is trained.
"""

import numpy as np
import torch
from PIL import Image
from transformers import AutoProcessor, LlavaForConditionalGeneration

import common as c
from make_llava import OUT as LLAVA

OUT = c.GOLDEN / "training"
STEPS, LR, BETAS, EPS, DECAY, CLIP = 10, 2e-3, (0.9, 0.95), 1e-6, 0.1, 1.0
SAMPLES = [
    ("shapes.png", [("What is the colour?", "The square is blue."), ("How many shapes?", "three")]),
    ("triangle.png", [("Is there a green star?", "No")]),
]


def sample(proc, picture, turns):
    """input_ids, labels (-100 where no loss falls) and pixel_values of one conversation."""
    text, labels = "", []
    ids = [proc.tokenizer.bos_token_id]
    labels = [-100]
    for i, (question, answer) in enumerate(turns):
        text = ("" if i else "<image>\n") + question
        asked = proc.tokenizer("USER: " + text.replace("<image>", "<image>" * 9) + " ASSISTANT:",
                               add_special_tokens=False)["input_ids"]
        said = proc.tokenizer(" " + answer, add_special_tokens=False)["input_ids"]
        said = said + [proc.tokenizer.eos_token_id]
        ids += asked + said
        labels += [-100] * len(asked) + said
    pixels = proc.image_processor(Image.open(LLAVA / picture).convert("RGB"), return_tensors="pt")
    return torch.tensor(ids), torch.tensor(labels), pixels["pixel_values"]


def padded(samples):
    length = max(len(ids) for ids, _, _ in samples)

    def pad(t, value):
        return torch.cat([t, torch.full((length - len(t),), value)])

    return {
        "input_ids": torch.stack([pad(i, 0) for i, _, _ in samples]),
        "labels": torch.stack([pad(l, -100) for _, l, _ in samples]),
        "attention_mask": torch.stack([pad(torch.ones_like(i), 0) for i, _, _ in samples]),
        "pixel_values": torch.cat([p for _, _, p in samples]),
    }


def pure_f64(model):
    """transformers computes norms and rotary tables in f32 whatever the weights; undo that."""
    from transformers.models.llama import modeling_llama as llama

    def norm(self, x):
        return self.weight * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.variance_epsilon)

    def rotary(self, x, position_ids):
        size = self.inv_freq.numel()
        inverse = 1.0 / 10000.0 ** (torch.arange(size, dtype=x.dtype) / size)
        angle = position_ids[..., None].to(x.dtype) * inverse
        angle = torch.cat([angle, angle], dim=-1)
        return angle.cos(), angle.sin()

    for module in model.modules():
        if isinstance(module, llama.LlamaRMSNorm):
            module.forward = norm.__get__(module)
        elif isinstance(module, llama.LlamaRotaryEmbedding):
            module.forward = rotary.__get__(module)


def load(dtype):
    model = LlavaForConditionalGeneration.from_pretrained(LLAVA / "hf", dtype=dtype, attn_implementation="sdpa")
    if dtype == torch.float64:
        pure_f64(model)
    return model.train()


def loss_of(model, batch):
    """Cross-entropy of the next token over the unmasked labels of the whole batch, in the model's dtype."""
    logits = model(**{k: v for k, v in batch.items() if k != "labels"}).logits[:, :-1]
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch["labels"][:, 1:].flatten(), ignore_index=-100)


def no_decay(name, p):
    return name.endswith(".bias") or "norm" in name


def probe(t):
    """A projection on fixed pseudo-random directions: wrong anywhere in the tensor shows here."""
    i = np.arange(t.numel(), dtype=np.float64)
    return float((t.detach().double().numpy().ravel() * np.sin(0.7 * i + 1.0)).sum())


def checksums(t):
    flat = t.detach().double().ravel()
    return {"shape": list(t.shape), "mean": flat.mean().item(), "l2": flat.norm().item(),
            "probe": probe(t), "first": flat[:8].tolist()}


def train(dtype):
    model = load(dtype)
    batch = padded(SAMPLE_TENSORS)
    batch["pixel_values"] = batch["pixel_values"].to(dtype)
    named = list(model.named_parameters())
    groups = [{"params": [p for n, p in named if not no_decay(n, p)], "weight_decay": DECAY},
              {"params": [p for n, p in named if no_decay(n, p)], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=LR, betas=BETAS, eps=EPS, foreach=False)
    out = {"losses": [], "grad_norms": []}
    for step in range(STEPS):
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(model, batch)
        if step == 0:  # the loss the model itself gives is the same
            assert abs(model(**batch).loss.item() - loss.item()) < 1e-5
        loss.backward()
        if step == 0:
            out["grads"] = {n: p.grad.clone() for n, p in named if p.grad is not None}
        out["losses"].append(loss.item())
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        out["grad_norms"].append(norm.item())
        optimizer.step()
    model.eval()
    with torch.no_grad():
        out["losses"].append(loss_of(model, batch).item())
    out["weights"] = {n: p.detach() for n, p in named}
    return out


def saved_name(name):
    """The name a tensor has in tests/golden/llava/hf/model.safetensors."""
    if name == "lm_head.weight":
        return "language_model.lm_head.weight"
    return name.removeprefix("model.").replace("language_model.", "language_model.model.", 1)


if __name__ == "__main__":
    c.quiet()
    proc = AutoProcessor.from_pretrained(LLAVA / "hf", backend="pil")
    SAMPLE_TENSORS = [sample(proc, *s) for s in SAMPLES]
    got, truth = train(torch.float32), train(torch.float64)

    tensors = {}
    for i, (ids, labels, pixels) in enumerate(SAMPLE_TENSORS):
        tensors |= {f"sample.{i}.input_ids": ids, f"sample.{i}.labels": labels,
                    f"sample.{i}.pixel_values": pixels}
    c.save_tensors(OUT / "batch.safetensors", tensors)
    c.save_tensors(OUT / "grads.safetensors", {saved_name(n): g for n, g in truth["grads"].items()})

    start = dict(load(torch.float64).named_parameters())
    # The key biases of the tower have no true gradient (softmax ignores what all keys share): what an
    # implementation finds there is its rounding. So errors are counted against the tensor's largest
    # gradient, or a thousandth of the largest of all if that is more.
    scale = max(g.abs().max().item() for g in truth["grads"].values())
    errors = {n: (g - truth["grads"][n]).abs().max().item() / max(truth["grads"][n].abs().max().item(), 1e-3 * scale)
              for n, g in got["grads"].items()}
    worst = max(errors, key=errors.get)
    c.save_json(OUT / "expected.json", {
        "optimizer": {"name": "AdamW", "lr": LR, "schedule": "constant", "betas": BETAS, "eps": EPS,
                      "weight_decay": DECAY, "max_grad_norm": CLIP, "steps": STEPS,
                      "clip": "scale = min(1, max_grad_norm / (norm + 1e-6))"},
        "loss_tokens": [int((l[1:] != -100).sum()) for _, l, _ in SAMPLE_TENSORS],
        # Before each step, then once after the last one.
        "losses": truth["losses"], "losses_f32": got["losses"],
        # Of the whole model, before clipping.
        "grad_norms": truth["grad_norms"], "grad_norms_f32": got["grad_norms"],
        # The error f32 itself makes against f64: a tolerance below it would test chance.
        "f32_error": {"gradient": errors[worst], "of": saved_name(worst),
                      "loss": max(abs(a / b - 1) for a, b in zip(got["losses"], truth["losses"])),
                      "weight": max(c.deviation(w, truth["weights"][n]) for n, w in got["weights"].items())},
        "parameters": {saved_name(n): {
            "decay": not no_decay(n, w), "gradient": n in got["grads"],
            "after": checksums(truth["weights"][n]),
            "moved_l2": (w - start[n]).norm().item(),
        } for n, w in truth["weights"].items()},
    })
    c.readable(OUT)
    print("losses", [round(x, 5) for x in got["losses"]])
    print("norms", [round(x, 4) for x in got["grad_norms"]])
    print("f32 against f64:", {k: v for k, v in c.json.loads((OUT / "expected.json").read_text())["f32_error"].items()})
    print("no gradient:", sorted({saved_name(n) for n in got["weights"]} - {saved_name(n) for n in got["grads"]}))
