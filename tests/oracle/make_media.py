"""Makes tests/golden/media: small pictures of every kind, and what Pillow and transformers make of them.

golden/media/media.json:
  "files":   name, width, height, hash of the RGB bytes after ImageOps.exif_transpose
  "resizes": seed, width, height of a noise picture; new width, height, filter; hash of the RGB bytes
  "recipes": a preprocessor_config.json and cases: seed, width, height of a noise picture; width, height, hash of the
             f32 [3,Y,X] that transformers' processor (use_fast=False) gives
Hashes are the first half of SHA-256.

Resizing is Pillow 13's, which begins with the rows of some tall pictures; older versions always began with the columns.
"""

import hashlib
import json
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

OUT = Path(__file__).resolve().parent.parent / "golden" / "media"


def noise(seed, width, height):
    """The test's own generator: top byte of x -> 1664525 x + 1013904223 mod 2^32."""
    state, values = seed, bytearray()
    for _ in range(width * height * 3):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        values.append(state >> 24)
    return np.frombuffer(bytes(values), np.uint8).reshape(height, width, 3)


def smooth(width, height):
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 255 // (width - 1), y * 255 // (height - 1), (x + y) * 5 % 256], 2).astype(np.uint8)


def sha(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:32]


def exif(orientation, order="<"):
    head = b"II*\0" if order == "<" else b"MM\0*"
    entry = struct.pack(order + "HHIHH", 0x0112, 3, 1, orientation, 0)
    return head + struct.pack(order + "IH", 8, 1) + entry + struct.pack(order + "I", 0)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def pack_rows(samples, depth):
    """samples: [Y,X,C] integers -> filtered rows (filter 0)."""
    rows = b""
    for row in samples:
        if depth == 16:
            rows += b"\0" + row.astype(">u2").tobytes()
        elif depth == 8:
            rows += b"\0" + row.astype(np.uint8).tobytes()
        else:
            bits = "".join(format(int(v), f"0{depth}b") for v in row.reshape(-1))
            bits += "0" * (-len(bits) % 8)
            rows += b"\0" + bytes(int(bits[i:i + 8], 2) for i in range(0, len(bits), 8))
    return rows


def png(samples, depth, color, interlaced=False, extra=b""):
    height, width = samples.shape[:2]
    if interlaced:
        data = b""
        for x0, y0, dx, dy in [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]:
            part = samples[y0::dy, x0::dx]
            if part.size:
                data += pack_rows(part, depth)
    else:
        data = pack_rows(samples, depth)
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, int(interlaced))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(data, 9)) + chunk(b"IEND", b"")


def make_png_files():
    files = {}
    rng = np.random.default_rng(7)
    for color, name, channels, depths in [(0, "gray", 1, (1, 2, 4, 8, 16)), (2, "rgb", 3, (8, 16)),
                                          (3, "palette", 1, (1, 2, 4, 8)), (4, "gray_alpha", 2, (8, 16)), (6, "rgba", 4, (8, 16))]:
        for depth in depths:
            samples = rng.integers(0, 1 << depth, (9, 11, channels))
            if name == "gray" and depth == 16:
                samples[:, ::2] %= 300
            extra = b""
            if color == 3:  # one colour too few, and transparency
                extra = chunk(b"PLTE", rng.integers(0, 256, 3 * max(2, (1 << depth) - 1), dtype=np.uint8).tobytes())
                extra += chunk(b"tRNS", b"\x80")
            if color in (0, 2):
                extra = chunk(b"tRNS", struct.pack(">H", 1) * channels)
            extra += chunk(b"gAMA", struct.pack(">I", 100000))
            for interlaced in (False, True):
                files[f"{name}{depth}{'_i' if interlaced else ''}.png"] = png(samples, depth, color, interlaced, extra)
    files["orient_6.png"] = png(rng.integers(0, 256, (9, 11, 3)), 8, 2, extra=chunk(b"eXIf", exif(6, ">")))
    return files


def save(image, name, **options):
    Image.fromarray(image).save(OUT / name, **options)


def make_jpeg_files():
    picture = smooth(35, 27)
    upright = Image.fromarray(smooth(24, 16))
    undo = {1: None, 2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
            5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
            8: Image.Transpose.ROTATE_270}
    for orientation, move in undo.items():
        stored = upright.transpose(move) if move is not None else upright
        stored.save(OUT / f"orient_{orientation}.jpg", quality=95, subsampling=0,
                    exif=b"Exif\0\0" + exif(orientation, "<>"[orientation % 2]))
    save(picture, "420.jpg", quality=80)
    save(picture, "422.jpg", quality=80, subsampling=1)
    save(picture, "444.jpg", quality=80, subsampling=0)
    save(picture, "progressive.jpg", quality=80, progressive=True)
    save(picture[:, :, 0], "gray.jpg", quality=80)
    Image.fromarray(picture).convert("CMYK").save(OUT / "cmyk.jpg", quality=80)
    save(picture, "restart.jpg", quality=80, restart_marker_blocks=1)


def decoded(path):
    image = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    return [path.name, image.width, image.height, sha(np.array(image))]


def resize_cases():
    sizes = [(7, 5, 3, 2), (5, 7, 41, 2), (31, 17, 31, 40), (31, 17, 12, 17), (64, 48, 20, 15), (20, 15, 64, 48), (1, 1, 9, 9),
             (97, 3, 5, 50), (3, 97, 50, 5), (150, 100, 37, 61), (100, 150, 99, 149), (17, 33, 1, 1), (48, 48, 48, 47)]
    cases = []
    for seed, (w, h, ow, oh) in enumerate(sizes):
        image = Image.fromarray(noise(seed, w, h))
        for resample in range(6):
            result = image.resize((ow, oh), resample)
            cases.append([seed, w, h, ow, oh, resample, sha(np.array(result))])
    return cases


def recipe_cases():
    clip, llava = CLIPImageProcessorPil, LlavaImageProcessorPil
    processors = [
        clip(size={"shortest_edge": 32}, crop_size=32), clip(size={"shortest_edge": 20}, crop_size={"height": 33, "width": 25}),
        clip(size={"shortest_edge": 31, "longest_edge": 40}, do_center_crop=False), clip(do_resize=False, crop_size=30),
        clip(size={"max_height": 30, "max_width": 50}, do_center_crop=False), clip(size=30, crop_size=30, do_rescale=False),
        clip(size=30, crop_size=30, do_normalize=False), clip(size=30, crop_size=29, do_rescale=False, do_normalize=False),
        clip(size=30, crop_size=30, rescale_factor=1 / 127.5, image_mean=1.0, image_std=1.0),
        llava(size={"shortest_edge": 37}, crop_size=37, do_pad=True), SiglipImageProcessorPil(size={"height": 33, "width": 21}),
        ViTImageProcessorPil(size=30), BlipImageProcessorPil(size=31, resample=1),
    ]
    cases = []
    for processor in processors:
        rows = []
        for seed, (w, h) in enumerate([(40, 40), (61, 35), (28, 83), (9, 14)]):
            values = processor(Image.fromarray(noise(seed, w, h)), return_tensors="np")["pixel_values"][0].astype(np.float32)
            rows.append([seed, w, h, values.shape[2], values.shape[1], sha(values)])
        cases.append({"config": json.loads(processor.to_json_string()), "cases": rows})
    return cases


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    for name, data in make_png_files().items():
        (OUT / name).write_bytes(data)
    make_jpeg_files()
    pictures = sorted(p for p in OUT.iterdir() if p.suffix in (".jpg", ".png"))
    truth = {"files": [decoded(p) for p in pictures], "resizes": resize_cases(), "recipes": recipe_cases()}
    lines = [f' "{key}": [\n' + ",\n".join("  " + json.dumps(row) for row in rows) + "\n ]" for key, rows in truth.items()]
    (OUT / "media.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


main()
