# Sourced by the acceptance scripts: runs percept eval and compares shares with goals.
cd "$(dirname "$0")/../.." || exit 1
percept=${PERCEPT_RELEASE:-build/release/percept}
passed=0 failed=0 skipped=0
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# share JSON TASK FILTER: percent right of the kinds that a jq filter keeps
share() {
    jq -r --arg task "$2" '[.results[$task].kinds | to_entries[] | '"$3"' | .value]
        | if length == 0 then 0 else 100 * (map(.right) | add) / (map(.asked) | add) end' "$1"
}

# goal NAME FOUND LEAST
goal() {
    if awk -v found="$2" -v least="$3" 'BEGIN { exit !(found >= least) }'; then
        passed=$((passed + 1))
        printf '  %-44s %6.1f %%  (goal %s)\n' "$1" "$2" "$3"
    else
        failed=$((failed + 1))
        printf '  %-44s %6.1f %%  FAILED: goal %s\n' "$1" "$2" "$3"
    fi
}

# each_kind JSON TASK LEAST: every kind but relations
each_kind() {
    for kind in $(jq -r --arg task "$2" '.results[$task].kinds | keys_unsorted[] | select(. != "relation")' "$1"); do
        goal "$kind" "$(share "$1" "$2" "select(.key == \"$kind\")")" "$3"
    done
}

# finish: the counting line
finish() {
    echo "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" -eq 0 ]
    exit
}
