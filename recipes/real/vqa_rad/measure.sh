#!/usr/bin/env bash
# usage: measure.sh DATA OUT [SEED...]    DATA: the unpacked vqa-rad.zip. What is there is not made again.
# The number of epochs, 10, 20 or 40, is chosen on folds 0, 1 and 2 of the training questions (seed 1); the test is asked once for each
# SEED (42 43 44) with that number, and with blanked pictures. Prints rows for docs/real-data.md.
set -euo pipefail
cd "$(dirname "$0")/../../.."
percept=$(realpath "${PERCEPT:-build/release/percept}")
data=$(realpath "$1") out=$(realpath -m "$2")
shift 2
export PERCEPT=$percept PERCEPT_RUNS=
[ -s "$out/set/test.jsonl" ] || recipes/real/vqa_rad/prepare.sh "$data" "$out/set"

# train NAME FILE EPOCHS SEED
train() {
    [ -s "$out/$1/model.safetensors" ] ||
        "$percept" train recipes/real/vqa_rad.yaml dataset="$out/set/$2" media_dir="$data/images" tokenizer_name_or_path="$out/set/tokenizer" \
            num_train_epochs="$3" seed="$4" output_dir="$out/$1" overwrite_output_dir=true threads="${THREADS:-0}" >"$out/$1.log" 2>&1
}

# ask NAME FILE AS [OPTION]...: its results.json
ask() {
    local folder=$out/$1/$3 model=$out/$1 file=$out/set/$2
    shift 3
    [ -s "$folder/results.json" ] || "$percept" eval "$model" --tasks "$file" --threads "${THREADS:-0}" -o "$folder" "$@" >"$folder.log" 2>&1
    cat "$folder/results.json"
}

best=0 most=-1
for epochs in 10 20 40; do
    right=0
    for fold in 0 1 2; do
        train "fold-$fold-$epochs" "train-$fold.json" "$epochs" 1
        right=$((right + $(ask "fold-$fold-$epochs" "held-$fold.jsonl" held | jq '.results[].right')))
    done
    echo "| three folds | $epochs epochs | $right of 1554 |"
    if [ $right -gt $most ]; then most=$right best=$epochs; fi
done
row='.results[] | "\(.right) of \(.asked) | \(.kinds.closed.right) of \(.kinds.closed.asked) | \(.kinds.open.right) of \(.kinds.open.asked) |"'
for seed in "${@:-42 43 44}"; do
    for one in $seed; do
        train "seed-$one" train.json "$best" "$one"
        echo "| test, $best epochs | $one | $(ask "seed-$one" test.jsonl test | jq -r "$row")"
        echo "| blanked pictures | $one | $(ask "seed-$one" test.jsonl blank --no_images | jq -r "$row")"
    done
done
