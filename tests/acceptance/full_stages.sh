#!/usr/bin/env bash
# One command for each way to train: pt, sft, LoRA, QLoRA on a GGUF base, rm, ppo, grpo, dpo, ddpo, kto. Each is planned, run to its
# end, killed in the middle by SIGKILL and resumed: the same bytes as the run that was not, memory within 10 % of the plan.
# usage: full_stages.sh [PERCEPT] [NAME...]   ppo scores by the reward model of rm. With PERCEPT_DATA also pt and sft on real data:
# emoji captions and easy-VQA.
# Prints a line for each and "N passed, N failed, N skipped".
set -euo pipefail
cd "$(dirname "$0")/../.."
percept=$(realpath "${1:-build/release/percept}")
shift || true
chosen=("$@")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0 skipped=0
half=4 steps=12
export PERCEPT_RUNS=

tell() { # GOOD TEXT
    if [ "$1" = 0 ]; then
        passed=$((passed + 1))
        echo "  $2"
    else
        failed=$((failed + 1))
        echo "  $2 FAILED"
    fi
}

wanted() { # NAME
    [ "${#chosen[@]}" -eq 0 ] || [[ " ${chosen[*]} " == *" $1 "* ]]
}

# The weights that a run leaves, and its losses.
sums() {
    find "$1" -maxdepth 1 \( -name '*.safetensors' -o -name train_log.jsonl \) -printf '%f\n' | sort |
        while read -r name; do sha256sum <"$1/$name"; done
}

# killed OUTPUT COMMAND...: true when the run was killed behind its checkpoint in the middle
killed() {
    local output=$1 running
    shift
    "$@" 2>"$work/log" >&2 &
    running=$!
    for _ in $(seq 6000); do
        [ -d "$output/checkpoint-$half" ] || ! kill -0 "$running" 2>/dev/null || { sleep 0.02; continue; }
        break
    done
    kill -KILL "$running" 2>/dev/null || true
    ! wait "$running" 2>/dev/null && [ -d "$output/checkpoint-$half" ] && [ ! -d "$output/checkpoint-$steps" ]
}

# check NAME RECIPE [KEY=VALUE]...
check() {
    local name=$1 recipe=$2 planned found off whole=$work/$1 parts=$work/$1-parts
    shift 2
    wanted "$name" || return 0
    local keys=(threads=1 max_steps=$steps save_steps=$half save_total_limit=0 logging_steps=1 plot_loss=false "$@")
    planned=$("$percept" plan "$recipe" "${keys[@]}" output_dir="$whole" --seconds 2 --json 2>/dev/null | jq '.memory_bytes / 1e6 | round')
    if ! "$percept" train "$recipe" "${keys[@]}" output_dir="$whole" >"$work/log" 2>&1; then
        tell 1 "$name: $(tail -n 1 "$work/log")"
        return 0
    fi
    found=$(sed -n 's/.* \([0-9]*\) MB  left.*/\1/p' "$work/log" | sort -n | tail -n 1)
    off=$(jq -n --argjson p "$planned" --argjson f "$found" '($p / $f - 1) * 1000 | round / 10')
    jq -en --argjson off "$off" '$off | fabs <= 10' >/dev/null && good=0 || good=1
    tell $good "$name memory, MB: planned $planned, found $found ($off %)"
    if ! killed "$parts" "$percept" train "$recipe" "${keys[@]}" output_dir="$parts"; then
        tell 1 "$name: it was not stopped in the middle: $(tail -n 1 "$work/log")"
        return 0
    fi
    "$percept" train "$recipe" "${keys[@]}" output_dir="$parts" resume_from_checkpoint=latest >"$work/log" 2>&1 || true
    grep -q "resumed from .*checkpoint-" "$work/log" && [ "$(sums "$whole")" = "$(sums "$parts")" ] && good=0 || good=1
    tell $good "$name: killed behind step $half of $steps and resumed: $(sums "$whole" | wc -l) files the same"
    rm -rf "$parts"
}

"$percept" convert models/percept-tiny "$work/gguf/tiny.gguf" --type q8_0 >/dev/null
[ "${#chosen[@]}" -eq 0 ] || [[ " ${chosen[*]} " != *" ppo "* ]] || chosen+=(rm)
check pt recipes/align/lora.yaml finetuning_type=full stage=pt 'dataset=scenes?seed=1&n=100000&content=captions&max_objects=4'
check sft recipes/align/lora.yaml finetuning_type=full
check lora recipes/align/lora.yaml
check qlora recipes/align/qlora.yaml model_name_or_path="$work/gguf/tiny.gguf" quantization_bit=0 template=chatml
check rm recipes/align/rm.yaml
check ppo recipes/align/ppo.yaml reward_model="$work/rm"
check grpo recipes/align/grpo.yaml
check dpo recipes/align/dpo.yaml
check ddpo recipes/align/ddpo.yaml
check kto recipes/align/kto.yaml

real() { # ARCHIVE FOLDER
    if [ -n "${PERCEPT_DATA:-}" ] && [ -e "$PERCEPT_DATA/vl/$1.zip" ]; then
        unzip -qo "$PERCEPT_DATA/vl/$1.zip" -d "$work/$1"
    else
        skipped=$((skipped + 1))
        echo "  $1: not there"
        return 1
    fi
}
real emoji-captions &&
    check pt-emoji recipes/align/lora.yaml finetuning_type=full stage=pt "dataset=$work/emoji-captions?content=train&lang=en"
real easy-vqa && check sft-easy-vqa recipes/align/lora.yaml finetuning_type=full "dataset=$work/easy-vqa/train"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
