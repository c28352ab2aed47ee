"""Published tokenizer data as files that percept reads, with the standard library alone.

usage: tokenizer_files.py tiktoken FILE OUT.json PATTERN     ranks of tiktoken -> tokenizer.json
       tokenizer_files.py gguf FILE OUTDIR                   vocabulary of a GGUF -> tokenizer.json or tokenizer.model
       tokenizer_files.py clip FILE.txt.gz OUTDIR            CLIP's merges -> vocab.json and merges.txt
       tokenizer_files.py plans TestPlans.txt NAME OUTDIR    the plans of an encoding -> texts and ids
       tokenizer_files.py jsonl FILE.jsonl OUTDIR            {"text": ..., "ids": ...} -> OUTDIR/texts, NUL behind each, and OUTDIR/ids
       tokenizer_files.py cases FILE.inp FILE.out OUTDIR     texts -> OUTDIR/N.txt, ids -> OUTDIR/N.json
"""
import base64
import gzip
import json
import os
import re
import struct
import sys

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
QWEN2 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
         r"|\s*[\r\n]+|\s+(?!\S)|\s+")
PATTERNS = {"gpt2": GPT2, "qwen2": QWEN2, "llama3": QWEN2.replace(r"|\p{N}|", r"|\p{N}{1,3}|")}


def byte_chars():
    table, extra = {}, 0
    for byte in range(256):
        if 0x21 <= byte <= 0x7e or 0xa1 <= byte <= 0xac or 0xae <= byte <= 0xff:
            table[byte] = chr(byte)
        else:
            table[byte] = chr(256 + extra)
            extra += 1
    return table


def byte_level(vocab, merges, pattern, specials=(), normalizer=None):
    """A tokenizer.json of the byte-level kind."""
    return {
        "version": "1.0",
        "added_tokens": [{"id": i, "content": t, "single_word": False, "lstrip": False, "rstrip": False,
                          "normalized": False, "special": special} for t, i, special in specials],
        "normalizer": normalizer,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": PATTERNS[pattern]}, "behavior": "Isolated", "invert": False},
            {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}]},
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {"type": "BPE", "vocab": vocab, "merges": merges},
    }


def merges_of_ranks(ranks):
    """The pair that each token is made of: what BPE gives when only earlier ranks may be used."""
    for token, rank in sorted(ranks.items(), key=lambda item: item[1]):
        parts = [token[i:i + 1] for i in range(len(token))]
        while len(parts) > 2:
            found = [(ranks.get(parts[i] + parts[i + 1], rank), i) for i in range(len(parts) - 1)]
            best, at = min(found)
            if best >= rank:
                break
            parts[at:at + 2] = [parts[at] + parts[at + 1]]
        if len(parts) == 2:
            yield parts


def from_tiktoken(path, out, pattern):
    ranks = {}
    words = open(path, "rb").read().split()
    for token, rank in zip(words[::2], words[1::2]):
        ranks[base64.b64decode(token)] = int(rank)
    chars = byte_chars()
    spell = lambda token: "".join(chars[b] for b in token)
    merges = [[spell(a), spell(b)] for a, b in merges_of_ranks(ranks)]
    json.dump(byte_level({spell(t): r for t, r in ranks.items()}, merges, pattern), open(out, "w"))


def read_gguf(path):
    data = open(path, "rb").read()
    at = 0

    def take(code):
        nonlocal at
        value = struct.unpack_from("<" + code, data, at)[0]
        at += struct.calcsize(code)
        return value

    def text():
        nonlocal at
        size = take("Q")
        at += size
        return data[at - size:at]

    def value(kind):
        if kind == 8:
            return text()
        if kind == 9:
            kind, count = take("I"), take("Q")
            return [value(kind) for _ in range(count)]
        return take({0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}[kind])

    assert take("I") == 0x46554747 and take("I") == 3
    take("Q")
    count = take("Q")
    return {text().decode(): value(take("I")) for _ in range(count)}


def varint(number):
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def field(number, payload):
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def from_gguf(path, out):
    keys = read_gguf(path)
    tokens = keys["tokenizer.ggml.tokens"]
    os.makedirs(out, exist_ok=True)
    if keys["tokenizer.ggml.model"] == b"llama":
        pieces = b"".join(
            field(1, field(1, token) + varint(2 << 3 | 5) + struct.pack("<f", score) + varint(3 << 3) + varint(kind))
            for token, score, kind in zip(tokens, keys["tokenizer.ggml.scores"], keys["tokenizer.ggml.token_type"]))
        trainer = varint(3 << 3) + varint(2) + varint(35 << 3) + varint(1)  # BPE, byte_fallback
        normalizer = field(1, b"identity") + varint(3 << 3) + varint(1) + varint(4 << 3) + varint(0)
        open(out + "/tokenizer.model", "wb").write(pieces + field(2, trainer) + field(3, normalizer))
        return
    vocab = {token.decode(): i for i, token in enumerate(tokens)}
    merges = [merge.decode() for merge in keys["tokenizer.ggml.merges"]]
    kinds = keys["tokenizer.ggml.token_type"]  # 3 control, 4 user-defined
    specials = [(t.decode(), i, k == 3) for i, (t, k) in enumerate(zip(tokens, kinds)) if k in (3, 4)]
    json.dump(byte_level(vocab, merges, "gpt2", specials), open(out + "/tokenizer.json", "w"))


def from_clip(path, out):
    os.makedirs(out, exist_ok=True)
    merges = gzip.open(path, "rt", encoding="utf-8").read().split("\n")[1:49152 - 256 - 2 + 1]
    chars = byte_chars()
    alphabet = [chars[b] for b in sorted(chars, key=lambda b: (len(chars[b].encode("utf-8")) == 2 and ord(chars[b]) >= 256, ord(chars[b])))]
    tokens = alphabet + [c + "</w>" for c in alphabet] + ["".join(m.split()) for m in merges]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    json.dump({t: i for i, t in enumerate(tokens)}, open(out + "/vocab.json", "w"))
    open(out + "/merges.txt", "w", encoding="utf-8").write("\n".join(["#version: 0.2"] + merges) + "\n")


def write_pairs(pairs, out):
    os.makedirs(out, exist_ok=True)
    with open(out + "/texts", "wb") as texts, open(out + "/ids", "w") as ids:
        for text, numbers in pairs:
            texts.write(text.encode() + b"\0")
            ids.write("[" + ",".join(map(str, numbers)) + "]\n")


def plans(path, name, out):
    text = open(path, encoding="utf-8", newline="").read().replace("\r\n", "\n")
    found = re.finditer(r"EncodingName: (\S+)\nSample: (.*?)\nEncoded: (\[.*?\])\n", text, re.S)
    write_pairs(((m[2], json.loads(m[3])) for m in found if m[1] == name), out)


def jsonl(path, out):
    rows = [json.loads(line) for line in open(path, encoding="utf-8")]
    write_pairs(((row["text"], row["ids"]) for row in rows), out)


def cases(texts, ids, out):
    os.makedirs(out, exist_ok=True)
    parts = open(texts, encoding="utf-8", newline="").read().split("\n__ggml_vocab_test__\n")
    lines = open(ids).read().split("\n")
    for i, (text, line) in enumerate(zip(parts, lines)):
        open(f"{out}/{i}.txt", "w", encoding="utf-8", newline="").write(text)
        open(f"{out}/{i}.json", "w").write("[" + ",".join(line.split()) + "]\n")


if __name__ == "__main__":
    {"tiktoken": from_tiktoken, "clip": from_clip, "plans": plans, "jsonl": jsonl, "gguf": from_gguf, "cases": cases}[sys.argv[1]](*sys.argv[2:])
