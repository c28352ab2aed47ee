# percept verify: stages against golden vectors, families, fingerprints.

setup_file() {
    cd "$BATS_TEST_DIRNAME/../.."
    percept=${PERCEPT:-build/release/percept}
    export percept golden=tests/golden
}

setup() {
    folder=$BATS_TEST_TMPDIR
}

@test "every family that percept brings is within its limits, in f32 and bf16" {
    count=0
    while read -r model; do
        "$percept" verify "$golden/$model" --json 2>/dev/null >"$folder/out"
        jq -e '.bad == 0 and .stages > 0 and ([.cases[].stages[].good] | all)' "$folder/out"
        "$percept" verify "$golden/$model" --dtype bf16 2>/dev/null | tail -n 1 | grep -Eq '^([0-9]+) of \1 stages within'
        count=$((count + 1))
    done < <(jq -r '.families[].model' "$golden/families.json")
    [ "$count" -ge 8 ]
}

@test "golden vectors beside a model: its own weights are compared, and one wrong weight is found" {
    cp -r "$golden/llava/hf" "$folder/model"
    mkdir "$folder/model/golden"
    cp "$golden/llava/one_image.safetensors" "$golden/llava/shapes.png" "$folder/model/golden"
    jq '{cases: [.families[] | select(.model_type == "llava").cases[0]
        | .tensors = "one_image.safetensors" | .images = ["shapes.png"]]}' "$golden/families.json" >"$folder/model/golden/golden.json"
    "$percept" verify "$folder/model" 2>"$folder/err" | tail -n 1 | grep -qx '5 of 5 stages within their limits'
    [ ! -s "$folder/err" ]

    size=$(stat -c %s "$folder/model/model.safetensors")
    printf '\x40\x41' | dd of="$folder/model/model.safetensors" bs=1 seek=$((size - 2)) conv=notrunc status=none
    code=0
    "$percept" verify "$folder/model" >"$folder/out" 2>"$folder/err" || code=$?
    [ "$code" -eq 3 ]
    grep -q '^  pixel_values .* relative 0 ' "$folder/out"
    grep -q 'FAILED' "$folder/out"
    grep -q 'deviate from the golden vectors' "$folder/err"
}

@test "golden vectors that can't be read are refused with their file" {
    mkdir "$folder/golden"
    echo '{"cases": []}' >"$folder/golden/golden.json"
    code=0
    "$percept" verify "$golden/llava/hf" --golden "$folder/golden" 2>"$folder/err" || code=$?
    [ "$code" -eq 3 ]
    grep -q "golden.json: 'cases' is empty" "$folder/err"
    echo '{"cases": [{"tensors": "none.safetensors"}]}' >"$folder/golden/golden.json"
    code=0
    "$percept" verify "$golden/llava/hf" --golden "$folder/golden" >"$folder/out" 2>"$folder/err" || code=$?
    [ "$code" -eq 1 ]
    grep -q 'none.safetensors' "$folder/err"
}

@test "fingerprint: a saved model carries it; another tokenizer, template or processor is said" {
    "$percept" train recipes/tiny/1-words.yaml max_steps=1 output_dir="$folder/out" 2>/dev/null
    jq -e '.fingerprint and .tokenizer and .template and .processor' "$folder/out/percept.json"
    "$percept" show "$folder/out" 2>"$folder/err" >/dev/null
    [ ! -s "$folder/err" ]
    jq '.image_mean = [0.4, 0.5, 0.6]' "$folder/out/preprocessor_config.json" >"$folder/changed"
    cp "$folder/changed" "$folder/out/preprocessor_config.json"
    "$percept" show "$folder/out" 2>"$folder/err" >/dev/null
    grep -q 'warning: .*percept.json: the processor is not the one that the model was trained with' "$folder/err"
    [ "$(grep -c warning "$folder/err")" -eq 1 ]
    cp "$golden/llava/hf/chat_template.jinja" "$folder/out/"
    "$percept" show "$folder/out" 2>"$folder/err" >/dev/null
    grep -q 'the template is not the one' "$folder/err"
    jq '.pad_token = "<|im_end|>"' "$folder/out/tokenizer_config.json" >"$folder/changed"
    cp "$folder/changed" "$folder/out/tokenizer_config.json"
    rm "$folder/out/special_tokens_map.json"
    "$percept" show "$folder/out" 2>"$folder/err" >/dev/null
    grep -q 'the tokenizer is not the one' "$folder/err"
}
