#!/usr/bin/env python3
"""How far quantised weights carry log-probabilities from those of f32: percept beside llama.cpp, on the same files and tokens.

usage: llama_cpp_logits.py BIN PERCEPT FOLDER TEXT TYPE...
FOLDER has tiny-f32.gguf and q-TYPE.gguf (llama_cpp.sh leaves them). The error is the root of the mean square over all tokens of
the vocabulary at the judged positions of CHUNKS chunks; a line for each type, exit code 1 when percept's is above 1.02 of ggml's.
DTYPE = percept's arithmetic, f32 or bf16 (the other factor of products in 8 bits).
"""

import os
import struct
import subprocess
import sys

import numpy as np
from safetensors.numpy import load_file

bin_, percept, folder, text, *types = sys.argv[1:]
CONTEXT, CHUNKS, dtype = 256, 6, os.environ.get("DTYPE", "f32")


def theirs(model):
    """tokens [chunks, context], log-probabilities [chunks, judged, vocabulary] as llama-perplexity saves them."""
    path = f"{folder}/logits.bin"
    subprocess.run([f"{bin_}/llama-perplexity", "-m", model, "-f", text, "-c", str(CONTEXT), "-b", str(CONTEXT), "-t", "1",
                    "--chunks", str(CHUNKS), "--kl-divergence-base", path], check=True, capture_output=True)
    data = open(path, "rb").read()
    context, vocabulary, chunks = struct.unpack_from("<iii", data, 8)
    at = 20 + 4 * chunks * context
    tokens = np.frombuffer(data, "<i4", chunks * context, 20).reshape(chunks, context)
    judged, width = context - 1 - context // 2, 2 * ((vocabulary + 1) // 2) + 4
    rows = np.frombuffer(data, "<u2", chunks * judged * width, at).reshape(chunks, judged, width)
    scale, least = (np.ascontiguousarray(rows[..., 2 * i:2 * i + 2]).view("<f4") for i in range(2))
    return tokens, rows[..., 4:4 + vocabulary].astype(np.float64) * scale + least


def ours(model, tokens, dtype):
    out = []
    for row in tokens:
        path = f"{folder}/trace.safetensors"
        subprocess.run([percept, "trace", model, "--mmproj", "none", "--input-ids", ",".join(map(str, row)), "--dtype", dtype,
                        "-o", path], check=True, capture_output=True)
        logits = load_file(path)["logits"].reshape(len(row), -1).astype(np.float64)[CONTEXT // 2:-1]
        logits -= logits.max(-1, keepdims=True)
        out.append(logits - np.log(np.exp(logits).sum(-1, keepdims=True)))
    return np.stack(out)


def error(found, truth):
    return float(np.sqrt(np.mean(np.square(np.maximum(found, -16) - np.maximum(truth, -16)))))  # theirs are cut at max - 16


bad = 0
tokens, their_truth = theirs(f"{folder}/tiny-f32.gguf")
our_truth = ours(f"{folder}/tiny-f32.gguf", tokens, "f32")
print(f"f32: percept and llama.cpp are {error(our_truth, their_truth):.5f} apart")
for name in types:
    a = error(theirs(f"{folder}/q-{name}.gguf")[1], their_truth)
    b = error(ours(f"{folder}/q-{name}.gguf", tokens, dtype), our_truth)
    bad += b > 1.02 * a
    print(f"{name}: ggml {a:.5f}, percept {b:.5f}, ratio {b / a:.4f}", flush=True)
sys.exit(bad > 0)
