#!/usr/bin/env bats
# percept correct and percept eval --correct, end to end.

setup() {
    cd "$BATS_TEST_DIRNAME/../.."
    percept="${PERCEPT:-build/release/percept}"
    correct=("$percept" correct models/percept-tiny)
    "$percept" data make scenes "$BATS_TEST_TMPDIR/scenes" --n 1 --seed 5 --min_objects 2 --max_objects 2 --threads 1 >/dev/null
    picture=$(echo "$BATS_TEST_TMPDIR"/scenes/images/*.png)
}

@test "correct: what is not there goes, with its evidence; the record tells every step" {
    run "${correct[@]}" "A large pink heart at the top left." --image "$picture" --json
    [ "$status" -eq 0 ]
    jq -e '.concepts == [{"name": "pink heart", "boxes": [], "count": 0}] and .corrected == "" and .claims == ["There is no pink heart."]' <<<"$output"
    jq -e '.corrections == [{"before": "A large pink heart at the top left", "after": "", "evidence": "There is no pink heart.", "boxes": []}]' <<<"$output"
}

@test "correct: the model's own description, other parts by name; what is wrong is told" {
    run "${correct[@]}" --image "$picture" --detector models/percept-tiny --vqa models/percept-tiny
    [ "$status" -eq 0 ]
    [ -n "$output" ]
    run "${correct[@]}" text
    [ "$status" -eq 2 ]
    [[ $output == *--image* ]]
    run "${correct[@]}" text --image none.png
    [ "$status" -eq 1 ]
    run "${correct[@]}" text --image "$picture" --detector_url http://127.0.0.1:1/v1
    [ "$status" -eq 2 ]
    run "${correct[@]}" "A circle." --image "$picture" --detect boxes
    [ "$status" -eq 3 ]
    [[ $output == *"list of boxes"* ]]
}

@test "eval --correct: told in the results, the same answers whatever the batch" {
    for batch in 1 4; do
        "$percept" eval models/percept-tiny --tasks scenes_captions --limit 6 --correct --batch_size $batch \
            --output_path "$BATS_TEST_TMPDIR/$batch" >/dev/null
    done
    cmp "$BATS_TEST_TMPDIR"/{1,4}/samples_scenes_captions.jsonl
    [ "$(jq .configs.scenes_captions.correct "$BATS_TEST_TMPDIR/1/results.json")" = true ]
}
