#!/usr/bin/env bash
# The trainings of recipes/real with several seeds, and what they reach on pictures that were left out: rows for docs/real-data.md.
# usage: measure.sh DATA OUT [SEED...]    DATA is the folder with emoji-captions.zip, nlvr-train1000.zip and nlvr-dev.zip. An
# evaluation that is there is not made again, so that it can be stopped and gone on with; RECIPES="emoji nlvr" chooses.
set -euo pipefail
cd "$(dirname "$0")/../.."
percept=$(realpath "${PERCEPT:-build/release/percept}")
data=$1 out=$2
shift 2
mkdir -p "$out"
[ -d "$out/emoji" ] || unzip -qo "$data/emoji-captions.zip" -d "$out/emoji"
[ -d "$out/nlvr" ] || unzip -qo "$data/nlvr-train1000.zip" -d "$out/nlvr"
[ -d "$out/nlvr-dev" ] || unzip -qo "$data/nlvr-dev.zip" -d "$out/nlvr-dev"

# train RECIPE SEED [KEY=VALUE]...: into OUT/RECIPE-SEED, resumed when it was stopped
train() {
    local recipe=$1 seed=$2
    shift 2
    [ -s "$out/$recipe-$seed/model.safetensors" ] ||
        "$percept" train "recipes/real/$recipe.yaml" seed="$seed" output_dir="$out/$recipe-$seed" resume_from_checkpoint=latest \
            save_steps=200 "$@" 2>>"$out/$recipe-$seed.log" >&2
}

# ask RECIPE SEED NAME TASK [OPTION]...: one row
ask() {
    local folder="$out/$1-$2/eval-$3" recipe=$1 seed=$2 name=$3 task=$4
    shift 4
    [ -s "$folder/results.json" ] || "$percept" eval "$out/$recipe-$seed" --tasks "$task" -o "$folder" "$@" >&2
    jq -r --arg r "$recipe" --arg s "$seed" --arg n "$name" \
        '.results[] | "| \($r) | \($s) | \($n) | \(.right) of \(.asked) |"' "$folder/results.json"
}

for seed in "${@:-42}"; do
    for recipe in ${RECIPES:-emoji nlvr}; do
        if [ "$recipe" = emoji ]; then
            [ -d "$out/emoji-tokenizer" ] || PERCEPT=$percept recipes/real/emoji/make_tokenizer.sh "$out/emoji" "$out/emoji-tokenizer" >&2
            train emoji "$seed" "dataset=$out/emoji?content=train" "tokenizer_name_or_path=$out/emoji-tokenizer"
            for lang in en de fr es it pt ru zh ja ko ar hi; do
                ask emoji "$seed" "test $lang" "data:$out/emoji?content=test&lang=$lang"
            done
            ask emoji "$seed" "trained en" "data:$out/emoji?content=train&lang=en" --limit 300
            ask emoji "$seed" "blank en" "data:$out/emoji?content=test&lang=en" --no_images
        else
            train nlvr "$seed" "dataset=$out/nlvr?content=boxes"
            ask nlvr "$seed" "dev" "data:$out/nlvr-dev?content=boxes"
            ask nlvr "$seed" "blank dev" "data:$out/nlvr-dev?content=boxes" --no_images
        fi
    done
done
