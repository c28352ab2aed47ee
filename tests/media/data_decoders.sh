#!/bin/sh
# Decoders against Pillow's verdict on the pictures of $PERCEPT_DATA/decoders. Usage: data_decoders.sh BUILD_FOLDER
# The last line is "N passed, N failed, N skipped"; the exit code is 1 when something failed.
set -eu

build=${1:-build/release}
program=$build/media_test_data_decoders
if [ ! -d "${PERCEPT_DATA:-}/decoders" ]; then
    echo "skipped: no data (PERCEPT_DATA has no folder decoders)"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
fi
if [ ! -x "$program" ]; then
    echo "$program is not built" >&2
    exit 1
fi

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for archive in "$PERCEPT_DATA"/decoders/*.zip; do
    unzip -qo "$archive" -d "$folder/$(basename "$archive")"
done
code=0
PERCEPT_DECODERS=$folder "$program" >"$folder/log" 2>/dev/null || code=1
grep -v -e '^\[' -e '^ *[0-9]* FAILED TEST' -e '^$' "$folder/log" | grep -v ' passed, .* failed, ' || true
grep ' passed, .* failed, ' "$folder/log" || { echo "0 passed, 1 failed, 0 skipped"; code=1; }
exit $code
