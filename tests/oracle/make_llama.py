#!/usr/bin/env python3
"""tests/golden/llama: two tiny random LLaMA checkpoints with what transformers computes for them.

untied/  f32 file, head size 8 = D/H, byte-level BPE, ChatML template
tied/    bf16 file, head size 16 (so H*E is 64, not D), tied head, SentencePiece tokenizer
"""

import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

import common as c

GREEDY = 16

c.quiet()


def build(tied):
    config = LlamaConfig(
        vocab_size=300, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, head_dim=16 if tied else 8,
        max_position_embeddings=256, rms_norm_eps=1e-5 if tied else 1e-6, bos_token_id=1,
        eos_token_id=2, pad_token_id=None if tied else 0, tie_word_embeddings=tied,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
    )
    model = LlamaForCausalLM(config).eval()
    model.generation_config.eos_token_id = 2
    return model


def tokenizer(tied, out):
    if tied:
        sp = c.sentencepiece_bpe(300, out / "tokenizer.model")
        inner, names = c.llama_tokenizer_json(sp), {"unk_token": "<unk>"}
    else:
        inner = c.byte_level_bpe(300, ("<pad>", "<s>", "</s>", "<|im_start|>", "<|im_end|>"))
        names = {"pad_token": "<pad>"}
    tok = PreTrainedTokenizerFast(
        tokenizer_object=inner, bos_token="<s>", eos_token="</s>", model_max_length=256,
        clean_up_tokenization_spaces=False, **names
    )
    if not tied:
        tok.chat_template = c.CHATML_TEMPLATE
    tok.save_pretrained(out)
    return tok


def write(name, tied):
    out = c.GOLDEN / "llama" / name
    out.mkdir(parents=True, exist_ok=True)
    model = build(tied)
    tok = tokenizer(tied, out)
    prompt = "What is the colour of the café? 三\n"
    ids = tok(prompt, return_tensors="pt")["input_ids"]
    seed = c.separated_seed(model, [{"input_ids": ids}], GREEDY, 2, embed_gain=0.3 if tied else 1.0,
                            after=c.round_to_bf16 if tied else lambda m: None)
    if tied:
        c.save_bf16(model, out)
    else:
        model.save_pretrained(out)
    with torch.no_grad():
        got = model(input_ids=ids, output_hidden_states=True)
        again = LlamaForCausalLM.from_pretrained(out, dtype=torch.float32).eval()(input_ids=ids).logits
        assert torch.equal(again, got.logits)
        half = LlamaForCausalLM.from_pretrained(out, dtype=torch.bfloat16).eval()(input_ids=ids).logits
    tensors = {"input_ids": ids[0], "logits": got.logits[0]}
    # hidden.0 is the embedding, hidden.i the output of block i; the last one is after the final norm.
    tensors |= {f"hidden.{i}": h[0] for i, h in enumerate(got.hidden_states)}
    found, gap = c.greedy(model, {"input_ids": ids}, GREEDY, 2)
    c.save_tensors(out / "expected.safetensors", tensors)
    record = {"seed": seed, "prompt": prompt, "input_ids": ids[0].tolist(), "greedy_ids": found,
              "greedy_text": tok.decode(found, skip_special_tokens=True), "smallest_gap": gap,
              "bf16_deviation": c.deviation(half[0], got.logits[0])}
    if tok.chat_template:
        messages = [{"role": "user", "content": "Is there a star?"}]
        record["chat"] = {"messages": messages, "text": tok.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True)}
        record["chat"]["input_ids"] = tok(record["chat"]["text"], add_special_tokens=False)["input_ids"]
    c.save_json(out / "expected.json", record)
    c.readable(out)
    print(name, "seed", seed, "T", ids.shape[1], "gap %.4f" % gap, "bf16 %.4f" % record["bf16_deviation"], found)


write("untied", False)
write("tied", True)
