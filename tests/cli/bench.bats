#!/usr/bin/env bats
# percept bench, end to end: what its JSON has, refusals. The figures themselves are the machine's.

setup() {
    cd "$BATS_TEST_DIRNAME/../.."
    percept="${PERCEPT:-build/release/percept}"
    export PERCEPT_RUNS=
    llava=tests/golden/llava/hf
    base=tests/golden/llama/tied
}

refuses() {
    local expected=$1 code=0
    shift
    "$@" >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" </dev/null || code=$?
    [ "$code" -eq "$expected" ] || { echo "exit $code, expected $expected: $*"; cat "$BATS_TEST_TMPDIR/err"; return 1; }
    [ ! -s "$BATS_TEST_TMPDIR/out" ]
    [ "$(wc -l <"$BATS_TEST_TMPDIR/err")" -eq 1 ]
}

@test "bench MODEL: every test beside a limit of the same run" {
    "$percept" bench $llava -p 4,9 -n 3 -r 2 --json >"$BATS_TEST_TMPDIR/out"
    jq -e '[.results[].test] == ["pp4", "pp9", "tg3", "image 21x21", "first token, 9+21"]' \
        "$BATS_TEST_TMPDIR/out"
    jq -e '.results[0].tokens == 4 and .results[0].runs == 2 and .results[0].tokens_per_s > 0 and .results[0].fraction > 0' \
        "$BATS_TEST_TMPDIR/out"
    jq -e '.results[2].limit == "read bandwidth" and .results[2].gb_per_s > 0' "$BATS_TEST_TMPDIR/out"
    jq -e '.limits.read_gb_per_s > 0 and .limits.f32_gflops > 0 and .limits.bf16_gflops > 0' "$BATS_TEST_TMPDIR/out"
    jq -e '.peak_memory_bytes > 0 and .load_ms > 0 and .threads > 0 and .parameters > 0' "$BATS_TEST_TMPDIR/out"
}

@test "bench MODEL: several texts together, without pictures" {
    "$percept" bench $base -p 5 -n 2 -r 1 --batch 3 -t 1 --json >"$BATS_TEST_TMPDIR/out"
    jq -e '.batch == 3 and .threads == 1 and .results[0].tokens == 15 and .results[1].tokens == 6' "$BATS_TEST_TMPDIR/out"
}

@test "bench --kernels: a filter, JSON" {
    "$percept" bench --kernels --filter rope --seconds 0.01 --json | jq -e '.kernels | length > 0'
    "$percept" bench --kernels --filter "rope [4000,4" --seconds 0.01 --json | jq -e '[.kernels[].shape] == ["[4000,4,64]"]'
}

@test "bench --train: both arithmetics" {
    "${PERCEPT_PLAIN:-$percept}" bench --train --filter vlm -r 1 --json | jq -e '[.results[].test] == ["vlm-17m f32", "vlm-17m bf16"]'
}

@test "bench: refusals" {
    refuses 2 "$percept" bench
    refuses 2 "$percept" bench $base --train
    refuses 2 "$percept" bench $base -p 4,x
    refuses 2 "$percept" bench $base --dtype f8
    refuses 3 "$percept" bench $base --image 1
    refuses 1 "$percept" bench "$BATS_TEST_TMPDIR/none"
}
