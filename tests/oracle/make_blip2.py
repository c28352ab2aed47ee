#!/usr/bin/env python3
"""tests/golden/blip2: tiny random BLIP-2 models as transformers saves them, and their stages for two pictures.

opt/  Blip2ForConditionalGeneration over OPT: EVA tower, Q-Former of three layers that reads the picture in every second

The pictures' soft tokens stand before BOS, in one text, as percept takes more than one picture; the language model gets
them as embeddings, which is what Blip2ForConditionalGeneration does with one.
"""

import shutil

import torch
from PIL import Image
from transformers import Blip2Config, Blip2ForConditionalGeneration, BlipImageProcessorPil

import common as c

c.quiet()
OUT = c.GOLDEN / "blip2"
VISION = dict(hidden_size=12, intermediate_size=16, num_hidden_layers=2, num_attention_heads=3, image_size=14, patch_size=7)
QFORMER = dict(hidden_size=8, intermediate_size=12, num_hidden_layers=3, num_attention_heads=2, vocab_size=11,
               max_position_embeddings=12)
OPT = dict(model_type="opt", vocab_size=40, hidden_size=8, ffn_dim=12, num_hidden_layers=2, num_attention_heads=2,
           max_position_embeddings=24, word_embed_proj_dim=8, bos_token_id=2, eos_token_id=2, pad_token_id=1)
IMAGE, QUERIES = 39, 3
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


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    processor = BlipImageProcessorPil(size=dict(height=14, width=14), image_mean=[0.48145466, 0.4578275, 0.40821073],
                                      image_std=[0.26862954, 0.26130258, 0.27577711])
    model = Blip2ForConditionalGeneration(Blip2Config(
        vision_config=VISION, qformer_config=QFORMER, text_config=OPT, num_query_tokens=QUERIES, image_token_index=IMAGE)).eval()
    c.randomise(model, 21)
    with torch.no_grad():
        model.query_tokens.copy_(torch.randn(model.query_tokens.shape, generator=torch.Generator().manual_seed(5)))
        for layer in model.vision_model.encoder.layers: # the keys of EVA have no bias
            layer.self_attn.qkv.bias[12:24] = 0
    model.save_pretrained(OUT / "opt")
    processor.save_pretrained(OUT / "opt")
    pixels = processor(PICTURES, return_tensors="pt")["pixel_values"]
    ids = torch.tensor([IMAGE] * 2 * QUERIES + [2, 9, 33, 12, 7])
    c.save_tensors(OUT / "opt.safetensors", stages(model, pixels, ids))
    c.readable(OUT)


main()
