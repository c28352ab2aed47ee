#!/usr/bin/env bats
# percept eval --tasks perplexity: the figures of transformers on the tiny llama, rolled windows, refusals.

setup() {
    cd "$BATS_TEST_DIRNAME/../.."
    percept="${PERCEPT:-build/release/percept}"
    base=tests/golden/llama/tied
    text="$BATS_TEST_TMPDIR/text.txt"
    printf 'The red circle is left of the blue square.\nIs there a star? No, there are three.\n' >"$text"
}

# near KEY VALUE: the figure of the last answer, to 1e-5 of it
near() { jq -e --arg key "$1" --argjson wanted "$2" '.results.perplexity[$key] / $wanted - 1 | fabs < 1e-5' <<<"$out"; }

@test "perplexity: transformers' figures, in one window and in several" {
    out=$("$percept" eval $base --tasks perplexity --data "$text" --json)
    near perplexity 2286.0788574
    near loss 7.7345934518
    [ "$(jq -c '.results.perplexity | [.tokens, .words, .bytes]' <<<"$out")" = "[63,17,81]" ]
    out=$("$percept" eval $base --tasks "perplexity:$text" -c 16 --json)
    near perplexity 1866.5356445
    out=$("$percept" eval $base --tasks perplexity --data "$text" -c 16 --limit 20 --json)
    near perplexity 1616.5979004
}

@test "perplexity_chunked: llama.cpp's figures for the same model and text" {
    for i in 1 2 3 4 5 6; do
        printf 'The %d red circles are left of the blue square.\nIs there a star? No, there are three.\n' $i
    done >"$text"
    chunked() { jq -e --argjson wanted "$1" '.results.perplexity_chunked.perplexity / $wanted - 1 | fabs < 1e-6' <<<"$out"; }
    out=$("$percept" eval $base --tasks perplexity_chunked --data "$text" -c 32 --json)
    chunked 1667.1658 # llama-perplexity -c 32 -ctk f32 -ctv f32 on the GGUF of percept convert
    [ "$(jq .results.perplexity_chunked.tokens <<<"$out")" = 180 ]
    out=$("$percept" eval $base --tasks perplexity_chunked --data "$text" -c 32 --limit 2 --json)
    chunked 2085.8501
    run "$percept" eval $base --tasks perplexity_chunked --data "$text" -c 512
    [ "$status" -eq 3 ]
    run "$percept" eval $base --tasks perplexity_chunked --data "$text" -c 3
    [ "$status" -eq 2 ]
}

@test "perplexity: the same for every number of threads" {
    "$percept" eval $base --tasks perplexity --data "$text" -t 1 --json >"$BATS_TEST_TMPDIR/a"
    "$percept" eval $base --tasks perplexity --data "$text" -t 3 --json >"$BATS_TEST_TMPDIR/b"
    cmp "$BATS_TEST_TMPDIR/a" "$BATS_TEST_TMPDIR/b"
}

@test "perplexity: refusals" {
    run "$percept" eval $base --tasks perplexity
    [ "$status" -eq 2 ]
    run "$percept" eval $base --tasks perplexity --data no/such.txt
    [ "$status" -eq 1 ]
    : >"$BATS_TEST_TMPDIR/empty"
    run "$percept" eval $base --tasks perplexity --data "$BATS_TEST_TMPDIR/empty"
    [ "$status" -eq 3 ]
}
