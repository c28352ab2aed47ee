#!/usr/bin/env bats
# percept tokenize, end to end: every kind of file, options, exit codes.

setup() {
    cd "$BATS_TEST_DIRNAME/../.."
    percept="${PERCEPT:-build/release/percept}"
    golden=tests/golden/text
}

# Exit code, one line on stderr with a word in it, nothing on stdout.
refuses() {
    local expected=$1 word=$2 code=0
    shift 2
    "$@" >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" </dev/null || code=$?
    [ "$code" -eq "$expected" ] || { echo "exit $code, expected $expected: $*"; cat "$BATS_TEST_TMPDIR/err"; return 1; }
    [ ! -s "$BATS_TEST_TMPDIR/out" ]
    [ "$(wc -l <"$BATS_TEST_TMPDIR/err")" -eq 1 ]
    grep -q -- "$word" "$BATS_TEST_TMPDIR/err"
}

@test "tokenize: ids as one JSON array on a line, and back" {
    for file in qwen2.json llama.json llama.model llama2c.bin kinds/o200k.json kinds/unigram.model; do
        ids=$("$percept" tokenize $golden/$file "The quick fox")
        jq -e 'type == "array" and length > 0' <<<"$ids"
        [ "$("$percept" tokenize $golden/$file --decode <<<"$ids")" = "The quick fox" ]
    done
}

@test "tokenize: the text as an argument, a file, standard input" {
    printf 'the dog' >"$BATS_TEST_TMPDIR/text"
    want=$("$percept" tokenize $golden/qwen2.json "the dog")
    [ "$("$percept" tokenize $golden/qwen2.json -f "$BATS_TEST_TMPDIR/text")" = "$want" ]
    [ "$("$percept" tokenize $golden/qwen2.json --file="$BATS_TEST_TMPDIR/text")" = "$want" ]
    [ "$("$percept" tokenize $golden/qwen2.json -f - <"$BATS_TEST_TMPDIR/text")" = "$want" ]
    [ "$("$percept" tokenize $golden/qwen2.json <"$BATS_TEST_TMPDIR/text")" = "$want" ]
}

@test "tokenize: lines, and texts that end with NUL" {
    one=$("$percept" tokenize $golden/qwen2.json a) two=$("$percept" tokenize $golden/qwen2.json "b c")
    [ "$(printf 'a\nb c\n' | "$percept" tokenize $golden/qwen2.json --lines)" = "$one"$'\n'"$two" ]
    printf 'a\0b\nc\0' | "$percept" tokenize $golden/qwen2.json --null >"$BATS_TEST_TMPDIR/ids"
    [ "$(head -n 1 "$BATS_TEST_TMPDIR/ids")" = "$one" ]
    [ "$("$percept" tokenize $golden/qwen2.json --decode --null -f "$BATS_TEST_TMPDIR/ids" | od -An -tx1 | tr -d ' ')" = 6100620a6300 ]
}

@test "tokenize: control tokens on request only" {
    plain=$("$percept" tokenize $golden/qwen2.json "<s>")
    [ "$plain" != "[1]" ]
    [ "$("$percept" tokenize $golden/qwen2.json "<s>" --parse-special)" = "[1]" ]
    [ "$("$percept" tokenize $golden/qwen2.json "<s>" --parse_special)" = "[1]" ]
    "$percept" tokenize $golden/qwen2.json a --special | jq -e '.[0] == 1 and .[-1] == 2'
    [ "$("$percept" tokenize $golden/qwen2.json --decode --special <<<'[1,2]')" = "<s></s>" ]
    [ "$("$percept" tokenize $golden/qwen2.json --decode <<<'[1,2]')" = "" ]
}

@test "tokenize: a text that begins with a dash stands behind --" {
    [ "$("$percept" tokenize $golden/qwen2.json -- --lines)" = "$(printf %s --lines | "$percept" tokenize $golden/qwen2.json)" ]
}

@test "tokenize: a folder, and vocab.txt" {
    printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' the do '##g' , >"$BATS_TEST_TMPDIR/vocab.txt"
    [ "$("$percept" tokenize "$BATS_TEST_TMPDIR" "The dog, cat" --special)" = "[2,5,6,7,8,1,3]" ]
    [ "$("$percept" tokenize "$BATS_TEST_TMPDIR/vocab.txt" --decode <<<'[2,5,6,7,8,3]')" = "the dog," ]
}

@test "tokenize: wrong use is 2, wrong data is 3, nothing there is 1" {
    refuses 2 "usage" "$percept" tokenize
    refuses 2 "not both" "$percept" tokenize $golden/qwen2.json text -f file
    refuses 2 "exclude" "$percept" tokenize $golden/qwen2.json text --lines --null
    refuses 2 "lins" "$percept" tokenize $golden/qwen2.json text --lins
    refuses 2 "unexpected" "$percept" tokenize $golden/qwen2.json two texts
    refuses 1 "nowhere" "$percept" tokenize "$BATS_TEST_TMPDIR/nowhere" text
    refuses 1 "nowhere" "$percept" tokenize $golden/qwen2.json -f "$BATS_TEST_TMPDIR/nowhere"
    echo '{"model":{"type":"Neural"}}' >"$BATS_TEST_TMPDIR/tokenizer.json"
    refuses 3 "Neural" "$percept" tokenize "$BATS_TEST_TMPDIR/tokenizer.json" text
    echo '[1,2' >"$BATS_TEST_TMPDIR/ids"
    refuses 3 "line 1" "$percept" tokenize $golden/qwen2.json --decode -f "$BATS_TEST_TMPDIR/ids"
    echo '[1,99999]' >"$BATS_TEST_TMPDIR/ids"
    refuses 3 "99999" "$percept" tokenize $golden/qwen2.json --decode -f "$BATS_TEST_TMPDIR/ids"
    echo '["a"]' >"$BATS_TEST_TMPDIR/ids"
    refuses 3 "item 0" "$percept" tokenize $golden/qwen2.json --decode -f "$BATS_TEST_TMPDIR/ids"
}
