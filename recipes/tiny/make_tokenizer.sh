#!/usr/bin/env bash
# Makes the tokenizers in recipes/tiny/english (640 tokens, English) and recipes/tiny/model (1,024 tokens, English and Chinese):
# byte-level BPE trained on the texts of 4,000 generated scenes in each language. The results depend on the generator's version
# alone; run it again only when that changes.
set -euo pipefail
cd "$(dirname "$0")/../.."
percept=${PERCEPT:-build/release/percept}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# make NAME SIZE LANGUAGE...: the tokenizer of recipes/tiny/NAME
make() {
    local name=$1 size=$2 language files=("$work/template.txt")
    shift 2
    for language in "$@"; do files+=("$work/$language/train.json" "$work/$language/captions.json"); done
    "$percept" tokenizer train --vocab-size "$size" --special '<pad>,<|im_start|>,<|im_end|>,<image>' \
        --out "$work/$name" "${files[@]}"
    cp "$work/$name/tokenizer.json" "recipes/tiny/$name/"
    jq '. + {eos_token: "<|im_end|>", pad_token: "<pad>", image_token: "<image>"}' \
        "$work/$name/tokenizer_config.json" >"recipes/tiny/$name/tokenizer_config.json"
    jq -n '{eos_token: "<|im_end|>", pad_token: "<pad>"}' >"recipes/tiny/$name/special_tokens_map.json"
}

"$percept" data make scenes "$work/en" --n 4000 --seed 424242
"$percept" data make scenes "$work/zh" --n 4000 --seed 424243 --lang zh
# The words of the chat template, so that each is one token.
for _ in $(seq 2000); do printf 'user\nassistant\nsystem\n'; done >"$work/template.txt"
make english 640 en
make model 1024 en zh
