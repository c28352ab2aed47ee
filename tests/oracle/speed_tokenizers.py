"""Tokenizers of two kinds for tokenizer_speed.py: BERT's vocabulary as WordPiece, and a unigram model trained on a text.

    python tests/oracle/speed_tokenizers.py GGUF_OF_BERT TEXT OUT      -> OUT/bert.json, OUT/unigram.json

GGUF_OF_BERT is ggml-vocab-bert-bge.gguf: the 30,522 pieces of bert-base-uncased, where a word's first piece is marked. The
unigram model has 16,000 pieces, SentencePiece's nmt_nfkc table and T5's steps. Needs tokenizers and sentencepiece.
"""
import io
import os
import sys

import sentencepiece
from sentencepiece import sentencepiece_model_pb2 as pb
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

import tokenizer_files

MARK = "\u2581"


def bert(path):
    pieces = [p.decode() for p in tokenizer_files.read_gguf(path)["tokenizer.ggml.tokens"]]
    names = [p if p.startswith("[") and p.endswith("]") and len(p) > 2 else p[1:] if p.startswith(MARK) else "##" + p
             for p in pieces]
    vocab = {name: i for i, name in enumerate(names)}
    assert len(vocab) == len(pieces), "two pieces of one name"
    tokenizer = Tokenizer(models.WordPiece(vocab=vocab, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", vocab["[SEP]"]), ("[CLS]", vocab["[CLS]"]))
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer


def unigram(text):
    with open(text, encoding="utf-8") as file:
        lines = [line.rstrip("\n") for i, line in enumerate(file) if i % 40 == 0]
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(line for line in lines if line), model_writer=model, model_type="unigram", vocab_size=16000,
        minloglevel=2, normalization_rule_name="nmt_nfkc", num_threads=1, character_coverage=0.9995)
    proto = pb.ModelProto()
    proto.ParseFromString(model.getvalue())
    pieces = [(p.piece, p.score) for p in proto.pieces]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=0))
    tokenizer.normalizer = normalizers.Precompiled(proto.normalizer_spec.precompiled_charsmap)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    tokenizer.decoder = decoders.Metaspace()
    return tokenizer


def main(gguf, text, out):
    os.makedirs(out, exist_ok=True)
    bert(gguf).save(f"{out}/bert.json")
    unigram(text).save(f"{out}/unigram.json")


if __name__ == "__main__":
    main(*sys.argv[1:])
