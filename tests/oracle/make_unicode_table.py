"""Makes src/text/unicode_table.c: where the `tokenizers` library classifies characters otherwise than utf8proc 2.8 does.

The library takes classes from several places of several Unicode versions: regular expressions (Oniguruma, Unicode 16),
Rust's own tables (newer), BERT's punctuation and marks (Unicode 8), normal forms (Unicode 9). Every code point is asked.

Needs tokenizers and libutf8proc.so.2 (of Unicode 15, or the ranges get too few).
"""
import ctypes
import os
import unicodedata

from tokenizers import Regex, normalizers, pre_tokenizers

u = ctypes.CDLL("libutf8proc.so.2")
u.utf8proc_category_string.restype = ctypes.c_char_p
u.utf8proc_tolower.restype = ctypes.c_int32
u.utf8proc_map.argtypes = [ctypes.c_char_p, ctypes.c_ssize_t, ctypes.POINTER(ctypes.c_char_p), ctypes.c_int]
u.utf8proc_map.restype = ctypes.c_ssize_t


class Property(ctypes.Structure):
    _fields_ = [("category", ctypes.c_int16), ("combining", ctypes.c_int16)]


u.utf8proc_get_property.restype = ctypes.POINTER(Property)
STABLE, COMPAT, DECOMPOSE = 2, 4, 16
POINTS = [c for c in range(0x110000) if not 0xd800 <= c < 0xe000]
category = [u.utf8proc_category_string(c).decode() for c in range(0x110000)]
ASCII_MARKS = set(map(ord, "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"))


def form(text, options):
    data, result = text.encode(), ctypes.c_char_p()
    size = u.utf8proc_map(data, len(data), ctypes.byref(result), options)
    return ctypes.string_at(result, size).decode()


def removed(normalizer):
    return lambda c: normalizer.normalize_str(chr(c)) == ""


def regex(pattern):
    return removed(normalizers.Replace(Regex(pattern), ""))


def pieces(pre_tokenizer):
    """How a character between two letters is cut: "isolated", "removed" or "joined"."""
    def ask(c):
        found = [piece for piece, _ in pre_tokenizer.pre_tokenize_str("a" + chr(c) + "a")]
        return {1: "joined", 2: "removed", 3: "isolated"}[len(found)]
    return ask


bert = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
clean = removed(normalizers.BertNormalizer(**{**bert, "clean_text": True}))
accents = removed(normalizers.BertNormalizer(**{**bert, "strip_accents": True}))
punctuation, whitespace, digits = map(pieces, (pre_tokenizers.Punctuation(), pre_tokenizers.Whitespace(),
                                               pre_tokenizers.Digits(True)))
nfd, nfkd = normalizers.NFD(), normalizers.NFKD()


def reorders(c):
    """Whether NFD moves a mark of a smaller (larger) class before (behind) c."""
    k = u.utf8proc_get_property(c).contents.combining
    text = "a" + (chr(c) + "\u0334" if k > 1 else "\u0316" + chr(c))
    return nfd.normalize_str(text) == form(text, STABLE | DECOMPOSE)


# name, what the library says, what utf8proc's category says
PROPERTIES = [
    ("letter", regex(r"\p{L}"), lambda c: category[c][0] == "L"),
    ("number", regex(r"\p{N}"), lambda c: category[c][0] == "N"),
    ("numeric", lambda c: digits(c) == "isolated", lambda c: category[c][0] == "N"),
    ("word", lambda c: whitespace(c) == "joined",
     lambda c: category[c][0] in "LM" or category[c] in ("Nd", "Nl", "Pc") or c in (0x200c, 0x200d)),
    ("punctuation", lambda c: punctuation(c) == "isolated", lambda c: category[c][0] == "P" or c in ASCII_MARKS),
    ("control", clean, lambda c: category[c] in ("Cc", "Cf", "Co") and c not in (9, 10, 13) or c == 0xfffd),
    ("accent", accents, lambda c: category[c] == "Mn"),
    ("mark", removed(normalizers.StripAccents()), lambda c: category[c][0] == "M"),
    ("ordered", reorders, lambda c: u.utf8proc_get_property(c).contents.combining != 0),
    ("formed", lambda c: nfkd.normalize_str(chr(c)) == form(chr(c), STABLE | DECOMPOSE | COMPAT), lambda c: True),
]


def ranges(points):
    out = []
    for c in points:
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def table(name, points):
    found = ranges(points)
    if not found:
        return f"    {{NULL, 0, NULL, 0}}"
    lines, line = [], "   "
    for low, high in found:
        item = f" {{{low:#x}, {high:#x}}},"
        if len(line) + len(item) > 100:
            lines.append(line)
            line = "   "
        line += item
    lines.append(line)
    return f"static const pc_char_range {name}[] = {{\n" + "\n".join(lines) + "\n};\n"


out = ["/* Made by tests/oracle/make_unicode_table.py: where the tokenizers library classifies characters otherwise than utf8proc\n"
       " * of Unicode 15. Not edited by hand. */\n#include \"text/unicode_table.h\"\n\n#include <stddef.h>\n"]
entries = []
for name, truth, base in PROPERTIES:
    asked = [(c, bool(truth(c)), bool(base(c))) for c in POINTS if name != "ordered" or base(c)]
    parts = []
    for side, want in (("more", (True, False)), ("less", (False, True))):
        points = [c for c, t, b in asked if (t, b) == want]
        if points:
            out.append(table(f"{side}_{name}", points))
            parts.append(f"{side}_{name}, sizeof {side}_{name} / sizeof *{side}_{name}")
        else:
            parts.append("NULL, 0")
    entries.append(f"    [PC_CHAR_TABLE_{name.upper()}] = {{{', '.join(parts)}}},")
out.append("const pc_char_table pc_char_tables[PC_CHAR_TABLES] = {\n" + "\n".join(entries) + "\n};\n")

# Regular expressions: what is newer than PCRE2's tables, which with 10.42 are of Unicode 14, like Python 3.11's.
assert unicodedata.unidata_version == "14.0.0"
rows = []
for name in ("L", "Lu", "Ll", "Lt", "Lm", "Lo", "M", "Mn", "Mc", "N", "Nd", "No", "P", "Po", "S", "So"):
    asks = regex(rf"\p{{{name}}}")
    points = [c for c in POINTS if asks(c) and not unicodedata.category(chr(c)).startswith(name)]
    if points:
        out.append(table(f"newer_{name}", points))
        rows.append(f'    {{"{name}", newer_{name}, sizeof newer_{name} / sizeof *newer_{name}}},')
out.append("const pc_char_newer pc_char_newer_tables[] = {\n" + "\n".join(rows) + "\n    {NULL, NULL, 0},\n};\n")

lower = normalizers.Lowercase()
pairs = []
for c in POINTS:
    small = lower.normalize_str(chr(c))
    if len(small) == 1 and ord(small) != u.utf8proc_tolower(c):
        if pairs and pairs[-1][1] == c - 1 and ord(small) - c == pairs[-1][2]:
            pairs[-1][1] = c
        else:
            pairs.append([c, c, ord(small) - c])
rows = "\n".join(f"    {{{a:#x}, {b:#x}, {d}}}," for a, b, d in pairs)
out.append(f"const pc_char_shift pc_char_lower[] = {{\n{rows}\n}};\nconst size_t pc_char_lower_count = "
           "sizeof pc_char_lower / sizeof *pc_char_lower;\n")
path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../src/text/unicode_table.c")
open(path, "w").write("\n".join(out))
