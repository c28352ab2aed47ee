"""tests/golden/text/unigram_ties/: a Unigram vocabulary in which two ways to cut a word score the same up to one rounding.

The reference reads a score as its digits, divided by a power of ten: for many numbers not the nearest double. Where two
ways are that close, the ids tell which double was read. Run from the repository's root.
"""
import json
import pathlib
import random

from tokenizers import Tokenizer

OUT = pathlib.Path("tests/golden/text/unigram_ties")
WORDS = 60


def make():
    rng = random.Random(5)
    vocab, words = [["<unk>", 0.0]], []
    for i in range(WORDS):
        first, second = chr(0x4E00 + 2 * i), chr(0x4E01 + 2 * i)
        x, y = -rng.uniform(1, 12), -rng.uniform(1, 12)
        vocab += [[first, x], [second, y], [first + second, x + y]]
        words.append(first + second)
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
            "pre_tokenizer": None, "post_processor": None, "decoder": None,
            "model": {"type": "Unigram", "unk_id": 0, "vocab": vocab, "byte_fallback": False}}, words


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    data, words = make()
    (OUT / "tokenizer.json").write_text(json.dumps(data, ensure_ascii=False))
    tokenizer = Tokenizer.from_file(str(OUT / "tokenizer.json"))
    rows = []
    for word in words:
        ids = tokenizer.encode(word, add_special_tokens=False).ids
        rows.append({"text": word, "0": ids, "decoded 0": None, "3": ids, "decoded 3": None})
    (OUT / "cases.json").write_text(json.dumps({"tokenizer.json": rows}, ensure_ascii=False))
    print(sum(len(r["0"]) == 1 for r in rows), "of", len(rows), "in one piece")


main()
