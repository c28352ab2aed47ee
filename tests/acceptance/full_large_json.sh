#!/bin/sh
# A LLaVA JSON of a gigabyte: memory stays flat, and a stopped training goes on within two seconds wherever it stopped.
# The file is made here by repeating rows; it and the index need 1.1 GB of disk.
cd "$(dirname "$0")/../.." || exit 1
percept=${PERCEPT_RELEASE:-build/release/percept}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

# goal NAME FOUND UNIT MOST
goal() {
    if awk -v found="$2" -v most="$4" 'BEGIN { exit !(found <= most) }'; then
        passed=$((passed + 1)); printf '  %-52s %8.2f %s  (at most %s)\n' "$1" "$2" "$3" "$4"
    else
        failed=$((failed + 1)); printf '  %-52s %8.2f %s  FAILED: at most %s\n' "$1" "$2" "$3" "$4"
    fi
}

# make_rows FILE MEGABYTES: conversations about eight pictures, none twice
make_rows() {
    awk -v bytes="$2" 'BEGIN {
        srand(5); bytes *= 1e6; printf "[\n"
        for (i = 0; written < bytes; i++) {
            row = sprintf("%s{\"id\": \"%d\", \"image\": \"p%d.png\", \"conversations\": [{\"from\": \"human\", \"value\": \"<image>\\nWhat is in picture %d?\"}, {\"from\": \"gpt\", \"value\": \"The number %d, and then %d. ", i ? ",\n" : "", i, i % 8, i, i * 7, int(rand() * 1e9))
            for (k = 0; k < 6; k++) row = row "Nothing else can be seen there at all, as far as anybody can tell. "
            row = row "\"}]}"
            printf "%s", row; written += length(row)
        }
        printf "\n]\n" }' >"$1"
}

# A model of 54,000 parameters, so that what is timed is the data.
cat >"$work/recipe.yaml" <<'END'
model_init: tests/golden/llava/hf/config.json
template: vicuna_v1
stage: sft
dataset: given below
dataset_format: llava_json
freeze_vision_tower: false
per_device_train_batch_size: 4
cutoff_len: 1024
num_train_epochs: 1
warmup_steps: 2
learning_rate: 1e-4
plot_loss: false
threads: 1
output_dir: given below
END

mkdir "$work/set"
"$percept" data make scenes "$work/scenes" --n 8 >/dev/null 2>&1
i=0
for picture in $(find "$work/scenes" -name '*.png' | sort | head -n 8); do
    cp "$picture" "$work/set/p$i.png"; i=$((i + 1))
done
make_rows "$work/set/large.json" "${PERCEPT_MEGABYTES:-1000}"
make_rows "$work/set/small.json" 1
ls -l "$work/set/large.json" | awk '{ printf "  rows of %.2f GB\n", $5 / 1e9 }'

# train NAME FILE STEPS [KEY=VALUE ...]: kilobytes resident at most, seconds
train() {
    name=$1 file=$2 steps=$3; shift 3
    /usr/bin/time -o "$work/time" -f '%M %e' "$percept" train "$work/recipe.yaml" "dataset=$work/set/$file.json" \
        "output_dir=$work/$name" "max_steps=$steps" "$@" >"$work/log" 2>&1 || { tail -n 3 "$work/log"; failed=$((failed + 1)); }
    read -r memory seconds <"$work/time"
}

train small small 20; small=$memory
train large large 20; first=$seconds
goal "memory above that with a file of 1 MB" "$(((memory - small) / 1000))" MB 300
echo "  the first start indexes the file: $first s in all"
train large large 20 overwrite_output_dir=true
echo "  20 steps with the index at hand: $seconds s"

# steps_of FOLDER: the last step in its log
steps_of() {
    step=$(tail -n 1 "$1/train_log.jsonl" 2>/dev/null | jq -r '.step // 0' 2>/dev/null)
    echo "${step:-0}"
}

# long [KEY=VALUE ...]: a training of the whole file, in the background
long() {
    "$percept" train "$work/recipe.yaml" "dataset=$work/set/large.json" "output_dir=$work/long" save_steps=0 "$@" \
        >"$work/log" 2>&1 &
    running=$!
}

# stop_behind STEP: wait for a step behind it, note the seconds since $start, then end the training
stop_behind() {
    for _ in $(seq 3000); do
        [ "$(steps_of "$work/long")" -gt "$1" ] && break
        sleep 0.02
    done
    seconds=$(date +%s.%N | awk -v a="$start" '{ print $1 - a }')
    kill -TERM "$running" && wait "$running"
}

# move_to STEP: the checkpoint as if the training had come there
move_to() {
    old=$(find "$work/long" -maxdepth 1 -name 'checkpoint-*' | head -n 1) new=$work/long/checkpoint-$1
    [ "$old" = "$new" ] || mv "$old" "$new"
    jq -c ".global_step = $1" "$new/trainer_state.json" >"$work/state" && mv "$work/state" "$new/trainer_state.json"
    jq --arg sum "$(sha256sum "$new/trainer_state.json" | cut -d' ' -f1)" --argjson bytes "$(wc -c <"$new/trainer_state.json")" \
        --argjson step "$1" 'del(.manifest_sha256) | .step = $step
            | .files |= map(if .name == "trainer_state.json" then .sha256 = $sum | .bytes = $bytes else . end)' \
        "$new/manifest.json" | sed '$d' | head -c -1 >"$work/manifest"
    printf ',\n  "manifest_sha256": "%s"\n}\n' "$(sha256sum <"$work/manifest" | cut -d' ' -f1)" >>"$work/manifest"
    mv "$work/manifest" "$new/manifest.json"
    : >"$work/long/train_log.jsonl"
}

start=$(date +%s.%N)
long
stop_behind 3
for place in 10 100000 200000 390000; do
    move_to "$place"
    start=$(date +%s.%N)
    long resume_from_checkpoint=latest
    stop_behind "$place"
    grep -q resumed "$work/log" || { failed=$((failed + 1)); tail -n 2 "$work/log"; }
    goal "seconds from the start to step $((place + 1)) and its log" "$seconds" s 2
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
