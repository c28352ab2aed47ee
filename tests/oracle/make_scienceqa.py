#!/usr/bin/env python3
"""tests/golden/scienceqa: a toy folder in ScienceQA's layout, and the texts that MM-CoT's own code makes of it in every format.

usage: make_scienceqa.py CHECKOUT     of amazon-science/mm-cot
"""

import argparse
import json
import shutil
import sys

import common as c

OUT = c.GOLDEN / "scienceqa"
PROBLEMS = {
    "1": {"question": "Which shape is red?", "choices": ["the circle", "the square"], "answer": 0, "hint": "Look at  the picture.\nIt has two shapes.",
          "image": "image.png", "task": "closed choice", "grade": "grade2", "subject": "natural science", "topic": "shapes", "category": "c", "skill": "s",
          "lecture": "A shape has a colour.\nColours have names.", "solution": "The circle is red.\n\nThe square is blue.", "split": "train"},
    "7": {"question": "What is 2 + 2?", "choices": ["3", "4", "5"], "answer": 1, "hint": "", "image": None, "task": "closed choice", "grade": "grade8",
          "subject": "language science", "topic": "t", "category": "c", "skill": "s", "lecture": "", "solution": "2 and 2 is 4.", "split": "test"},
    "12": {"question": "Name   the triangle.", "choices": ["A", "B", "C", "D"], "answer": 3, "hint": "  ", "image": "image.png", "task": "closed choice",
           "grade": "grade5", "subject": "social science", "topic": "t", "category": "c", "skill": "s", "lecture": "Three sides.", "solution": "", "split": "test"},
}
SPLITS = {"train": ["1"], "val": [], "test": ["7", "12"]}
PREDICTED = ["Solution: 2 and 2 is 5.", "Solution: It has\nthree  sides."]
INPUTS = ["CQM", "CQMG", "QC", "QCEM", "QCLEM", "QCLM", "QCM", "QCME", "QCMG", "QCML", "QCMLE", "QM"]
OUTPUTS = ["A", "AL", "AE", "ALE", "AEL", "LA", "EA", "LEA", "ELA", "LE", "E"]


def main():
    sys.path.insert(0, sys.argv[1])
    import utils_prompt

    shutil.rmtree(OUT, ignore_errors=True)
    for name, picture in (("train/1", "shapes"), ("test/12", "triangle")):
        (OUT / "images" / name).mkdir(parents=True)
        shutil.copy(c.GOLDEN / "llava" / f"{picture}.png", OUT / "images" / name / "image.png")
    c.save_json(OUT / "problems.json", PROBLEMS)
    c.save_json(OUT / "pid_splits.json", SPLITS)
    c.save_json(OUT / "predictions.json", {"preds": PREDICTED})
    formats = {f"{i}-A" for i in INPUTS} | {f"QCM-{o}" for o in OUTPUTS}
    expected = []
    for split, preds in (("train", None), ("test", None), ("test", PREDICTED)):
        for style in sorted(formats if preds is None else {"CQMG-A", "QCMG-A"}):
            args = argparse.Namespace(prompt_format=style, use_caption=False, options=["A", "B", "C", "D", "E"])
            for i, pid in enumerate(SPLITS[split]):
                pair = utils_prompt.build_train_pair(PROBLEMS, pid, args, preds and preds[i])
                expected.append({"split": split, "content": style, "index": i, "predicted": preds is not None,
                                 "texts": [" ".join(t.split()) for t in pair]})  # as utils_data.py does
    c.save_json(OUT / "expected.json", expected)
    c.readable(OUT)
    print("scienceqa:", len(expected), "pairs")


main()
