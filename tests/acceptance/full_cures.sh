#!/bin/sh
# Cures for hallucination against plain decoding, on drawn scenes that no recipe trains on.   full_cures.sh [MODEL [FOLDER]]
#
# Written down before any answer was made; nothing is tuned on these scenes:
#   seeds      910001, 910002, 910003
#   pope       5,100 questions (1,700 of each seed) of task pope_scenes: is an object named that isn't there?
#   scenes     5,100 questions (1,700 of each seed) of task scenes: what a cure costs elsewhere
#   captions   1,200 detailed captions (400 scenes of each seed); right = no colour and shape is named that isn't in the scene.
#              Beside it: objects of the scene that are named, and words of a caption, for a short caption is seldom wrong.
#   ways       plain (greedy), and each with its usual settings: vcd; m3id; dola; opera (5 beams)
#   test       exact two-sided McNemar test on the pairs of all three seeds (percept eval compare); p < 0.01 / 4 is an effect of
#              either sign, for there are four cures
# Samples stay in FOLDER: the same command goes on where it was stopped. Without FOLDER they go when the script ends.
# Passes when every comparison was made, whatever its outcome.
# shellcheck source=tests/acceptance/score.sh
. "$(dirname "$0")/score.sh"
model=${1:-models/percept-tiny}
out=${2:-$work/cures}
seeds="910001 910002 910003"
ways="plain vcd m3id dola opera"
questions=1700 captions=400
threads=$(nproc 2>/dev/null || echo 1)
if [ ! -e "$model/config.json" ]; then
    echo "skipped: no $model"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
fi
mkdir -p "$out" || exit 1

# make_captions SEED COUNT FOLDER: scenes, each with the request for a detailed caption; the truth is "colour shape, ..."
make_captions() {
    "$percept" data make scenes "$3" --seed "$1" --n "$2" --threads "$threads" >/dev/null &&
        jq -c '{image, question: "Describe the picture in detail.", answer: ([.objects[] | .colour + " " + .shape] | join(", ")),
                kind: "caption"}' "$3/scenes.jsonl" >"$3/captions.jsonl"
}

# ask WAY TASK SEED LIMIT FOLDER: extra arguments of the way
ask() {
    decoding=$1
    [ "$decoding" != plain ] || decoding=
    "$percept" eval "$model" --tasks "$2" --seed "$3" --limit "$4" --threads "$threads" --decoding "$decoding" -o "$5" \
        >"$work/log" 2>&1 || { tail -n 3 "$work/log"; failed=$((failed + 1)); return 1; }
}

# estimate: minutes of the whole, from a few questions of each kind
estimate() {
    make_captions 910009 6 "$work/few" || return 1
    for way in $ways; do
        for task in pope_scenes scenes "$work/few/captions.jsonl"; do
            few=24 whole=$((3 * questions))
            case $task in *.jsonl) few=6 whole=$((3 * captions)) ;; esac
            begin=$(date +%s%N)
            ask "$way" "$task" 910009 $few "$work/few/$way-$(basename "$task" .jsonl)" || return 1
            end=$(date +%s%N)
            echo "$(((end - begin) / 1000000)) $few $whole"
        done
    done | awk '{ ms += $1 / $2 * $3 } END { printf "  at most %.0f minutes on this machine, as busy as it is\n", ms / 60000 }'
}

# judge SAMPLES: a line {"id", "right", "named", "there", "words"} for each caption
judge() {
    jq -c 'def pairs: ascii_downcase
               | [scan("(red|orange|yellow|green|cyan|blue|purple|pink|brown|gray) (circle|square|triangle|diamond|star|cross|heart|ring|letter|digit)s?")
                  | join(" ")] | unique;
           (.answer | pairs) as $said | (.truth | pairs) as $true
           | {id, right: (($said - $true) == []), named: (($true - ($true - $said)) | length), there: ($true | length),
              words: (.answer | split(" ") | length), empty: ($said == [])}' "$1"
}

echo "  model $model, $threads threads"
estimate || exit 1
for seed in $seeds; do
    [ -e "$out/captions-$seed/captions.jsonl" ] || make_captions "$seed" $captions "$out/captions-$seed" || exit 1
done
for way in $ways; do
    mkdir -p "$out/all/$way"
    begin=$(date +%s)
    for seed in $seeds; do
        ask "$way" pope_scenes "$seed" $questions "$out/$way-pope-$seed" || exit 1
        ask "$way" scenes "$seed" $questions "$out/$way-scenes-$seed" || exit 1
        ask "$way" "$out/captions-$seed/captions.jsonl" "$seed" $captions "$out/$way-captions-$seed" || exit 1
    done
    echo "  $way: $(($(date +%s) - begin)) seconds"
    for task in pope scenes; do
        for seed in $seeds; do
            jq -c --arg seed "$seed" '.id = $seed + ":" + .id' "$out/$way-$task-$seed"/samples_*.jsonl
        done >"$out/all/$way/samples_$task.jsonl"
    done
    for seed in $seeds; do
        judge "$out/$way-captions-$seed/samples_captions.jsonl" | jq -c --arg seed "$seed" '.id = $seed + ":" + .id'
    done >"$out/all/$way/samples_captions.jsonl"
    jq -s -r '"    captions: objects named \(100 * (map(.named) | add) / (map(.there) | add) * 10 | round / 10) %, words of a caption \(
        (map(.words) | add) / length * 10 | round / 10), without any object \(map(select(.empty)) | length)"' "$out/all/$way/samples_captions.jsonl"
done

for way in $ways; do
    [ "$way" != plain ] || continue
    "$percept" eval compare "$out/all/plain" "$out/all/$way" --json >"$work/compared" || { failed=$((failed + 1)); continue; }
    jq -r --arg way "$way" 'to_entries[] | .value as $v
        | "  \($way) \(.key): of \($v.asked) right plain \($v.right_a), \($way) \($v.right_b); only plain \($v.only_a), only \($way) \($v.only_b), p \($v.p) \(
          if $v.p < 0.0025 then (if $v.only_b > $v.only_a then "BETTER" else "WORSE" end) else "no effect" end)"' "$work/compared"
    passed=$((passed + $(jq 'length' "$work/compared")))
done
finish
