#!/usr/bin/env python3
"""Make tests/golden/prompt: what transformers makes of percept's chat templates.

usage: make_prompt.py TEST_TEMPLATE   (the built test program prompt_test_template; it prints the Jinja texts)

templates.json  the Jinja texts, and each conversation rendered by transformers (no "text": the text refuses it)
prompts.json    ids and assistant masks by transformers' fast tokenizers over the rendered string, <image> expanded
bpe/ llama/ llama_first/
                the tokenizers of prompts.json: byte-level BPE; LLaMA's with the prefix space on every piece of text
                (the old files) and on the first alone (newer ones)
"""

import json
import subprocess
import sys
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast
from transformers.utils.chat_template_utils import render_jinja_template

GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "prompt"
IMAGE_TOKENS = [3, 5, 2, 4]  # soft tokens of image 0, 1, ...

CORPUS = [
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful answers.",
    "USER: What is in the picture? ASSISTANT: The picture shows a red circle and two blue squares.",
    "user\nIs there a green star?\nassistant\nNo, there is no green star in the image.\nsystem\nYou are helpful.",
    "Describe the image. How many shapes are there in it? There are three.",
] * 3


def text(t):
    return {"type": "text", "text": t}


IMAGE = {"type": "image"}


def say(role, *parts):
    return {"role": role, "content": list(parts)}


CONVERSATIONS = {
    "one question": [say("user", text("What is in the picture?"))],
    "plain strings": [{"role": "user", "content": "Is it red?"}, {"role": "assistant", "content": "No."}],
    "system and two turns": [
        say("system", text("You are helpful.")), say("user", text("Is there a star?")), say("assistant", text("No.")),
        say("user", text("How many shapes are there?")), say("assistant", text("There are 12.")),
    ],
    "empty system": [say("system", text("")), say("user", text("red?")), say("assistant", text("blue"))],
    "image first": [
        say("user", IMAGE, text("Describe the image.")), say("assistant", text("Two blue squares.")),
        say("user", text("Is there a star?")),
    ],
    "two images first": [say("user", IMAGE, IMAGE, text("What differs?")), say("assistant", text("The star."))],
    "image between texts": [
        say("user", text("Here "), IMAGE, text(" and here "), IMAGE, text(".")), say("assistant", text("Both red.")),
    ],
    "image behind text": [say("user", text("What is this?\n"), IMAGE), say("assistant", text("A circle."))],
    "image alone": [say("user", IMAGE), say("assistant", text("A red circle and two blue squares."))],
    "image in a later turn": [
        say("user", text("Hello")), say("assistant", text("Yes?")), say("user", IMAGE, text("And this?")),
        say("assistant", text("A star.")),
    ],
    "white space": [
        say("user", text("  What?\n\n ")), say("assistant", text("\n Two\tblue  squares. \n")),
        say("user", text("\n")), say("assistant", text(" ")),
    ],
    "other scripts": [
        say("user", text("图里有什么？ Ünïcode 🙂 3.14")), say("assistant", text("红色的圆 🟥 e\u0301")),
    ],
    "empty answer": [say("user", IMAGE, text("red?")), say("assistant", text(""))],
    "answer in two parts": [say("user", text("red?")), say("assistant", text("No, "), text("blue."))],
    "two questions in a row": [say("user", text("red?")), say("user", text("blue?")), say("assistant", text("No."))],
    "late system": [say("user", text("red?")), say("system", text("You are helpful.")), say("assistant", text("No."))],
    "tool": [say("user", text("red?")), say("tool", text("blue")), say("assistant", text("No."))],
}

# Left out of prompts.json to keep it small: their ids show nothing that others do not.
SIMILAR = {"plain strings", "empty system", "image alone", "two images first", "answer in two parts",
           "two questions in a row", "late system", "tool"}


def byte_level():
    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tok.decoder = decoders.ByteLevel()
    special = ["<pad>", "<s>", "</s>", "<image>", "<|im_start|>", "<|im_end|>"]
    tok.train_from_iterator(CORPUS, trainers.BpeTrainer(
        vocab_size=6 + 256 + 140, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False))
    return tok


def llama(first):
    """SentencePiece-like BPE with byte fallback. Every piece of the training text with its left neighbour is a merge."""
    seed = Tokenizer(models.BPE())
    seed.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=True)
    seed.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=190, show_progress=False))
    learned = json.loads(seed.to_str())["model"]
    vocab = {"<unk>": 0, "<s>": 1, "</s>": 2}
    vocab.update({f"<0x{b:02X}>": 3 + b for b in range(256)})
    for piece in sorted(learned["vocab"], key=learned["vocab"].get):
        if piece not in vocab:
            vocab[piece] = len(vocab)
    merges = [tuple(m) for m in learned["merges"]]
    tok = Tokenizer(models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    if first:
        tok.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    else:
        tok.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tok.decoder = decoders.Sequence([
        decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    tok.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)])
    tok.add_special_tokens([AddedToken(t, special=True, normalized=False)
                            for t in ("<unk>", "<s>", "</s>", "<image>", "<|im_start|>", "<|im_end|>")])
    return tok


def render(jinja, messages, invite):
    """The rendered string and the character ranges of {% generation %}; None when the text refuses the messages."""
    try:
        texts, ranges = render_jinja_template(
            conversations=[messages], chat_template=jinja, return_assistant_tokens_mask=True,
            add_generation_prompt=invite, bos_token="<s>", eos_token="</s>")
    except Exception as error:
        if "no place" in str(error) or "take turns" in str(error):
            return None
        raise
    return texts[0], ranges[0]


def expand(rendered, ranges):
    """Repeat each <image> as the processor does, and move the ranges along."""
    out, at, image = "", 0, 0
    moved = [list(r) for r in ranges]
    while (mark := rendered.find("<image>", at)) >= 0:
        end = mark + len("<image>")
        out += rendered[at:mark] + "<image>" * IMAGE_TOKENS[image]
        gain = len("<image>") * (IMAGE_TOKENS[image] - 1)
        for old, new in zip(ranges, moved):
            for k in range(2):
                new[k] += gain if old[k] >= end else 0
        image += 1
        at = end
    return out + rendered[at:], moved


def encode(tok, rendered, ranges):
    """Ids, and the mask as transformers' processor makes it: every token that overlaps a range."""
    string, ranges = expand(rendered, ranges)
    enc = tok(string, add_special_tokens=not string.startswith("<s>"), return_offsets_mapping=True)
    offsets = enc["offset_mapping"]
    mask = [int(any(s < b and e > a for a, b in ranges)) for s, e in offsets]
    return enc["input_ids"], mask


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False, indent=None, separators=(",", ":"))
                    .replace('{"template"', '\n{"template"').replace('{"tokenizer"', '\n{"tokenizer"') + "\n")


def main():
    texts = json.loads(subprocess.run([sys.argv[1], "--jinja"], check=True, capture_output=True, text=True).stdout)
    cases = []
    for name, jinja in texts.items():
        for label, messages in CONVERSATIONS.items():
            for invite in (False, True):
                done = render(jinja, messages, invite)
                if done is None and invite:
                    continue
                case = {"template": name, "conversation": label, "add_generation_prompt": invite}
                if done is not None:
                    case["text"] = done[0]
                cases.append(case)
    write(GOLDEN / "templates.json", {"jinja": texts, "conversations": CONVERSATIONS, "cases": cases})

    prompts = []
    for folder, tok in (("bpe", byte_level()), ("llama", llama(False)), ("llama_first", llama(True))):
        (GOLDEN / folder).mkdir(parents=True, exist_ok=True)
        compact = json.dumps(json.loads(tok.to_str()), ensure_ascii=False, separators=(",", ":"))
        (GOLDEN / folder / "tokenizer.json").write_text(compact + "\n")
        pad = {"pad_token": "<pad>"} if folder == "bpe" else {"unk_token": "<unk>"}
        fast = PreTrainedTokenizerFast(tokenizer_object=tok, bos_token="<s>", eos_token="</s>", **pad)
        write(GOLDEN / folder / "tokenizer_config.json",
              {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>", **pad})
        for name in ("vicuna_v1", "llava_hf", "llama2", "chatml", "plain", "raw"):
            for label, messages in CONVERSATIONS.items():
                for invite in (False, True):
                    done = render(texts[name], messages, invite)
                    if done is None or label in SIMILAR or invite == (messages[-1]["role"] == "assistant"):
                        continue
                    ids, mask = encode(fast, *done)
                    prompts.append({"tokenizer": folder, "template": name, "conversation": label,
                                    "add_generation_prompt": invite, "ids": ids,
                                    "trained": "".join(map(str, mask))})
    write(GOLDEN / "prompts.json", {"image_tokens": IMAGE_TOKENS, "cases": prompts})


if __name__ == "__main__":
    main()
