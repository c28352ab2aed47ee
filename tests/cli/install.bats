#!/usr/bin/env bats
# What `cmake --install` leaves is enough to build against the library.

setup() {
    top=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
    build="$top/build/release"
    [ -e "$build/libpercept.so" ] || skip "no release build"
    prefix="$BATS_TEST_TMPDIR/prefix"
    # Everything may be built already; pages and libraries that are no dependency of a test are made here.
    cmake --build "$build" >"$BATS_TEST_TMPDIR/log" 2>&1 || { cat "$BATS_TEST_TMPDIR/log"; return 1; }
    cmake --install "$build" --prefix "$prefix" >"$BATS_TEST_TMPDIR/log" || { cat "$BATS_TEST_TMPDIR/log"; return 1; }
    PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name percept.pc)")
    export PKG_CONFIG_PATH
    library=$(dirname "$(find "$prefix" -name libpercept.so)")
}

@test "install: a program builds with pkg-config and answers" {
    cat >"$BATS_TEST_TMPDIR/ask.c" <<'END'
#include <percept/percept.h>
#include <stdio.h>
int main(int argc, char **argv)
{
    pc_percept *model;
    char *answer;
    pc_percept_image image = {.path = argv[2]};
    pc_percept_request request = {.prompt = "What is the colour?", .images = &image, .image_count = 1, .max_tokens = 2};
    if (argc < 3 || pc_percept_load(&model, argv[1], NULL) != PC_PERCEPT_OK ||
        pc_percept_answer(model, &request, &answer) != PC_PERCEPT_OK) {
        fprintf(stderr, "%s\n", pc_percept_error());
        return 1;
    }
    puts(answer);
    pc_percept_release(answer);
    pc_percept_free(model);
    return 0;
}
END
    # shellcheck disable=SC2046 # a list of flags
    cc -Wall -Werror -o "$BATS_TEST_TMPDIR/ask" "$BATS_TEST_TMPDIR/ask.c" $(pkg-config --cflags --libs percept)
    export LD_LIBRARY_PATH="$library"
    "$BATS_TEST_TMPDIR/ask" "$top/tests/golden/llava/hf" "$top/tests/golden/llava/shapes.png" >"$BATS_TEST_TMPDIR/answer"
    "$prefix/bin/percept" run "$top/tests/golden/llava/hf" "What is the colour?" --image "$top/tests/golden/llava/shapes.png" \
        -n 2 | cmp - "$BATS_TEST_TMPDIR/answer"
}

@test "install: header, pkg-config, CMake package, pages" {
    [ -e "$prefix/include/percept/percept.h" ]
    [ "$(pkg-config --modversion percept)" = "$("$prefix/bin/percept" version | cut -d' ' -f2)" ]
    [ -n "$(find "$prefix" -name PerceptConfig.cmake)" ]
    command -v scdoc >/dev/null || skip "no scdoc"
    [ -s "$prefix/share/man/man1/percept-run.1" ]
    grep -q learning_rate "$prefix/share/man/man5/percept-recipe.5"
}
