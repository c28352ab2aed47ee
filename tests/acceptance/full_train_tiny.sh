#!/bin/sh
# What ./demo --train does: in 25 minutes every kind but relations 85 %, and 30 points above the same model without pictures.
# shellcheck source=tests/acceptance/score.sh
. "$(dirname "$0")/score.sh"
start=$(date +%s)
PERCEPT=$percept recipes/tiny/train.sh "$work/tiny" quick >"$work/log" 2>&1 || { tail -n 5 "$work/log"; failed=$((failed + 1)); }
minutes=$((($(date +%s) - start) / 60))
echo "  trained in $minutes minutes"
if [ $minutes -lt 25 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
"$percept" eval "$work/tiny/model" --tasks scenes --limit 2000 --json >"$work/seen.json" || failed=$((failed + 1))
"$percept" eval "$work/tiny/model" --tasks scenes --limit 2000 --no-images --json >"$work/blind.json" || failed=$((failed + 1))
each_kind "$work/seen.json" scenes 85
above=$(awk -v a="$(share "$work/seen.json" scenes .)" -v b="$(share "$work/blind.json" scenes .)" 'BEGIN { print a - b }')
goal "above the same model without pictures" "$above" 30
finish
