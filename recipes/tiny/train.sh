#!/usr/bin/env bash
# Trains models/percept-tiny from nothing: three stages on generated scenes, nothing is downloaded.
#   recipes/tiny/train.sh OUT [WORDS QUESTIONS LANGUAGES]     steps of the stages, as the recipes say when left out; LANGUAGES
#                                                             0 leaves the third stage out: the model speaks English alone
set -euo pipefail
out=${1:?usage: recipes/tiny/train.sh OUT [WORDS QUESTIONS LANGUAGES]}
words=${2:-} questions=${3:-} languages=${4:-}
cd "$(dirname "$0")/../.."
percept=${PERCEPT:-build/release/percept}

"$percept" train recipes/tiny/1-words.yaml output_dir="$out/1-words" resume_from_checkpoint=latest ${words:+max_steps="$words"}
"$percept" train recipes/tiny/2-questions.yaml model_name_or_path="$out/1-words" output_dir="$out/2-questions" \
    resume_from_checkpoint=latest ${questions:+max_steps="$questions"}
last=$out/2-questions
if [ "$languages" != 0 ]; then
    "$percept" train recipes/tiny/3-languages.yaml model_name_or_path="$last" output_dir="$out/3-languages" \
        resume_from_checkpoint=latest ${languages:+max_steps="$languages"}
    last=$out/3-languages
fi

mkdir -p "$out/model"
for file in config.json generation_config.json model.safetensors tokenizer.json tokenizer_config.json \
            special_tokens_map.json chat_template.jinja preprocessor_config.json processor_config.json percept.json; do
    cp "$last/$file" "$out/model/"
done
echo "$out/model"
