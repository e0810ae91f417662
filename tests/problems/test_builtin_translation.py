"""The three small languages: their grammar, and that translation between them has one answer."""

import itertools

import pytest

from t2t_mm.problem import DEV, TRAIN
from t2t_mm.problems import builtin_translation as languages
from t2t_mm.problems.builtin_translation import ADJECTIVES, NOUNS, TENSES, TIMES, VERBS, Clause, Phrase
from t2t_mm.registry import PROBLEMS

DIRECTIONS = ["translate_north_south", "translate_south_north", "translate_north_east", "translate_east_north"]
ROWS = {row[0]: number for table in (NOUNS, ADJECTIVES, VERBS, TIMES) for number, row in enumerate(table)}
PRESENT, PAST, FUTURE = range(3)


def phrase(noun, adjective=None, many=False, definite=True):
    return Phrase(ROWS[noun], ROWS.get(adjective), many, definite)


@pytest.mark.parametrize(
    ("meaning", "north", "south", "east"),
    [
        (
            Clause(phrase("hund", "stor"), ROWS["jag"], phrase("katt", many=True, definite=False), PAST, None),
            "den store hund jaget noen katter",
            "lo perro grando a unas mizas kasava",
            "ta ou so oki inu ga neko-neko wo",
        ),
        (
            Clause(phrase("hus", "gul", definite=False), ROWS["fall"], None, FUTURE, ROWS["idag"]),
            "idag vil et gult hus falle",
            "una cabana flava oje cadara",
            "mai ochiru kiro ie ga kyo",
        ),
        (
            Clause(
                phrase("konge", many=True), ROWS["mal"], phrase("brev", "liten", definite=False), PRESENT, ROWS["ofte"]
            ),
            "ofte maler de konger et litent brev",
            "los reyos a una carta picola spes pintan",
            "ima kaku so tono-tono ga chisa fumi wo yoku",
        ),
    ],
)
def test_each_language_has_its_own_order_and_agreement(meaning, north, south, east):
    assert languages.north(meaning) == north
    assert languages.south(meaning) == south
    assert languages.east(meaning) == east


PHRASES = [
    Phrase(*form)
    for form in itertools.product(range(len(NOUNS)), [None, *range(len(ADJECTIVES))], [False, True], [False, True])
]


@pytest.mark.parametrize("language", languages.LANGUAGES)
def test_two_meanings_never_have_the_same_sentence(language):
    say = languages.LANGUAGES[language]
    dog, cat = phrase("hund"), phrase("katt")
    alone, other = ROWS["sov"], ROWS["jag"]
    rest = list(itertools.product(range(len(TENSES)), [None, *range(len(TIMES))]))
    # Each part through all its forms while the others rest, and the frames of the clause through all of theirs.
    meanings = [Clause(who, alone, None, PAST, None) for who in PHRASES]
    meanings += [Clause(dog, other, whom, PAST, None) for whom in PHRASES if whom != cat]
    meanings += [
        Clause(who, other, cat, tense, time) for who in (dog, phrase("hund", many=True)) for tense, time in rest
    ]
    meanings += [Clause(dog, verb, None, tense, time) for verb in range(1, languages.ALONE) for tense, time in rest]
    meanings += [Clause(cat, verb, dog, PAST, None) for verb in range(languages.ALONE, len(VERBS))]
    assert len(set(meanings)) == len(meanings)
    assert len({say(clause) for clause in meanings}) == len(meanings)


@pytest.mark.parametrize("name", DIRECTIONS)
def test_a_sentence_met_twice_has_the_same_translation(name, tmp_path):
    known: dict[str, str] = {}
    for split in (TRAIN, DEV):
        for example in PROBLEMS[name].source.examples(split, tmp_path):
            values = example.values
            assert known.setdefault(values["inputs"], values["targets"]) == values["targets"]
    assert len(known) > 4500
    assert len(set(known.values())) == len(known)


def test_both_directions_have_the_same_pairs_and_the_same_dev_set(tmp_path):
    there, back = (PROBLEMS[name].source for name in ("translate_north_east", "translate_east_north"))
    for one, other in zip(there.examples(DEV, tmp_path), back.examples(DEV, tmp_path), strict=True):
        assert (one.id, one.values["inputs"]) == (other.id, other.values["targets"])


def test_no_dev_sentence_is_trained_on_in_any_direction(tmp_path):
    seen: dict[str, set[str]] = {TRAIN: set(), DEV: set()}
    for name in DIRECTIONS:
        for split, sentences in seen.items():
            for example in PROBLEMS[name].source.examples(split, tmp_path):
                sentences |= set(example.values.values())
    assert not seen[TRAIN] & seen[DEV]


def test_no_word_means_two_things_in_a_language():
    for column in (0, 1, 2):
        stems = [row[(0, 2, 3)[column]] for row in NOUNS] + [row[column] for row in (*ADJECTIVES, *VERBS, *TIMES)]
        assert len(set(stems)) == len(stems)
