#!/usr/bin/env bash
# Prints the results of the model card models/percept-tiny/README.md: questions about unseen scenes by kind, in both languages,
# with the pictures and with grey ones in their place.
#   recipes/tiny/card.sh [MODEL] [QUESTIONS]
set -euo pipefail
model=${1:-models/percept-tiny} questions=${2:-2000}
cd "$(dirname "$0")/../.."
percept=${PERCEPT:-build/release/percept}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for task in scenes scenes_zh; do
    "$percept" eval "$model" --tasks $task --limit "$questions" --json >"$work/$task.json" 2>/dev/null
    "$percept" eval "$model" --tasks $task --limit "$questions" --no-images --json >"$work/$task-blind.json" 2>/dev/null
done
jq -rn --slurpfile en "$work/scenes.json" --slurpfile zh "$work/scenes_zh.json" \
    --slurpfile en_blind "$work/scenes-blind.json" --slurpfile zh_blind "$work/scenes_zh-blind.json" '
    def percent(right; asked): (1000 * right / asked | round) / 10 | tostring | if test("[.]") then . else . + ".0" end;
    def kinds(file): file[0].results | to_entries[0].value.kinds;
    def row(name; a; b): "| \(name) | \(a.right) of \(a.asked) | \(percent(a.right; a.asked)) | \(b.right) of \(b.asked) | \(percent(b.right; b.asked)) |";
    def total(k): {right: ([k[].right] | add), asked: ([k[].asked] | add)};
    "| kind | English | % | Chinese | % |", "|---|---|---|---|---|",
    (kinds($en) | keys_unsorted[] as $k | row($k; kinds($en)[$k]; kinds($zh)[$k])),
    row("all but relation"; total(kinds($en) | del(.relation)); total(kinds($zh) | del(.relation))),
    row("all"; total(kinds($en)); total(kinds($zh))),
    row("all, grey pictures in place of the real ones"; total(kinds($en_blind)); total(kinds($zh_blind)))'
