# Fewer tokens for a picture, from the command line, with every way of decoding, and from config.json.
setup() {
    cd "$BATS_TEST_DIRNAME/../.." || return
    percept=${PERCEPT:-build/release/percept}
    ask=("$percept" run models/percept-tiny "Describe the picture." --image tests/golden/llava/shapes.png -n 24 --json)
}

@test "run --visual-tokens: help, and what is wrong with a setting" {
    run "$percept" run models/percept-tiny x --visual-tokens help
    [ "$status" -eq 0 ]
    [[ $output == *"fastv:"*"layer"*"tome:"*"merged"*"prumerge:"*"spread"* ]]
    for wrong in fast fastv,layer=4 fastv,keep=2 tome,r=2 prumerge,near; do
        run "${ask[@]}" --visual-tokens $wrong
        [ "$status" -ne 0 ]
        [[ $output == *visual_tokens* ]]
    done
}

@test "run --visual-tokens: as many tokens as promised, the same answer when all are kept" {
    plain=$("${ask[@]}" | jq -c .ids)
    [ "$("${ask[@]}" --visual-tokens fastv,layer=1,keep=1 | jq -c .ids)" = "$plain" ]
    [ "$("${ask[@]}" --visual-tokens tome,merged=0 | jq -c .ids)" = "$plain" ]
    [ "$("${ask[@]}" | jq .usage.image_tokens)" = 64 ]
    [ "$("${ask[@]}" --visual-tokens fastv,layer=1,keep=0.25 | jq .usage.image_tokens)" = 64 ]
    [ "$("${ask[@]}" --visual-tokens tome,merged=8 | jq .usage.image_tokens)" = 24 ]
    [ "$("${ask[@]}" --visual-tokens prumerge,keep=0.25 | jq .usage.image_tokens)" = 17 ]
}

@test "run --visual-tokens fastv: with beams, a second view and drafts; not with opera" {
    ways=fastv,layer=2,keep=0.5
    plain=$("${ask[@]}" --visual-tokens $ways | jq -c .ids)
    [ "$("${ask[@]}" --visual-tokens $ways --decoding draft=ngram | jq -c .ids)" = "$plain" ]
    [ "$("${ask[@]}" --visual-tokens $ways --decoding vcd,alpha=0,beta=0 | jq -c .ids)" = "$plain" ]
    [ "$("${ask[@]}" --visual-tokens $ways --decoding beams=3 | jq '.ids | length')" -gt 1 ]
    [ "$("${ask[@]}" --visual-tokens $ways --decoding dola | jq '.ids | length')" -gt 1 ]
    run "${ask[@]}" --visual-tokens $ways --decoding opera
    [ "$status" -ne 0 ]
    [[ $output == *opera* ]]
}

@test "eval --visual-tokens: side by side as one by one, told in the results" {
    for batch in 1 4; do
        "$percept" eval models/percept-tiny --tasks scenes --limit 24 --visual-tokens fastv,layer=2,keep=0.25 --batch_size $batch \
            --output_path "$BATS_TEST_TMPDIR/$batch" >/dev/null
    done
    cmp "$BATS_TEST_TMPDIR"/{1,4}/samples_scenes.jsonl
    [ "$(jq -r .configs.scenes.visual_tokens "$BATS_TEST_TMPDIR/1/results.json")" = fastv,layer=2,keep=0.25 ]
}

@test "config.json: visual_tokens of a model, and --visual-tokens none" {
    cp -r models/percept-tiny "$BATS_TEST_TMPDIR/model"
    jq '.visual_tokens = "tome,merged=8"' models/percept-tiny/config.json >"$BATS_TEST_TMPDIR/model/config.json"
    ask[2]=$BATS_TEST_TMPDIR/model
    [ "$("${ask[@]}" | jq .usage.image_tokens)" = 24 ]
    [ "$("${ask[@]}" --visual-tokens none | jq .usage.image_tokens)" = 64 ]
    jq '.visual_tokens = "fastv,layer=9"' models/percept-tiny/config.json >"$BATS_TEST_TMPDIR/model/config.json"
    run "${ask[@]}"
    [ "$status" -ne 0 ]
    [[ $output == *"model"*"layer 9 of 4"* ]]
}

@test "bench --visual-tokens: the first token of a picture that is read in part" {
    run "$percept" bench models/percept-tiny -p 0 -n 0 -r 1 --visual-tokens prumerge,keep=0.25 --json
    [ "$status" -eq 0 ]
    [ "$(jq -r .visual_tokens <<<"$output")" = prumerge,keep=0.25 ]
    [[ $(jq -r '.results[].test' <<<"$output") == *"first token, 17+21"* ]]
}
