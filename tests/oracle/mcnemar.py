#!/usr/bin/env python3
"""Exact two-sided McNemar test of answers to the same questions: mcnemar.py PLAIN.jsonl OTHER.jsonl [PLAIN2 OTHER2 ...]

Files are samples_TASK.jsonl of `percept eval --output_path`. Pairs of files are put together. Prints, for all questions and
for each kind: questions, right answers of both, answers that only one had right, p.
"""

import json
import math
import sys
from collections import defaultdict


def read(path):
    with open(path, encoding="utf-8") as f:
        return {s["id"]: s for s in map(json.loads, f)}


def p_value(only_a, only_b):
    n, least = only_a + only_b, min(only_a, only_b)
    tail = sum(math.comb(n, i) for i in range(least + 1)) / 2 ** n if n else 1.0
    return min(1.0, 2 * tail)


def main(paths):
    counts = defaultdict(lambda: [0, 0, 0, 0, 0])
    for a, b in zip(paths[::2], paths[1::2]):
        plain, other = read(a), read(b)
        assert plain.keys() == other.keys(), f"{a} and {b} hold different questions"
        for name, s in plain.items():
            x, y = bool(s["right"]), bool(other[name]["right"])
            for kind in ("all", s["kind"]):
                for i, add in enumerate((1, x, y, x and not y, y and not x)):
                    counts[kind][i] += add
    for kind, (n, x, y, only_x, only_y) in sorted(counts.items()):
        print(f"{kind:12} n {n:5}  plain {x:5}  other {y:5}  only plain {only_x:4}  only other {only_y:4}  p {p_value(only_x, only_y):.3g}")


if __name__ == "__main__":
    main(sys.argv[1:])
