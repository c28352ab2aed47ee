#!/bin/sh
# Prompts of CogVLM, CogAgent, IDEFICS-1 and OpenFlamingo by real vocabularies. usage: data_prompts.sh [PERCEPT], with PERCEPT_DATA the
# folder of test data; the test program prompt_test_real_prompts lies beside PERCEPT.
# Ends in a line "N passed, N failed, N skipped"; exit code 1 when anything failed.
program=$(dirname "${1:-build/release/percept}")/prompt_test_real_prompts
files=$(cd "$(dirname "$0")" && pwd)/../oracle/tokenizer_files.py
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
archive=${PERCEPT_DATA:-/nonexistent}/tokenizers/gguf-vocabs.zip
if [ ! -e "$archive" ]; then
    echo "skipped: no gguf-vocabs.zip"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
fi
unzip -qo "$archive" -d "$work/gguf" || exit 1
python3 "$files" gguf "$work/gguf/ggml-vocab-llama-spm.gguf" "$work/llama"
python3 "$files" gguf "$work/gguf/ggml-vocab-mpt.gguf" "$work/mpt"
if PERCEPT_VOCABULARIES=$work "$program" >"$work/log" 2>&1 && grep -q ' prompts$' "$work/log"; then
    echo "1 passed, 0 failed, 0 skipped"
else
    cat "$work/log"
    echo "0 passed, 1 failed, 0 skipped"
    exit 1
fi
