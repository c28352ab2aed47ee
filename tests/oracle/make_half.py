#!/usr/bin/env python3
"""tests/golden/half: checkpoints in f16, LLaVA and Qwen2, with the stages that transformers computes from these numbers in f32.

What percept must do with a half-precision checkpoint: read its numbers as they are stored and compute with them in f32.
"""

import shutil

import torch
from PIL import Image
from transformers import (CLIPImageProcessorPil, LlavaConfig, LlavaForConditionalGeneration, Qwen2Config, Qwen2ForCausalLM)

import common as c

c.quiet()
HALF = c.GOLDEN / "half"
SIDE, IMAGE = 14, 47
VISION = dict(model_type="clip_vision_model", hidden_size=16, intermediate_size=24, num_hidden_layers=3,
              num_attention_heads=2, image_size=SIDE, patch_size=7, projection_dim=16)
TEXT = dict(vocab_size=48, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
            num_key_value_heads=1, max_position_embeddings=256, rms_norm_eps=1e-5)


def rounded(model, seed, folder):
    """Random weights (of seeds with which products in bf16 lose less than 2 %), saved in f16, and the model with those very
    numbers in f32, read again because model.half() rounds rotary tables too."""
    c.randomise(model, seed)
    model.half().save_pretrained(folder)
    return type(model).from_pretrained(folder, dtype=torch.float32).eval()


def named_hidden(got):
    return {f"hidden.{i}": h[0] for i, h in enumerate(got.hidden_states)}


@torch.no_grad()
def main():
    shutil.rmtree(HALF, ignore_errors=True)
    model = rounded(LlavaForConditionalGeneration(LlavaConfig(
        vision_config=VISION, text_config=dict(TEXT, model_type="llama"), image_seq_length=4, image_token_index=IMAGE,
        vision_feature_layer=-2, vision_feature_select_strategy="default")), 9, HALF / "llava")
    processor = CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE})
    processor.save_pretrained(HALF / "llava")
    pixels = processor([Image.open(c.GOLDEN / "llava" / n).convert("RGB") for n in ("shapes.png", "triangle.png")],
                       return_tensors="pt")["pixel_values"]
    features = model.model.vision_tower(pixels, output_hidden_states=True).hidden_states[-2][:, 1:]
    tokens = model.model.multi_modal_projector(features)
    ids = torch.tensor([[1, 5] + [IMAGE] * tokens.shape[1] + [9] + [IMAGE] * tokens.shape[1] + [12, 33]])
    got = model(input_ids=ids, pixel_values=pixels, output_hidden_states=True)
    c.save_tensors(HALF / "llava.safetensors", {
        "input_ids": ids[0], "pixel_values": pixels, "encoder.features": features, "connector.tokens": tokens.flatten(0, 1),
        "logits": got.logits[0]} | named_hidden(got))

    model = rounded(Qwen2ForCausalLM(Qwen2Config(**TEXT, tie_word_embeddings=True)), 5, HALF / "qwen2")
    ids = torch.tensor([[1, 5, 9, 30, 12, 33, 7, 2]])
    got = model(input_ids=ids, output_hidden_states=True)
    c.save_tensors(HALF / "qwen2.safetensors", {"input_ids": ids[0], "logits": got.logits[0]} | named_hidden(got))
    c.readable(HALF / "llava")
    c.readable(HALF / "qwen2")


main()
