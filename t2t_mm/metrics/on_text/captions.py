"""Tokenisation of captions as COCO's scorers do it: without case and without punctuation.

COCO's scorers tokenise captions by Stanford's PTBTokenizer 3.4.1 (Java), in lower case, and drop punctuation (Chen et
al. 2015, arXiv 1504.00325, section 4). This module does the same in Python for the English of captions: of 34,295
captions of Flickr8k, COCO and Multi30k, two differ (`C U B S.` and `John A. Noble`).
"""

import re

PLAIN_MARKS = str.maketrans({"’": "'", "‘": "'", "`": "'", "“": '"', "”": '"', "—": " ", "–": " ", "…": " "})
ADDRESS = re.compile(r"(https?://|www\.)\S+|\S+@\S+\.\w+")
AND = re.compile(r"(?<![A-Z])&|&(?![A-Z])")  # a separate word, except in H&R
# Marks that separate words wherever they occur; `.`, `'`, `-`, `?` and `!` may occur inside a word.
SEPARATOR = re.compile(r"""(["();\[\]{}*$%=+~^|]|#(?=\d)|,(?!\d)|(?<!\d),|:(?!\d)|(?<!\d):|--+|\.\.+)""")
WITHIN = re.compile(r"(?P<before>[-'.?!]*)(?P<word>.*?)(?P<after>[-'.?!]*)")
INITIALS = re.compile(r"([a-z]\.)+[a-z]")  # u.s and a.m, without the last full stop
CLITIC = re.compile(r"(.+?)(n't|'(?:s|m|d|re|ve|ll))")
APOSTROPHES = re.compile(r"'(s|m|d|re|ve|ll|em|n'|\d+s)")  # words that begin with one
# Words that are split in two, with the number of letters of the first.
SPLIT_AT = {"cannot": 3, "gonna": 3, "gotta": 3, "wanna": 3, "gimme": 3, "lemme": 3}
ABBREVIATIONS = frozenset(  # they keep their full stop
    "mr mrs ms dr st mt no jr sr vs etc inc co corp ltd ave blvd rd dept prof gen sgt capt "
    "jan feb mar apr jun jul aug sep sept oct nov dec".split()
)
# As in pycocoevalcap. Its list has brackets in capitals, which never occur in lower-case text: -lrb- remains a word.
PUNCTUATION = frozenset("\" ' . ? ! , : - -- ... ;".split())
BRACKETS = {"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"}


def words(caption: str) -> list[str]:
    """Return the words of a caption, in lower case and without punctuation."""
    tokens: list[str] = []
    for piece in AND.sub(" & ", caption.translate(PLAIN_MARKS).replace("&amp;", "&")).lower().split():
        parts = [piece] if ADDRESS.fullmatch(piece) else SEPARATOR.split(piece)
        for part in parts:
            tokens += [part] if SEPARATOR.fullmatch(part) or ADDRESS.fullmatch(part) else _split(part)
    return [
        BRACKETS.get(word, word) for word in tokens if word not in PUNCTUATION and not re.fullmatch(r"-+|\.+", word)
    ]


def _split(part: str) -> list[str]:
    """Return the words of a piece between separators: without other marks at its ends, and with clitics separate."""
    if APOSTROPHES.fullmatch(part):
        return [part]
    match = WITHIN.fullmatch(part)
    word, after = (match["word"], match["after"]) if match else (part, "")
    if not word:
        return []
    if after.startswith(".") and (word in ABBREVIATIONS or INITIALS.fullmatch(word)):
        return [f"{word}."]
    clitic = CLITIC.fullmatch(word)
    cut = SPLIT_AT.get(word)
    return [*clitic.groups()] if clitic else [word] if cut is None else [word[:cut], word[cut:]]
