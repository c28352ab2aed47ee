#!/usr/bin/env python3
"""tests/golden/llava: one tiny random LLaVA-1.5 in two directory layouts, and its expected tensors.

hf/   as the pinned transformers saves it: model.safetensors with vision_tower.embeddings...,
      processor_config.json that holds the image processor, chat_template.jinja, byte-level BPE.
old/  the same weights as hub checkpoints of 2023-2025 have them: two shards with an index,
      vision_tower.vision_model..., preprocessor_config.json, chat_template.json,
      SentencePiece tokenizer.model, config keys left out where they equal the class default.
portable/  the small files of hf/ in the spelling that transformers 4.49, 4.57 and 5.23 all open (with
      the tensor names of old/ and the tokenizer.json of hf/): what percept's writer should produce.
"""

import json
import shutil
import tempfile
from pathlib import Path

import torch
from PIL import Image, ImageDraw
from safetensors.torch import save_file
from transformers import (AutoProcessor, CLIPImageProcessorPil, LlavaConfig,
                          LlavaForConditionalGeneration, LlavaProcessor, PreTrainedTokenizerFast)

import common as c

GREEDY = 12
SIDE, PATCH, VOCAB, IMAGE_ID, PAD_ID = 21, 7, 304, 300, 301
OUT = c.GOLDEN / "llava"


def pictures():
    """Two small PNGs: one wider than high and detailed enough to show a wrong filter or crop."""
    a = Image.new("RGB", (45, 33), (250, 240, 200))
    draw = ImageDraw.Draw(a)
    draw.ellipse((4, 3, 27, 26), fill=(200, 30, 40))
    draw.rectangle((25, 14, 41, 30), fill=(20, 60, 190))
    for x in range(0, 45, 3):
        draw.line((x, 28, x, 32), fill=(0, 0, 0))
    b = Image.new("RGB", (24, 40), (30, 30, 35))
    draw = ImageDraw.Draw(b)
    draw.polygon(((12, 4), (21, 30), (3, 30)), fill=(60, 200, 90))
    draw.line((0, 39, 23, 33), fill=(255, 255, 255), width=2)
    OUT.mkdir(parents=True, exist_ok=True)
    a.save(OUT / "shapes.png", optimize=True)
    b.save(OUT / "triangle.png", optimize=True)


def config():
    return LlavaConfig(
        vision_config=dict(model_type="clip_vision_model", hidden_size=24, intermediate_size=40,
                           num_hidden_layers=3, num_attention_heads=3, image_size=SIDE,
                           patch_size=PATCH, projection_dim=16),
        text_config=dict(model_type="llama", vocab_size=VOCAB, hidden_size=32, intermediate_size=48,
                         num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
                         max_position_embeddings=256, rms_norm_eps=1e-5, bos_token_id=1,
                         eos_token_id=2, rope_parameters={"rope_type": "default", "rope_theta": 1e4}),
        image_token_index=IMAGE_ID, image_seq_length=(SIDE // PATCH) ** 2,
        vision_feature_layer=-2, vision_feature_select_strategy="default",
    )


def processor(tokenizer):
    image = CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE})
    # The class token counts as one more, and "default" takes it away again: exactly the patches remain.
    return LlavaProcessor(image, tokenizer, patch_size=PATCH, vision_feature_select_strategy="default",
                          chat_template=c.LLAVA_TEMPLATE, num_additional_image_tokens=1)


def tokenizers():
    """The byte-level tokenizer of hf/ and the SentencePiece one of old/; both put <image> at 300."""
    (OUT / "old").mkdir(exist_ok=True)
    sp = c.sentencepiece_bpe(300, OUT / "old" / "tokenizer.model")
    out = []
    for inner, names in ((c.byte_level_bpe(300), {}), (c.llama_tokenizer_json(sp), {"unk_token": "<unk>"})):
        inner.add_special_tokens(["<image>"] + ([] if not names else ["<pad>"]))
        assert inner.token_to_id("<image>") == IMAGE_ID
        out.append(PreTrainedTokenizerFast(
            tokenizer_object=inner, bos_token="<s>", eos_token="</s>", pad_token="<pad>",
            model_max_length=256, clean_up_tokenization_spaces=False, padding_side="left",
            image_token="<image>", **names))
    return out


CASES = {
    "one_image": (["shapes.png"], [("What is the colour?", 1)]),
    "two_images": (["shapes.png", "triangle.png"], [("Compare the pictures.", 2)]),
    "text_only": ([], [("Is there a star?", 0)]),
}


def messages_of(turns):
    return [{"role": "user", "content": [{"type": "image"}] * images + [{"type": "text", "text": text}]}
            for text, images in turns]


def prepare(proc, case):
    images, turns = CASES[case]
    text = proc.apply_chat_template(messages_of(turns), add_generation_prompt=True, tokenize=False)
    pixels = [Image.open(OUT / f).convert("RGB") for f in images]
    inputs = proc(text=text, images=pixels or None, return_tensors="pt")
    return text, {k: v for k, v in inputs.items() if k in ("input_ids", "pixel_values")}


def save_hf(model, proc):
    c.save_bf16(model, OUT / "hf")
    proc.save_pretrained(OUT / "hf")


def old_name(name):
    name = name.replace("model.vision_tower.", "vision_tower.vision_model.")
    name = name.replace("model.multi_modal_projector.", "multi_modal_projector.")
    name = name.replace("model.language_model.", "language_model.model.")
    return "language_model.lm_head.weight" if name == "lm_head.weight" else name


def save_old(model, tokenizer):
    out = OUT / "old"
    state = {old_name(k): v.to(torch.bfloat16).contiguous() for k, v in model.state_dict().items()}
    names = sorted(state)
    shards = [[n for n in names if n.startswith("language_model")],
              [n for n in names if not n.startswith("language_model")]]
    where, total = {}, 0
    for i, part in enumerate(shards):
        file = f"model-{i + 1:05}-of-{len(shards):05}.safetensors"
        save_file({n: state[n] for n in part}, str(out / file), metadata={"format": "pt"})
        where |= {n: file for n in part}
        total += sum(state[n].numel() * 2 for n in part)
    c.save_json(out / "model.safetensors.index.json",
                {"metadata": {"total_size": total}, "weight_map": dict(sorted(where.items()))})
    c.save_json(out / "config.json", {
        "architectures": ["LlavaForConditionalGeneration"], "ignore_index": -100,
        "image_token_index": IMAGE_ID, "model_type": "llava", "pad_token_id": PAD_ID,
        "projector_hidden_act": "gelu",
        "text_config": {"_name_or_path": "tiny", "architectures": ["LlamaForCausalLM"],
                        "hidden_size": 32, "intermediate_size": 48, "max_position_embeddings": 256,
                        "model_type": "llama", "num_attention_heads": 4, "num_hidden_layers": 2,
                        "num_key_value_heads": 2, "rms_norm_eps": 1e-05, "torch_dtype": "bfloat16",
                        "vocab_size": VOCAB},
        "tie_word_embeddings": False, "torch_dtype": "bfloat16", "transformers_version": "4.36.0.dev0",
        "vision_config": {"hidden_size": 24, "image_size": SIDE, "intermediate_size": 40,
                          "model_type": "clip_vision_model", "num_attention_heads": 3,
                          "num_hidden_layers": 3, "patch_size": PATCH, "projection_dim": 16,
                          "vocab_size": 32000},
        "vision_feature_layer": -2, "vision_feature_select_strategy": "default", "vocab_size": VOCAB})
    c.save_json(out / "generation_config.json", {
        "_from_model_config": True, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": PAD_ID,
        "transformers_version": "4.36.0.dev0"})
    c.save_json(out / "preprocessor_config.json", {
        "crop_size": {"height": SIDE, "width": SIDE}, "do_center_crop": True, "do_convert_rgb": True,
        "do_normalize": True, "do_rescale": True, "do_resize": True,
        "image_mean": [0.48145466, 0.4578275, 0.40821073], "image_processor_type": "CLIPImageProcessor",
        "image_std": [0.26862954, 0.26130258, 0.27577711], "processor_class": "LlavaProcessor",
        "resample": 3, "rescale_factor": 0.00392156862745098, "size": {"shortest_edge": SIDE}})
    c.save_json(out / "processor_config.json", {
        "image_token": "<image>", "num_additional_image_tokens": 1, "patch_size": PATCH,
        "processor_class": "LlavaProcessor", "vision_feature_select_strategy": "default"})
    tokenizer.save_pretrained(out)
    added = {str(i): {"content": t, "lstrip": False, "normalized": False, "rstrip": False,
                      "single_word": False, "special": True}
             for i, t in ((0, "<unk>"), (1, "<s>"), (2, "</s>"), (IMAGE_ID, "<image>"), (PAD_ID, "<pad>"))}
    c.save_json(out / "tokenizer_config.json", {
        "add_bos_token": True, "add_eos_token": False, "added_tokens_decoder": added, "bos_token": "<s>",
        "clean_up_tokenization_spaces": False, "eos_token": "</s>",
        "legacy": False, "model_max_length": 256, "pad_token": "<pad>", "padding_side": "left",
        "processor_class": "LlavaProcessor", "sp_model_kwargs": {},
        "tokenizer_class": "LlamaTokenizer", "unk_token": "<unk>", "use_default_system_prompt": False})
    c.save_json(out / "chat_template.json", {"chat_template": c.LLAVA_TEMPLATE})
    c.save_json(out / "special_tokens_map.json", {
        "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"})


def save_portable():
    """Both spellings of what changed its name; no nested image_processor, which 4.49 rejects."""
    hf, out = OUT / "hf", OUT / "portable"
    config = json.loads((hf / "config.json").read_text())
    config["torch_dtype"] = config["dtype"]
    config["text_config"]["rope_theta"] = config["text_config"]["rope_parameters"]["rope_theta"]
    c.save_json(out / "config.json", config)
    proc = json.loads((hf / "processor_config.json").read_text())
    image = proc.pop("image_processor")
    c.save_json(out / "processor_config.json", proc)
    c.save_json(out / "preprocessor_config.json", image | {"processor_class": proc["processor_class"]})
    tok = json.loads((hf / "tokenizer_config.json").read_text())
    del tok["backend"]
    # Without model_input_names 4.57 makes token_type_ids, which the model refuses.
    tok |= {"tokenizer_class": "PreTrainedTokenizerFast", "model_input_names": ["input_ids", "attention_mask"]}
    c.save_json(out / "tokenizer_config.json", tok)
    for name in ("generation_config.json", "chat_template.jinja"):
        shutil.copyfile(hf / name, out / name)


def check_portable(model, prepared):
    """Completed with weights and tokenizer it must behave as hf/ does."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "m"
        shutil.copytree(OUT / "portable", folder)
        shutil.copyfile(OUT / "hf" / "tokenizer.json", folder / "tokenizer.json")
        save_file({old_name(k): v.contiguous() for k, v in model.state_dict().items()},
                  str(folder / "model.safetensors"), metadata={"format": "pt"})
        again, info = LlavaForConditionalGeneration.from_pretrained(
            folder, dtype=torch.float32, output_loading_info=True)
        assert not any(info[k] for k in ("missing_keys", "unexpected_keys", "mismatched_keys"))
        proc = AutoProcessor.from_pretrained(folder, backend="pil")
        for name, (text, inputs) in prepared.items():
            got_text, got = prepare(proc, name)
            assert got_text == text and all(torch.equal(got[k], inputs[k]) for k in inputs)
            assert torch.equal(again(**inputs).logits, model(**inputs).logits)


@torch.no_grad()
def expected(model, inputs):
    ids, pixels = inputs["input_ids"], inputs.get("pixel_values")
    tensors = {"input_ids": ids[0]}
    if pixels is not None:
        tower = model.model.vision_tower(pixels, output_hidden_states=True)
        features = tower.hidden_states[-2][:, 1:]
        tokens = model.model.multi_modal_projector(features)
        tensors |= {"pixel_values": pixels, "encoder.features": features,
                    "connector.tokens": tokens.flatten(0, 1)}
    got = model(**inputs, output_hidden_states=True)
    if pixels is not None:
        # The stages above must be the ones the whole model ran through.
        assert torch.equal(got.image_hidden_states, tensors["connector.tokens"])
    tensors |= {f"hidden.{i}": h[0] for i, h in enumerate(got.hidden_states)}
    return tensors | {"logits": got.logits[0]}


def main():
    c.quiet()
    pictures()
    model = LlavaForConditionalGeneration(config()).eval()
    new_tok, old_tok = tokenizers()
    proc = processor(new_tok)
    prepared = {name: prepare(proc, name) for name in CASES}
    seed = c.separated_seed(model, [i for _, i in prepared.values()], GREEDY, 2, after=c.round_to_bf16)
    model.generation_config.eos_token_id = 2
    save_hf(model, proc)
    save_old(model, old_tok)
    save_portable()
    check_portable(model, prepared)

    kept = LlavaForConditionalGeneration.from_pretrained(OUT / "hf", dtype=torch.float32).eval()
    old = LlavaForConditionalGeneration.from_pretrained(OUT / "old", dtype=torch.float32).eval()
    half = LlavaForConditionalGeneration.from_pretrained(OUT / "hf", dtype=torch.bfloat16).eval()
    kept_proc = AutoProcessor.from_pretrained(OUT / "hf", backend="pil")
    old_proc = AutoProcessor.from_pretrained(OUT / "old", backend="pil")
    cases = []
    for name, (text, inputs) in prepared.items():
        want = expected(model, inputs)
        again = prepare(kept_proc, name)
        assert again[0] == text and all(torch.equal(again[1][k], inputs[k]) for k in inputs)
        assert torch.equal(expected(kept, inputs)["logits"], want["logits"])
        assert torch.equal(expected(old, inputs)["logits"], want["logits"])
        old_text, old_inputs = prepare(old_proc, name)
        if "pixel_values" in inputs:
            assert torch.equal(old_inputs["pixel_values"], inputs["pixel_values"])
        found, gap = c.greedy(model, inputs, GREEDY, 2)
        generated = model.generate(**inputs, max_new_tokens=GREEDY, do_sample=False, pad_token_id=0)
        assert generated[0, inputs["input_ids"].shape[1]:].tolist() == found
        half_inputs = {k: v.bfloat16() if v.is_floating_point() else v for k, v in inputs.items()}
        half_want = expected(half, half_inputs)
        images, turns = CASES[name]
        c.save_tensors(OUT / f"{name}.safetensors", want)
        cases.append({
            "name": name, "images": images, "messages": messages_of(turns), "prompt": text,
            "input_ids": inputs["input_ids"][0].tolist(), "greedy_ids": found,
            "greedy_text": kept_proc.decode(found, skip_special_tokens=True), "smallest_gap": gap,
            "old_prompt": old_text, "old_input_ids": old_inputs["input_ids"][0].tolist(),
            "bf16_deviation": {k: c.deviation(half_want[k].float(), want[k]) for k in
                               ("encoder.features", "connector.tokens", "logits") if k in want}})
        print(name, "T", len(cases[-1]["input_ids"]), "gap %.4f" % gap, found, cases[-1]["bf16_deviation"])
    c.save_json(OUT / "cases.json", {"seed": seed, "cases": cases})
    c.readable(OUT)


if __name__ == "__main__":
    main()
