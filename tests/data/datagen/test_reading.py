"""Errors of the operating system while a corpus is read."""

from pathlib import Path

import pytest

from t2t_mm.data.datagen.generate import generate
from t2t_mm.data.datagen.reading import examples_from, reading
from t2t_mm.data.features.label import Label
from t2t_mm.data.sources.coco_json import CocoJson
from t2t_mm.data.sources.wsj_speech import WsjSpeech
from t2t_mm.errors import UserError
from t2t_mm.problem import Example, Source

ROWS = {"train": [("a line", "b"), ("another", "a"), ("a third", "b")], "dev": [("a line", "b")]}


class Broken(Source):
    """A corpus whose file for one question, or for the examples of one split, can't be opened."""

    def __init__(self, broken: str) -> None:
        self.broken = broken

    def _open(self, what, tmp_dir):
        if what == self.broken:
            (tmp_dir / "link").read_text()

    def present(self, tmp_dir):
        return True

    def splits(self, tmp_dir):
        self._open("splits", tmp_dir)
        return tuple(ROWS)

    def notes(self, tmp_dir):
        self._open("notes", tmp_dir)
        return ()

    def classes(self, tmp_dir):
        self._open("classes", tmp_dir)
        return ("a", "b")

    def count(self, split, tmp_dir):
        self._open("count", tmp_dir)
        return len(ROWS[split])

    def examples(self, split, tmp_dir):
        self._open(split, tmp_dir)
        for place, (inputs, targets) in enumerate(ROWS[split]):
            yield Example(f"{split}/{place}", {"inputs": inputs, "targets": targets})


@pytest.mark.parametrize("broken", ["splits", "notes", "classes", "count", "train", "dev"])
def test_a_broken_link_in_a_corpus_is_named_whatever_is_asked_of_it(tmp_path, make_problem, broken):
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    problem = make_problem(ROWS, source=Broken(broken), targets=Label(classes="letters"))
    with pytest.raises(UserError) as refusal:
        generate({"made": problem}, tmp_path / "data", tmp_path, report=lambda line: None)
    message = f"The corpus below {tmp_path} can't be read: [Errno 2] No such file or directory: '{tmp_path / 'link'}'. "
    assert str(refusal.value).startswith(message)
    assert not list((tmp_path / "data").glob("made*"))


def test_an_error_of_the_code_that_takes_the_examples_is_not_blamed_on_the_corpus(tmp_path):
    with pytest.raises(OSError, match="the disk is full"):
        for _ in examples_from(Broken(""), "train", tmp_path, 0):
            raise OSError("the disk is full")


def file(path: Path, text: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def coco_whose_json_is_a_folder(root):
    for part in ("train2014", "val2014"):
        (root / "coco" / part).mkdir(parents=True)
        (root / "coco" / "annotations" / f"captions_{part}.json").mkdir(parents=True)
    return CocoJson("coco")


def coco_whose_images_are_a_file(root):
    for part in ("train2014", "val2014"):
        file(root / "coco" / part)
        file(root / "coco" / "annotations" / f"captions_{part}.json", '{"images": [], "annotations": []}')
    return CocoJson("coco")


def wsj_whose_index_is_a_broken_link(root):
    file(root / "wsj/wsj0/doc/indices/train/tr_s_wv1.ndx")
    file(root / "wsj/wsj1/doc/indices/si_tr_s.ndx")
    (root / "wsj/wsj1/doc/indices/h1_p0.ndx").symlink_to(root / "gone")
    return WsjSpeech("wsj")


@pytest.mark.parametrize(
    ("corpus", "message"),
    [
        (coco_whose_json_is_a_folder, "Is a directory: '.*captions_train2014.json'"),
        (coco_whose_images_are_a_file, "Not a directory: '.*coco/train2014'"),
        (wsj_whose_index_is_a_broken_link, "No such file or directory: '.*h1_p0.ndx'"),
    ],
)
def test_a_corpus_unpacked_in_a_wrong_way_is_told_by_the_file_at_fault(tmp_path, corpus, message):
    with pytest.raises(UserError, match=f"can't be read: .*{message}"), reading(tmp_path):
        corpus(tmp_path).splits(tmp_path)
