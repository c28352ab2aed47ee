#!/usr/bin/env bats
# percept convert, end to end: files where they are said to be, the same answers, exit codes.

setup() {
    cd "$BATS_TEST_DIRNAME/../.."
    percept="${PERCEPT:-build/release/percept}"
    llava=tests/golden/llava/hf
    shapes=tests/golden/llava/shapes.png
    out="$BATS_TEST_TMPDIR"
}

refuses() {
    local expected=$1 code=0
    shift
    "$@" >"$out/out" 2>"$out/err" </dev/null || code=$?
    [ "$code" -eq "$expected" ] || { echo "exit $code, expected $expected: $*"; cat "$out/err"; return 1; }
    [ "$(wc -l <"$out/err")" -eq 1 ]
}

@test "convert: a directory becomes two files that answer alike, and a directory again" {
    "$percept" convert $llava "$out/new/m.gguf" --type f32
    [ -s "$out/new/m.gguf" ]
    [ -s "$out/new/mmproj-m.gguf" ]
    "$percept" convert "$out/new/m.gguf" "$out/back"
    first=$("$percept" run $llava "What is the colour?" --image $shapes -n 8 --json | jq -c .ids)
    [ "$("$percept" run "$out/new/m.gguf" "What is the colour?" --image $shapes -n 8 --json | jq -c .ids)" = "$first" ]
    [ "$("$percept" run "$out/back" "What is the colour?" --image $shapes -n 8 --json | jq -c .ids)" = "$first" ]
    [ "$(jq -r .architectures[0] "$out/back/config.json")" = LlavaForConditionalGeneration ]
}

@test "convert: the vision side goes where --mmproj says, or nowhere" {
    "$percept" convert $llava "$out/m.gguf" --type q8_0 --mmproj "$out/eyes.gguf"
    [ -s "$out/eyes.gguf" ]
    [ ! -e "$out/mmproj-m.gguf" ]
    "$percept" run "$out/m.gguf" "What?" --image $shapes -n 1 --mmproj "$out/eyes.gguf"
    "$percept" convert $llava "$out/blind.gguf" --mmproj none
    [ ! -e "$out/mmproj-blind.gguf" ]
    "$percept" convert tests/golden/llama/tied "$out/text.gguf"
    [ ! -e "$out/mmproj-text.gguf" ]
}

@test "mmproj: every command that takes a model takes its vision side" {
    "$percept" convert $llava "$out/m.gguf" --type f32 --mmproj "$out/eyes.gguf"
    "$percept" show "$out/m.gguf" --mmproj "$out/eyes.gguf" --json | jq -e .encoder >/dev/null
    [ "$("$percept" show "$out/m.gguf" --json | jq .encoder)" = null ]
    "$percept" trace "$out/m.gguf" --mmproj "$out/eyes.gguf" --image $shapes --prompt "<image>" -o "$out/t.safetensors"
    "$percept" bench "$out/m.gguf" --mmproj "$out/eyes.gguf" -p 4 -n 1 -r 1 --image 1 --json | jq -e '[.results[].test] | any(test("image"))'
    "$percept" verify "$out/m.gguf" --mmproj "$out/eyes.gguf" --json >"$out/v" 2>/dev/null || true
    jq -e .stages "$out/v"
    "$percept" eval "$out/m.gguf" --mmproj "$out/eyes.gguf" --tasks scenes --limit 1 --max-new-tokens 1 --json | jq -e .results.scenes
    refuses 1 "$percept" show "$out/m.gguf" --mmproj "$out/nothing.gguf"
}

@test "convert: what is refused" {
    refuses 2 "$percept" convert $llava "$out/m.gguf" --type q3
    refuses 2 "$percept" convert $llava "$out/dir" --type q4_0
    refuses 2 "$percept" convert tests/golden/gguf/qwen2.gguf "$out/m.gguf"
    refuses 3 "$percept" convert tests/golden/blip2/opt "$out/m.gguf"
    refuses 1 "$percept" convert "$out/nothing" "$out/m.gguf"
    [ ! -e "$out/m.gguf" ]
}

@test "run: quantised weights are multiplied in 8 bits unless f32 is asked for, plain ones in f32" {
    "$percept" convert models/percept-tiny "$out/tiny.gguf" --type q8_0
    said() {
        "$percept" run "$1" "What is this?" --mmproj none --temp 0 -n 5 --logprobs 1 --json "${@:2}" | jq -c .logprobs
    }
    first=$(said "$out/tiny.gguf")
    [ "$first" = "$(said "$out/tiny.gguf" --dtype bf16)" ]
    [ "$first" != "$(said "$out/tiny.gguf" --dtype f32)" ]
    "$percept" convert models/percept-tiny "$out/plain.gguf" --type f16
    [ "$(said "$out/plain.gguf")" = "$(said "$out/plain.gguf" --dtype f32)" ]
}
