#!/bin/sh
# easy-VQA from random weights: 99 % of its 5,830 test questions. Wants PERCEPT_DATA/vl/easy-vqa.zip.
# shellcheck source=tests/acceptance/score.sh
. "$(dirname "$0")/score.sh"
archive=${PERCEPT_DATA:-/nonexistent}/vl/easy-vqa.zip
if [ ! -e "$archive" ]; then
    echo "skipped: no easy-vqa.zip"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
fi
unzip -qo "$archive" -d "$work"
start=$(date +%s)
"$percept" train recipes/real/easy_vqa.yaml "dataset=$work/train?content=captions" "output_dir=$work/out" >"$work/log" 2>&1 ||
    { tail -n 5 "$work/log"; failed=$((failed + 1)); }
echo "  trained in $((($(date +%s) - start) / 60)) minutes"
"$percept" eval "$work/out" --tasks "$work/test600" --json >"$work/seen.json" || failed=$((failed + 1))
goal "easy-VQA" "$(share "$work/seen.json" "$(jq -r '.results | keys[0]' "$work/seen.json")" .)" 99
finish
