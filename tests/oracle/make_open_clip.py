#!/usr/bin/env python3
"""tests/golden/open_clip: tiny random models by open_clip's own code.

Usage: make_open_clip.py FOLDER, a checkout of mlfoundations/open_clip (89fb801). Its files of pictures, of timm and of
downloads are not needed; their imports are answered by empty modules.

gelu/    the activation of LAION's weights, heads of 8
custom/  quick_gelu, the text tower under "text." (CustomTextCLIP), with logit_bias
"""

import sys
import types
from pathlib import Path

import torch

import common as c

c.quiet()
OUT = c.GOLDEN / "open_clip"


class Anything(types.ModuleType):
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


sys.path.insert(0, str(Path(sys.argv[1]) / "src"))
package = types.ModuleType("open_clip")
package.__path__ = [str(Path(sys.argv[1]) / "src" / "open_clip")]
sys.modules["open_clip"] = package
for name in ("torchvision", "torchvision.ops", "torchvision.ops.misc", "timm", "timm.models", "timm.models.layers",
             "timm.layers", "open_clip.timm_model", "open_clip.hf_model"):
    sys.modules.setdefault(name, Anything(name))
from open_clip.model import CLIP, CustomTextCLIP  # noqa: E402


def make(name, cls, seed, cfg, norm):
    extra = {"init_logit_bias": cfg["init_logit_bias"]} if "init_logit_bias" in cfg else {}
    model = cls(cfg["embed_dim"], cfg["vision_cfg"], cfg["text_cfg"], quick_gelu=cfg.get("quick_gelu", False),
                **extra).eval()
    c.randomise(model, seed)
    with torch.no_grad():
        model.logit_scale.fill_(1.5)
        if extra:
            model.logit_bias.fill_(-2.0)
    c.round_to_bf16(model)
    from safetensors.torch import save_file
    (OUT / name).mkdir(parents=True, exist_ok=True)
    state = {k: v.to(torch.bfloat16).contiguous().clone() for k, v in model.state_dict().items() if "attn_mask" not in k}
    save_file(state, str(OUT / name / "open_clip_model.safetensors"), metadata={"format": "pt"})
    c.save_json(OUT / name / "open_clip_config.json", {"model_cfg": cfg, "preprocess_cfg": norm})
    g = torch.Generator().manual_seed(seed)
    pixels = torch.randn(2, 3, 14, 14, generator=g)
    text = torch.tensor([[37, 5, 17, 29, 39, 0, 0, 0], [37, 20, 8, 11, 2, 33, 36, 39]])
    states = []
    hooks = [b.register_forward_hook(lambda m, i, o: states.append(o)) for b in model.visual.transformer.resblocks]
    before = [model.visual.ln_pre.register_forward_hook(lambda m, i, o: states.append(o))]
    with torch.no_grad():
        image = model.encode_image(pixels, normalize=True)
        texts = model.encode_text(text, normalize=True)
    logits = model.logit_scale.exp() * image @ texts.T + (model.logit_bias if extra else 0)
    tensors = {"pixel_values": pixels, "input_ids": text, "image_embeds": image, "text_embeds": texts,
               "logits_per_image": logits}
    tensors |= {f"vision.hidden.{i}": h for i, h in enumerate(states)}
    c.save_tensors(OUT / f"{name}.safetensors", tensors)
    for h in hooks + before:
        h.remove()


VISION = dict(image_size=14, layers=2, width=24, head_width=8, patch_size=7, mlp_ratio=1.5)
TEXT = dict(context_length=8, vocab_size=40, width=16, heads=2, layers=2, mlp_ratio=2.0)
CLIP_NORM = dict(mean=[0.48145466, 0.4578275, 0.40821073], std=[0.26862954, 0.26130258, 0.27577711])
HALF = dict(mean=[0.5, 0.5, 0.5], std=[0.5, 0.5, 0.5], interpolation="bicubic", resize_mode="shortest")
make("gelu", CLIP, 21, dict(embed_dim=12, vision_cfg=VISION, text_cfg=TEXT), CLIP_NORM)
make("custom", CustomTextCLIP, 22, dict(embed_dim=12, quick_gelu=True, custom_text=True, init_logit_bias=-10,
                                        vision_cfg=VISION, text_cfg=TEXT), HALF)
c.readable(OUT)
