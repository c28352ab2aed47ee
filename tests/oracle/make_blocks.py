#!/usr/bin/env python3
"""tests/golden/blocks: single layers that later model kinds are made of, with all gradients.

t5_relu, t5_gated   encoder block + decoder block with relative position bias, RMS norm without mean,
                    unscaled dot products (T5, T5 v1.1/FLAN)
gated_xattn         cross-attention block with tanh gates and the latest-image mask (OpenFlamingo)
idefics_xattn       the same of IDEFICS: RMS norms, gated MLP, norms of queries and keys, vectors as gates
cogagent_xattn      CogAgent's cross-module: heads that are smaller than the language model's, every row reads all
moe                 Mixtral layer: top 2 of 4 experts, load-balancing loss added
switch_top1         Switch Transformer layer: the best of 4 plain experts (biases added), capacity of 4 tokens, both side losses

Each file: in.* inputs, w.* weights, out.* outputs, up.* the gradient fed into each output, grad.in.*
and grad.w.* what comes back. Computed in f64 wherever the reference allows, stored as f32.
"""

import math

import sys

import torch
from transformers import IdeficsConfig, MixtralConfig, T5Config, T5Model
from transformers.models.idefics.modeling_idefics import IdeficsGatedCrossAttentionLayer
from transformers.models.mixtral.modeling_mixtral import MixtralSparseMoeBlock, load_balancing_loss_func

from transformers import SwitchTransformersConfig
from transformers.models.switch_transformers.modeling_switch_transformers import (
    SwitchTransformersSparseMLP, load_balancing_loss_func as switch_balance, router_z_loss_func)

import common as c

c.quiet()
OUT = c.GOLDEN / "blocks"


def noise(seed, *shape, gain=1.0):
    return gain * torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).double()


def record(name, inputs, weights, outputs, ups, extra=None, note=None):
    """Back-propagate sum(output * up) and write everything that took part."""
    total = sum((outputs[k] * ups[k]).sum() for k in ups)
    leaves = {f"in.{k}": v for k, v in inputs.items() if v.requires_grad}
    leaves |= {f"w.{k}": v for k, v in weights.items()}
    found = torch.autograd.grad(total, list(leaves.values()), allow_unused=True)
    tensors = {f"in.{k}": v for k, v in inputs.items()} | {f"w.{k}": v for k, v in weights.items()}
    tensors |= {f"out.{k}": v for k, v in outputs.items()} | {f"up.{k}": v for k, v in ups.items()}
    tensors |= {f"grad.{k}": g for k, g in zip(leaves, found) if g is not None}
    tensors |= extra or {}
    c.save_tensors(OUT / f"{name}.safetensors", tensors)
    if note:
        c.save_json(OUT / f"{name}.json", note)
    print(name, "tensors", len(tensors), "without gradient",
          [k for k, g in zip(leaves, found) if g is None])


def t5(name, feed_forward):
    config = T5Config(vocab_size=8, d_model=24, d_kv=6, num_heads=4, d_ff=32, num_layers=1,
                      num_decoder_layers=1, relative_attention_num_buckets=8,
                      relative_attention_max_distance=12, feed_forward_proj=feed_forward,
                      dropout_rate=0.0, tie_word_embeddings=False)
    config._attn_implementation = "eager"
    model = T5Model(config).eval()
    c.randomise(model, 21)
    with torch.no_grad():
        for n, p in model.named_parameters():
            if n.endswith("layer_norm.weight"):
                p.copy_(1.0 + 0.2 * noise(len(n), *p.shape))
            elif "relative_attention_bias" in n:
                p.copy_(noise(len(n), *p.shape))
    # f32: T5's norm accumulates in f32 whatever the weights.
    x = noise(1, 1, 15, 24).float().requires_grad_()
    y = noise(2, 1, 9, 24).float().requires_grad_()
    got = model(inputs_embeds=x, decoder_inputs_embeds=y)
    weights = {n: p for n, p in model.named_parameters() if "shared" not in n and "embed_tokens" not in n}
    enc, dec = (s.block[0].layer[0].SelfAttention for s in (model.encoder, model.decoder))
    extra = {"out.encoder.position_bias": enc.compute_bias(15, 15)[0],
             "out.decoder.position_bias": dec.compute_bias(9, 9)[0]}
    for side, module, n in (("encoder", enc, 15), ("decoder", dec, 9)):
        q, k = torch.meshgrid(torch.arange(n), torch.arange(n), indexing="ij")
        extra[f"out.{side}.buckets"] = module._relative_position_bucket(
            k - q, bidirectional=side == "encoder", num_buckets=8, max_distance=12)
    record(name, {"encoder": x, "decoder": y}, weights,
           {"encoder": got.encoder_last_hidden_state, "decoder": got.last_hidden_state},
           {"decoder": noise(3, 1, 9, 24).float(), "encoder": noise(4, 1, 15, 24).float()}, extra,
           {"config": {k: getattr(config, k) for k in (
               "d_model", "d_kv", "num_heads", "d_ff", "relative_attention_num_buckets",
               "relative_attention_max_distance", "feed_forward_proj", "layer_norm_epsilon")}})


def gated_cross_attention():
    """y = x + tanh(a) Attn(LN(x), media); z = y + tanh(f) W2 gelu(W1 LN(y)); see OpenFlamingo helpers.py."""
    D, M, H, E, images, Q, T = 24, 20, 3, 8, 2, 5, 11
    shapes = {"attn.norm.weight": (D,), "attn.norm.bias": (D,), "attn.to_q.weight": (H * E, D),
              "attn.to_kv.weight": (2 * H * E, M), "attn.to_out.weight": (D, H * E), "attn_gate": (1,),
              "ff.0.weight": (D,), "ff.0.bias": (D,), "ff.1.weight": (4 * D, D),
              "ff.3.weight": (D, 4 * D), "ff_gate": (1,)}
    w = {k: noise(40 + i, *s, gain=1 / math.sqrt(s[-1]) if len(s) > 1 else 0.3) for i, (k, s) in enumerate(shapes.items())}
    for k in ("attn.norm.weight", "ff.0.weight"):
        w[k] = w[k] + 1.0
    w["attn_gate"], w["ff_gate"] = torch.tensor([0.7]).double(), torch.tensor([-0.4]).double()
    w = {k: v.float().double().requires_grad_() for k, v in w.items()}
    x = noise(30, T, D).float().double().requires_grad_()
    media = noise(31, images, Q, M).float().double().requires_grad_()
    # Which image a token sees: the number of image marks up to it; 0 sees none and gets zeros.
    image_of = torch.tensor([0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 2])

    def norm(t, p):
        return torch.nn.functional.layer_norm(t, (D,), w[p + ".weight"], w[p + ".bias"], 1e-5)

    q = (norm(x, "attn.norm") @ w["attn.to_q.weight"].T).view(T, H, E).transpose(0, 1) * E ** -0.5
    k, v = (media.reshape(images * Q, M) @ w["attn.to_kv.weight"].T).chunk(2, dim=-1)
    k, v = (t.view(images * Q, H, E).transpose(0, 1) for t in (k, v))
    seen = image_of[:, None] == (torch.arange(images * Q) // Q + 1)[None, :]
    probs = (q @ k.transpose(1, 2)).masked_fill(~seen, -1e30).softmax(-1).masked_fill(~seen, 0.0)
    attended = (probs @ v).transpose(0, 1).reshape(T, H * E) @ w["attn.to_out.weight"].T
    y = x + w["attn_gate"].tanh() * attended
    hidden = torch.nn.functional.gelu(norm(y, "ff.0") @ w["ff.1.weight"].T)
    z = y + w["ff_gate"].tanh() * (hidden @ w["ff.3.weight"].T)
    record("gated_xattn", {"x": x, "media": media, "image_of": image_of}, w,
           {"attended": attended, "y": z}, {"y": noise(32, T, D)},
           note={"config": {"heads": H, "head_dim": E, "images": images, "queries": Q, "eps": 1e-5,
                            "gelu": "erf"}})


def idefics_cross_attention():
    D, M, H, images, Q, T = 24, 20, 3, 2, 5, 11
    config = IdeficsConfig(hidden_size=D, intermediate_size=28, num_attention_heads=H, qk_layer_norms=True, alpha_type="vector",
                           alpha_initializer="ones", rms_norm_eps=1e-6, vision_config=dict(embed_dim=M))
    config._attn_implementation = "eager"
    layer = IdeficsGatedCrossAttentionLayer(config, layer_idx=0).eval()
    w, leaves = {}, {}
    for i, (k, v) in enumerate(layer.named_parameters()):
        value = noise(60 + i, *v.shape, gain=0.2 if v.squeeze().ndim == 1 else 1 / math.sqrt(v.shape[-1]))
        value = value + (1.0 if "norm" in k else 0.6 if "alpha" in k else 0.0)
        leaves[k] = (value.reshape(-1) if "alpha" in k else value).float().requires_grad_()
        w[k] = leaves[k].view(v.shape)
    x, media = noise(70, T, D).float().requires_grad_(), noise(71, images, Q, M).float().requires_grad_()
    image_of = torch.tensor([0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 2])
    seen = image_of[:, None] == (torch.arange(images * Q) // Q + 1)[None]
    mask = torch.where(seen, 0.0, torch.finfo(torch.float32).min)[None, None]
    y = torch.func.functional_call(layer, w, (x[None],), dict(
        image_hidden_states=media.flatten(0, 1)[None], image_attention_mask=mask, cross_attention_gate=(image_of > 0).float()[None]))[0]
    record("idefics_xattn", {"x": x, "media": media, "image_of": image_of}, leaves, {"y": y}, {"y": noise(72, T, D).float()})


def cogagent_cross_attention():
    """y = x + dense(Attn(query(RMS x), key_value(media))), see modeling_cogagent.py, CrossAttention."""
    D, M, H, C, S, T = 24, 20, 3, 12, 10, 11
    shapes = {"cross_attn.query.weight": (C, D), "cross_attn.key_value.weight": (2 * C, M), "cross_attn.dense.weight": (D, C),
              "post_cross_attention_layernorm.weight": (D,)}
    w = {k: noise(80 + i, *s, gain=1 / math.sqrt(s[-1]) if len(s) > 1 else 0.3) for i, (k, s) in enumerate(shapes.items())}
    w["post_cross_attention_layernorm.weight"] = w["post_cross_attention_layernorm.weight"] + 1.0
    w = {k: v.float().double().requires_grad_() for k, v in w.items()}
    x, media = (noise(90 + i, *s).float().double().requires_grad_() for i, s in enumerate(((T, D), (S, M))))
    h = torch.nn.functional.rms_norm(x, (D,), w["post_cross_attention_layernorm.weight"], 1e-5)
    q = h @ w["cross_attn.query.weight"].T
    k, v = (media @ w["cross_attn.key_value.weight"].T).chunk(2, -1)
    q, k, v = (t.unflatten(-1, (H, C // H)).transpose(0, 1) for t in (q, k, v))
    mixed = (q @ k.transpose(1, 2) * (C // H) ** -0.5).softmax(-1) @ v
    y = x + mixed.transpose(0, 1).flatten(1) @ w["cross_attn.dense.weight"].T
    record("cogagent_xattn", {"x": x, "media": media}, w, {"y": y}, {"y": noise(92, T, D)})


def moe():
    config = MixtralConfig(hidden_size=16, intermediate_size=24, num_local_experts=4,
                           num_experts_per_tok=2, hidden_act="silu", router_jitter_noise=0.0)
    config._experts_implementation = "eager"
    block = MixtralSparseMoeBlock(config).eval()
    with torch.no_grad():
        block.gate.weight.copy_(noise(51, 4, 16, gain=0.5))
        block.experts.gate_up_proj.copy_(noise(52, 4, 48, 16, gain=0.25))
        block.experts.down_proj.copy_(noise(53, 4, 16, 24, gain=0.2))
    x = noise(50, 1, 13, 16).float().requires_grad_()
    logits, scores, chosen = block.gate(x.reshape(-1, 16))
    y = block(x)
    aux = load_balancing_loss_func((logits,), 4, 2)
    # The names of the hub: w1 is the gated half, w3 the plain one, w2 the way back.
    record("moe", {"x": x}, {"gate": block.gate.weight, "gate_up": block.experts.gate_up_proj,
                             "down": block.experts.down_proj},
           {"router_logits": logits, "expert_weights": scores, "experts": chosen, "y": y, "aux_loss": aux},
           {"y": noise(54, 1, 13, 16).float(), "aux_loss": torch.tensor(0.02)},
           note={"config": {"experts": 4, "top_k": 2, "activation": "silu"},
                 "weights": "w.gate_up [experts, 2F, D]: rows 0..F-1 are w1 (through silu), F..2F-1 are w3; "
                            "w.down [experts, D, F] is w2; w.gate is block_sparse_moe.gate.weight",
                 "aux_loss": "experts * sum_e (tokens routed to e, all top_k counted, / T) * (mean "
                             "probability of e); up.aux_loss is its coefficient"})
    print("tokens per expert", [int((chosen == e).sum()) for e in range(4)], "aux", aux.item(),
          "closest choice", (logits.sort(descending=True).values[:, 1] - logits.sort(descending=True).values[:, 2]).min().item())


def switch_top1():
    config = SwitchTransformersConfig(d_model=16, d_ff=24, num_experts=4, expert_capacity=4, router_jitter_noise=0.0,
                                      dropout_rate=0.0, dense_act_fn="relu")
    block = SwitchTransformersSparseMLP(config).eval()
    for e in range(4):
        block.experts[f"expert_{e}"].wi = torch.nn.Linear(16, 24)
        block.experts[f"expert_{e}"].wo = torch.nn.Linear(24, 16)
    w = {"gate.weight": noise(61, 4, 16, gain=0.5), "experts.up_proj": noise(62, 4, 24, 16, gain=0.25),
         "experts.up_bias": noise(63, 4, 24, gain=0.2), "experts.down_proj": noise(64, 4, 16, 24, gain=0.2),
         "experts.down_bias": noise(65, 4, 16, gain=0.2)}
    w = {k: v.float().requires_grad_() for k, v in w.items()}
    names = {"router.classifier.weight": w["gate.weight"]}
    for e in range(4):
        for ours, theirs in (("up", "wi"), ("down", "wo")):
            names[f"experts.expert_{e}.{theirs}.weight"] = w[f"experts.{ours}_proj"][e]
            names[f"experts.expert_{e}.{theirs}.bias"] = w[f"experts.{ours}_bias"][e]
    x = noise(60, 1, 13, 16).float().requires_grad_()
    y = torch.func.functional_call(block, names, (x,))
    logits = x @ w["gate.weight"].T
    chosen = logits.argmax(-1)
    aux = switch_balance(logits.softmax(-1), chosen) + 0.5 * router_z_loss_func(logits)
    record("switch_top1", {"x": x}, w, {"y": y, "aux_loss": aux},
           {"y": noise(66, 1, 13, 16).float(), "aux_loss": torch.tensor(0.02)})
    top = logits[0].sort(descending=True).values
    print("tokens per expert", [int((chosen == e).sum()) for e in range(4)], "closest choice", (top[:, 0] - top[:, 1]).min().item())


makers = {"t5_relu": lambda: t5("t5_relu", "relu"), "t5_gated": lambda: t5("t5_gated", "gated-gelu"),
          "gated": gated_cross_attention, "idefics": idefics_cross_attention,
          "cogagent": cogagent_cross_attention, "moe": moe, "switch_top1": switch_top1}
for name in sys.argv[1:] or makers:
    makers[name]()
c.readable(OUT)
