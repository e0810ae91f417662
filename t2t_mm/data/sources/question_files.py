"""Texts with questions, one file for each, as published for the CNN and Daily Mail questions."""

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
    """Files `{training,validation,test}/*.question` in `folder`, sorted by name. The test folder may be missing.

    inputs are a `PassageQuestion`, targets the answer, such as `@entity12`. Ids are split and file: `train/0a1b2c`.
    With `sentences`, only that many sentences of a text are kept: those that share the most words with the question, in
    the order of the text.
    """

    folder: str  # below tmp_dir
    sentences: int = 0  # 0: all
    homepage: str = ""  # where to get the corpus

    def present(self, tmp_dir: Path) -> bool:
        return (tmp_dir / self.folder / FOLDERS[TRAIN]).is_dir()

    def splits(self, tmp_dir: Path) -> tuple[str, ...]:
        for split in (TRAIN, DEV):
            if not self._files(split, tmp_dir):
                source = f" Get it from {self.homepage}." if self.homepage else ""
                raise UserError(f"{tmp_dir / self.folder / FOLDERS[split]} holds no .question files.{source}")
        return (TRAIN, DEV, TEST) if self._files(TEST, tmp_dir) else (TRAIN, DEV)

    def count(self, split: str, tmp_dir: Path) -> int:
        return len(self._files(split, tmp_dir))

    def examples(self, split: str, tmp_dir: Path) -> Iterator[Example]:
        return self.examples_from(split, tmp_dir, 0)

    def examples_from(self, split: str, tmp_dir: Path, start: int) -> Iterator[Example]:
        for path in self._files(split, tmp_dir)[start:]:
            try:
                passage, answer = read_question(path.read_text(encoding="utf-8"), str(path))
            except UnicodeDecodeError as error:
                raise UserError(f"{path} is not UTF-8: {error}.") from None
            if self.sentences:
                passage = passage._replace(document=nearest(passage, self.sentences))
            yield Example(f"{split}/{path.stem}", {"inputs": passage, "targets": answer})

    def _files(self, split: str, tmp_dir: Path) -> list[Path]:
        folder = tmp_dir / self.folder / FOLDERS[split]
        return sorted(folder.glob("*.question")) if folder.is_dir() else []


def nearest(passage: PassageQuestion, count: int) -> str:
    """Return the `count` sentences of the text that share the most words with the question, in the order of the text.

    Of sentences with equally many words, the first are kept.
    """
    wanted = set(passage.question.split()) - PUNCTUATION - {PLACEHOLDER}
    sentences: list[list[str]] = [[]]
    for word in passage.document.split():
        sentences[-1].append(word)
        if word == ".":
            sentences.append([])
    sentences = [sentence for sentence in sentences if sentence]
    shared = [len(wanted & set(sentence)) for sentence in sentences]
    kept = sorted(sorted(range(len(sentences)), key=lambda place: -shared[place])[:count])
    return " ".join(word for place in kept for word in sentences[place])
