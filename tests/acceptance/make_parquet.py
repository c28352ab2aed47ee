#!/usr/bin/env python3
"""A Parquet file of captions and pictures, without any library: make_parquet.py OUT.parquet < lines of "PICTURE<tab>CAPTION".

Two required columns, image (bytes) and caption (text), PLAIN and unpacked; a row group for all rows, a page (version 1) for each hundred.
Source: apache/parquet-format, parquet.thrift; Thrift's compact protocol.
"""
import struct
import sys

PAGE = 100
I32, I64, BINARY, LIST, STRUCT = 5, 6, 8, 9, 12


def varint(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def zigzag(n):
    return varint(n << 1 if n >= 0 else (-n << 1) - 1)


def binary(text):
    return varint(len(text)) + text


def listed(kind, items):
    head = bytes([len(items) << 4 | kind]) if len(items) < 15 else bytes([0xF0 | kind]) + varint(len(items))
    return head + b"".join(items)


def struct_of(*fields):
    """fields: (id, type, bytes) in the order of their ids."""
    out, before = b"", 0
    for number, kind, value in fields:
        out += bytes([number - before << 4 | kind]) + value
        before = number
    return out + b"\0"


def column(out, values):
    """Write a column's pages; (first byte, bytes)."""
    start = out.tell()
    for i in range(0, len(values), PAGE):
        part = values[i:i + PAGE]
        data = b"".join(struct.pack("<I", len(v)) + v for v in part)
        page = struct_of((1, I32, zigzag(len(part))), (2, I32, zigzag(0)), (3, I32, zigzag(3)), (4, I32, zigzag(3)))
        out.write(struct_of((1, I32, zigzag(0)), (2, I32, zigzag(len(data))), (3, I32, zigzag(len(data))), (5, STRUCT, page)) + data)
    return start, out.tell() - start


def main():
    rows = [line.rstrip("\n").split("\t") for line in sys.stdin]
    names = [b"image", b"caption"]
    columns = [[open(path, "rb").read() for path, _ in rows], [caption.encode() for _, caption in rows]]
    with open(sys.argv[1], "wb") as out:
        out.write(b"PAR1")
        places = [column(out, values) for values in columns]
        schema = [struct_of((4, BINARY, binary(b"rows")), (5, I32, zigzag(2))),
                  struct_of((1, I32, zigzag(6)), (3, I32, zigzag(0)), (4, BINARY, binary(b"image"))),
                  struct_of((1, I32, zigzag(6)), (3, I32, zigzag(0)), (4, BINARY, binary(b"caption")), (6, I32, zigzag(0)))]
        chunks = []
        for name, (start, size) in zip(names, places):
            meta = struct_of((1, I32, zigzag(6)), (2, LIST, listed(I32, [zigzag(0)])), (3, LIST, listed(BINARY, [binary(name)])),
                             (4, I32, zigzag(0)), (5, I64, zigzag(len(rows))), (6, I64, zigzag(size)), (7, I64, zigzag(size)),
                             (9, I64, zigzag(start)))
            chunks.append(struct_of((2, I64, zigzag(start)), (3, STRUCT, meta)))
        total = sum(size for _, size in places)
        group = struct_of((1, LIST, listed(STRUCT, chunks)), (2, I64, zigzag(total)), (3, I64, zigzag(len(rows))))
        footer = struct_of((1, I32, zigzag(1)), (2, LIST, listed(STRUCT, schema)), (3, I64, zigzag(len(rows))),
                           (4, LIST, listed(STRUCT, [group])))
        out.write(footer + struct.pack("<I", len(footer)) + b"PAR1")


if __name__ == "__main__":
    main()
