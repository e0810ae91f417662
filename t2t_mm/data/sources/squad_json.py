"""Paragraphs with questions that are answered by spans of them, in SQuAD's JSON format."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from t2t_mm.data.features.span import Marked
from t2t_mm.data.sources.json_file import read_json, refuse_half_characters
from t2t_mm.errors import UserError
from t2t_mm.problem import DEV, TRAIN, Example, Source

LAYOUT = '{"data": [{"paragraphs": [{"context", "qas": [{"id", "question", "answers": [{"text", "answer_start"}]}]}]}]}'


@dataclass(frozen=True)
class SquadJson(Source):
    """One file for each split in `folder`. inputs are (question, paragraph), targets a `Marked`.

    Ids are split and question id: `train/5733be284776f41900661182`. A question without an answer, as in version 2.0, is
    rejected.
    """

    folder: str  # below tmp_dir
    files: dict[str, str] = field(default_factory=lambda: {TRAIN: "train-v1.1.json", DEV: "dev-v1.1.json"})
    homepage: str = ""  # where to get the corpus

    def present(self, tmp_dir: Path) -> bool:
        return (tmp_dir / self.folder / self.files[TRAIN]).is_file()

    def splits(self, tmp_dir: Path) -> tuple[str, ...]:
        for split in self.files:
            if not (path := tmp_dir / self.folder / self.files[split]).is_file():
                source = f" Get it from {self.homepage}." if self.homepage else ""
                raise UserError(f"There is no {path}, which holds {LAYOUT}.{source}")
        return tuple(self.files)

    def examples(self, split: str, tmp_dir: Path) -> Iterator[Example]:
        path = tmp_dir / self.folder / self.files[split]
        content = read_json(path)
        try:
            for article in content["data"]:
                for paragraph in article["paragraphs"]:
                    for entry in paragraph["qas"]:
                        yield _example(f"{split}/{entry['id']}", paragraph["context"], entry, path)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UserError(f"{path} is not laid out as {LAYOUT}: {error!r}.") from None


def _example(name: str, context: str, entry: dict[str, Any], path: Path) -> Example:
    if not entry["answers"]:
        raise UserError(f"{path}: the question {entry['id']} has no answer; version 1.1 is needed.")
    question = entry["question"].strip() or "?"  # one of the published training set is blank
    answers = tuple(dict.fromkeys((one["text"], int(one["answer_start"])) for one in entry["answers"]))
    for text in (name, context, question, *(words for words, _ in answers)):
        refuse_half_characters(text, f"{path}: the question {entry['id']!a}")
    return Example(name, {"inputs": (question, context), "targets": Marked(question, context, answers)})
