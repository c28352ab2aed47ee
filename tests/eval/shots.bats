#!/usr/bin/env bats
# In-context learning: which examples stand before a question, and that the answers don't depend on what is reused.

setup() {
    cd "$BATS_TEST_DIRNAME/../.."
    percept="${PERCEPT:-build/release/percept}"
    server="$(dirname "$percept")/scripted_server"
    d=$BATS_TEST_TMPDIR
    cp tests/golden/llava/shapes.png "$d/a.png"
    printf '%s\n' '{"image": "a.png", "question": "Is it red?", "answer": "yes"}' '{"question": "A bird?", "answer": "no"}' >"$d/q.jsonl"
    for i in 1 2 3 4 5 6; do
        printf '{"image": "a.png", "question": "example %d", "answer": "%s"}\n' $i "$([ $i -eq 4 ] && echo no || echo yes)"
    done >"$d/pool.jsonl"
}

teardown() { [ -z "${pid:-}" ] || kill "$pid" 2>/dev/null || true; }

# What an endpoint is sent shows the conversation.
@test "shots: turns with their pictures before the question; balanced takes both answers" {
    [ -x "$server" ] || skip "no scripted_server beside the program"
    echo '200 - yes' >"$d/script"
    "$server" "$d/script" "$d/port" "$d/log" 3>&- &
    pid=$!
    for _ in $(seq 200); do [ -s "$d/port" ] && break; sleep 0.05; done
    ask() { rm -f "$d/log"; "$percept" eval m --model openai --base_url "http://127.0.0.1:$(cat "$d/port")/v1" --tasks "$d/q.jsonl" \
        --shots_data "$d/pool.jsonl" --shots_task "$d/pool.jsonl" "$@"; }
    run ask --shots 3
    [[ $output != *"built without libcurl"* ]] || skip "no libcurl"
    sed -n '/^{/p' "$d/log" | jq -se 'length == 2 and (map(.messages | length) == [7, 7])
        and (.[0].messages[:6] == .[1].messages[:6])
        and (.[0].messages | map(.role) == ["user", "assistant", "user", "assistant", "user", "assistant", "user"])
        and (.[0].messages[0].content | map(.type) == ["image_url", "text"] and (.[1].text | startswith("example ")))
        and ([.[0].messages[0, 2, 4].content[1].text] | unique | length == 3)
        and (.[1].messages[6].content == "A bird?")'
    ask --shots 2 --shots_select balanced >/dev/null
    sed -n '/^{/p' "$d/log" | jq -se '[.[0].messages[1, 3].content] | sort == ["no", "yes"]'
    run ask --shots 2 --shots_select similar
    [ "$status" -eq 2 ]
    [[ $output == *"endpoint"* ]]
    run ask --shots 7
    [ "$status" -eq 2 ]
    [[ $output == *"only 6 examples"* ]]
    run ask --shots 2 --shots_select best
    [ "$status" -eq 2 ]
    [[ $output == *"'best'"* ]]
}

@test "shots: the nearest pictures by the model's own features, the most alike last" {
    "$percept" data make scenes "$d/s" --n 12 --seed 5 >/dev/null
    printf '%s\n' '{"image": "s/images/000003.png", "question": "What is this?", "answer": "x"}' >"$d/q.jsonl"
    for i in 0 1 2 3 4 5 6 7; do printf '{"image": "s/images/00000%d.png", "question": "What is this?", "answer": "n%d"}\n' $i $i; done >"$d/pool.jsonl"
    "$percept" eval models/percept-tiny --tasks "$d/q.jsonl" --shots 2 --shots_select similar --shots_task "$d/pool.jsonl" --max_new_tokens 4 -o "$d/o" >/dev/null
    jq -e '.configs.q | .shots == 2 and .shots_select == "similar"' "$d/o/results.json"
    run "$percept" eval models/percept-tiny --tasks "$d/q.jsonl" --shots 2
    [ "$status" -eq 2 ]
    [[ $output == *"--shots_task"* ]]
}

@test "shots: drawn tasks draw theirs with another seed; the same bytes each time" {
    for n in 1 2; do
        "$percept" eval models/percept-tiny --tasks pope_scenes --limit 12 --shots 4 --shots_select balanced --max_new_tokens 4 -o "$d/r$n" >/dev/null
    done
    cmp "$d/r1/samples_pope_scenes.jsonl" "$d/r2/samples_pope_scenes.jsonl"
    cmp "$d/r1/results.json" "$d/r2/results.json"
    run "$percept" eval models/percept-tiny --tasks pope_scenes --limit 12 --shots 2 --shots_select balanced --max_new_tokens 4 -o "$d/r1"
    [ "$status" -eq 2 ]
    [[ $output == *shots* ]]
}
