"""Parquet files of 23 rows for tests/data/test_parquet.c, one for each codec, page version and encoding that is read.

Writes tests/golden/parquet/NAME.parquet. Row i has i % 3 pictures, a question and the answer "row i".
"""
import io
import pathlib

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

ROWS = 23
OUT = pathlib.Path(__file__).parent.parent / "golden" / "parquet"


def picture(i):
    out = io.BytesIO()
    Image.new("RGB", (4 + i % 5, 3), (10 * i, 200, 7)).save(out, "PNG")
    return out.getvalue()


def table():
    rows = {"id": [], "score": [], "flag": [], "tags": [], "images": [], "messages": []}
    for i in range(ROWS):
        rows["id"].append(i)
        rows["score"].append(None if i % 4 == 0 else i / 8)
        rows["flag"].append(i % 3 == 1)
        rows["tags"].append(None if i % 5 == 0 else [f"t{k % 2}" for k in range(i % 4)])
        rows["images"].append([{"bytes": picture(i + k), "path": None} for k in range(i % 3)])
        rows["messages"].append([{"role": "user", "content": "<image>" * (i % 3) + "which row?"},
                                 {"role": "assistant", "content": f"row {i}"}])
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    message = pa.struct([("role", pa.string()), ("content", pa.string())])
    return pa.table(rows, schema=pa.schema([
        ("id", pa.int64()), ("score", pa.float32()), ("flag", pa.bool_()), ("tags", pa.list_(pa.string())),
        ("images", pa.list_(image)), ("messages", pa.list_(message))]))


def captions():
    return pa.table({"image": [picture(i) for i in range(ROWS)], "caption": [f"picture {i}" for i in range(ROWS)]},
                    schema=pa.schema([("image", pa.binary()), ("caption", pa.string())]))


def rated():
    """VLFeedback's columns: two rows of three answers, whose texts are in the order of their ratings; one row has equals."""
    aspects = ("Helpfulness", "Ethical Considerations", "Visual Faithfulness")
    aspect = pa.struct([("Rating", pa.string()), ("Rationale", pa.string())])
    annotations = pa.list_(pa.struct([(name, aspect) for name in aspects]))
    rows = {"id": ["a", "b"], "prompt": ["which?", "what?"], "image": [{"bytes": picture(i), "path": None} for i in range(2)],
            "completions": []}
    for ratings in ((2, 5, 3), (4, 4, 1)):
        rows["completions"].append({
            "model": [f"m{k}" for k in range(3)], "response": [f"answer {r}" for r in ratings],
            "annotations": [{name: {"Rating": str(r), "Rationale": "because"} for name in aspects} for r in ratings]})
    completions = pa.struct([("model", pa.list_(pa.string())), ("response", pa.list_(pa.string())), ("annotations", annotations)])
    return pa.table(rows, schema=pa.schema([
        ("id", pa.string()), ("prompt", pa.string()), ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        ("completions", completions)]))


def main():
    OUT.mkdir(exist_ok=True)
    small = {"row_group_size": 10, "data_page_size": 64, "write_batch_size": 2, "write_statistics": False, "store_schema": False}
    pq.write_table(table(), OUT / "snappy.parquet", compression="snappy", **small)
    pq.write_table(table(), OUT / "gzip-v2.parquet", compression="gzip", data_page_version="2.0", row_group_size=16,
                   write_statistics=False, store_schema=False)
    pq.write_table(table(), OUT / "zstd-v2.parquet", compression="zstd", data_page_version="2.0", **small)
    pq.write_table(table(), OUT / "plain.parquet", compression="none", use_dictionary=False, row_group_size=16,
                   write_statistics=False, store_schema=False)
    pq.write_table(captions(), OUT / "captions.parquet", compression="snappy")
    pq.write_table(captions(), OUT / "delta.parquet", use_dictionary=False, store_schema=False,
                   column_encoding={"caption": "DELTA_LENGTH_BYTE_ARRAY", "image": "PLAIN"})
    pq.write_table(rated(), OUT / "rated.parquet", compression="snappy", store_schema=False, write_statistics=False)


if __name__ == "__main__":
    main()
