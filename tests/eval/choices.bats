#!/usr/bin/env bats
# Multiple choice in YAML tasks: by likelihood, and with the options in the question.

setup() {
    cd "$BATS_TEST_DIRNAME/../.."
    percept="${PERCEPT:-build/release/percept}"
    task="$BATS_TEST_TMPDIR/arc.yaml" out="$BATS_TEST_TMPDIR/out"
    cat >"$BATS_TEST_TMPDIR/arc.jsonl" <<'END'
{"id": "q1", "question": "What colour is the sky?", "choices": {"text": ["blue", "red", "green car"]}, "key": "A", "n": 2, "subject": "x"}
{"id": "q2", "question": "How many legs has a dog?", "choices": {"text": ["two", "four"]}, "key": "B", "n": 1, "subject": "y"}
END
    cat >"$task" <<'END'
name: arc
version: arc-1
data: arc.jsonl
kind: "{subject}"
question: "{question}"
choices: choices.text
answer: "{key}"
answer_is: letter
END
}

# evaluate MODEL OPTION...
evaluate() { rm -rf "$out"; "$percept" eval "$@" --tasks "$task" -o "$out" >/dev/null; }

# Values of transformers: the sum of log-softmax over the tokens of " choice" behind the question.
@test "choices: likelihoods of raw text as the reference's" {
    printf '%s\n' 'likelihood: true' 'delimiter: " "' 'metric: multiple_choice' 'fields: subject,n' >>"$task"
    evaluate tests/golden/llama/tied --template raw
    jq -se '[.[].log_probabilities[]] as $got | [-43.431550990833514, -25.38427752165297, -66.72507667779839, -17.266533547352005,
        -36.08936660957441] as $want | [range(5) | ($got[.] - $want[.]) | fabs < 2e-6] | all' "$out/samples_arc.jsonl"
    jq -se 'map([.truth, .subject, .n, (.choices | length)]) == [["blue", "x", 2, 3], ["four", "y", 1, 2]]' "$out/samples_arc.jsonl"
    # -43.4 / 4 = -10.9, -25.4 / 3 = -8.5, -66.7 / 9 = -7.4; -17.3 / 3 = -5.8, -36.1 / 4 = -9.0
    jq -e '.results.arc | .right == 0 and .multiple_choice.acc == 0 and .multiple_choice.acc_norm == 0' "$out/results.json"
}

@test "choices: options are laid out, the truth is a letter" {
    sed -i 's/^question: .*/question: "{question}\\n{options}"/; s/^answer: .*/answer: "{n}"/; s/letter/number/' "$task"
    echo 'metric: choice' >>"$task"
    evaluate models/percept-tiny --max_new_tokens 4
    jq -se 'map(.question) == ["What colour is the sky?\nA. blue\nB. red\nC. green car", "How many legs has a dog?\nA. two\nB. four"]
        and map(.truth) == ["B", "A"]' "$out/samples_arc.jsonl"
    jq -e '.results.arc.choice | has("unread")' "$out/results.json"
}

@test "choices: what doesn't fit is refused with its record" {
    sed -i 's/"key": "B"/"key": "Z"/' "$BATS_TEST_TMPDIR/arc.jsonl"
    run "$percept" eval models/percept-tiny --tasks "$task" --max_new_tokens 1
    [ "$status" -eq 3 ]
    [[ $output == *"record 2"*"'Z' is no letter of a choice"* ]]
    sed -i 's/choices.text/choices.label/' "$task"
    run "$percept" eval models/percept-tiny --tasks "$task" --max_new_tokens 1
    [ "$status" -eq 3 ]
    [[ $output == *"choices.label: expected 2 to 26 texts"* ]]
    sed -i 's/letter/word/' "$task"
    run "$percept" eval models/percept-tiny --tasks "$task"
    [ "$status" -eq 2 ]
    [[ $output == *"answer_is"*"'word'"* ]]
    sed -i '/answer_is\|^choices/d' "$task"
    echo 'likelihood: true' >>"$task"
    run "$percept" eval models/percept-tiny --tasks "$task"
    [ "$status" -eq 2 ]
    [[ $output == *"choices"* ]]
}

@test "choices: acc and acc_norm from log-probabilities made elsewhere" {
    p="$BATS_TEST_TMPDIR/p.jsonl" r="$BATS_TEST_TMPDIR/r.jsonl"
    printf '%s\n' '{"id": 1, "prediction": [-4, -5]}' '{"id": 2, "prediction": [-4, -3]}' >"$p"
    printf '%s\n' '{"id": 1, "choices": ["ab", "abcde"], "references": ["abcde"]}' '{"id": 2, "choices": ["x", "y"], "references": ["y"]}' >"$r"
    "$percept" score multiple_choice --predictions "$p" --references "$r" --json | jq -e '.corpus | .acc == 0.5 and .acc_norm == 1 and .acc_stderr == 0.5'
    echo '{"id": 1, "prediction": [-4]}' >"$p"; sed -i 2d "$r"
    run "$percept" score multiple_choice --predictions "$p" --references "$r"
    [ "$status" -eq 3 ]
    [[ $output == *"as many log-probabilities as choices: 1 and 2"* ]]
}
