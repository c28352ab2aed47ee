#!/usr/bin/env bash
# 100,000 samples read as they come from tar shards, Parquet files and a TSV of base64: peak memory below 600 MB and flat, so that it doesn't
# grow with what was read. Then each cut short in the middle: seen + skipped = total.
# usage: full_stream.sh [PERCEPT] [FORMAT]...   FORMAT is tar, parquet or tsv; SAMPLES (100000) is a multiple of 1000. Shards are links to one of
# 1,000 pictures; the model is the tiny LLaVA of tests/golden, so that what is timed and held is the data. Ends in "N passed, N failed".
set -euo pipefail
cd "$(dirname "$0")/../.."
percept=$(realpath "${1:-build/release/percept}")
shift $(($# > 0))
formats=("$@")
[ $# -gt 0 ] || formats=(tar parquet tsv)
samples=${SAMPLES:-100000} batch=50
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0
export PERCEPT_RUNS=

# goal NAME FOUND UNIT MOST
goal() {
    if [ "$2" -le "$4" ]; then
        passed=$((passed + 1))
        echo "  $1: $2 $3 (at most $4)"
    else
        failed=$((failed + 1))
        echo "  $1: $2 $3 FAILED: at most $4"
    fi
}

"$percept" data make scenes "$work/scenes" --n 1000 >/dev/null
jq -r '.[] | [.image, (.conversations[1].value | .[0:48])] | @tsv' "$work/scenes/captions.json" >"$work/captions.tsv"

# 1,000 samples as one file: make_FORMAT OUT
make_tar() {
    mkdir -p "$work/shard"
    while IFS=$'\t' read -r image text; do
        name=$(basename "$image" .png)
        ln -f "$work/scenes/$image" "$work/shard/$name.png"
        printf '%s' "$text" >"$work/shard/$name.txt"
    done <"$work/captions.tsv"
    (cd "$work/shard" && find . -type f -printf '%f\n' | LC_ALL=C sort | tar -cf "$1" --format=ustar -T -)
}
make_parquet() {
    sed "s|^|$work/scenes/|" "$work/captions.tsv" | python3 tests/acceptance/make_parquet.py "$1"
}
make_tsv() {
    while IFS=$'\t' read -r image text; do
        printf '%s\t%s\n' "$(base64 -w 0 "$work/scenes/$image")" "$text"
    done <"$work/captions.tsv" >"$1"
}

# make_set FORMAT: $work/set holds all samples; its path goes to $set
make_set() {
    rm -rf "$work/set" && mkdir "$work/set"
    "make_$1" "$work/one.$1"
    set=$work/set
    if [ "$1" = tsv ]; then
        set=$work/set/all.tsv
        printf 'image\tcaption\n' >"$set"
        for _ in $(seq $((samples / 1000))); do cat "$work/one.tsv"; done >>"$set"
        return
    fi
    for i in $(seq -f %05g 0 $((samples / 1000 - 1))); do
        ln "$work/one.$1" "$work/set/$i.$1"
    done
}

# stream FORMAT
stream() {
    make_set "$1"
    rm -rf "$work/out"
    cat >"$work/recipe.yaml" <<END
model_init: tests/golden/llava/hf/config.json
template: vicuna_v1
stage: pt
dataset: $set
cutoff_len: 256
freeze_language_model: true
per_device_train_batch_size: $batch
num_train_epochs: 1
learning_rate: 1e-4
plot_loss: false
threads: 1
save_steps: 0
logging_steps: 10
output_dir: $work/out
END
    TIMEFORMAT='%U %S'
    { time "$percept" train "$work/recipe.yaml" >"$work/log" 2>&1; } 2>"$work/time" || { tail -n 2 "$work/log"; failed=$((failed + 1)); }
    read -r user system <"$work/time"
    seen=$(jq -s 'length' "$work/out/train_log.jsonl")
    goal "$1: steps of $batch that are missing" "$((samples / batch - seen))" "" 0
    sed -n 's/.* \([0-9]*\) MB  left.*/\1/p' "$work/log" >"$work/memory"
    goal "$1: peak" "$(sort -n "$work/memory" | tail -n 1)" MB 600
    lines=$(wc -l <"$work/memory")
    early=$(head -n $((lines / 10 + 1)) "$work/memory" | sort -n | tail -n 1)
    late=$(tail -n $((lines / 10 + 1)) "$work/memory" | sort -n | tail -n 1)
    goal "$1: more at the end than behind the first tenth" "$((late > early ? late - early : 0))" MB 10
    echo "  $1: $samples samples, processor seconds: $user + $system"
}

# cut FORMAT: half of a file. A Parquet file without its end has no rows and is refused; the others give what is whole, and count the rest.
cut_short() {
    head -c $(($(stat -c %s "$work/one.$1") / 2)) "$work/one.$1" >"$work/cut.$1"
    rm -rf "$work/cleaned"
    if [ "$1" = parquet ]; then
        "$percept" data clean "$work/cut.parquet" "$work/cleaned" --format none 2>"$work/log" && code=0 || code=$?
        goal "parquet: cut, exit status 3 and one line" "$((code == 3 && $(grep -c 'cut off' "$work/log") == 1 ? 0 : 1))" "" 0
        return
    fi
    "$percept" data clean "$work/cut.$1" "$work/cleaned" --format none >"$work/log"
    goal "$1: cut, samples that are neither kept nor damaged" "$(jq '.seen - .kept - .damaged' "$work/cleaned/report.json")" "" 0
    goal "$1: cut, samples damaged" "$(jq .damaged "$work/cleaned/report.json")" "" 1
}

for format in "${formats[@]}"; do
    stream "$format"
    cut_short "$format"
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
