#!/usr/bin/env bats
# percept score: worked examples of each metric, and what is refused.

setup() {
    cd "$BATS_TEST_DIRNAME/../.."
    percept="${PERCEPT:-build/release/percept}"
    p="$BATS_TEST_TMPDIR/p.jsonl" r="$BATS_TEST_TMPDIR/r.jsonl"
}

# score METRIC: predictions in $p, references in $r, result in $out
score() { out=$("$percept" score "$1" --predictions "$p" --references "$r" --json); }
# holds FILTER: true of the result
holds() { jq -e "$1" <<<"$out" >/dev/null || { jq -c . <<<"$out"; return 1; }; }
# answers TEXT...: predictions 0, 1, ...
answers() { local i=0; for text; do jq -nc --arg t "$text" --argjson i $((i++)) '{id: $i, prediction: $t}'; done >"$p"; }
# truths JSON...: reference lines, given without their ids
truths() { local i=0; for line; do jq -c --argjson i $((i++)) '{id: $i} + .' <<<"$line"; done >"$r"; }

@test "score: captions, three items with two references" {
    answers "a man riding a wave on a surfboard" "two dogs are playing with a red ball in the grass" \
        "a plate of food with broccoli and rice"
    truths '{"references": ["a man rides a wave on a surfboard in the ocean", "a surfer riding a large wave"]}' \
        '{"references": ["two dogs play with a ball on the grass", "two brown dogs chasing a red ball"]}' \
        '{"references": ["a plate with rice , meat and broccoli", "a white plate topped with broccoli and rice"]}'
    score bleu
    holds '[.corpus.bleu_1, .corpus.bleu_2, .corpus.bleu_3, .corpus.bleu_4] | map(. * 1e9 | round)
        == [814814815, 713624032, 525965143, 394620743]'
    score rouge_l
    holds '[.items[].rouge_l * 1e9 | round] == [738754325, 712854758, 750000000]'
    score cider
    holds '([.items[].cider * 1e9 | round] == [2918922898, 2127798771, 3066117543]) and (.corpus.cider * 1e9 | round) == 2704279737'
    score cider_plain
    holds '.corpus.cider_plain > 2.7'
}

@test "score: one item has no document frequencies, so CIDEr is 0" {
    answers "this is a good test"
    truths '{"references": ["this is a test", "this is also a test"]}'
    score bleu
    holds '[.corpus.bleu_1, .corpus.bleu_2, .corpus.bleu_3] | map(. * 1e6 | floor) == [799999, 632455, 510872]'
    holds '(.corpus.bleu_4 * 1e10 | round) == 903602'
    score rouge_l
    holds '(.corpus.rouge_l * 1e7 | floor) == 9070631'
    score cider
    holds '.corpus.cider == 0'
}

@test "score: VQA accuracy leaves each person out once" {
    answers "Yes." "two" "red"
    truths '{"references": ["yes","yes","yes","no","no","no","no","no","no","no"], "answer_type": "yes/no"}' \
        '{"references": ["2","2","two","3","3","3","3","3","3","3"], "answer_type": "number"}' \
        '{"references": [{"answer": "Red"},{"answer": "Red"},{"answer": "Red"}], "answer_type": "other"}'
    score vqa
    holds '[.items[].vqa * 1e6 | round] == [900000, 900000, 0]'
    holds '(.corpus.answer_type.number.value * 100 | round) == 9000'
    score vqa_normalised
    holds '(.items[2].vqa_normalised * 1e6 | round) == 666667'
}

@test "score: similarity of characters, relaxed numbers, exact match" {
    answers "Hello Wrld" "nothing" "12"
    truths '{"references": ["hello world", "x"]}' '{"references": ["everything"]}' '{"references": ["11.5"]}'
    score anls
    holds '[.items[].anls * 1e6 | round] == [909091, 500000, 0]'
    score relaxed
    holds '[.items[].relaxed] == [0, 0, 1]'
    score exact
    holds '.corpus.exact == 0 and .n == 3'
}

@test "score: POPE reads the first sentence" {
    answers "No, there is not." "Yes. No." "There is not a cat" "I think so" "no"
    truths '{"references": ["no"], "split": "random"}' '{"references": ["yes"], "split": "random"}' \
        '{"references": ["yes"], "split": "random"}' '{"references": ["no"], "split": "popular"}' '{"references": ["no"], "split": "popular"}'
    score pope
    holds '[.items[].answer] == ["no", "yes", "no", "yes", "no"]'
    holds '.corpus | [.accuracy, .precision, .recall, .f1, .yes_ratio] == [60, 50, 50, 50, 40]'
    holds '.corpus.popular | [.accuracy, .recall, .n] == [50, 0, 2]'
}

@test "score: MME counts questions and pictures" {
    answers "Yes, it is" "no." "Maybe" "No"
    truths '{"references": ["Yes"], "task": "color", "image": "a"}' '{"references": ["No"], "task": "color", "image": "a"}' \
        '{"references": ["Yes"], "task": "color", "image": "b"}' '{"references": ["No"], "task": "color", "image": "b"}'
    score mme
    holds '.corpus | .color.acc == 75 and .color.acc_plus == 50 and .perception == 125 and .cognition == 0'
}

@test "score: ScienceQA takes the last letter and tells by subject" {
    answers "The answer is A. No, wait. The answer is B." "B" "The answer is C"
    truths '{"references": ["B"], "subject": "natural science", "hint": "", "image": "x.png", "grade": "grade7"}' \
        '{"references": ["B"], "subject": "social science", "hint": "h", "grade": "grade2"}' \
        '{"references": ["C"], "subject": "social science", "hint": "", "grade": "grade2"}'
    score scienceqa
    holds '[.items[].answer] == ["B", "B", ""]'
    holds '.corpus | [.NAT, .SOC, .TXT, .IMG, .NO, ."G1-6", ."G7-12"] == [100, 50, 100, 100, 0, 50, 100]'
}

@test "score: detections of two pictures" {
    printf '%s\n' '{"id": 1, "prediction": [{"category": "cat", "bbox": [0,0,10,10], "score": 0.9}, {"category": "cat", "bbox": [50,50,10,10], "score": 0.8}]}' >"$p"
    printf '%s\n' '{"id": 1, "references": [{"category": "cat", "bbox": [0,0,10,10]}]}' \
        '{"id": 2, "references": [{"category": "cat", "bbox": [0,0,10,10]}, {"category": "dog", "bbox": [0,0,99,99]}]}' >"$r"
    score coco_ap
    # cat: recall 0.5 at precision 1, so 51 of 101 points; dog: nothing found
    holds '.corpus | (.AP * 202 | round) == 51 and (.AR_100 * 1e6 | round) == 250000 and .AP_medium == -1 and .AP_large == 0'
    score voc_ap
    holds '.corpus | (."ap@0.5" == 0.25) and ((."ap_11@0.5" * 22 | round) == 6)'
}

@test "score: boxes in answers, in shares, thousandths and pixels" {
    answers "The dog is at [0.1, 0.2, 0.5, 0.6]." "(100,200),(500,600)" "[[128, 96, 1640, 288]]" "nowhere"
    truth='"bbox": [64, 96, 320, 288], "width": 640, "height": 480, "references": [""]'
    truths "{$truth}" "{$truth}" "{$truth}" "{$truth}"
    score refcoco
    holds '[.items[].refcoco] == [1, 1, 0, 0] and .corpus.refcoco == 50 and .items[0].iou == 1'
}

@test "score: masks by their runs" {
    printf '%s\n' '{"id": 0, "prediction": {"size": [2,4], "counts": [2,4,2]}}' '{"id": 1, "prediction": {"size": [1,1], "counts": [1]}}' >"$p"
    truths '{"references": [{"size": [2,4], "counts": [0,4,4]}]}' '{"references": [{"size": [1,1], "counts": [1]}]}'
    score masks
    holds '(.corpus.ciou * 1e6 | round) == 333333 and (.corpus.giou * 1e4 | round) == 6667'
    truths '{"references": [{"size": [2,4], "counts": [0,4,5]}]}' '{"references": [{"size": [1,1], "counts": [1]}]}'
    run "$percept" score masks --predictions "$p" --references "$r"
    [ "$status" -eq 3 ]
    [[ "$output" == *"r.jsonl:1: references: counts: bad run at 2"* ]]
}

@test "score: TabMWP and MATH-Vision compare values" {
    answers '$1,234.50' "The answer is 9 boxes." "3/4" "yes" "2.0"
    truths '{"references": ["1234.5"]}' '{"references": ["9"], "unit": "boxes"}' '{"references": ["0.75"]}' '{"references": ["Yes"]}' '{"references": ["3"]}'
    score tabmwp
    holds '[.items[].tabmwp] == [1, 1, 1, 1, 0]'
    answers "so \\boxed{\\frac{1}{2}}" "The answer is (C)." '$4 \sqrt{3}$' "B" "(1, 2.004)"
    truths '{"references": ["0.5"], "options": []}' '{"references": ["C"], "options": ["1", "2", "3"]}' \
        '{"references": ["B"], "options": ["1", "$4 \\sqrt{3}$"]}' '{"references": ["A"], "options": ["1", "2"]}' \
        '{"references": ["(1,2)"], "options": []}'
    score math_vision
    holds '[.items[].math_vision] == [1, 1, 1, 0, 1]'
}

@test "score: ratings from votes" {
    answers a b a tie
    truths '{"a": "A", "b": "B"}' '{"a": "A", "b": "B"}' '{"a": "A", "b": "B"}' '{"a": "A", "b": "B"}'
    score elo
    holds '(.corpus.A * 1e6 | round) == 1001954477'
    answers a a b a
    score bradley_terry
    holds '((.corpus.A.rating - .corpus.B.rating) * 1e4 | round) == 1908485 and .corpus.A.low <= .corpus.A.rating'
    answers a a x a
    run "$percept" score elo --predictions "$p" --references "$r"
    [ "$status" -eq 3 ]
    [[ "$output" == *'r.jsonl:3: prediction: expected "a", "b" or "tie"'* ]]
}

@test "score: which option an answer means" {
    choices='"choices": ["a red ball", "a dog", "the sky"]'
    answers "B" "(C)." "The answer is B because A and C are not." "It is the sky" "A dog runs in the park" "a dog or the sky" \
        "Cannot determine the answer. B"
    truths "{\"references\": [\"B\"], $choices}" "{\"references\": [\"C\"], $choices}" "{\"references\": [\"B\"], $choices}" \
        "{\"references\": [\"C\"], $choices}" "{\"references\": [\"B\"], $choices}" "{\"references\": [\"B\"], $choices}" \
        "{\"references\": [\"B\"], $choices}"
    score choice
    holds '[.items[].answer] == ["B", "C", "B", "C", "B", "", ""] and .corpus.unread == 2 and ([.items[].choice] | add) == 5'
    truths '{"references": ["B"], "choices": ["one"]}'
    answers "B"
    run "$percept" score choice --predictions "$p" --references "$r"
    [ "$status" -eq 3 ]
    [[ "$output" == *"r.jsonl:1: choices: expected an array of 2 to 26 texts"* ]]
}

@test "score: CircularEval wants every rotation right" {
    answers A B B B
    truths '{"references": ["A"], "choices": ["x", "y"], "index": 3, "category": "c"}' \
        '{"references": ["B"], "choices": ["y", "x"], "index": 1000003, "category": "c"}' \
        '{"references": ["A"], "choices": ["x", "y"], "index": 4, "category": "d"}' \
        '{"references": ["B"], "choices": ["y", "x"], "index": 1000004, "category": "d"}'
    score mmbench
    holds '.corpus | .mmbench == 75 and .circular == 50 and .questions == 2 and .category == {"c": 100, "d": 0}'
}

@test "score: HallusionBench by question, figure and group; SugarCrepe by pair" {
    set='"category": "VS", "subcategory": "chart", "set_id": "0"'
    answers "Yes." "No" "yes" "No, it is not"
    truths "{\"references\": [\"1\"], $set, \"figure_id\": \"0\", \"question_id\": \"0\"}" \
        "{\"references\": [\"0\"], $set, \"figure_id\": \"1\", \"question_id\": \"0\"}" \
        "{\"references\": [\"1\"], $set, \"figure_id\": \"2\", \"question_id\": \"0\"}" \
        "{\"references\": [\"1\"], $set, \"figure_id\": \"2\", \"question_id\": \"1\"}"
    score hallusionbench
    holds '.corpus | [.aAcc, .fAcc, .qAcc, .yes_difference] == [75, 50, 50, -0.25]'
    printf '%s\n' '{"id": 0, "prediction": {"positive": 0.3, "negative": 0.2}}' '{"id": 1, "prediction": {"positive": 1, "negative": 1}}' >"$p"
    truths '{"type": "add_att"}' '{"type": "swap_obj"}'
    score sugarcrepe
    holds '.corpus | .sugarcrepe == 50 and .type.add_att.value == 100'
}

@test "score: refusals name file and line" {
    answers "a" "b"
    truths '{"references": ["a"]}'
    run "$percept" score exact --predictions "$p" --references "$r"
    [ "$status" -eq 3 ]
    [[ "$output" == *"p.jsonl:2: id '1' is not in"* ]]
    answers
    run "$percept" score exact --predictions "$p" --references "$r"
    [ "$status" -eq 3 ]
    [[ "$output" == *"no prediction for id '0'"* ]]
    printf '{"id": 0, "prediction": "a"}\n{"id": "0", "prediction": "a"}\n' >"$p"
    run "$percept" score exact --predictions "$p" --references "$r"
    [ "$status" -eq 3 ]
    [[ "$output" == *"p.jsonl:2: id '0' is also that of line 1"* ]]
    printf '{"id": 0, "prediction": "a"}\n{"id"\n' >"$p"
    run "$percept" score exact --predictions "$p" --references "$r"
    [ "$status" -eq 3 ]
    [[ "$output" == *"p.jsonl:2"* ]]
    answers "a"
    for wrong in '{}' '{"references": []}' '{"references": [1]}'; do
        truths "$wrong"
        run "$percept" score bleu --predictions "$p" --references "$r"
        [ "$status" -eq 3 ]
        [[ "$output" == *"r.jsonl:1: references"* ]]
    done
    run "$percept" score blue --predictions "$p" --references "$r"
    [ "$status" -eq 2 ]
    [[ "$output" == *"did you mean 'bleu'"* ]]
    run "$percept" score bleu --predictions "$p"
    [ "$status" -eq 2 ]
    run "$percept" score bleu --predictions "$p" --references "$BATS_TEST_TMPDIR/none"
    [ "$status" -eq 1 ]
}

# The values of METEOR 1.5 itself (-norm, its modules and weights), without and with the sets of synonyms below.
@test "score: METEOR, by stems and by synonyms" {
    answers "a big car is parked next to two cats" "the ladies ran down the street" "men are walking quickly" \
        "it 's a red-hot stove , mr. smith 's own" "a dog a cat a dog a cat" "the the the the" "yes"
    truths '{"references": ["two kittens sit beside a large automobile that is parked", "a large car parked with two cats next to it"]}' \
        '{"references": ["women jogging along the street", "the woman runs down a street"]}' \
        '{"references": ["the men walked quickly home", "a man walks"]}' \
        '{"references": ["it is a red hot stove and it '\''s smith '\''s", "a red hot stove"]}' \
        '{"references": ["a cat and a dog and a cat", "a dog a cat"]}' '{"references": ["the cat", "there the"]}' \
        '{"references": ["no", "nothing at all"]}'
    score meteor
    holds '[.items[].meteor * 1e12 | round] == [331774363459, 200000000000, 277652189185, 445130636773, 474160895693, 173913043478, 0]'
    holds '(.corpus.meteor * 1e12 | round) == 314125409079 and .corpus.modules == "exact stem"'
    d="$BATS_TEST_TMPDIR/words"
    mkdir "$d"
    printf '%s\n' car "1 2" automobile 2 cat 7 kitten "7 9" large 4 big 4 run 11 jog 11 woman 15 lady 15 glass 20 >"$d/english.synsets"
    printf '%s\n' run ran woman women >"$d/english.exceptions"
    out=$("$percept" score meteor --predictions "$p" --references "$r" --data "$d" --json)
    holds '[.items[].meteor * 1e12 | round] == [418712953108, 421823092257, 277652189185, 445130636773, 474160895693, 173913043478, 0]'
    holds '(.corpus.meteor * 1e12 | round) == 384714627581'
    printf 'car\n1 x\n' >"$d/english.synsets"
    run "$percept" score meteor --predictions "$p" --references "$r" --data "$d"
    [ "$status" -eq 3 ]
    [[ $output == *"english.synsets:2"*"'x'"* ]]
}

@test "score: CHAIR counts the objects that aren't there" {
    answers "A baby bird and two dogs sit near a fire hydrant, beside a truck." "The seat of the toilet is white; a glass of wine." "Nothing."
    truths '{"objects": ["bird", "dog"], "references": ["a lorry stands by the road"]}' '{"objects": ["toilet"], "references": []}' \
        '{"objects": [], "references": []}'
    names="$BATS_TEST_TMPDIR/names.txt"
    printf '%s\n' "person, baby, man" "bird, ostrich" "dog, puppy" "fire hydrant, hydrant" "truck, lorry" "toilet" "chair, seat" "wine glass" >"$names"
    out=$("$percept" score chair --predictions "$p" --references "$r" --data "$names" --json)
    holds '[.items[].hallucinated] == [["fire hydrant"], [], []] and [.items[].mentions] == [4, 1, 0]'
    holds '(.corpus.chair_s * 100 | round) == 3333 and .corpus.chair_i == 20 and .corpus.recall == 100 and (.corpus.length * 1000 | round) == 9667'
    run "$percept" score chair --predictions "$p" --references "$r"
    [ "$status" -eq 2 ]
    [[ $output == *"--data"* ]]
    truths '{"objects": ["unicorn"]}' '{}' '{}'
    run "$percept" score chair --predictions "$p" --references "$r" --data "$names"
    [ "$status" -eq 3 ]
    [[ $output == *"r.jsonl:1: objects[0]: 'unicorn'"* ]]
}

@test "score: AMBER, questions to the letter and descriptions in words" {
    answers "Yes" "No" "yes" "No" "People walk on grass under the sky. A dog." "a tree"
    truths '{"type": "discriminative-hallucination", "references": ["yes"]}' '{"type": "discriminative-attribute-state", "references": ["no"]}' \
        '{"type": "discriminative-attribute-number", "references": ["yes"]}' '{"type": "discriminative-relation", "references": ["yes"]}' \
        '{"type": "generative", "truth": ["person", "sky"], "hallu": ["dog"]}' '{"type": "generative", "truth": ["tree"], "hallu": ["bird"]}'
    d="$BATS_TEST_TMPDIR/amber"
    mkdir "$d"
    echo '{"person": ["people"], "sky": [], "grass": [], "dog": ["puppy"], "tree": [], "bird": []}' >"$d/relation.json"
    echo light >"$d/safe_words.txt"
    out=$("$percept" score amber --predictions "$p" --references "$r" --data "$d" --json)
    holds '[.items[].amber] == [1, 1, 0, 0, 0, 1]'
    holds '.corpus.all | [.accuracy, .precision, .recall, .n] == [50, 50, 99.9, 4]'
    holds '[.corpus.chair_words, .corpus.cover_words, .corpus.hal_words, .corpus.cog_words] == [40, 100, 50, 50]'
    run "$percept" score amber --predictions "$p" --references "$r"
    [ "$status" -eq 2 ]
    [[ $output == *"relation.json"* ]]
}

@test "score: MMMU reads choices and open answers in its own ways" {
    answers "The answer is (B), not (A)." "B." "I would say that it is the blue car here" "no idea" "So the result is 1,234.567." \
        "x = 3 so the answer is 4 m
y = 12" "It is a cat" "5"
    truths '{"references": ["A"], "choices": ["red car", "blue car"]}' '{"references": ["B"], "choices": ["red car", "blue car"]}' \
        '{"references": ["B"], "choices": ["red car", "blue car"]}' '{"references": ["B"], "choices": ["red car", "blue car"]}' \
        '{"references": ["1234.57"]}' '{"references": ["12"]}' '{"references": ["a"], "question_type": "open"}' '{"references": ["15"]}'
    score mmmu
    holds '[.items[].mmmu] == [1, 1, 1, 0, 1, 1, 1, 0] and .corpus.unread == 1'
}

@test "score: what judges say, read and summed up; what can't be read is a failure" {
    answers $'8 7.5\nBoth are fine.' "9,6" "9, 6" "good" "10 9 8"
    truths '{"category": "conv"}' '{"category": "detail"}' '{"category": "conv"}' '{}' '{}'
    score llava_bench
    holds '.corpus | (.relative * 1000 | round) == 79412 and .reference == 8.5 and .model == 6.75 and .failed == 3'
    holds '.corpus.conv | .relative == 93.75 and .n == 1'
    answers "0.5" "1.0." "2" "0.3 because"
    truths '{"capability": ["rec", "ocr"]}' '{"capability": ["rec"]}' '{}' '{"capability": "ocr"}'
    score mm_vet
    holds '.corpus | (.score * 10 | round) == 600 and .rec.score == 75 and .ocr.score == 40 and .failed == 1'
    answers "Fine. Rating: 4" "RATING: 2" "Rating: 1 or rating: 2" "none"
    truths '{"question_type": "count"}' '{"question_type": "count"}' '{}' '{}'
    score mmhal
    holds '.corpus | .rating == 3 and .hallucinated == 50 and .failed == 2 and .count.n == 2'
    answers "{'pred': 'yes', 'score': 4}" '{"pred": "no", "score": 1.5}' "{'pred': 'maybe', 'score': 2}" "yes"
    truths '{}' '{}' '{}' '{}'
    score judged
    holds '.corpus | .accuracy == 50 and .score == 2.75 and .failed == 2'
}
