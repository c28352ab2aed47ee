#!/usr/bin/env bats
# percept run, show, eval, end to end: output, exit codes 0 1 2 3 130, independence of threads.
# PERCEPT = the program; PERCEPT_DATA = the data folder (tests that want it are skipped without).

setup() {
    cd "$BATS_TEST_DIRNAME/../.."
    percept="${PERCEPT:-build/release/percept}"
    llava=tests/golden/llava/hf
    shapes=tests/golden/llava/shapes.png
    triangle=tests/golden/llava/triangle.png
    base=tests/golden/llama/tied
}

# code EXPECTED COMMAND...: the exit code, one line on stderr, nothing on stdout
refuses() {
    local expected=$1 code=0
    shift
    "$@" >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" </dev/null || code=$?
    [ "$code" -eq "$expected" ] || { echo "exit $code, expected $expected: $*"; cat "$BATS_TEST_TMPDIR/err"; return 1; }
    [ ! -s "$BATS_TEST_TMPDIR/out" ]
    [ "$(wc -l <"$BATS_TEST_TMPDIR/err")" -eq 1 ]
}

ids() { jq -c .ids; }

@test "run: an answer and one line feed; nothing else on stdout" {
    "$percept" run $llava "What is the colour?" --image $shapes -n 2 >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err"
    [ "$(od -An -tx1 "$BATS_TEST_TMPDIR/out" | tr -d " ")" = 2e070a ]
    [ ! -s "$BATS_TEST_TMPDIR/err" ]
}

@test "run --json: transformers' ids, usage, finish reason, timings" {
    out=$("$percept" run $llava "Compare the pictures." --image $shapes --image $triangle -n 12 --json)
    [ "$(ids <<<"$out")" = "[42,25,182,219,296,51,205,29,87,130,4,16]" ]
    [ "$(jq -c '[.finish_reason, .usage.prompt_tokens, .usage.image_tokens, .usage.completion_tokens]' <<<"$out")" = '["length",35,18,12]' ]
    jq -e '.timings | [.load_ms, .image_ms, .prompt_ms, .decode_ms] | all(. >= 0)' <<<"$out"
    jq -e '.text | type == "string"' <<<"$out"
}

@test "run: an encoder-decoder answers as transformers does, alone, by beams and by choices" {
    for name in flan v1; do
        out=$("$percept" run tests/golden/t5/$name "What is the colour of the square?" -n 8 --json)
        [ "$(ids <<<"$out")" = "$(jq -c ".$name.greedy_ids" tests/golden/t5/expected.json)" ]
        [ "$(jq .text <<<"$out")" = "$(jq .$name.answer tests/golden/t5/expected.json)" ]
        [ "$(jq .usage.prompt_tokens <<<"$out")" -eq 21 ]
    done
    "$percept" run tests/golden/t5/flan "What is the colour?" -n 4 --decoding beams=3
    "$percept" run tests/golden/t5/flan "What is the colour?" --choice blue --choice red
}

@test "run: a connector that reads sees a picture by the question, and refuses without its tokenizer" {
    model=tests/golden/blip2/instruct
    one=$("$percept" run $model "what is the colour" --image $shapes -n 5 --json | ids)
    [ "$one" != "$("$percept" run $model "is the colour" --image $shapes -n 5 --json | ids)" ]
    cp -r $model "$BATS_TEST_TMPDIR/alone"
    rm -r "$BATS_TEST_TMPDIR/alone/qformer_tokenizer"
    refuses 3 "$percept" run "$BATS_TEST_TMPDIR/alone" "what is the colour" --image $shapes -n 5
    grep -q qformer_tokenizer "$BATS_TEST_TMPDIR/err"
}

@test "run: SmolVLM answers as transformers does, tiles and their tokens laid out by the tokenizer's own" {
    out=$("$percept" run tests/golden/smolvlm "What is the colour?" --image $shapes -n 6 --json)
    [ "$(ids <<<"$out")" = "$(jq -c .greedy_ids tests/golden/smolvlm/expected.json)" ]
    [ "$(jq .usage.prompt_tokens <<<"$out")" -eq "$(jq '.ids | length' tests/golden/smolvlm/expected.json)" ]
}

@test "run: Qwen2-VL by the hub's chat template and a tokenizer of its kind: transformers' ids" {
    out=$("$percept" run tests/golden/qwen2_vl/chat "What is the colour?" --image $shapes -n 6 --json)
    [ "$(ids <<<"$out")" = "$(jq -c .greedy_ids tests/golden/qwen2_vl/chat/expected.json)" ]
    [ "$(jq .usage.prompt_tokens <<<"$out")" -eq "$(jq '.ids | length' tests/golden/qwen2_vl/chat/expected.json)" ]
}

@test "run: old layout and prompt from standard input" {
    out=$(printf 'What is the colour?\n' | "$percept" run tests/golden/llava/old --image $shapes -n 12 --json)
    [ "$(ids <<<"$out")" = "[235,42,25,182,219,296,98,57,21,114,58,142]" ]
}

@test "run: <image> marks a place only when there are pictures" {
    marked=$("$percept" run $llava "<image>
What is the colour?" --image $shapes -n 12 --json | ids)
    [ "$marked" = "[16,198,43,239,283,142,263,42,25,182,263,42]" ]
    [ "$("$percept" run $llava "what is <image>" -n 3 --json | jq .usage.image_tokens)" -eq 0 ]
    refuses 3 "$percept" run $llava "<image> and <image>" --image $shapes -n 3
}

@test "run: sampling repeats with its seed" {
    a=$("$percept" run $llava "Is there a star?" -n 16 --temp 1.5 --top-k 40 --top-p 0.95 --min-p 0.01 --repeat-penalty 1.1 --seed 5 --json | ids)
    b=$("$percept" run $llava "Is there a star?" -n 16 --temp 1.5 --top_k 40 --top_p 0.95 --min_p 0.01 --repeat_penalty 1.1 --seed 5 --json | ids)
    c=$("$percept" run $llava "Is there a star?" -n 16 --temp 1.5 --seed 6 --json | ids)
    [ "$a" = "$b" ]
    [ "$a" != "$c" ]
}

@test "run: stop texts are cut off" {
    out=$("$percept" run $llava "What is the colour?" --image $shapes -n 12 --stop the --json)
    [ "$(jq -r .finish_reason <<<"$out")" = stop ]
    [ "$(jq '.usage.completion_tokens' <<<"$out")" -eq 7 ]
}

@test "run: greedy text is the same for 1, 2, 3, 8 threads, f32 and bf16" {
    for dtype in f32 bf16; do
        want=$("$percept" run $llava "Compare the pictures." --image $shapes --image $triangle -n 40 --dtype $dtype -t 1 --json | ids)
        for t in 2 3 8; do
            [ "$("$percept" run $llava "Compare the pictures." --image $shapes --image $triangle -n 40 --dtype $dtype -t $t --json | ids)" = "$want" ]
        done
    done
}

@test "run: refusals" {
    refuses 1 "$percept" run no/such/model hi
    refuses 1 "$percept" run $llava hi --image no/such.png
    refuses 2 "$percept" run
    refuses 2 "$percept" run $llava hi --temp -3
    refuses 2 "$percept" run $llava hi --top-p 1.5
    refuses 2 "$percept" run $llava hi --wrong 1
    refuses 2 "$percept" run $llava hi --dtype f12
    refuses 2 "$percept" run $llava hi --template vicunna
    refuses 2 "$percept" run $llava hi there
    refuses 3 "$percept" run $base hi --image $shapes
    refuses 3 "$percept" run $llava hi --image tests/cli/run.bats
    refuses 3 "$percept" run $llava "$(head -c 2000 /dev/zero | tr '\0' a)"
}

@test "run: an unknown chat template is refused, --template chooses one" {
    cp -r $base "$BATS_TEST_TMPDIR/model"
    echo '{{ odd }}' >"$BATS_TEST_TMPDIR/model/chat_template.jinja"
    refuses 3 "$percept" run "$BATS_TEST_TMPDIR/model" hi
    grep -q -- --template "$BATS_TEST_TMPDIR/err"
    "$percept" run "$BATS_TEST_TMPDIR/model" hi -n 2 --template raw
}

@test "run: the checkpoint's generation_config.json is heard" {
    cp -r $llava "$BATS_TEST_TMPDIR/model"
    plain=$("$percept" run $llava "What is the colour?" --image $shapes -n 6 --json | ids)
    [ "$plain" = "[16,198,43,239,283,142]" ]
    echo '{"eos_token_id": [2, 239], "max_new_tokens": 3}' >"$BATS_TEST_TMPDIR/model/generation_config.json"
    out=$("$percept" run "$BATS_TEST_TMPDIR/model" "What is the colour?" --image $shapes -n 6 --json)
    [ "$(ids <<<"$out")" = "[16,198,43,239]" ]
    [ "$(jq -r .finish_reason <<<"$out")" = stop ]
    [ "$("$percept" run "$BATS_TEST_TMPDIR/model" "What is the colour?" --image $shapes --json | ids)" = "[16,198,43]" ]
    echo '{"do_sample": true, "temperature": 3.0, "eos_token_id": 2}' >"$BATS_TEST_TMPDIR/model/generation_config.json"
    drawn=$("$percept" run "$BATS_TEST_TMPDIR/model" "What is the colour?" --image $shapes -n 6 --seed 1 --json | ids)
    [ "$drawn" != "$plain" ]
    [ "$("$percept" run "$BATS_TEST_TMPDIR/model" "What is the colour?" --image $shapes -n 6 --temp 0 --json | ids)" = "$plain" ]
}

@test "run: llama2.c, 200 greedy tokens, byte for byte" {
    [ -n "$PERCEPT_DATA" ] || skip "no data"
    want="$PERCEPT_DATA/weights/stories260K/expected-greedy-200.txt"
    for t in 1 3; do
        "$percept" run "$PERCEPT_DATA/weights/stories260K" "" -n 200 --temp 0 -t $t >"$BATS_TEST_TMPDIR/out"
        { cat "$want"; echo; } | cmp - "$BATS_TEST_TMPDIR/out"
    done
    "$percept" run "$PERCEPT_DATA/weights/stories260K/stories260K.bin" "" -n 200 --temp 0 >"$BATS_TEST_TMPDIR/out"
    { cat "$want"; echo; } | cmp - "$BATS_TEST_TMPDIR/out"
}

@test "run: a chat on a terminal with history, pictures, /clear, /exit; Ctrl-C leaves with 130" {
    command -v python3 >/dev/null || skip "no python3"
    python3 tests/cli/chat.py "$percept"
}

@test "show: composition, parameters, memory; JSON" {
    out=$("$percept" show $llava)
    grep -q "clip_vision_model" <<<"$out"
    grep -q "soft tokens \[9,32\]" <<<"$out"
    grep -q "llava_hf\|vicuna" <<<"$out"
    json=$("$percept" show $llava --json)
    [ "$(jq '.parameters == ([.parameters_by_part[]] | add)' <<<"$json")" = true ]
    [ "$(jq -c '[.tokens_per_image, .context, .dtype, .llm.vocabulary]' <<<"$json")" = '[9,256,"bf16",304]' ]
    [ "$(jq '.memory_bytes | .total == .weights_stored + .weights_packed + .kv_cache + .activations' <<<"$json")" = true ]
    # keys and values of 2 layers, 256 tokens, 2 heads of 8, f32
    [ "$(jq .memory_bytes.kv_cache <<<"$json")" -eq $((2 * 2 * 256 * 2 * 8 * 4)) ]
    [ "$("$percept" show $base --json | jq -r .chat_template)" = raw ]
    "$percept" show tests/golden/clip
    refuses 1 "$percept" show no/such/model
    refuses 2 "$percept" show
}

@test "show: a config.json alone, without weights" {
    cp $llava/config.json "$BATS_TEST_TMPDIR/config.json"
    alone=$("$percept" show "$BATS_TEST_TMPDIR/config.json" --json | jq .parameters)
    [ "$alone" = "$("$percept" show $llava --json | jq .parameters)" ]
    refuses 3 "$percept" show tests/golden/llava/hf/tokenizer_config.json
}

@test "eval: a table, JSON, files; the same for every number of threads" {
    "$percept" eval $llava --tasks scenes --limit 12 --max_new_tokens 4 -t 1 --output_path "$BATS_TEST_TMPDIR/a" --json >"$BATS_TEST_TMPDIR/json"
    [ "$(jq -c '.["n-samples"]' "$BATS_TEST_TMPDIR/json")" = '{"scenes":12}' ]
    [ "$(wc -l <"$BATS_TEST_TMPDIR/a/samples_scenes.jsonl")" -eq 12 ]
    "$percept" eval $llava --tasks scenes --limit 12 --max_new_tokens 4 -t 3 --output_path "$BATS_TEST_TMPDIR/b" | grep -q "^  all"
    cmp "$BATS_TEST_TMPDIR/a/results.json" "$BATS_TEST_TMPDIR/b/results.json"
    cmp "$BATS_TEST_TMPDIR/a/samples_scenes.jsonl" "$BATS_TEST_TMPDIR/b/samples_scenes.jsonl"
    jq -e '.results.scenes.asked == 12' "$BATS_TEST_TMPDIR/a/results.json"
}

@test "eval: a question file, right and wrong, with and without pictures" {
    cp $shapes "$BATS_TEST_TMPDIR/"
    first=$("$percept" run $llava "What is the colour?" --image $shapes -n 2 --json | jq .text)
    cat >"$BATS_TEST_TMPDIR/mine.jsonl" <<END
{"image": "shapes.png", "question": "What is the colour?", "answer": $first, "kind": "colour"}
{"image": "shapes.png", "question": "What is the colour?", "answer": "zzz", "kind": "colour"}
{"question": "Is there a star?", "answer": "zzz", "kind": "existence"}
END
    out=$("$percept" eval $llava --tasks "$BATS_TEST_TMPDIR/mine.jsonl" --max_new_tokens 2 --json)
    [ "$(jq -c '.results.mine | [.right, .asked, .kinds.colour.right, .kinds.existence.asked]' <<<"$out")" = "[1,3,1,1]" ]
    "$percept" eval $llava --tasks "$BATS_TEST_TMPDIR/mine.jsonl" --max_new_tokens 2 --no-images --json |
        jq -e '.configs.mine.no_images and .results.mine.asked == 3'
}

@test "eval: refusals" {
    refuses 2 "$percept" eval $llava
    refuses 2 "$percept" eval $llava --tasks sceness
    refuses 2 "$percept" eval $llava --tasks scenes,scenes
    refuses 2 "$percept" eval $llava --tasks scenes --log_samples
    refuses 2 "$percept" eval $llava --tasks scenes --batch_size 65
    refuses 1 "$percept" eval $llava --tasks no/such.jsonl
    echo '{"question": "a"}' >"$BATS_TEST_TMPDIR/bad.jsonl"
    refuses 3 "$percept" eval $llava --tasks "$BATS_TEST_TMPDIR/bad.jsonl"
    grep -q "bad.jsonl:1" "$BATS_TEST_TMPDIR/err"
    refuses 3 "$percept" eval $base --tasks scenes --limit 1
}
