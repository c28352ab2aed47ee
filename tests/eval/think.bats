#!/usr/bin/env bats
# Zero-shot chain of thought: two questions for each, the second with what was said to the first.

setup() {
    cd "$BATS_TEST_DIRNAME/../.."
    percept="${PERCEPT:-build/release/percept}"
    server="$(dirname "$percept")/scripted_server"
    d=$BATS_TEST_TMPDIR
    cp tests/golden/llava/shapes.png "$d/a.png"
    printf '%s\n' '{"image": "a.png", "question": "Is it red?", "answer": "yes"}' >"$d/q.jsonl"
}

teardown() { [ -z "${pid:-}" ] || kill "$pid" 2>/dev/null || true; }

# What an endpoint is sent shows the conversations.
@test "think: question and trigger, then the steps and what asks for the answer" {
    [ -x "$server" ] || skip "no scripted_server beside the program"
    echo '200 - yes' >"$d/script"
    "$server" "$d/script" "$d/port" "$d/log" 3>&- &
    pid=$!
    for _ in $(seq 200); do [ -s "$d/port" ] && break; sleep 0.05; done
    run "$percept" eval m --model openai --base_url "http://127.0.0.1:$(cat "$d/port")/v1" --tasks "$d/q.jsonl" --think "Step by step." \
        --conclude "So?" -o "$d/out"
    [[ $output != *"built without libcurl"* ]] || skip "no libcurl"
    [ "$status" -eq 0 ]
    sed -n '/^{/p' "$d/log" | jq -se 'length == 2 and (.[0].messages | length == 1) and (.[1].messages | map(.role) == ["user", "assistant", "user"])
        and (.[0].messages[0].content | map(select(.type == "text").text) | add == "Is it red?\nStep by step.")
        and .[1].messages[0] == .[0].messages[0] and (.[1].messages[1].content | tostring | contains("yes")) and (.[1].messages[2].content | tostring | contains("So?"))'
    jq -se 'length == 1 and .[0].steps == "yes" and .[0].answer == "yes" and .[0].right' "$d/out/samples_q.jsonl"
}

@test "think: a local model; runs that go on must think the same" {
    "$percept" eval models/percept-tiny --tasks scenes --limit 3 --think "Describe the picture." -o "$d/out"
    jq -se 'length == 3 and all(.[]; .steps | length > 0)' "$d/out/samples_scenes.jsonl"
    jq -e '.configs.scenes.think == "Describe the picture."' "$d/out/results.json"
    run "$percept" eval models/percept-tiny --tasks scenes --limit 3 -o "$d/out"
    [ "$status" -eq 2 ]
    [[ $output == *"think"* ]]
    run "$percept" eval models/percept-tiny --tasks scenes --limit 3 --conclude "So?"
    [ "$status" -eq 2 ]
    [[ $output == *"--think"* ]]
}
