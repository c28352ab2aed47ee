#!/usr/bin/env bats
# Instruction data: measuring, mixing.

setup() {
    cd "$BATS_TEST_DIRNAME/../.."
    percept="${PERCEPT:-build/release/percept}"
    d=$BATS_TEST_TMPDIR
}

@test "measure: figures as text and JSON, the same each time; what is no dataset is refused" {
    "$percept" data measure 'scenes?seed=3&n=60' >"$d/text"
    grep -q '^60 samples (60 with pictures, 0 unreadable)' "$d/text"
    grep -q 'self-BLEU 0\.' "$d/text"
    "$percept" data measure 'scenes?seed=3&n=60' 'scenes?seed=4&n=60&lang=zh' --sample 50 --json >"$d/a.json"
    "$percept" data measure 'scenes?seed=3&n=60' 'scenes?seed=4&n=60&lang=zh' --sample 50 --json >"$d/b.json"
    cmp "$d/a.json" "$d/b.json"
    jq -e '.samples == 120 and .exchanges == ([.tasks[]] | add) and .exchanges == ([.answer_forms[]] | add)' "$d/a.json"
    jq -e '.questions.sampled == 50 and .tasks.counting > 0 and .tasks_effective > 1 and .tasks_effective <= 14' "$d/a.json"
    jq -e '.questions.verb_noun.found < 0.6 and .questions.distinct_1 < .questions.distinct_4' "$d/a.json"
    run "$percept" data measure "$d/none.json"
    [ "$status" -ne 0 ]
    [[ $output == *none.json* ]]
}

@test "mixing: shares by the square root of the size; text-only rows beside pictures" {
    cp tests/golden/llava/shapes.png "$d/a.png"
    row='{"messages": [{"role": "user", "content": "%s"}, {"role": "assistant", "content": "%s"}]%s}\n'
    for i in $(seq 64); do printf "$row" "<image>What?" "red $i" ', "images": ["a.png"]'; done >"$d/pictures.jsonl"
    printf "$row" "Hello" "Good day" "" >"$d/chat.jsonl"
    cat >"$d/recipe.yaml" <<YAML
model_init: $PWD/tests/golden/llava/hf/config.json
template: vicuna_v1
dataset: $d/pictures.jsonl,$d/chat.jsonl
per_device_train_batch_size: 5
max_steps: 13
plot_loss: false
YAML
    # An epoch of 65 draws: 1 is chat by size, 7 by the root (8 : 1), 33 when sizes don't count. Pictures show in the tokens of a step.
    loss() { "$percept" train "$d/recipe.yaml" output_dir="$d/$1" "${@:2}" >/dev/null 2>"$d/err" && jq -c .loss "$d/$1/train_log.jsonl" | sha256sum; }
    by_size=$(loss size)
    root=$(loss root mix_strategy=sqrt)
    same=$(loss root2 mix_strategy=temperature mix_temperature=2)
    shares=$(loss shares interleave_probs=8,1)
    corrected=$(loss corrected mix_strategy=sqrt interleave_probs=1,8)
    even=$(loss even mix_strategy=temperature mix_temperature=1e6)
    [ "$root" = "$same" ]
    [ "$root" = "$shares" ]
    [ "$root" != "$by_size" ]
    [ "$corrected" = "$even" ]
    [ "$even" != "$root" ]
    run "$percept" train "$d/recipe.yaml" mix_strategy=interleave_under output_dir="$d/x"
    [ "$status" -eq 2 ]
    [[ $output == *"mix_strategy"* ]]
}

# scenes N: N drawn scenes below $d/scenes
scenes() { "$percept" data make scenes "$d/scenes" --n "$1" --seed 5 >/dev/null; }

@test "adapt: every claim is right, positive and negative ones in equal number, the same each time" {
    scenes 120
    own() { "$percept" data adapt "$1" "$d/scenes/scenes.jsonl" --own_templates --templates tests/instruct/templates.json --form short "${@:2}"; }
    own "$d/a.jsonl" --most 10 >"$d/text"
    own "$d/b.jsonl" --most 10
    cmp "$d/a.jsonl" "$d/b.jsonl"
    python3 tests/instruct/check_adapted.py "$d/a.jsonl" "$d/scenes/scenes.jsonl" >"$d/checked"
    jq -e '.wrong == {} and ([.right[]] | min) > 20 and (.right | length) == 10' "$d/checked"
    positive=$(sed -n 's/ positive instructions//p' "$d/text")
    [ "$positive" -gt 500 ]
    [ "$positive" = "$(sed -n 's/ negative instructions//p' "$d/text")" ]
    own "$d/c.jsonl" --seed 2
    if cmp -s "$d/a.jsonl" "$d/c.jsonl"; then return 1; fi
    own "$d/free.jsonl" --balance false --most 1 --tasks existence,count >"$d/text"
    grep -q '^  existence' "$d/text"
    if grep -q '^  colour' "$d/text"; then return 1; fi
    jq -se 'all(.[]; .tasks | group_by(.) | all(.[]; length <= 2))' "$d/free.jsonl"
}

@test "adapt: LLaVA JSON that data check takes and training learns from, both languages, questions by their image" {
    scenes 24
    for lang in en zh; do
        "$percept" data adapt "$d/scenes/$lang.json" "$d/scenes/scenes.jsonl" "$d/scenes/captions.json" --lang $lang >"$d/text"
        grep -q '^  conversation  *24' "$d/text"
        jq -e 'length == 24 and all(.[]; .conversations[0].value | startswith("<image>\n")) and ([.[].image] | unique | length) == 24' "$d/scenes/$lang.json"
    done
    "$percept" data check recipes/instruct/adapted.yaml dataset="$d/scenes/en.json" | grep -q '24 samples: 24 good, 0 bad'
    "$percept" train recipes/instruct/adapted.yaml dataset="$d/scenes/en.json,$d/scenes/captions.json" max_steps=3 plot_loss=false \
        logging_steps=1 output_dir="$d/out" 2>"$d/err"
    [ "$(wc -l <"$d/out/train_log.jsonl")" -eq 3 ]
    [ -s "$d/out/adapter_model.safetensors" ]
    "$percept" data adapt "$d/scenes/turns.jsonl" "$d/scenes/scenes.jsonl" --turns 2
    jq -se 'all(.[]; .conversations | length <= 4 and (.[0].value | startswith("<image>"))) and length > 24' "$d/scenes/turns.jsonl"
}

@test "adapt: questions, options, classes, captions, text; rows without pictures in their share" {
    cat >"$d/a.jsonl" <<'ROWS'
{"image": "a.png", "question": "What is it?", "answer": "cat", "label": "cat"}
{"image": "a.png", "question": "Which?", "options": ["a dog", "a cat", "a cow"], "answer": "B", "label": "cat"}
{"image": "b.png", "caption": "A dog on a mat.", "ocr": [{"text": "STOP", "box": [0.1, 0.2, 0.3, 0.4]}], "label": "dog"}
{"image": "b.png", "question": "Sign?", "answer": "stop"}
ROWS
    "$percept" data adapt "$d/out.jsonl" "$d/a.jsonl" --form short >"$d/text"
    grep -q '2 rows, 8 questions of 2 pictures' "$d/text"
    choice=$(jq -r '.conversations as $c | .tasks | to_entries[] | select(.value == "choice") | [$c[2 * .key].value, $c[2 * .key + 1].value] | @json' "$d/out.jsonl")
    letter=$(jq -r '.[1]' <<<"$choice")
    jq -e --arg l "$letter" '.[0] | contains($l + ". a cat")' <<<"$choice"
    jq -se '[.[].conversations[].value] | any(. == "[0.10, 0.20, 0.30, 0.40]") or any(contains("[0.10, 0.20, 0.30, 0.40]"))' "$d/out.jsonl"
    jq -se '[.[].conversations[].value] | any(contains("cat, dog"))' "$d/out.jsonl"
    "$percept" data adapt "$d/tokens.jsonl" "$d/a.jsonl" --tasks vqa --ocr_tokens --form short >/dev/null
    jq -se '.[1].conversations[0].value | contains("STOP") and contains("Sign?")' "$d/tokens.jsonl"
    for i in $(seq 40); do echo '{"messages": [{"role": "user", "content": "Hi '$i'"}, {"role": "assistant", "content": "Yes"}]}'; done >"$d/chat.jsonl"
    "$percept" data adapt "$d/mixed.jsonl" "$d/a.jsonl" --text "$d/chat.jsonl" --text_share 0.5 >"$d/text"
    grep -q '^2 rows without pictures' "$d/text"
    jq -se 'length == 4 and (map(select(has("image") | not)) | length == 2 and all(.[]; .conversations | length == 2))' "$d/mixed.jsonl"
    "$percept" data adapt "$d/qwen.jsonl" "$d/a.jsonl" --tasks ocr --box_format qwen --lang zh >/dev/null
    grep -q '<box>(100,200),(300,400)</box>' "$d/qwen.jsonl"
}

@test "adapt: what doesn't fit is refused by name" {
    echo '{"image": "a.png", "caption": "A cat."}' >"$d/a.jsonl"
    run "$percept" data adapt "$d/o.json" "$d/a.jsonl" --tasks captoin
    [ "$status" -eq 2 ]
    [[ $output == *"did you mean caption?"* ]]
    run "$percept" data adapt "$d/o.json" "$d/a.jsonl" --tasks ground
    [ "$status" -eq 3 ]
    [[ $output == *"none with anything for the tasks"* ]]
    [ ! -e "$d/o.json.part" ]
    echo '{"templates": {"caption": {"en": {"short": {"ask": ["Say {captoin}"]}}}}}' >"$d/t.json"
    run "$percept" data adapt "$d/o.json" "$d/a.jsonl" --templates "$d/t.json"
    [ "$status" -eq 3 ]
    [[ $output == *"t.json"*"pool caption"*"unknown variable 'captoin'"* ]]
    echo '{"templates": {"caption": {"en": {"short": {"replace": true, "ask": ["Own words"], "answer": ["It says: {caption}"]}}}}}' >"$d/t.json"
    "$percept" data adapt "$d/o.json" "$d/a.jsonl" --templates "$d/t.json" >/dev/null
    jq -e '.[0].conversations | map(.value) == ["<image>\nOwn words", "It says: A cat."]' "$d/o.json"
    run "$percept" data adapt "$d/o.json" "$d/a.jsonl" --own_templates
    [ "$status" -eq 2 ]
    [[ $output == *"--templates FILE"* ]]
    [ ! -e "$d/o.json.part" ]
}
