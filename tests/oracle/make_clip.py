#!/usr/bin/env python3
"""tests/golden/clip: a tiny random CLIP (both towers) with every stage of its forward pass.

openai CLIP layout: quick_gelu, class token, pre_layrnorm, pooled class token after post_layernorm;
causal text tower, pooled at the first end token (eos_token_id != 2, the rule since 2023).
"""

import torch
from transformers import CLIPConfig, CLIPModel

import common as c

c.quiet()
OUT = c.GOLDEN / "clip"
EOS = 98

model = CLIPModel(CLIPConfig(
    projection_dim=16,
    vision_config=dict(hidden_size=32, intermediate_size=64, num_hidden_layers=3,
                       num_attention_heads=4, image_size=28, patch_size=7, projection_dim=16,
                       hidden_act="quick_gelu"),
    text_config=dict(hidden_size=24, intermediate_size=48, num_hidden_layers=2,
                     num_attention_heads=3, vocab_size=99, max_position_embeddings=12,
                     projection_dim=16, hidden_act="quick_gelu", bos_token_id=97,
                     eos_token_id=EOS, pad_token_id=EOS),
)).eval()
c.randomise(model, 5)
model.save_pretrained(OUT)

g = torch.Generator().manual_seed(3)
pixels = torch.randn(2, 3, 28, 28, generator=g)
# Padding repeats the end token, as CLIP's tokenizer does: the first one counts.
text = torch.tensor([[97, 5, 17, 40, EOS, EOS, EOS, EOS], [97, 90, 8, 77, 61, 2, 33, EOS],
                     [97, 12, EOS, EOS, EOS, EOS, EOS, EOS]])
mask = torch.ones_like(text)
with torch.no_grad():
    got = model(pixel_values=pixels, input_ids=text, attention_mask=mask, return_loss=False,
                output_hidden_states=True)
    vision = model.vision_model(pixel_values=pixels, output_hidden_states=True)
    texts = model.text_model(input_ids=text, attention_mask=mask, output_hidden_states=True)
    half = CLIPModel.from_pretrained(OUT, dtype=torch.bfloat16).eval()(
        pixel_values=pixels.bfloat16(), input_ids=text, attention_mask=mask)
    # Contrastive loss needs as many texts as images.
    loss = model(pixel_values=pixels, input_ids=text[:2], attention_mask=mask[:2], return_loss=True).loss

tensors = {"pixel_values": pixels, "input_ids": text}
# vision.hidden.0 is after pre_layrnorm, .i after block i, none after post_layernorm.
tensors |= {f"vision.hidden.{i}": h for i, h in enumerate(vision.hidden_states)}
tensors |= {f"text.hidden.{i}": h for i, h in enumerate(texts.hidden_states)}
tensors |= {
    "vision.pooled": vision.pooler_output, "text.last_hidden": texts.last_hidden_state,
    "text.pooled": texts.pooler_output,
    # The projections before and after division by their length.
    "image_projected": model.visual_projection(vision.pooler_output),
    "text_projected": model.text_projection(texts.pooler_output),
    "image_embeds": got.image_embeds, "text_embeds": got.text_embeds,
    "logits_per_image": got.logits_per_image, "contrastive_loss_of_first_2": loss,
}
c.save_tensors(OUT / "expected.safetensors", tensors)
c.readable(OUT)
print("bf16", {k: round(c.deviation(half[k], got[k]), 4) for k in ("image_embeds", "text_embeds", "logits_per_image")})
