#!/bin/sh
# Published annotation files read where they lie and cleaned: counts that are known from the files themselves.
# usage: data_clean.sh [PERCEPT], with PERCEPT_DATA the folder of test data. Ends in a line "N passed, N failed, N skipped"; exit code 1
# when anything failed.
percept=$(realpath "${1:-build/release/percept}")
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
passed=0 failed=0
if [ ! -e "${PERCEPT_DATA:-}/vl/vqa-rad.zip" ]; then
    echo "skipped: no data (PERCEPT_DATA has no vl/vqa-rad.zip)"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
fi

# same NAME EXPECTED FOUND
same() {
    if [ "$2" = "$3" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED $1: expected $2, found $3"
    fi
}

# counts OUT: seen, kept, dropped, damaged
counts() {
    jq -c '[.seen, .kept, .dropped, .damaged]' "$work/$1/report.json"
}

for set in vl/vqa-rad vl/coco-photos-train2017-cc-by classify/cifar10-jpeg; do
    unzip -qo "$PERCEPT_DATA/$set.zip" -d "$work/$(basename $set)"
done

# A list of questions, some answers of which are numbers; 259 different pictures are asked about.
"$percept" data clean "$work/vqa-rad/train.json?media_dir=$work/vqa-rad/images" "$work/questions" --format none >/dev/null
same "VQA-RAD" "[$(jq length "$work/vqa-rad/train.json"),$(jq length "$work/vqa-rad/train.json"),0,0]" "$(counts questions)"
"$percept" data clean "$work/vqa-rad/train.json?media_dir=$work/vqa-rad/images" "$work/pictures" --format none --duplicates picture >/dev/null
same "VQA-RAD, each picture once" "$(cd "$work/vqa-rad/images" && jq -r '.[].image_name' ../train.json | sort -u | xargs sha256sum | cut -c1-64 | sort -u | wc -l)" \
    "$(jq .kept "$work/pictures/report.json")"

# COCO instances: a sample for each picture that has some, read again from the shard.
coco=$work/coco-photos-train2017-cc-by/instances.json
annotated=$(jq '[.annotations[].image_id] | unique | length' "$coco")
"$percept" data clean "$coco" "$work/coco" >/dev/null
same "COCO instances" "[$annotated,$annotated,0,0]" "$(counts coco)"
"$percept" data clean "$work/coco" "$work/coco_again" --format jsonl --min_side 400 >/dev/null
same "COCO instances, sides of 400" "$(jq '[.annotations[].image_id] as $with | [.images[] | select(.id as $id | $with | index($id)) | select(([.width, .height] | min) >= 400)] | length' "$coco")" \
    "$(wc -l <"$work/coco_again/data.jsonl")"

# Class folders.
cifar=$(find "$work/cifar10-jpeg" -type d -name test)
"$percept" data clean "$cifar" "$work/classes" --format none >/dev/null
same "CIFAR-10, class folders" "[1500,1500,0,0]" "$(counts classes)"
echo "$passed passed, $failed failed, 0 skipped"
[ $failed -eq 0 ]
