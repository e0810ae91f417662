"""Texts with questions, a file for each, as the makers of the CNN and Daily Mail questions publish them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from t2t_mm.data.features.passage import PassageQuestion, read_question
from t2t_mm.errors import UserError
from t2t_mm.problem import DEV, TEST, TRAIN, Example, Source

FOLDERS = {TRAIN: "training", DEV: "validation", TEST: "test"}
PUNCTUATION = frozenset(". , ' \" `` '' ? ! : ; -- - ( )".split())
PLACEHOLDER = "@placeholder"


@dataclass(frozen=True)
class QuestionFiles(Source):
    """`{training,validation,test}/*.question` in `folder`, in the order of their names; the test folder may be missing.

    inputs are a `PassageQuestion`, targets the answer, such as `@entity12`. An example is named by split and file:
    `train/0a1b2c`. With `sentences`, that many sentences are kept of a text: those that share the most words with the
    question, in the order of the text.
    """

    folder: str  # below tmp_dir
    sentences: int = 0  # 0: all
    homepage: str = ""  # where the corpus is to be had

    def present(self, tmp_dir: Path) -> bool:
        return (tmp_dir / self.folder / FOLDERS[TRAIN]).is_dir()

    def splits(self, tmp_dir: Path) -> tuple[str, ...]:
        for split in (TRAIN, DEV):
            if not self._files(split, tmp_dir):
                source = f" To be had from {self.homepage}." if self.homepage else ""
                raise UserError(f"{tmp_dir / self.folder / FOLDERS[split]} holds no .question files.{source}")
        return (TRAIN, DEV, TEST) if self._files(TEST, tmp_dir) else (TRAIN, DEV)

    def count(self, split: str, tmp_dir: Path) -> int:
        return len(self._files(split, tmp_dir))

    def examples(self, split: str, tmp_dir: Path) -> Iterator[Example]:
        return self.examples_from(split, tmp_dir, 0)

    def examples_from(self, split: str, tmp_dir: Path, start: int) -> Iterator[Example]:
        for path in self._files(split, tmp_dir)[start:]:
            try:
                asked, answer = read_question(path.read_text(encoding="utf-8"), str(path))
            except UnicodeDecodeError as error:
                raise UserError(f"{path} is not UTF-8: {error}.") from None
            if self.sentences:
                asked = asked._replace(document=nearest(asked, self.sentences))
            yield Example(f"{split}/{path.stem}", {"inputs": asked, "targets": answer})

    def _files(self, split: str, tmp_dir: Path) -> list[Path]:
        folder = tmp_dir / self.folder / FOLDERS[split]
        return sorted(folder.glob("*.question")) if folder.is_dir() else []


def nearest(asked: PassageQuestion, count: int) -> str:
    """The `count` sentences of the text with the most words of the question, in their order; of equals the first."""
    wanted = set(asked.question.split()) - PUNCTUATION - {PLACEHOLDER}
    sentences: list[list[str]] = [[]]
    for word in asked.document.split():
        sentences[-1].append(word)
        if word == ".":
            sentences.append([])
    sentences = [sentence for sentence in sentences if sentence]
    shared = [len(wanted & set(sentence)) for sentence in sentences]
    kept = sorted(sorted(range(len(sentences)), key=lambda place: -shared[place])[:count])
    return " ".join(word for place in kept for word in sentences[place])
