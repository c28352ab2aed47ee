#!/bin/sh
# `percept run` with the real tokenizer of a published model beside tiny weights: the chat layout and a picture's slots.
# usage: data_run.sh [PERCEPT], with PERCEPT_DATA the folder of test data. Ends in a line "N passed, N failed, N skipped"; exit code 1
# when anything failed.
percept=${1:-build/release/percept}
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
passed=0 failed=0
if [ ! -e "${PERCEPT_DATA:-}/tokenizers/qwen-tiktoken.zip" ]; then
    echo "skipped: no data (PERCEPT_DATA has no tokenizers/qwen-tiktoken.zip)"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
fi

# same NAME EXPECTED FOUND
same() {
    if [ "$2" = "$3" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED $1: expected $2, found $3"
    fi
}

# Qwen-VL-Chat: ChatML, each picture "Picture N: <img>", its slots, "</img>" and a line feed. Two slots a picture stand for the 256.
python3 "$here/../oracle/real_tokenizer.py" qwen_vl "$here/../golden/qwen_vl/chat" "$work/qwen" || failed=$((failed + 1))
unzip -qo "$PERCEPT_DATA/tokenizers/qwen-tiktoken.zip" qwen.tiktoken -d "$work/qwen"
picture="$here/../golden/llava/shapes.png"
system=151644,8948,198,2610,525,264,10950,17847,13,151645,198
user=151644,872,198
shown=24669,220,16,25,220,151857,151859,151859,151858,198
asked=3838,374,432,30,151645,198,151644,77091,198
text='<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\nPicture 1: <img><imgpad><imgpad></img>\nWhat is it?<|im_end|>\n<|im_start|>assistant\n'
# shellcheck disable=SC2059 # the line feeds are the text's
printf "$text" | "$percept" tokenize "$work/qwen" --parse-special >"$work/ids"
same "qwen_vl: the prompt's ids" "[$system,$user,$shown,$asked]" "$(cat "$work/ids")"

# tokens PICTURES: of the prompt that run lays out
tokens() {
    set -- $(seq "$1" | sed "s|.*|--image $picture|")
    "$percept" run "$work/qwen" "What is it?" "$@" -n 2 --temp 0 --json 2>"$work/error" | sed 's/.*"prompt_tokens": \([0-9]*\).*/\1/'
}
# 11 + 3 tokens open, 9 close, and a picture of this fixture has four slots: 12 tokens with what stands round them.
same "qwen_vl: no picture" 23 "$(tokens 0)"
same "qwen_vl: one picture" 35 "$(tokens 1)"
same "qwen_vl: two pictures" 47 "$(tokens 2)"
echo "$passed passed, $failed failed, 0 skipped"
[ $failed -eq 0 ]
