#!/usr/bin/env python3
"""tests/golden/mobilevlm: MobileVLM 1 and 2 in their authors' layout, on tiny random weights.

v1/, v2/  config.json (model_type mobilevlm, mm_projector_type ldpnet, ldpnetv2), weights with the CLIP tower among them

CLIP and LLaMA are transformers' classes; the projectors are written here with torch's convolutions, after
vision_projector.py of the authors.
"""

import shutil

import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F
from transformers import CLIPImageProcessorPil, CLIPVisionConfig, CLIPVisionModel, LlamaConfig, LlamaForCausalLM

import common as c

c.quiet()
OUT = c.GOLDEN / "mobilevlm"
SIDE, WIDTH, INNER = 16, 16, 8
VISION = dict(hidden_size=INNER, intermediate_size=12, num_hidden_layers=2, num_attention_heads=2, image_size=SIDE, patch_size=4)
TEXT = dict(vocab_size=40, hidden_size=WIDTH, intermediate_size=20, num_hidden_layers=2, num_attention_heads=2,
            num_key_value_heads=2, max_position_embeddings=64, rms_norm_eps=1e-6)


class PixelNorm(nn.LayerNorm):
    def forward(self, x):
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Squeeze(nn.Module):
    def __init__(self, width, inner):
        super().__init__()
        self.fc1, self.fc2 = nn.Conv2d(width, inner, 1), nn.Conv2d(inner, width, 1)

    def forward(self, x):
        return x * F.hardsigmoid(self.fc2(F.relu(self.fc1(F.adaptive_avg_pool2d(x, 1)))))


class Inverted(nn.Module):
    def __init__(self, width, stride):
        super().__init__()
        self.residual = stride == 1
        self.block = nn.Sequential(
            nn.Sequential(nn.Conv2d(width, width, 3, stride, 1, groups=width, bias=False), PixelNorm(width), nn.Hardswish()),
            Squeeze(width, 8), nn.Sequential(nn.Conv2d(width, width, 1, bias=False), PixelNorm(width)))

    def forward(self, x):
        return self.block(x) + x if self.residual else self.block(x)


class Ldp(nn.Module):
    def __init__(self):
        super().__init__()
        self.model = nn.Module()
        self.model.mlp = nn.Sequential(nn.Identity(), nn.Linear(INNER, WIDTH), nn.GELU(), nn.Linear(WIDTH, WIDTH))
        self.model.mb_block = nn.Sequential(nn.Identity(), Inverted(WIDTH, 1), Inverted(WIDTH, 2))

    def forward(self, x):
        x = self.model.mlp(x).transpose(1, 2).unflatten(2, (4, 4))
        return self.model.mb_block(x).flatten(2).transpose(1, 2)


class LdpV2(nn.Module):
    def __init__(self):
        super().__init__()
        self.mlp, self.peg = nn.Module(), nn.Module()
        self.mlp.mlp = nn.Sequential(nn.Linear(INNER, WIDTH), nn.GELU(), nn.Linear(WIDTH, WIDTH))
        self.peg.peg = nn.Sequential(nn.Conv2d(WIDTH, WIDTH, 3, 1, 1, groups=WIDTH))

    def forward(self, x):
        x = F.adaptive_avg_pool2d(self.mlp.mlp(x).transpose(1, 2).unflatten(2, (4, 4)), 2)
        return (self.peg.peg(x) + x).flatten(2).transpose(1, 2)


@torch.no_grad()
def save(name, kind, projector, seed):
    tower, language = CLIPVisionModel(CLIPVisionConfig(**VISION)).eval(), LlamaForCausalLM(LlamaConfig(**TEXT)).eval()
    for i, module in enumerate((tower, language, projector)):
        c.randomise(module, seed + i)
    state = {"model.vision_tower.vision_tower.vision_model." + k.removeprefix("vision_model."): v for k, v in tower.state_dict().items()}
    state |= {"model.mm_projector." + k: v for k, v in projector.state_dict().items()} | language.state_dict()
    out = OUT / name
    out.mkdir(parents=True)
    save_file({k: v.contiguous().clone() for k, v in state.items() if "position_ids" not in k}, str(out / "model.safetensors"),
              metadata={"format": "pt"})
    c.save_json(out / "config.json", TEXT | {
        "architectures": ["MobileLlamaForCausalLM"], "model_type": "mobilevlm", "hidden_act": "silu", "rope_theta": 10000.0,
        "tie_word_embeddings": False, "torch_dtype": "float32", "mm_hidden_size": INNER, "mm_vision_select_layer": -2,
        "mm_vision_select_feature": "patch", "mm_vision_tower": "somebody/tiny-clip", "mm_projector_type": kind,
        "mm_use_im_start_end": False, "mm_use_im_patch_token": False, "image_aspect_ratio": "pad", "vision_tower_type": "clip",
        "vision_config": VISION | {"model_type": "clip_vision_model"}})
    processor = CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE})
    pictures = []
    for picture in ("shapes.png", "triangle.png"):
        one = Image.open(c.GOLDEN / "llava" / picture).convert("RGB")
        square = Image.new("RGB", (max(one.size),) * 2, (122, 116, 104))
        square.paste(one, ((square.width - one.width) // 2, (square.height - one.height) // 2))
        pictures.append(square)
    pixels = processor(pictures, return_tensors="pt")["pixel_values"]
    features = tower(pixels, output_hidden_states=True).hidden_states[-2][:, 1:]
    tokens = projector(features)
    ids = torch.tensor([1, 5] + [40] * 4 + [9] + [40] * 4 + [12, 33])
    embeds = language.get_input_embeddings()(torch.where(ids == 40, 0, ids))
    embeds[ids == 40] = tokens.flatten(0, 1)
    got = language.model(inputs_embeds=embeds[None], output_hidden_states=True)
    c.save_tensors(OUT / f"{name}.safetensors", {
        "input_ids": ids, "pixel_values": pixels, "encoder.features": features, "connector.tokens": tokens.flatten(0, 1),
        "logits": language.lm_head(got.last_hidden_state)[0], "hidden.0": embeds})


shutil.rmtree(OUT, ignore_errors=True)
save("v1", "ldpnet", Ldp().eval(), 41)
save("v2", "ldpnetv2", LdpV2().eval(), 51)
c.readable(OUT)
