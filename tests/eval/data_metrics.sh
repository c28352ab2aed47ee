#!/bin/sh
# `percept score` against what the public scorers gave for the same answers. usage: data_metrics.sh [PERCEPT], with
# PERCEPT_DATA the folder of test data. Ends in a line "N passed, N failed, N skipped"; exit code 1 when anything failed.
percept=${1:-build/release/percept}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
passed=0 failed=0 skipped=0

# unpack FOLDER/NAME: into $work/NAME, or counts a skip
unpack() {
    if [ ! -e "$PERCEPT_DATA/$1.zip" ]; then
        echo "skipped: no $1.zip"
        skipped=$((skipped + 1))
        return 1
    fi
    mkdir -p "$work/${1##*/}" && unzip -qo "$PERCEPT_DATA/$1.zip" -d "$work/${1##*/}"
}

# score METRIC: $work/p and $work/r into $work/out
score() { "$percept" score "$1" --predictions "$work/p" --references "$work/r" --json >"$work/out" 2>"$work/error" || cat "$work/error"; }

# holds NAME FILTER [JQ-ARGUMENT]...: the filter is true of $work/out
holds() {
    name=$1 filter=$2
    shift 2
    if jq -e "$@" "$filter" "$work/out" >"$work/found" 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED $name: $(head -c 300 "$work/found")"
    fi
}

# --- captions: BLEU, ROUGE-L and CIDEr of pycocoevalcap, each item and the corpus ---

near='def near($a; $b): (($a - $b) | fabs) <= 1e-18 + 1e-9 * ($b | fabs);'

# caption_values NAME CASES SCORES
caption_values() {
    jq -c '{id, prediction: .candidate}' "$2" >"$work/p"
    jq -c '{id, references}' "$2" >"$work/r"
    for metric in bleu rouge_l cider; do
        case $metric in
        bleu) corpus='{bleu_1: .Bleu_1, bleu_2: .Bleu_2, bleu_3: .Bleu_3, bleu_4: .Bleu_4}' item='.bleu_4' key=Bleu_4 ;;
        rouge_l) corpus='{rouge_l: .ROUGE_L}' item='.rouge_l' key=ROUGE_L ;;
        cider) corpus='{cider: .CIDEr}' item='.cider' key=CIDEr ;;
        esac
        score $metric
        holds "$1 $metric corpus" "$near"' .corpus as $found | $s[0].corpus | '"$corpus"' | to_entries | all(near($found[.key]; .value))' \
            --slurpfile s "$3"
        holds "$1 $metric items" "$near"' (.items | length) as $n | $n > 0 and $n == ($s[0].per_item | length)
            and (.items | all(near('"$item"'; $s[0].per_item[.id].'$key')))' --slurpfile s "$3"
    done
}

if unpack metrics/captions; then
    c=$work/captions
    caption_values "aac 1" "$c/aac/example_1.normalised.jsonl" "$c/aac/example_1.reference-scores.json"
    caption_values "aac 2" "$c/aac/example_2.normalised.jsonl" "$c/aac/example_2.reference-scores.json"
    caption_values "coco 80" "$c/coco80/leave-one-out.normalised.jsonl" "$c/coco80/leave-one-out.reference-scores.json"
    jq -c '.candidates | to_entries[] | {id: .key, prediction: .value}' "$c/aac/readme-example.json" >"$work/p"
    jq -c '.references | to_entries[] | {id: .key, references: [.value[] | gsub("\\."; "")]}' "$c/aac/readme-example.json" >"$work/r"
    score cider_d
    holds "aac readme CIDEr-D" '(.corpus.cider_d * 1e4 | round) == 9614 and ([.items[].cider_d * 1e4 | round] == [13641, 5587])'
    for metric in bleu rouge_l cider; do
        jq -nc --rawfile h "$c/nlg-eval/hyp.txt" '$h | rtrimstr("\n") / "\n" | to_entries[] | {id: .key, prediction: .value}' >"$work/p"
        jq -nc --rawfile a "$c/nlg-eval/ref1.txt" --rawfile b "$c/nlg-eval/ref2.txt" \
            '[$a, $b] | map(rtrimstr("\n") / "\n") | transpose | to_entries[] | {id: .key, references: .value}' >"$work/r"
        score $metric
        holds "nlg-eval corpus $metric" '[.corpus.bleu_1, .corpus.bleu_2, .corpus.bleu_3, .corpus.bleu_4, .corpus.rouge_l, .corpus.cider] as $f
            | $e[0][1].expected | [.Bleu_1, .Bleu_2, .Bleu_3, .Bleu_4, .ROUGE_L, .CIDEr] | to_entries
            | all($f[.key] == null or (($f[.key] - .value) | fabs) < 1e-6)' --slurpfile e "$c/nlg-eval/expected.json"
    done
fi

# --- MME: three models ---

if unpack metrics/mme-answers; then
    for model in LaVIN answers/llava-v1.5-7b-exp answers/llava-v1.5-13b-exp; do
        : >"$work/p"
        : >"$work/r"
        for file in "$work/mme-answers/$model"/*.txt; do
            task=$(basename "$file" .txt)
            jq -Rc --arg task "$task" 'rtrimstr("\r") / "\t" | {id: "\($task) \(input_line_number)", prediction: .[3]}' "$file" >>"$work/p"
            jq -Rc --arg task "$task" '. / "\t" | {id: "\($task) \(input_line_number)", task: $task, image: .[0], references: [.[2]]}' \
                "$file" >>"$work/r"
        done
        score mme
        holds "mme $model" '.corpus as $c | $e[0][$model] | to_entries
            | map(select((.value * 100 | round) != (({"Perception": $c.perception, "Cognition": $c.cognition}[.key] // $c[.key].score) * 100 | round)))
            | if . == [] then true else . == $c end' --slurpfile e "$work/mme-answers/expected.json" --arg model "$model"
    done
fi

# --- ScienceQA: the index that the authors took out of each answer ---

if unpack metrics/scienceqa-llava13b-outputs; then
    s=$work/scienceqa-llava13b-outputs/test_sqa_llava_13b_v0.json
    jq -c '.outputs | to_entries[] | {id: .key, prediction: .value}' "$s" >"$work/p"
    jq -c '.results | to_entries[] | {id: .key, references: ["ABCDEFGH"[.value:.value + 1]]}' "$s" >"$work/r"
    score scienceqa
    holds "scienceqa" '(.items | length) == 4241 and ([.items[].scienceqa] | add) == 4240'
fi

# --- detection: AP and AR of cocoapi, AP of Pascal VOC ---

if unpack metrics/detection; then
    d=$work/detection
    jq -c '.annotations | group_by(.image_id)[] | {id: .[0].image_id, references: [.[] | {category: .category_id, bbox, area, iscrowd}]}' \
        "$d/test_coco_eval/gts/sampled_gts_bbox_area.json" >"$work/r"
    jq -c '.annotations | group_by(.image_id)[] | {id: .[0].image_id, prediction: [.[] | {category: .category_id, bbox, score}]}' \
        "$d/test_coco_eval/dets/sampled_bbox_results.json" >"$work/p"
    score coco_ap
    holds "coco AP" '.corpus as $f | $e[0].coco_eval | {AP, AP_50: .AP50, AP_75: .AP75, AP_small: .APsmall, AP_medium: .APmedium,
        AP_large: .APlarge, AR_1: .AR1, AR_10: .AR10, AR_100: .AR100, AR_small: .ARsmall, AR_medium: .ARmedium, AR_large: .ARlarge}
        | to_entries | all(($f[.key] - .value | fabs) <= 1e-6)' --slurpfile e "$d/expected.json"
    : >"$work/p"
    : >"$work/r"
    for file in "$d/test_case_1/gts"/*.txt; do
        id=$(basename "$file" .txt)
        jq -Rnc --arg id "$id" '{id: $id, references: [inputs / " " | {category: .[0], bbox: (.[1:] | map(tonumber))}]}' "$file" >>"$work/r"
        jq -Rnc --arg id "$id" '{id: $id, prediction: [inputs / " " | {category: .[0], score: (.[1] | tonumber), bbox: (.[2:] | map(tonumber))}]}' \
            "$d/test_case_1/dets/$id.txt" >>"$work/p"
    done
    score voc_ap
    holds "voc AP" '.corpus as $f | $e[0].pascal_case_1 | ([.eleven_point | to_entries[] | $f["ap_11@" + .key] - .value]
        + [.every_point | to_entries[] | $f["ap@" + .key] - .value]) | map(fabs) | length == 8 and max < 1e-9' --slurpfile e "$d/expected.json"
fi

# --- TabMWP: verdicts of three models. The units are not in the data: what the authors' normalisation took out of an answer is one ---

if unpack metrics/tabmwp-predictions; then
    for file in "$work/tabmwp-predictions"/*.json; do
        jq -c '.results | to_entries[] | {id: .key, prediction: .value.prediction}' "$file" >"$work/p"
        jq -c 'def unit: (.prediction | ltrimstr("$")) as $p | .prediction_norm as $n
                | if ($p | startswith($n)) and ($n | test("^-?[0-9.]+$")) then $p[($n | length):] | ltrimstr(" ") else "" end;
            .results | to_entries[] | {id: .key, references: [.value.answer]} + (.value | unit | select(test("[a-z]")) // "" | {unit: .})' \
            "$file" >"$work/r"
        score tabmwp
        holds "tabmwp $(basename "$file")" '(.items | length) == 7286 and (.items | all((.tabmwp == 1) == $e[0].results[.id].true_false))' \
            --slurpfile e "$file"
    done
fi

# --- MATH-Vision: verdicts of five systems, from their raw answers ---

if unpack metrics/mathvision-model-outputs; then
    m=$work/mathvision-model-outputs
    jq -c '{id, references: [.answer], options, level, subject}' "$m/gold-2840.jsonl" >"$work/r"
    for file in "$m/Random-Chance.jsonl" "$m"/*/*/*.jsonl; do
        jq -c '{id, prediction: .response}' "$file" >"$work/p"
        score math_vision
        holds "math_vision $(basename "$file")" '(.items | length) == 2840
            and (($e | map({key: .id, value: .correct}) | from_entries) as $c | .items | all((.math_vision == 1) == $c[.id]))' --slurpfile e "$file"
    done
fi

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
