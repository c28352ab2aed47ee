#!/usr/bin/env bats
# percept sweep: a grid of trainings that goes on after a failure, and after a stop.

setup() {
    cd "$BATS_TEST_DIRNAME/../.."
    percept="${PERCEPT:-build/release/percept}"
    folder=$BATS_TEST_TMPDIR
    export PERCEPT_RUNS=
    cat >"$folder/recipe.yaml" <<EOF
model_init: $PWD/tests/golden/llava/hf/config.json
template: vicuna_v1
dataset: scenes?seed=5&n=40&turns=1
cutoff_len: 512
per_device_train_batch_size: 2
max_steps: 2
output_dir: $folder/none
EOF
    cat >"$folder/sweep.yaml" <<EOF
recipe: $folder/recipe.yaml
output_dir: $folder/sweep
tasks: scenes
eval: {limit: 2, max_new_tokens: 2}
without_images: true
seeds: [1, 2]
set: {warmup_steps: 1}
axes:
  rate:
    low: {learning_rate: 1e-4}
    broken: {learning_rate: 1e-4, template: nothing}
  max_steps: [1, 2]
EOF
}

@test "sweep: every point is trained and evaluated; one that fails takes no other with it" {
    [ "$("$percept" sweep "$folder/sweep.yaml" 2>"$folder/err")" = "$folder/sweep/table.md" ]
    [ "$(jq length "$folder/sweep/results.json")" -eq 8 ]
    [ "$(jq -c '[.[].status]' "$folder/sweep/results.json")" = \
        '["ok","ok","ok","ok","failed","failed","failed","failed"]' ]
    [ "$(jq -c '[.[0,3] | [.axes, .seed]]' "$folder/sweep/results.json")" = \
        '[[{"rate":"low","max_steps":"1"},"1"],[{"rate":"low","max_steps":"2"},"2"]]' ]
    jq -e '.[4].message | test("nothing")' "$folder/sweep/results.json"
    jq -e '.[0] | .results.scenes.asked == 2 and .results_blind.scenes.asked == 2 and .training_flops > 0 and
                  .train.peak_bytes > 1e6 and .tokens_per_image > 0 and .parameters > 0' "$folder/sweep/results.json"
    [ "$(wc -l <"$folder/sweep/low-2/seed-1/model/train_log.jsonl")" -eq 2 ]
    [ "$(grep -c '^|' "$folder/sweep/table.md")" -eq 6 ]
    grep -q '^| low | 2 |' "$folder/sweep/table.md"
    grep -q '0, 2 failed' "$folder/sweep/table.md"
    [ "$(grep -c '<rect' "$folder/sweep/plot-scenes.svg")" -eq 3 ]
}

@test "sweep: what is done stays, what failed is tried anew, other settings are refused" {
    sed -i '/broken/d' "$folder/sweep.yaml"
    "$percept" sweep "$folder/sweep.yaml" 2>"$folder/err"
    before=$(stat -c %Y.%s "$folder/sweep/low-1/seed-1/model/model.safetensors")
    rm "$folder/sweep/low-2/seed-2/point.json"
    "$percept" sweep "$folder/sweep.yaml" 2>"$folder/err"
    [ "$(grep -c 'done before' "$folder/err")" -eq 3 ]
    [ "$(stat -c %Y.%s "$folder/sweep/low-1/seed-1/model/model.safetensors")" = "$before" ]
    sed -i 's/1e-4/2e-4/' "$folder/sweep.yaml"
    code=0
    "$percept" sweep "$folder/sweep.yaml" 2>"$folder/err" || code=$?
    [ "$code" -eq 2 ]
    grep -q 'made with other settings' "$folder/err"
}

@test "sweep: a file that says something else is refused by line" {
    while IFS='=' read -r line wanted; do
        cp "$folder/sweep.yaml" "$folder/bad.yaml"
        printf '%b\n' "$line" >>"$folder/bad.yaml"
        code=0
        "$percept" sweep "$folder/bad.yaml" 2>"$folder/err" || code=$?
        [ "$code" -eq 2 ]
        grep -q "bad.yaml:13: $wanted" "$folder/err"
    done <<'EOF'
task: scenes=unknown key 'task'; did you mean 'tasks'
tasks: scenes='tasks' is given twice
  x: {y: 1}='y' takes recipe keys below it
set: 1='set' takes keys below it
EOF
    code=0
    "$percept" sweep "$folder/missing.yaml" 2>"$folder/err" || code=$?
    [ "$code" -eq 1 ]
    printf 'output_dir: x\ntasks: scenes\n' >"$folder/bad.yaml"
    code=0
    "$percept" sweep "$folder/bad.yaml" 2>"$folder/err" || code=$?
    [ "$code" -ne 0 ]
    grep -q "recipe" "$folder/err"
}
