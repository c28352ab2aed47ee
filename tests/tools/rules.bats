#!/usr/bin/env bats
# The rules of the source find what they are there for: each test breaks one in a small tree of its own.

setup() {
    top=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
    cd "$BATS_TEST_TMPDIR"
    mkdir -p src/base src/text src/media include tests
    cp -r "$top/tools" .
    cp "$top/src/LAYERS" src/
    echo '#include <stddef.h>' >src/base/a.h
    printf '#include "base/a.h"\n' >src/text/b.c
}

# finds PATTERN TOOL: the tool fails and says so
finds() {
    run "tools/$2"
    echo "$output"
    [ "$status" -ne 0 ]
    [[ $output =~ $1 ]]
}

@test "layers: a clean tree passes" {
    tools/check_layers | tail -n 1 | grep -x '2 passed, 0 failed, 0 skipped'
}

@test "layers: higher ranks, siblings, bare names, unknown folders, source files" {
    echo '#include "text/x.h"' >src/base/c.c
    finds 'src/base/c.c:1: base \(rank 0\) includes text/x.h' check_layers
    rm src/base/c.c
    printf '\n#include "media/x.h"\n' >src/text/c.c
    finds 'src/text/c.c:2: text \(rank 1\) includes media' check_layers
    echo '#include "b.h"' >src/text/c.c
    finds 'src/text/c.c:1: written "b.h"' check_layers
    echo '#include "nowhere/b.h"' >src/text/c.c
    finds 'has no rank' check_layers
    echo '#include "base/a.c"' >src/text/c.c
    finds 'includes a source file' check_layers
}

@test "sizes: more than a thousand lines" {
    yes '/* */' | head -n 1001 >src/text/long.c
    finds 'src/text/long.c:1001: error' check_sizes
    printf 'src/text/long.c a table\n' >>tools/sizes_exempt
    tools/check_sizes | tail -n 1 | grep -x '2 passed, 0 failed, 1 skipped'
}

@test "headers: one that needs another" {
    echo 'size_t f(void);' >src/text/h.h
    finds 'src/text/h.h:1: does not compile alone' check_headers
}

@test "words: folders of one machine, mirrors, unfinished work" {
    git init -q . && git add -A
    tools/check_words
    printf '/* see %s */\n' "/wor""k/main" >src/text/b.c
    finds 'names a folder' check_words
    printf '/* TO%s: all of it */\n' DO >src/text/b.c
    finds 'unfinished' check_words
}

@test "symbols: a library that may end its caller" {
    printf '#include <stdlib.h>\nvoid f(void);\nvoid f(void) { abort(); }\n' >src/text/b.c
    mkdir -p build/x
    cc -c -o build/x/b.o src/text/b.c
    ar rc build/x/libpercept.a build/x/b.o
    run tools/check_symbols build/x
    echo "$output"
    [ "$status" -ne 0 ]
    [[ $output =~ "refers to abort" ]]
}

@test "counting: passed, failed, skipped and dead programs" {
    run tools/count_tests <<'END'
1: [ RUN      ] a
1: [       OK ] a
1: [  FAILED  ] b
1: [  SKIPPED ] c
1: [==========] 3 test(s) run.
1: [  PASSED  ] 1 test(s).
1: [  SKIPPED ] c
1: [  FAILED  ] b
1/3 Test #1: x/test_y ......................***Failed    0.22 sec
2/3 Test #2: x/dead ........................***Exception: SegFault  0.08 sec
3/3 Test #3: x/plain .......................   Passed    0.09 sec
END
    [ "$status" -eq 1 ]
    [ "${lines[-1]}" = "2 passed, 2 failed, 1 skipped" ]
}
