#!/usr/bin/env bash
# Does alignment lower a model's hallucination? Pairs from its own mistakes, DPO and PPO from the same start, and the same questions
# before and after. What is asked and tested is written here, before any run:
#   model     MODEL (models/percept-tiny) with an adapter of rank 8; seeds 42, 43, 44 (or those given)
#   pairs     16,000 scenes that no evaluation draws, half descriptions and half questions, four answers each (mistakes.yaml)
#   DPO       dpo.yaml on these pairs, 600 steps of 16;   PPO  ppo.yaml, rule `scene`, the same prompts, 200 steps of 32
#   questions 5,000 of task scenes, of them existence apart; 1,000 descriptions of task scenes_captions, right when nothing is made up
#   test      exact two-sided McNemar on pairs of answers (`percept eval compare`), p < 0.01 in every seed; recall of descriptions
#             and the accuracy of all questions together may fall by 1 point at most
# usage: measure.sh OUT [SEED...]   MODEL, PERCEPT, PAIRS, DPO_STEPS, PPO_STEPS, QUESTIONS, CAPTIONS, THREADS change what they say. What is
# there is not made again, so that it can be stopped and gone on with. Prints a table, and the seconds of every part.
set -euo pipefail
cd "$(dirname "$0")/../.."
percept=$(realpath "${PERCEPT:-build/release/percept}")
model=${MODEL:-models/percept-tiny} threads=${THREADS:-0}
questions=${QUESTIONS:-5000} captions=${CAPTIONS:-1000}
out=$1
shift
mkdir -p "$out"
export PERCEPT_RUNS=

timed() { # NAME COMMAND...
    local name=$1 start=$SECONDS
    shift
    "$@" >"$out/$name.log" 2>&1 || { tail -n 3 "$out/$name.log" >&2; exit 1; }
    echo "$name: $((SECONDS - start)) s" | tee -a "$out/seconds.txt" >&2
}

# ask NAME [--adapter DIR]
ask() {
    local name=$1
    shift
    [ -s "$out/$name/questions/results.json" ] ||
        timed "$name-questions" "$percept" eval "$model" --tasks scenes --limit "$questions" -t "$threads" -o "$out/$name/questions" "$@"
    [ -s "$out/$name/captions/results.json" ] ||
        timed "$name-captions" "$percept" eval "$model" --tasks scenes_captions --limit "$captions" --max_new_tokens 256 -t "$threads" \
            -o "$out/$name/captions" "$@"
}

# train NAME RECIPE [KEY=VALUE]...
train() {
    local name=$1 recipe=$2
    shift 2
    [ -s "$out/$name/adapter/adapter_model.safetensors" ] ||
        timed "$name-training" "$percept" train "recipes/align/$recipe.yaml" model_name_or_path="$model" threads="$threads" \
            output_dir="$out/$name/adapter" resume_from_checkpoint=latest logging_steps=25 "$@"
}

# row NAME: counts, and p against the model alone
row() {
    local name=$1 what
    for what in questions captions; do
        "$percept" eval compare "$out/plain/$what" "$out/$name/$what" --json >"$out/$name/$what.json"
    done
    jq -rn --arg name "$name" --slurpfile q "$out/$name/questions.json" --slurpfile c "$out/$name/captions.json" \
        --slurpfile r "$out/$name/questions/results.json" --slurpfile s "$out/$name/captions/results.json" '
        def p(x): if x < 0.0001 then "< 0.0001" else x * 10000 | round / 10000 end;
        def points(x): x * 100 | round / 100;
        ([$q[0] | .. | objects | select(has("only_a"))] | first) as $a | ([$c[0] | .. | objects | select(has("only_a"))] | first) as $b
        | $r[0].results.scenes.kinds.existence as $e | ([$s[0].results[] | .scene_claims] | first) as $m
        | "| \($name) | \($a.right_b) of \($a.asked) | \($a.only_a), \($a.only_b) | \(p($a.p)) | \($e.right) of \($e.asked) | "
        + "\($b.right_b) of \($b.asked) | \($b.only_a), \($b.only_b) | \(p($b.p)) | \(points($m.chair_s)) | \(points($m.chair_i)) | \(points($m.recall)) |"'
}

[ -s "$out/pairs/pairs.jsonl" ] || timed pairs "$percept" data mistakes recipes/align/mistakes.yaml "$out/pairs" model_name_or_path="$model" \
    threads="$threads" --n "${PAIRS:-16000}"
tail -n 2 "$out/pairs.log" >&2
ask plain
prompts='scenes?seed=109&n=100000&content=captions,scenes?seed=110&n=100000&content=questions&turns=1'
for seed in "${@:-42 43 44}"; do
    for one in $seed; do
        train "dpo-$one" dpo seed="$one" dataset="$out/pairs/pairs.jsonl" cutoff_len=400 max_steps="${DPO_STEPS:-600}"
        train "ppo-$one" ppo seed="$one" dataset="$prompts" reward_rule=scene max_new_tokens=200 max_steps="${PPO_STEPS:-200}"
        ask "dpo-$one" --adapter "$out/dpo-$one/adapter"
        ask "ppo-$one" --adapter "$out/ppo-$one/adapter"
    done
done
echo "| run | questions right | right alone: plain, run | p | existence | descriptions without a made-up object | right alone: plain, run | p | CHAIR_s % | CHAIR_i % | recall % |"
echo "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
mkdir -p "$out/plain"
for name in plain $(cd "$out" && ls -d dpo-*/ ppo-*/ | tr -d /); do
    row "$name"
done
