#!/usr/bin/env bats
# percept data check, percept data show, training on mixed rows.

setup() {
    cd "$BATS_TEST_DIRNAME/../.."
    percept="${PERCEPT:-build/release/percept}"
    folder=$BATS_TEST_TMPDIR
    cp tests/golden/llava/shapes.png "$folder/a.png"
    cat >"$folder/recipe.yaml" <<EOF
model_init: $PWD/tests/golden/llava/hf/config.json
template: vicuna_v1
dataset: $folder/rows.jsonl
cutoff_len: 512
per_device_train_batch_size: 2
max_steps: 3
output_dir: $folder/out
EOF
    cat >"$folder/rows.jsonl" <<'EOF'
{"messages": [{"role": "user", "content": "<image>What?"}, {"role": "assistant", "content": "red"}], "images": ["a.png"]}
{"messages": [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Good day"}]}

{"messages": [{"role": "user", "content": "Same?"}, {"role": "assistant", "content": "yes"}], "images": ["a.png", "a.png"]}
EOF
}

@test "data check: good data, counts as text and JSON" {
    out=$("$percept" data check "$folder/recipe.yaml" max_images=2)
    [[ $out == "3 samples: 3 good, 0 bad"* ]]
    [[ $out == *"1 have pictures without a mark"* ]]
    [[ $out == *"1 have no picture"* ]]
    json=$("$percept" data check "$folder/recipe.yaml" max_images=2 --json)
    [ "$(jq -c '[.samples, .bad, .images, .text_only, .unmarked]' <<<"$json")" = "[3,0,3,1,1]" ]
    jq -e '.tokens > .targets and .targets > 0' <<<"$json"
}

@test "data check: every kind of bad sample, with file and line" {
    cat >>"$folder/rows.jsonl" <<'EOF'
{"messages": [{"role": "user", "content": "<image>x"}, {"role": "assistant", "content": "y"}], "images": ["none.png"]}
{"messages": [{"role": "user", "content": "<image><image>x"}, {"role": "assistant", "content": "y"}], "images": ["a.png"]}
{"messages": [{"role": "user", "content": "x"}]}
{"messages": [
{"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "LONG"}]}
EOF
    sed -i "s/LONG/$(printf 'word %.0s' {1..600})/" "$folder/rows.jsonl"
    code=0
    "$percept" data check "$folder/recipe.yaml" >"$folder/log" 2>"$folder/err" || code=$?
    [ "$code" -eq 3 ]
    [ "$(cat "$folder/err")" = "percept data: 6 of 8 samples are bad" ]
    grep -q 'rows.jsonl:4: sample 2: more than 1 picture' "$folder/log"
    grep -q 'rows.jsonl:5: sample 3: .*none.png: cannot open' "$folder/log"
    grep -q 'rows.jsonl:6: sample 4: .*image 2' "$folder/log"
    grep -q 'rows.jsonl:7: sample 5: there is no answer to learn from' "$folder/log"
    grep -q 'rows.jsonl:8: sample 6: .*line 1' "$folder/log"
    grep -q 'rows.jsonl:9: sample 7: .* tokens are more than the cutoff of 512' "$folder/log"
    grep -q '8 samples: 2 good, 6 bad' "$folder/log"
    for count in "1 missing or unreadable file" "2 row that can't be read" "1 pictures that don't fit" "1 longer than cutoff_len" \
        "1 nothing to learn from"; do
        grep -q "^  $count\$" "$folder/log"
    done
}

@test "data show: ids and mask as text; a page with the picture" {
    "$percept" data show "$folder/recipe.yaml" >"$folder/text"
    grep -q 'rows.jsonl:1: sample 0' "$folder/text"
    grep -q '1 picture of 9 soft tokens each' "$folder/text"
    [ "$(grep -c ' x "' "$folder/text")" -eq 3 ]
    tail -n 1 "$folder/text" | grep -q 'x "</s>"'
    "$percept" data show "$folder/recipe.yaml" --index 0 --html "$folder/page.html"
    [ "$(grep -c '<img alt="picture 1" src="data:image/png;base64,' "$folder/page.html")" -eq 1 ]
    [ "$(grep -o 'class="picture"' "$folder/page.html" | wc -l)" -eq 10 ]
    sed -n 's/.*base64,\([^"]*\)".*/\1/p' "$folder/page.html" | base64 -d | head -c 4 | grep -q PNG
    code=0
    "$percept" data show "$folder/recipe.yaml" --index 3 2>"$folder/err" || code=$?
    [ "$code" -eq 2 ]
}

@test "training: rows with no, one and two pictures; a dataset by its name" {
    "$percept" train "$folder/recipe.yaml" max_images=2 strict=true 2>"$folder/err"
    [ "$(wc -l <"$folder/out/train_log.jsonl")" -eq 3 ]
    mkdir "$folder/data"
    cp "$folder/a.png" "$folder/data"
    printf '{"pairs": {"file_name": "rows.json", "columns": {"prompt": "ask", "response": "say", "images": "pic"}}}' \
        >"$folder/data/dataset_info.json"
    printf '[{"ask": "<image>What?", "say": "red", "pic": "a.png"}]' >"$folder/data/rows.json"
    "$percept" train "$folder/recipe.yaml" dataset=pairs dataset_dir="$folder/data" output_dir="$folder/named" strict=true 2>"$folder/err"
    [ -s "$folder/named/model.safetensors" ]
    code=0
    "$percept" train "$folder/recipe.yaml" dataset=pears dataset_dir="$folder/data" output_dir="$folder/x" 2>"$folder/err" || code=$?
    [ "$code" -eq 2 ]
    grep -q "no dataset 'pears'; there are: pairs" "$folder/err"
}

@test "plan: sizes are exact, memory is what training takes, nothing is written" {
    json=$("$percept" plan "$folder/recipe.yaml" max_images=2 --seconds 0.2 --json)
    [ "$(jq -c '[.steps, .steps_per_epoch, .tokens_per_image, .weights_bytes / .parameters]' <<<"$json")" = "[3,2,9,4]" ]
    jq -e '.optimizer_bytes == 8 * .trained and .gradients_bytes == 4 * .trained' <<<"$json"
    jq -e '.seconds_per_step > 0 and .memory_bytes > 1e6 and .memory_bytes_most >= .memory_bytes' <<<"$json"
    [ ! -e "$folder/out/model.safetensors" ]
    plain=${PERCEPT_PLAIN:-$percept}
    json=$("$plain" plan "$folder/recipe.yaml" max_images=2 --seconds 0.2 --json)
    "$plain" train "$folder/recipe.yaml" max_images=2 max_steps=40 2>"$folder/err"
    trained=$(sed -n 's/.* \([0-9]*\) MB  left.*/\1/p' "$folder/err" | sort -n | tail -n 1)
    jq -e --argjson trained "$trained" '(.memory_bytes / 1e6 - $trained) | fabs <= 3' <<<"$json"
    "$percept" plan "$folder/recipe.yaml" max_images=2 --seconds 0.1 | grep -q '^memory .* MB expected'
    json=$("$percept" plan "$folder/recipe.yaml" max_images=2 feature_cache="$folder/cache" --seconds 0.2 --json)
    jq -e '.seconds_per_step_cached > 0 and .seconds > 0' <<<"$json"
    [ ! -e "$folder/cache" ]
    [ -z "$(find "$folder" -name '*.plan-*')" ]
}

@test "packing: every sample once an epoch, resumed from where it was; combinations that mean nothing are refused" {
    "$percept" train "$folder/recipe.yaml" max_images=2 packing=true num_train_epochs=1 output_dir="$folder/packed" \
        2>"$folder/err"
    grep -q 'samples in . packs of up to' "$folder/err"
    [ -n "$(find "$folder/packed/index" -name '*.sizes')" ]
    "$percept" train "$folder/recipe.yaml" max_images=2 packing=true num_train_epochs=1 output_dir="$folder/packed" \
        resume_from_checkpoint=latest 2>"$folder/err"
    if grep -q 'measuring' "$folder/err"; then return 1; fi
    "$percept" train "$folder/recipe.yaml" max_images=2 group_by_length=true output_dir="$folder/grouped" 2>"$folder/err"
    code=0
    "$percept" train "$folder/recipe.yaml" packing=true group_by_length=true output_dir="$folder/x" 2>"$folder/err" || code=$?
    [ "$code" -eq 2 ]
    grep -q 'equally long' "$folder/err"
}

@test "data mistakes: pairs that stage dpo reads, the same twice" {
    recipe() { "$percept" data mistakes recipes/align/mistakes.yaml "$1" dataset='scenes?seed=110&n=500&content=questions&turns=1' max_new_tokens=24 temperature=1.5 "${@:2}"; }
    out=$(recipe "$folder/one" --pairs 3)
    [[ $out == *"3 pairs of "* ]]
    recipe "$folder/two" --pairs 3 threads=1
    cmp "$folder/one/pairs.jsonl" "$folder/two/pairs.jsonl"
    jq -es 'length == 3 and all(.[]; .chosen != .rejected and .chosen_score > .rejected_score and (.images | length) == 1)' \
        "$folder/one/pairs.jsonl"
    "$percept" train recipes/align/dpo.yaml dataset="$folder/one/pairs.jsonl" max_steps=1 per_device_train_batch_size=3 \
        plot_loss=false output_dir="$folder/dpo"
    run "$percept" data mistakes recipes/align/dpo.yaml "$folder/none"
    [ "$status" -eq 2 ]
    [[ $output == *"stage dpo learns from data"* ]]
    run recipe "$folder/none" reward_rule=
    [ "$status" -eq 2 ]
}

@test "data clean: counts, reasons, shards that are read again, a run that goes on" {
    for i in 1 2 3 4 5 6; do
        echo "{\"text\": \"a picture of shapes number $i\", \"image\": \"a.png\", \"pwatermark\": 0.$i}"
    done >"$folder/pairs.jsonl"
    cat >>"$folder/pairs.jsonl" <<'EOF'
{"text": "short", "image": "a.png"}
{"text": "there is no such picture", "image": "none.png"}
{"text": "torn
EOF
    printf 'min_words: 3\nmax_watermark: 0.9\n' >"$folder/rules.yaml"
    out=$("$percept" data clean "$folder/pairs.jsonl" "$folder/clean" --config "$folder/rules.yaml" --max_watermark 0.4)
    [[ $out == *"9 seen = 4 kept + 3 dropped + 2 damaged"* ]]
    grep -q '  words  *1 ' <<<"$out"
    grep -q '  watermark  *2 ' <<<"$out"
    grep -q 'pairs.jsonl:5: sample 4: pwatermark 0.5' <<<"$out"
    grep -q 'pairs.jsonl:8: sample 7: .*none.png' <<<"$out"
    [ "$(jq -c '[.seen, .kept, .dropped, .damaged]' "$folder/clean/report.json")" = "[9,4,3,2]" ]
    [ "$(wc -l <"$folder/clean/dropped.jsonl")" -eq 5 ]
    tar -tf "$folder/clean/00000.tar" | head -n 3 | tr '\n' ' ' | grep -q '000000000.png 000000000.txt 000000000.json'
    out=$("$percept" data clean "$folder/clean" "$folder/again" --format jsonl --duplicates picture)
    [[ $out == *"4 seen = 1 kept + 3 dropped + 0 damaged"* ]]
    [ "$(jq -r .text "$folder/again/data.jsonl")" = "a picture of shapes number 1" ]
    # finished: told again; other options: refused
    "$percept" data clean "$folder/clean" "$folder/again" --format jsonl --duplicates picture | grep -q '4 seen = 1 kept'
    code=0
    "$percept" data clean "$folder/clean" "$folder/again" --format jsonl 2>"$folder/err" || code=$?
    [ "$code" -eq 2 ]
    grep -q 'a run of another dataset or other options' "$folder/err"
}

@test "data clean: the cosine of picture and caption by a model" {
    "$percept" train recipes/tiny/contrastive.yaml dataset="scenes?seed=4&n=8&content=brief" max_steps=1 per_device_train_batch_size=2 \
        warmup_steps=0 output_dir="$folder/clip" 2>/dev/null
    "$percept" data clean "scenes?seed=5&n=40&content=brief" "$folder/clean" --clip "$folder/clip" --format jsonl | grep -q '  95 % of the cosines'
    median=$(jq -s 'map(.clean_similarity) | sort | .[20]' "$folder/clean/data.jsonl")
    out=$("$percept" data clean "$folder/clean/data.jsonl" "$folder/half" --clip "$folder/clip" --min_similarity "$median" || true)
    if jq -en "$median > 0"; then # a limit of 0 is none
        [[ $out == *"40 seen = 20 kept + 20 dropped + 0 damaged"* ]]
        grep -q '  similarity  *20 ' <<<"$out"
    fi
    code=0
    "$percept" data clean "$folder/rows.jsonl" "$folder/other" --clip tests/golden/llava/hf 2>"$folder/err" || code=$?
    [ "$code" -eq 2 ]
    grep -q 'a model with two towers' "$folder/err"
    [ ! -e "$folder/other" ]
}

@test "data clean: what has no meaning is refused" {
    for options in "--min_words 5 --max_words 4" "--max_aspect 0.5" "--min_similarity 0.2" "--near 17" "--languages" "--config $folder/none.yaml"; do
        code=0
        # shellcheck disable=SC2086 # several words
        "$percept" data clean "$folder/rows.jsonl" "$folder/clean" $options 2>"$folder/err" || code=$?
        [ "$code" -ne 0 ]
        [ "$(wc -l <"$folder/err")" -eq 1 ]
        [ ! -e "$folder/clean" ]
    done
    printf 'min_word: 3\n' >"$folder/rules.yaml"
    if "$percept" data clean "$folder/rows.jsonl" "$folder/clean" --config "$folder/rules.yaml" 2>"$folder/err"; then return 1; fi
    grep -q "rules.yaml:1: .*min_words" "$folder/err"
    for recipe in recipes/clean/*.yaml; do
        "$percept" data clean "$folder/rows.jsonl" "$folder/clean_$(basename "$recipe" .yaml)" --config "$recipe"
    done
}
