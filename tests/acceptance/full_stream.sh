#!/usr/bin/env bash
# 100,000 samples read as they come from tar shards: peak memory below 600 MB and flat, so that it doesn't grow with what was read.
# usage: full_stream.sh [PERCEPT]   SAMPLES (100000) is a multiple of 1000. The shards are links to one of 1,000 pictures; the model
# is the tiny LLaVA of tests/golden, so that what is timed and held is the data. Ends in "N passed, N failed".
set -euo pipefail
cd "$(dirname "$0")/../.."
percept=$(realpath "${1:-build/release/percept}")
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
mkdir "$work/shard" "$work/set"
jq -r '.[] | [.image, (.conversations[1].value | .[0:48])] | @tsv' "$work/scenes/captions.json" | while IFS=$'\t' read -r image text; do
    name=$(basename "$image" .png)
    ln "$work/scenes/$image" "$work/shard/$name.png"
    printf '%s' "$text" >"$work/shard/$name.txt"
done
(cd "$work/shard" && find . -type f -printf '%f\n' | LC_ALL=C sort | tar -cf "$work/one.tar" --format=ustar -T -)
for i in $(seq -f %05g 0 $((samples / 1000 - 1))); do
    ln "$work/one.tar" "$work/set/$i.tar"
done
cat >"$work/recipe.yaml" <<END
model_init: tests/golden/llava/hf/config.json
template: vicuna_v1
stage: pt
dataset: $work/set
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
goal "steps of $batch that are missing" "$((samples / batch - seen))" "" 0
sed -n 's/.* \([0-9]*\) MB  left.*/\1/p' "$work/log" >"$work/memory"
goal "peak" "$(sort -n "$work/memory" | tail -n 1)" MB 600
lines=$(wc -l <"$work/memory")
early=$(head -n $((lines / 10 + 1)) "$work/memory" | sort -n | tail -n 1)
late=$(tail -n $((lines / 10 + 1)) "$work/memory" | sort -n | tail -n 1)
goal "more at the end than behind the first tenth" "$((late > early ? late - early : 0))" MB 10
echo "  $samples samples, processor seconds: $user + $system"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
