#!/usr/bin/env python3
"""A tiny fixture with the vocabulary of the published model, so that its real tokenizer can be put beside it.

    real_tokenizer.py qwen_vl FIXTURE OUT      tests/golden/qwen_vl/chat -> OUT, with Qwen's 151936 rows

Rows of embedding and head are drawn at random; everything else stays. Needs nothing but Python.
"""

import array
import json
import random
import struct
import sys
from pathlib import Path

ROWS = {"qwen_vl": 151936}
KEYS = {"qwen_vl": {"seq_length": 2048, "max_position_embeddings": 8192}}
TABLES = ("transformer.wte.weight", "lm_head.weight")

kind, fixture, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
out.mkdir(parents=True, exist_ok=True)
config = json.loads((fixture / "config.json").read_text())
config |= KEYS[kind] | {"vocab_size": ROWS[kind]}
config["visual"]["image_start_id"] = 151857
(out / "config.json").write_text(json.dumps(config, indent=1))

blob = (fixture / "model.safetensors").read_bytes()
size = struct.unpack("<Q", blob[:8])[0]
header = json.loads(blob[8:8 + size])
header.pop("__metadata__", None)
draw, entries, parts, at = random.Random(1), {}, [], 0
for name, entry in header.items():
    begin, end = entry["data_offsets"]
    data = blob[8 + size + begin:8 + size + end]
    shape = entry["shape"]
    if name in TABLES:
        shape = [ROWS[kind], shape[1]]
        values = array.array("f", (draw.gauss(0, 1) for _ in range(4096)))
        count = shape[0] * shape[1]
        data = (values * (count // 4096 + 1))[:count].tobytes()
        entry["dtype"] = "F32"
    entries[name] = {"dtype": entry["dtype"], "shape": shape, "data_offsets": [at, at + len(data)]}
    parts.append(data)
    at += len(data)
text = json.dumps(entries).encode()
text += b" " * (-len(text) % 8)
(out / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + b"".join(parts))
