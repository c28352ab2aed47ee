#!/usr/bin/env python3
"""tests/golden/blip2: tiny random BLIP-2 models as transformers saves them, and their stages for two pictures.

opt/       Blip2ForConditionalGeneration over OPT: EVA tower, Q-Former of three layers that reads the picture in every second
t5/        the same over Flan-T5 with the exact gelu: pictures and question are the source
vicuna/    InstructBlipForConditionalGeneration over LLaMA: the Q-Former reads the question by a tokenizer of its own
instruct/  the same over Flan-T5
The last two have tokenizers, and loss and gradients of Q-Former, queries and projection for one picture.

The pictures' soft tokens stand before BOS, in one text, as percept takes more than one picture; the language model gets
them as embeddings, which is what Blip2ForConditionalGeneration does with one.
"""

import shutil

import torch
from PIL import Image
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (Blip2Config, Blip2ForConditionalGeneration, BlipImageProcessorPil, InstructBlipConfig,
                          InstructBlipForConditionalGeneration, PreTrainedTokenizerFast)

import common as c

c.quiet()
OUT = c.GOLDEN / "blip2"
VISION = dict(hidden_size=12, intermediate_size=16, num_hidden_layers=2, num_attention_heads=3, image_size=14, patch_size=7)
QFORMER = dict(hidden_size=8, intermediate_size=12, num_hidden_layers=3, num_attention_heads=2, vocab_size=11,
               max_position_embeddings=12)
OPT = dict(model_type="opt", vocab_size=40, hidden_size=8, ffn_dim=12, num_hidden_layers=2, num_attention_heads=2,
           max_position_embeddings=24, word_embed_proj_dim=8, bos_token_id=2, eos_token_id=2, pad_token_id=1)
T5 = dict(model_type="t5", vocab_size=40, d_model=8, d_kv=4, d_ff=12, num_layers=2, num_decoder_layers=2, num_heads=2,
          relative_attention_num_buckets=8, relative_attention_max_distance=12, n_positions=24, decoder_start_token_id=0,
          feed_forward_proj="gated-gelu", dense_act_fn="gelu", tie_word_embeddings=False, eos_token_id=1, pad_token_id=0)
LLAMA = dict(model_type="llama", vocab_size=40, hidden_size=8, intermediate_size=12, num_hidden_layers=2,
             num_attention_heads=2, max_position_embeddings=64, bos_token_id=2, eos_token_id=2, pad_token_id=1)
IMAGE, QUERIES = 39, 3
QUESTION = "what is the colour"
PICTURES = [Image.open(c.GOLDEN / "llava" / f"{n}.png").convert("RGB") for n in ("shapes", "triangle")]


@torch.no_grad()
def stages(model, pixels, ids):
    """Every stage; the first picture alone goes through the model's own forward pass as well, and must agree."""
    vision = model.vision_model(pixels, output_hidden_states=True)
    features = vision.last_hidden_state
    queries = model.query_tokens.expand(len(pixels), -1, -1)
    read = model.qformer(query_embeds=queries, encoder_hidden_states=features).last_hidden_state
    tokens = model.language_projection(read)
    embeds = model.get_input_embeddings()(torch.where(ids == IMAGE, 0, ids))
    embeds[ids == IMAGE] = tokens.flatten(0, 1)
    got = model.language_model(inputs_embeds=embeds[None], output_hidden_states=True)
    own = model(pixel_values=pixels[:1], input_ids=ids[QUERIES:][None], attention_mask=torch.ones_like(ids[QUERIES:])[None])
    some = torch.cat([tokens[:1].flatten(0, 1), embeds[2 * QUERIES:]])
    assert torch.allclose(own.logits, model.language_model(inputs_embeds=some[None]).logits, atol=1e-5)
    return {"input_ids": ids, "pixel_values": pixels, "encoder.features": features,
            "connector.tokens": tokens.flatten(0, 1), "logits": got.logits[0]} | {
                f"hidden.{i}": h[0] for i, h in enumerate(got.hidden_states)} | {
                    f"vision.hidden.{i}": h for i, h in enumerate(vision.hidden_states)}


@torch.no_grad()
def source_stages(model, pixels, ids, written, asked):
    """Of a model over T5; the first picture alone goes through the model's own forward pass as well, and must agree."""
    stages, embeds = picture_stages(model, pixels, ids, asked)
    t5 = model.language_model
    got = t5(inputs_embeds=embeds[None], decoder_input_ids=written[None], output_hidden_states=True)
    one = ids[QUERIES:]
    if not torch.is_autocast_enabled("cpu"):
        own = model(pixel_values=pixels[:1], input_ids=one[None], attention_mask=torch.ones_like(one)[None],
                    decoder_input_ids=written[None], **question_of(asked, 1))
        some = torch.cat([embeds[:QUERIES], embeds[2 * QUERIES:]])
        assert torch.allclose(own.logits, t5(inputs_embeds=some[None], decoder_input_ids=written[None]).logits, atol=1e-4)
    source, last = got.encoder_last_hidden_state[0], len(got.decoder_hidden_states) - 1
    return stages | {"input_ids": torch.cat([ids, written]), "source": source, "hidden.1": got.decoder_hidden_states[1][0],
                     f"hidden.{last}": torch.cat([source, got.decoder_hidden_states[last][0]]),
                     "logits": torch.cat([t5.lm_head(source), got.logits[0]])}


@torch.no_grad()
def decoder_stages(model, pixels, ids, asked):
    stages, embeds = picture_stages(model, pixels, ids, asked)
    got = model.language_model(inputs_embeds=embeds[None], output_hidden_states=True)
    one = ids[QUERIES:]
    if not torch.is_autocast_enabled("cpu"):
        own = model(pixel_values=pixels[:1], input_ids=one[None], attention_mask=torch.ones_like(one)[None],
                    **question_of(asked, 1))
        some = torch.cat([embeds[:QUERIES], embeds[2 * QUERIES:]])
        assert torch.allclose(own.logits, model.language_model(inputs_embeds=some[None]).logits, atol=1e-4)
    return stages | {"input_ids": ids, "logits": got.logits[0]} | {f"hidden.{i}": h[0] for i, h in enumerate(got.hidden_states)}


def question_of(asked, pictures):
    return {} if asked is None else dict(qformer_input_ids=asked.expand(pictures, -1),
                                         qformer_attention_mask=torch.ones(pictures, len(asked), dtype=torch.long))


def picture_stages(model, pixels, ids, asked):
    vision = model.vision_model(pixels)
    features = vision.last_hidden_state
    queries = model.query_tokens.expand(len(pixels), -1, -1)
    if asked is None:
        read = model.qformer(query_embeds=queries, encoder_hidden_states=features).last_hidden_state
    else:
        mask = torch.ones(len(pixels), QUERIES + len(asked), dtype=torch.long)
        read = model.qformer(input_ids=asked.expand(len(pixels), -1), attention_mask=mask, query_embeds=queries,
                             encoder_hidden_states=features).last_hidden_state[:, :QUERIES]
    tokens = model.language_projection(read)
    embeds = model.get_input_embeddings()(torch.where(ids == IMAGE, 0, ids))
    embeds[ids == IMAGE] = tokens.flatten(0, 1).to(embeds.dtype)
    asked = {} if asked is None else {"qformer_input_ids": asked.expand(len(pixels), -1)}
    return asked | {"pixel_values": pixels, "encoder.features": features, "connector.tokens": tokens.flatten(0, 1)}, embeds


def gradients(model, pixels, ids, asked, answer, written):
    """Of one picture and the answer behind its question."""
    if written is None:
        both = torch.cat([ids[QUERIES:], answer])
        labels = torch.cat([torch.full_like(ids[QUERIES:], -100), answer])
        loss = model(pixel_values=pixels[:1], input_ids=both[None], attention_mask=torch.ones_like(both)[None],
                     labels=labels[None], **question_of(asked, 1)).loss
    else:
        one = ids[QUERIES:]
        loss = model(pixel_values=pixels[:1], input_ids=one[None], attention_mask=torch.ones_like(one)[None],
                     labels=answer[None], **question_of(asked, 1)).loss
    loss.backward()
    kept = ("query_tokens", "qformer.", "language_projection.")
    return {"loss": loss.reshape(1), "answer": answer} | {
        n: p.grad for n, p in model.named_parameters() if n.removeprefix("model.").startswith(kept) and p.grad is not None}


def words(special, text, template):
    """A tokenizer of whole words, for fixtures of a few bytes."""
    vocab = {w: i for i, w in enumerate(special + sorted(set(text.split())))}
    tok = Tokenizer(models.WordLevel(vocab, unk_token=special[0]))
    tok.normalizer = normalizers.Lowercase()
    tok.pre_tokenizer = pre_tokenizers.Whitespace()
    tok.post_processor = processors.TemplateProcessing(single=template, special_tokens=[(s, vocab[s]) for s in special])
    return tok


def reader():
    tok = words(["[UNK]", "[CLS]", "[SEP]", "[PAD]"], QUESTION, "[CLS] $A [SEP]")
    return PreTrainedTokenizerFast(tokenizer_object=tok, unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]", pad_token="[PAD]")


def randomise(model, seed):
    c.randomise(model, seed)
    with torch.no_grad():
        model.query_tokens.copy_(torch.randn(model.query_tokens.shape, generator=torch.Generator().manual_seed(5)))
        for layer in model.vision_model.encoder.layers: # the keys of EVA have no bias
            layer.self_attn.qkv.bias[12:24] = 0
        for name, p in model.language_model.named_parameters():
            if name.endswith(".q.weight"):  # T5's dot products are not scaled
                p *= 0.5
            elif name == "shared.weight":
                p *= 8 ** 0.5


def over(name, kind, text, processor, pixels):
    instruct = name != "t5"
    config = (InstructBlipConfig if instruct else Blip2Config)(
        vision_config=VISION, qformer_config=dict(QFORMER, vocab_size=9) if instruct else QFORMER, text_config=text,
        num_query_tokens=QUERIES, image_token_index=IMAGE)
    model = kind(config).eval()
    if text is T5:
        model.language_model.lm_head.weight = torch.nn.Parameter(torch.empty_like(model.language_model.shared.weight))
    processor.save_pretrained(OUT / name)
    asked = None
    if instruct:
        tok = words(["<unk>", "</s>", "<s>"], QUESTION + " a red circle", "<s> $A" if text is LLAMA else "$A </s>")
        tok = PreTrainedTokenizerFast(tokenizer_object=tok, unk_token="<unk>", eos_token="</s>",
                                      bos_token="<s>" if text is LLAMA else None)
        tok.save_pretrained(OUT / name)
        reader().save_pretrained(OUT / name / "qformer_tokenizer")
        asked = torch.tensor(reader()(QUESTION).input_ids)
        text_ids = tok(QUESTION).input_ids
        answer = torch.tensor(tok("a red circle", add_special_tokens=False).input_ids + [1])
    else:
        text_ids, answer = [9, 33, 12, 7, 1], torch.tensor([5, 1])
    ids = torch.tensor([IMAGE] * 2 * QUERIES + text_ids)
    written = torch.tensor([0, 9, 20, 11]) if text is T5 else None
    for seed in range(23, 300):  # the first model whose stages don't hang on the last bits of a bf16 number
        randomise(model, seed)
        c.round_to_bf16(model)
        run = lambda: source_stages(model, pixels, ids, written, asked) if text is T5 else decoder_stages(model, pixels, ids, asked)
        found = run()
        with torch.autocast("cpu", torch.bfloat16):
            rough = run()
        if max(c.deviation(rough[k].float(), found[k]) for k in rough if k not in ("input_ids", "qformer_input_ids")) < 0.01:
            break
    else:
        raise SystemExit("no seed gives a steady model")
    model.save_pretrained(OUT / name)
    c.save_tensors(OUT / f"{name}.safetensors", found)
    if instruct:
        c.save_tensors(OUT / f"{name}.gradients.safetensors", gradients(model, pixels, ids, asked, answer, written))
    print(name, "seed", seed, ids.tolist(), None if asked is None else asked.tolist())


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    processor = BlipImageProcessorPil(size=dict(height=14, width=14), image_mean=[0.48145466, 0.4578275, 0.40821073],
                                      image_std=[0.26862954, 0.26130258, 0.27577711])
    model = Blip2ForConditionalGeneration(Blip2Config(
        vision_config=VISION, qformer_config=QFORMER, text_config=OPT, num_query_tokens=QUERIES, image_token_index=IMAGE)).eval()
    randomise(model, 21)
    model.save_pretrained(OUT / "opt")
    processor.save_pretrained(OUT / "opt")
    pixels = processor(PICTURES, return_tensors="pt")["pixel_values"]
    ids = torch.tensor([IMAGE] * 2 * QUERIES + [2, 9, 33, 12, 7])
    c.save_tensors(OUT / "opt.safetensors", stages(model, pixels, ids))
    over("t5", Blip2ForConditionalGeneration, T5, processor, pixels)
    over("vicuna", InstructBlipForConditionalGeneration, LLAMA, processor, pixels)
    over("instruct", InstructBlipForConditionalGeneration, T5, processor, pixels)
    c.readable(OUT)


main()
