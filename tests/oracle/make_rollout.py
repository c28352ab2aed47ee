#!/usr/bin/env python3
"""tests/golden/alignment/{prompts.jsonl,ppo.json,grpo.json}: two steps of PPO and of GRPO of the tiny LLaVA of make_llava.py,
by torch in f64, over answers that are given.

Each step judges all answers, then learns from them twice. The formulas are those of trl 0.11's PPOTrainer (compute_rewards,
compute_advantages, loss) and of trl 1.x's GRPOTrainer (loss_type grpo). With `--trl FOLDER` of an unpacked trl 0.11 the
advantages and losses of PPO are computed by its own code as well, and must agree.
"""

import argparse
import ast
import json
import pathlib
import types

import torch
import torch.nn.functional as F
from PIL import Image
from transformers import AutoProcessor

import common as c
from make_alignment import OUT, SYSTEM
from make_llava import OUT as LLAVA
from make_training import load, no_decay

STEPS, EPOCHS, LR, BETAS, EPS, DECAY, CLIP = 2, 2, 2e-3, (0.9, 0.95), 1e-6, 0.1, 1.0
KL, GAMMA, LAMBDA, RATIO, VALUE_RATIO, VALUES = 0.1, 0.99, 0.95, 0.05, 0.1, 0.3
MISSING_END, LENGTH, MOST = 0.5, 0.25, 24
PROMPTS = [("shapes.png", "What is in the picture?", "A blue square"), ("triangle.png", "Is there a star?", "No"),
           ("triangle.png", "What is it?", "a triangle"), ("shapes.png", "How many shapes?", "two")]
# Each answer's text, and whether it ends.
WRITTEN = {"ppo": [[("a blue square.", True)], [("Yes", True)], [("a triangle", True)], [("two red circles and", False)]],
           "grpo": [[("A blue square", True), ("A red star here", False)], [("No", True), ("Yes, one", True)]]}


def rows_of(proc, prompt, said, ended):
    """Ids of the prompt and of the answer."""
    asked = f"{SYSTEM} USER: <image>\n{prompt} ASSISTANT: ".replace("<image>", "<image>" * 9)
    out = proc.tokenizer(asked + said + ("</s>" if ended else ""), return_offsets_mapping=True)
    first = next(i for i, (_, end) in enumerate(out["offset_mapping"]) if end > len(asked))
    return out["input_ids"][:first], out["input_ids"][first:]


def same(a, b):
    plain = [t.strip().rstrip(".").strip().lower() for t in (a, b)]
    return plain[0] == plain[1]


class Case:
    def __init__(self, proc, name):
        self.written = WRITTEN[name]
        self.proc = proc
        self.answers, self.scores, batches = [], [], []
        for (picture, prompt, truth), answers in zip(PROMPTS, self.written):
            for said, ended in answers:
                asked, ids = rows_of(proc, prompt, said, ended)
                self.answers.append({"ids": ids, "ended": ended})
                self.scores.append(float(same(said, truth)) - (0 if ended else MISSING_END) - LENGTH * len(ids) / MOST)
                batches.append((picture, asked, ids))
        self.rows = batches
        self.scores = torch.tensor(self.scores, dtype=torch.float64)
        length = max(len(a) + len(i) for _, a, i in batches)
        pad = [length - len(a) - len(i) for _, a, i in batches]
        self.ids = torch.tensor([a + i + [0] * p for (_, a, i), p in zip(batches, pad)])
        self.attention = torch.tensor([[1] * (len(a) + len(i)) + [0] * p for (_, a, i), p in zip(batches, pad)])
        self.mask = torch.tensor([[0] * len(a) + [1] * len(i) + [0] * p for (_, a, i), p in zip(batches, pad)]).double()[:, 1:]
        self.pixels = torch.cat([proc.image_processor(Image.open(LLAVA / p).convert("RGB"), return_tensors="pt")["pixel_values"]
                                 for p, _, _ in batches]).double()

    def read(self, model, head, rows):
        """log p and values of the answers' tokens, [rows, T-1]."""
        out = model.model(input_ids=self.ids[rows], attention_mask=self.attention[rows], pixel_values=self.pixels[rows])
        hidden = out.last_hidden_state[:, :-1]
        logps = F.log_softmax(model.lm_head(hidden), -1).gather(-1, self.ids[rows][:, 1:, None])[..., 0]
        values = head(hidden)[..., 0] if head is not None else torch.zeros_like(logps)
        return logps, values


def mean(x, mask):
    return (x * mask).sum() / mask.sum()


def whiten(x, mask):
    centre = mean(x, mask)
    variance = mean((x - centre) ** 2, mask) * mask.sum() / (mask.sum() - 1)
    return (x - centre) * torch.rsqrt(variance + 1e-8)


def advantages_of_values(logps, reference, values, scores, mask):
    rewards = -KL * (logps - reference)
    for i in range(len(scores)):
        rewards[i, mask[i].nonzero()[-1]] += scores[i]
    rewards, values = rewards * mask, values * mask
    advantages, last = torch.zeros_like(values), 0
    for t in reversed(range(values.shape[1])):
        follows = values[:, t + 1] if t + 1 < values.shape[1] else 0
        last = rewards[:, t] + GAMMA * follows - values[:, t] + GAMMA * LAMBDA * last
        advantages[:, t] = last
    return whiten(advantages, mask) * mask, (advantages + values) * mask


def ppo_loss(logps, values, old, old_values, advantages, returns, mask):
    ratio = torch.exp(logps - old)
    policy = mean(torch.max(-advantages * ratio, -advantages * ratio.clamp(1 - RATIO, 1 + RATIO)), mask)
    held = torch.clamp(values, old_values - VALUE_RATIO, old_values + VALUE_RATIO)
    value = 0.5 * mean(torch.max((values - returns) ** 2, (held - returns) ** 2), mask)
    clipped = mean((-advantages * ratio.clamp(1 - RATIO, 1 + RATIO) > -advantages * ratio).double(), mask)
    return policy + VALUES * value, [policy, value, 0.5 * mean((logps - old) ** 2, mask), clipped]


def grpo_loss(logps, old, reference, advantages, mask):
    ratio = torch.exp(logps - old)
    policy = -torch.min(ratio * advantages, ratio.clamp(1 - RATIO, 1 + RATIO) * advantages)
    kl = torch.exp(reference - logps) - (reference - logps) - 1

    def average(x):
        return ((x * mask).sum(-1) / mask.sum(-1)).mean()

    clipped = (-advantages * ratio.clamp(1 - RATIO, 1 + RATIO) > -advantages * ratio).double()
    return average(policy + KL * kl), [average(policy), torch.zeros(()), average(0.5 * (logps - old) ** 2), average(clipped)]


def trl_methods(folder):
    """PPOTrainer's methods out of trl's source, without importing the package."""
    namespace = {"torch": torch, "F": F, "math": __import__("math"), "Optional": object, "warnings": __import__("warnings"),
                 "flatten_dict": dict}
    for file, names in (("core.py", {"masked_mean", "masked_var", "masked_whiten", "clip_by_value", "entropy_from_logits"}),
                        ("trainer/ppo_trainer.py", {"compute_rewards", "_kl_penalty", "compute_advantages", "loss"})):
        for node in ast.walk(ast.parse((pathlib.Path(folder) / file).read_text())):
            if isinstance(node, ast.FunctionDef) and node.name in names:
                node.returns, node.decorator_list = None, []
                for argument in node.args.args:
                    argument.annotation = None
                exec(compile(ast.Module([node], []), file, "exec"), namespace)
    return namespace


def check_with_trl(trl, case, old, reference, old_values, advantages, returns):
    config = types.SimpleNamespace(whiten_rewards=False, gamma=GAMMA, lam=LAMBDA, cliprange=RATIO, cliprange_value=VALUE_RATIO,
                                   vf_coef=VALUES, ratio_threshold=1e9, kl_penalty="kl")
    me = types.SimpleNamespace(config=config, kl_ctl=types.SimpleNamespace(value=KL))
    me._kl_penalty = types.MethodType(trl["_kl_penalty"], me)
    rewards, _, _ = trl["compute_rewards"](me, case.scores, old, reference, case.mask)
    values, theirs, their_returns = trl["compute_advantages"](me, old_values, rewards, case.mask)
    assert torch.allclose(theirs * case.mask, advantages, atol=1e-12)
    assert torch.allclose(their_returns * case.mask, returns, atol=1e-12)
    new, new_values = old + 0.1 * torch.sin(old), old_values + 0.2 * torch.cos(old)
    logits = torch.zeros(*old.shape, 3).double()
    policy, value, _ = trl["loss"](me, old, values, logits, new_values, new, case.mask, theirs, their_returns)
    ours, _ = ppo_loss(new, new_values, old, old_values, advantages, returns, case.mask)
    assert torch.allclose(policy + value, ours, atol=1e-12), (policy + value, ours)
    print("as trl's PPOTrainer")


def flat(x, mask):
    return [v for row, m in zip(x.tolist(), mask.tolist()) for v, used in zip(row, m) if used]


def train(proc, name, trl):
    case, grouped = Case(proc, name), name == "grpo"
    model, frozen = load(torch.float64), load(torch.float64).eval()
    head = torch.nn.Linear(model.config.text_config.hidden_size, 1).double()
    with torch.no_grad():
        head.weight.copy_(torch.sin(0.7 * torch.arange(head.in_features).double() + 1)[None] * 0.5)
        head.bias.zero_()
    named = list(model.named_parameters())
    named += [] if grouped else [("v_head.summary." + n, p) for n, p in head.named_parameters()]
    groups = [{"params": [p for n, p in named if not no_decay(n, p)], "weight_decay": DECAY},
              {"params": [p for n, p in named if no_decay(n, p)], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=LR, betas=BETAS, eps=EPS, foreach=False)
    every = torch.arange(len(case.rows))
    parts = [every] if grouped else [every[:2], every[2:]]
    out = {"answers": case.answers, "scores": case.scores.tolist(), "steps": []}
    for _ in range(STEPS):
        with torch.no_grad():
            old, old_values = case.read(model, None if grouped else head, every)
            reference, _ = case.read(frozen, None, every)
        if grouped:
            scores = case.scores.view(-1, 2)
            advantages = ((scores - scores.mean(1, keepdim=True)) / (scores.std(1, keepdim=True) + 1e-4)).view(-1, 1)
            advantages, returns = advantages * case.mask, torch.zeros_like(case.mask)
        else:
            advantages, returns = advantages_of_values(old, reference, old_values, case.scores, case.mask)
            if trl:
                check_with_trl(trl, case, old, reference, old_values, advantages, returns)
        step = {k: flat(v, case.mask) for k, v in (("old", old), ("reference", reference), ("advantages", advantages),
                                                   ("returns", returns), ("values", old_values))}
        step |= {"kl": ((old - reference) * case.mask).sum(1).mean().item(), "updates": []}
        for _ in range(EPOCHS):
            for rows in parts:
                optimizer.zero_grad(set_to_none=True)
                logps, values = case.read(model, None if grouped else head, rows)
                mask = case.mask[rows]
                if grouped:
                    loss, metrics = grpo_loss(logps, old[rows], reference[rows], advantages[rows], mask)
                else:
                    loss, metrics = ppo_loss(logps, values, old[rows], old_values[rows], advantages[rows], returns[rows], mask)
                loss.backward()
                norm = torch.nn.utils.clip_grad_norm_([p for _, p in named], CLIP).item()
                optimizer.step()
                step["updates"].append([loss.item(), norm] + [m.item() for m in metrics])
        out["steps"].append(step)
    return out


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--trl", help="folder `trl` of trl 0.11")
    options = parser.parse_args()
    c.quiet()
    proc = AutoProcessor.from_pretrained(LLAVA / "hf", backend="pil")
    rows = [{"images": [p], "messages": [{"role": "user", "content": "<image>\n" + q}, {"role": "assistant", "content": a}]}
            for p, q, a in PROMPTS]
    (OUT / "prompts.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    trl = trl_methods(options.trl) if options.trl else None
    for name in WRITTEN:
        got = train(proc, name, trl)
        print(name, got["scores"], *[s["kl"] for s in got["steps"]], *got["steps"][-1]["updates"], sep="\n")
        c.save_json(OUT / f"{name}.json", got)
    c.readable(OUT)


if __name__ == "__main__":
    main()
