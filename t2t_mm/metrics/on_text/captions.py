"""The words of a caption, as those who score captions count them: without case and without punctuation.

COCO's scorers read captions through Stanford's PTBTokenizer 3.4.1 (Java), in lower case, and drop what is punctuation
(Chen et al. 2015, arXiv 1504.00325, section 4). This is the same in Python, for English as captions have it: of 34,295
captions of Flickr8k, COCO and Multi30k, two come out otherwise (`C U B S.` and `John A. Noble`).
"""

import re

SAME = str.maketrans({"’": "'", "‘": "'", "`": "'", "“": '"', "”": '"', "—": " ", "–": " ", "…": " "})
ADDRESS = re.compile(r"(https?://|www\.)\S+|\S+@\S+\.\w+")
AND = re.compile(r"(?<![A-Z])&|&(?![A-Z])")  # a word of its own, but for H&R
# Marks that part words wherever they stand; `.`, `'`, `-`, `?` and `!` may stand within one.
APART = re.compile(r"""(["();\[\]{}*$%=+~^|]|#(?=\d)|,(?!\d)|(?<!\d),|:(?!\d)|(?<!\d):|--+|\.\.+)""")
WITHIN = re.compile(r"(?P<before>[-'.?!]*)(?P<word>.*?)(?P<after>[-'.?!]*)")
INITIALS = re.compile(r"([a-z]\.)+[a-z]")  # u.s and a.m, the last full stop off
CLITIC = re.compile(r"(.+?)(n't|'(?:s|m|d|re|ve|ll))")
APOSTROPHES = re.compile(r"'(s|m|d|re|ve|ll|em|n'|\d+s)")  # words that begin with one
IN_TWO = {"cannot": 3, "gonna": 3, "gotta": 3, "wanna": 3, "gimme": 3, "lemme": 3}  # letters of the first word
ABBREVIATIONS = frozenset(  # that keep their full stop
    "mr mrs ms dr st mt no jr sr vs etc inc co corp ltd ave blvd rd dept prof gen sgt capt "
    "jan feb mar apr jun jul aug sep sept oct nov dec".split()
)
# As pycocoevalcap lists them. It has brackets in capitals, which never come in lower case: -lrb- stays a word.
PUNCTUATION = frozenset("\" ' . ? ! , : - -- ... ;".split())
BRACKETS = {"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"}


def words(caption: str) -> list[str]:
    """The words of a caption, in lower case, punctuation left out."""
    found: list[str] = []
    for piece in AND.sub(" & ", caption.translate(SAME).replace("&amp;", "&")).lower().split():
        parts = [piece] if ADDRESS.fullmatch(piece) else APART.split(piece)
        for part in parts:
            found += [part] if APART.fullmatch(part) or ADDRESS.fullmatch(part) else _split(part)
    return [BRACKETS.get(word, word) for word in found if word not in PUNCTUATION and not re.fullmatch(r"-+|\.+", word)]


def _split(part: str) -> list[str]:
    """What stands between marks that part words: other marks off at both ends, a clitic by itself."""
    if APOSTROPHES.fullmatch(part):
        return [part]
    fit = WITHIN.fullmatch(part)
    word, after = (fit["word"], fit["after"]) if fit else (part, "")
    if not word:
        return []
    if after.startswith(".") and (word in ABBREVIATIONS or INITIALS.fullmatch(word)):
        return [f"{word}."]
    clitic = CLITIC.fullmatch(word)
    cut = IN_TWO.get(word)
    return [*clitic.groups()] if clitic else [word] if cut is None else [word[:cut], word[cut:]]
