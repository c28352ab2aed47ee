#!/bin/sh
# One command evaluates the bundled model on scenes, pope_scenes and easy-VQA in less than five minutes; killed ten times at random,
# it writes the same files. Takes about three times as long as the command. Wants PERCEPT_DATA/vl/easy-vqa.zip.
# shellcheck source=tests/acceptance/score.sh
. "$(dirname "$0")/score.sh"
archive=${PERCEPT_DATA:-/nonexistent}/vl/easy-vqa.zip
model=models/percept-tiny
if [ ! -e "$archive" ] || [ ! -e $model/config.json ]; then
    echo "skipped: no easy-vqa.zip or no $model"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
fi
unzip -qo "$archive" -d "$work"
files="results.json report.html samples_scenes.jsonl samples_pope_scenes.jsonl samples_easy_vqa.jsonl"

evaluate() {
    exec "$percept" eval $model --tasks scenes,pope_scenes,easy_vqa --data "$work/test600" -o "$1" >"$work/log" 2>&1
}
lines() { cat "$1"/samples_*.jsonl 2>/dev/null | wc -l; }

# same NAME: the disturbed run's files are those of the undisturbed one
same() {
    for file in $files; do
        if cmp "$work/whole/$file" "$work/out/$file"; then
            passed=$((passed + 1))
        else
            failed=$((failed + 1))
            echo "  $1: $file differs"
        fi
    done
}

start=$(date +%s)
(evaluate "$work/whole") || { tail -n 5 "$work/log"; failed=$((failed + 1)); }
seconds=$(($(date +%s) - start))
total=$(lines "$work/whole")
echo "  $total questions in $seconds seconds (goal: less than 300)"
if [ "$seconds" -lt 300 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi

# Lines at which a run is killed come from here; what each has written by then depends on the machine.
killed=0
for at in $(awk -v n="$total" 'BEGIN { srand(7); for (i = 0; i < 10; i++) print int(rand() * (n - 1)) + 1 }' | sort -n); do
    (evaluate "$work/out") &
    while [ "$(lines "$work/out")" -lt "$at" ] && kill -0 $! 2>/dev/null; do sleep 0.02; done
    kill -9 $! 2>/dev/null
    wait $! 2>/dev/null
    if [ $? -eq 137 ]; then killed=$((killed + 1)); fi
done
echo "  killed $killed times"
if [ $killed -eq 10 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
(evaluate "$work/out") || { tail -n 5 "$work/log"; failed=$((failed + 1)); }
same "killed ten times"
truncate -s -9 "$work/out/samples_easy_vqa.jsonl" # a line that was being written
(evaluate "$work/out") || { tail -n 5 "$work/log"; failed=$((failed + 1)); }
same "cut in a line"
finish
