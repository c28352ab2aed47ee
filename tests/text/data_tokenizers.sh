#!/bin/sh
# Tokenizers against published ids. usage: data_tokenizers.sh [PERCEPT], with PERCEPT_DATA the folder of test data.
# Ends in a line "N passed, N failed, N skipped"; exit code 1 when anything failed.
percept=${1:-build/release/percept}
here=$(cd "$(dirname "$0")" && pwd)
files="$here/../oracle/tokenizer_files.py"
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
passed=0 failed=0 skipped=0

# check NAME EXPECTED-FILE FOUND-FILE
check() {
    if cmp -s "$2" "$3"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED $1: expected $(head -c 200 "$2"), found $(head -c 200 "$3")"
    fi
}

# unpack NAME: the folder of tokenizers/NAME.zip, or counts a skip
unpack() {
    if [ ! -e "$PERCEPT_DATA/tokenizers/$1.zip" ]; then
        echo "skipped: no $1.zip"
        skipped=$((skipped + 1))
        return 1
    fi
    mkdir -p "$work/$1" && unzip -qo "$PERCEPT_DATA/tokenizers/$1.zip" -d "$work/$1"
}

# run_cases NAME TOKENIZER CASES: each text to its ids, and the ids back to the text
run_cases() {
    for text in "$3"/*.txt; do
        "$percept" tokenize "$2" -f "$text" >"$work/ids" 2>"$work/error" || cat "$work/error"
        check "$1 $(basename "$text" .txt)" "${text%.txt}.json" "$work/ids"
        "$percept" tokenize "$2" --decode -f "$work/ids" >"$work/back"
        check "$1 $(basename "$text" .txt) decoded" "$text" "$work/back"
    done
}

[ -n "$PERCEPT_DATA" ] || PERCEPT_DATA=/nonexistent

if unpack gguf-vocabs; then
    for name in llama-spm gpt-2 mpt; do
        base="$work/gguf-vocabs/ggml-vocab-$name.gguf"
        python3 "$files" gguf "$base" "$work/$name" && python3 "$files" cases "$base.inp" "$base.out" "$work/cases-$name"
        run_cases "$name" "$work/$name" "$work/cases-$name"
    done
    if unpack gpt2-bpe; then
        run_cases gpt2-bpe "$work/gpt2-bpe" "$work/cases-gpt-2"
    fi
fi
if unpack qwen-tiktoken; then
    base="$work/qwen-tiktoken"
    python3 "$files" tiktoken "$base/qwen.tiktoken" "$work/qwen2.json" qwen2
    python3 "$files" cases "$base/ggml-vocab-qwen2.gguf.inp" "$base/ggml-vocab-qwen2.gguf.out" "$work/cases-qwen2"
    run_cases qwen2 "$work/qwen2.json" "$work/cases-qwen2"
fi

stories="$PERCEPT_DATA/weights/stories260K"
if [ -e "$stories/tok512.bin" ]; then
    # The published output of the model is plain text: through ids and back it must stay the same.
    "$percept" tokenize "$stories" -f "$stories/expected-greedy-200.txt" >"$work/ids"
    "$percept" tokenize "$stories" --decode -f "$work/ids" >"$work/back"
    check stories260K "$stories/expected-greedy-200.txt" "$work/back"
else
    echo "skipped: no stories260K"
    skipped=$((skipped + 1))
fi

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
