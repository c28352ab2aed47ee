#!/usr/bin/env python3
"""tests/golden/decode/local.json: what transformers answers with the two directories of golden/llava.

cases.json has the greedy answers of hf/; here are those of old/ (other ids for the same words), and prompts with
several turns and with pictures inside the text (which the template of both puts in front). `gap` is the least lead of the best logit on the way, relative to the
largest magnitude: an answer with a small one says nothing about another implementation.
"""

import torch
from PIL import Image
from transformers import AutoProcessor, LlavaForConditionalGeneration

import common as c

LLAVA = c.GOLDEN / "llava"
GREEDY = 12
SHAPES, TRIANGLE = "shapes.png", "triangle.png"
IMAGE = {"type": "image"}


def text(words):
    return {"type": "text", "text": words}


def user(*content):
    return {"role": "user", "content": list(content)}


def assistant(words):
    return {"role": "assistant", "content": [text(words)]}


CASES = [
    ("one_image", [SHAPES], [user(IMAGE, text("What is the colour?"))]),
    ("two_images", [SHAPES, TRIANGLE], [user(IMAGE, IMAGE, text("Compare the pictures."))]),
    ("text_only", [], [user(text("Is there a star?"))]),
    ("history", [SHAPES], [user(IMAGE, text("What is the colour?")), assistant("Red."), user(text("And the shape?"))]),
    ("later_image", [SHAPES, TRIANGLE],
     [user(IMAGE, text("What is this?")), assistant("A circle."), user(IMAGE, text("And this?"))]),
    ("inside", [SHAPES, TRIANGLE], [user(text("Is there a "), IMAGE, text(" or "), IMAGE, text("?"))]),
]


@torch.no_grad()
def main():
    c.quiet()
    out = {}
    for layout in ("hf", "old"):
        model = LlavaForConditionalGeneration.from_pretrained(LLAVA / layout, dtype=torch.float32).eval()
        proc = AutoProcessor.from_pretrained(LLAVA / layout, backend="pil")
        cases = []
        for name, images, messages in CASES:
            prompt = proc.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
            pixels = [Image.open(LLAVA / f).convert("RGB") for f in images]
            inputs = proc(text=prompt, images=pixels or None, return_tensors="pt")
            found, gap = c.greedy(model, inputs, GREEDY, 2)
            cases.append({"name": name, "images": images, "messages": messages, "prompt": prompt,
                          "input_ids": inputs["input_ids"][0].tolist(), "greedy_ids": found,
                          "greedy_text": proc.decode(found, skip_special_tokens=True), "gap": round(gap, 5)})
            print(layout, name, "gap %.4f" % gap, found, repr(prompt))
        out[layout] = cases
    c.save_json(c.GOLDEN / "decode" / "local.json", out)


if __name__ == "__main__":
    main()
