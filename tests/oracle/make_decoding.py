#!/usr/bin/env python3
"""tests/golden/decode/decoding.json: beam search and decoding methods.

"bigram": transformers' beam search over a table of log-probabilities (a model whose next token depends on the last one
alone), with the groups of diverse beam search by a few lines here. "beams": transformers' beam search with golden/llava/hf.
"mix": each method's scores for given logits, from its paper's equations in doubles. "answers": greedy answers of
golden/llava/hf by each method, every step computed anew from whole prompts. `gap`: as in make_local.py.
"opera": the authors' search, step by step, with golden/llava/hf; its `gap` is the least distance of two candidates of a step.
"""

import json
import math

import torch
from PIL import Image
from transformers import AutoProcessor, GenerationConfig, LlavaForConditionalGeneration, PretrainedConfig, PreTrainedModel
from transformers.generation import GenerationMixin
from transformers.modeling_outputs import CausalLMOutput

import common as c

LLAVA = c.GOLDEN / "llava"
V, END, STEPS = 12, 2, 9
QUESTION = "What is the colour?"
# beams, candidates, sigma, threshold, alpha, tokens
OPERA = ((3, 3, 50, 15, 1, 12), (3, 4, 30, 15, 40, 14), (1, 2, 30, 2, 1, 30), (2, 2, 30, 0, 1, 24), (1, 3, 40, 1, 1, 28))
INSTRUCTION = "You are a confused object detector to provide a fuzzy overview or impression of the image. "


class Bigram(PreTrainedModel, GenerationMixin):
    config_class = PretrainedConfig

    def __init__(self, config):
        super().__init__(config)
        self.table = torch.nn.Parameter(torch.zeros(V, V))
        self.post_init()

    def forward(self, input_ids, **unused):
        return CausalLMOutput(logits=self.table[input_ids])

    def prepare_inputs_for_generation(self, input_ids, **unused):
        return {"input_ids": input_ids}


def numbers(*shape, seed, scale=1.5):
    g = torch.Generator().manual_seed(seed)
    return (torch.randn(*shape, generator=g) * scale * 64).round() / 64


def beams_of_table(table, first, n, groups, diversity, penalty):
    """Diverse beam search, early_stopping False, each group a transformers' search of its own."""
    each = n // groups
    logp = torch.log_softmax(table.double(), -1)
    state = [{"run": [(0.0, [])] + [(-1e9, [])] * (each - 1), "end": [], "can": True} for _ in range(groups)]
    for step in range(STEPS):
        taken = []
        for g in state:
            if not g["can"]:
                continue
            found = []
            for score, ids in g["run"]:
                last = ids[-1] if ids else first
                for t in range(V):
                    found.append((score + float(logp[last, t]) - diversity * taken.count(t), ids + [t]))
            found.sort(key=lambda f: -f[0])
            found = found[:2 * each]
            final = step + 1 == STEPS
            for i, (score, ids) in enumerate(found):
                if (final or ids[-1] == END) and i < each:
                    g["end"].append((score / (step + 1) ** penalty, ids))
            g["end"] = sorted(g["end"], key=lambda f: -f[0])[:each]
            if final:
                continue
            g["run"] = [f for f in found if f[1][-1] != END][:each]
            taken += [f[1][-1] for f in g["run"]]
            worst = g["end"][-1][0] if len(g["end"]) == each else -1e9
            g["can"] = g["run"][0][0] / (step + 1) ** penalty > worst
    best = max((g["end"][0] for g in state if g["end"]), key=lambda f: f[0])
    return {"ids": best[1], "score": best[0]}


def bigram_cases():
    model = Bigram(PretrainedConfig(vocab_size=V, is_encoder_decoder=False)).eval()
    table = numbers(V, V, seed=3)
    table[:, END] += 0.5
    model.table.data.copy_(table)
    cases = []
    for n in (2, 3, 5):
        for penalty in (0.0, 1.0, 2.0, -0.5):
            for name, early in (("likely", False), ("first", True), ("never", "never")):
                config = GenerationConfig(num_beams=n, do_sample=False, max_new_tokens=STEPS, length_penalty=penalty,
                                          early_stopping=early, eos_token_id=END, pad_token_id=0, use_cache=False,
                                          return_dict_in_generate=True, output_scores=True)
                for first in (1, 7):
                    out = model.generate(torch.tensor([[first]]), generation_config=config)
                    ids = out.sequences[0, 1:].tolist()
                    ids = ids[:ids.index(END) + 1] if END in ids else ids
                    cases.append({"decoding": f"beams={n},length_penalty={penalty},early_stopping={name}", "first": first,
                                  "ids": ids, "score": float(out.sequences_scores[0])})
    for n, groups, diversity in ((4, 2, 0.5), (6, 3, 1.0), (6, 2, 0.0)):
        for first in (1, 7):
            cases.append({"decoding": f"beams={n},groups={groups},diversity={diversity}", "first": first,
                          **beams_of_table(table, first, n, groups, diversity, 1.0)})
    return {"vocabulary": V, "end": END, "steps": STEPS, "table": table.flatten().tolist(), "cases": cases}


def llava():
    return LlavaForConditionalGeneration.from_pretrained(LLAVA / "hf", dtype=torch.float32).eval()


def inputs_of(proc, text, picture=True):
    content = ([{"type": "image"}] if picture else []) + [{"type": "text", "text": text}]
    prompt = proc.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False)
    return proc(text=prompt, images=[Image.open(LLAVA / "shapes.png").convert("RGB")] if picture else None,
                return_tensors="pt")


def beam_cases(model, inputs):
    cases = []
    for n, penalty, repetition in ((2, 1.0, 1.0), (4, 1.0, 1.0), (3, 0.0, 1.3)):
        out = model.generate(**inputs, num_beams=n, do_sample=False, max_new_tokens=10, length_penalty=penalty,
                             repetition_penalty=repetition, return_dict_in_generate=True, output_scores=True)
        cases.append({"decoding": f"beams={n},length_penalty={penalty}", "repetition_penalty": repetition,
                      "ids": out.sequences[0, inputs["input_ids"].shape[1]:].tolist(),
                      "score": float(out.sequences_scores[0])})
    return cases


def masked(scores, plain, share):
    return torch.where(plain < plain.max() + (math.log(share) if share else -math.inf), -math.inf, scores)


def contrast(plain, other, alpha, beta):
    return masked((1 + alpha) * plain - alpha * other, plain, beta)


def m3id(plain, other, written, decay, confident):
    seen, unseen = torch.log_softmax(plain, -1), torch.log_softmax(other, -1)
    gamma = math.exp(-decay * written)
    pull = 0 if seen.exp().max() >= confident else (1 - gamma) / gamma
    return seen + pull * (seen - unseen)


def dola(plain, layers, relative_top):
    last = torch.log_softmax(plain, -1)
    early = torch.log_softmax(layers, -1)
    mix = (last.exp() + early.exp()) / 2
    kl = lambda logp: (mix * (mix.log() - logp)).mean(-1)
    js = (kl(last.expand_as(early)) + kl(early)) / 2
    return masked(last - early[js.argmax()], plain, relative_top)


def mix_cases():
    plain, other, layers = (numbers(*s, seed=i) for i, s in ((11, (V,)), (12, (V,)), (13, (3, V))))
    p, o, l = plain.double(), other.double(), layers.double()
    made = [("vcd,alpha=1,beta=0.1", 3, contrast(p, o, 1, 0.1)), ("vcd,alpha=0.5,beta=0.02", 3, contrast(p, o, 0.5, 0.02)),
            ("vcd,alpha=0,beta=0", 3, contrast(p, o, 0, 0)), ("icd,alpha=0.5,beta=0.3", 3, contrast(p, o, 0.5, 0.3)),
            ("m3id,decay=0.1,confident=0.9", 7, m3id(p, o, 7, 0.1, 0.9)), ("m3id,decay=0.1,confident=0.01", 7, m3id(p, o, 7, 0.1, 0.01)),
            ("m3id", 0, m3id(p, o, 0, 0.02, 0.4)), ("dola", 3, dola(p, l, 0.1)), ("dola,relative_top=0", 3, dola(p, l, 0))]
    return {"plain": plain.tolist(), "other": other.tolist(), "layers": layers.flatten().tolist(),
            "cases": [{"decoding": d, "written": w, "scores": [None if math.isinf(x) else x for x in s.tolist()]}
                      for d, w, s in made]}


def walk(step, most=10):
    """Greedy by scores; `gap`: least lead on the way, relative to the largest finite magnitude."""
    ids, gap = [], math.inf
    while len(ids) < most and (not ids or ids[-1] != 2):
        scores = step(ids)
        best = scores.topk(2).values
        size = scores[scores.isfinite()].abs().max()
        gap = min(gap, float((best[0] - best[1]) / size)) if best[1].isfinite() else gap
        ids.append(int(scores.argmax()))
    return {"ids": ids, "gap": round(gap, 5)}


def answer_cases(model, proc):
    views = {"plain": inputs_of(proc, QUESTION), "instruction": inputs_of(proc, INSTRUCTION + QUESTION),
             "no picture": inputs_of(proc, QUESTION, picture=False)}

    def run(view, ids):
        inputs = {**views[view]}
        inputs["input_ids"] = torch.cat([inputs["input_ids"], torch.tensor([ids], dtype=torch.long)], 1)
        inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
        out = model(**inputs, output_hidden_states=True)
        head, norm = model.lm_head, model.model.language_model.norm
        early = torch.stack([head(norm(h[0, -1])) for h in out.hidden_states[:-1]])
        return out.logits[0, -1].double(), early.double()

    cases = []
    for decoding, step in (
            ("icd,alpha=1,beta=0.1", lambda ids: contrast(run("plain", ids)[0], run("instruction", ids)[0], 1, 0.1)),
            ("m3id,decay=0.2,confident=0.9",
             lambda ids: m3id(run("plain", ids)[0], run("no picture", ids)[0], len(ids), 0.2, 0.9)),
            ("dola,layers=low", lambda ids: dola(*(lambda p, l: (p, l[0:1]))(*run("plain", ids)), 0.1)),
            ("dola,layers=high", lambda ids: dola(*(lambda p, l: (p, l[1:2]))(*run("plain", ids)), 0.1))):
        cases.append({"decoding": decoding, **walk(step)})
        print(cases[-1])
    return cases


def commonest(values):
    """torch.mode's choice: of several the smallest."""
    return max(sorted(set(values)), key=values.count)


def penalties(rows, prompt, images, sigma):
    """OPERA's penalty of a sequence whose attention rows of answer tokens are `rows`, and where it leans."""
    a = torch.zeros(len(rows), len(rows))
    for i, row in enumerate(rows):
        a[i, :i + 1] = sigma * row[prompt:prompt + i + 1] / row.sum()
    s = torch.stack([(1e-7 * a[j:, j].prod()).half() for j in range(len(rows))])
    if len(rows) <= 10:
        penalty = -float((rows[-1] / rows[-1].sum())[images].sum())
    else:
        penalty = float(s.max())
    return penalty, int(s.float().argmax())


class Opera:
    """The authors' opera_beam_search for one picture, without a cache: every step reads everything."""

    def __init__(self, model, inputs, n, candidates, sigma, threshold, alpha, most):
        self.model, self.inputs, self.n, self.candidates = model, inputs, n, candidates
        self.sigma, self.threshold, self.alpha, self.most = sigma, threshold, alpha, most
        ids = inputs["input_ids"][0]
        self.prompt = len(ids)
        self.images = (ids == model.config.image_token_id).nonzero()[:, 0]
        self.gap, self.returned, self.seen = math.inf, [], {}

    def read(self, ids):
        """Logits behind an answer, and the last layer's rows (largest of the heads) of its tokens."""
        if tuple(ids) not in self.seen:
            inputs = {**self.inputs}
            inputs["input_ids"] = torch.cat([inputs["input_ids"], torch.tensor([ids], dtype=torch.long)], 1)
            inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
            out = self.model(**inputs, output_attentions=True)
            self.seen[tuple(ids)] = out.logits[0, -1], list(out.attentions[-1][0].max(0).values[self.prompt:])
        return self.seen[tuple(ids)]

    def advance(self, state, scores):
        """One step of the beams (early_stopping False, length_penalty 1): chosen (beam, id), new state, whether it is over."""
        n, step = self.n, len(state["run"][0][1])
        logp = torch.log_softmax(scores, -1)
        best, where = (logp + torch.tensor([run[0] for run in state["run"]])[:, None]).flatten().topk(2 * n + 1)
        found = [(float(s), int(w) // logp.shape[1], int(w) % logp.shape[1]) for s, w in zip(best, where)]
        self.gap = min([self.gap] + [x[0] - y[0] for x, y in zip(found, found[1:]) if y[0] > -900])
        found, end, last = found[:2 * n], list(state["end"]), step + 1 == self.most
        for i, (score, b, t) in enumerate(found):
            if (t == 2 or last) and i < n:
                end.append((score / (step + 1), state["run"][b][1] + [t]))
        end = sorted(end, key=lambda f: -f[0])[:n]
        chosen = [(b, t) for _, b, t in found if t != 2][:n]
        run = [(s, state["run"][b][1] + [t]) for s, b, t in found if t != 2][:n]
        over = last or (len(end) == n and run[0][0] / (step + 1) <= end[-1][0])
        return chosen, {"run": run, "end": end}, over

    def search(self):
        n = self.n
        state = {"run": [(0.0, [])] + [(-1e9, [])] * (n - 1), "end": []}
        states, leans, chosen, refused, times = [], [], [], {}, {}
        while True:
            step = len(state["run"][0][1])
            read = [self.read(run[1]) for run in state["run"]]
            scores = torch.full((n, read[0][0].shape[0]), -999.)
            lean = []
            for b, (logits, _) in enumerate(read):
                found = []
                for t in logits.topk(self.candidates).indices.tolist():
                    rows = self.read(state["run"][b][1] + [t])[1]
                    penalty, at = penalties(rows, self.prompt, self.images, self.sigma)
                    scores[b, t] = logits[t] - self.alpha * penalty
                    found.append(at)
                lean.append(commonest(found))
            states.append(state)
            leans.append(lean)
            at = commonest(lean)
            if at >= 10 and all(sum(l[b] == at for l in leans) > self.threshold for b in range(n)):
                back = at + 1
                back -= times.get(back, 0) >= self.candidates
                if times.get(back, 0) < self.candidates:
                    times[back] = times.get(back, 0) + 1
                    self.returned.append((step, back))
                    to = min(back, step - 1)
                    states, leans, state = states[:to + 1], leans[:to + 1], states[to]
                    refused[back + 1] = []
                    refused[back] = refused.get(back, []) + chosen[to]
                    chosen = chosen[:to]
                    scores = torch.stack([self.read(run[1])[0] for run in state["run"]])
                    scores -= 999. + scores.min(-1, keepdim=True).values
                    for b, t in refused[back]:
                        scores[b, t] = -999.
            now, state, over = self.advance(state, scores)
            chosen.append(now)
            if over:
                return state["end"][0]


def opera_cases(inputs):
    model = LlavaForConditionalGeneration.from_pretrained(LLAVA / "hf", dtype=torch.float32, attn_implementation="eager").eval()
    cases = []
    for n, candidates, sigma, threshold, alpha, most in OPERA:
        opera = Opera(model, inputs, n, candidates, sigma, threshold, alpha, most)
        score, ids = opera.search()
        cases.append({"decoding": f"opera,beams={n},num_attn_candidates={candidates},scale_factor={sigma},"
                                  f"threshold={threshold},penalty_weights={alpha}",
                      "most": most, "ids": ids, "score": score, "gap": opera.gap, "returned": opera.returned})
        print(cases[-1])
    return cases


@torch.no_grad()
def main():
    c.quiet()
    model, proc = llava(), AutoProcessor.from_pretrained(LLAVA / "hf", backend="pil")
    out = {"question": QUESTION, "bigram": bigram_cases(), "beams": beam_cases(model, inputs_of(proc, QUESTION)),
           "mix": mix_cases(), "answers": answer_cases(model, proc), "opera": opera_cases(inputs_of(proc, QUESTION))}
    c.save_json(c.GOLDEN / "decode" / "decoding.json", out)
    print(json.dumps(out["beams"]))


if __name__ == "__main__":
    main()
