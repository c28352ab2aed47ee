"""Shared by the scripts here: paths, quiet imports, reproducible weights, tokenizers, saving."""

import copy
import json
import math
import os
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import torch
from safetensors.torch import save_file

GOLDEN = Path(__file__).resolve().parent.parent / "golden"

# The layout of llava-hf/llava-1.5-7b-hf: images of a message first, then its text.
LLAVA_TEMPLATE = (
    "{% for message in messages %}{% if message['role'] != 'system' %}"
    "{{ message['role'].upper() + ': '}}{% endif %}"
    "{# Render all images first #}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'image') %}"
    "{{ '<image>\\n' }}{% endfor %}"
    "{# Render all text next #}"
    "{% if message['role'] != 'assistant' %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}"
    "{{ content['text'] + ' '}}{% endfor %}"
    "{% else %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}"
    "{% generation %}{{ content['text'] + ' '}}{% endgeneration %}{% endfor %}"
    "{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)

CHATML_TEMPLATE = (
    "{% for message in messages %}"
    "{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)

CORPUS = [
    "USER: What is in the picture? ASSISTANT: The picture shows a red circle.",
    "USER: What is the colour of the square? ASSISTANT: The square is blue.",
    "USER: How many shapes are there? ASSISTANT: There are three shapes.",
    "USER: Is there a green star? ASSISTANT: No, there is no green star.",
    "USER: Compare the pictures. ASSISTANT: Both show the same shape.",
] * 4


def quiet():
    """No progress bars, no advice: the scripts print only their own figures."""
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)


@torch.no_grad()
def randomise(model, seed, embed_gain=1.0):
    """Fill every parameter by its role, so that none is zero or one and activations stay near 1.

    Each tensor has its own generator seeded by its name: adding one leaves the others unchanged.
    """
    for name, p in model.named_parameters():
        g = torch.Generator().manual_seed(seed * 1000003 + sum(ord(c) * (i + 1) for i, c in enumerate(name)))
        n = torch.randn(p.shape, generator=g, dtype=torch.float32)
        if name.endswith("logit_scale") or p.ndim == 0:
            continue
        if name.endswith(".bias"):
            value = 0.1 * n
        elif "norm" in name:
            value = 1.0 + 0.1 * n
        elif "position_embedding" in name or "class_embedding" in name:
            value = 0.5 * n
        elif "embed_tokens" in name or "token_embedding" in name or name.endswith("wte.weight"):
            value = embed_gain * n
        elif name.endswith("lm_head.weight"):
            value = 3.0 * n / math.sqrt(p.shape[-1])
        else:
            value = n / math.sqrt(p[0].numel())
        p.copy_(value)


@torch.no_grad()
def round_to_bf16(model):
    """Make every weight exact in bf16, so that a bf16 file holds the same model as the f32 one."""
    for p in model.parameters():
        p.copy_(p.to(torch.bfloat16).to(p.dtype))


def save_bf16(model, out):
    """Save a bf16 copy. The copy matters: .to(bf16) would round the rotary table of the original."""
    copy.deepcopy(model).to(torch.bfloat16).save_pretrained(out)


def byte_level_bpe(vocab_size, special=("<pad>", "<s>", "</s>")):
    """A byte-level BPE tokenizer (GPT-2 split), BOS added by the post-processor."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tok.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(special),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tok.train_from_iterator(CORPUS, trainer)
    tok.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(
            single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", tok.token_to_id("<s>"))]
        ),
    ])
    return tok


def sentencepiece_bpe(vocab_size, path):
    """Train a SentencePiece BPE model with byte fallback the way LLaMA's was; write it to path."""
    import io

    import sentencepiece as spm

    out = io.BytesIO()
    spm.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS), model_writer=out, vocab_size=vocab_size, model_type="bpe",
        byte_fallback=True, character_coverage=0.98, split_digits=True, add_dummy_prefix=True,
        remove_extra_whitespaces=False, normalization_rule_name="identity", unk_id=0, bos_id=1,
        eos_id=2, pad_id=-1, num_threads=1, minloglevel=2,
    )
    Path(path).write_bytes(out.getvalue())
    return spm.SentencePieceProcessor(model_proto=out.getvalue())


def llama_tokenizer_json(sp):
    """The tokenizer.json that belongs to a SentencePiece BPE model, as older transformers wrote it."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, processors

    pieces = [(sp.id_to_piece(i), sp.get_score(i)) for i in range(sp.get_piece_size())]
    vocab = {p: i for i, (p, _) in enumerate(pieces)}
    merges = []
    for i, (piece, score) in enumerate(pieces):
        if i < 3 or sp.is_byte(i):
            continue
        cuts = [(piece[:k], piece[k:]) for k in range(1, len(piece))]
        cuts = [c for c in cuts if c[0] in vocab and c[1] in vocab]
        merges += [(score, c) for c in sorted(cuts, key=lambda c: (vocab[c[0]], vocab[c[1]]))]
    merges = [c for _, c in sorted(merges, key=lambda m: -m[0])]
    tok = Tokenizer(models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tok.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tok.decoder = decoders.Sequence([
        decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)
    ])
    tok.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)]
    )
    tok.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in ("<unk>", "<s>", "</s>")])
    return tok


def save_tensors(path, tensors):
    """Write a safetensors file; floats become f32, integers i64."""
    out = {}
    for name, t in tensors.items():
        t = t.detach()
        out[name] = t.to(torch.float32 if t.is_floating_point() else torch.int64).contiguous().clone()
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(out, str(path), metadata={"format": "pt"})


def save_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def deviation(got, want):
    """Largest difference relative to the largest magnitude of the truth."""
    scale = want.abs().max().item() or 1.0
    return (got.double() - want.double()).abs().max().item() / scale


def greedy(model, inputs, count, eos):
    """Greedy ids without a cache, and the smallest gap between the best two logits on the way."""
    ids = inputs["input_ids"].clone()
    extra = {k: v for k, v in inputs.items() if k == "pixel_values"}
    found, gap = [], math.inf
    for _ in range(count):
        with torch.no_grad():
            logits = model(input_ids=ids, **extra).logits[0, -1].double()
        top = logits.topk(2)
        gap = min(gap, ((top.values[0] - top.values[1]) / logits.abs().max()).item())
        found.append(int(top.indices[0]))
        if found[-1] >= 300:  # a placeholder or padding row of the vocabulary: not an answer
            return found, 0.0
        if found[-1] == eos:
            break
        ids = torch.cat([ids, torch.tensor([[found[-1]]])], dim=1)
    return found, gap


def separated_seed(model, cases, count, eos, least=0.015, after=lambda m: None, embed_gain=1.0):
    """Randomise model with the first seed whose greedy answers to all cases are clear of ties.

    Clear: every step's best logit leads by `least` of the largest magnitude, so that rounding in
    another implementation cannot change the words; and no answer ends at once or repeats one token.
    """
    for seed in range(1, 2000):
        randomise(model, seed, embed_gain)
        after(model)
        good = True
        for case in cases:
            found, gap = greedy(model, case, count, eos)
            if gap < least or len(set(found)) < 6:
                good = False
                break
        if good:
            return seed
    raise SystemExit("no seed gives well separated answers")


def readable(folder):
    """safetensors files are written for the owner alone; make them like the others."""
    for f in Path(folder).rglob("*"):
        f.chmod(0o755 if f.is_dir() else 0o644)
