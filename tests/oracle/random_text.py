"""Random Unicode strings against the `tokenizers` library, for every kind of tokenizer.json, and the small fixture of it.

usage: random_text.py check PERCEPT [COUNT] [KIND...]   all kinds, COUNT strings (10,000): ids, with and without specials, and text
       random_text.py fixture                           tests/golden/text/kinds/*.json, texts and ids in its cases.json

Needs tokenizers, sentencepiece and transformers (for the conversion of a unigram model with its charsmap).
"""
import base64
import json
import os
import random
import subprocess
import sys
import tempfile

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

here = os.path.dirname(os.path.abspath(__file__))
golden = os.path.join(here, "../golden/text/kinds")
CORPUS = [
    "The quick brown fox jumps over the lazy dog. It's 12 o'clock, isn't it? They'll come; we've 345 apples.",
    "the theme of the thesis: then there, in the end, nothing. A man, a plan, a canal. What is in the image?",
    "Once upon a time there was a little girl. She liked to play outside in the garden with her small dog.",
    "你好，世界。这是一个测试。你好吗？ 日本語のテキスト。 Ünïcödé café naïve façade. Привет, мир!",
    "def f(x):\n    return x + 1\n\n\nfor i in range(10):\n\tprint(i)\n",
] * 4
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
QWEN2 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
         r"|\s*[\r\n]+|\s+(?!\S)|\s+")
LLAMA3 = QWEN2.replace(r"|\p{N}|", r"|\p{N}{1,3}|")
ENDING = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
O200K = "|".join([r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+" + ENDING,
                  r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*" + ENDING,
                  r"\p{N}{1,3}", r" ?[^\s\p{L}\p{N}]+[\r\n/]*", r"\s*[\r\n]+", r"\s+(?!\S)", r"\s+"])
CLIP = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
DEEPSEEK = [r"[\r\n]", r"\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-Ֆ]+", r"\s?[!-/:-~！-／：-～‘-‟　-。]+",
            r"\s+$", r"[一-龥ࠀ-一가-퟿]+"]
N, P, D = normalizers, pre_tokenizers, decoders
SPECIALS = ["<pad>", "<s>", "</s>", "<unk>"]


def template(tokenizer, first="<s>", last="</s>"):
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {last}", pair=f"{first} $A {last} $B {last}",
        special_tokens=[(t, tokenizer.token_to_id(t)) for t in (first, last)])


def byte_level(split, normalizer=None, size=360, suffix=None, **options):
    affix = {"end_of_word_suffix": suffix} if suffix else {}
    tokenizer = Tokenizer(models.BPE(**affix, **options))
    tokenizer.pre_tokenizer = split
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.decoder = D.ByteLevel()
    more = [c + suffix for c in P.ByteLevel.alphabet()] if suffix else []
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(
        vocab_size=size + len(more), special_tokens=SPECIALS, show_progress=False, **affix,
        initial_alphabet=P.ByteLevel.alphabet()))
    if more:  # every byte may end a word
        data = json.loads(tokenizer.to_str())
        for token in more:
            data["model"]["vocab"].setdefault(token, len(data["model"]["vocab"]))
        tokenizer = Tokenizer.from_str(json.dumps(data))
    template(tokenizer)
    tokenizer.add_special_tokens([AddedToken("<image>", lstrip=True, rstrip=True, normalized=False)])
    tokenizer.add_tokens([AddedToken("foo", single_word=True), AddedToken("Bar", normalized=True, rstrip=True)])
    return tokenizer


def behind(*splits):
    return P.Sequence([*splits, P.ByteLevel(add_prefix_space=False, use_regex=False)])


def regex(pattern, behavior="isolated", invert=False):
    return P.Split(Regex(pattern), behavior, invert)


def characters(pre, normalizer=None, size=300, decoder=None, **options):
    """BPE on characters."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", **options))
    tokenizer.pre_tokenizer = pre
    if normalizer:
        tokenizer.normalizer = normalizer
    prefix = {key: options[key] for key in ("continuing_subword_prefix", "end_of_word_suffix") if key in options}
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=size, special_tokens=SPECIALS, show_progress=False,
                                                              **prefix))
    if decoder:
        tokenizer.decoder = decoder
    template(tokenizer)
    return tokenizer


def wordpiece(normalizer, pre=None, cleanup=True):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre or P.BertPreTokenizer()
    tokenizer.train_from_iterator(CORPUS, trainers.WordPieceTrainer(
        vocab_size=300, show_progress=False, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]))
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.decoder = D.WordPiece(cleanup=cleanup)
    return tokenizer


def wordlevel(pre, normalizer=None):
    tokenizer = Tokenizer(models.WordLevel(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.train_from_iterator(CORPUS, trainers.WordLevelTrainer(special_tokens=SPECIALS, show_progress=False))
    template(tokenizer)
    return tokenizer


def charsmap():
    """SentencePiece's nmt_nfkc_cf table, from a model trained with it."""
    import io
    import sentencepiece
    from sentencepiece import sentencepiece_model_pb2 as pb
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(line for text in CORPUS for line in text.split("\n") if line), model_writer=model,
        model_type="unigram", vocab_size=120, minloglevel=2, normalization_rule_name="nmt_nfkc")
    proto = pb.ModelProto()
    proto.ParseFromString(model.getvalue())
    return proto.normalizer_spec.precompiled_charsmap


def small_charsmap(table):
    """The same format with few entries, for the fixture: a trie as darts-clone lays it out, made by hand."""
    import struct
    results, offsets = b"", {}
    for key, value in sorted(table.items()):
        offsets[key.encode()] = len(results)
        results += value.encode() + b"\0"
    units, used, bases = {0: 0}, {0}, set()

    def place(prefix, node):
        keys = [k for k in offsets if k.startswith(prefix)]
        labels = sorted({k[len(prefix)] for k in keys if len(k) > len(prefix)} | ({0} if prefix in offsets else set()))
        base = 1
        while base in bases or any((base ^ c) in used for c in labels):
            base += 1
        bases.add(base)
        units[node] |= (base ^ node) << 10 | (256 if 0 in labels else 0)
        for c in labels:
            used.add(base ^ c)
        for c in labels:
            if c == 0:
                units[base] = 1 << 31 | offsets[prefix]
            else:
                units[base ^ c] = c
        for c in labels:
            if c:
                place(prefix + bytes([c]), base ^ c)

    place(b"", 0)
    array = b"".join(struct.pack("<I", units.get(i, 0)) for i in range(max(units) + 256 & ~255))
    return struct.pack("<I", len(array)) + array + results


SMALL_MAP = {"ﬁ": "fi", "Ａ": "A", "①": "1", "\r": " ", "\n": " ", "\t": " ", "\u00a0": " ", "\u3000": " ", "\u200b": "",
             "e\u0301": "é", "\u212b": "Å", "½": "1/2", "㌀": "アパート", "Å": "Å", "\u09dc": "r", "\u1000": "k", "\U00011103": "c"}
# A mark of two bytes behind a consonant of the table: kept where a virama joins it to another consonant, else lost.
CONJUNCTS = ["\u0925\u094d\u09dc\u05ba", "\u09dc\u05ba", "\u0925\u094d\u200d\u09dc\u05ba", "\u0925\u094d\u200c\u09dc\u05ba",
             "\u0925\u093c\u094d\u0301\u09dc\u05ba", "\u0925\u093e\u094d\u09dc\u05ba", "a\u094d\u09dc\u05ba", "\u1000\u1039\u1000\u05ba",
             "\u1000\u103a\u1000\u05ba", "\U00011103\U00011133\u09dc\u05ba", "\u0b95\u0bcd\u09dc\u05ba", "\u0915\u094d\u0915\u094d\u1000\u05ba"]


def unigram(normalizer, pre=None, byte_fallback=False, decoder=None):
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre or P.Metaspace()
    tokenizer.train_from_iterator(CORPUS, trainers.UnigramTrainer(
        vocab_size=230, special_tokens=SPECIALS, unk_token="<unk>", show_progress=False))
    tokenizer.decoder = decoder or D.Metaspace()
    if byte_fallback:
        data = json.loads(tokenizer.to_str())
        data["model"]["vocab"] += [[f"<0x{b:02X}>", -20.5] for b in range(256)]
        data["model"]["byte_fallback"] = True
        tokenizer = Tokenizer.from_str(json.dumps(data))
    template(tokenizer)
    return tokenizer


def precompiled(blob):
    return N.Precompiled(blob)


KINDS = {
    "gpt2": lambda: byte_level(P.ByteLevel(add_prefix_space=True)),
    "qwen2": lambda: byte_level(behind(regex(QWEN2)), N.NFC()),
    "llama3": lambda: byte_level(behind(regex(LLAMA3)), ignore_merges=True),
    "o200k": lambda: byte_level(behind(regex(O200K))),
    "clip": lambda: byte_level(P.Sequence([regex(CLIP, "removed", True), P.ByteLevel(add_prefix_space=False)]),
                               N.Sequence([N.NFC(), N.Replace(Regex(r"\s+"), " "), N.Lowercase()]), suffix="</w>",
                               unk_token="</s>"),
    "deepseek": lambda: byte_level(behind(*[regex(p) for p in DEEPSEEK], P.Digits(True))),
    "bytes_as_normalizer": lambda: characters(P.Metaspace(), N.ByteLevel()),
    "with_previous": lambda: byte_level(behind(regex(r"\s|[aeiou]", "merged_with_previous"))),
    "with_next": lambda: byte_level(behind(regex(r"[\s.]", "merged_with_next"))),
    "contiguous": lambda: byte_level(behind(regex(r"\p{Ll}", "contiguous"))),
    "inverted": lambda: byte_level(behind(regex(r"\w+|\d", "merged_with_next", True))),
    "empty_matches": lambda: byte_level(behind(regex(r"x*|(?=\p{Lu})", "isolated"))),
    "lookbehind": lambda: byte_level(behind(regex(r"(?<=[a-z])(?=[A-Z])|\h{3}|$", "removed"))),
    "digit_runs": lambda: byte_level(behind(regex(r"\p{N}+"), P.Digits(False))),
    "string_split": lambda: byte_level(behind(P.Split(" ", "merged_with_next"), P.Split("e", "contiguous"))),
    "fixed": lambda: byte_level(behind(P.FixedLength(3))),
    "metaspace_first": lambda: characters(P.Metaspace(prepend_scheme="first"), decoder=D.Metaspace(prepend_scheme="first")),
    "subword_prefix": lambda: characters(P.Whitespace(), N.Lowercase(), continuing_subword_prefix="##",
                                         decoder=D.WordPiece()),
    "word_end": lambda: characters(P.BertPreTokenizer(), N.Sequence([N.NFKD(), N.StripAccents()]), end_of_word_suffix="</w>",
                                   fuse_unk=True, decoder=D.BPEDecoder("</w>")),
    "char_delimiter": lambda: characters(P.Sequence([P.CharDelimiterSplit("e"), P.Punctuation("contiguous")]), N.NFKC()),
    "bert_uncased": lambda: wordpiece(N.BertNormalizer()),
    "bert_cased": lambda: wordpiece(N.BertNormalizer(lowercase=False), cleanup=False),
    "bert_plain": lambda: wordpiece(N.BertNormalizer(clean_text=False, handle_chinese_chars=False, strip_accents=False)),
    "wordlevel": lambda: wordlevel(P.Sequence([P.WhitespaceSplit(), P.Punctuation("merged_with_previous"), P.Digits(True)])),
    "wordlevel_nmt": lambda: wordlevel(P.Whitespace(), N.Sequence([N.Nmt(), N.NFD(), N.Strip(), N.Prepend("z")])),
    "unigram": lambda: unigram(N.Sequence([precompiled(charsmap()), N.Replace(Regex(" {2,}"), " ")])),
    "xlm_r": lambda: unigram(precompiled(charsmap()), P.Sequence([P.WhitespaceSplit(), P.Metaspace()])),
    "unigram_bytes": lambda: unigram(N.Sequence([N.Replace(" ", "▁"), N.Strip()]), P.Split("▁", "merged_with_next"), True,
                                     D.Sequence([D.Replace("▁", " "), D.ByteFallback(), D.Fuse()])),
    "small_map": lambda: unigram(precompiled(small_charsmap(SMALL_MAP))),
}
COMMITTED = ["clip", "o200k", "with_previous", "empty_matches", "string_split", "subword_prefix", "word_end", "char_delimiter",
             "bert_uncased", "wordlevel_nmt", "unigram_bytes", "small_map"]
PIECES = ["the", "Hello", " ", "  ", "\n", "\r\n", "\t", "'s", "'LL", "'ſ", "ing", ".", ",", "!?", "123", "foo", " foo ", "Bar",
          "BAR", "bar", "<image>", "</s>", "<s>", "<unk>", "[CLS]", "##ing", "</w>", "▁", "e\u0301", "é", "ﬁ", "Å", "你好", "日本語",
          "한국어", "\u1100\u1161\u11a8", "👨\u200d👩", "🇩🇪", "\u0300\u0316", "ǅ", "ß", "İ", "Σ", "\u200b", "\u00a0", "\u3000", "\ufeff",
          "\x00", "\x7f", "\x1b", "½", "Ⅷ", "٣", "㌀", "①", "_", "don't", "n't", "fooBar", "CamelCase", "\u2028", "\x85", "𝒳", "ༀ"]
BLOCKS = [(0x20, 0x7f)] * 8 + [(0, 0x20), (0x80, 0x250), (0x250, 0x600), (0x600, 0x900), (0x900, 0xe80), (0x0e80, 0x1400),
          (0x1400, 0x2000), (0x2000, 0x2c00), (0x2c00, 0x3400), (0x3400, 0xa000), (0xa000, 0xd7a4), (0xd7b0, 0xd800),
          (0xe000, 0xf900), (0xf900, 0x10000), (0x10000, 0x11000), (0x11000, 0x12000), (0x12000, 0x1d000), (0x1d000, 0x20000),
          (0x20000, 0x33000), (0xe0000, 0xe0200), (0x100000, 0x110000)]


def random_text(rng):
    text = ""
    for _ in range(rng.randint(1, 12)):
        if rng.random() < 0.5:
            text += rng.choice(PIECES)
        else:
            low, high = rng.choice(BLOCKS)
            text += "".join(chr(rng.randrange(low, high)) for _ in range(rng.randint(1, 4)))
    return text.replace("\0", "")  # what separates texts on the command line


def expected(tokenizer, texts, special):
    tokenizer.encode_special_tokens = not special
    out = []
    for text in texts:
        ids = tokenizer.encode(text, add_special_tokens=special).ids
        out.append((ids, tokenizer.decode(ids, skip_special_tokens=not special)))
    return out


def run(percept, path, texts, *flags):
    out = subprocess.run([percept, "tokenize", path, "--null", *flags], input="".join(t + "\0" for t in texts).encode(),
                         capture_output=True)
    if out.returncode:
        raise SystemExit(out.stderr.decode())
    return out.stdout


def same_text(found, wanted, kind):
    if kind == "clip":  # as transformers decodes, not tokenizers; and an added token is spelled as it was added
        return found.strip().lower() == wanted.replace("</w>", " ").strip().lower()
    return found == wanted


def check(percept, count=10000, *names):
    failed = 0
    for kind in names or KINDS:
        print(kind, end=" ", flush=True)
        tokenizer = KINDS[kind]()
        texts = [random_text(random.Random(f"{kind} {i}")) for i in range(int(count))]
        with tempfile.TemporaryDirectory() as folder:
            path = folder + "/tokenizer.json"
            tokenizer.save(path)
            bad = bad_text = 0
            for special in (False, True):
                # Without parsing percept leaves out added tokens that look like control tokens, as tokenizers does.
                lines = run(percept, path, texts, *(["--special", "--parse-special"] if special else []))
                found = [json.loads(line) for line in lines.splitlines()]
                back = subprocess.run([percept, "tokenize", path, "--decode", "--null", *(["--special"] if special else [])],
                                      input=lines, capture_output=True).stdout.split(b"\0")
                for text, ids, (wanted, whole), decoded in zip(texts, found, expected(tokenizer, texts, special), back):
                    if ids != wanted:
                        bad += 1
                        if bad <= 3:
                            print(kind, special, repr(text), "expected", wanted, "found", ids)
                    elif not same_text(decoded.decode(errors="replace"), whole, kind) and "\ufffd" not in whole:
                        bad_text += 1
                        if bad_text <= 2:
                            print(kind, special, repr(text), ids, "decoded", repr(decoded.decode(errors="replace")), "expected", repr(whole))
                assert len(found) == len(texts)
        print(f"{kind}: {2 * len(texts)} encodings, {bad} differ; {bad_text} decoded texts differ", flush=True)
        failed += bad > 0
    return failed


def pieces():
    """SentencePiece unigram models with a small charsmap, and what the library itself gives."""
    import io
    import sentencepiece
    from sentencepiece import sentencepiece_model_pb2 as pb
    cases = {}
    for name, options in (("unigram.model", {"byte_fallback": True, "vocab_size": 400}),
                          ("unigram_user.model", {"user_defined_symbols": ["foo", "ﬁ", "\u200b"], "vocab_size": 150})):
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(line for text in CORPUS for line in text.split("\n") if line), model_writer=model,
            model_type="unigram", minloglevel=2, normalization_rule_name="identity", character_coverage=0.98,
            hard_vocab_limit=False, **options)
        proto = pb.ModelProto()
        proto.ParseFromString(model.getvalue())
        proto.normalizer_spec.precompiled_charsmap = small_charsmap({**SMALL_MAP, "ab": " x ", "…": " "})
        data = proto.SerializeToString()
        open(f"{golden}/{name}", "wb").write(data)
        processor = sentencepiece.SentencePieceProcessor(model_proto=data)
        texts = [random_text(random.Random(f"{name} {i}")) for i in range(60)]
        texts = [t for t in texts if not any(s in t for s in ("<s>", "</s>", "<unk>"))] + ["  a  b ", "…ab…", "ab ab", "ﬁfoo \u200b"]
        cases[name] = [{"text": t, "0": processor.encode(t), "decoded 0": None} for t in texts]
    return cases


def fixture():
    os.makedirs(golden, exist_ok=True)
    cases = {}
    for kind in COMMITTED:
        tokenizer = KINDS[kind]()
        data = json.loads(tokenizer.to_str())
        json.dump(data, open(f"{golden}/{kind}.json", "w"), ensure_ascii=False, separators=(",", ":"))
        texts = [random_text(random.Random(f"{kind} fixture {i}")) for i in range(25)] + CONJUNCTS * (kind == "small_map")
        rows = []
        for text in texts:
            row = {"text": text}
            for flags, special in (("0", False), ("3", True)):
                tokenizer.encode_special_tokens = not special
                row[flags] = tokenizer.encode(text, add_special_tokens=special).ids
                whole = tokenizer.decode(row[flags], skip_special_tokens=True)
                row["decoded " + flags] = None if kind == "clip" or "\ufffd" in whole else whole
            rows.append(row)
        cases[kind + ".json"] = rows
    cases.update(pieces())
    json.dump(cases, open(os.path.join(golden, "cases.json"), "w"), ensure_ascii=False, separators=(",", ":"))


if __name__ == "__main__":
    sys.exit({"check": check, "fixture": fixture}[sys.argv[1]](*sys.argv[2:]))
