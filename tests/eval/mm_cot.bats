#!/usr/bin/env bats
# Multimodal-CoT's two stages over a folder in ScienceQA's layout: the recipes on a tiny model, the second given the steps that the first wrote.

setup() {
    cd "$BATS_TEST_DIRNAME/../.."
    percept="${PERCEPT:-build/release/percept}"
    d=$BATS_TEST_TMPDIR
    mkdir "$d/init"
    jq '.image_token_index = 63 | .encoder += {hidden_size: 8, intermediate_size: 12, num_hidden_layers: 2, num_attention_heads: 2, image_size: 14,
        patch_size: 7} | .llm += {vocab_size: 64, d_model: 12, d_kv: 4, d_ff: 12, num_layers: 2, num_decoder_layers: 3, num_heads: 2,
        relative_attention_num_buckets: 8, relative_attention_max_distance: 12}' recipes/reasoning/mm_cot/config.json >"$d/init/config.json"
    jq '.crop_size = {height: 14, width: 14} | .size = {shortest_edge: 14}' recipes/reasoning/mm_cot/preprocessor_config.json \
        >"$d/init/preprocessor_config.json"
}

# train STAGE CONTENT
train() {
    "$percept" train "recipes/reasoning/mm_cot/$1.yaml" model_init="$d/init" tokenizer_name_or_path=tests/golden/t5/flan \
        language_model_path=tests/golden/t5/flan vision_tower_path=tests/golden/mm_cot/flan dataset="tests/golden/scienceqa?split=test&content=$2" \
        max_steps=2 per_device_train_batch_size=2 save_steps=0 output_dir="$d/$1"
}

@test "mm-cot: the answer is inferred from the steps that the first stage wrote" {
    train 1-rationale QCM-LE
    train 2-answer QCMG-A
    "$percept" eval "$d/1-rationale" --tasks "data:tests/golden/scienceqa?split=test&content=QCM-LE" --max_new_tokens 12 -o "$d/steps"
    steps="$d/steps/samples_data_split-test-content-QCM-LE.jsonl"
    jq -se 'length == 2 and .[0].truth == "Solution: 2 and 2 is 4.."' "$steps"
    jq -c '.answer = "Solution: given " + .id' "$steps" >"$d/given.jsonl"
    "$percept" eval "$d/2-answer" --tasks "data:tests/golden/scienceqa?split=test&content=QCMG-A&rationales=$d/given.jsonl" --max_new_tokens 4 -o "$d/answers"
    cat "$d"/answers/samples_*.jsonl | jq -se 'length == 2 and (.[1].question | endswith("(D) D Solution: given 1-0 Answer:")) and .[1].truth == "The answer is (D)."'
}

@test "mm-cot: the fusion goes with an encoder-decoder alone" {
    jq '.llm = {model_type: "llama", vocab_size: 64, hidden_size: 12, intermediate_size: 12, num_hidden_layers: 1, num_attention_heads: 2}' \
        "$d/init/config.json" >"$d/wrong.json"
    run "$percept" show "$d/wrong.json"
    [ "$status" -ne 0 ]
    [[ $output == *"gated_fusion"*"llama"*"no encoder-decoder"* ]]
    jq '.bridge.type = "gated_cross_attention"' "$d/init/config.json" >"$d/wrong.json"
    run "$percept" show "$d/wrong.json"
    [ "$status" -ne 0 ]
    [[ $output == *"gated_cross_attention"*"t5"*"an encoder-decoder"* ]]
}
