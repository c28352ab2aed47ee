#!/usr/bin/env python3
"""tests/golden/adapters: adapters that PEFT wrote for the tiny LLaVA of make_llava.py, and the logits with each.

plain/  LoRA on the language model and the vision tower, the projector whole (modules_to_save), one layer with numbers of
        its own (rank_pattern, alpha_pattern)
rs/     rank-stabilised, on the language head as well
dora/   DoRA on projections with and without biases, dense layers of the tower included

    make_adapters.py                      writes the fixtures
    make_adapters.py ADAPTER OUT.safetensors   logits of the same inputs with an adapter that percept wrote
"""

import sys
import warnings

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from transformers import LlavaForConditionalGeneration

import common as c
from make_llava import OUT as LLAVA

warnings.filterwarnings("ignore")
OUT = c.GOLDEN / "adapters"
ADAPTERS = {
    "plain": LoraConfig(r=3, lora_alpha=5, target_modules=["q_proj", "v_proj", "down_proj", "fc1"],
                        modules_to_save=["multi_modal_projector"], rank_pattern={"layers.1.self_attn.v_proj": 2},
                        alpha_pattern={"layers.1.self_attn.v_proj": 7}),
    "rs": LoraConfig(r=4, lora_alpha=3, use_rslora=True, target_modules=["o_proj", "gate_proj", "lm_head"]),
    "dora": LoraConfig(r=2, lora_alpha=4, use_dora=True, target_modules=["k_proj", "up_proj", "fc2", "out_proj"]),
}


def base():
    return LlavaForConditionalGeneration.from_pretrained(LLAVA / "hf", dtype=torch.float32, attn_implementation="eager").eval()


def logits(model):
    case = load_file(str(LLAVA / "one_image.safetensors"))
    ids = case["input_ids"].reshape(1, -1).long()
    with torch.no_grad():
        return case, model(input_ids=ids, pixel_values=case["pixel_values"]).logits[0]


def main():
    plain = logits(base())[1]
    for name, config in ADAPTERS.items():
        model = get_peft_model(base(), config).eval()
        for key, p in model.named_parameters():
            if p.requires_grad:
                g = torch.Generator().manual_seed(sum(ord(x) * (i + 1) for i, x in enumerate(key)))
                n = torch.randn(p.shape, generator=g)
                p.data = p.data + 0.1 * n if "magnitude" in key or "modules_to_save" in key else 0.2 * n
        model.save_pretrained(OUT / name)
        (OUT / name / "README.md").unlink(missing_ok=True)
        written = c.json.loads((OUT / name / "adapter_config.json").read_text())
        written["base_model_name_or_path"] = "llava/hf"  # no path of this machine
        c.save_json(OUT / name / "adapter_config.json", written)
        case, out = logits(model)
        print(name, "largest change", (out - plain).abs().max().item(), "of", plain.abs().max().item())
        c.save_tensors(OUT / f"{name}.safetensors", {"logits": out[-8:]})  # the last rows
    c.readable(OUT)


c.quiet()
if len(sys.argv) == 3:
    model = PeftModel.from_pretrained(base(), sys.argv[1]).eval()
    c.save_tensors(__import__("pathlib").Path(sys.argv[2]), {"logits": logits(model)[1]})
else:
    main()
