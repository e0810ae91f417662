"""Make captions.json, with the scores that COCO's own scorers give to captions: for the tests of CIDEr and BLEU-4.

    pip install pycocoevalcap==1.2 && python tests/golden/make_captions.py

Its tokeniser needs Java. The captions below are made up.
"""

import json
from pathlib import Path

from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

SENTENCES = (
    "A man (wearing a hat) walks.",
    'She said "hello" to Mr. Smith, Jr.',
    "Don't go; can't, won't, cannot, isn't it?",
    "It's the dogs' ball, and the dog's bone.",
    "I'm here, they're there, he'd see, she'll go, we've been.",
    "A red-haired boy -- and a girl - wait...",
    "Cost is $3.50, 1,000 people, 50% off & more.",
    "The U.S. team at 5 p.m. on Jan. 3rd",
    "A man 's dog , a ball .",
    "gonna gotta wanna",
    "rock 'n' roll; the '90s; 1990's",
    "A sign that reads 'STOP'!",
    "A sign reads: STOP! No. 5 vs. the rest, etc.",
    "mail: a@b.com or http://www.example.com",
    "a [bracket] {brace} and a star*",
    "caf\u00e9 na\u00efve \u2014 dash \u2026 don\u2019t \u201cquote\u201d",
    'he said:"no",she said.',
    "semi;colon com,ma",
    "o'clock ma'am T-shirt",
    "two    blanks",
    "A tea cup full of tea..",
    "a #8 jersey & a hat &amp; scarf",
    "m&m",
    "a blue & white ball",
    "at 12:30 a 7-year-old",
    "and/or 1/2 cup",
    "horses fighting- a crowd",
    "...",
    "!",
)
CASES = (  # (output, references)
    ("A man rides a horse.", ["A man rides a horse.", "A rider on a brown horse", "Someone is riding."]),
    ("a dog runs", ["A black dog runs across the grass .", "The dog is running ."]),
    ("a dog a dog a dog a dog", ["a dog on a beach", "a dog"]),  # clipped
    ("", ["a red bus", "a bus on the street"]),  # empty output
    (".", ["a cat", "the cat sleeps"]),  # nothing but punctuation
    ("cat", ["a cat lies in the sun", "cat"]),  # one word, no pair
    ("a green bird in a tall tree beside the old house", ["a bird", "a green bird in a tree"]),  # much longer
    ("a child plays", ["an infant with toys", "kids playing football"]),  # next to nothing in common
    ("people walk down the street", ["people walk down the street"]),  # one reference
    (
        "Two men, sitting on a bench!",
        ["two men sitting on a bench", "Two men sit.", "men on a bench", "a bench", "two"],
    ),
    ("a man and a woman", ["a woman and a man", "a couple"]),  # order
    ("a a a a a", ["a a a a a", "the"]),  # words that nearly all references have
)


def main() -> None:
    right = {number: [{"caption": text} for text in references] for number, (_, references) in enumerate(CASES)}
    output = {number: [{"caption": text}] for number, (text, _) in enumerate(CASES)}
    # An empty line last would be lost on the way through Java, and so would an empty list.
    tokenised = PTBTokenizer().tokenize({0: [{"caption": text} for text in SENTENCES]})[0]
    right_words, output_words = PTBTokenizer().tokenize(right), PTBTokenizer().tokenize(output)
    cider, each_cider = Cider().compute_score(right_words, output_words)
    bleu, _ = Bleu(4).compute_score(right_words, output_words, verbose=0)
    content = {
        "words": [{"caption": text, "words": words} for text, words in zip(SENTENCES, tokenised, strict=True)],
        "cases": [
            {"output": text, "references": references, "cider": float(score)}
            for (text, references), score in zip(CASES, each_cider, strict=True)
        ],
        "cider": float(cider),
        "bleu_4": 100 * bleu[3],
    }
    Path(__file__).with_name("captions.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
