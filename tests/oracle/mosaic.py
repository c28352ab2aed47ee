"""MosaicGPT (MPT-1B) for the scripts here: transformers' MPT with LayerNorms of queries and keys over the whole width, saved in
the names and keys of its authors' code (mosaicml/examples, llm/src/models: mosaic_gpt.py, layers/attention.py)."""

import torch
from safetensors.torch import save_file
from torch import nn
from transformers import MptForCausalLM

import common as c

RENAMES = [(".norm_1.", ".ln_1."), (".norm_2.", ".ln_2."), (".ffn.up_proj.", ".mlp.mlp_up."), (".ffn.down_proj.", ".mlp.mlp_down."),
           (".norm_f.", ".ln_f.")]


class Model(MptForCausalLM):
    def __init__(self, config):
        super().__init__(config)
        for block in self.transformer.blocks:
            attn = block.attn
            attn.q_ln, attn.k_ln = (nn.LayerNorm(config.d_model, bias=False) for _ in range(2))
            attn.Wqkv.register_forward_hook(lambda _, __, y, attn=attn: normed(attn, y))

    def save_pretrained(self, out):
        out.mkdir(parents=True, exist_ok=True)
        save_file(named(self), str(out / "model.safetensors"), metadata={"format": "pt"})
        c.save_json(out / "config.json", keys(self.config) | {"model_type": "mosaic_gpt", "architectures": ["MosaicGPT"]})


def normed(attn, y):
    q, k, v = y.chunk(3, -1)
    return torch.cat([attn.q_ln(q), attn.k_ln(k), v], -1)


def named(model):
    """The state dict in the authors' names; the head is the table of embeddings."""
    out = {}
    for name, value in model.state_dict().items():
        if name != "lm_head.weight":
            for ours, theirs in RENAMES:
                name = name.replace(ours, theirs)
            out[name] = value.contiguous().clone()
    return out


def keys(config):
    return {"d_model": config.d_model, "n_heads": config.n_heads, "n_layers": config.n_layers, "mlp_ratio": 4,
            "max_seq_len": config.max_seq_len, "vocab_size": config.vocab_size, "attn_qk_ln": True, "alibi": True,
            "alibi_bias_max": 8, "no_bias": True, "softmax_scale": None, "attn_clip_qkv": None, "logit_scale": None,
            "prefix_lm": False, "low_precision_layernorm": True}
