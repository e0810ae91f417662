"""The grammar: sentences with one tree each."""

from collections import Counter
from functools import cache

import pytest

from t2t_mm.data.features.brackets import Node, read_tree
from t2t_mm.data.features.tree import CONSTITUENTS, TAGS, linearise
from t2t_mm.problem import DEV, TRAIN
from t2t_mm.problems.builtin_parsing import GRAMMAR, LONGEST, WORDS, Grammar


def derivations(sentence: str) -> int:
    """Return the number of derivations of the sentence by the grammar: every rule over every span, counted."""
    words = sentence.split()

    @cache
    def of_symbol(symbol: str, start: int, end: int) -> int:
        if symbol in WORDS:
            return int(end == start + 1 and words[start] in WORDS[symbol].split())
        return sum(of_sequence(tuple(rule.split()), start, end) for _, rule in GRAMMAR[symbol])

    @cache
    def of_sequence(symbols: tuple[str, ...], start: int, end: int) -> int:
        if not symbols:
            return int(start == end)
        return sum(
            of_symbol(symbols[0], start, k) * of_sequence(symbols[1:], k, end) for k in range(start + 1, end + 1)
        )

    return of_symbol("S/top", 0, len(words))


@pytest.fixture(scope="module")
def dev(tmp_path_factory):
    return list(Grammar().examples(DEV, tmp_path_factory.mktemp("nowhere")))


def test_a_sentence_has_one_tree(dev):
    assert {derivations(e.values["inputs"]) for e in dev} == {1}


@pytest.mark.parametrize(
    ("sentence", "count"),
    [
        ("the man said that she saw her in the river .", 1),  # the place belongs to seeing, not to saying
        ("the man that sang in the house saw her dog near the boat .", 1),  # her dog, not her
        ("Ada saw the dog of the king in the house .", 1),
        ("he slept and she sang but they fell .", 0),  # no more than two sentences are joined
        ("the man saw the dog that fell .", 0),  # a relative clause follows a subject only
    ],
)
def test_what_would_be_ambiguous_in_english_is_settled(sentence, count):
    assert derivations(sentence) == count


def test_tree_and_sentence_have_the_same_words_and_few_of_them(dev):
    for example in dev:
        words = example.values["inputs"].split()
        assert read_tree(example.values["targets"]).words == tuple(words)
        assert 3 <= len(words) <= LONGEST


def labels(tree: Node) -> set[str]:
    return {tree.label}.union(*map(labels, tree.children))


def test_labels_and_tags_are_those_of_the_treebank(dev):
    assert set().union(*(labels(read_tree(e.values["targets"])) for e in dev)) <= {*CONSTITUENTS, *TAGS}


def test_no_dev_sentence_is_trained_on(dev, tmp_path):
    trained = {e.values["inputs"] for e in Grammar().examples(TRAIN, tmp_path)}
    assert not trained & {e.values["inputs"] for e in dev}


def test_the_tree_is_not_to_be_guessed(dev):
    shapes = Counter(linearise(read_tree(e.values["targets"])) for e in dev)
    assert max(shapes.values()) < 0.05 * len(dev)


def test_words_stand_with_several_tags_that_their_context_tells():
    tags = Counter(word for words in WORDS.values() for word in words.split())
    assert {"that", "her", "walk", "watch"} <= {word for word, count in tags.items() if count > 1}
