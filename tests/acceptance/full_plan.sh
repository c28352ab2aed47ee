#!/usr/bin/env bash
# percept plan beside the trainings that it tells about: memory and time within 10 %, for three recipes, one of them with a
# feature cache. usage: full_plan.sh [PERCEPT]. Each training is planned before and after, and the mean counts, because a
# machine with other work on it changes meanwhile. Prints a line for each figure and "N passed, N failed, N skipped".
set -euo pipefail
cd "$(dirname "$0")/../.."
percept=$(realpath "${1:-build/release/percept}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0
export PERCEPT_RUNS=

# compare NAME WHAT PLANNED FOUND
compare() {
    local off
    off=$(jq -n --argjson p "$3" --argjson f "$4" '($p / $f - 1) * 1000 | round / 10')
    if jq -en --argjson off "$off" '$off | fabs <= 10' >/dev/null; then
        passed=$((passed + 1))
        echo "ok     $1 $2: planned $3, found $4 ($off %)"
    else
        failed=$((failed + 1))
        echo "FAILED $1 $2: planned $3, found $4 ($off %)"
    fi
}

# check NAME RECIPE: plan, train, plan
check() {
    local before after start seconds memory
    before=$("$percept" plan "$2" --seconds 20 --json)
    start=$(date +%s.%N)
    "$percept" train "$2" logging_steps=1 2>"$work/log"
    seconds=$(jq -n --argjson a "$start" --argjson b "$(date +%s.%N)" '($b - $a) * 10 | round / 10')
    memory=$(sed -n 's/.* \([0-9]*\) MB  left.*/\1/p' "$work/log" | sort -n | tail -n 1)
    after=$("$percept" plan "$2" --seconds 20 --json)
    compare "$1" "memory in MB" "$(jq -n --argjson a "$before" '$a.memory_bytes / 1e6 | round')" "$memory"
    compare "$1" "time in s" "$(jq -n --argjson a "$before" --argjson b "$after" '($a.seconds + $b.seconds) * 5 | round / 10')" "$seconds"
    echo "       $1: planned before $(jq .seconds <<<"$before"), after $(jq .seconds <<<"$after")"
}

recipe() {
    cat >"$work/$1.yaml"
    printf 'output_dir: %s/%s\nthreads: 1\nsave_steps: 0\nstage: sft\nturns: independent\n' "$work" "$1" >>"$work/$1.yaml"
}

recipe whole <<EOF
model_name_or_path: models/percept-tiny
dataset: scenes?seed=3&n=100000&content=questions
cutoff_len: 400
freeze_vision_tower: false
per_device_train_batch_size: 8
max_steps: 60
bf16: true
EOF
recipe adapter <<EOF
model_name_or_path: models/percept-tiny
finetuning_type: lora
cutoff_len: 600
packing: true
dataset: scenes?seed=4&n=2000&content=mixed
per_device_train_batch_size: 4
max_steps: 60
EOF
recipe cache <<EOF
model_name_or_path: models/percept-tiny
dataset: scenes?seed=5&n=160&content=questions
cutoff_len: 400
feature_cache: $work/features
per_device_train_batch_size: 8
num_train_epochs: 4
EOF

check whole "$work/whole.yaml"
check adapter "$work/adapter.yaml"
check cache "$work/cache.yaml"
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
