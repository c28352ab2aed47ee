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

teardown() { [ -z "${pid:-}" ] || kill "$pid" 2>/dev/null || true; }

@test "correct: every part by an endpoint; what is sent, boxes as JSON, crops of them" {
    server="$(dirname "$percept")/scripted_server"
    [ -x "$server" ] || skip "no scripted_server beside the program"
    d=$BATS_TEST_TMPDIR
    printf '%s\n' '200 - dog. cat.' '200 - What colour is the dog?&dog' '200 - [[0.1, 0.2, 0.6, 0.7]]' '200 - []' '200 - brown' \
        '200 - A brown dog. It rains.' >"$d/script"
    "$server" "$d/script" "$d/port" "$d/log" 3>&- &
    pid=$!
    for _ in $(seq 200); do [ -s "$d/port" ] && break; sleep 0.05; done
    url="http://127.0.0.1:$(cat "$d/port")/v1"
    run "$percept" correct m "A white dog and a cat. It rains." --image "$picture" --base_url "$url" --language l --language_url "$url" \
        --detect boxes --json
    [[ $output != *"built without libcurl"* ]] || skip "no libcurl"
    [ "$status" -eq 0 ]
    jq -e '.corrected == "A brown dog. It rains." and (.concepts | map(.count) == [1, 0])
        and .claims == ["There is one dog: [0.100, 0.200, 0.600, 0.700].", "There is no cat.", "dog: What colour is the dog? brown"]
        and (.corrections | length == 1 and .[0].boxes == [[0.1, 0.2, 0.6, 0.7]])
        and .questions[0].answers == [{"answer": "brown", "box": [0.1, 0.2, 0.6, 0.7]}]' <<<"$output"
    sed -n '/^{/p' "$d/log" | jq -se 'map(.model) == ["l", "l", "m", "m", "m", "l"]
        and (.[5].messages[-1].content | tostring | contains("There is no cat."))
        and (.[2].messages[-1].content | map(.type) == ["image_url", "text"])'
}
