#!/usr/bin/env python3
"""tests/golden/llava_next and tests/golden/llava_original: LLaVA 1.6 as transformers lays it out, and LLaVA 1.0, 1.5, 1.6 and
LLaVA-Med 1.5 as their authors do. The weights of the original layouts are those of a transformers model, renamed, so that it
gives the truth; 1.0's single linear layer is computed here.

Pixels come from the Pillow image processors (backend="pil"); ids have no tokenizer behind them.
"""

import shutil

import torch
from PIL import Image
from safetensors.torch import save_file
from transformers import (CLIPImageProcessorPil, LlavaConfig, LlavaForConditionalGeneration, LlavaNextConfig,
                          LlavaNextForConditionalGeneration)
from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil

import common as c

c.quiet()
NEXT, ORIGINAL = c.GOLDEN / "llava_next", c.GOLDEN / "llava_original"
SIDE, PATCH, IMAGE = 14, 7, 47
GRIDS = [[14, 28], [28, 14], [28, 28], [42, 14], [14, 42]]  # height, width
VISION = dict(model_type="clip_vision_model", hidden_size=16, intermediate_size=24, num_hidden_layers=3,
              num_attention_heads=2, image_size=SIDE, patch_size=PATCH, projection_dim=16)
TEXT = dict(vocab_size=48, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
            num_key_value_heads=1, max_position_embeddings=256, rms_norm_eps=1e-5)
COMMON = dict(image_token_index=IMAGE, vision_feature_layer=-2, vision_feature_select_strategy="default")
# 45 x 33 has its padding above and below, 24 x 40 left and right.
PICTURES = [Image.open(c.GOLDEN / "llava" / n).convert("RGB") for n in ("shapes.png", "triangle.png")]
SIZES = dict(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE})
PREPROCESSOR = {"crop_size": SIDE, "do_center_crop": True, "do_normalize": True, "do_resize": True,
                "feature_extractor_type": "CLIPFeatureExtractor", "image_mean": [0.48145466, 0.4578275, 0.40821073],
                "image_std": [0.26862954, 0.26130258, 0.27577711], "resample": 3, "size": SIDE}


def tiled():
    """Pixels of both pictures, their sizes, and how many tiles each has."""
    got = LlavaNextImageProcessorPil(**SIZES, image_grid_pinpoints=GRIDS)(PICTURES, return_tensors="pt")
    counts = [int((p.abs().flatten(1).sum(1) > 0).sum()) for p in got["pixel_values"]]
    return got["pixel_values"], got["image_sizes"], counts


@torch.no_grad()
def next_truth(model, pixels, sizes, counts):
    image = model.model.get_image_features(pixel_values=pixels, image_sizes=sizes, return_dict=True)
    packed = list(image.pooler_output if hasattr(image, "pooler_output") else image)
    ids = torch.tensor([[1, 5] + [IMAGE] * len(packed[0]) + [9] + [IMAGE] * len(packed[1]) + [12, 33, 20]])
    flat = torch.cat([p[:n] for p, n in zip(pixels, counts)])
    features = model.model.vision_tower(flat, output_hidden_states=True).hidden_states[-2][:, 1:]
    tokens = model.model.multi_modal_projector(features)
    got = model(input_ids=ids, pixel_values=pixels, image_sizes=sizes, output_hidden_states=True)
    return {"input_ids": ids[0], "pixel_values": flat, "image_sizes": sizes, "encoder.features": features,
            "connector.tokens": tokens.flatten(0, 1), "connector.packed": torch.cat(packed), "logits": got.logits[0]} | {
                f"hidden.{i}": h[0] for i, h in enumerate(got.hidden_states)}


def original_name(name):
    for theirs, ours in (("model.vision_tower.", "model.vision_tower.vision_tower.vision_model."),
                         ("model.multi_modal_projector.linear_1.", "model.mm_projector.0."),
                         ("model.multi_modal_projector.linear_2.", "model.mm_projector.2."),
                         ("model.language_model.", "model.")):
        if name.startswith(theirs):
            return ours + name[len(theirs):]
    return name


def save_original(name, state, model_type, **keys):
    out = ORIGINAL / name
    out.mkdir(parents=True, exist_ok=True)
    save_file({k: v.contiguous().clone() for k, v in state.items()}, str(out / "model.safetensors"), metadata={"format": "pt"})
    c.save_json(out / "config.json", TEXT | {
        "model_type": model_type, "hidden_act": "silu", "rope_theta": 10000.0, "tie_word_embeddings": False, "torch_dtype": "float16",
        "mm_hidden_size": 16, "mm_vision_select_layer": -2, "mm_vision_select_feature": "patch",
        "mm_vision_tower": "somebody/tiny-clip", "mm_use_im_patch_token": False, "use_mm_proj": True,
        "mm_use_im_start_end": False} | keys)


def save_tower(state):
    out = ORIGINAL / "tiny-clip"
    out.mkdir(parents=True, exist_ok=True)
    prefix = "model.vision_tower.vision_tower."
    save_file({k[len(prefix):]: v.contiguous().clone() for k, v in state.items() if k.startswith(prefix)},
              str(out / "model.safetensors"), metadata={"format": "pt"})
    c.save_json(out / "config.json", {"architectures": ["CLIPModel"], "model_type": "clip", "projection_dim": 16,
                                      "vision_config": {k: v for k, v in VISION.items()}, "text_config": {}})
    c.save_json(out / "preprocessor_config.json", PREPROCESSOR)


@torch.no_grad()
def plain_truth(model, project, pixels):
    """The stages of a model without tiles; `project` maps features to tokens."""
    features = model.model.vision_tower(pixels, output_hidden_states=True).hidden_states[-2][:, 1:]
    tokens = project(features)
    count = tokens.shape[1]
    ids = torch.tensor([1, 5] + [IMAGE] * count + [9] + [IMAGE] * count + [12, 33])
    embeds = model.get_input_embeddings()(ids)
    embeds[ids == IMAGE] = tokens.flatten(0, 1)
    got = model.model.language_model(inputs_embeds=embeds[None], output_hidden_states=True)
    hidden = list(got.hidden_states)
    hidden[-1] = got.last_hidden_state
    return {"pixel_values": pixels, "encoder.features": features, "connector.tokens": tokens.flatten(0, 1),
            "logits": model.lm_head(hidden[-1])[0]} | {f"hidden.{i}": h[0] for i, h in enumerate(hidden)}, ids


def with_placeholder(truth, ids):
    """The original layouts have no placeholder in the vocabulary: percept takes the first id behind it."""
    ids = ids.clone()
    ids[ids == IMAGE] = TEXT["vocab_size"]
    return truth | {"input_ids": ids}


def padded(picture):
    side = max(picture.size)
    out = Image.new("RGB", (side, side), (122, 116, 104))
    out.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
    return out


def main():
    for folder in (NEXT, ORIGINAL):
        shutil.rmtree(folder, ignore_errors=True)
    processor = CLIPImageProcessorPil(**SIZES)
    model = LlavaNextForConditionalGeneration(LlavaNextConfig(
        vision_config=VISION, text_config=dict(TEXT, model_type="llama"), image_grid_pinpoints=GRIDS, **COMMON)).eval()
    c.randomise(model, 3)
    with torch.no_grad():
        model.model.image_newline.copy_(torch.linspace(-1, 1, 16))
    model.save_pretrained(NEXT / "hf")
    LlavaNextImageProcessorPil(**SIZES, image_grid_pinpoints=GRIDS).save_pretrained(NEXT / "hf")
    truth = next_truth(model, *tiled())
    c.save_tensors(NEXT / "hf.safetensors", truth)
    state = {original_name(k): v for k, v in model.state_dict().items()}
    save_original("llava-v1.6-tiny", state, "llava_llama", mm_projector_type="mlp2x_gelu", image_aspect_ratio="anyres",
                  image_grid_pinpoints=[g[::-1] for g in GRIDS], mm_patch_merge_type="spatial_unpad")
    c.save_tensors(ORIGINAL / "v1.6.safetensors", with_placeholder(truth, truth["input_ids"]))
    print("next", [tuple(v.shape) for k, v in truth.items() if k in ("pixel_values", "connector.packed")], truth["image_sizes"].tolist())

    model = LlavaForConditionalGeneration(LlavaConfig(
        vision_config=VISION, text_config=dict(TEXT, model_type="llama"), image_seq_length=4, **COMMON)).eval()
    c.randomise(model, 4)
    state = {original_name(k): v for k, v in model.state_dict().items()}
    save_tower(state)
    language = {k: v for k, v in state.items() if not k.startswith("model.vision_tower.")}
    save_original("llava-v1.5-tiny", language, "llava_llama", mm_projector_type="mlp2x_gelu", image_aspect_ratio="pad")
    pixels = processor([padded(p) for p in PICTURES], return_tensors="pt")["pixel_values"]
    c.save_tensors(ORIGINAL / "v1.5.safetensors", with_placeholder(*plain_truth(model, model.model.multi_modal_projector, pixels)))
    pixels = processor(PICTURES, return_tensors="pt")["pixel_values"]
    linear = model.model.multi_modal_projector.linear_1
    one = {k: v for k, v in language.items() if "mm_projector" not in k}
    one |= {"model.mm_projector.weight": linear.weight.data, "model.mm_projector.bias": linear.bias.data}
    save_original("llava-7b-v0", one, "llava", mm_use_im_start_end=True)
    c.save_tensors(ORIGINAL / "v1.0.safetensors", with_placeholder(*plain_truth(model, linear, pixels)))

    model = LlavaForConditionalGeneration(LlavaConfig(
        vision_config=VISION, text_config=dict(TEXT, model_type="mistral", sliding_window=6), image_seq_length=4, **COMMON)).eval()
    c.randomise(model, 4)
    state = {original_name(k): v for k, v in model.state_dict().items() if not k.startswith("model.vision_tower.")}
    extra = torch.nn.Linear(16, 16)
    c.randomise(torch.nn.ModuleDict({"extra": extra}), 6)
    state |= {"model.mm_projector.4.weight": extra.weight.data, "model.mm_projector.4.bias": extra.bias.data}
    save_original("llava-med-tiny", state, "llava_mistral", mm_projector_type="mlp3x_gelu", image_aspect_ratio="square",
                  sliding_window=6)
    deep = torch.nn.Sequential(model.model.multi_modal_projector, torch.nn.GELU(), extra)
    c.save_tensors(ORIGINAL / "med.safetensors", with_placeholder(*plain_truth(model, deep, pixels)))
    for folder in (NEXT, ORIGINAL):
        c.readable(folder)


main()
