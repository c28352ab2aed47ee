#!/usr/bin/env bats
# POPE over annotated pictures: which objects are asked for, and what is refused.

setup() {
    cd "$BATS_TEST_DIRNAME/../.."
    percept="${PERCEPT:-build/release/percept}"
    model=models/percept-tiny
    f="$BATS_TEST_TMPDIR/instances.json" out="$BATS_TEST_TMPDIR/out"
    cp tests/golden/llava/shapes.png "$BATS_TEST_TMPDIR/a.png"
    mkdir "$BATS_TEST_TMPDIR/images"
    cp tests/golden/llava/shapes.png "$BATS_TEST_TMPDIR/images/b.png"
    # Objects: a 1, bench 2, cat 3, dog 4, eel 5, fox 6, gnu 7. Pictures: 10 = cat dog a (cat twice), 20 = dog cat eel, 30 = gnu cat
    cat >"$f" <<'END'
{"images": [{"id": 10, "file_name": "a.png"}, {"id": 20, "file_name": "b.png"}, {"id": 30, "file_name": "a.png"}],
 "categories": [{"id": 1, "name": "ant"}, {"id": 2, "name": "bench"}, {"id": 3, "name": "cat"}, {"id": 4, "name": "dog"},
                {"id": 5, "name": "eel"}, {"id": 6, "name": "fox"}, {"id": 7, "name": "gnu"}],
 "annotations": [{"image_id": 10, "category_id": 3}, {"image_id": 20, "category_id": 4}, {"image_id": 10, "category_id": 4},
                 {"image_id": 10, "category_id": 3}, {"image_id": 10, "category_id": 1}, {"image_id": 20, "category_id": 3},
                 {"image_id": 20, "category_id": 5}, {"image_id": 30, "category_id": 7}, {"image_id": 30, "category_id": 3}]}
END
}

@test "pope: present objects in order, absent ones by frequency and by company" {
    "$percept" eval $model --tasks "pope:$f" --max_new_tokens 1 -o "$out" --json >"$BATS_TEST_TMPDIR/json"
    [ "$(wc -l <"$out/samples_pope.jsonl")" -eq 36 ]
    asked() { jq -r --arg id "$1" --arg kind "$2" 'select((.id | startswith($id)) and .kind == $kind)
        | (.question | capture("Is there an? (?<o>.*) in the image\\?").o) + (if .truth == "yes" then "+" else "-" end)' \
        "$out/samples_pope.jsonl" | paste -sd' '; }
    # Pictures with the object: ant 1, bench 0, eel 1, fox 0, gnu 1; equal counts: the first of the list.
    [ "$(asked 10- popular)" = "cat+ eel- dog+ gnu- ant+ bench-" ]
    [ "$(asked 20- popular)" = "dog+ ant- cat+ gnu- eel+ bench-" ]
    # The cat's company: dog 2, ant 1, eel 1, gnu 1; the dog's: cat 2, ant 1, eel 1; the ant's: cat, dog.
    [ "$(asked 10- adversarial)" = "cat+ eel- dog+ bench- ant+ fox-" ]
    [ "$(asked 10- random | tr ' ' '\n' | grep -c -- '-$')" -eq 3 ]
    [ "$(asked 10- random | tr ' ' '\n' | sort -u | wc -l)" -eq 6 ]
    grep -q '"Is there an ant in the image?"' "$out/samples_pope.jsonl"
    jq -e '.results.pope.pope.popular.n == 12 and .versions.pope == "pope-1"' "$BATS_TEST_TMPDIR/json"
}

@test "pope: what is wrong in the file is named" {
    bad() { jq -c "$1" "$f" >"$f.bad.json"; run "$percept" eval $model --tasks "pope:$f.bad.json" --max_new_tokens 1; }
    bad '.annotations[1].image_id = 99'
    [ "$status" -eq 3 ]
    [[ $output == *"annotations[1]: image_id"*99* ]]
    bad 'del(.categories[3].id)'
    [ "$status" -eq 3 ]
    [[ $output == *"categories[3]"*id* ]]
    bad '.categories |= .[:4]'
    [ "$status" -eq 3 ]
    [[ $output == *"categories: expected 6 to"* ]]
    bad '.images = []'
    [ "$status" -eq 3 ]
    [[ $output == *"images: expected"* ]]
    run "$percept" eval $model --tasks pope
    [ "$status" -eq 2 ]
    [[ $output == *"pope:PATH"* ]]
}
