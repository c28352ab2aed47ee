#!/usr/bin/env bats
# percept eval asks an endpoint: what it sends, that it tries again, that failures are no answers, and going on.

setup() {
    cd "$BATS_TEST_DIRNAME/../.."
    percept="${PERCEPT:-build/release/percept}"
    server="$(dirname "$percept")/scripted_server"
    [ -x "$server" ] || skip "no scripted_server beside the program"
    d=$BATS_TEST_TMPDIR
    cp tests/golden/llava/shapes.png "$d/a.png"
    printf '%s\n' '{"image": "a.png", "question": "Is it red?", "answer": "yes", "kind": "colour"}' \
        '{"question": "How many legs has a dog?", "answer": "four", "kind": "count"}' \
        '{"question": "And a bird?", "answer": "two", "kind": "count"}' >"$d/q.jsonl"
}

teardown() { [ -z "${pid:-}" ] || kill "$pid" 2>/dev/null || true; }

# serve LINE...: start a server with this script
serve() {
    printf '%s\n' "$@" >"$d/script"
    rm -f "$d/port" "$d/log"
    "$server" "$d/script" "$d/port" "$d/log" 3>&- &
    pid=$!
    for _ in $(seq 100); do [ -s "$d/port" ] && break; sleep 0.05; done
    url="http://127.0.0.1:$(cat "$d/port")/v1"
    "$percept" eval m --model openai --base_url "$url" --tasks scenes --limit 1 --tries 1 2>&1 | grep -q 'built without libcurl' && skip "no libcurl"
    kill "$pid"; wait "$pid" 2>/dev/null || true
    rm -f "$d/port" "$d/log"
    "$server" "$d/script" "$d/port" "$d/log" 3>&- &
    pid=$!
    for _ in $(seq 100); do [ -s "$d/port" ] && break; sleep 0.05; done
    url="http://127.0.0.1:$(cat "$d/port")/v1"
}

ask() { KEY=sesame "$percept" eval tiny-1 --model openai --base_url "$url" --tasks "$d/q.jsonl" -o "$d/out" "$@"; }

@test "endpoint: questions, pictures and the key go out, answers are scored" {
    serve '200 - Yes.' '429 0 slow' '200 - four' '200 - three'
    ask --api_key_env KEY --json >"$d/json"
    jq -e '.model == "tiny-1" and .results.q.right == 2 and .results.q.asked == 3 and (has("fingerprint") | not)' "$d/json"
    jq -e '.results.q.kinds.count.asked == 2' "$d/json"
    [ "$(grep -c '^POST /v1/chat/completions' "$d/log")" -eq 4 ]
    grep -q '^Authorization: Bearer sesame' "$d/log"
    sed -n '/^{/p' "$d/log" | head -1 | jq -e '.model == "tiny-1" and .temperature == 0 and .max_tokens == 128
        and (.messages[0].content | map(.type) == ["image_url", "text"])
        and (.messages[0].content[0].image_url.url | startswith("data:image/png;base64,iVBOR"))'
    sed -n '/^{/p' "$d/log" | sed -n 2p | jq -e '.messages == [{"role": "user", "content": "How many legs has a dog?"}]'
    if grep -rq sesame "$d/out"; then return 1; fi
    [ -s "$d/out/report.html" ]
}

@test "endpoint: a failure stops the run, the same command goes on" {
    serve '200 - yes' '500 0 {"error": {"message": "broken"}}'
    run ask --tries 2
    [ "$status" -eq 1 ]
    [[ $output == *"question 2"*"status 500 after 2 tries: broken"* ]]
    [ "$(wc -l <"$d/out/samples_q.jsonl")" -eq 1 ]
    [ ! -e "$d/out/results.json" ]
    first=$url
    kill "$pid"; wait "$pid" 2>/dev/null || true
    serve '200 - four' '200 - two'
    run ask
    [ "$status" -eq 2 ]
    [[ $output == *base_url* ]]
    sed -i "s|$first|$url|" "$d/out/environment.json"
    ask --json | jq -e '.results.q.right == 3'
    [ "$(grep -c '^POST' "$d/log")" -eq 2 ]
}

@test "endpoint: failures that are allowed count nowhere" {
    serve '200 - yes' '400 - {"error": {"message": "filtered"}}' '200 - two'
    ask --max_failures 1 --json >"$d/json"
    jq -e '.results.q | .right == 2 and .asked == 2 and .failed == 1 and .accuracy == 1 and .kinds.count.asked == 1' "$d/json"
    jq -se '.[1] | (.failed | contains("filtered")) and (has("answer") | not) and (has("right") | not)' "$d/out/samples_q.jsonl"
    [ "$(grep -c 'class="card right"' "$d/out/report.html")" -eq 2 ]
    ask --max_failures 1 --json | jq -e '.results.q.failed == 1'
    [ "$(grep -c '^POST' "$d/log")" -eq 3 ]
}

@test "endpoint: calls at once keep the order, and one that fails leaves the others their answers" {
    serve '200 - yes'
    ask --batch_size 3 --json | jq -e '.results.q.right == 1 and .results.q.asked == 3'
    [ "$(grep -c '^POST' "$d/log")" -eq 3 ]
    jq -se 'map(.id) == ["1", "2", "3"]' "$d/out/samples_q.jsonl"
    kill "$pid"; wait "$pid" 2>/dev/null || true
    rm -r "$d/out"
    serve '400 - {"error": {"message": "filtered"}}' '200 - yes' '200 - yes' '200 - yes' '400 - {"error": {"message": "filtered"}}' '200 - yes'
    ask --batch_size 3 --max_failures 1 --json | jq -e '.results.q | .failed == 1 and .asked == 2'
    jq -se 'map(.id) == ["1", "2", "3"] and (.[1] | has("failed"))' "$d/out/samples_q.jsonl"
}

@test "endpoint: options that don't fit are refused" {
    run "$percept" eval m --model openai --tasks scenes
    [ "$status" -eq 2 ]
    [[ $output == *"--base_url"* ]]
    run "$percept" eval m --base_url http://127.0.0.1:1/v1 --tasks scenes
    [ "$status" -eq 2 ]
    [[ $output == *"--model openai"* ]]
    run "$percept" eval m --model openai --base_url http://127.0.0.1:1/v1 --api_key_env NOT_SET_ANYWHERE --tasks scenes
    [ "$status" -eq 2 ]
    [[ $output == *"NOT_SET_ANYWHERE"* ]]
    run "$percept" eval m --model openai --base_url http://127.0.0.1:1/v1 --decoding vcd --tasks scenes
    [ "$status" -eq 2 ]
    [[ $output == *"--decoding"* ]]
    run "$percept" eval m --model clever --tasks scenes
    [ "$status" -eq 2 ]
    [[ $output == *"'clever'"* ]]
}
