"""Makes tests/golden/media/processors.json: what transformers' image processors (use_fast=False) make of 100 real
pictures of odd sizes from the data folder. usage: make_processors.py DATA_FOLDER

  "processors": the preprocessor_config.json of each
  "pictures":   archive, member, width, height, and for each processor the hash of the f32 pixel_values (16 hex digits of
                SHA-256): [3,Y,X], for LlavaNextImageProcessor [N,3,Y,X]

The rescaled and normalised numbers follow from 256 values by one f64 product and two f32 operations, so equal numbers
mean equal pixels before normalisation, too.
"""

import hashlib
import io
import json
import sys
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil
from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

OUT = Path(__file__).resolve().parent.parent / "golden" / "media" / "processors.json"
ARCHIVES = [("photos/skimage-photos.zip", 13), ("vl/coco-photos-train2017-cc-by.zip", 22), ("vl/coco-photos-val2017.zip", 37),
            ("metrics/detection.zip", 12), ("vl/vqa-rad.zip", 16)]


def pictures(data):
    for archive, count in ARCHIVES:
        with zipfile.ZipFile(Path(data) / archive) as files:
            names = sorted(n for n in files.namelist() if n.lower().endswith((".jpg", ".jpeg", ".png")))
            for name in names[:count]:
                yield archive, name, ImageOps.exif_transpose(Image.open(io.BytesIO(files.read(name)))).convert("RGB")


def main():
    processors = [CLIPImageProcessorPil(size={"shortest_edge": 336}, crop_size=336), LlavaImageProcessorPil(size={"shortest_edge": 336}, crop_size=336, do_pad=True),
                  SiglipImageProcessorPil(size={"height": 384, "width": 384}), ViTImageProcessorPil(), BlipImageProcessorPil(resample=1),
                  LlavaNextImageProcessorPil(size={"shortest_edge": 336}, crop_size=336)]
    rows = []
    for archive, name, image in pictures(sys.argv[1]):
        hashes = []
        for processor in processors:
            values = np.asarray(processor(image, return_tensors="np")["pixel_values"][0], dtype=np.float32)
            hashes.append(hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()[:16])
        rows.append([archive, name, image.width, image.height, hashes])
    lines = [" \"processors\": [\n" + ",\n".join("  " + json.dumps(json.loads(p.to_json_string())) for p in processors) + "\n ]",
             " \"pictures\": [\n" + ",\n".join("  " + json.dumps(row) for row in rows) + "\n ]"]
    OUT.write_text("{\n" + ",\n".join(lines) + "\n}\n")


main()
