#!/usr/bin/env bash
# percept plan beside the trainings that it tells about: memory and time within 10 %, for three recipes: all weights, an adapter
# on packed samples, a frozen tower with a feature cache. usage: full_plan.sh [PERCEPT]
# Each training is planned before and after, and the means count, because a machine with other work on it changes meanwhile. Where
# it has more to do than processors, the clock on the wall tells about the others' work: then processor time is what must agree.
# Prints a line for each figure and "N passed, N failed, N skipped".
set -euo pipefail
cd "$(dirname "$0")/../.."
percept=$(realpath "${1:-build/release/percept}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0 skipped=0
export PERCEPT_RUNS=

# compare NAME WHAT PLANNED FOUND [noisy]
compare() {
    local off
    off=$(jq -n --argjson p "$3" --argjson f "$4" '($p / $f - 1) * 1000 | round / 10')
    if jq -en --argjson off "$off" '$off | fabs <= 10' >/dev/null; then
        passed=$((passed + 1))
        echo "  $1 $2: planned $3, found $4 ($off %)"
    elif [ "${5:-}" = noisy ]; then
        skipped=$((skipped + 1))
        echo "  $1 $2: planned $3, found $4 ($off %), on a busy machine"
    else
        failed=$((failed + 1))
        echo "  $1 $2: planned $3, found $4 ($off %) FAILED"
    fi
}

busy() {
    awk -v cores="$(nproc)" '{ exit !($1 > cores) }' /proc/loadavg && echo noisy || true
}

mean() {
    jq -n --argjson a "$1" --argjson b "$2" "(\$a.$3 + \$b.$3) * 5 | round / 10"
}

# check NAME: plan, train, plan
check() {
    local before after seconds user system noisy
    before=$("$percept" plan "$work/$1.yaml" --seconds 6 --json)
    TIMEFORMAT='%R %U %S'
    { time "$percept" train "$work/$1.yaml" logging_steps=1 2>"$work/log"; } 2>"$work/time"
    read -r seconds user system <"$work/time"
    noisy=$(busy)
    after=$("$percept" plan "$work/$1.yaml" --seconds 6 --json)
    compare "$1" "memory, MB" "$(jq '.memory_bytes / 1e6 | round' <<<"$before")" \
        "$(sed -n 's/.* \([0-9]*\) MB  left.*/\1/p' "$work/log" | sort -n | tail -n 1)"
    compare "$1" "processor time, s" "$(mean "$before" "$after" cpu_seconds)" "$(jq -n "$user + $system")"
    compare "$1" "time, s" "$(mean "$before" "$after" seconds)" "$seconds" "$noisy"
}

# recipe NAME: its own keys from standard input
recipe() {
    { cat; printf 'model_name_or_path: models/percept-tiny\noutput_dir: %s/%s\nthreads: 1\nsave_steps: 0\n' "$work" "$1"; } >"$work/$1.yaml"
    printf 'stage: sft\nturns: independent\n' >>"$work/$1.yaml"
}

recipe whole <<EOF
dataset: scenes?seed=3&n=100000&content=questions
cutoff_len: 400
freeze_vision_tower: false
per_device_train_batch_size: 8
max_steps: 40
bf16: true
EOF
recipe adapter <<EOF
finetuning_type: lora
dataset: scenes?seed=4&n=1000&content=mixed
cutoff_len: 600
packing: true
per_device_train_batch_size: 4
max_steps: 40
EOF
recipe cache <<EOF
dataset: scenes?seed=5&n=128&content=questions
cutoff_len: 400
feature_cache: $work/features
per_device_train_batch_size: 8
num_train_epochs: 3
EOF
for name in whole adapter cache; do
    check $name
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
