#!/usr/bin/env python3
"""tests/golden/vit: LlavaForConditionalGeneration over a tiny random ViT, in bf16."""

import torch
from transformers import LlavaConfig, LlavaForConditionalGeneration

import common as c

c.quiet()
OUT = c.GOLDEN / "vit"
SIDE = 21

model = LlavaForConditionalGeneration(LlavaConfig(
    vision_config=dict(model_type="vit", hidden_size=12, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2,
                       image_size=SIDE, patch_size=7),
    text_config=dict(model_type="llama", vocab_size=60, hidden_size=16, intermediate_size=20, num_hidden_layers=2,
                     num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=64),
    image_token_index=59, image_seq_length=9, vision_feature_layer=-2, vision_feature_select_strategy="default")).eval()
c.randomise(model, 21)
c.round_to_bf16(model)
c.save_bf16(model, OUT / "llava")
pixels = torch.randn(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(5))
ids = torch.tensor([[1, 7] + [59] * 9 + [12, 30, 4]])
with torch.no_grad():
    got = model(pixel_values=pixels, input_ids=ids, output_hidden_states=True)
    features = model.model.vision_tower(pixels, output_hidden_states=True).hidden_states[-2][:, 1:]
    tokens = model.model.multi_modal_projector(features)
assert torch.equal(torch.cat(list(got.image_hidden_states)), tokens.flatten(0, 1))
c.save_tensors(OUT / "llava.safetensors", {
    "pixel_values": pixels, "input_ids": ids[0], "encoder.features": features, "connector.tokens": tokens.flatten(0, 1),
    "logits": got.logits[0]} | {f"hidden.{i}": h[0] for i, h in enumerate(got.hidden_states)})
c.readable(OUT)
