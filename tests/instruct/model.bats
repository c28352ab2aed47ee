#!/usr/bin/env bats
# Instruction data that models write: self-instruction, captions, translation; endpoints and local models.

setup() {
    cd "$BATS_TEST_DIRNAME/../.."
    percept="${PERCEPT:-build/release/percept}"
    server="$(dirname "$percept")/scripted_server"
    [ -x "$server" ] || skip "no scripted_server beside the program"
    d=$BATS_TEST_TMPDIR
    cp tests/golden/llava/shapes.png "$d/x.png"
    cp tests/golden/llava/shapes.png "$d/y.png"
    cat >"$d/a.jsonl" <<'ROWS'
{"image": "x.png", "width": 100, "height": 100, "captions": ["A dog on a mat.", "A brown dog."], "objects": [{"name": "dog", "box": [10, 20, 50, 60]}]}
{"image": "y.png", "captions": ["A cat."]}
ROWS
}

teardown() { [ -z "${pid:-}" ] || kill "$pid" 2>/dev/null || true; }

# serve LINE...: start a server with this script
serve() {
    [ -z "${pid:-}" ] || { kill "$pid"; wait "$pid" 2>/dev/null || true; }
    printf '%s\n' "$@" >"$d/script"
    rm -f "$d/port" "$d/log"
    "$server" "$d/script" "$d/port" "$d/log" 3>&- &
    pid=$!
    for _ in $(seq 100); do [ -s "$d/port" ] && break; sleep 0.05; done
    url="http://127.0.0.1:$(cat "$d/port")/v1"
}

# reply N: the JSON of the N-th request that was sent
request() { sed -n '/^{/p' "$d/log" | sed -n "$1p"; }

good=('200 - Question:\nWhat is on the mat?\n===\nAnswer:\nA dog.\n===\nQuestion:\nWhich color?\n===\nAnswer:\nBrown.' '200 - The dog lies on a mat.'
    '200 - Question:\nWhy does it rest?\n===\nAnswer:\nIt may be tired.')

write() { "$percept" data self-instruct "$d/out" m "$d/a.jsonl" --base_url "$url" "$@"; }

@test "self-instruct: three kinds, what is sent, what is kept and what is kept apart" {
    serve "${good[@]}" "200 - I'm sorry, but I can't help." '200 - The caption says there is a cat.' '200 - Question:\nWhy?'
    write --price_prompt 1000 --price_completion 2000 >"$d/text"
    grep -q '^6 requests, 3 good, 1 refused, 2 malformed' "$d/text"
    grep -q '^30 tokens of requests, 12 of replies, cost 0.0540' "$d/text"
    grep -q 'instructions.json: 3 rows, 4 questions with answers of 2 pictures' "$d/text"
    jq -e 'map(.kind) == ["conversation", "detailed", "reasoning"] and all(.[]; .image == "x.png")
        and (.[0].conversations | map(.value) == ["<image>\nWhat is on the mat?", "A dog.", "Which color?", "Brown."])' "$d/out/instructions.json"
    jq -se 'map(.verdict) == ["refused", "malformed", "malformed"] and map(.image) == ["y.png", "y.png", "y.png"]
        and (.[1].reason | contains("the caption")) and (.[2].reason | contains("no answer")) and (.[0].reply | startswith("I'\''m sorry"))' "$d/out/apart.jsonl"
    # Captions alone for the talk; boxes too for the others; rules first, examples between.
    request 1 | jq -e '.messages[0].role == "system" and (.messages | length) == 6 and .messages[5].content == "A dog on a mat.\nA brown dog."'
    request 2 | jq -e '.messages[-1].content == "A dog on a mat.\nA brown dog.\n\ndog: [0.100, 0.200, 0.500, 0.600]"'
    request 2 | jq -e '[.messages[].role] == ["system", "user", "assistant", "user"]'
    cat >"$d/recipe.yaml" <<YAML
model_init: $PWD/tests/golden/llava/hf/config.json
template: vicuna_v1
dataset: $d/out/instructions.json
media_dir: $d
max_steps: 2
plot_loss: false
output_dir: $d/run
YAML
    "$percept" data check "$d/recipe.yaml" | grep -q '3 samples: 3 good'
    "$percept" train "$d/recipe.yaml" 2>"$d/err"
    [ -s "$d/run/model.safetensors" ]
}

@test "self-instruct: a stop keeps what is there, the same command goes on to the same files" {
    serve "${good[@]}" "${good[@]}"
    write --price_prompt 1 >/dev/null
    cp "$d/out/instructions.json" "$d/whole.json"
    cp "$d/out/replies.jsonl" "$d/whole.jsonl"
    rm -r "$d/out"
    serve "${good[@]}" "${good[0]}" '400 - {"error": {"message": "over quota"}}'
    run write
    [ "$status" -eq 1 ]
    [[ $output == *"request 4 of 6"*"over quota"* ]]
    [ ! -e "$d/out/instructions.json" ]
    [ "$(wc -l <"$d/out/replies.jsonl")" -eq 5 ]
    serve "${good[@]:1}"
    write >"$d/text"
    grep -q '6 requests, 6 good; 4 were there before' "$d/text"
    [ "$(grep -c '^POST' "$d/log")" -eq 2 ]
    cmp "$d/out/instructions.json" "$d/whole.json"
    cmp "$d/out/replies.jsonl" "$d/whole.jsonl"
    run write --seeds 0
    [ "$status" -eq 2 ]
    [[ $output == *"seeds was -1, is 0"* ]]
    rm -r "$d/out"
    serve "${good[@]}" "${good[@]}"
    run write --budget 15
    [ "$status" -eq 130 ]
    [[ $output == *"budget of 15 tokens"* ]]
    [ "$(grep -c '^POST' "$d/log")" -eq 3 ]
}

@test "self-instruct: side by side, the same rows; a call that fails again and again; the rate" {
    serve "${good[@]}" "${good[@]}"
    write --kinds detailed --batch_size 2 --media_dir "$d" >"$d/text"
    grep -q '^2 requests, 2 good' "$d/text"
    rm -r "$d/out"
    serve '503 0 busy' "${good[1]}" '429 0 slow' '200 - A cat sits.'
    begin=$(date +%s%N)
    write --kinds detailed --calls_a_minute 120 >"$d/text"
    [ $(($(date +%s%N) - begin)) -gt 1400000000 ] # four calls, half a second apart
    grep -q '^2 requests, 2 good' "$d/text"
    [ "$(grep -c '^POST' "$d/log")" -eq 4 ]
    rm -r "$d/out"
    serve '400 - {"error": {"message": "filtered"}}' '200 - A cat sits.'
    write --kinds detailed --max_failures 1 >"$d/text"
    grep -q '^2 requests, 1 good, 1 failed' "$d/text"
    jq -se '.[0].verdict == "failed" and (.[0].reason | contains("filtered"))' "$d/out/apart.jsonl"
    run write --kinds verse
    [ "$status" -eq 2 ]
    [[ $output == *"no kind 'verse'"*"reasoning"* ]]
    run write --attempts 2
    [ "$status" -eq 2 ]
    [[ $output == *"--temperature"* ]]
}

@test "self-instruct: captions by a model that sees the picture, of an endpoint and of this machine; own kinds" {
    serve '200 - A brown dog on a grey mat, seen from above.' '200 - A cat.'
    write --kinds caption >/dev/null
    request 1 | jq -e '.messages[-1].content | (map(.type) == ["image_url", "text"]) and .[1].text == "A dog on a mat.\nA brown dog."'
    jq -e '.[0].conversations[1].value == "A brown dog on a grey mat, seen from above."' "$d/out/instructions.json"
    # The tiny model describes drawn scenes by a kind of the user's own; greedy replies are the same side by side.
    "$percept" data make scenes "$d/scenes" --n 6 --seed 9 >/dev/null
    echo '{"kinds": {"plain": {"en": {"system": "You see a picture.", "picture": true, "reply": "answer", "ask": ["Describe the picture in detail."]}}}}' >"$d/kinds.json"
    for batch in 1 3; do
        "$percept" data self-instruct "$d/local$batch" models/percept-tiny "$d/scenes/scenes.jsonl" --kind_file "$d/kinds.json" --kinds plain \
            --max_new_tokens 120 --batch_size $batch >"$d/text"
        grep -q '^6 requests' "$d/text"
        grep -Eq '^[1-9][0-9]+ tokens of requests, [1-9][0-9]+ of replies' "$d/text"
    done
    cmp "$d/local1/replies.jsonl" "$d/local3/replies.jsonl"
    jq -e 'length > 0 and all(.[]; .kind == "plain" and (.conversations[0].value == "<image>\nDescribe the picture in detail."))' "$d/local1/instructions.json"
    echo '{"kinds": {"plain": {"en": {"system": "x", "reply": "answer"}}}}' >"$d/kinds.json"
    run write --kind_file "$d/kinds.json" --kinds plain
    [ "$status" -eq 3 ]
    [[ $output == *"kind plain"*"\"ask\""* ]]
}

@test "self-instruct: Chinese rules and labels" {
    serve '200 - 问题：\n垫子上有什么？\n===\n回答：\n一只狗。' '200 - 对不起，我无法完成。'
    write --lang zh --kinds conversation >"$d/text"
    grep -q '^2 requests, 1 good, 1 refused' "$d/text"
    jq -e '.[0].conversations | map(.value) == ["<image>\n垫子上有什么？", "一只狗。"]' "$d/out/instructions.json"
}

@test "translate: turns go out numbered and come back in their places; copies and miscounts are kept apart" {
    cat >"$d/rows.jsonl" <<'ROWS'
{"id": "a", "image": "x.png", "conversations": [{"from": "human", "value": "<image>\nWhat is it?"}, {"from": "gpt", "value": "A dog"}], "kept": 5}
{"id": "b", "messages": [{"role": "user", "content": "Hello <image>"}, {"role": "assistant", "content": "Hi"}], "images": ["x.png"]}
{"id": "c", "conversations": [{"from": "human", "value": "How?"}, {"from": "gpt", "value": "So"}]}
ROWS
    serve '200 - [1] 这是什么？\n[2] 一只狗' '200 - [1] Hello\n[2] Hi' '200 - [1] 怎么？'
    "$percept" data translate "$d/out" m "$d/rows.jsonl" --base_url "$url" >"$d/text"
    grep -q '^3 requests, 1 good, 2 malformed' "$d/text"
    grep -q 'translated.json: 1 rows, 2 texts' "$d/text"
    request 1 | jq -e '.messages[1].content == "[1] What is it?\n[2] A dog" and (.messages[0].content | contains("Simplified Chinese"))'
    jq -e '.[0] | .conversations == [{"from": "human", "value": "<image>\n这是什么？"}, {"from": "gpt", "value": "一只狗"}] and .kept == 5 and .language == "zh" and .image == "x.png"' \
        "$d/out/translated.json"
    jq -se '(.[0].reason | contains("copied")) and (.[1].reason | contains("[1] to [2], found 1"))' "$d/out/apart.jsonl"
    serve '200 - [1] Was ist es?\n[2] Ein Hund' '200 - [1] Hallo\n[2] Tag' '200 - [1] Wie?\n[2] So'
    "$percept" data translate "$d/de" m "$d/rows.jsonl" --base_url "$url" --to de --rules "Use Sie." >/dev/null
    request 1 | jq -e '.messages[0].content | contains("German") and endswith("Use Sie.")'
    jq -e 'length == 3 and .[1].messages[0].content == "Hallo <image>"' "$d/de/translated.json"
}

# rated A B C ...: a reply of a judge with these ratings, three for each response
rated() {
    local text=() n=0 aspect=("Helpfulness" "Visual Faithfulness" "Ethical Considerations")
    for value in "$@"; do
        [ $((n % 3)) -ne 0 ] || text+=("Response $((n / 3 + 1))")
        text+=("${aspect[$((n % 3))]}" "Rating: $value" "Rationale: because of $n.")
        n=$((n + 1))
    done
    printf '200 - '
    printf '%s\\n' "${text[@]}"
    echo
}

@test "judge: an endpoint's ratings become VLFeedback rows and Silkie's pairs, which stage dpo reads both" {
    cat >"$d/rows.jsonl" <<'ROWS'
{"id": "one", "image": "x.png", "question": "What is it?", "completions": {"model": ["m1", "m2", "m3"], "response": ["a dog", "a cat", "a cow"]}}
{"id": "two", "conversations": [{"from": "human", "value": "Hello"}], "completions": [{"model": "m1", "response": "Good day"}, {"model": "m2", "response": "Bye"}]}
{"id": "three", "image": "y.png", "prompt": "Where?", "completions": {"model": ["m1", "m2"], "response": ["left", "right"]}}
ROWS
    serve "$(rated 5 5 5 5 2 5 1 5 3)" "$(rated 4 4 4 5 3 4)" '200 - Both are fine.'
    "$percept" data judge "$d/out" m "$d/rows.jsonl" --base_url "$url" >"$d/text"
    grep -q '^3 requests, 2 good, 1 malformed' "$d/text"
    grep -q 'pairs.jsonl: 3 pairs of 5 answers in 2 rows, 1 without a difference' "$d/text"
    # The judge sees the answers in a drawn order: ratings go to the texts that it saw.
    request 1 | jq -r '.messages[1].content[1].text' >"$d/asked"
    first=$(sed -n '/^Response 1:/{n;p}' "$d/asked")
    last=$(sed -n '/^Response 3:/{n;p}' "$d/asked")
    jq -se --arg first "$first" --arg last "$last" '.[0].completions as $c | ($c.response | index($first)) as $f | ($c.response | index($last)) as $l
        | $c.annotations[$f]["Visual Faithfulness"] == {"Rating": 5, "Rationale": "because of 1."} and $c.annotations[$l].Helpfulness.Rating == 1' "$d/out/ratings.jsonl"
    jq -se --arg first "$first" 'length == 3 and all(.[]; .chosen_score > .rejected_score and .images == ["x.png"] and (.messages[0].content == "<image>\nWhat is it?"))
        and ([.[] | select(.chosen == $first)] | length) == 2' "$d/out/pairs.jsonl"
    jq -se '.[0].verdict == "malformed" and (.[0].reason | contains("response 1, Helpfulness: not rated"))' "$d/out/apart.jsonl"
    cat >"$d/recipe.yaml" <<YAML
model_name_or_path: $PWD/tests/golden/llava/hf
template: vicuna_v1
stage: dpo
media_dir: $d
max_steps: 2
plot_loss: false
YAML
    for file in pairs ratings; do
        "$percept" data check "$d/recipe.yaml" dataset="$d/out/$file.jsonl" output_dir="$d/c" >"$d/$file.check"
        grep -q '3 samples: 3 good, 0 bad' "$d/$file.check"
        "$percept" train "$d/recipe.yaml" dataset="$d/out/$file.jsonl" output_dir="$d/$file" 2>"$d/err"
        [ -s "$d/$file/model.safetensors" ]
    done
    diff <(sed -n '/^tokens/p' "$d/pairs.check") <(sed -n '/^tokens/p' "$d/ratings.check")
    run "$percept" data judge "$d/out2" m "$d/rows.jsonl" --base_url "$url" --by likelihood
    [ "$status" -eq 2 ]
    [[ $output == *"--by likelihood"* ]]
    run "$percept" data judge "$d/out3" m "$d/a.jsonl" --base_url "$url"
    [ "$status" -eq 3 ]
}

@test "judge: answers of a local model, drawn; a local judge by likelihood; pairs that train" {
    "$percept" data make scenes "$d/scenes" --n 5 --seed 9 >/dev/null
    "$percept" data answers "$d/greedy" models/percept-tiny "$d/scenes/captions.json" --max_new_tokens 100 >"$d/text"
    grep -q 'answers.jsonl: 5 rows, ' "$d/text"
    "$percept" data answers "$d/drawn" models/percept-tiny "$d/greedy/answers.jsonl" --answers 2 --temperature 1.5 --as hot --media_dir "$d/scenes" \
        --max_new_tokens 100 --batch_size 2 >"$d/text"
    jq -se 'length == 5 and all(.[]; (.completions.model | map(select(. == "hot")) | length) == (.completions.model | length) - 1 or (.completions.model | length) < 3)
        and any(.[]; (.completions.response | length) == 3) and all(.[]; .prompt | length > 3)' "$d/drawn/answers.jsonl"
    run "$percept" data answers "$d/x" models/percept-tiny "$d/greedy/answers.jsonl" --answers 2
    [ "$status" -eq 2 ]
    judge() { "$percept" data judge "$1" models/percept-tiny "$d/drawn/answers.jsonl" --media_dir "$d/scenes" "${@:2}"; }
    judge "$d/a" >"$d/text"
    grep -q '^mean rating .*Helpfulness  Visual Faithfulness  Ethical Considerations' "$d/text"
    grep -q '^hot ' "$d/text"
    judge "$d/b" --batch_size 4 >/dev/null
    cmp "$d/a/pairs.jsonl" "$d/b/pairs.jsonl"
    jq -se 'length == 5 and all(.[].completions.annotations[] | .[].Rating; . >= 1 and . <= 5)' "$d/a/ratings.jsonl"
    answers=$(jq -s '[.[].completions.response | length] | add' "$d/drawn/answers.jsonl")
    [ "$(tail -n +2 "$d/a/replies.jsonl" | wc -l)" -eq $((3 * answers)) ]
    "$percept" train recipes/align/dpo.yaml dataset="$d/a/pairs.jsonl" media_dir="$d/scenes" per_device_train_batch_size=2 max_steps=2 cutoff_len=512 \
        plot_loss=false output_dir="$d/dpo" 2>"$d/err"
    [ -s "$d/dpo/adapter_model.safetensors" ]
}
