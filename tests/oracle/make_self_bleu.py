"""Self-BLEU by nltk's sentence_bleu (method1), distinct n-grams counted plainly: tests/golden/instruct/self_bleu.json.

Needs nltk. Usage: make_self_bleu.py > tests/golden/instruct/self_bleu.json
"""

import json
import random

from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu

OPENINGS = ["what is the", "describe the", "how many", "is there a", "list the", "where is the", "what is the", "please describe"]
THINGS = ["red circle", "picture", "dogs", "small dog", "things on the table", "cat", "colour of the car", "scene in detail"]
ENDS = ["", "in the picture", "here", "that you see in the picture please", "in the picture"]


def distinct(texts, n):
    grams = [tuple(text[i:i + n]) for text in texts for i in range(len(text) - n + 1)]
    return len(set(grams)) / len(grams)


def main():
    draw = random.Random(5)
    texts = [" ".join([draw.choice(OPENINGS), draw.choice(THINGS), draw.choice(ENDS)]).split() for _ in range(40)]
    texts += [["what"], ["unheard", "of"], ["what", "is"], ["a", "a", "a", "a", "b"]]
    smooth = SmoothingFunction().method1
    each = [sentence_bleu(texts[:i] + texts[i + 1:], text, smoothing_function=smooth) for i, text in enumerate(texts)]
    print(json.dumps({"texts": [" ".join(text) for text in texts], "self_bleu": sum(each) / len(each),
                      "distinct": [distinct(texts, n) for n in range(1, 5)]}, indent=0))


if __name__ == "__main__":
    main()
