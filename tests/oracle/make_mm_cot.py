#!/usr/bin/env python3
"""tests/golden/mm_cot: MM-CoT's T5 with gated fusion, tiny and random, in a composition of percept's own.

flan/                Flan-T5 of transformers over a CLIP tower of transformers; between encoder and decoder the fusion after model.py of
                     amazon-science/mm-cot: image_dense, mha_layer (torch's MultiheadAttention, one head), gate_dense
flan.safetensors     the stages for one picture, and greedy ids
fusion.safetensors   the fusion alone: states and features in, mixed states out, and the gradients of its weights for a goal
"""

import json
import shutil

import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn
from transformers import CLIPImageProcessorPil, CLIPVisionConfig, CLIPVisionModel, T5Config, T5ForConditionalGeneration
from transformers.modeling_outputs import BaseModelOutput

import common as c

c.quiet()
OUT = c.GOLDEN / "mm_cot"
M, SIDE, PATCH, D, IMAGE, GREEDY = 8, 14, 7, 12, 39, 6
VISION = dict(hidden_size=M, intermediate_size=12, num_hidden_layers=2, num_attention_heads=2, image_size=SIDE, patch_size=PATCH,
              hidden_act="quick_gelu", layer_norm_eps=1e-5)
TEXT = dict(vocab_size=40, d_model=D, d_kv=4, d_ff=16, num_layers=2, num_decoder_layers=2, num_heads=2, relative_attention_num_buckets=8,
            relative_attention_max_distance=12, n_positions=32, decoder_start_token_id=0, feed_forward_proj="gated-gelu",
            tie_word_embeddings=False, eos_token_id=1, pad_token_id=0)


class Fusion(nn.Module):
    def __init__(self):
        super().__init__()
        self.image_dense = nn.Linear(M, D)
        self.mha_layer = nn.MultiheadAttention(embed_dim=D, kdim=D, vdim=D, num_heads=1, batch_first=True)
        self.gate_dense = nn.Linear(2 * D, D)

    def forward(self, states, features):
        image = self.image_dense(features)
        attended, _ = self.mha_layer(states, image, image)
        gate = torch.sigmoid(self.gate_dense(torch.cat([states, attended], -1)))
        return (1 - gate) * states + gate * attended


def make(seed):
    tower, t5, fusion = CLIPVisionModel(CLIPVisionConfig(**VISION)).eval(), T5ForConditionalGeneration(T5Config(**TEXT)).eval(), Fusion()
    t5.lm_head.weight = nn.Parameter(torch.empty_like(t5.shared.weight))
    for i, model in enumerate((tower, t5, fusion)):
        c.randomise(model, seed + 100 * i)
    with torch.no_grad():
        for key, p in t5.named_parameters():
            if key.endswith(".q.weight"):
                p *= TEXT["d_kv"] ** -0.5
            elif key == "shared.weight":
                p *= 2
    for model in (tower, t5, fusion):
        c.round_to_bf16(model)
    return tower, t5, fusion


@torch.no_grad()
def run(models, pixels, ids, written):
    tower, t5, fusion = models
    features = tower(pixels, output_hidden_states=True).hidden_states[-2][:, 1:]
    source = t5.encoder(input_ids=ids[None]).last_hidden_state
    mixed = fusion(source, features)
    got = t5(encoder_outputs=BaseModelOutput(last_hidden_state=mixed), decoder_input_ids=written[None], output_hidden_states=True)
    return features, source[0], mixed[0], got


def greedy(models, pixels, ids):
    written, gap = [0], 1.0
    for _ in range(GREEDY):
        logits = run(models, pixels, ids, torch.tensor(written))[3].logits[0, -1]
        top = logits.topk(2)
        gap = min(gap, ((top.values[0] - top.values[1]) / logits.abs().max()).item())
        written.append(top.indices[0].item())
    return written[1:], gap


def fusion_alone(fusion):
    g = torch.Generator().manual_seed(5)
    states, features, goal = (torch.randn(shape, generator=g) for shape in ((1, 5, D), (1, 4, M), (1, 5, D)))
    mixed = fusion(states, features)
    (mixed * goal).sum().backward()
    return {"states": states[0], "features": features[0], "goal": goal[0], "mixed": mixed[0].detach()} | {
        n: p.detach() for n, p in fusion.named_parameters()} | {f"gradient.{n}": p.grad for n, p in fusion.named_parameters()}


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    (OUT / "flan").mkdir(parents=True)
    picture = Image.open(c.GOLDEN / "llava" / "shapes.png").convert("RGB")
    processor = CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE})
    pixels = processor(picture, return_tensors="pt").pixel_values
    ids = torch.tensor([IMAGE, 7, 12, 3, 25, 30, 1])
    for seed in range(1, 3000):
        models = make(seed)
        found, gap = greedy(models, pixels, ids)
        if gap > 0.02 and len(set(found)) >= 3 and max(found) < IMAGE and 1 not in found:
            break
    tower, t5, fusion = models
    written = torch.tensor([0] + found)
    features, source, mixed, got = run(models, pixels, ids, written)
    blind = t5(input_ids=ids[None], decoder_input_ids=written[None]).logits[0]
    assert (blind - got.logits[0]).abs().max() > 0.1, "the picture matters"
    last = len(got.decoder_hidden_states) - 1
    c.save_tensors(OUT / "flan.safetensors", {
        "input_ids": torch.cat([ids, written]), "pixel_values": pixels, "encoder.features": features, "source": source,
        "hidden.1": got.decoder_hidden_states[1][0], f"hidden.{last}": torch.cat([mixed, got.decoder_hidden_states[last][0]]),
        "logits": torch.cat([t5.lm_head(mixed), got.logits[0]])})
    weights = {f"encoder.{k}": v for k, v in tower.state_dict().items() if "position_ids" not in k}
    weights |= {f"bridge.{k}": v for k, v in fusion.state_dict().items()}
    weights |= {f"llm.{k}": v for k, v in t5.state_dict().items() if "embed_tokens" not in k}
    save_file({k: v.to(torch.bfloat16).contiguous() for k, v in weights.items()}, OUT / "flan" / "model.safetensors", metadata={"format": "pt"})
    (OUT / "flan" / "config.json").write_text(json.dumps({
        "model_type": "percept", "image_token_index": IMAGE,
        "encoder": {"model_type": "clip_vision_model", "feature_layer": -2, **VISION},
        "connector": {"type": "projector", "mm_projector_type": "identity"}, "bridge": {"type": "gated_fusion"},
        "llm": {"model_type": "t5", "scale_decoder_outputs": False, **TEXT}}, indent=1) + "\n")
    processor.save_pretrained(OUT / "flan")
    c.save_tensors(OUT / "fusion.safetensors", fusion_alone(fusion))
    c.save_json(OUT / "expected.json", {"greedy_ids": found})
    c.readable(OUT)
    print("mm_cot: seed", seed, "greedy", found, "gap", gap)


main()
