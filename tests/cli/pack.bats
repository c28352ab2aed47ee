#!/usr/bin/env bats
# percept pack, and models that lie packed; --pin. PERCEPT = the program.

setup() {
    cd "$BATS_TEST_DIRNAME/../.."
    percept="${PERCEPT:-build/release/percept}"
    model="$BATS_TEST_TMPDIR/model"
    cp -r tests/golden/llava/hf "$model"
    ask=("$percept" run "$model" "What is the colour?" --image tests/golden/llava/shapes.png -n 6 --json)
}

ids() { jq -c .ids; }

@test "pack: the same answers from what lies beside the model, for its type alone" {
    exact=$("${ask[@]}" | ids)
    rough=$("${ask[@]}" --dtype bf16 | ids)
    "$percept" pack "$model" | grep -q "packed-.*-f32.safetensors: [0-9]* parameters"
    "$percept" pack "$model" --dtype bf16
    [ "$(ls "$model" | grep -c "^packed-.*-\(f32\|bf16\).safetensors$")" -eq 2 ]
    [ "$("${ask[@]}" -t 1 2>&1 | ids)" = "$exact" ] # nothing on stderr
    [ "$("${ask[@]}" -t 2 2>&1 | ids)" = "$exact" ]
    [ "$("${ask[@]}" --dtype bf16 2>&1 | ids)" = "$rough" ]
}

@test "pack: made of other weights: told, and not used" {
    "$percept" pack "$model"
    printf "\1" | dd of="$model/model.safetensors" bs=1 seek=$(($(stat -c %s "$model/model.safetensors") - 3)) conv=notrunc 2>/dev/null
    with=$("${ask[@]}" 2>"$BATS_TEST_TMPDIR/err" | ids)
    grep -q "made of other weights; .percept pack. makes it anew" "$BATS_TEST_TMPDIR/err"
    rm "$model"/packed-*
    [ "$with" = "$("${ask[@]}" | ids)" ]
    head -c 1000 /dev/zero >"$("$percept" pack "$model" | cut -d: -f1)"
    [ "$with" = "$("${ask[@]}" 2>"$BATS_TEST_TMPDIR/err" | ids)" ]
    grep -q "laid out as without it" "$BATS_TEST_TMPDIR/err"
}

@test "pack: a file of its own beside a GGUF; blocks have nothing to pack" {
    cp tests/golden/gguf/qwen2.gguf "$BATS_TEST_TMPDIR/m.gguf"
    "$percept" pack "$BATS_TEST_TMPDIR/m.gguf"
    [ -s "$BATS_TEST_TMPDIR"/m.gguf.packed-*-f32.safetensors ]
    "$percept" convert models/percept-tiny "$BATS_TEST_TMPDIR/f.gguf" --type f32 --mmproj "$BATS_TEST_TMPDIR/eyes.gguf" >/dev/null
    "$percept" quantize "$BATS_TEST_TMPDIR/f.gguf" "$BATS_TEST_TMPDIR/q.gguf" --type q8_0 >/dev/null
    "$percept" pack "$BATS_TEST_TMPDIR/q.gguf" --mmproj none | grep -q "nothing to pack"
    [ "$(ls "$BATS_TEST_TMPDIR" | grep -c "^q.gguf")" -eq 1 ]
}

@test "pin: the same answers" {
    exact=$("${ask[@]}" | ids)
    for threads in 1 2 5; do
        [ "$("${ask[@]}" --pin -t $threads | ids)" = "$exact" ]
    done
    "$percept" bench tests/golden/llama/tied -p 8 -n 2 -r 1 --pin --json | jq -e .results
    [ "$("$percept" eval "$model" --tasks scenes --limit 2 --pin --json | jq -c .results.scenes.accuracy)" = \
      "$("$percept" eval "$model" --tasks scenes --limit 2 --json | jq -c .results.scenes.accuracy)" ]
}
