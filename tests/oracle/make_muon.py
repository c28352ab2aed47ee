#!/usr/bin/env python3
"""tests/golden/training/muon.safetensors: three steps of torch.optim.Muon on a wide, a tall and a square matrix.

torch makes the direction orthogonal in bfloat16; "exact.*" is the same computation in float64, so that the test can tell an error
from rounding.
"""

import numpy as np
import torch
from safetensors.torch import save_file

import common as c

OUT = c.GOLDEN / "training" / "muon.safetensors"
STEPS, LR, MOMENTUM, DECAY = 3, 0.05, 0.9, 0.1
A, B, C = 3.4445, -4.7750, 2.0315
SHAPES = {"wide": (6, 17), "tall": (19, 5), "square": (8, 8)}


def orthogonal(u):
    x = u / max(np.linalg.norm(u), 1e-7)
    x = x.T if u.shape[0] > u.shape[1] else x
    for _ in range(5):
        g = x @ x.T
        x = A * x + (B * g + C * g @ g) @ x
    return x.T if u.shape[0] > u.shape[1] else x


def exact(p, grads):
    p, v = p.astype(np.float64), np.zeros(p.shape)
    for g in grads.astype(np.float64):
        v += (1 - MOMENTUM) * (g - v)
        p = p * (1 - LR * DECAY) - LR * 0.2 * max(p.shape) ** 0.5 * orthogonal(g + MOMENTUM * (v - g))
    return p


def main():
    generator = torch.Generator().manual_seed(5)
    tensors = {}
    for name, shape in SHAPES.items():
        p = torch.randn(shape, generator=generator)
        grads = torch.randn((STEPS, *shape), generator=generator)
        param = torch.nn.Parameter(p.clone())
        optimizer = torch.optim.Muon([param], lr=LR, momentum=MOMENTUM, weight_decay=DECAY, adjust_lr_fn="match_rms_adamw")
        for g in grads:
            param.grad = g.clone()
            optimizer.step()
        tensors |= {f"{name}.before": p, f"{name}.grads": grads, f"{name}.after": param.detach(),
                    f"{name}.exact": torch.from_numpy(exact(p.numpy(), grads.numpy())).float()}
    save_file({k: t.contiguous() for k, t in tensors.items()}, OUT)


if __name__ == "__main__":
    main()
