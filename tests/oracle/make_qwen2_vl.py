#!/usr/bin/env python3
"""tests/golden/qwen2_vl: tiny random Qwen2-VL and Qwen2.5-VL, two pictures of different sizes each.

Features and tokens are those of the second picture, which a trace shows; features in raster order: transformers keeps the
four patches of a token together.
"""

import numpy as np
import torch
from PIL import Image
from transformers import (Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration, Qwen2VLConfig,
                          Qwen2VLForConditionalGeneration)
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

import common as c

c.quiet()
OUT = c.GOLDEN / "qwen2_vl"
PATCH, MERGE, IMAGE, OPEN, CLOSE = 4, 2, 57, 55, 56
TEXT = dict(vocab_size=60, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
            num_key_value_heads=1, max_position_embeddings=256, rms_norm_eps=1e-6, tie_word_embeddings=False,
            rope_parameters=dict(rope_type="default", rope_theta=10000.0, mrope_section=[1, 1, 2]))
PICTURES = [c.GOLDEN / "llava/shapes.png", c.GOLDEN / "llava/triangle.png"]
CROPS = [(0, 0, 29, 22), (2, 1, 19, 32)]


def raster(rows, columns):
    """Raster index of each patch in transformers' order."""
    grid = torch.arange(rows * columns).reshape(rows // MERGE, MERGE, columns // MERGE, MERGE)
    return grid.permute(0, 2, 1, 3).flatten()


def make(name, cls, config, seed):
    model = cls(config).eval()
    c.randomise(model, seed)
    c.round_to_bf16(model)
    c.save_bf16(model, OUT / name)
    processor = Qwen2VLImageProcessorPil(patch_size=PATCH, merge_size=MERGE, min_pixels=400, max_pixels=600)
    processor.save_pretrained(OUT / name)
    images = [Image.open(p).convert("RGB").resize((32, 32)).crop(box) for p, box in zip(PICTURES, CROPS)]
    got = processor(images, return_tensors="pt")
    patches, grids = got["pixel_values"].float(), got["image_grid_thw"]
    ids, pixels, orders, done = [7], [], [], 0
    for _, rows, columns in grids.tolist():
        order = raster(rows, columns)
        orders.append(order)
        mine = torch.empty(rows * columns, 3, PATCH, PATCH)
        mine[order] = patches[done:done + rows * columns].reshape(-1, 3, 2, PATCH, PATCH)[:, :, 0]
        pixels.append(mine.reshape(rows, columns, 3, PATCH, PATCH).permute(2, 0, 3, 1, 4).flatten())
        done += rows * columns
        ids += [OPEN] + [IMAGE] * (rows * columns // MERGE ** 2) + [CLOSE, 12]
    ids = torch.tensor([ids + [30, 4]])
    towers = []
    model.model.visual.register_forward_hook(lambda m, i, o: towers.append(o))
    with torch.no_grad():
        out = model(input_ids=ids, mm_token_type_ids=(ids == IMAGE).int(), pixel_values=patches, image_grid_thw=grids,
                    output_hidden_states=True)
    features, tokens = towers[0].last_hidden_state, towers[0].pooler_output
    tokens = torch.cat(tokens) if isinstance(tokens, (tuple, list)) else tokens
    parts, done = [], 0
    for order in orders:
        part = torch.empty(len(order), features.shape[-1])
        part[order] = features[done:done + len(order)]
        parts.append(part)
        done += len(order)
    c.save_tensors(OUT / f"{name}.safetensors", {
        "pixel_values": torch.cat(pixels), "image_sizes": torch.tensor([[i.height, i.width] for i in images]),
        "input_ids": ids[0], "encoder.features": parts[-1],
        "connector.tokens": tokens[-(len(orders[-1]) // MERGE ** 2):],
        "logits": out.logits[0]} | {f"hidden.{i}": h[0] for i, h in enumerate(out.hidden_states)})
    print(name, grids.tolist(), features.shape, tokens.shape)


make("2", Qwen2VLForConditionalGeneration, Qwen2VLConfig(
    text_config=dict(TEXT), image_token_id=IMAGE, vision_start_token_id=OPEN, vision_end_token_id=CLOSE, video_token_id=58,
    vision_config=dict(depth=2, embed_dim=16, hidden_size=16, num_heads=2, mlp_ratio=2, patch_size=PATCH,
                       spatial_merge_size=MERGE)), 31)
make("2_5", Qwen2_5_VLForConditionalGeneration, Qwen2_5_VLConfig(
    text_config=dict(TEXT), image_token_id=IMAGE, vision_start_token_id=OPEN, vision_end_token_id=CLOSE, video_token_id=58,
    vision_config=dict(depth=3, hidden_size=16, intermediate_size=20, out_hidden_size=16, num_heads=2, patch_size=PATCH,
                       spatial_merge_size=MERGE, window_size=16, fullatt_block_indexes=[1])), 32)
c.readable(OUT)


# --- a whole directory: tokenizer, chat template of the hub, greedy answer ---

TEMPLATE = (
    "{% set image_count = namespace(value=0) %}{% set video_count = namespace(value=0) %}{% for message in messages %}"
    "{% if loop.first and message['role'] != 'system' %}<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}"
    "<|im_start|>{{ message['role'] }}\n{% if message['content'] is string %}{{ message['content'] }}<|im_end|>\n{% else %}"
    "{% for content in message['content'] %}{% if content['type'] == 'image' or 'image' in content or 'image_url' in content %}"
    "{% set image_count.value = image_count.value + 1 %}{% if add_vision_id %}Picture {{ image_count.value }}: {% endif %}"
    "<|vision_start|><|image_pad|><|vision_end|>{% elif content['type'] == 'video' or 'video' in content %}"
    "{% set video_count.value = video_count.value + 1 %}{% if add_vision_id %}Video {{ video_count.value }}: {% endif %}"
    "<|vision_start|><|video_pad|><|vision_end|>{% elif 'text' in content %}{{ content['text'] }}{% endif %}{% endfor %}<|im_end|>\n"
    "{% endif %}{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]
QUESTION = "What is the colour?"


def tokenizer():
    """Qwen2's kind: bytes, NFC, its own split, no BOS."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    split = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
    tok = Tokenizer(models.BPE())
    tok.normalizer = normalizers.NFC()
    tok.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(split), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tok.decoder = decoders.ByteLevel()
    tok.post_processor = processors.ByteLevel(trim_offsets=False)
    tok.train_from_iterator(c.CORPUS, trainers.BpeTrainer(vocab_size=280, show_progress=False,
                                                          initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())))
    out = PreTrainedTokenizerFast(tokenizer_object=tok, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    out.add_special_tokens({"additional_special_tokens": SPECIAL})
    out.chat_template = TEMPLATE
    return out


@torch.no_grad()
def chat(pictures=1, tokens=6):
    tok = tokenizer()
    ids = [tok.convert_tokens_to_ids(t) for t in SPECIAL]
    processor = Qwen2VLImageProcessorPil(patch_size=PATCH, merge_size=MERGE, min_pixels=400, max_pixels=600)
    got = processor([Image.open(PICTURES[0]).convert("RGB")], return_tensors="pt")
    count = int(got["image_grid_thw"].prod()) // MERGE ** 2
    said = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": QUESTION}]}]
    text = tok.apply_chat_template(said, tokenize=False, add_generation_prompt=True)
    prompt = torch.tensor([tok(text.replace("<|image_pad|>", "<|image_pad|>" * count)).input_ids])
    inputs = dict(input_ids=prompt, mm_token_type_ids=(prompt == ids[5]).int(), pixel_values=got["pixel_values"].float(),
                  image_grid_thw=got["image_grid_thw"])
    config = Qwen2VLConfig(
        text_config=dict(TEXT, vocab_size=292, num_hidden_layers=1, bos_token_id=ids[0],
                         eos_token_id=ids[2]),
        image_token_id=ids[5], vision_start_token_id=ids[3], vision_end_token_id=ids[4], video_token_id=ids[6],
        vision_config=dict(depth=1, embed_dim=16, hidden_size=16, num_heads=2, mlp_ratio=2, patch_size=PATCH, spatial_merge_size=MERGE))
    for seed in range(1, 300):
        model = Qwen2VLForConditionalGeneration(config).eval()
        c.randomise(model, seed)
        c.round_to_bf16(model)
        found, gaps, now = [], [], dict(inputs)
        for _ in range(tokens):
            logits = model(**now).logits[0, -1]
            top = logits.topk(2).values
            gaps.append(((top[0] - top[1]) / logits.abs().max()).item())
            found.append(int(logits.argmax()))
            more = torch.cat([now["input_ids"], torch.tensor([[found[-1]]])], 1)
            now |= dict(input_ids=more, mm_token_type_ids=(more == ids[5]).int())
        if min(gaps) > 0.02 and len(set(found)) >= 3 and max(found) < ids[0]:
            break
    else:
        raise SystemExit("no seed gives a well separated answer")
    c.save_bf16(model, OUT / "chat")
    processor.save_pretrained(OUT / "chat")
    tok.save_pretrained(OUT / "chat")
    c.save_json(OUT / "chat" / "expected.json", {"question": QUESTION, "ids": prompt[0].tolist(), "greedy_ids": found})
    c.readable(OUT)
    print("chat", seed, found, prompt.shape)


chat()
