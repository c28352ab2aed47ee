#!/usr/bin/env bash
# Does a model that was trained on episodes of other namings use the examples before a question? What is trained, asked and tested is written
# here, before any run:
#   model     models/percept-tiny, its language model and connector trained on episodes of nine pictures (few_shot.yaml), STEPS steps of 4 episodes:
#             made-up words for two colours, shapes or sizes; seeds 42, 43, 44
#   task      unseen in training: other words, and what they name is a texture. "Is it toma or zav?", both words in the question, so that one of
#             two is right by chance; NAMINGS namings (25) of 200 pictures each: 5,000 questions a seed, the same for all rows
#   rows      0 shots; 8 shots of the same naming; control: 8 shots whose words are tossed, which tell the form of the answer and nothing else
#   test      exact two-sided McNemar on the pairs, 8 shots against 0 and against the control (`percept eval compare`); an effect is
#             p < 0.01 in all three seeds, of one sign, against both: against 0 shots alone it could be the form of the answer
# usage: few_shot.sh OUT [SEED...]   PERCEPT, STEPS, NAMINGS, THREADS change what they say. What is there is not made again, so that it can be
# stopped and gone on with.
set -euo pipefail
cd "$(dirname "$0")/../.."
percept=$(realpath "${PERCEPT:-build/release/percept}")
steps=${STEPS:-600} namings=${NAMINGS:-25} threads=${THREADS:-1}
out=$1
shift
[ $# -gt 0 ] || set -- 42 43 44
mkdir -p "$out"
export PERCEPT_RUNS=

# ask SEED ROW [OPTION...]: of every naming; all samples together, each with its naming in its id, become ROW-SEED/samples_words.jsonl
ask() {
    local seed=$1 row=$2 n folder shots
    shift 2
    folder="$out/$row-$seed"
    [ -s "$folder/samples_words.jsonl" ] && return
    mkdir -p "$folder"
    rm -f "$folder/words.part"
    for ((n = 0; n < namings; n++)); do
        naming="scene_words?seed=$((7000 + n))&kinds=texture&split=test"
        shots=()
        case $row in
        shots) shots=(--shots 8 --shots_task "data:$naming&content=single&first=1000000&n=256") ;;
        control) shots=(--shots 8 --shots_task "data:$naming&content=tossed&first=1000000&n=256") ;;
        esac
        "$percept" eval "$out/model-$seed" --tasks "data:$naming&content=single&n=200" "${shots[@]}" --shots_seed $((8000 + n)) --max_new_tokens 8 \
            -t "$threads" -o "$folder/$n" "$@" >"$folder/log" 2>&1 || { tail -n 3 "$folder/log" >&2; exit 1; }
        jq -c --arg n "$n" '.id = $n + "-" + .id' "$folder/$n"/samples_*.jsonl >>"$folder/words.part"
    done
    mv "$folder/words.part" "$folder/samples_words.jsonl"
}

# row SEED A B
row() {
    "$percept" eval compare "$out/$2-$1" "$out/$3-$1" --json |
        jq -r --arg seed "$1" --arg a "$2" --arg b "$3" '([.. | objects | select(has("only_a"))] | first) as $c
            | "| \($seed) | \($a) | \($b) | \($c.right_a), \($c.right_b) of \($c.asked) | \($c.only_a), \($c.only_b) | \($c.p) |"'
}

for seed in "$@"; do
    [ -s "$out/model-$seed/model.safetensors" ] ||
        "$percept" train recipes/reasoning/few_shot.yaml max_steps="$steps" seed="$seed" threads="$threads" output_dir="$out/model-$seed" \
            resume_from_checkpoint=latest >"$out/model-$seed.log" 2>&1
    ask "$seed" none
    ask "$seed" shots
    ask "$seed" control
done
echo "| seed | A | B | right: A, B | right alone: A, B | p |"
echo "| --- | --- | --- | --- | --- | --- |"
for seed in "$@"; do
    row "$seed" none shots
    row "$seed" control shots
done
