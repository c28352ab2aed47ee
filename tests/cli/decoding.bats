#!/usr/bin/env bats
# percept run --decoding, --choice, --logprobs and percept eval --decoding, end to end.

setup() {
    cd "$BATS_TEST_DIRNAME/../.."
    percept="${PERCEPT:-build/release/percept}"
    llava=tests/golden/llava/hf
    shapes=tests/golden/llava/shapes.png
    ask=("$percept" run $llava "What is the colour?" --image $shapes -n 6 --json)
}

@test "run --decoding: beams and drafts as in the golden files" {
    plain=$("${ask[@]}" | jq -c .ids)
    [ "$("${ask[@]}" --decoding draft=ngram | jq -c .ids)" = "$plain" ]
    [ "$("${ask[@]}" -n 10 --decoding beams=4 | jq -c .ids)" = "[288,41,50,291,263,42,25,182,263,42]" ]
}

@test "run --decoding: every method answers" {
    for method in vcd icd m3id dola; do
        "${ask[@]}" --decoding "$method,beams=2" | jq -e '.ids | length == 6'
        "${ask[@]}" --decoding "$method" --temp 1 --seed 3 | jq -e '.ids | length <= 6'
    done
}

@test "run --decoding votes: every chain but those without an answer is counted" {
    "${ask[@]}" --decoding votes=5 --temp 1 | jq -e '[.votes[].chains] | add <= 5 and add >= 1'
}

@test "run --logprobs: the likeliest of each place; --choice: all sums, the largest one is the answer" {
    "${ask[@]}" --logprobs 2 | jq -e '.logprobs | length == 6 and all(.logprob == .top[0].logprob and .top[0].logprob >= .top[1].logprob)'
    "${ask[@]}" --choice red --choice "three shapes" |
        jq -e '.text as $text | .choices | length == 2 and max_by(.logprob).text == $text and all(.logprob < 0)'
}

@test "--decoding: what is wrong is told, exit 2; help lists all" {
    for wrong in vdc vcd,dola beams=0 beams=4,groups=3 draft=ngram,beams=2 votes=3; do
        code=0
        "${ask[@]}" --decoding $wrong >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" || code=$?
        [ "$code" -eq 2 ]
        [ "$(wc -l <"$BATS_TEST_TMPDIR/err")" -eq 1 ]
    done
    "$percept" run $llava --decoding help | grep -q '^vcd: '
}

@test "eval --decoding: a method that changes nothing gives the same answers" {
    for way in plain:votes=1 other:vcd,alpha=0,beta=0; do
        "$percept" eval $llava --tasks scenes --limit 5 --max_new_tokens 3 --decoding "${way#*:}" --output_path "$BATS_TEST_TMPDIR/${way%%:*}"
    done
    [ -s "$BATS_TEST_TMPDIR/plain/samples_scenes.jsonl" ]
    cmp "$BATS_TEST_TMPDIR/plain/samples_scenes.jsonl" "$BATS_TEST_TMPDIR/other/samples_scenes.jsonl"
    [ "$(jq -r .configs.scenes.decoding "$BATS_TEST_TMPDIR/other/results.json")" = vcd,alpha=0,beta=0 ]
}
