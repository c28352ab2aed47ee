#!/usr/bin/env bash
# Makes recipes/tiny/model/tokenizer*.json: a byte-level BPE trained on the texts of 4,000 generated scenes in each language.
# The result depends on the generator's version alone; run it again only when that changes.
set -euo pipefail
cd "$(dirname "$0")/../.."
percept=${PERCEPT:-build/release/percept}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$percept" data make scenes "$work/en" --n 4000 --seed 424242
"$percept" data make scenes "$work/zh" --n 4000 --seed 424243 --lang zh
# The words of the chat template, so that each is one token.
for _ in $(seq 2000); do printf 'user\nassistant\nsystem\n'; done > "$work/template.txt"
"$percept" tokenizer train --vocab-size 1024 --special '<pad>,<|im_start|>,<|im_end|>,<image>' \
    --out "$work/out" "$work"/{en,zh}/{train,captions}.json "$work/template.txt"
cp "$work/out/tokenizer.json" recipes/tiny/model/
jq '. + {eos_token: "<|im_end|>", pad_token: "<pad>", image_token: "<image>"}' \
    "$work/out/tokenizer_config.json" > recipes/tiny/model/tokenizer_config.json
jq -n '{eos_token: "<|im_end|>", pad_token: "<pad>"}' > recipes/tiny/model/special_tokens_map.json
