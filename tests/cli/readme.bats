#!/usr/bin/env bats
# Every line of the README's "ten lines" works as written. Uses the release build, for they measure and train.

setup() {
    top=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
    # The lines write below out/: they run in a folder of their own that sees the repository.
    cd "$BATS_TEST_TMPDIR"
    for name in build recipes models tests; do
        ln -s "$top/$name" .
    done
}

# The commands of a README, one a line. The kernel benchmark takes a minute and has a test of its own.
lines_of() {
    awk '/^## /{ part++ } part == 2 && /^percept / && !/^percept bench/' "$top/$1"
}

@test "README: both languages show the same lines, about ten" {
    diff <(lines_of README.md) <(lines_of README.zh-CN.md)
    [ "$(lines_of README.md | wc -l)" -ge 8 ]
}

@test "README: each line runs" {
    [ -e "$top/models/percept-tiny/config.json" ] || skip "models/percept-tiny is not there"
    [ -x "$top/build/release/percept" ] || skip "no release build"
    export PATH="$PWD/build/release:$PATH"
    while IFS= read -r line; do
        bash -c "$line" >out.txt 2>err.txt </dev/null || { echo "$line"; cat err.txt; return 1; }
        [ -s out.txt ] || [ "${line#*--out }" != "$line" ] || { echo "no output: $line"; return 1; }
    done < <(lines_of README.md)
}

@test "README: every file it links to is there" {
    for page in README.md README.zh-CN.md CONTRIBUTING.md docs/decisions/README.md docs/survey/README.md; do
        for target in $(grep -o '](\([^)#]*\)' "$top/$page" | cut -c3- | grep -v '^http'); do
            [ -e "$top/$(dirname $page)/$target" ] || { echo "$page: no $target"; return 1; }
        done
    done
}
