#!/usr/bin/env bats
# percept runs: what train, eval and bench leave in the record; TensorBoard's files.

setup() {
    cd "$BATS_TEST_DIRNAME/../.."
    percept="${PERCEPT:-build/release/percept}"
    folder=$BATS_TEST_TMPDIR
    export PERCEPT_RUNS=$folder/runs.db
    cat >"$folder/recipe.yaml" <<EOF
model_init: $PWD/tests/golden/llava/hf/config.json
template: vicuna_v1
dataset: scenes?seed=5&n=40&turns=1
cutoff_len: 512
per_device_train_batch_size: 2
max_steps: 3
report_to: [jsonl, tensorboard]
output_dir: $folder/out
EOF
}

@test "runs: train, eval and bench are recorded; list, show, plot" {
    "$percept" train "$folder/recipe.yaml" 2>"$folder/err"
    code=0
    "$percept" train "$folder/recipe.yaml" 2>"$folder/err" || code=$?
    [ "$code" -eq 2 ]
    "$percept" eval "$folder/out" --tasks scenes --limit 2 --max_new_tokens 2 >"$folder/eval" 2>"$folder/err"
    "$percept" bench --kernels --filter adamw --seconds 0.01 >"$folder/bench"
    [ "$("$percept" runs --json | jq -c '[.[] | [.id, .kind, .state]]')" = \
        '[[4,"bench","done"],[3,"eval","done"],[2,"train","failed"],[1,"train","done"]]' ]
    "$percept" runs --json | jq -e '.[1].result | fromjson | .results.scenes'
    "$percept" runs --json | jq -e '.[2].result | test("resume_from_checkpoint")'
    [ "$("$percept" runs | wc -l)" -eq 5 ]
    [ "$("$percept" runs show 1 --json | jq -c '[.metrics.loss.points, .steps, .name]')" = '[3,3,"recipe.yaml"]' ]
    loss=$(tail -n 1 "$folder/out/train_log.jsonl" | jq .loss)
    "$percept" runs show 1 --json | jq -e --argjson loss "$loss" '(.metrics.loss.last - $loss) | fabs < 1e-6'
    "$percept" runs show 1 | grep -q 'max_steps: 3'
    print=$("$percept" runs --json | jq -r '.[1].result | fromjson | .fingerprint.whole')
    "$percept" runs show 1 | grep -q "fingerprint: $print" # trained and evaluated with the same tokenizer, template, processor
    "$percept" runs plot 1 1 -o "$folder/plot.svg"
    [ "$(grep -c '<polyline' "$folder/plot.svg")" -eq 2 ]
    "$percept" runs plot 1 --metric learning_rate | grep -q '<polyline'
}

@test "runs: what is asked wrongly, and no record at all" {
    for words in "show" "show x" "show 7" "plot" "draw 1"; do
        code=0
        # shellcheck disable=SC2086 # words
        "$percept" runs $words 2>"$folder/err" || code=$?
        [ "$code" -eq 2 ]
    done
    code=0
    PERCEPT_RUNS='' "$percept" runs 2>"$folder/err" || code=$?
    [ "$code" -eq 2 ]
    PERCEPT_RUNS='' "$percept" train "$folder/recipe.yaml" 2>"$folder/err"
    PERCEPT_RUNS=/proc/none/runs.db "$percept" train "$folder/recipe.yaml" overwrite_output_dir=true 2>"$folder/err"
    grep -q 'this run is not recorded' "$folder/err"
}

@test "report_to tensorboard: an event file of the run; other words are refused" {
    "$percept" train "$folder/recipe.yaml" 2>"$folder/err"
    [ "$(ls "$folder"/out/events.out.tfevents.* | wc -l)" -eq 1 ]
    [ "$(grep -ao 'train/loss' "$folder"/out/events.out.tfevents.* | wc -l)" -eq 3 ]
    "$percept" train "$folder/recipe.yaml" report_to=none output_dir="$folder/quiet" 2>"$folder/err"
    if ls "$folder"/quiet/events.out.tfevents.*; then return 1; fi
    code=0
    "$percept" train "$folder/recipe.yaml" report_to=wandb 2>"$folder/err" || code=$?
    [ "$code" -eq 2 ]
    grep -q "report_to 'wandb'" "$folder/err"
}
