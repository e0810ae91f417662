"""Question files in the folders in which they are published."""

import pytest

from t2t_mm.data.features.passage import PassageQuestion
from t2t_mm.data.sources.question_files import QuestionFiles, nearest
from t2t_mm.errors import UserError
from t2t_mm.problem import DEV, TEST, TRAIN

SOURCE = QuestionFiles("cnn/questions", homepage="example.org")


def write(tmp_path, folder, name, document="@entity1 slept .", answer="@entity1"):
    path = tmp_path / "cnn" / "questions" / folder / f"{name}.question"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"http://x\n\n{document}\n\n@placeholder slept\n\n{answer}\n\n@entity1:Ada\n")


def test_each_folder_is_a_split_in_the_order_of_names(tmp_path):
    for folder, name in (("training", "b2"), ("training", "a1"), ("validation", "c3")):
        write(tmp_path, folder, name)
    assert SOURCE.present(tmp_path) and SOURCE.splits(tmp_path) == (TRAIN, DEV)
    actual = list(SOURCE.examples(TRAIN, tmp_path))
    assert [example.id for example in actual] == ["train/a1", "train/b2"] and SOURCE.count(TRAIN, tmp_path) == 2
    assert actual[0].values == {
        "inputs": PassageQuestion("@entity1 slept .", "@placeholder slept"),
        "targets": "@entity1",
    }
    assert [example.id for example in SOURCE.examples_from(TRAIN, tmp_path, 1)] == ["train/b2"]
    write(tmp_path, "test", "d4")
    assert SOURCE.splits(tmp_path) == (TRAIN, DEV, TEST)


def test_the_sentences_nearest_to_the_question_are_kept_in_their_order():
    document = "a cat sat . the dog of @entity1 ran . it rained . @entity2 saw the dog"
    passage = PassageQuestion(document, "@placeholder saw the dog , .")
    assert nearest(passage, 2) == "the dog of @entity1 ran . @entity2 saw the dog"
    assert nearest(passage, 3) == "a cat sat . the dog of @entity1 ran . @entity2 saw the dog"  # of equals the first
    assert nearest(passage, 9) == document


def test_a_missing_folder_and_a_broken_file_are_told(tmp_path):
    with pytest.raises(UserError, match="training holds no .question files. Get it from example.org"):
        SOURCE.splits(tmp_path)
    write(tmp_path, "training", "a1")
    with pytest.raises(UserError, match="validation holds no .question files"):
        SOURCE.splits(tmp_path)
    (tmp_path / "cnn/questions/training/a1.question").write_text("no question")
    with pytest.raises(UserError, match="a1.question should hold an address"):
        list(SOURCE.examples(TRAIN, tmp_path))
    (tmp_path / "cnn/questions/training/a1.question").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="a1.question is not UTF-8"):
        list(SOURCE.examples(TRAIN, tmp_path))
