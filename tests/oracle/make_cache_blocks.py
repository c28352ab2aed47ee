#!/usr/bin/env python3
"""tests/golden/gguf/cache_blocks.safetensors: numbers, and the blocks that llama.cpp's gguf-py makes of them.
usage: make_cache_blocks.py LLAMA_CPP, a checkout of ggerganov/llama.cpp.
"""

import sys

sys.path.insert(0, sys.argv[1] + "/gguf-py")
import numpy as np  # noqa: E402
from gguf.constants import GGMLQuantizationType as Type  # noqa: E402
from gguf.quants import quantize  # noqa: E402
from safetensors.numpy import save_file  # noqa: E402

import common as c  # noqa: E402

rng = np.random.default_rng(26)
spread = np.repeat(np.exp(rng.uniform(-8, 6, 40)), 32)
x = (rng.standard_normal(40 * 32) * spread).astype(np.float32)
x[64:96] = 0
x[100:128] = 0  # four numbers of a block
out = {"x": x, "q8_0": quantize(x, Type.Q8_0), "q4_0": quantize(x, Type.Q4_0)}
save_file({k: np.ascontiguousarray(v) for k, v in out.items()}, c.GOLDEN / "gguf" / "cache_blocks.safetensors")
