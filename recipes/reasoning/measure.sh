#!/usr/bin/env bash
# Does a model that says its steps first answer questions of several steps better than one that answers at once? What is trained, asked
# and tested is written here, before any run:
#   model     models/percept-tiny, its language model and connector trained (direct.yaml, rationale.yaml); seeds 42, 43, 44
#   training  the same pictures and questions in the same order, STEPS steps of BATCH pictures with all their questions (about 6.5); only the
#             answers differ: short, or the steps and then "The answer is ..."
#   questions 5,000 of task scene_problems for each seed, the same for all; no recipe trains on their scenes
#   test      exact two-sided McNemar on the pairs, rationale against direct, in each seed (`percept eval compare`); an effect is p < 0.01 in
#             all three, of one sign
#   rows besides, of which nothing depends: direct with as much processor time as rationale (TIMES as many steps); the same
#             rationale model where VOTES chains drawn at temperature 0.7 vote, over VOTED questions of the first seed
# usage: measure.sh OUT [SEED...]   PERCEPT, STEPS, BATCH, TIMES, QUESTIONS, VOTES, VOTED, THREADS change what they say. What is there is not made
# again, so that it can be stopped and gone on with; several may run at once, each with a seed of its own. The table has the seeds given.
set -euo pipefail
cd "$(dirname "$0")/../.."
percept=$(realpath "${PERCEPT:-build/release/percept}")
steps=${STEPS:-80} batch=${BATCH:-4} times=${TIMES:-2} questions=${QUESTIONS:-5000} threads=${THREADS:-1}
votes=${VOTES:-5} voted=${VOTED:-1000}
out=$1
shift
[ $# -gt 0 ] || set -- 42 43 44
mkdir -p "$out"
export PERCEPT_RUNS=

# timed NAME COMMAND...: its processor seconds go into NAME.seconds
timed() {
    local name=$1
    shift
    TIMEFORMAT='%U %S'
    { time "$@" >"$out/$name.log" 2>&1 || { tail -n 3 "$out/$name.log" >&2; return 1; }; } 2>"$out/$name.time"
    awk '{ printf "%.1f\n", $1 + $2 }' "$out/$name.time" >"$out/$name.seconds"
    echo "$name: $(cat "$out/$name.seconds") processor seconds" >&2
}

# train NAME RECIPE STEPS SEED
train() {
    [ -s "$out/$1/model.safetensors" ] ||
        timed "$1-training" "$percept" train "recipes/reasoning/$2.yaml" max_steps="$3" seed="$4" per_device_train_batch_size="$batch" \
            threads="$threads" output_dir="$out/$1" resume_from_checkpoint=latest
}

# ask NAME FOLDER LIMIT [OPTION...]
ask() {
    local name=$1 folder=$2 limit=$3
    shift 3
    [ -s "$out/$folder/results.json" ] ||
        timed "$folder" "$percept" eval "$out/$name" --tasks scene_problems --limit "$limit" -t "$threads" -o "$out/$folder" "$@"
}

for seed in "$@"; do
    train "direct-$seed" direct "$steps" "$seed"
    ask "direct-$seed" "direct-$seed-answers" "$questions"
    train "rationale-$seed" rationale "$steps" "$seed"
    ask "rationale-$seed" "rationale-$seed-answers" "$questions"
done
for seed in "$@"; do
    train "longer-$seed" direct $((steps * times)) "$seed"
    ask "longer-$seed" "longer-$seed-answers" "$questions"
done
if [ "$votes" -gt 1 ]; then
    ask "rationale-$1" "rationale-$1-greedy" "$voted"
    ask "rationale-$1" "rationale-$1-votes" "$voted" --decoding "votes=$votes" --temp 0.7
fi

# row NAME A B: B's counts, and p against A; processor seconds of training and answering
row() {
    "$percept" eval compare "$out/$2-answers" "$out/$3-answers" --json |
        jq -r --arg name "$1" --arg train "$(cat "$out/$3-training.seconds")" --arg ask "$(cat "$out/$3-answers.seconds")" '
        def p(x): if x < 0.0001 then "< 0.0001" else x * 10000 | round / 10000 end;
        ([.. | objects | select(has("only_a"))] | first) as $c
        | "| \($name) | \($c.right_b) of \($c.asked) | \($c.only_a), \($c.only_b) | \(p($c.p)) | \($train) | \($ask) |"'
}

echo "| run | right | right alone: direct, run | p | processor seconds of training | of answering |"
echo "| --- | --- | --- | --- | --- | --- |"
for seed in "$@"; do
    row "direct, seed $seed" "direct-$seed" "direct-$seed"
    row "direct, $times times the steps, seed $seed" "direct-$seed" "longer-$seed"
    row "rationale, seed $seed" "direct-$seed" "rationale-$seed"
done
echo
echo "| kind | $(for seed in "$@"; do printf 'direct %s | rationale %s | ' "$seed" "$seed"; done)asked |"
echo "| --- | $(for seed in "$@"; do printf -- '--- | --- | '; done)--- |"
files=()
for seed in "$@"; do
    files+=("$out/direct-$seed-answers/results.json" "$out/rationale-$seed-answers/results.json")
done
jq -rs 'map(.results.scene_problems.kinds) as $k | $k[0] | keys_unsorted[] as $kind
    | "| \($kind) | \([$k[][$kind].right | tostring] | join(" | ")) | \($k[0][$kind].asked) |"' "${files[@]}"
if [ "$votes" -gt 1 ]; then
    echo
    echo "$votes votes against one greedy chain, seed $1:"
    "$percept" eval compare "$out/rationale-$1-greedy" "$out/rationale-$1-votes"
fi
