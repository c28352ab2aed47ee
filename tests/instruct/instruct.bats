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
    [ "$status" -ne 0 ] && [[ $output == *none.json* ]]
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
    loss() { "$percept" train "$d/recipe.yaml" output_dir="$d/$1" "${@:2}" 2>"$d/err" && jq -c .loss "$d/$1/train_log.jsonl" | sha256sum; }
    by_size=$(loss size)
    root=$(loss root mix_strategy=sqrt)
    same=$(loss root2 mix_strategy=temperature mix_temperature=2)
    shares=$(loss shares interleave_probs=8,1)
    corrected=$(loss corrected mix_strategy=sqrt interleave_probs=1,8)
    even=$(loss even mix_strategy=temperature mix_temperature=1e6)
    [ "$root" = "$same" ] && [ "$root" = "$shares" ] && [ "$root" != "$by_size" ] && [ "$corrected" = "$even" ] && [ "$even" != "$root" ]
    run "$percept" train "$d/recipe.yaml" mix_strategy=interleave_under output_dir="$d/x"
    [ "$status" -eq 2 ] && [[ $output == *"mix_strategy"* ]]
}
