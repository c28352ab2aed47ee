#!/usr/bin/env bats
# Benchmarks described in YAML files: records of several shapes, templates, what is refused.

setup() {
    cd "$BATS_TEST_DIRNAME/../.."
    percept="${PERCEPT:-build/release/percept}"
    model=models/percept-tiny
    task="$BATS_TEST_TMPDIR/mine.yaml" data="$BATS_TEST_TMPDIR/d.json"
    cat >"$task" <<'END'
name: mine
version: mine-1
data: d.json
only: ask=1
id: "{n}"
kind: "{sort}"
question: "Is there {what}? Answer yes or no."
answer: "{label}"
answers: 0=no,1=yes
metric: pope
END
}

# evaluate OPTION...: samples in $out/samples_mine.jsonl
evaluate() { out=$(mktemp -d "$BATS_TEST_TMPDIR/XXXXXX") && "$percept" eval $model --tasks "$task" --max_new_tokens 2 -o "$out" "$@"; }
samples() { jq -c '[.id, .kind, .question, .truth]' "$out/samples_mine.jsonl"; }
wanted='["1-7","a","Is there a cat? Answer yes or no.","yes"]
["3-x","b","Is there {no}? Answer yes or no.","no"]'

@test "task file: an array, an object, lines" {
    one='{"n": 7, "sort": "a", "what": "a cat", "label": 1, "ask": "1"}'
    two='{"n": "z", "sort": "b", "what": "a dog", "label": 0, "ask": "0"}'
    three='{"n": "x", "sort": "b", "what": "{no}", "label": "0", "ask": 1}'
    echo "[$one, $two, $three]" >"$data"
    evaluate
    [ "$(samples)" = "$wanted" ]
    jq -e '.versions.mine == "mine-1" and .results.mine.pope.n == 2 and (.results.mine.kinds | keys == ["a", "b"])' "$out/results.json"
    echo "{\"q1\": $one, \"q2\": $two, \"q3\": $three}" >"$data"
    evaluate
    [ "$(samples)" = "$wanted" ]
    printf '%s\n' "$one" "$two" "$three" >"$data"
    evaluate
    [ "$(samples)" = "$wanted" ]
    echo "$one" >"$data"
    evaluate
    [ "$(samples)" = "$(head -n 1 <<<"$wanted")" ]
    mv "$data" "$BATS_TEST_TMPDIR/other.jsonl"
    evaluate --data "$BATS_TEST_TMPDIR/other.jsonl"
    [ "$(samples)" = "$(head -n 1 <<<"$wanted")" ]
}

@test "task file: pictures beside the data" {
    cp tests/golden/llava/shapes.png "$BATS_TEST_TMPDIR/"
    echo '[{"n": 1, "sort": "", "what": "a star", "label": 1, "ask": 1, "file": "shapes"}]' >"$data"
    echo 'image: "{file}.png"' >>"$task"
    evaluate
    grep -q 'data:image/png;base64' "$out/report.html"
}

@test "task file: the ones in recipes/tasks are read" {
    for file in recipes/tasks/*.yaml; do
        run "$percept" eval $model --tasks "$file"
        [ "$status" -eq 2 ]
        [[ "$output" == *"says no data; give --data FILE"* ]]
    done
}

# refuses CODE TEXT: the last evaluation's exit code and message
refuses() { [ "$status" -eq "$1" ] && [[ "$output" == *"$2"* ]] || { echo "$status $output"; return 1; }; }

@test "task file: refusals" {
    echo '[{"n": 1, "sort": "a", "label": 1, "ask": 1}]' >"$data"
    run evaluate
    refuses 3 "d.json: record 1: what is missing"
    echo '7' >"$data"
    run evaluate
    refuses 3 "d.json"
    rm "$data"
    run evaluate
    refuses 1 "d.json"
    for line in 'colour: red' 'metric: {a: b}' '- a'; do
        printf 'name: a\nversion: a\nquestion: a\nanswer: a\n%s\n' "$line" >"$task"
        run evaluate
        refuses 2 "mine.yaml:5"
    done
    printf 'name: a\nversion: a\nquestion: a\n' >"$task"
    run evaluate
    refuses 2 "answer is missing"
    : >"$task"
    run evaluate
    refuses 2 "mine.yaml: name is missing"
}
