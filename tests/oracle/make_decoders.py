#!/usr/bin/env python3
"""tests/golden/decoders: tiny random language models beside LLaMA, and LLaMA with each stretched rotary embedding.

mistral       a window of five keys over 14 tokens
mistral_open  sliding_window null: none
qwen2         biases at q, k, v; tied head; bf16 file
qwen2_window  use_sliding_window, from layer 1 on
mixtral       two of four experts, whose choice is clear at each token; bf16 file
stablelm      LayerNorms, biases at q, k, v, a quarter of a head rotates; stablelm_open: attention and MLP side by side, tied head;
              stablelm_heads: as the 12B model, norms of each head's queries and keys as well
phi           attention and MLP side by side, biases everywhere, 0.4 of a head of 10 rotates; bf16 file
mpt           linear biases by distance; mpt_three: three heads, whose slopes stand in an order of their own; bf16 files
neox          GPT-NeoX with attention and MLP side by side, half a head rotates; neox_row: in sequence, a whole head (RedPajama-INCITE)
mosaic        MosaicGPT (MPT-1B): MPT with norms of queries and keys, in its authors' names; made by mosaic.py
linear, dynamic, llama3, yarn, yarn_factors   LLaMA over more tokens than it was made for
greedy ids of each with transformers' cache are in expected.json. Usage: make_decoders.py [NAME ...]
"""

import json
import sys

import torch
from transformers import (GPTNeoXConfig, GPTNeoXForCausalLM, LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM, MixtralConfig,
                          MixtralForCausalLM, MptConfig, MptForCausalLM, PhiConfig, PhiForCausalLM, Qwen2Config,
                          Qwen2ForCausalLM, StableLmConfig, StableLmForCausalLM)

import common as c
import mosaic

c.quiet()
OUT = c.GOLDEN / "decoders"
GREEDY = 6
SIZES = dict(vocab_size=40, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
             num_key_value_heads=1, max_position_embeddings=64, bos_token_id=1, eos_token_id=None, pad_token_id=None)
IDS = torch.tensor([[1, 7, 30, 12, 5, 5, 21, 38, 9, 14, 2, 33, 26, 18]])


def rope(**keys):
    short = dict(SIZES, max_position_embeddings=8)
    return LlamaForCausalLM, LlamaConfig(**short, head_dim=16, rope_parameters={"rope_theta": 10000.0, **keys})


def share(factor):
    return {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": factor}


MPT = dict(vocab_size=40, n_layers=2, max_seq_len=64, bos_token_id=1, eos_token_id=None, pad_token_id=None)

NEOX = {k: v for k, v in SIZES.items() if k != "num_key_value_heads"}

MODELS = {
    "mistral": (MistralForCausalLM, MistralConfig(**SIZES, sliding_window=5)),
    "mistral_open": (MistralForCausalLM, MistralConfig(**SIZES, sliding_window=None)),
    "qwen2": (Qwen2ForCausalLM, Qwen2Config(**SIZES, tie_word_embeddings=True)),
    "qwen2_window": (Qwen2ForCausalLM, Qwen2Config(**SIZES, use_sliding_window=True, sliding_window=4,
                                                   max_window_layers=1)),
    "mixtral": (MixtralForCausalLM, MixtralConfig(**dict(SIZES, intermediate_size=12), num_local_experts=4,
                                                  num_experts_per_tok=2, sliding_window=None)),
    "stablelm": (StableLmForCausalLM, StableLmConfig(**SIZES, use_qkv_bias=True, rope_parameters=share(0.25))),
    "stablelm_open": (StableLmForCausalLM, StableLmConfig(**SIZES, use_parallel_residual=True, tie_word_embeddings=True,
                                                          rope_parameters=share(0.5))),
    "stablelm_heads": (StableLmForCausalLM, StableLmConfig(**dict(SIZES, num_attention_heads=4, num_key_value_heads=2),
                                                           use_parallel_residual=True, qk_layernorm=True,
                                                           rope_parameters=share(0.5))),
    "phi": (PhiForCausalLM, PhiConfig(**dict(SIZES, hidden_size=20), rope_parameters=share(0.4))),
    "mpt": (MptForCausalLM, MptConfig(**MPT, d_model=16, n_heads=2)),
    "mpt_three": (MptForCausalLM, MptConfig(**MPT, d_model=12, n_heads=3)),
    "neox": (GPTNeoXForCausalLM, GPTNeoXConfig(**NEOX, use_parallel_residual=True, rope_parameters=share(0.5))),
    "neox_row": (GPTNeoXForCausalLM, GPTNeoXConfig(**NEOX, use_parallel_residual=False, rope_parameters=share(1.0))),
    "mosaic": (mosaic.Model, MptConfig(**MPT, d_model=16, n_heads=2)),
    "linear": rope(rope_type="linear", factor=2.5),
    "dynamic": rope(rope_type="dynamic", factor=3.0),
    "llama3": rope(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                   original_max_position_embeddings=64),
    "yarn": rope(rope_type="yarn", factor=4.0, original_max_position_embeddings=64),
    "yarn_factors": rope(rope_type="yarn", factor=2.0, original_max_position_embeddings=32, beta_fast=3.0,
                         beta_slow=0.5, mscale=0.9, mscale_all_dim=0.4, truncate=False),
}


def choice_is_clear(model):
    """Rounding of bf16 products must not change an expert: the second leads the third."""
    if not hasattr(model.config, "num_local_experts"):
        return True
    with torch.no_grad():
        routers = model(input_ids=IDS, output_router_logits=True).router_logits
    tops = torch.cat(routers).softmax(-1).topk(model.config.num_experts_per_tok + 1).values
    return (tops[:, -2] - tops[:, -1]).min() > 0.02


def separated(kind, config):
    """The first seed whose greedy answer leads the second-best token clearly. The dynamic embedding remembers the longest
    text, so each try and each truth has a model of its own."""
    for seed in range(1, 3000):
        model = kind(config).eval()
        c.randomise(model, seed, 0.5 if model.config.tie_word_embeddings else 1.0)
        c.round_to_bf16(model)
        out = model.generate(IDS, max_new_tokens=GREEDY, do_sample=False, output_logits=True,
                             return_dict_in_generate=True, pad_token_id=0)
        gaps = []
        for logits in out.logits:
            top = logits[0].topk(2).values
            gaps.append(((top[0] - top[1]) / logits.abs().max()).item())
        found = out.sequences[0, IDS.shape[1]:].tolist()
        if min(gaps) > 0.015 and len(set(found)) >= 4 and choice_is_clear(model):
            return model, found, min(gaps)
    raise SystemExit("no seed gives a well separated answer")


wanted = sys.argv[1:] or list(MODELS)
answers = json.loads((OUT / "expected.json").read_text()) if sys.argv[1:] else {}
for name in wanted:
    kind, config = MODELS[name]
    model, found, gap = separated(kind, config)
    out = OUT / name
    if name in ("qwen2", "mixtral", "phi", "mpt", "mpt_three"):
        c.save_bf16(model, out)
    else:
        model.save_pretrained(out)
    with torch.no_grad():
        read = model if kind is mosaic.Model else kind.from_pretrained(out, dtype=torch.float32).eval()
        got = read(input_ids=IDS, output_hidden_states=True, use_cache=False)
    c.save_tensors(OUT / f"{name}.safetensors", {"input_ids": IDS[0], "logits": got.logits[0]}
                   | {f"hidden.{i}": h[0] for i, h in enumerate(got.hidden_states)})
    answers[name] = {"greedy_ids": found, "smallest_gap": gap}
    print(name, found, "gap %.3f" % gap)
c.save_json(OUT / "expected.json", answers)
c.readable(OUT)
