"""Lines of text as subword ids."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np

from t2t_mm.data import keyed_rng
from t2t_mm.data.vocabulary import EOS, PAD, SIZE, Vocabulary
from t2t_mm.errors import UserError
from t2t_mm.feature import Arrays, ArraySpec, Codec, Feature, Port
from t2t_mm.hparam_set import DataHparams

SAMPLE_LINES = 100_000  # sampled to train a vocabulary, shared evenly by the problems of the call
SAMPLE_CHARACTERS = 8_000_000  # likewise; training on them takes 5 s
FIT_LINES = 1000  # of each problem, from which the fit of an existing vocabulary is measured


@dataclass(frozen=True)
class Text(Feature):
    """A line of text. Features with equal `vocabulary` share its file, its ids and, in a model, one modality net."""

    modality = "text"
    vocabulary: str = "subwords"
    symbols: tuple[str, ...] = ()
    size: int = SIZE  # maximum number of pieces; the largest size of all sharing features is used
    decoded_metrics: ClassVar[tuple[str, ...]] = ("bleu", "chrf", "exact_match")

    def sample(self, value: Any) -> str:
        return str(value)

    def prepare(
        self, data_dir: Path, sharing: Sequence[Feature], samples: Mapping[str, Iterable[str]], seed: int, report: Any
    ) -> None:
        (file,) = self.files()
        if (data_dir / file).exists():
            _report_fit(Vocabulary.load(data_dir / file), file, sharing, samples, report)
            return
        # Problems often share text (both directions of a translation), so each line is used once.
        drawn = (
            _reservoir_sample(texts, SAMPLE_LINES // len(samples), SAMPLE_CHARACTERS // len(samples), seed)
            for texts in samples.values()
        )
        lines = list(dict.fromkeys(chain.from_iterable(drawn)))
        size = max(getattr(feature, "size", SIZE) for feature in sharing)
        vocabulary = Vocabulary.train(data_dir / file, lines, size, _all_symbols(sharing))
        fewer = f" ({size:,} were requested, but the text supports no more)" if vocabulary.size < size else ""
        report(f"{file}: made from {len(lines):,} lines of {', '.join(samples)}; {vocabulary.size:,} pieces{fewer}.")

    def files(self) -> tuple[str, ...]:
        return (f"vocab.{self.vocabulary}.model",)

    def open(self, folder: Path) -> Codec:
        return LineCodec(self.vocabulary, Vocabulary.load(folder / self.files()[0]))


class TextCodec(Codec):
    """A codec of texts. A record holds the ids and an end of sequence, int32 little-endian."""

    def __init__(self, name: str, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.port = Port("text", f"text_{name}", vocabulary.size)

    def store(self, value: Any) -> bytes:
        return np.array([*self.vocabulary.encode(_line(value)), EOS], "<i4").tobytes()

    def store_beginning(self, value: Any) -> bytes:
        ids = self.vocabulary.encode(_line(value)) if value != "" else []  # encode("") gives a blank
        return np.array(ids, "<i4").tobytes()

    def length(self, stored: bytes) -> int:
        """Return the number of ids, including the end of sequence."""
        return len(stored) // 4

    def load(self, stored: bytes, hparams: DataHparams, augment: np.random.Generator | None) -> np.ndarray:
        return np.frombuffer(stored, "<i4")

    def batch(self, values: Sequence[np.ndarray], rows: int, length: int) -> Arrays:
        ids_BL = np.full((rows, length), PAD, np.int32)
        lengths_B = np.zeros(rows, np.int32)
        for row, ids_L in enumerate(values):
            ids_BL[row, : len(ids_L)] = ids_L
            lengths_B[row] = len(ids_L)
        return {"ids": ids_BL, "lengths": lengths_B}

    def spec(self, hparams: DataHparams) -> dict[str, ArraySpec]:
        return {"ids": ArraySpec("int32", (None, None)), "lengths": ArraySpec("int32", (None,))}

    def value(self, stored: bytes) -> Any:
        return self.show(self.symbols(stored))

    def symbols(self, stored: bytes) -> np.ndarray:
        return np.frombuffer(stored, "<i4")

    def positions(self, length: int, hparams: DataHparams) -> int:
        return length

    def parse(self, line: str, folder: Path) -> Any:
        return line

    def show(self, output: np.ndarray, source: Any = None) -> str:
        ids = np.asarray(output).reshape(-1).tolist()
        until_eos = ids[: ids.index(EOS)] if EOS in ids else ids
        return self.vocabulary.decode([id for id in until_eos if id != PAD])


@final
class LineCodec(TextCodec):
    """The codec of `Text`, which encodes many lines at once.

    Other codecs of texts extend `TextCodec` and store their own form.
    """

    stored_at_once: ClassVar[int] = 256

    def store_all(self, values: Sequence[Any]) -> list[bytes]:
        encoded = self.vocabulary.encode_all([_line(value) for value in values])
        return [ids_L.astype("<i4", copy=False).tobytes() for ids_L in encoded]


def _line(value: Any) -> str:
    if not isinstance(value, str):
        raise UserError(f"Expected a line of text; received {type(value).__name__}: {value!r:.60}.")
    return value


def _all_symbols(sharing: Sequence[Feature]) -> list[str]:
    return sorted({symbol for feature in sharing for symbol in feature.symbols})


def _reservoir_sample(texts: Iterable[str], lines: int, characters: int, seed: int) -> list[str]:
    """Return a uniform sample of `texts`, in one pass and bounded memory (reservoir sampling, Vitter 1985)."""
    random = keyed_rng.generator(seed, "vocabulary")
    kept: list[str] = []
    for count, text in enumerate(texts):
        if count < lines:
            kept.append(text)
        elif (place := int(random.random() * (count + 1))) < lines:
            kept[place] = text
    total = np.cumsum([len(text) for text in kept])
    if len(kept) and total[-1] > characters:
        # The first slots of the reservoir favour the beginning of the corpus, so they are shuffled before the cut.
        kept = [kept[i] for i in random.permutation(len(kept))]
        total = np.cumsum([len(text) for text in kept])
        kept = kept[: max(1, int(np.searchsorted(total, characters, side="right")))]
    return kept


def _report_fit(
    vocabulary: Vocabulary, file: str, sharing: Sequence[Feature], samples: Mapping[str, Iterable[str]], report: Any
) -> None:
    for problem, texts in samples.items():
        lines = list(islice(texts, FIT_LINES))
        ids = [id for line in lines for id in vocabulary.encode(line)]
        in_bytes, unknown = vocabulary.bytes_and_unknown(ids)
        of = max(len(ids), 1)
        report(
            f"{file}: exists and is used for {problem}; in {len(lines):,} of its lines a piece has "
            f"{sum(map(len, lines)) / of:.1f} characters, {in_bytes / of:.2%} are bytes, {unknown / of:.2%} unknown."
        )
    split = [symbol for symbol in _all_symbols(sharing) if not vocabulary.is_one_piece(symbol)]
    if split:
        report(
            f"{file}: {len(split)} labels of trees are not pieces of it ({', '.join(split[:5])}...), so each takes "
            f"several ids. For one id each, generate the data into another --data_dir."
        )
