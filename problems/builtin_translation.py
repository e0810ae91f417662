"""Synthetic sentences in three small languages, and their translations.

What: sentences of 2 to 11 words about who does what to whom, and when. The languages differ as real ones do:
    north: subject, verb, object, but the verb comes second when the time comes first (`ikveld jager den katt`); two
        genders, in articles and adjectives; adjective before noun; tense on the verb.
    south: subject, object, verb; two genders, different from north's, in articles, nouns and adjectives, which follow
        the noun; the verb shows tense and number; `a` before the object.
    east: verb, subject, object; no gender and no articles: `so` means definite; a plural is the noun twice; `ga`
        and `wo` follow subject and object; tense is a word before the verb.
    Each expresses everything that the others express, so a sentence has exactly one translation.
Splits: train 5,000, dev 400; a meaning is in one of them only, by its hash, the same one in all four directions.
Layout: none; no files are needed.
Licence: that of this package.
Ceiling: 100 % of sentences exact, BLEU 100.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from t2t_mm.data.features.text import Text
from t2t_mm.data.sources.synthetic import SyntheticSource
from t2t_mm.problem import Problem
from t2t_mm.registry import PROBLEMS

# north with its gender (c: en, den; n: et, det), south with its gender (-o or -a), east
NOUNS = (
    ("hund", "c", "perro", "inu"),
    ("katt", "c", "miza", "neko"),
    ("hus", "n", "cabana", "ie"),
    ("barn", "n", "filo", "kodo"),
    ("konge", "c", "reyo", "tono"),
    ("tre", "n", "lena", "moku"),
    ("fugl", "c", "paxara", "tori"),
    ("skip", "n", "barco", "fune"),
    ("bok", "c", "libra", "hon"),
    ("eple", "n", "pomo", "ringo"),
    ("venn", "c", "amiko", "tomo"),
    ("brev", "n", "carta", "fumi"),
)
# north, south without its ending, east
ADJECTIVES = (
    ("gul", "flav", "kiro"),
    ("stor", "grand", "oki"),
    ("liten", "picol", "chisa"),
    ("gammel", "antik", "furu"),
    ("rask", "velos", "haya"),
    ("rod", "ross", "aka"),
)
# stems in north, south and east; the first four take no object
VERBS = (
    ("sov", "dorm", "neru"),
    ("dans", "bal", "odoru"),
    ("vent", "asper", "matsu"),
    ("fall", "cad", "ochiru"),
    ("jag", "kas", "ou"),
    ("finn", "trov", "mitsu"),
    ("elsk", "am", "aisu"),
    ("mal", "pint", "kaku"),
    ("bar", "port", "motsu"),
    ("glem", "olvid", "wasu"),
)
ALONE = 4
TIMES = (("idag", "oje", "kyo"), ("ikveld", "noce", "yoru"), ("alltid", "sempre", "itsumo"), ("ofte", "spes", "yoku"))
TENSES = (("er", "a", "ima"), ("et", "ava", "ta"), ("vil", "ara", "mai"))  # now, past and to come


@dataclass(frozen=True)
class Phrase:
    """A noun phrase: row numbers of the tables above; `adjective` None for none."""

    noun: int
    adjective: int | None
    many: bool
    definite: bool


@dataclass(frozen=True)
class Clause:
    """The meaning of a sentence, independent of the language."""

    subject: Phrase
    verb: int
    object: Phrase | None
    tense: int
    time: int | None


def north(meaning: Clause) -> str:
    """Return the clause in north."""
    stem, tense = VERBS[meaning.verb][0], TENSES[meaning.tense][0]
    finite, infinitive = (tense, f"{stem}e") if tense == "vil" else (f"{stem}{tense}", "")
    subject = _north_phrase(meaning.subject)
    object = _north_phrase(meaning.object) if meaning.object else ""
    if meaning.time is None:
        return _join(subject, finite, infinitive, object)
    return _join(TIMES[meaning.time][0], finite, subject, infinitive, object)


def _north_phrase(phrase: Phrase) -> str:
    noun, gender = NOUNS[phrase.noun][:2]
    article = {
        (True, True): "de",
        (True, False): "noen",
        (False, True): {"c": "den", "n": "det"}[gender],
        (False, False): {"c": "en", "n": "et"}[gender],
    }[phrase.many, phrase.definite]
    adjective = ""
    if phrase.adjective is not None:
        ending = "e" if phrase.many or phrase.definite else {"c": "", "n": "t"}[gender]
        adjective = ADJECTIVES[phrase.adjective][0] + ending
    plural = "r" if noun.endswith("e") else "er"
    return _join(article, adjective, noun + (plural if phrase.many else ""))


def south(meaning: Clause) -> str:
    """Return the clause in south."""
    verb = VERBS[meaning.verb][1] + TENSES[meaning.tense][1] + ("n" if meaning.subject.many else "")
    object = "a " + _south_phrase(meaning.object) if meaning.object else ""
    time = TIMES[meaning.time][1] if meaning.time is not None else ""
    return _join(_south_phrase(meaning.subject), object, time, verb)


def _south_phrase(phrase: Phrase) -> str:
    noun = NOUNS[phrase.noun][2]
    ending = noun[-1] + ("s" if phrase.many else "")
    article = ("l" if phrase.definite else "un") + ending
    adjective = ADJECTIVES[phrase.adjective][1] + ending if phrase.adjective is not None else ""
    return _join(article, noun + ("s" if phrase.many else ""), adjective)


def east(meaning: Clause) -> str:
    """Return the clause in east."""
    object = _east_phrase(meaning.object) + " wo" if meaning.object else ""
    time = TIMES[meaning.time][2] if meaning.time is not None else ""
    return _join(TENSES[meaning.tense][2], VERBS[meaning.verb][2], _east_phrase(meaning.subject) + " ga", object, time)


def _east_phrase(phrase: Phrase) -> str:
    noun = NOUNS[phrase.noun][3]
    adjective = ADJECTIVES[phrase.adjective][2] if phrase.adjective is not None else ""
    return _join("so" if phrase.definite else "", adjective, f"{noun}-{noun}" if phrase.many else noun)


def _join(*parts: str) -> str:
    return " ".join(filter(None, parts))


LANGUAGES: dict[str, Callable[[Clause], str]] = {"north": north, "south": south, "east": east}


@dataclass(frozen=True)
class Languages(SyntheticSource):
    """The same meanings, index by index, in two of the languages."""

    inputs: str
    targets: str
    name = "languages"
    train = 5000
    dev = 400

    def key(self, values: Mapping[str, Any]) -> str:
        return values["inputs" if self.inputs == "north" else "targets"]  # north is one side of every pair

    def make(self, rng: np.random.Generator) -> Mapping[str, Any]:
        meaning = clause(rng)
        return {"inputs": LANGUAGES[self.inputs](meaning), "targets": LANGUAGES[self.targets](meaning)}


def clause(rng: np.random.Generator) -> Clause:
    """Draw a meaning; all words are equally likely."""
    verb = int(rng.integers(len(VERBS)))
    return Clause(
        subject=_phrase(rng),
        verb=verb,
        object=_phrase(rng) if verb >= ALONE else None,
        tense=int(rng.integers(len(TENSES))),
        time=int(rng.integers(len(TIMES))) if rng.random() < 0.4 else None,
    )


def _phrase(rng: np.random.Generator) -> Phrase:
    return Phrase(
        noun=int(rng.integers(len(NOUNS))),
        adjective=int(rng.integers(len(ADJECTIVES))) if rng.random() < 0.4 else None,
        many=bool(rng.random() < 0.4),
        definite=bool(rng.random() < 0.5),
    )


class SmallLanguages(Problem):
    """A sentence to its one translation, in subwords that all languages share."""

    inputs = targets = Text("builtin")
    decoded_metrics = ("bleu", "chrf", "exact_match")
    ceiling = "all sentences exact, 0.00 nats: each sentence has exactly one translation"


@PROBLEMS.register
class TranslateNorthSouth(SmallLanguages):
    """Synthetic sentences from north to south, two of three small languages."""

    source = Languages("north", "south")
    command = "to-south"


@PROBLEMS.register
class TranslateSouthNorth(SmallLanguages):
    """Synthetic sentences from south to north, two of three small languages."""

    source = Languages("south", "north")
    command = "to-north"


@PROBLEMS.register
class TranslateNorthEast(SmallLanguages):
    """Synthetic sentences from north to east, two of three small languages."""

    source = Languages("north", "east")
    command = "to-east"


@PROBLEMS.register
class TranslateEastNorth(SmallLanguages):
    """Synthetic sentences from east to north, two of three small languages."""

    source = Languages("east", "north")
    command = "to-north"
