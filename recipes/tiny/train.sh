#!/usr/bin/env bash
# Trains models/percept-tiny from nothing: two stages on generated scenes, nothing is downloaded.
#   recipes/tiny/train.sh OUT [SHARE]     SHARE of the steps, 1 as a rule; 0.4 takes a good quarter of an hour on two cores
set -euo pipefail
out=${1:?usage: recipes/tiny/train.sh OUT [SHARE]}
share=${2:-1}
cd "$(dirname "$0")/../.."
percept=${PERCEPT:-build/release/percept}
steps() { awk -v steps="$(sed -n 's/^max_steps: //p' "$1")" -v share="$share" 'BEGIN { printf "%d", steps * share }'; }

from=()
for stage in 1-words 2-questions; do
    recipe=recipes/tiny/$stage.yaml
    echo "== $stage"
    "$percept" train "$recipe" "max_steps=$(steps "$recipe")" "output_dir=$out/$stage" "${from[@]}" \
        resume_from_checkpoint=latest
    from=("model_name_or_path=$out/$stage")
done

mkdir -p "$out/model"
for file in config.json generation_config.json model.safetensors tokenizer.json tokenizer_config.json \
            special_tokens_map.json chat_template.jinja preprocessor_config.json processor_config.json; do
    cp "$out/2-questions/$file" "$out/model/"
done
echo "$out/model"
