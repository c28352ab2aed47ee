#!/usr/bin/env bats
# percept eval --batch_size: the same bytes, whatever stands side by side.

setup() {
    cd "$BATS_TEST_DIRNAME/../.."
    percept="${PERCEPT:-build/release/percept}"
    d=$BATS_TEST_TMPDIR
}

# evaluate OUT OPTION...
evaluate() { local out=$1; shift; "$percept" eval models/percept-tiny --limit 30 -o "$d/$out" "$@" >/dev/null; }
same() { cmp "$d/$1/results.json" "$d/$2/results.json" && cmp "$d/$1/$3" "$d/$2/$3" && cmp "$d/$1/report.html" "$d/$2/report.html"; }

@test "batch: pictures and answers of several lengths" {
    evaluate one --tasks scenes
    evaluate seven --tasks scenes --batch_size 7
    evaluate many --tasks scenes --batch_size 64
    same one seven samples_scenes.jsonl
    same one many samples_scenes.jsonl
}

@test "batch: answers that are cut, examples before questions, a run that goes on" {
    evaluate one --tasks pope_scenes --max_new_tokens 1 --shots 2
    evaluate five --tasks pope_scenes --max_new_tokens 1 --shots 2 --batch_size 5
    same one five samples_pope_scenes.jsonl
    head -n 13 "$d/one/samples_pope_scenes.jsonl" >"$d/five/samples_pope_scenes.jsonl"
    evaluate five --tasks pope_scenes --max_new_tokens 1 --shots 2 --batch_size 4
    same one five samples_pope_scenes.jsonl
}

@test "batch: beams and choices answer one by one" {
    evaluate one --tasks scenes --limit 6 --decoding beams=2
    evaluate four --tasks scenes --limit 6 --decoding beams=2 --batch_size 4
    same one four samples_scenes.jsonl
    printf '%s\n' '{"q": "What is it?", "c": ["a circle", "a dog"], "a": 0}' '{"q": "And this?", "c": ["red", "blue"], "a": 1}' >"$d/c.jsonl"
    printf '%s\n' 'name: c' 'version: c-1' 'data: c.jsonl' 'question: "{q}"' 'choices: c' 'answer: "{a}"' 'answer_is: index' \
        'likelihood: true' 'metric: multiple_choice' >"$d/c.yaml"
    evaluate plain --tasks "$d/c.yaml"
    evaluate two --tasks "$d/c.yaml" --batch_size 2
    same plain two samples_c.jsonl
    run "$percept" eval models/percept-tiny --tasks scenes --batch_size 65
    [ "$status" -eq 2 ]
    [[ $output == *batch_size* ]]
}
