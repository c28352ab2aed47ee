#!/bin/sh
# The bundled model on 2,000 unseen questions about scenes: 93 % over all kinds but relations, 88 % on each of them, relations 80 %;
# in Chinese at least 92 % of what it has right in English.
# shellcheck source=tests/acceptance/score.sh
. "$(dirname "$0")/score.sh"
if [ ! -e models/percept-tiny/config.json ]; then
    echo "skipped: no models/percept-tiny"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
fi
"$percept" eval models/percept-tiny --tasks scenes --limit 2000 --json >"$work/seen.json" || failed=$((failed + 1))
goal "all kinds but relations" "$(share "$work/seen.json" scenes 'select(.key != "relation")')" 93
each_kind "$work/seen.json" scenes 88
"$percept" eval models/percept-tiny --tasks scenes_zh --limit 2000 --json >"$work/chinese.json" || failed=$((failed + 1))
goal "relations" "$(share "$work/seen.json" scenes 'select(.key == "relation")')" 80
english=$(share "$work/seen.json" scenes .)
goal "Chinese" "$(share "$work/chinese.json" scenes_zh .)" "$(awk -v all="$english" 'BEGIN { print 0.92 * all }')"
finish
