#!/usr/bin/env python3
"""tests/golden/prompt/real.json: prompts of CogVLM, CogAgent, IDEFICS-1 and OpenFlamingo as the originals' code cuts them, by the real
vocabularies of LLaMA (SentencePiece) and MPT (GPT-NeoX's byte-level BPE). usage: make_real_prompts.py FOLDER_OF_GGUF_VOCABULARIES

CogVLM, CogAgent   BOS, a picture's slots, then sentencepiece's ids of the text (build_conversation_input_ids: tokenizer.encode without
                   special tokens); the texts are _history_to_prompt's
IDEFICS-1          transformers' IdeficsProcessor with its added tokens
OpenFlamingo       transformers' fast tokenizer with <|endofchunk|>, <image> and <PAD> added, on the text of eval/models/open_flamingo.py
"""

import json
import sys
import tempfile
from pathlib import Path

import sentencepiece
from PIL import Image
from transformers import IdeficsImageProcessor, IdeficsProcessor, PreTrainedTokenizerFast

import common as c
import tokenizer_files

SLOTS = 3  # of a picture; -1 stands for each
QUESTIONS = [("What is in  the picture?", "A red circle, and 2 more."), ("它是什么颜色？ naïve", "Blue\nor so."), ("Is <image> or </s> text here?", "")]
IDEFICS = ["<fake_token_around_image>", "<image>", "<end_of_utterance>"]
FLAMINGO = ["<|endofchunk|>", "<image>", "<PAD>"]
PICTURE = {"type": "image"}


def messages(turns):
    """A picture before the first question; the last answer is not given."""
    out = []
    for i, (question, answer) in enumerate(turns):
        out.append({"role": "user", "content": [PICTURE] * (i == 0) + [{"type": "text", "text": question}]})
        out.append({"role": "assistant", "content": answer})
    return out[:-1]


def cog_text(name, turns):
    *history, (query, _) = turns
    if name == "cogagent":
        return " [INST] " + "".join(q + " [/INST] " + a + " [INST] " for q, a in history) + query + " [/INST] "
    answer = " Short answer:" if name == "cogvlm_vqa" else " Answer:"
    text = "".join("Question: " + q + answer + " " + a + "\n" for q, a in history) + "Question: " + query + answer
    return "<EOI>" + text if name == "cogagent_vqa" else text


def main():
    work, folder = Path(tempfile.mkdtemp()), Path(sys.argv[1])
    for name, file in (("llama", "llama-spm"), ("mpt", "mpt")):
        tokenizer_files.from_gguf(str(folder / f"ggml-vocab-{file}.gguf"), str(work / name))
    cases = []
    sp = sentencepiece.SentencePieceProcessor(model_file=str(work / "llama" / "tokenizer.model"))
    for template in ("cogvlm", "cogvlm_vqa", "cogagent", "cogagent_vqa"):
        for turns in (QUESTIONS[:1], QUESTIONS[1:2], QUESTIONS[2:], QUESTIONS[:2], QUESTIONS):
            ids = [1] + [-1] * SLOTS + sp.encode(cog_text(template, turns))
            cases.append({"vocabulary": "llama", "added": [], "template": template, "messages": messages(turns), "ids": ids})

    fast = PreTrainedTokenizerFast(tokenizer_object=c.llama_tokenizer_json(sp), bos_token="<s>", eos_token="</s>", unk_token="<unk>")
    fast.add_special_tokens({"additional_special_tokens": IDEFICS, "pad_token": "<unk>"})
    processor = IdeficsProcessor(IdeficsImageProcessor(image_size=14), fast)
    picture = Image.new("RGB", (20, 20))
    for turns in (QUESTIONS[:1], QUESTIONS[1:2], QUESTIONS[:2]):
        parts = []
        for i, (question, answer) in enumerate(turns):
            parts += ["User: " + question if i == 0 else "\nUser: " + question] + ([picture] if i == 0 else []) + ["<end_of_utterance>"]
            parts += ["\nAssistant:"] if i + 1 == len(turns) else ["\nAssistant: " + answer + "<end_of_utterance>"]
        got = processor(text=[parts], images=None, return_tensors="pt", add_end_of_utterance_token=False)["input_ids"][0].tolist()
        said = messages(turns)
        said[0]["content"] = said[0]["content"][::-1]  # the picture behind the question
        cases.append({"vocabulary": "llama", "added": IDEFICS, "template": "idefics", "messages": said, "ids": got, "open": IDEFICS[0]})

    fast = PreTrainedTokenizerFast(tokenizer_file=str(work / "mpt" / "tokenizer.json"))
    fast.add_special_tokens({"additional_special_tokens": FLAMINGO[:2], "pad_token": FLAMINGO[2]})
    for turns in (QUESTIONS[:1], QUESTIONS[1:2], QUESTIONS[:2]):
        text, said = "", []
        for i, (question, answer) in enumerate(turns):
            asked = f"Question:{question} Short answer:"
            last = i + 1 == len(turns)
            text += f"<image>{asked}" + ("" if last else f"{answer}<|endofchunk|>")
            said.append({"role": "user", "content": [PICTURE, {"type": "text", "text": asked}]})
            said += [] if last else [{"role": "assistant", "content": answer}]
        cases.append({"vocabulary": "mpt", "added": sorted(FLAMINGO, key=fast.convert_tokens_to_ids), "template": "open_flamingo", "messages": said, "ids": fast(text)["input_ids"]})
    c.save_json(c.GOLDEN / "prompt" / "real.json", {"slots": SLOTS, "cases": []})
    lines = ",\n".join(json.dumps(case, ensure_ascii=False, separators=(",", ":")) for case in cases)
    (c.GOLDEN / "prompt" / "real.json").write_text('{"slots":%d,"cases":[\n%s\n]}\n' % (SLOTS, lines), encoding="utf-8")
    print(len(cases), "cases")


main()
c.readable(c.GOLDEN / "prompt")
