#!/usr/bin/env python3
"""tests/golden/alignment: steps of preference training of the tiny LLaVA of make_llava.py, by torch in f64.

pairs.jsonl is what percept reads; expected.json has loss, gradient norm and rewards of every step for each case. The formulas
are those of trl's DPOTrainer, CPOTrainer and ORPOTrainer; the answers are read one by one, each behind its own copy of the
question, padded on the right. Weights of changed segments come from difflib.
"""

import difflib
import json
import math

import torch
import torch.nn.functional as F
from PIL import Image
from transformers import AutoProcessor

import common as c
from make_llava import OUT as LLAVA
from make_training import load, no_decay

OUT = c.GOLDEN / "alignment"
STEPS, LR, BETAS, EPS, DECAY, CLIP = 4, 2e-3, (0.9, 0.95), 1e-6, 0.1, 1.0
SYSTEM = ("A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, "
          "and polite answers to the user's questions.")
PAIRS = [
    {"image": "shapes.png", "prompt": "<image>\nWhat is in the picture?",
     "chosen": "A blue square stands on the left of a small red circle.",
     "rejected": "A blue square stands on the right of two red circles."},
    {"image": "triangle.png", "prompt": "<image>\nIs there a green star?", "chosen": "No, a triangle.", "rejected": "Yes"},
]
LABELLED = [
    {"image": "shapes.png", "prompt": "<image>\nWhat is in the picture?", "completion": "A blue square.", "label": True},
    {"image": "triangle.png", "prompt": "<image>\nIs there a green star?", "completion": "Yes, there is a green star", "label": False},
]
CASES = {
    "sigmoid": {},
    "sigmoid_smooth": {"dpo_label_smoothing": 0.1, "pref_ftx": 0.5, "pref_beta": 0.5},
    "hinge": {"pref_loss": "hinge"},
    "ipo": {"pref_loss": "ipo", "pref_beta": 0.2},
    "orpo": {"pref_loss": "orpo"},
    "simpo": {"pref_loss": "simpo", "pref_beta": 2.0, "simpo_gamma": 0.7},
    "ddpo": {"ddpo_gamma": 5, "ddpo_normalise": True, "pref_beta": 0.5},
    "ddpo_sum": {"ddpo_gamma": 1.1},
}


def answer(proc, pair, said):
    asked = f"{SYSTEM} USER: {pair['prompt']} ASSISTANT: ".replace("<image>", "<image>" * 9)
    out = proc.tokenizer(asked + said + "</s>", return_offsets_mapping=True)
    trained = [end > len(asked) for _, end in out["offset_mapping"]]
    return out["input_ids"], trained


def changed(x, y, weight):
    """RLHF-V: weights of two lists of ids."""
    blocks = difflib.SequenceMatcher(None, x, y, autojunk=False).get_matching_blocks()
    blocks = [b for b in blocks if b.size >= 3] + [difflib.Match(len(x), len(y), 0)]
    w = [1.0] * len(x), [1.0] * len(y)
    i = j = 0
    for b in blocks:
        if b.a > i and b.b > j:
            w[0][i:b.a] = [weight] * (b.a - i)
            w[1][j:b.b] = [weight] * (b.b - j)
        i, j = b.a + b.size, b.b + b.size
    return w


def batch_of(proc, weight):
    """ids, labels (-100 where no loss falls), weights, pixels; rows chosen, rejected, chosen ..."""
    rows, pixels = [], []
    for pair in PAIRS:
        both = [answer(proc, pair, pair[k]) for k in ("chosen", "rejected")]
        said = [[i for i, t in zip(*a) if t] for a in both]
        for (ids, trained), w in zip(both, changed(*said, weight)):
            rows.append((ids, trained, [0.0] * (len(ids) - len(w)) + w))
        image = proc.image_processor(Image.open(LLAVA / pair["image"]).convert("RGB"), return_tensors="pt")
        pixels += [image["pixel_values"]] * 2
    length = max(len(r[0]) for r in rows)

    def pad(values, fill):
        return torch.tensor([list(v) + [fill] * (length - len(v)) for v in values])

    ids = pad([r[0] for r in rows], 0)
    return {"input_ids": ids, "attention_mask": pad([[1] * len(r[0]) for r in rows], 0),
            "pixel_values": torch.cat(pixels).double()}, \
        pad([r[1] for r in rows], False), pad([r[2] for r in rows], 0.0).double()


def logps(model, batch, trained):
    """log p of each answer token [rows, T-1]."""
    logits = model(**batch).logits[:, :-1]
    every = F.log_softmax(logits, -1).gather(-1, batch["input_ids"][:, 1:, None])[..., 0]
    return every * trained[:, 1:]


def loss_of(keys, logp, reference, trained, weights):
    kind, beta = keys.get("pref_loss", "sigmoid"), keys.get("pref_beta", 0.1)
    weights, trained = weights[:, 1:], trained[:, 1:]
    scores = [(x * weights).sum(1) for x in (logp, reference)]
    if kind in ("ipo", "orpo", "simpo") or keys.get("ddpo_normalise"):
        scores = [s / weights.sum(1) for s in scores]
    if kind in ("orpo", "simpo"):
        scores[1] = torch.zeros_like(scores[1])
    won, lost = (scores[0] - scores[1])[0::2], (scores[0] - scores[1])[1::2]
    h, smooth = beta * (won - lost), keys.get("dpo_label_smoothing", 0.0)
    if kind == "sigmoid":
        loss = -(1 - smooth) * F.logsigmoid(h) - smooth * F.logsigmoid(-h)
    elif kind == "hinge":
        loss = torch.relu(1 - h)
    elif kind == "ipo":
        loss = (won - lost - 1 / (2 * beta)) ** 2
    elif kind == "simpo":
        loss = -F.logsigmoid(beta * (won - lost - keys["simpo_gamma"] / beta))
    elif kind == "orpo":
        odds = won - lost - (torch.log1p(-torch.exp(won)) - torch.log1p(-torch.exp(lost)))
        loss = -won - beta * F.logsigmoid(odds)
    loss = loss - keys.get("pref_ftx", 0.0) * (logp.sum(1) / trained.sum(1))[0::2]
    return loss.mean(), [(beta * won).mean(), (beta * lost).mean(), (beta * (won - lost)).mean(),
                         (won > lost).double().mean()]


def train(proc, keys):
    model, frozen = load(torch.float64), load(torch.float64).eval()
    batch, trained, weights = batch_of(proc, keys.get("ddpo_gamma", 1))
    with torch.no_grad():
        reference = logps(frozen, batch, trained)
    named = list(model.named_parameters())
    groups = [{"params": [p for n, p in named if not no_decay(n, p)], "weight_decay": DECAY},
              {"params": [p for n, p in named if no_decay(n, p)], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=LR, betas=BETAS, eps=EPS, foreach=False)
    out = {"loss": [], "grad_norm": [], "metrics": []}
    for _ in range(STEPS):
        optimizer.zero_grad(set_to_none=True)
        loss, metrics = loss_of(keys, logps(model, batch, trained), reference, trained, weights)
        loss.backward()
        out["loss"].append(loss.item())
        out["metrics"].append([m.item() for m in metrics])
        out["grad_norm"].append(torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP).item())
        optimizer.step()
    return out


def train_labels(proc, beta, weights):
    """KTO (trl's KTOTrainer, loss_type kto): each sample's answer is wanted or not; the distance to the reference is measured on
    the other sample's answer to its prompt."""
    model, frozen = load(torch.float64), load(torch.float64).eval()
    batches = []
    for said in ([p["completion"] for p in LABELLED], [p["completion"] for p in LABELLED[::-1]]):
        rows = [answer(proc, {"prompt": p["prompt"]}, s) for p, s in zip(LABELLED, said)]
        length = max(len(ids) for ids, _ in rows)
        pixels = [proc.image_processor(Image.open(LLAVA / p["image"]).convert("RGB"), return_tensors="pt")["pixel_values"]
                  for p in LABELLED]
        batches.append(({"input_ids": torch.tensor([i + [0] * (length - len(i)) for i, _ in rows]),
                         "attention_mask": torch.tensor([[1] * len(i) + [0] * (length - len(i)) for i, _ in rows]),
                         "pixel_values": torch.cat(pixels).double()},
                        torch.tensor([t + [False] * (length - len(t)) for _, t in rows])))
    wanted = torch.tensor([p["label"] for p in LABELLED])
    with torch.no_grad():
        reference = [logps(frozen, *b).sum(1) for b in batches]
    named = list(model.named_parameters())
    groups = [{"params": [p for n, p in named if not no_decay(n, p)], "weight_decay": DECAY},
              {"params": [p for n, p in named if no_decay(n, p)], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=LR, betas=BETAS, eps=EPS, foreach=False)
    out = {"loss": [], "grad_norm": [], "metrics": []}
    for _ in range(STEPS):
        optimizer.zero_grad(set_to_none=True)
        ratio = logps(model, *batches[0]).sum(1) - reference[0]
        with torch.no_grad():
            kl = (logps(model, *batches[1]).sum(1) - reference[1]).mean().clamp(min=0)
        losses = torch.where(wanted, weights[0] * (1 - torch.sigmoid(beta * (ratio - kl))),
                             weights[1] * (1 - torch.sigmoid(beta * (kl - ratio))))
        loss = losses.mean()
        loss.backward()
        side = beta * ratio * torch.where(wanted, 1, -1)
        out["loss"].append(loss.item())
        out["metrics"].append([side.mean().item(), (side > 0).double().mean().item(), kl.item()])
        out["grad_norm"].append(torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP).item())
        optimizer.step()
    return out


def train_rewards(proc, centre):
    """A reward model: a linear head on the last answer token's hidden state; its start is a fixed pattern, which the test
    sets as well."""
    model = load(torch.float64)
    batch, trained, _ = batch_of(proc, 1)
    last = torch.tensor([max(i for i, t in enumerate(row) if t) for row in trained.tolist()])
    head = torch.nn.Linear(model.config.text_config.hidden_size, 1).double()
    with torch.no_grad():
        head.weight.copy_(torch.sin(0.7 * torch.arange(head.in_features).double() + 1)[None] * 0.5)
        head.bias.zero_()
    named = list(model.named_parameters()) + [("v_head.summary." + n, p) for n, p in head.named_parameters()]
    groups = [{"params": [p for n, p in named if not no_decay(n, p)], "weight_decay": DECAY},
              {"params": [p for n, p in named if no_decay(n, p)], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=LR, betas=BETAS, eps=EPS, foreach=False)
    out = {"loss": [], "grad_norm": [], "metrics": []}
    for _ in range(STEPS):
        optimizer.zero_grad(set_to_none=True)
        hidden = model.model(**batch).last_hidden_state
        rewards = head(hidden[torch.arange(len(last)), last])[:, 0]
        won, lost = rewards[0::2], rewards[1::2]
        loss = (-F.logsigmoid(won - lost) + centre * (won + lost) ** 2).mean()
        loss.backward()
        out["loss"].append(loss.item())
        out["metrics"].append([won.mean().item(), lost.mean().item(), (won - lost).mean().item(),
                               (won > lost).double().mean().item()])
        out["grad_norm"].append(torch.nn.utils.clip_grad_norm_([p for _, p in named], CLIP).item())
        optimizer.step()
    return out


def main():
    c.quiet()
    proc = AutoProcessor.from_pretrained(LLAVA / "hf", backend="pil")
    OUT.mkdir(exist_ok=True)
    (OUT / "pairs.jsonl").write_text("".join(json.dumps(p) + "\n" for p in PAIRS))
    expected = {}
    for name, keys in CASES.items():
        got = train(proc, keys)
        expected[name] = {"keys": [f"{k}={str(v).lower()}" for k, v in keys.items()], **got}
        print(name, got["loss"], got["grad_norm"])
    c.save_json(OUT / "rewards.json", train_rewards(proc, 0.01))
    (OUT / "labelled.jsonl").write_text("".join(json.dumps(p) + "\n" for p in LABELLED))
    labels = train_labels(proc, 0.1, (3.0, 0.2))
    print("kto", labels)
    c.save_json(OUT / "labels.json", labels)
    assert math.isclose(expected["sigmoid"]["loss"][0], math.log(2))
    c.save_json(OUT / "expected.json", expected)
    c.readable(OUT)


if __name__ == "__main__":
    main()
