#!/usr/bin/env python3
"""Checks every claim of adapted instructions against the annotations. Usage: check_adapted.py ADAPTED.jsonl SCENES.jsonl

The rows were made with templates.json of this folder, whose texts can be read back without doubt.
"""

import json
import sys
from collections import Counter


def called(thing):
    return thing["shape"] + (" " + thing["text"] if "text" in thing else "")


def phrases(things):
    """Phrase -> thing, for those that a phrase tells from all others."""
    names = Counter(called(t) for t in things)
    both = Counter((t["colour"], called(t)) for t in things)
    out = {}
    for t in things:
        if names[called(t)] == 1:
            out[called(t)] = t
        elif both[t["colour"], called(t)] == 1:
            out[t["colour"] + " " + called(t)] = t
    return out


def middle(thing):
    left, top, right, bottom = thing["box"]
    return (left + right) / 2, (top + bottom) / 2


def stands(a, b, relation):
    (x, y), (u, v) = middle(a), middle(b)
    return {"to the left of": x < u, "to the right of": x > u, "above": y < v, "below": y > v}[relation]


def check(question, answer, scene):
    """Whether the exchange is right, and its kind."""
    things, known = scene["objects"], phrases(scene["objects"])
    names = Counter(called(t) for t in things)
    kind, *rest = question.removeprefix("<image>\n").split("|")
    if kind == "THERE":
        return names[rest[0]] == 1 and answer == "yes", kind
    if kind == "ABSENT":
        return names[rest[0]] == 0 and answer == "no", kind
    if kind == "COUNT":
        return names[rest[0]] == int(answer), kind
    if kind == "WRONGCOUNT":
        return rest[0] != answer and int(answer.split()[0]) in names.values() and int(rest[0].split()[0]) > 1, kind
    if kind == "COLOUR":
        return known[rest[0]]["colour"] == answer, kind
    if kind == "WRONGCOLOUR":
        return known[rest[0]]["colour"] == answer != rest[1], kind
    if kind == "RELATION":
        return stands(known[rest[0]], known[rest[2]], rest[1]) and answer == "yes", kind
    if kind == "WRONGRELATION":
        return not stands(known[rest[0]], known[rest[2]], rest[1]) and stands(known[rest[0]], known[rest[2]], answer), kind
    box = answer if kind == "GROUND" else rest[0]
    thing = known[rest[0] if kind == "GROUND" else answer]
    return all(abs(got - edge / scene["side"]) <= 0.0051 for got, edge in zip(json.loads(box), thing["box"])), kind


def main():
    scenes = {row["image"]: row for row in map(json.loads, open(sys.argv[2], encoding="utf-8"))}
    right, wrong = Counter(), Counter()
    for row in map(json.loads, open(sys.argv[1], encoding="utf-8")):
        turns = row["conversations"]
        assert len(turns) == 2 * len(row["tasks"])
        for ask, say in zip(turns[::2], turns[1::2]):
            good, kind = check(ask["value"], say["value"], scenes[row["image"]])
            (right if good else wrong)[kind.capitalize()] += 1
    print(json.dumps({"right": right, "wrong": wrong}))


if __name__ == "__main__":
    main()
