"""Reading, writing and cleaning of bracketed trees."""

import pytest

from t2t_mm.data.features.brackets import Node, read_tree, read_trees, without_traces
from t2t_mm.errors import UserError

JOHN = "(S (NP (NNP John)) (VP (VBZ sleeps)) (. .))"


def test_a_tree_is_read_into_nodes_and_written_as_it_was():
    tree = read_tree(JOHN)
    subject = Node("NP", (Node("NNP", word="John"),))
    assert tree == Node("S", (subject, Node("VP", (Node("VBZ", word="sleeps"),)), Node(".", word=".")))
    assert str(tree) == JOHN
    assert tree.words == ("John", "sleeps", ".")


def test_trees_stand_on_any_number_of_lines_and_lose_the_bracket_without_a_label():
    lines = ["", "( (S ", "    (NP (PRP It) )", "    (VP (VBZ rains) )) )", "((NP (NN rain)))"]
    assert [str(tree) for tree in read_trees(lines, "w.mrg")] == [
        "(S (NP (PRP It)) (VP (VBZ rains)))",
        "(NP (NN rain))",
    ]


@pytest.mark.parametrize("text", ["(NP\n(NN\nrain\n)\n)", "( NP ( NN\train ) )", "(NP(NN rain))", "(NP (NN\n rain))"])
def test_a_leaf_stands_on_one_line_or_on_several(text):
    assert list(read_trees(text.split("\n"), "a file")) == [Node("NP", (Node("NN", word="rain"),))]


def test_the_deepest_leaf_is_read():
    (tree,) = read_trees(["(S " * 99 + "(X x)" + ")" * 99], "a file")
    assert tree.words == ("x",)


def test_two_trees_in_one_bracket_without_a_label_become_an_unknown_constituent():
    assert str(read_tree("( (NP (NN rain)) (. .) )")) == "(X (NP (NN rain)) (. .))"


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("(NP (NN rain))\n( (S (NP (NN snow))\n\n", 2, "unbalanced"),
        ("(NP (NN rain)))", 1, "outside"),
        ("(NP (NN rain))\nsnow", 2, "outside"),
        ("(S\n(NP ))", 2, "neither a word nor a constituent"),
        ("(S (NN rain snow))", 1, "shares a bracket with another word"),
        ("(S\n (NN rain)\n snow)", 3, "shares a bracket with another word"),
        ("(S\n" * 2000 + "(X x)" + ")" * 2000, 101, "more than 100 nested brackets"),
        ("(S " * 100 + "(X x)" + ")" * 100, 1, "more than 100 nested brackets"),
        ("(S dog (NN rain))", 1, "both the word 'dog' and constituents"),
    ],
)
def test_what_is_no_tree_is_refused_with_its_file_and_line(text, line, why):
    with pytest.raises(UserError, match=why) as refusal:
        list(read_trees(text.split("\n"), "wsj_0001.mrg"))
    assert f"wsj_0001.mrg, line {line}:" in str(refusal.value)


@pytest.mark.parametrize("text", ["", f"{JOHN} {JOHN}"])
def test_one_tree_means_one(text):
    with pytest.raises(UserError, match="expected one bracketed tree"):
        read_tree(text)


def test_traces_go_with_the_constituents_that_held_nothing_else_and_function_tags_go_too():
    written = """(S (NP-SBJ-1 (PRP$ Its) (NNS costs)) (VP (VBD fell) (S (NP-SBJ (-NONE- *-1)) (VP (-NONE- *?*)))
               (PP-LOC=2 (IN in) (NP (-LRB- -LRB-) (NNP Oslo) (-RRB- -RRB-)))))"""
    assert str(without_traces(read_tree(written))) == (
        "(S (NP (PRP$ Its) (NNS costs)) (VP (VBD fell) (PP (IN in) (NP (-LRB- -LRB-) (NNP Oslo) (-RRB- -RRB-)))))"
    )


def test_a_tree_of_traces_alone_leaves_nothing():
    assert without_traces(read_tree("(S (NP-SBJ (-NONE- *)))")) is None
