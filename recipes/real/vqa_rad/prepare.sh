#!/usr/bin/env bash
# usage: prepare.sh DATA OUT    DATA: the unpacked vqa-rad.zip. Writes into OUT:
#   train.json, test.jsonl          the usual split; all of its test pictures have other questions among the training ones
#   train-F.json, held-F.jsonl      for fold F of 5: the training questions without every fifth one, and these
#   tokenizer/                      a byte-level BPE of 1,024 tokens, learnt from the training questions and answers
set -euo pipefail
percept=${PERCEPT:-build/release/percept}
data=$(realpath "$1") out=$2
mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# conversations FILTER: all questions of a picture that the filter keeps, as one sample of LLaVA's JSON
conversations() {
    jq "[to_entries[] | select($1) | .value] | group_by(.image_name)"'
        | map({id: .[0].image_name, image: .[0].image_name, conversations: [to_entries[] | .key as $turn | .value
            | {from: "human", value: ((if $turn == 0 then "<image>\n" else "" end) + .question)},
              {from: "gpt", value: (.answer | tostring | ascii_downcase)}]})' "$data/train.json"
}

# questions FILE FILTER: a line each for percept eval
questions() {
    jq -c --arg folder "$data/images/" "to_entries[] | select($2) | .value"'
        | {id: (.qid | tostring), image: ($folder + .image_name), question, answer: (.answer | tostring),
           kind: (.answer_type | gsub(" "; "") | ascii_downcase)}' "$1"
}

conversations true >"$out/train.json"
questions "$data/test.json" true >"$out/test.jsonl"
for fold in 0 1 2 3 4; do
    conversations ".key % 5 != $fold" >"$out/train-$fold.json"
    questions "$data/train.json" ".key % 5 == $fold" >"$out/held-$fold.jsonl"
done

jq -r '.[] | .question, (.answer | tostring)' "$data/train.json" >"$work/texts.txt"
for _ in $(seq 500); do
    printf 'user\nassistant\nsystem\n'
done >>"$work/texts.txt"
"$percept" tokenizer train --vocab-size 1024 --special '<pad>,<|im_start|>,<|im_end|>,<image>' --out "$work/out" "$work/texts.txt"
mkdir -p "$out/tokenizer"
cp "$work/out/tokenizer.json" "$out/tokenizer/"
jq '. + {eos_token: "<|im_end|>", pad_token: "<pad>", image_token: "<image>"}' "$work/out/tokenizer_config.json" \
    >"$out/tokenizer/tokenizer_config.json"
jq -n '{eos_token: "<|im_end|>", pad_token: "<pad>"}' >"$out/tokenizer/special_tokens_map.json"
