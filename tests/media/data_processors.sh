#!/bin/sh
# 100 real pictures through the recipes of six processors, against transformers. Usage: data_processors.sh BUILD_FOLDER
# The last line is "N passed, N failed, N skipped"; the exit code is 1 when something failed.
set -eu

build=${1:-build/release}
program=$build/media_test_data_processors
if [ ! -d "${PERCEPT_DATA:-}/photos" ]; then
    echo "skipped: no data (PERCEPT_DATA has no folder photos)"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
fi
if [ ! -x "$program" ]; then
    echo "$program is not built" >&2
    exit 1
fi

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for archive in photos/skimage-photos vl/coco-photos-train2017-cc-by vl/coco-photos-val2017 metrics/detection vl/vqa-rad; do
    mkdir -p "$folder/$archive.zip"
    unzip -qo "$PERCEPT_DATA/$archive.zip" -d "$folder/$archive.zip"
done
code=0
PERCEPT_PICTURES=$folder "$program" >"$folder/log" 2>/dev/null || code=1
grep -v -e '^\[' -e '^ *[0-9]* FAILED TEST' -e '^$' "$folder/log" | grep -v ' passed, .* failed, ' || true
grep ' passed, .* failed, ' "$folder/log" || { echo "0 passed, 1 failed, 0 skipped"; code=1; }
exit $code
