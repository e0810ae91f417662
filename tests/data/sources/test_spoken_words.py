"""Recordings of single words, told by their names."""

from pathlib import Path

import pytest

from t2t_mm.data.sources.spoken_words import SpokenWords
from t2t_mm.errors import UserError
from t2t_mm.problem import DEV, TEST, TRAIN

SOURCE = SpokenWords(
    folders=("digits", "spoken-digits"),
    words=("zero", "one", "two"),
    dev=range(5, 10),
    test=range(0, 5),
    homepage="example.org/digits",
)


def fill(tmp_path: Path, names: list[str], folder: str = "digits") -> Path:
    root = tmp_path / folder / "recordings"
    root.mkdir(parents=True)
    for name in names:
        (root / name).write_text(name)
    return root


def ids(tmp_path: Path, split: str) -> list[str]:
    return [e.id for e in SOURCE.examples(split, tmp_path)]


def refusal(tmp_path: Path) -> str:
    with pytest.raises(UserError) as refused:
        SOURCE.splits(tmp_path)
    return str(refused.value)


@pytest.mark.parametrize("folder", ["digits", "spoken-digits"])
def test_the_take_decides_the_split_and_the_number_is_said_as_a_word(tmp_path, folder):
    takes = (0, 4, 5, 9, 10, 49)
    fill(tmp_path, [f"2_ann_{take}.wav" for take in takes], folder)
    assert SOURCE.present(tmp_path) and SOURCE.splits(tmp_path) == (TRAIN, DEV, TEST)
    assert ids(tmp_path, TEST) == ["2_ann_0", "2_ann_4"]
    assert ids(tmp_path, DEV) == ["2_ann_5", "2_ann_9"]
    assert ids(tmp_path, TRAIN) == ["2_ann_10", "2_ann_49"]
    (first, _) = SOURCE.examples(DEV, tmp_path)
    assert dict(first.values) == {"inputs": b"2_ann_5.wav", "targets": "two"}


def test_without_takes_for_test_there_is_no_test_split(tmp_path):
    fill(tmp_path, ["0_ann_5.wav", "0_ann_10.wav"])
    assert SOURCE.splits(tmp_path) == (TRAIN, DEV)


def test_clips_come_by_number_speaker_and_take_whatever_the_folder_says(tmp_path):
    names = ["1_bo_10.wav", "0_bo_100.wav", "0_bo_20.wav", "0_al_xi_10.WAV", "0_bo_5.wav", "._0_bo_7.wav", "notes.txt"]
    fill(tmp_path, names)
    assert ids(tmp_path, TRAIN) == ["0_al_xi_10", "0_bo_20", "0_bo_100", "1_bo_10"]
    assert ids(tmp_path, DEV) == ["0_bo_5"]


@pytest.mark.parametrize("name", ["hello.wav", "3_ann_10.wav", "0_ann.wav", "zero_ann_10.wav"])
def test_a_recording_of_another_name_is_refused(tmp_path, name):
    root = fill(tmp_path, ["0_ann_5.wav", "0_ann_10.wav", name])
    message = f"{root / name} is not named <number>_<speaker>_<take>.wav with a number of 0 to 2."
    assert refusal(tmp_path) == message


@pytest.mark.parametrize(("take", "counts"), [(5, "0 clips for train and 1 for dev"), (10, "1 clips for train and 0")])
def test_a_corpus_without_a_part_is_refused(tmp_path, take, counts):
    root = fill(tmp_path, [f"0_ann_{take}.wav"])
    assert f"{root} holds {counts}" in refusal(tmp_path) and "takes 5 to 9" in refusal(tmp_path)


def test_a_missing_corpus_is_told_by_every_place_looked_for(tmp_path):
    (tmp_path / "digits").mkdir()
    assert not SOURCE.present(tmp_path)
    message = refusal(tmp_path)
    for part in (
        str(tmp_path / "digits" / "recordings"),
        str(tmp_path / "spoken-digits" / "recordings"),
        "7_theo_12.wav",
        "example.org/digits",
    ):
        assert part in message
