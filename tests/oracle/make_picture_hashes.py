"""tests/golden/media/hashes.json: perceptual hashes by imagehash of the pictures in tests/golden/media and of drawn patterns, for
tests/media/test_picture_hash.c.

    python make_picture_hashes.py        (needs imagehash, scipy, Pillow)

Pattern (width, height, a, b, c): channel k of pixel x, y is (a x + b y + c x y + 37 k) modulo 256.
"""
import json
import pathlib

import imagehash
import numpy
from PIL import Image, ImageOps

MEDIA = pathlib.Path(__file__).parent.parent / "golden" / "media"
PATTERNS = [(64, 64, 1, 2, 0), (101, 57, 3, 1, 1), (7, 5, 40, 9, 3), (320, 31, 1, 7, 0), (33, 200, 0, 0, 0), (9, 8, 28, 0, 0),
            (50, 50, 0, 5, 0), (1, 1, 0, 0, 0), (400, 300, 1, 1, 5)]


def pattern(width, height, a, b, c):
    y, x, k = numpy.meshgrid(numpy.arange(height), numpy.arange(width), numpy.arange(3), indexing="ij")
    return Image.fromarray(((a * x + b * y + c * x * y + 37 * k) & 255).astype(numpy.uint8))


def hashes(image):
    return {"phash": str(imagehash.phash(image)), "dhash": str(imagehash.dhash(image))}


def main():
    files = {}
    for path in sorted(MEDIA.iterdir()):
        try:
            files[path.name] = hashes(ImageOps.exif_transpose(Image.open(path)).convert("RGB"))
        except Exception as problem:  # not a picture, or one that Pillow refuses
            print(path.name, problem)
    patterns = [{"pattern": list(p), **hashes(pattern(*p))} for p in PATTERNS]
    (MEDIA / "hashes.json").write_text(json.dumps({"files": files, "patterns": patterns}, indent=1) + "\n")


if __name__ == "__main__":
    main()
