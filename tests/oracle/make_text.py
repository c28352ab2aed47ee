"""Makes tests/golden/text: tiny tokenizers and the ids that the `tokenizers` and `sentencepiece` libraries give.

Needs tokenizers and sentencepiece. A decoded text is stored only where it differs from the text.
"""
import io
import json
import os
import struct

import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

out = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../golden/text")
os.makedirs(out, exist_ok=True)
CORPUS = [
    "The quick brown fox jumps over the lazy dog. It's 12 o'clock, isn't it? They'll come; we've 345 apples.",
    "the theme of the thesis: then there, in the end, nothing. A man, a plan, a canal. What is in the image?",
    "Once upon a time there was a little girl. She liked to play outside in the garden with her small dog.",
    "你好，世界。这是一个测试。你好吗？ 日本語のテキスト。 Ünïcödé café naïve façade. Привет, мир!",
    "def f(x):\n    return x + 1\n\n\nfor i in range(10):\n\tprint(i)\n",
] * 4
TEXTS = [
    "", "a", " ", "  ", " a", "a ", "a  b", "   three   spaces   ", "\n", "\n\n", "\r\n", "\t\ta", " \n \n x", "The time",
    "Hello, world!!! it's I'LL we'Ve 'S 'd", "'\u017ft'\u017f", "1234567 12 3.14", "\u0661\u0662\u0663 \u00bd \u2167 \u00b2",
    "你好，世界。", "日本語テキスト", "한국어", "🙂😀👨\u200d👩\u200d👧", "e\u0301 \u0301a \u1e9b\u0323", "x\u0300\u0316\u0300y",
    "\u212b A\u030a \ufb01 \u2460", "\u0130stanbul ẞ ΣΑΣ", "\u00a0\u3000x\u2003y\u200b", "▁a▁ b ▁▁c", "<s> </s> <unk>",
    "<0x41> <0xE4>", "\x01\x7f\x1f", "   \n\n  \t x", "word\n\nword \n word", "foo_bar-baz/qux.py", "==>{}[]()#@",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "the" * 30, " " * 33, "\u1100\u1161\u11a8\ud7a3",
    "\ufeffBOM\ufffd\uffff", "\U0010ffff", "<image>\nWhat is this? <image>", "x<image>y < image> <imag", "a\u2028b\u0085c\x0bd",
    "foo foods foo, sea-foo", " \r\n \r\n x", "\u1c89\U0002ebf0\U000105c0 \U00010d40", "مرحبا हिन्दी ไทย",
]
QWEN2 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
         r"|\s*[\r\n]+|\s+(?!\S)|\s+")
LLAMA3 = QWEN2.replace(r"|\p{N}|", r"|\p{N}{1,3}|")
ADD, PARSE = 1, 2
cases = {}


def record(name, tokenizer):
    """Save, and note the ids of every text with and without special tokens added and parsed."""
    data = json.loads(tokenizer.to_str())
    json.dump(data, open(f"{out}/{name}.json", "w"), ensure_ascii=False, separators=(",", ":"))
    rows = []
    for text in TEXTS:
        row = {"text": text}
        for flags in (0, ADD | PARSE):
            tokenizer.encode_special_tokens = not flags & PARSE
            ids = tokenizer.encode(text, add_special_tokens=bool(flags & ADD)).ids
            row[str(flags)] = ids
            decoded = tokenizer.decode(ids, skip_special_tokens=True)
            if decoded != text:
                row[f"decoded {flags}"] = decoded
        rows.append(row)
    cases[name + ".json"] = rows


def byte_level(name, pre, size=320, normalizer=None, added=(), **options):
    tokenizer = Tokenizer(models.BPE(**options))
    tokenizer.pre_tokenizer = pre
    tokenizer.decoder = decoders.ByteLevel()
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(
        vocab_size=size, special_tokens=["<pad>", "<s>", "</s>"], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B </s>", special_tokens=[("<s>", 1), ("</s>", 2)])
    tokenizer.add_tokens(list(added))
    record(name, tokenizer)
    return tokenizer


def split_first(regex):
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(regex), "isolated"),
                                    pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


trained = byte_level("qwen2", split_first(QWEN2), normalizer=normalizers.NFC(),
                     added=[AddedToken("<image>", special=True, normalized=False)])
byte_level("llama3", split_first(LLAMA3), ignore_merges=True,
           added=[AddedToken("<image>", special=True, lstrip=True, rstrip=True), AddedToken("foo", single_word=True)])
byte_level("gpt2", pre_tokenizers.Sequence([pre_tokenizers.Digits(True), pre_tokenizers.ByteLevel(add_prefix_space=True)]),
           normalizer=normalizers.Sequence([normalizers.NFKC(), normalizers.Strip()]))

# What the trainer must learn from the same texts.
plain = Tokenizer(models.BPE())
plain.pre_tokenizer = split_first(QWEN2)
plain.train_from_iterator(CORPUS, trainers.BpeTrainer(
    vocab_size=400, special_tokens=["<pad>", "<s>", "</s>"], show_progress=False, min_frequency=2,
    initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
json.dump({"texts": CORPUS, "merges": json.loads(plain.to_str())["model"]["merges"]},
          open(f"{out}/train.json", "w"), ensure_ascii=False, separators=(",", ":"))


def piece_model(size, **options):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(line.strip() for text in CORPUS for line in text.split("\n") if line.strip()),
        model_writer=model, model_type="bpe", vocab_size=size, minloglevel=2, normalization_rule_name="identity", **options)
    return model.getvalue()


def record_pieces(name, model, data):
    open(f"{out}/{name}", "wb").write(data)
    rows = []
    for text in TEXTS:
        ids = model.encode(text)
        row = {"text": text, "0": ids}
        if model.unk_id() in ids or "▁" in text:
            row["decoded 0"] = None  # the library writes unknown text in a way of its own
        elif model.decode(ids) != text:
            row["decoded 0"] = model.decode(ids)
        rows.append(row)
    cases[name] = rows


llama = piece_model(340, byte_fallback=True, remove_extra_whitespaces=False, character_coverage=0.98)
model = sentencepiece.SentencePieceProcessor(model_proto=llama)
record_pieces("llama.model", model, llama)
data = piece_model(120, user_defined_symbols=["foo", "\n", "<image>"], character_coverage=0.98)
record_pieces("collapse.model", sentencepiece.SentencePieceProcessor(model_proto=data), data)
# A user-defined piece in the shape of a control token is matched on request only: the library always does.
cases["collapse.model"] = [row for row in cases["collapse.model"] if "<image>" not in row["text"]]

# The same pieces as a llama2.c file, which has spaces for U+2581. The two differ on U+2581 in the text.
pieces = [model.id_to_piece(i) for i in range(model.get_piece_size())]
texts = ["<unk>", "\n<s>\n", "\n</s>\n"] + [piece.replace("▁", " ") for piece in pieces[3:]]
blob = struct.pack("<i", max(len(text.encode()) for text in texts))
for i, text in enumerate(texts):
    blob += struct.pack("<fi", model.get_score(i), len(text.encode())) + text.encode()
open(f"{out}/llama2c.bin", "wb").write(blob)
cases["llama2c.bin"] = [row for row in cases["llama.model"] if "▁" not in row["text"] and row["text"]]

# And as tokenizer.json, in LLaMA's old and new shape.
ids = {piece: i for i, piece in enumerate(pieces)}
merges = []
for piece in pieces[259:]:
    for at in range(1, len(piece)):
        if piece[:at] in ids and piece[at:] in ids:
            merges.append((model.get_score(ids[piece]), ids[piece[:at]], ids[piece[at:]]))
merges.sort(key=lambda merge: (-merge[0], merge[1], merge[2]))
for name in ("llama", "metaspace"):
    tokenizer = Tokenizer(models.BPE(ids, [(pieces[a], pieces[b]) for _, a, b in merges], unk_token="<unk>", fuse_unk=True,
                                     byte_fallback=True))
    if name == "llama":
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
                                           decoders.Strip(" ", 1, 0)])
    tokenizer.add_special_tokens(["<unk>", "<s>", "</s>", "<image>"])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s> $B",
                                                             special_tokens=[("<s>", 1)])
    record(name, tokenizer)

with open(f"{out}/cases.json", "w") as file:
    json.dump(cases, file, ensure_ascii=False, separators=(",", ":"))
