#!/usr/bin/env python3
"""tests/golden/siglip: a tiny random SigLIP with both towers.

both/   SiglipModel: pooling head, bidirectional text tower pooled at its last row, scale and bias
llava/  LlavaForConditionalGeneration over such a tower ("full": every patch is a feature)

23 pixels in patches of 7 leave a margin of two, as 384 in patches of 14 do in SO400M.
"""

import torch
from transformers import LlavaConfig, LlavaForConditionalGeneration, SiglipConfig, SiglipModel

import common as c

c.quiet()
OUT = c.GOLDEN / "siglip"
VISION = dict(model_type="siglip_vision_model", hidden_size=24, intermediate_size=40, num_hidden_layers=2,
              num_attention_heads=3, image_size=23, patch_size=7)


def both():
    model = SiglipModel(SiglipConfig(
        vision_config=VISION,
        text_config=dict(hidden_size=24, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
                         vocab_size=60, max_position_embeddings=8, bos_token_id=2, eos_token_id=1, pad_token_id=1,
                         projection_size=24))).eval()
    c.randomise(model, 11)
    with torch.no_grad():
        model.logit_scale.fill_(1.5)
        model.logit_bias.fill_(-2.0)
    model.save_pretrained(OUT / "both")
    g = torch.Generator().manual_seed(4)
    pixels = torch.randn(2, 3, 23, 23, generator=g)
    text = torch.tensor([[5, 17, 40, 1, 1, 1, 1, 1], [9, 33, 8, 51, 27, 3, 44, 1]])
    with torch.no_grad():
        got = model(pixel_values=pixels, input_ids=text)
        vision = model.vision_model(pixel_values=pixels, output_hidden_states=True)
        texts = model.text_model(input_ids=text, output_hidden_states=True)
    tensors = {"pixel_values": pixels, "input_ids": text}
    tensors |= {f"vision.hidden.{i}": h for i, h in enumerate(vision.hidden_states)}
    tensors |= {f"text.hidden.{i}": h for i, h in enumerate(texts.hidden_states)}
    tensors |= {"image_embeds": got.image_embeds, "text_embeds": got.text_embeds,
                "logits_per_image": got.logits_per_image}
    c.save_tensors(OUT / "both.safetensors", tensors)


def llava():
    model = LlavaForConditionalGeneration(LlavaConfig(
        vision_config=dict(VISION, vision_use_head=False),
        text_config=dict(model_type="llama", vocab_size=60, hidden_size=16, intermediate_size=24, num_hidden_layers=2,
                         num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=64),
        image_token_index=59, image_seq_length=9, vision_feature_layer=-1,
        vision_feature_select_strategy="full")).eval()
    c.randomise(model, 12)
    c.round_to_bf16(model)
    c.save_bf16(model, OUT / "llava")
    g = torch.Generator().manual_seed(5)
    pixels = torch.randn(1, 3, 23, 23, generator=g)
    ids = torch.tensor([[1, 7] + [59] * 9 + [12, 30, 4]])
    with torch.no_grad():
        got = model(pixel_values=pixels, input_ids=ids, output_hidden_states=True)
        features = model.model.vision_tower(pixels, output_hidden_states=True).hidden_states[-1]
        tokens = model.model.multi_modal_projector(features)
    assert torch.equal(torch.cat(list(got.image_hidden_states)), tokens.flatten(0, 1))
    c.save_tensors(OUT / "llava.safetensors", {
        "pixel_values": pixels, "input_ids": ids[0], "encoder.features": features,
        "connector.tokens": tokens.flatten(0, 1), "logits": got.logits[0]}
        | {f"hidden.{i}": h[0] for i, h in enumerate(got.hidden_states)})


both()
llava()
c.readable(OUT)
