#!/usr/bin/env python3
"""A LLaVA as percept convert writes it, in llama.cpp's llama-llava-cli: the same greedy texts about the same pictures.

usage: llama_cpp_pictures.py LLAVA_CLI PERCEPT OUT. Pictures have the tower's size, for llama.cpp resizes in a way of its own.
"""

import subprocess
import sys
from pathlib import Path

from PIL import Image

import common as c

cli, percept, out = sys.argv[1], sys.argv[2], Path(sys.argv[3])
out.mkdir(parents=True, exist_ok=True)
PROMPT, SIDE, TOKENS = "USER: <image>\nWhat is the colour? ASSISTANT:", 21, "12"


def run(*words):
    return subprocess.run(words, capture_output=True, check=True, stdin=subprocess.DEVNULL).stdout


def theirs(model, eyes, picture):
    text = run(cli, "-m", model, "--mmproj", eyes, "--image", picture, "-p", PROMPT, "--temp", "0", "-n", TOKENS, "-t", "1")
    text = text.partition(b"image encoded")[2].partition(b"\n")[2]
    return text.replace(b"\n", b"").decode("utf-8", "replace").replace("<image>", "")  # percept leaves control tokens out


def ours(model, eyes, picture):
    text = run(percept, "run", model, PROMPT, "--mmproj", eyes, "--image", picture, "--template", "raw", "-n", TOKENS)
    return text.decode().replace("\n", "")


bad = 0
for dtype in ("f32", "f16"):
    model, eyes = str(out / f"llava-{dtype}.gguf"), str(out / f"eyes-{dtype}.gguf")
    run(percept, "convert", str(c.GOLDEN / "llava/hf"), model, "--type", dtype, "--mmproj", eyes)
    for name in ("shapes", "triangle"):
        whole = Image.open(c.GOLDEN / f"llava/{name}.png").convert("RGB")
        for k in range(3):
            picture = str(out / f"{name}{k}.png")
            whole.crop((k, k, k + SIDE, k + SIDE)).save(picture)
            same = theirs(model, eyes, picture) == ours(model, eyes, picture)
            bad += not same
            print(dtype, name, k, "same" if same else "OTHER")
sys.exit(bad > 0)
