"""A text and a question about it, as words of a word list."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from t2t_mm.atomic_file import atomic_write
from t2t_mm.data.features.feature_file import read_feature_file, split_lines
from t2t_mm.data.features.input_file import read_input_file
from t2t_mm.data.vocabulary import PAD, UNK
from t2t_mm.errors import UserError
from t2t_mm.feature import Arrays, ArraySpec, Codec, Feature, Port
from t2t_mm.hparam_set import DataHparams

RESERVED = 3  # pad, end of sequence and unknown, as in every vocabulary
MULTIPLE = 16  # questions of a batch are padded to a multiple of this length
UNKNOWN = "<unk>"


class PassageQuestion(NamedTuple):
    """A text and a question about it, words separated by blanks."""

    document: str
    question: str


@dataclass(frozen=True)
class Passage(Feature):
    """A text with a question about it. The raw value is a `PassageQuestion`.

    Features with equal `words` share one word list. It holds the `size` most frequent words of the training texts and
    questions; all other words are unknown.
    """

    modality = "passage"
    words: str
    size: int

    def sample(self, value: Any) -> str:
        return f"{value.document} {value.question}"

    def prepare(
        self, data_dir: Path, sharing: Sequence[Feature], samples: Mapping[str, Iterable[str]], seed: int, report: Any
    ) -> None:
        (file,) = self.files()
        path = data_dir / file
        if path.exists():
            return
        counts = Counter(word for line in chain.from_iterable(samples.values()) for word in line.split())
        size = max(getattr(feature, "size", 0) for feature in sharing)
        frequent = sorted(counts, key=lambda word: (-counts[word], word))[:size]
        with atomic_write(path) as partial:
            partial.write_text("".join(f"{word}\n" for word in frequent), encoding="utf-8", newline="\n")
        report(f"{file}: {len(frequent):,} of {len(counts):,} words of {', '.join(samples)}.")

    def files(self) -> tuple[str, ...]:
        return (f"words.{self.words}.txt",)

    def open(self, folder: Path) -> "PassageCodec":
        return PassageCodec(self.words, read_feature_file(folder / self.files()[0], "list of words", split_lines))


class PassageCodec(Codec):
    """A codec of passages.

    A record holds the question's length, its ids and the ids of the text, int32 little-endian.
    """

    def __init__(self, name: str, words: Sequence[str]) -> None:
        self.words = list(words)
        self._ids = {word: RESERVED + place for place, word in enumerate(words)}
        self.port = Port("passage", f"passage_{name}", RESERVED + len(self.words))

    def store(self, value: Any) -> bytes:
        document, question = (text.split() for text in value)
        if not document or not question:
            raise UserError("A text and a question must each have at least one word.")
        ids = [self._ids.get(word, UNK) for word in (*question, *document)]
        return np.array([len(question), *ids], "<i4").tobytes()

    def length(self, stored: bytes) -> int:
        """Return the number of words of text and question."""
        return len(stored) // 4 - 1

    def measured(self, length: int) -> str:
        return f"{length:,} words"

    def load(self, stored: bytes, hparams: DataHparams, augment: np.random.Generator | None) -> np.ndarray:
        return np.frombuffer(stored, "<i4")

    def batch(self, values: Sequence[np.ndarray], rows: int, length: int) -> Arrays:
        longest = max((int(value[0]) for value in values), default=1)
        arrays = {
            "ids": np.full((rows, length), PAD, np.int32),
            "lengths": np.zeros(rows, np.int32),
            "question": np.full((rows, -(-longest // MULTIPLE) * MULTIPLE), PAD, np.int32),
            "question_lengths": np.zeros(rows, np.int32),
        }
        for row, value in enumerate(values):
            question, document = value[1 : 1 + value[0]], value[1 + value[0] :]
            for name, ids in (("question", question), ("ids", document)):
                arrays[name][row, : len(ids)] = ids
                arrays[{"question": "question_lengths", "ids": "lengths"}[name]][row] = len(ids)
        return arrays

    def spec(self, hparams: DataHparams) -> dict[str, ArraySpec]:
        ids, lengths = ArraySpec("int32", (None, None)), ArraySpec("int32", (None,))
        return {"ids": ids, "lengths": lengths, "question": ids, "question_lengths": lengths}

    def value(self, stored: bytes) -> Any:
        """Return text and question, with `<unk>` for unknown words."""
        value = np.frombuffer(stored, "<i4").tolist()
        words = [UNKNOWN if id == UNK else self.words[id - RESERVED] for id in value[1:]]
        return PassageQuestion(document=" ".join(words[value[0] :]), question=" ".join(words[: value[0]]))

    def symbols(self, stored: bytes) -> np.ndarray:
        return np.zeros(0, np.int32)

    def positions(self, length: int, hparams: DataHparams) -> int:
        return length

    def parse(self, line: str, folder: Path) -> Any:
        """Return text and question of the `.question` file that `line` names, relative to `folder`."""
        return read_question(read_input_file(line, folder, "question").decode("utf-8", "replace"), line.strip())[0]

    def show(self, output: np.ndarray, source: Any = None) -> str:
        passage = self.value(np.asarray(output, "<i4").tobytes())
        return f"{passage.question} | {passage.document}"


def read_question(content: str, name: str) -> tuple[PassageQuestion, str]:
    """Return the content of a `.question` file: text and question, and the answer.

    The file has paragraphs separated by an empty line: an address, the text, the question with its `@placeholder`, the
    answer, and the entities behind the placeholders (Hermann et al. 2015, arXiv 1506.03340). Raises UserError, naming
    the file `name`, for any other content.
    """
    paragraphs = content.strip("\n").split("\n\n")
    if len(paragraphs) < 4 or not all(paragraph.strip() for paragraph in paragraphs[1:4]):
        raise UserError(
            f"{name} should hold an address, a text, a question and an answer, separated by empty lines. Found: "
            f"{len(paragraphs)} paragraphs."
        )
    _, document, question, answer = paragraphs[:4]
    return PassageQuestion(" ".join(document.split()), " ".join(question.split())), answer.strip()
