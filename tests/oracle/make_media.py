"""Makes tests/golden/media: small pictures of every kind, and what Pillow and transformers make of them.

golden/media/media.json:
  "files":   name, width, height, hash of the RGB bytes after ImageOps.exif_transpose
  "frames":  name, milliseconds of each picture, hash of the RGB bytes of each
  "random":  200 rows of width, height of a noise picture whose seed is the row's number; new width, height; hash of the
             RGB bytes of the nearest, bilinear, bicubic and Lanczos results, one behind the other
  "tiles":   a preprocessor_config.json and cases: seed, width, height of a noise picture; N, Y, X, rows and columns of the
             grid, hash of the f32 [N,3,Y,X] that LlavaNextImageProcessor (use_fast=False) gives
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
from PIL import Image, ImageOps, PngImagePlugin
from transformers.image_processing_utils import select_best_resolution
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil
from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil
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


def bmp(name, width, height, bits, compression, data, palette=b"", masks=b"", header=40, flip=False):
    """A BMP with the header that Windows 3 has, or OS/2's (header=12)."""
    at = 14 + header + len(masks) + len(palette)
    if header == 12:
        info = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        info = struct.pack("<IiiHHIIiiII", 40, width, -height if flip else height, 1, bits, compression, len(data), 0, 0,
                           len(palette) // 4, 0)
    (OUT / name).write_bytes(struct.pack("<2sIHHI", b"BM", at + len(data), 0, 0, at) + info + masks + palette + data)


def make_bmp_files():
    rng = np.random.default_rng(11)
    for bits in (1, 4, 8, 16, 24, 32):
        stride = (13 * bits + 31) // 32 * 4
        palette = rng.integers(0, 256, 4 << min(bits, 4), dtype=np.uint8).tobytes() if bits <= 8 else b""
        data = rng.integers(0, 256 if bits != 8 else 16, stride * 7, dtype=np.uint8).tobytes()
        bmp(f"{bits}.bmp", 13, 7, bits, 0, data, palette)
    row = rng.integers(0, 256, 28 * 7, dtype=np.uint8).tobytes()
    bmp("fields.bmp", 13, 7, 16, 3, row, masks=struct.pack("<3I", 0xf800, 0x7e0, 0x1f), flip=True)
    bmp("os2.bmp", 13, 7, 4, 0, row[:8 * 7], palette=rng.integers(0, 256, 48, dtype=np.uint8).tobytes(), header=12)
    colors = rng.integers(0, 256, 64, dtype=np.uint8).tobytes()
    runs = bytes([9, 3, 4, 5, 0, 0, 0, 5, 1, 2, 3, 4, 5, 0, 8, 7, 0, 0, 0, 2, 4, 1, 9, 6, 0, 0] + [13, 1, 0, 0] * 3 + [0, 1])
    bmp("rle8.bmp", 13, 7, 8, 1, runs, colors)
    runs = bytes([13, 0x3a, 0, 0, 0, 5, 0x12, 0x34, 0x50, 0, 8, 0x77, 0, 0] + [20, 0x21, 0, 0] * 5 + [0, 1])
    bmp("rle4.bmp", 13, 7, 4, 2, runs, colors)


def palette_image(rng, width, height, colors=16):
    image = Image.fromarray(rng.integers(0, colors, (height, width), dtype=np.uint8), "P")
    image.putpalette(rng.integers(0, 256, 3 * colors, dtype=np.uint8).tobytes())
    return image


def make_gif_files():
    rng = np.random.default_rng(12)
    palette_image(rng, 13, 11).save(OUT / "plain.gif", interlace=0)
    palette_image(rng, 13, 11).save(OUT / "interlaced.gif", interlace=1)
    Image.fromarray(smooth(40, 30)[:, :, 0]).save(OUT / "gray.gif")
    for disposal in (1, 2, 3):
        frames = []
        for i in range(4):
            frame = palette_image(rng, 9, 8)
            frame.paste(5, (i, i, i + 4, i + 3))
            frames.append(frame)
        frames[0].save(OUT / f"moving_{disposal}.gif", save_all=True, append_images=frames[1:], duration=[40, 50, 0, 70],
                       disposal=disposal, transparency=5, optimize=False)


def make_webp_files():
    rng = np.random.default_rng(13)
    save(smooth(35, 27), "lossy.webp", quality=60)
    save(rng.integers(0, 256, (9, 11, 3), dtype=np.uint8), "lossless.webp", lossless=True)
    rgba = np.dstack([smooth(20, 16), (np.indices((16, 20)).sum(0) * 7 % 256).astype(np.uint8)])
    save(rgba, "alpha.webp", lossless=True, exact=True)
    save(rgba, "alpha_lossy.webp", quality=70)
    save(smooth(24, 16), "orient_6.webp", lossless=True, exif=exif(6, "<"))
    frames = [Image.fromarray(np.roll(rgba, 3 * i, 1)) for i in range(3)]
    frames[0].save(OUT / "moving.webp", save_all=True, append_images=frames[1:], duration=[40, 50, 60], lossless=True)


def make_tiff_files():
    rng = np.random.default_rng(14)
    rgb = rng.integers(0, 256, (9, 11, 3), dtype=np.uint8)
    for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"):
        save(rgb, f"{compression}.tiff", compression=compression)
    save(smooth(35, 27), "jpeg.tiff", compression="jpeg", quality=80)
    save(rgb[:, :, 0] > 99, "bits.tiff", compression="group4")
    save(rgb[:, :, 0], "gray.tiff")
    save(rng.integers(0, 600, (9, 11), dtype=np.uint16), "gray16.tiff")
    palette_image(rng, 13, 11).save(OUT / "palette.tiff")
    save(np.dstack([rgb, rgb[:, :, 0]]), "rgba.tiff")
    Image.fromarray(rgb).convert("CMYK").save(OUT / "cmyk.tiff")
    save(rgb, "orient_6.tiff", tiffinfo={274: 6})
    pages = [Image.fromarray(np.roll(rgb, i, 0)) for i in range(3)]
    pages[0].save(OUT / "pages.tiff", save_all=True, append_images=pages[1:], compression="tiff_lzw")


def make_xmp_files():
    picture = smooth(24, 16)
    packet = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    save(picture, "xmp_6.jpg", quality=80, xmp=packet.encode())
    save(picture, "xmp_6.webp", lossless=True, xmp=packet.encode())
    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", packet)
    save(picture, "xmp_6.png", pnginfo=text)


def make_avif_file():
    """And smooth_avif.png, what Pillow's decoder shows; libheif's conversion from YCbCr rounds differently."""
    save(smooth(40, 30), "smooth.avif", quality=95, subsampling="4:4:4")
    Image.open(OUT / "smooth.avif").convert("RGB").save(OUT / "smooth_avif.png")


def frames_of(path):
    image = Image.open(path)
    hashes, times = [], []
    for i in range(image.n_frames):
        image.seek(i)
        image.load()
        hashes.append(sha(np.array(image.convert("RGB"))))
        times.append(image.info.get("duration", 0))
    return [path.name, times, hashes]


def random_resizes():
    rng = np.random.default_rng(15)
    rows = []
    for seed in range(200):
        w, h, ow, oh = (int(x) for x in np.exp(rng.uniform(0, np.log(120), 4)).round())
        image = Image.fromarray(noise(seed, w, h))
        results = [np.array(image.resize((ow, oh), resample)) for resample in (0, 2, 3, 1)]
        rows.append([w, h, ow, oh, sha(np.stack(results))[:16]])
    return rows


def tile_cases():
    grids = [[32, 64], [64, 32], [64, 64], [96, 32], [32, 96]]
    kinds = [{}, {"resample": 2}, {"crop_size": 24, "size": {"shortest_edge": 24}, "image_grid_pinpoints": [[24, 24], [48, 24]]},
             {"size": {"height": 40, "width": 40}, "crop_size": 32}, {"do_center_crop": False, "do_rescale": False}]
    cases = []
    for kind in kinds:
        processor = LlavaNextImageProcessorPil(**{"size": {"shortest_edge": 32}, "crop_size": 32, "image_grid_pinpoints": grids, **kind})
        rows = []
        for seed, (w, h) in enumerate([(40, 40), (61, 35), (28, 83), (9, 14), (130, 41), (64, 64), (1, 50)]):
            values = processor(Image.fromarray(noise(seed, w, h)), return_tensors="np")["pixel_values"][0].astype(np.float32)
            side = processor.crop_size["height"]
            best = select_best_resolution((h, w), processor.image_grid_pinpoints)
            rows.append([seed, w, h, values.shape[0], values.shape[2], values.shape[3], best[0] // side, best[1] // side, sha(values)])
        cases.append({"config": json.loads(processor.to_json_string()), "cases": rows})
    return cases


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
    make_bmp_files()
    make_gif_files()
    make_webp_files()
    make_tiff_files()
    make_avif_file()
    make_xmp_files()
    pictures = sorted(p for p in OUT.iterdir() if p.suffix in (".jpg", ".png", ".bmp", ".gif", ".webp", ".tiff"))
    moving = sorted(p for p in OUT.iterdir() if p.stem.startswith("moving") or p.stem == "pages")
    truth = {"files": [decoded(p) for p in pictures], "frames": [frames_of(p) for p in moving], "resizes": resize_cases(),
             "random": random_resizes(), "recipes": recipe_cases(), "tiles": tile_cases()}
    lines = [f' "{key}": [\n' + ",\n".join("  " + json.dumps(row) for row in rows) + "\n ]" for key, rows in truth.items()]
    (OUT / "media.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


main()
