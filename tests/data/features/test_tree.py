"""Trees as lines of symbols: trees are restored exactly, other lines are repaired."""

import pytest

from t2t_mm.data.features.brackets import DEEPEST, read_tree, without_traces
from t2t_mm.data.features.text import Text
from t2t_mm.data.features.tree import SYMBOLS, Tree, linearise, restore, well_formed
from t2t_mm.errors import UserError
from t2t_mm.hparam_set import DataHparams

DOG = "(S (NP (NNP John)) (VP (VBZ has) (NP (DT a) (NN dog))) (. .))"
DOG_LINE = "<(S><(NP><NNP><)NP><(VP><VBZ><(NP><DT><NN><)NP><)VP><.><)S>"
DOG_WORDS = "John has a dog .".split()


def test_a_tree_is_one_symbol_for_each_bracket_and_each_tag_without_the_words():
    assert linearise(read_tree(DOG)) == DOG_LINE


def test_the_words_put_back_restore_the_tree_exactly():
    assert str(restore(DOG_LINE, DOG_WORDS)) == DOG


def test_without_the_words_the_leaves_are_blank():
    assert str(restore("<(NP><DT><NN><)NP>")) == "(NP (DT _) (NN _))"


@pytest.mark.parametrize(
    "tree",
    [
        "(NN dog)",
        "(S (S (S (NN dog))))",
        "(NP (NP (NN dog)) (, ,) (NP (NN cat)))",
        "(NP (-LRB- -LRB-) ($ $) (`` ``) ('' '') (# #) (: --) (PRP$ her) (-RRB- -RRB-))",
        "(ADVP|PRT (XYZ-odd ø))",
    ],
)
def test_odd_trees_are_restored_exactly_too(tree):
    words = read_tree(tree).words
    line = linearise(read_tree(tree))
    assert str(restore(line, words)) == tree
    assert well_formed(line, words)


@pytest.mark.parametrize(
    ("line", "repaired"),
    [
        ("<(S><(NP><DT><NN>", "(S (NP (DT the) (NN dog)))"),  # never closes
        ("<DT><NN><)NP><)S>", "(S (NP (DT the) (NN dog)))"),  # never opened
        ("<(S><(NP><DT><NN><)VP><)S>", "(S (NP (DT the) (NN dog)))"),  # closes as something else
        ("<(NP><DT><)NP><(NP><NN><)NP>", "(X (NP (DT the)) (NP (NN dog)))"),  # side by side
        ("<(NP><DT><NN><NN><NNS><)NP>", "(NP (DT the) (NN dog))"),  # more leaves than words
        ("<(S><(NP><DT><)NP><(VP><)VP><)S>", "(S (NP (DT the)) (XX dog))"),  # fewer, and an empty constituent
        ("<DT>", "(X (DT the) (XX dog))"),
        ("the <(NP>big<DT><NN><)NP> <", "(NP (DT the) (NN dog))"),  # what is no symbol
        ("", "(X (XX the) (XX dog))"),
    ],
)
def test_what_is_no_whole_tree_is_repaired_over_the_words_and_known_for_it(line, repaired):
    assert str(restore(line, ["the", "dog"])) == repaired
    assert not well_formed(line, ["the", "dog"])


@pytest.mark.parametrize(
    "line", ["<(S>" * 2000 + "<NN>", "<NN>" + "<)S>" * 2000, "<(S>" * 2000 + "<NN>" + "<)S>" * 4000]
)
def test_constituents_without_end_are_shown_up_to_a_depth(line):
    tree = restore(line, ["rain"])
    assert str(tree).count("(S ") in (DEEPEST, 2 * DEEPEST) and tree.words == ("rain",)
    assert not well_formed(line, ["rain"])


def test_the_deepest_tree_that_is_read_is_restored_exactly():
    deep = "(S " * (DEEPEST - 1) + "(NN rain)" + ")" * (DEEPEST - 1)
    assert well_formed(linearise(read_tree(deep)), ["rain"])
    assert str(restore(linearise(read_tree(deep)), ["rain"])) == deep
    assert str(without_traces(read_tree(deep))) == deep


def test_nothing_at_all_is_still_shown_as_a_tree():
    assert str(restore("")) == "(X (XX _))"
    assert str(restore("<(NP>", [])) == "(X (XX _))"


def test_a_tree_is_well_formed_or_not_whether_its_words_are_at_hand_or_not():
    assert well_formed(DOG_LINE) and well_formed(DOG_LINE, DOG_WORDS)
    assert not well_formed(DOG_LINE, DOG_WORDS[:-1])
    assert not well_formed(DOG_LINE, [*DOG_WORDS, "!"])
    assert not well_formed(DOG_LINE.removesuffix("<)S>"))


def test_a_word_that_is_a_bracket_does_not_break_the_tree():
    tree = restore("<(NP><-LRB-><NN><-RRB-><)NP>", ["(", "dog", ")"])
    assert str(tree) == "(NP (-LRB- -LRB-) (NN dog) (-RRB- -RRB-))"
    assert read_tree(str(tree)) == tree


def test_a_label_that_would_end_its_symbol_is_refused():
    with pytest.raises(UserError, match="must not contain '<' or '>'"):
        linearise(read_tree("(N>P dog)"))


def test_every_symbol_is_there_once():
    assert len(set(SYMBOLS)) == len(SYMBOLS) == 2 * 26 + 45


@pytest.fixture
def codec(tmp_path):
    """Trees in a vocabulary made from a few lines that hold some text as well."""
    features = [Text(), Tree()]
    lines = [f"John has {n} dogs and a cat ." for n in range(200)]
    features[1].prepare(tmp_path, features, {"parsing": [*lines, *[features[1].sample(DOG)] * 50]}, 0, print)
    return Tree().open(tmp_path)


def test_a_stored_tree_takes_one_id_for_each_symbol_and_comes_back_exactly(codec):
    stored = codec.store(DOG)
    symbols, blank_and_end = DOG_LINE.count(">"), 2
    assert codec.length(stored) == symbols + blank_and_end
    ids = codec.load(stored, DataHparams(), None)
    assert codec.show(ids, " ".join(DOG_WORDS)) == DOG
    assert codec.show(ids) == "(S (NP (NNP _)) (VP (VBZ _) (NP (DT _) (NN _))) (. _))"


def test_a_label_that_the_vocabulary_does_not_know_is_carried_as_text(codec):
    stored = codec.store("(NEW (TAG/1 dog))")
    assert codec.show(codec.load(stored, DataHparams(), None), "dog") == "(NEW (TAG/1 dog))"


def test_trees_go_through_the_net_of_text(codec, tmp_path):
    assert codec.port == Text().open(tmp_path).port
    assert Tree().files() == Text().files()


def test_any_ids_are_shown_as_a_tree_over_the_sentence(codec):
    ids = codec.load(codec.store(DOG), DataHparams(), None)[3:6]
    assert read_tree(codec.show(ids, "John runs")).words == ("John", "runs")


def test_an_output_that_show_must_repair_is_not_well_formed(codec):
    ids = codec.load(codec.store(DOG), DataHparams(), None)
    assert codec.well_formed(ids, " ".join(DOG_WORDS)) and codec.well_formed(ids)
    assert not codec.well_formed(ids, "John has a dog")  # a leaf too many
    assert not codec.well_formed(ids[:-2])  # the last bracket is still open
    assert not codec.well_formed(ids[:0], "John")


def test_an_unbalanced_tree_is_not_stored(codec):
    with pytest.raises(UserError, match="unbalanced"):
        codec.store("(S (NP (NN dog))")
    with pytest.raises(UserError, match="unbalanced"):
        codec.parse("(S (NP (NN dog))", None)
