#!/usr/bin/env bats
# Types of the KV cache: run, show, eval, bench. PERCEPT = the program.

setup() {
    cd "$BATS_TEST_DIRNAME/../.."
    percept="${PERCEPT:-build/release/percept}"
    model=tests/golden/llama/tied
    types="f32 f16 bf16 q8_0 q4_0"
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

@test "show: the memory of every type, as ggml counts its blocks" {
    layers=$("$percept" show $model --json | jq .llm.layers)
    for pair in "f32 128" "f16 64" "bf16 64" "q8_0 34" "q4_0 18"; do
        set -- $pair # of 32 numbers, as a key of this model has
        [ "$("$percept" show $model -c 128 -ctk $1 -ctv $1 --json | jq .memory_bytes.kv_cache)" -eq $((2 * layers * 128 * $2)) ]
    done
    "$percept" show $model -ctk q8_0 -ctv q4_0 | grep -q "KV cache .* q8_0 and q4_0"
    [ "$("$percept" show $model -ctk q8_0 --json | jq -r '.memory_bytes | .cache_type_k + .cache_type_v')" = q8_0f32 ]
}

@test "run: each type gives the same answer for any number of threads" {
    for type in $types; do
        one=$("$percept" run $model "Once upon a time" -n 24 --template raw -ctk $type -ctv $type -t 1 --json | jq -c .ids)
        [ "$one" = "$("$percept" run $model "Once upon a time" -n 24 --template raw --cache-type-k $type --cache-type-v $type -t 2 --json | jq -c .ids)" ]
    done
}

@test "run: keys through a Hadamard matrix: the same answer in f32" {
    [ "$("$percept" run $model "Once upon a time" -n 24 --template raw -khad --json | jq -c .ids)" = \
      "$("$percept" run $model "Once upon a time" -n 24 --template raw --json | jq -c .ids)" ]
    "$percept" run $model "Once upon a time" -n 24 --template raw -khad -ctk q4_0 -ctv q8_0
    refuses 3 "$percept" show tests/golden/t5/flan -khad
}

@test "eval: side by side as one after the other, and perplexity near that of f32" {
    tiny=models/percept-tiny
    for type in q8_0 q4_0; do
        one=$("$percept" eval $tiny --tasks scenes --limit 12 -ctk $type -ctv $type --json | jq -c '.results.scenes')
        [ "$one" = "$("$percept" eval $tiny --tasks scenes --limit 12 -ctk $type -ctv $type --batch_size 4 --json | jq -c '.results.scenes')" ]
    done
    yes "The picture shows a large red circle and two small stars." | head -60 >"$BATS_TEST_TMPDIR/text"
    exact=$("$percept" eval $tiny --tasks perplexity --data "$BATS_TEST_TMPDIR/text" --json | jq .results.perplexity.loss)
    for pair in "f16 0.001" "q8_0 0.01" "q4_0 0.1"; do
        set -- $pair
        "$percept" eval $tiny --tasks perplexity --data "$BATS_TEST_TMPDIR/text" -ctk $1 -ctv $1 --json |
            jq -e --argjson exact "$exact" --argjson most $2 '.results.perplexity.loss - $exact | fabs <= $most'
    done
}

@test "bench: tells types and memory, decodes behind a depth" {
    "$percept" bench $model -p 16 -n 4 --depth 8 -r 1 -ctk q8_0 -ctv q4_0 --json |
        jq -e '.cache_type_k == "q8_0" and .cache_type_v == "q4_0" and .kv_cache_bytes > 0 and (.results | any(.test == "tg4 @ 8"))'
}

@test "run: with a window a text goes on behind the context it was made for, in the same memory, for any number of threads" {
    run=("$percept" run $model "Once upon a time" --template raw -c 1000 --window 60 --sinks 4 -n 400 --json --temp 1 --seed 4)
    one=$("${run[@]}" -t 1 | jq -c .ids)
    [ "$(jq length <<<"$one")" -eq 400 ]
    [ "$one" = "$("${run[@]}" -t 2 | jq -c .ids)" ]
    [ "$one" != "$("${run[@]}" --sinks 0 | jq -c .ids)" ]
    [ "$one" = "$("${run[@]}" --decoding draft=ngram | jq -c .ids)" ]
    few=$("$percept" show $model -c 10000 --window 60 --json | jq .memory_bytes.kv_cache)
    [ "$few" -eq "$("$percept" show $model -c 1000000 --window 60 --json | jq .memory_bytes.kv_cache)" ]
    refuses 2 "$percept" run $model x --template raw --sinks 4
    grep -q "needs --window" "$BATS_TEST_TMPDIR/err"
    refuses 3 "$percept" show tests/golden/decoders/mpt --window 20
    refuses 2 "$percept" run $model x --template raw --window 20 --choice a --choice b
}

@test "refused: types that no cache has, keys that are no whole blocks, an endpoint" {
    refuses 2 "$percept" run $model x -ctk q6_k
    grep -q "expected f32, f16, bf16, q8_0 or q4_0" "$BATS_TEST_TMPDIR/err"
    refuses 3 "$percept" show tests/golden/decoders/mistral -ctv q8_0
    grep -q "values of 8 numbers are no whole blocks of q8_0" "$BATS_TEST_TMPDIR/err"
    refuses 2 "$percept" eval m --model openai --base_url http://127.0.0.1:1/v1 --tasks scenes --limit 1 -ctk q8_0
}
