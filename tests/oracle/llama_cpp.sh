#!/bin/bash
# What percept convert writes, in llama.cpp: the same greedy texts and the same perplexities; and what llama.cpp writes, here.
# usage: llama_cpp.sh BIN STORIES OUT     BIN: folder of llama-cli, llama-quantize, llama-perplexity; STORIES: of stories260K.bin
# PERCEPT = the program; TYPES = types of llama-quantize. Prints one line for each comparison; exit code 1 when one differs.
set -u
bin=$1 stories=$2 out=$3
percept=${PERCEPT:-build/release/percept}
tiny=models/percept-tiny
bad=0
mkdir -p "$out"

# say NAME RESULT: RESULT = same, or anything else
say() { echo "$1: $2"; [ "${2%% *}" = same ] || bad=1; }

# theirs MODEL PROMPT N: the text of N greedy tokens
theirs() { "$bin/llama-cli" -m "$1" -p "$2" -n "$3" --temp 0 -no-cnv --no-display-prompt -t 1 --simple-io 2>/dev/null </dev/null | tr -d '\n' | sed 's/ \[end of text\]$//'; }
ours() { "$percept" run "$1" "$2" -n "$3" --temp 0 --template raw -t 1 --mmproj none | tr -d '\n'; }

# greedy NAME MODEL N PROMPT...
greedy() {
    local name=$1 model=$2 n=$3 same=0 all=0
    shift 3
    for prompt; do
        all=$((all + 1))
        [ "$(theirs "$model" "$prompt" "$n")" = "$(ours "$model" "$prompt" "$n")" ] && same=$((same + 1))
    done
    [ $same -eq $all ] && say "$name" "same texts for $all prompts of $n tokens" || say "$name" "$same of $all texts are the same"
}

for type in f32 f16; do
    "$percept" convert "$stories/stories260K.bin" "$out/stories-$type.gguf" --type $type >/dev/null
    greedy "stories260K $type" "$out/stories-$type.gguf" 64 "Once upon a time" "The little dog" "Lily and Tom" "One day" "A big red ball"
    "$percept" convert $tiny "$out/tiny-$type.gguf" --type $type --mmproj "$out/eyes-$type.gguf" >/dev/null
    greedy "percept-tiny $type" "$out/tiny-$type.gguf" 24 "The picture shows" "A large red" "Two small stars and" "There is no" "The color of the"
done

# perplexity NAME MODEL TEXT CHUNK
perplexity() {
    local a b dtype=bf16 # where blocks are the one factor, both programs round the other to 8 bits
    case $1 in *" F16"* | *" BF16"* | *" f16"*) dtype=f32 ;; esac
    a=$("$bin/llama-perplexity" -m "$2" -f "$3" -c "$4" -b "$4" -t 1 2>&1 | sed -n 's/.*PPL = \([0-9.]*\).*/\1/p')
    b=$("$percept" eval "$2" --mmproj none --tasks perplexity_chunked --data "$3" -c "$4" --dtype "${DTYPE:-$dtype}" -t 1 --json |
        jq .results.perplexity_chunked.perplexity)
    say "perplexity of $1" "$(awk -v a="$a" -v b="$b" 'BEGIN {d = (b / a - 1) * 100
        printf "%s (llama.cpp %s, percept %.4f, %+.4f %%)", d < 0.1 && d > -0.1 ? "same" : "other", a, b, d}')"
}

# The decoder's own text, so that it is neither sure nor lost: draws at temperature 1 until there is enough.
seed=0
[ -s "$out/own.txt" ] || while [ "$(wc -c <"$out/own.txt.part" 2>/dev/null || echo 0)" -lt 200000 ]; do
    seed=$((seed + 1))
    "$percept" run "$out/tiny-f32.gguf" The --mmproj none --template raw --temp 1 --top-k 0 --top-p 1 --seed $seed -n 400 -t 1 \
        >>"$out/own.txt.part" 2>/dev/null
done
[ -s "$out/own.txt" ] || mv "$out/own.txt.part" "$out/own.txt"
if [ -n "${TEXT:-}" ]; then
    perplexity "stories260K f16" "$out/stories-f16.gguf" "$TEXT" 512
fi
for type in ${TYPES-F16 BF16 Q8_0 Q4_0 Q4_1 Q5_0 Q5_1 Q2_K Q3_K_S Q4_K_S Q5_K_S Q6_K IQ4_NL IQ4_XS}; do
    "$bin/llama-quantize" "$out/tiny-f32.gguf" "$out/q-$type.gguf" "$type" 1 >/dev/null 2>&1
    perplexity "percept-tiny $type, as llama.cpp quantised it" "$out/q-$type.gguf" "$out/own.txt" 256
done
exit $bad
