#!/usr/bin/env bats
# percept arena: blind pairs, votes on the disk, ratings; the case study.

setup() {
    cd "$BATS_TEST_DIRNAME/../.."
    percept="${PERCEPT:-build/release/percept}"
    d=$BATS_TEST_TMPDIR
    mkdir -p "$d/one" "$d/two" "$d/three"
    cp tests/golden/llava/shapes.png "$d/a.png"
    printf '%s\n' '{"image": "a.png", "question": "Is it <red>?", "answer": "yes"}' '{"question": "legs?", "answer": "four"}' \
        '{"question": "wings?", "answer": "two"}' >"$d/q.jsonl"
    sample() { printf '{"id": "%s", "question": "q", "truth": "t", "answer": "%s", "right": %s}\n' "$@"; }
    { sample 1 "yes <b>" true; sample 2 four true; sample 3 two true; } >"$d/one/samples_q.jsonl"
    { sample 1 no false; sample 2 four true; sample 3 three false; } >"$d/two/samples_q.jsonl"
    files=("$d/one/samples_q.jsonl" "$d/two/samples_q.jsonl")
}

teardown() { [ -z "${pid:-}" ] || kill "$pid" 2>/dev/null || true; }

serve() {
    "$percept" arena --task "$d/q.jsonl" "${files[@]}" --votes "$d/votes.jsonl" "$@" >"$d/url" 2>"$d/err" 3>&- &
    pid=$!
    for _ in $(seq 200); do [ -s "$d/url" ] && break; kill -0 "$pid" 2>/dev/null || break; sleep 0.05; done
    grep -q 'built without libmicrohttpd' "$d/err" && skip "no libmicrohttpd"
    url=$(sed 's|/$||' "$d/url")
    token=$(curl -sf "$url/" | sed -n "s/^const token='\([0-9a-f]*\)'.*/\1/p")
}
stop() { kill -INT "$pid"; wait "$pid"; pid=; }
# vote PAIR CHOICE: the status of the reply
vote() { curl -s -o /dev/null -w '%{http_code}' -d "{\"token\": \"$token\", \"pair\": $1, \"choice\": \"$2\"}" "$url/vote"; }

@test "arena: votes without names, on the disk before the reply, and going on" {
    serve
    [ ${#token} -eq 32 ]
    curl -sf "$url/next" >"$d/next"
    jq -e '.pairs == 2 and .voted == 0 and .pair == 0 and ([.left, .right] | length == 2)' "$d/next"
    if grep -q 'one\|two/' <<<"$(jq -c 'del(.left, .right)' "$d/next")"; then return 1; fi
    image=$(curl -sf "$url/next" | jq -r '.image // empty')
    [ -z "$image" ] || [ "$(curl -sf "$url$image" | head -c 4 | tail -c 3)" = PNG ]
    winner=$(jq -r .left "$d/next")
    [ "$(vote 0 left)" = 200 ]
    jq -e --arg w "$winner" '(.a == "one" and .b == "two") and (.prediction == (if ($w == "yes <b>" or $w == "two") then "a" else "b" end))' "$d/votes.jsonl"
    [ "$(vote 0 left)" = 409 ]
    [ "$(vote 7 left)" = 400 ]
    [ "$(vote 1 both)" = 400 ]
    token=0 && [ "$(vote 1 tie)" = 403 ]
    [ "$(curl -s -o /dev/null -w '%{http_code}' -H 'Host: example.org' "$url/next")" = 403 ]
    [ "$(curl -s -o /dev/null -w '%{http_code}' "$url/image/9")" = 404 ]
    stop
    serve
    curl -sf "$url/next" | jq -e '.voted == 1 and .pair == 1'
    [ "$(vote 1 tie)" = 200 ]
    curl -sf "$url/next" | jq -e '.pair == -1 and .voted == 2'
    curl -sf "$url/ratings" | jq -e '.models | length == 2 and (map(.name) | sort == ["one", "two"]) and all(.elo != null and .low <= .high)'
    stop
    [ "$(wc -l <"$d/votes.jsonl")" -eq 2 ]
    "$percept" score elo --predictions "$d/votes.jsonl" --references "$d/votes.jsonl" --json | jq -e '.n == 2'
}

@test "arena: the case study has every answer, text as text" {
    "$percept" arena --task "$d/q.jsonl" "${files[@]}" --page "$d/page.html"
    [ "$(grep -c '<section>' "$d/page.html")" -eq 2 ]
    grep -q 'yes &lt;b&gt;' "$d/page.html"
    grep -q 'Is it &lt;red&gt;?' "$d/page.html"
    grep -q 'data:image/png;base64,iVBOR' "$d/page.html"
    grep -q '2 of 2 right' "$d/page.html"
    "$percept" arena --task "$d/q.jsonl" "${files[@]}" --page "$d/page.html" --all --ids 2,3
    [ "$(grep -c '<section>' "$d/page.html")" -eq 2 ]
    if grep -q iVBOR "$d/page.html"; then return 1; fi
}

@test "arena: what doesn't fit is refused" {
    run "$percept" arena --task "$d/q.jsonl" "${files[0]}" "${files[0]}" --page "$d/x.html"
    [ "$status" -eq 2 ]
    [[ $output == *"'one'"* ]]
    run "$percept" arena "${files[@]}"
    [ "$status" -eq 2 ]
    [[ $output == *"--task"* ]]
    echo 'no JSON' >"$d/two/samples_q.jsonl"
    run "$percept" arena --task "$d/q.jsonl" "${files[@]}" --page "$d/x.html"
    [ "$status" -eq 3 ]
    [[ $output == *"two/samples_q.jsonl:1"* ]]
    cp "$d/one/samples_q.jsonl" "$d/two/"
    run "$percept" arena --task "$d/q.jsonl" "${files[@]}" --page "$d/x.html"
    [ "$status" -eq 3 ]
    [[ $output == *"different words"* ]]
}
