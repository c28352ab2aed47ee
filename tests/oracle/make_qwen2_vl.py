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
