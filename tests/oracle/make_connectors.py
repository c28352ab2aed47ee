#!/usr/bin/env python3
"""tests/golden/connectors: each connector alone, with all gradients.

q_former_text        InstructBlipQFormerModel of transformers, with texts of several lengths
perceiver            IDEFICS's, of transformers
resampler            perceiver resampler, after the text of Flamingo's appendix and OpenFlamingo's names
position_resampler   Qwen-VL's, through torch.nn.MultiheadAttention and interpolate, for a larger grid than its queries'
abstractor           mPLUG-Owl's
ldp, ldpv2           MobileVLM's, through torch's convolutions
pool, pixel_shuffle  adaptive_avg_pool2d; patches joined by hand
internvl        after OpenGVLab's modeling_internvl_chat.py (pixel_shuffle v2, mlp1)

Each .safetensors: in.features (in.ids, in.lengths), w.* weights, out tokens, up the gradient fed into them, grad.features
and grad.w.*. Each .json: name of the connector, dims, config. f64, stored as f32 (Q-Former: f32).
"""

import math
import sys

import torch
from torch.nn import functional as F
from transformers import IdeficsConfig, InstructBlipQFormerConfig, InstructBlipQFormerModel
from transformers.models.idefics.perceiver import IdeficsPerceiverResampler

import common as c

c.quiet()
OUT = c.GOLDEN / "connectors"
N = 2


def noise(name, *shape, gain=1.0):
    seed = sum(ord(x) * (i + 1) for i, x in enumerate(name))
    return (gain * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))).float().double()


def weights(shapes):
    """Random values by role; LayerNorm weights near 1."""
    w = {}
    for name, shape in shapes.items():
        norm = len(shape) == 1 and name.endswith("weight")
        gain = 0.2 if len(shape) == 1 else 1 / math.sqrt(math.prod(shape[1:])) if len(shape) > 1 else 1
        w[name] = (noise(name, *shape, gain=gain) + (1.0 if norm else 0.0)).float().double().requires_grad_()
    return w


def record(name, connector, features, w, tokens, dims, config, extra=None):
    up = noise(name + ".up", *tokens.shape).to(tokens.dtype)
    found = torch.autograd.grad((tokens * up).sum(), [features, *w.values()], allow_unused=True)
    tensors = {"in.features": features, "out": tokens, "up": up, "grad.features": found[0]} | (extra or {})
    tensors |= {f"w.{k}": v for k, v in w.items()}
    tensors |= {f"grad.w.{k}": g for k, g in zip(w, found[1:]) if g is not None}
    c.save_tensors(OUT / f"{name}.safetensors", tensors)
    c.save_json(OUT / f"{name}.json", {"connector": connector, "dims": dims, "config": config})
    print(name, tuple(tokens.shape), "without gradient", [k for k, g in zip(w, found[1:]) if g is None])


def linear(w, x, name):
    return F.linear(x, w[name + ".weight"], w.get(name + ".bias"))


def norm(w, x, name, eps=1e-5):
    return F.layer_norm(x, x.shape[-1:], w[name + ".weight"], w[name + ".bias"], eps)


def mix(q, k, v, heads):
    """Attention over [N,T,D] rows, scaled by the head size."""
    q, k, v = (t.view(t.shape[0], t.shape[1], heads, -1).transpose(1, 2) for t in (q, k, v))
    p = (q @ k.transpose(2, 3) / math.sqrt(q.shape[-1])).softmax(-1)
    return (p @ v).transpose(1, 2).flatten(2)


def grid_dims(inner, outer, rows, columns):
    return {"in": inner, "out": outer, "tokens": rows * columns, "rows": rows, "columns": columns}


def features(name, tokens, width):
    return noise(name + ".features", N, tokens, width).requires_grad_()


def q_former_text():
    D, M, L, Q, out = 8, 6, 5, 3, 10
    config = InstructBlipQFormerConfig(hidden_size=D, intermediate_size=12, num_hidden_layers=3, num_attention_heads=2,
                                       vocab_size=13, max_position_embeddings=7, encoder_hidden_size=M, pad_token_id=0)
    config._attn_implementation = "eager"
    model = InstructBlipQFormerModel(config).eval()
    c.randomise(model, 31)
    x = features("q_former_text", 4, M).detach().float().requires_grad_()
    queries = noise("queries", 1, Q, D).float().requires_grad_()
    projection = {"language_projection.weight": noise("lp", out, D, gain=0.3).float().requires_grad_(),
                  "language_projection.bias": noise("lb", out, gain=0.1).float().requires_grad_()}
    lengths = torch.tensor([5, 3])
    ids = torch.tensor([[1, 5, 9, 12, 2], [1, 7, 2, 0, 0]])
    seen = (torch.arange(L)[None] < lengths[:, None]).long()
    mask = torch.cat([torch.ones(N, Q, dtype=torch.long), seen], 1)
    got = model(input_ids=ids, attention_mask=mask, query_embeds=queries.expand(N, -1, -1), encoder_hidden_states=x,
                encoder_attention_mask=torch.ones(N, 4, dtype=torch.long)).last_hidden_state[:, :Q]
    tokens = F.linear(got, projection["language_projection.weight"], projection["language_projection.bias"])
    w = {f"qformer.{k}": p for k, p in model.named_parameters()} | {"query_tokens": queries} | projection
    record("q_former_text", "q_former", x, w, tokens, {"in": M, "out": out, "tokens": 4, "rows": 2, "columns": 2},
           {"num_query_tokens": Q, "hidden_size": D, "intermediate_size": 12, "num_hidden_layers": 3, "num_attention_heads": 2,
            "vocab_size": 13, "max_position_embeddings": 7, "use_qformer_text_input": True},
           {"in.ids": ids, "in.lengths": lengths})


def resampler():
    D, out, Q, H, E, depth = 8, 10, 3, 2, 3, 2
    shapes = {"latents": (Q, D), "norm.weight": (D,), "norm.bias": (D,), "projection.weight": (out, D), "projection.bias": (out,)}
    for i in range(depth):
        p = f"layers.{i}."
        for n in ("0.norm_media", "0.norm_latents", "1.0"):
            shapes |= {p + n + ".weight": (D,), p + n + ".bias": (D,)}
        shapes |= {p + "0.to_q.weight": (H * E, D), p + "0.to_kv.weight": (2 * H * E, D), p + "0.to_out.weight": (D, H * E),
                   p + "1.1.weight": (2 * D, D), p + "1.3.weight": (D, 2 * D)}
    w, media = weights(shapes), features("resampler", 5, D)
    x = w["latents"].expand(N, -1, -1)
    for i in range(depth):
        p = f"layers.{i}."
        h = norm(w, x, p + "0.norm_latents")
        k, v = linear(w, torch.cat([norm(w, media, p + "0.norm_media"), h], 1), p + "0.to_kv").chunk(2, -1)
        x = x + linear(w, mix(linear(w, h, p + "0.to_q"), k, v, H), p + "0.to_out")
        x = x + linear(w, F.gelu(linear(w, norm(w, x, p + "1.0"), p + "1.1")), p + "1.3")
    tokens = linear(w, norm(w, x, "norm"), "projection")
    record("resampler", "resampler", media, w, tokens, {"in": D, "out": out, "tokens": 5, "rows": 0, "columns": 0},
           {"num_latents": Q, "depth": depth, "heads": H, "head_size": E, "ff_mult": 2})


def perceiver():
    D, Q, depth, heads, size = 8, 3, 2, 2, 4
    config = IdeficsConfig(vision_config=dict(embed_dim=D), perceiver_config=dict(qk_layer_norms_perceiver=True))
    module = IdeficsPerceiverResampler(config, D, depth, heads, size, Q).double()
    w = weights({k: tuple(v.shape) for k, v in module.named_parameters()})
    x = features("perceiver", 5, D)
    tokens = torch.func.functional_call(module, w, (x,))
    record("perceiver", "perceiver", x, w, tokens, {"in": D, "out": D, "tokens": 5, "rows": 0, "columns": 0},
           {"resampler_n_latents": Q, "resampler_depth": depth, "resampler_n_heads": heads, "resampler_head_dim": size,
            "qk_layer_norms_perceiver": True})


def position_resampler():
    M, D, H, side, rows, columns = 6, 8, 2, 2, 3, 4
    a = "attn_pool."
    shapes = {a + "query": (4, D), a + "pos_embed": (4, D), a + "kv_proj.weight": (D, M), a + "attn.in_proj_weight": (3 * D, D),
              a + "attn.in_proj_bias": (3 * D,), a + "attn.out_proj.weight": (D, D), a + "attn.out_proj.bias": (D,), "proj": (D, D)}
    for n in (a + "ln_q", a + "ln_kv", "ln_post"):
        shapes |= {n + ".weight": (D,), n + ".bias": (D,)}
    w, x = weights(shapes), features("position_resampler", rows * columns, M)
    attention = torch.nn.MultiheadAttention(D, H).double()
    pos = w[a + "pos_embed"]
    wide = F.interpolate(pos.reshape(1, side, side, D).permute(0, 3, 1, 2), size=(rows, columns), mode="bicubic",
                         align_corners=False).permute(0, 2, 3, 1).reshape(rows * columns, D)
    kv = norm(w, linear(w, x, a + "kv_proj"), a + "ln_kv", 1e-6).transpose(0, 1)
    q = norm(w, w[a + "query"], a + "ln_q", 1e-6)
    own = {k.removeprefix(a + "attn."): v for k, v in w.items() if k.startswith(a + "attn.")}
    got = torch.func.functional_call(attention, own, (q[:, None].expand(-1, N, -1) + pos[:, None], kv + wide[:, None], kv))[0]
    tokens = norm(w, got.transpose(0, 1), "ln_post", 1e-6) @ w["proj"]
    record("position_resampler", "position_resampler", x, w, tokens, grid_dims(M, D, rows, columns), {"side": side, "heads": H})


def abstractor():
    D, out, Q, H, hidden, depth = 8, 10, 3, 2, 12, 2
    shapes = {"query_tokens": (1, Q, D), "abstractor.visual_fc.weight": (out, D), "abstractor.visual_fc.bias": (out,),
              "abstractor.vit_eos": (1, 1, out)}
    for i in range(depth):
        p = f"abstractor.encoder.layers.{i}.crossattention."
        for n, width in (("norm1", D), ("normk", D), ("output.norm2", D), ("output.mlp.ffn_ln", hidden)):
            shapes |= {p + n + ".weight": (width,), p + n + ".bias": (width,)}
        for n, o, k in (("attention.query", D, D), ("attention.key", D, D), ("attention.value", D, D), ("output.out_proj", D, D),
                        ("output.mlp.w1", hidden, D), ("output.mlp.w2", D, hidden), ("output.mlp.w3", hidden, D)):
            shapes |= {p + n + ".weight": (o, k), p + n + ".bias": (o,)}
    w, media = weights(shapes), features("abstractor", 5, D)
    x = w["query_tokens"].expand(N, -1, -1)
    for i in range(depth):
        p = f"abstractor.encoder.layers.{i}.crossattention."
        h = norm(w, x, p + "norm1")
        keys = torch.cat([h, norm(w, media, p + "normk")], 1)
        got = mix(*(linear(w, t, p + "attention." + n) for t, n in ((h, "query"), (keys, "key"), (keys, "value"))), H)
        y = h + linear(w, got, p + "output.out_proj")
        n2 = norm(w, y, p + "output.norm2")
        inner = F.silu(linear(w, n2, p + "output.mlp.w1")) * linear(w, n2, p + "output.mlp.w3")
        x = y + linear(w, norm(w, inner, p + "output.mlp.ffn_ln", 1e-6), p + "output.mlp.w2")
    tokens = torch.cat([linear(w, x, "abstractor.visual_fc"), w["abstractor.vit_eos"].expand(N, -1, -1)], 1)
    record("abstractor", "abstractor", media, w, tokens, {"in": D, "out": out, "tokens": 5, "rows": 0, "columns": 0},
           {"num_query_tokens": Q, "num_hidden_layers": depth, "num_attention_heads": H, "intermediate_size": hidden})


def pixels_norm(w, x, name):
    return norm(w, x.permute(0, 2, 3, 1), name).permute(0, 3, 1, 2)


def ldp():
    M, D, S, squeezed = 6, 12, 4, 8
    shapes = {f"model.mlp.{i}.{k}": s for i, k, s in ((1, "weight", (D, M)), (1, "bias", (D,)), (3, "weight", (D, D)), (3, "bias", (D,)))}
    for i in (1, 2):
        p = f"model.mb_block.{i}.block."
        shapes |= {p + "0.0.weight": (D, 1, 3, 3), p + "0.1.weight": (D,), p + "0.1.bias": (D,), p + "1.fc1.weight": (squeezed, D, 1, 1),
                   p + "1.fc1.bias": (squeezed,), p + "1.fc2.weight": (D, squeezed, 1, 1), p + "1.fc2.bias": (D,),
                   p + "2.0.weight": (D, D, 1, 1), p + "2.1.weight": (D,), p + "2.1.bias": (D,)}
    w, x = weights(shapes), features("ldp", S * S, M)

    def block(y, p, stride):
        y = F.hardswish(pixels_norm(w, F.conv2d(y, w[p + "0.0.weight"], stride=stride, padding=1, groups=D), p + "0.1"))
        gate = F.relu(F.conv2d(F.adaptive_avg_pool2d(y, 1), w[p + "1.fc1.weight"], w[p + "1.fc1.bias"]))
        y = y * F.hardsigmoid(F.conv2d(gate, w[p + "1.fc2.weight"], w[p + "1.fc2.bias"]))
        return pixels_norm(w, F.conv2d(y, w[p + "2.0.weight"]), p + "2.1")

    y = linear(w, F.gelu(linear(w, x, "model.mlp.1")), "model.mlp.3").transpose(1, 2).reshape(N, D, S, S)
    y = y + block(y, "model.mb_block.1.block.", 1)
    y = block(y, "model.mb_block.2.block.", 2)
    record("ldp", "ldp", x, w, y.flatten(2).transpose(1, 2), grid_dims(M, D, S, S), {})


def ldpv2():
    M, D, S = 6, 8, 4
    shapes = {f"mlp.mlp.{i}.{k}": s for i, k, s in ((0, "weight", (D, M)), (0, "bias", (D,)), (2, "weight", (D, D)), (2, "bias", (D,)))}
    shapes |= {"peg.peg.0.weight": (D, 1, 3, 3), "peg.peg.0.bias": (D,)}
    w, x = weights(shapes), features("ldpv2", S * S, M)
    y = linear(w, F.gelu(linear(w, x, "mlp.mlp.0")), "mlp.mlp.2").transpose(1, 2).reshape(N, D, S, S)
    y = F.adaptive_avg_pool2d(y, S // 2)
    y = y + F.conv2d(y, w["peg.peg.0.weight"], w["peg.peg.0.bias"], padding=1, groups=D)
    record("ldpv2", "ldpv2", x, w, y.flatten(2).transpose(1, 2), grid_dims(M, D, S, S), {})


def pool():
    M, D, rows, columns = 6, 8, 3, 5
    w = weights({"linear_1.weight": (D, M), "linear_1.bias": (D,), "linear_2.weight": (D, D), "linear_2.bias": (D,)})
    x = features("pool", rows * columns, M)
    y = F.adaptive_avg_pool2d(x.transpose(1, 2).reshape(N, M, rows, columns), 2).flatten(2).transpose(1, 2)
    tokens = linear(w, F.gelu(linear(w, y, "linear_1")), "linear_2")
    record("pool", "pool", x, w, tokens, grid_dims(M, D, rows, columns), {"side": 2})


def pixel_shuffle():
    M, D, rows, columns, side = 3, 8, 4, 6, 2
    w = weights({"layers.0.weight": (D, 4 * M), "layers.0.bias": (D,), "layers.1.weight": (D, D), "layers.1.bias": (D,)})
    x = features("pixel_shuffle", rows * columns, M)
    y = x.reshape(N, rows // side, side, columns // side, side, M).permute(0, 1, 3, 2, 4, 5).reshape(N, -1, side * side * M)
    tokens = linear(w, F.gelu(linear(w, y, "layers.0")), "layers.1")
    record("pixel_shuffle", "pixel_shuffle", x, w, tokens, grid_dims(M, D, rows, columns), {"side": side, "depth": 2})


def internvl():
    M, D, rows, columns, side = 3, 8, 4, 6, 2
    w = weights({"0.weight": (4 * M,), "0.bias": (4 * M,), "1.weight": (D, 4 * M), "1.bias": (D,), "3.weight": (D, D), "3.bias": (D,)})
    x = features("internvl", rows * columns, M)
    y = x.reshape(N, rows, columns // side, side * M).permute(0, 2, 1, 3)
    y = y.reshape(N, columns // side, rows // side, side * side * M).permute(0, 2, 1, 3).reshape(N, -1, side * side * M)
    y = F.layer_norm(y, (4 * M,), w["0.weight"], w["0.bias"])
    tokens = linear(w, F.gelu(linear(w, y, "1")), "3")
    record("internvl", "internvl", x, w, tokens, grid_dims(M, D, rows, columns), {"side": side})


makers = (q_former_text, perceiver, resampler, position_resampler, abstractor, ldp, ldpv2, pool, pixel_shuffle, internvl)
for make in makers:
    if not sys.argv[1:] or make.__name__ in sys.argv[1:]:
        make()
c.readable(OUT)
