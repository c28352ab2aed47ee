#!/usr/bin/env bash
# Trains a model on generated scenes from nothing; nothing is downloaded. Stopped, it goes on where it was.
#   recipes/tiny/train.sh OUT           the four stages of recipes/tiny: English, then Chinese, then both together
#   recipes/tiny/train.sh OUT quick     the two stages of recipes/tiny/quick: a smaller model that speaks English
set -euo pipefail
out=${1:?usage: recipes/tiny/train.sh OUT [quick]}
cd "$(dirname "$0")/../.."
percept=${PERCEPT:-build/release/percept}
folder=recipes/tiny stages=(1-words 2-questions 3-languages 4-together)
[ "${2:-}" = quick ] && folder=recipes/tiny/quick stages=(1-words 2-questions)

last=
for stage in "${stages[@]}"; do
    "$percept" train "$folder/$stage.yaml" output_dir="$out/$stage" resume_from_checkpoint=latest ${last:+model_name_or_path="$last"}
    last=$out/$stage
done

mkdir -p "$out/model"
for file in config.json generation_config.json model.safetensors tokenizer.json tokenizer_config.json \
            special_tokens_map.json chat_template.jinja preprocessor_config.json processor_config.json percept.json; do
    cp "$last/$file" "$out/model/"
done
echo "$out/model"
