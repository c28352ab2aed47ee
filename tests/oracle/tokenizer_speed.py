"""Speed beside the `tokenizers` library, one thread each, interleaved; every line's ids compared.

    python tests/oracle/tokenizer_speed.py PERCEPT TEXT TOKENIZER_JSON... [--pairs N]

percept's time is that of the whole command: start, loading, reading the text, writing the ids. The library's is that of
encode_batch alone, on lines already in memory. Both read special tokens in the text.
"""
import argparse
import json
import os
import statistics
import subprocess
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"

from tokenizers import Tokenizer


def library(tokenizer, lines):
    start = time.perf_counter()
    out = []
    for at in range(0, len(lines), 20000):
        out += [e.ids for e in tokenizer.encode_batch(lines[at:at + 20000], add_special_tokens=False)]
    return time.perf_counter() - start, out


def program(percept, path, text):
    start = time.perf_counter()
    run = subprocess.run([percept, "tokenize", path, "-f", text, "--lines", "--parse-special"], stdout=subprocess.PIPE, check=True)
    return time.perf_counter() - start, run.stdout


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("percept")
    parser.add_argument("text")
    parser.add_argument("tokenizers", nargs="+")
    parser.add_argument("--pairs", type=int, default=3)
    options = parser.parse_args()
    data = open(options.text, encoding="utf-8", newline="").read()
    lines = data.removesuffix("\n").split("\n")
    megabytes = len(data.encode()) / 1e6
    print(f"{megabytes:.1f} MB, {len(lines)} lines")
    for path in options.tokenizers:
        tokenizer = Tokenizer.from_file(path)
        ours, theirs = [], []
        for _ in range(options.pairs):
            seconds, ids = library(tokenizer, lines)
            theirs.append(seconds)
            seconds, output = program(options.percept, path, options.text)
            ours.append(seconds)
        differ = sum(json.loads(a) != b for a, b in zip(output.splitlines(), ids)) + abs(output.count(b"\n") - len(ids))
        a, b = statistics.median(ours), statistics.median(theirs)
        print(f"{path}: percept {megabytes / a:.2f} MB/s, tokenizers {megabytes / b:.2f} MB/s, ratio {b / a:.2f}, "
              f"{differ} lines differ", flush=True)


main()
