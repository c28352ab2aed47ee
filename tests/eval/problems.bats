#!/usr/bin/env bats
# Questions of several steps: what stands behind "answer is" counts, in both languages, and the true steps go along.

setup() {
    cd "$BATS_TEST_DIRNAME/../.."
    percept="${PERCEPT:-build/release/percept}"
    d=$BATS_TEST_TMPDIR
}

@test "problems: samples hold the steps; answers with and without steps are judged alike" {
    "$percept" eval models/percept-tiny --tasks scene_problems,scene_problems_zh --limit 12 -o "$d/out"
    for task in scene_problems scene_problems_zh; do
        jq -se 'length == 12 and all(.[]; .rationale | length > 0) and ([.[].kind] | unique | length > 5)' "$d/out/samples_$task.jsonl"
    done
    # The true steps put in as if the model had said them: a run that goes on takes them, and all are right.
    for task in scene_problems scene_problems_zh; do
        jq -c '.answer = .rationale' "$d/out/samples_$task.jsonl" >"$d/said" && cp "$d/said" "$d/out/samples_$task.jsonl"
    done
    "$percept" eval models/percept-tiny --tasks scene_problems,scene_problems_zh --limit 12 -o "$d/out"
    jq -e '.results | all(.[]; .right == 12 and .asked == 12)' "$d/out/results.json"
    jq -c '.answer = "The answer is not known"' "$d/out/samples_scene_problems.jsonl" >"$d/said" && cp "$d/said" "$d/out/samples_scene_problems.jsonl"
    "$percept" eval models/percept-tiny --tasks scene_problems,scene_problems_zh --limit 12 -o "$d/out"
    jq -e '.results.scene_problems.right == 0' "$d/out/results.json"
}

@test "problems: a recipe trains on answers or on steps" {
    for content in direct rationale; do
        run "$percept" data check "recipes/reasoning/$content.yaml" "dataset=scene_problems?seed=1&n=20&content=$content"
        [ "$status" -eq 0 ]
    done
    run "$percept" data check recipes/reasoning/direct.yaml "dataset=scene_problems?seed=1&n=20&content=none"
    [ "$status" -eq 2 ]
    [[ $output == *"rationale or direct"* ]]
}
