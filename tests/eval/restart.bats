#!/usr/bin/env bats
# percept eval that is killed goes on where it was: the files of ten times killed equal those of an undisturbed run.

setup() {
    cd "$BATS_TEST_DIRNAME/../.."
    percept="${PERCEPT:-build/release/percept}"
    model=models/percept-tiny
    out="$BATS_TEST_TMPDIR/out" whole="$BATS_TEST_TMPDIR/whole"
}

arguments="--tasks scenes,pope_scenes --limit 150 --max_new_tokens 8"
evaluate() { "$percept" eval $model $arguments -o "$1" >"$BATS_TEST_TMPDIR/log" 2>&1; }
lines() { cat "$1"/samples_*.jsonl 2>/dev/null | wc -l; }
same() { for file in results.json report.html samples_scenes.jsonl samples_pope_scenes.jsonl; do cmp "$whole/$file" "$out/$file"; done; }

@test "eval: killed ten times at random, the files equal those of an undisturbed run" {
    evaluate "$whole"
    [ "$(lines "$whole")" -eq 300 ]
    RANDOM=7 # lines at which a run is killed come from here; what each has written by then depends on the machine
    mkdir "$out"
    killed=0
    for kill in $(seq 10); do
        at=$(($(lines "$out") + RANDOM % 8 + 1))
        "$percept" eval $model $arguments -o "$out" >"$BATS_TEST_TMPDIR/log" 2>&1 &
        while [ "$(lines "$out")" -lt "$at" ] && kill -0 $! 2>/dev/null; do sleep 0.01; done
        kill -9 $! 2>/dev/null || true
        code=0
        wait $! 2>/dev/null || code=$?
        [ $code -ne 137 ] || killed=$((killed + 1))
    done
    [ $killed -ge 5 ] # a machine much faster than its shell may have been through before
    evaluate "$out"
    same
    # a line that was being written
    truncate -s -9 "$out/samples_pope_scenes.jsonl"
    evaluate "$out"
    same
    # nothing left to do
    evaluate "$out"
    grep -q "150 of them answered before" "$BATS_TEST_TMPDIR/log"
    same
}

@test "eval: what was begun in another way is not gone on with" {
    "$percept" eval $model --tasks scenes --limit 3 -o "$out"
    jq -e '.tasks.scenes | .setup.limit == 3 and .seconds >= 0 and (.host | length) > 0' "$out/environment.json"
    jq -e '.fingerprint | [.tokenizer, .template, .processor, .whole] | all(test("^[0-9a-f]{32}$"))' "$out/results.json"
    jq -e '.results.scenes | .interval[0] <= .accuracy and .accuracy <= .interval[1]' "$out/results.json"
    grep -q 'data:image/png;base64' "$out/report.html"
    run "$percept" eval $model --tasks scenes --limit 4 -o "$out"
    [ "$status" -eq 2 ]
    [[ "$output" == *"samples_scenes.jsonl: was begun with another limit"* ]]
    sed -i '2s/"question": "/&Oh, /' "$out/samples_scenes.jsonl"
    run "$percept" eval $model --tasks scenes --limit 3 -o "$out"
    [ "$status" -eq 3 ]
    [[ "$output" == *"samples_scenes.jsonl:2: expected question"* ]]
    rm "$out"/samples_scenes.jsonl
    "$percept" eval $model --tasks scenes --limit 4 -o "$out"
    [ "$(wc -l <"$out/samples_scenes.jsonl")" -eq 4 ]
}

@test "eval: pope_scenes tells each split" {
    "$percept" eval $model --tasks pope_scenes --limit 36 --json >"$BATS_TEST_TMPDIR/json"
    jq -e '.results.pope_scenes | .asked == 36 and .pope.n == 36 and ([.pope.random.n, .pope.popular.n, .pope.adversarial.n] | all(. == 12))' \
        "$BATS_TEST_TMPDIR/json"
}

# samples NAME 1 0 1 ...: folder NAME with answers that are right or wrong
samples() {
    local name=$BATS_TEST_TMPDIR/$1 i=0
    mkdir -p "$name"
    for right in "${@:2}"; do
        jq -nc --argjson r "$right" --argjson i $((i++)) '{id: "\($i)", right: ($r == 1)}'
    done >"$name/samples_t.jsonl"
}

@test "eval compare: pairs of answers" {
    samples a 1 1 0 0 0 0 0 0 0 1
    samples b 1 0 1 1 1 1 1 1 1 1
    out=$("$percept" eval compare "$BATS_TEST_TMPDIR/a" "$BATS_TEST_TMPDIR/b" --json)
    jq -e '.t | [.asked, .right_a, .right_b, .only_a, .only_b] == [10, 3, 9, 1, 7]' <<<"$out"
    # 2 (1 + 8) / 2^8
    jq -e '.t | (.p * 1e9 | round) == 70312500 and .difference == 0.6 and .low < 0.6 and .high > 0.6' <<<"$out"
    "$percept" eval compare "$BATS_TEST_TMPDIR/a" "$BATS_TEST_TMPDIR/a" | grep -q "p = 1$"
    samples c 1 1
    run "$percept" eval compare "$BATS_TEST_TMPDIR/a" "$BATS_TEST_TMPDIR/c"
    [ "$status" -eq 3 ]
    sed -i '3s/"2"/"x"/' "$BATS_TEST_TMPDIR/b/samples_t.jsonl"
    run "$percept" eval compare "$BATS_TEST_TMPDIR/a" "$BATS_TEST_TMPDIR/b"
    [ "$status" -eq 3 ]
    [[ "$output" == *"samples_t.jsonl:3: expected id '2', found 'x'"* ]]
    run "$percept" eval compare "$BATS_TEST_TMPDIR/a" "$BATS_TEST_TMPDIR/none"
    [ "$status" -eq 2 ]
    run "$percept" eval compare "$BATS_TEST_TMPDIR/none" "$BATS_TEST_TMPDIR/a"
    [ "$status" -eq 1 ]
}

@test "eval: scenes_captions counts made-up objects, again from the file of samples" {
    for _ in 1 2; do
        "$percept" eval $model --tasks scenes_captions --limit 12 --max_new_tokens 64 -o "$BATS_TEST_TMPDIR/captions" --json >"$BATS_TEST_TMPDIR/json"
    done
    jq -e '.results.scenes_captions | .asked == 12 and .scene_claims.chair_s >= 0 and .scene_claims.recall >= 0' "$BATS_TEST_TMPDIR/json"
    jq '{id, references: [.truth]}' -c "$BATS_TEST_TMPDIR/captions/samples_scenes_captions.jsonl" >"$BATS_TEST_TMPDIR/truth.jsonl"
    jq '{id, prediction: .truth}' -c "$BATS_TEST_TMPDIR/captions/samples_scenes_captions.jsonl" >"$BATS_TEST_TMPDIR/said.jsonl"
    "$percept" score scene_claims --predictions "$BATS_TEST_TMPDIR/said.jsonl" --references "$BATS_TEST_TMPDIR/truth.jsonl" --json >"$BATS_TEST_TMPDIR/json"
    jq -e '.corpus | .chair_s == 0 and .recall == 100 and .named > 1' "$BATS_TEST_TMPDIR/json"
}

@test "a run goes on only with the way of decoding that it was begun with" {
    d=$BATS_TEST_TMPDIR
    "$percept" eval models/percept-tiny --tasks scenes --limit 4 -o "$d/out"
    run "$percept" eval models/percept-tiny --tasks scenes --limit 4 -o "$d/out" --decoding beams=2
    [ "$status" -eq 2 ]
    [[ $output == *"decoding"* ]]
    run "$percept" eval models/percept-tiny --tasks scenes --limit 4 -o "$d/out" --temp 0.5
    [ "$status" -eq 2 ]
    [[ $output == *"temperature"* ]]
}

@test "drawn chains vote, and a second run draws the same" {
    d=$BATS_TEST_TMPDIR
    run "$percept" eval models/percept-tiny --tasks scenes --limit 6 --decoding votes=3
    [ "$status" -eq 2 ]
    [[ $output == *"temperature"* ]]
    for i in 1 2; do
        "$percept" eval models/percept-tiny --tasks scenes --limit 6 --decoding votes=3 --temp 0.7 -o "$d/$i"
    done
    cmp "$d/1/results.json" "$d/2/results.json"
    cmp "$d/1/samples_scenes.jsonl" "$d/2/samples_scenes.jsonl"
    jq -e '.configs.scenes | .temperature == 0.7 and .decoding == "votes=3"' "$d/1/results.json"
}
