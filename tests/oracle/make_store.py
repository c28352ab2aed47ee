"""Make tests/golden/store/reference.safetensors with the reference implementation (safetensors.torch.save_file).

One array of each type that percept reads and writes; element i of each is i - 2 (bool: i is odd; u8: i + 1).
tests/store/test_writer.c writes the same arrays and compares the files byte by byte.
"""

import os

import torch
from safetensors.torch import save_file

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden", "store")


def ramp(count, dtype, shape):
    return (torch.arange(count) - 2).to(dtype).reshape(shape)


def main():
    os.makedirs(FOLDER, exist_ok=True)
    arrays = {
        "model.f32": ramp(6, torch.float32, (2, 3)),
        "model.bf16": ramp(5, torch.bfloat16, (5,)),
        "model.f16": ramp(3, torch.float16, (3, 1)),
        "model.f64": ramp(2, torch.float64, (1, 2)),
        "ids": ramp(4, torch.int64, (4,)),
        "counts": ramp(1, torch.int32, ()),
        "empty": torch.zeros((2, 0, 3)),
        'odd "name"\\\u00e9\n': (torch.arange(3) + 1).to(torch.uint8),
        "mask": torch.arange(3) % 2 == 1,
        "a.f32": ramp(1, torch.float32, (1,)),
    }
    save_file(arrays, os.path.join(FOLDER, "reference.safetensors"), metadata={"format": "pt"})


if __name__ == "__main__":
    main()
