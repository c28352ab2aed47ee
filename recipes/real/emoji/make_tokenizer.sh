#!/usr/bin/env bash
# usage: make_tokenizer.sh EMOJI_FOLDER OUT    a byte-level BPE of 4,096 tokens, learnt from the names of the training pictures in
# all twelve languages (every tenth picture is the test's), the questions and the words of the chat template. With the tokenizer
# of recipes/tiny, which knows English and Chinese scenes alone, most names fall apart into bytes: four times as many tokens.
set -euo pipefail
percept=${PERCEPT:-build/release/percept}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
awk 'NR % 10' "$1/names-12-languages.jsonl" | jq -r 'to_entries[] | select(.key != "file") | .value' >"$work/names.txt"
for _ in $(seq 2000); do
    cat <<'EOF'
What is this?
Was ist das?
Qu'est-ce que c'est ?
¿Qué es esto?
Che cos'è?
O que é isto?
Что это?
这是什么？
これは何ですか？
이것은 무엇입니까?
ما هذا؟
यह क्या है?
user
assistant
system
EOF
done >>"$work/names.txt"
"$percept" tokenizer train --vocab-size 4096 --special '<pad>,<|im_start|>,<|im_end|>,<image>' --out "$work/out" "$work/names.txt"
mkdir -p "$2"
cp "$work/out/tokenizer.json" "$2/"
jq '. + {eos_token: "<|im_end|>", pad_token: "<pad>", image_token: "<image>"}' "$work/out/tokenizer_config.json" \
    >"$2/tokenizer_config.json"
jq -n '{eos_token: "<|im_end|>", pad_token: "<pad>"}' >"$2/special_tokens_map.json"
