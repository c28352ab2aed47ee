#!/usr/bin/env python3
"""tests/golden/t5: tiny random T5 models as transformers saves them, with a SentencePiece unigram tokenizer.

flan/   Flan-T5: gated-gelu, a head of its own; more decoder layers than encoder layers, distances beyond the last bucket
v1/     T5: relu, the embedding as scaled head
A question, then what is written; loss and gradients of that answer; greedy ids of the question in expected.json.
"""

import io
import json
import shutil
import sys

import sentencepiece as spm
import torch
from transformers import T5Config, T5ForConditionalGeneration, T5TokenizerFast

import common as c

c.quiet()
OUT = c.GOLDEN / "t5"
VOCAB, PIECES, GREEDY = 64, 58, 8
QUESTION = "What is the colour of the square?"
SIZES = dict(vocab_size=VOCAB, d_model=12, d_kv=4, d_ff=12, num_layers=2, num_heads=2, relative_attention_num_buckets=8,
             relative_attention_max_distance=12, decoder_start_token_id=0, n_positions=32)
MODELS = {"flan": dict(SIZES, num_decoder_layers=3, feed_forward_proj="gated-gelu", tie_word_embeddings=False),
          "v1": dict(SIZES, feed_forward_proj="relu")}


def tokenizer():
    """As T5's was trained: unigram, no bytes, pad 0, EOS 1, unknown 2, and two of the <extra_id_N>."""
    out = io.BytesIO()
    spm.SentencePieceTrainer.train(sentence_iterator=iter(c.CORPUS), model_writer=out, vocab_size=PIECES, model_type="unigram",
                                   pad_id=0, eos_id=1, unk_id=2, bos_id=-1, normalization_rule_name="identity", num_threads=1, minloglevel=2)
    (OUT / "flan").mkdir(parents=True)
    (OUT / "flan" / "spiece.model").write_bytes(out.getvalue())
    return T5TokenizerFast.from_pretrained(OUT / "flan", extra_ids=2)


def separated(config, ids):
    """The first seed whose greedy answer leads the second-best token clearly."""
    for seed in range(1, 3000):
        model = T5ForConditionalGeneration(T5Config(**config)).eval()
        if not config.get("tie_word_embeddings", True):  # the class ties all the same, unless a file has two
            model.lm_head.weight = torch.nn.Parameter(torch.empty_like(model.shared.weight))
        c.randomise(model, seed)
        with torch.no_grad():
            for key, p in model.named_parameters():
                if key.endswith(".q.weight"):  # dot products are not scaled: T5 draws its queries small
                    p *= SIZES["d_kv"] ** -0.5
                elif key == "shared.weight":  # and its embeddings large
                    p *= SIZES["d_model"] ** 0.5 if model.lm_head.weight is not model.shared.weight else 2
        c.round_to_bf16(model)
        out = model.generate(ids, max_new_tokens=GREEDY, do_sample=False, use_cache=False, output_logits=True, return_dict_in_generate=True)
        gaps = []
        for logits in out.logits:
            top = logits[0].topk(2).values
            gaps.append(((top[0] - top[1]) / logits.abs().max()).item())
        found = out.sequences[0, 1:].tolist()
        if min(gaps) > 0.01 and len(set(found)) >= 3 and max(found) < PIECES and (len(found) == GREEDY or found[-1] == 1):
            return model, found
    raise SystemExit("no seed gives a well separated answer")


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    tok = tokenizer()
    ids = tok(QUESTION, return_tensors="pt").input_ids
    answers = {"question": QUESTION, "question_ids": ids[0].tolist()}
    for name, config in MODELS.items():
        model, found = separated(config, ids)
        model.save_pretrained(OUT / name)
        if name == "flan":
            tok.save_pretrained(OUT / name)
        else: # as the oldest files lie: the model of the pieces alone
            shutil.copy(OUT / "flan" / "spiece.model", OUT / name)
        written = torch.tensor([[0] + found])
        with torch.no_grad():
            got = model(input_ids=ids, decoder_input_ids=written, output_hidden_states=True)
        both = torch.cat([ids, written], 1)[0]
        source, last = got.encoder_last_hidden_state[0], len(got.decoder_hidden_states) - 1
        tail = {"logits": torch.cat([model.lm_head(source * (SIZES["d_model"] ** -0.5 if name == "v1" else 1)), got.logits[0]])}
        c.save_tensors(OUT / f"{name}.safetensors", {
            "input_ids": both, "source": source, "source.1": got.encoder_hidden_states[1][0],
            f"hidden.{last}": torch.cat([source, got.decoder_hidden_states[last][0]])} | tail | {
                f"hidden.{i}": got.decoder_hidden_states[i][0] for i in range(1, last)})
        loss = model(input_ids=ids, labels=torch.tensor([found])).loss
        answers[name] = {"greedy_ids": found, "answer": tok.decode(found, skip_special_tokens=True), "loss": loss.item()}
        if name == "flan":
            loss.backward()
            c.save_tensors(OUT / f"{name}.gradients.safetensors", {n: p.grad for n, p in model.named_parameters()})
        print(name, found, answers[name]["answer"], loss.item())
    c.save_json(OUT / "expected.json", answers)
    c.readable(OUT)


main()
