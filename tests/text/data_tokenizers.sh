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

# run_cases NAME TOKENIZER CASES [ids]: each text to its ids, and the ids back to the text unless only ids are asked for
run_cases() {
    for text in "$3"/*.txt; do
        "$percept" tokenize "$2" -f "$text" >"$work/ids" 2>"$work/error" || cat "$work/error"
        check "$1 $(basename "$text" .txt)" "${text%.txt}.json" "$work/ids"
        [ "$4" = ids ] && continue
        "$percept" tokenize "$2" --decode -f "$work/ids" >"$work/back"
        check "$1 $(basename "$text" .txt) decoded" "$text" "$work/back"
    done
}

# run_pairs NAME TOKENIZER PAIRS [OPTION]: a folder with texts, NUL behind each, and their ids
run_pairs() {
    name=$1 tokenizer=$2 pairs=$3
    shift 3
    "$percept" tokenize "$tokenizer" -f "$pairs/texts" --null "$@" >"$work/ids" 2>"$work/error" || cat "$work/error"
    total=$(wc -l <"$pairs/ids")
    good=$(paste -d" " "$pairs/ids" "$work/ids" | awk '$1 == $2 { n++ } END { print n + 0 }')
    passed=$((passed + good))
    failed=$((failed + total - good))
    [ "$good" -eq "$total" ] || echo "FAILED $name: $((total - good)) of $total"
}

[ -n "$PERCEPT_DATA" ] || PERCEPT_DATA=/nonexistent

if unpack gguf-vocabs; then
    # Out of the file itself: 8 vocabularies of 47 texts each. WordPiece can't give the text back.
    for name in llama-spm phi-3 gpt-2 falcon deepseek-coder starcoder mpt bert-bge; do
        base="$work/gguf-vocabs/ggml-vocab-$name.gguf"
        python3 "$files" cases "$base.inp" "$base.out" "$work/cases-$name"
        count=$(find "$work/cases-$name" -name '*.json' | wc -l)
        [ "$count" -eq 47 ] || { echo "FAILED $name: $count pairs, expected 47"; failed=$((failed + 1)); }
        only=
        [ "$name" = bert-bge ] && only=ids
        run_cases "$name.gguf" "$base" "$work/cases-$name" $only
    done
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
    run_cases qwen.tiktoken "$base/qwen.tiktoken" "$work/cases-qwen2"
fi
if unpack sentencepiece; then
    for name in test_model test_ja_model; do
        python3 "$files" jsonl "$work/sentencepiece/expected-$name.jsonl" "$work/pairs-$name"
        run_pairs "$name" "$work/sentencepiece/$name.model" "$work/pairs-$name"
    done
fi
if unpack tiktoken; then
    base="$work/tiktoken"
    for name in r50k_base cl100k_base o200k_base; do
        python3 "$files" plans "$base/TestPlans.txt" "$name" "$work/plans-$name"
        run_pairs "$name" "$base/$name.tiktoken" "$work/plans-$name"
    done
    for pair in r50k_base:gpt2 r50k_base:r50k_base cl100k_base:gpt_3.5_turbo o200k_base:gpt_4o; do
        tr -d ' \n' <"$base/microsoft-tests/tokens_${pair#*:}.json" >"$work/expected"
        "$percept" tokenize "$base/${pair%:*}.tiktoken" -f "$base/microsoft-tests/lib.rs.txt" | tr -d '\n' >"$work/ids"
        check "$pair" "$work/expected" "$work/ids"
    done
fi
if [ -e "$PERCEPT_DATA/tokenizers/clip/expected.jsonl" ]; then
    python3 "$files" clip "$PERCEPT_DATA/tokenizers/clip/bpe_simple_vocab_16e6.txt.gz" "$work/clip"
    python3 "$files" jsonl "$PERCEPT_DATA/tokenizers/clip/expected.jsonl" "$work/pairs-clip"
    run_pairs clip "$work/clip" "$work/pairs-clip" --special
else
    echo "skipped: no clip"
    skipped=$((skipped + 1))
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
