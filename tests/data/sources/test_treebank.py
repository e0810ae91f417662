"""The Treebank in the layouts of NLTK and of the LDC."""

import pytest

from t2t_mm.data.sources.treebank import Treebank
from t2t_mm.errors import UserError
from t2t_mm.problem import DEV, TEST, TRAIN

SOURCE = Treebank("treebank", homepage="example.org/treebank")
MRG = """
( (S
    (NP-SBJ-1 (NNP Mr.) (NNP Vinken) )
    (VP (VBZ wants)
      (S (NP-SBJ (-NONE- *-1)) (VP (TO to) (VP (VB go) ))))
    (. .) ))
( (NP (CD {number}) (NNS years) ))
"""


def fill(folder, *names):
    for name in names:
        path = folder / f"{name}.mrg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(MRG.format(number=name[-4:]))


def first_of_each_file(split, tmp_path):
    return [e.id.split("/")[0] for e in SOURCE.examples(split, tmp_path) if e.id.endswith("/1")]


def test_a_sentence_is_its_words_and_its_tree_is_without_traces_and_function_tags(tmp_path):
    fill(tmp_path / "treebank", "combined/wsj_0003", "combined/wsj_0160")
    examples = list(SOURCE.examples(TRAIN, tmp_path))
    assert [e.id for e in examples] == ["wsj_0003/1", "wsj_0003/2"]
    assert examples[0].values == {
        "inputs": "Mr. Vinken wants to go .",
        "targets": "(S (NP (NNP Mr.) (NNP Vinken)) (VP (VBZ wants) (S (VP (TO to) (VP (VB go))))) (. .))",
    }
    assert examples[1].values == {"inputs": "0003 years", "targets": "(NP (CD 0003) (NNS years))"}


@pytest.mark.parametrize("base", ["combined/", "", "00/", "combined/wsj/00/", "wsj/00/", "parsed/mrg/wsj/00/"])
def test_of_the_sample_what_is_from_wsj_0160_up_is_dev(tmp_path, base):
    later = base.replace("00/", "01/")
    fill(tmp_path / "treebank", f"{base}wsj_0001", f"{later}wsj_0159", f"{later}wsj_0160", f"{later}wsj_0199")
    assert SOURCE.splits(tmp_path) == (TRAIN, DEV)
    assert first_of_each_file(TRAIN, tmp_path) == ["wsj_0001", "wsj_0159"]
    assert first_of_each_file(DEV, tmp_path) == ["wsj_0160", "wsj_0199"]


def test_the_full_corpus_is_split_by_the_usual_sections(tmp_path):
    fill(tmp_path / "treebank", *(f"wsj/{section:02d}/wsj_{section:02d}00" for section in range(25)))
    assert SOURCE.splits(tmp_path) == (TRAIN, DEV, TEST)
    assert first_of_each_file(TRAIN, tmp_path) == [f"wsj_{section:02d}00" for section in range(2, 22)]
    assert first_of_each_file(DEV, tmp_path) == ["wsj_2200"]
    assert first_of_each_file(TEST, tmp_path) == ["wsj_2300"]


def test_names_in_capitals_as_on_the_disc_are_read_and_named_alike(tmp_path):
    fill(tmp_path / "treebank", "00/WSJ_0001", "01/WSJ_0160")
    (tmp_path / "treebank/00/WSJ_0001.mrg").rename(tmp_path / "treebank/00/WSJ_0001.MRG")
    assert [e.id for e in SOURCE.examples(TRAIN, tmp_path)] == ["wsj_0001/1", "wsj_0001/2"]


def test_two_sections_are_enough_and_what_is_missing_is_noted(tmp_path):
    fill(tmp_path / "treebank", "parsed/mrg/wsj/02/wsj_0200", "parsed/mrg/wsj/22/wsj_2200")
    assert SOURCE.splits(tmp_path) == (TRAIN, DEV)
    assert first_of_each_file(TRAIN, tmp_path) == ["wsj_0200"] and first_of_each_file(DEV, tmp_path) == ["wsj_2200"]
    missing = ", ".join(f"{section:02d}" for section in (*range(3, 22), 23))
    assert SOURCE.notes(tmp_path) == (f"{tmp_path / 'treebank'} lacks sections {missing}.",)


def test_the_full_corpus_needs_no_note_and_the_sample_has_one(tmp_path):
    fill(tmp_path / "treebank", *(f"treebank_3/parsed/mrg/wsj/{s:02d}/wsj_{s:02d}00" for s in range(25)))
    assert SOURCE.notes(tmp_path) == ()
    fill(tmp_path / "sample", "combined/wsj_0001", "combined/wsj_0160")
    assert "free sample" in Treebank("sample").notes(tmp_path)[0]


@pytest.mark.parametrize("sections", [(2, 3), (1, 22), (23,)])
def test_train_and_dev_must_be_there(tmp_path, sections):
    fill(tmp_path / "treebank", *(f"{section:02d}/wsj_{section:02d}00" for section in sections))
    with pytest.raises(UserError, match="sections to train on and 22 are needed"):
        SOURCE.splits(tmp_path)


def test_part_of_the_sample_is_refused(tmp_path):
    fill(tmp_path / "treebank", "combined/wsj_0001")
    with pytest.raises(UserError, match="holds part of the Treebank sample"):
        SOURCE.splits(tmp_path)


def test_a_missing_treebank_is_named_with_its_layouts_and_where_to_get_it(tmp_path):
    assert not SOURCE.present(tmp_path)
    with pytest.raises(UserError) as refusal:
        SOURCE.splits(tmp_path)
    for part in (str(tmp_path / "treebank"), "combined/", "00/wsj_0001.mrg", "example.org/treebank"):
        assert part in str(refusal.value)


def test_an_unbalanced_tree_is_refused_with_file_and_line(tmp_path):
    fill(tmp_path / "treebank", "combined/wsj_0001", "combined/wsj_0160")
    broken = tmp_path / "treebank/combined/wsj_0001.mrg"
    broken.write_text(broken.read_text().replace("(. .) ))", "(. .) )"))
    with pytest.raises(UserError) as refusal:
        list(SOURCE.examples(TRAIN, tmp_path))
    assert f"{broken}, line 2: the tree that opens here is unbalanced" in str(refusal.value)


def test_a_file_that_is_no_text_is_refused(tmp_path):
    fill(tmp_path / "treebank", "combined/wsj_0001", "combined/wsj_0160")
    (tmp_path / "treebank/combined/wsj_0160.mrg").write_bytes(b"(NP (NN \xff))")
    with pytest.raises(UserError, match="wsj_0160.mrg: byte 9 is not UTF-8"):
        list(SOURCE.examples(DEV, tmp_path))
