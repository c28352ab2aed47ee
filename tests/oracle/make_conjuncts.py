"""Makes src/text/conjunct_table.c: which characters the graphemes of `tokenizers` join over a virama (rule GB9c of Unicode's
annex 29), asked of the library. utf8proc of Unicode 15 does not know the rule.

How it is asked: Precompiled takes a grapheme of less than six bytes by its first characters and loses the rest. So with the
last consonant in its table, a mark behind it is lost exactly when a grapheme begins with that consonant.
"""
import os
import unicodedata

from tokenizers import normalizers

import random_text

KA, VIRAMA, MARK = "\u0915", "\u094d", "\u05ba"
PREPENDED = {0x113d1, 0x11f02, 0x600, 0x601, 0x602, 0x603, 0x604, 0x605, 0x6dd, 0x70f, 0x890, 0x891, 0x8e2, 0x110bd, 0x110cd}  # rule GB9b
OTHERWISE = {0xcf3, 0xe33, 0xeb3, 0xece, *range(0x1ab0, 0x1b00), 0xff9e, 0xff9f}  # joined by GB9 and GB9a
LETTERS = [(0x900, 0x1200), (0x1700, 0x1d00), (0xa800, 0xac00), (0xff00, 0x10000), (0x10a00, 0x10a60), (0x11000, 0x12000)]


def asks(keys):
    normalizer = normalizers.Precompiled(random_text.small_charsmap({key: "x" for key in keys}))
    return lambda text: MARK in normalizer.normalize_str(text + MARK)


def ranges(points):
    out = []
    for c in sorted(points):
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def linkers():
    joined = asks([KA])
    return [c for a, b in LETTERS for c in range(a, b)
            if unicodedata.category(chr(c)) in ("Mn", "Mc", "Cn") and c not in PREPENDED and joined(KA + chr(c) + KA)]


def consonants():
    points = [c for a, b in LETTERS for c in range(a, b) if unicodedata.category(chr(c)) in ("Lo", "Cn") and c not in OTHERWISE]
    out = []
    for at in range(0, len(points), 40):
        part = points[at:at + 40]
        joined = asks([KA, *map(chr, part)])
        # Four bytes and a mark are never short: those are asked as the first consonant.
        out += [c for c in part if joined(KA + VIRAMA + chr(c) if c < 0x10000 else chr(c) + VIRAMA + KA)]
    return out


def table(name, points):
    rows = ["{0x%05x, 0x%05x}," % tuple(r) for r in ranges(points)]
    lines = ["    " + " ".join(rows[i:i + 5]) for i in range(0, len(rows), 5)]
    return (f"const pc_char_range pc_conjunct_{name}[] = {{\n" + "\n".join(lines) + "\n};\n"
            f"const size_t pc_conjunct_{name}_count = sizeof pc_conjunct_{name} / sizeof pc_conjunct_{name}[0];\n")


def main():
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../src/text/conjunct_table.c")
    with open(path, "w") as file:
        file.write("/* Made by tests/oracle/make_conjuncts.py: consonants, and what links two of them to one grapheme. */\n"
                   '#include "text/unicode_table.h"\n\n')
        file.write(table("consonants", consonants()) + "\n" + table("linkers", linkers()))


main()
