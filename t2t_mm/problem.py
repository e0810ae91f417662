"""What there is to learn, said as data: a Problem names its source, its features, its command and its metrics.

A Source yields raw examples. A Feature says how one named value of an example is carried: which modality net reads or
writes it, and which files (a vocabulary, a list of classes) it stands on. With those files at hand a Feature opens to a
Codec, which turns raw values into stored bytes, stored bytes into arrays, and arrays back into text.
"""

import abc
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from t2t_mm.errors import UserError
from t2t_mm.hparam_set import DataHparams

Arrays = dict[str, np.ndarray]  # what one feature brings to a batch, by name: {"ids": [B, L], "lengths": [B]}
TRAIN, DEV, TEST = "train", "dev", "test"


@dataclass(frozen=True)
class Example:
    """One raw example: `values` by feature name, and an id that is the same in every run and on every machine."""

    id: str
    values: Mapping[str, Any]


class Source(abc.ABC):
    """Raw examples of a split."""

    made_on_the_spot: ClassVar[bool] = False  # no files needed: generated from a seed

    @abc.abstractmethod
    def splits(self, tmp_dir: Path) -> tuple[str, ...]:
        """The splits that can be read below `tmp_dir`, TRAIN and DEV always among them.

        Raises UserError with the path looked for and the layout expected when the corpus is missing or half there.
        """

    @abc.abstractmethod
    def examples(self, split: str, tmp_dir: Path) -> Iterator[Example]:
        """Stream the examples of `split`, always in the same order.

        Raises UserError naming file and line (or item) for content that cannot be read.
        """

    def count(self, split: str, tmp_dir: Path) -> int:
        """How many examples `examples` gives. Sources that know it without reading their files say so."""
        return sum(1 for _ in self.examples(split, tmp_dir))

    def examples_from(self, split: str, tmp_dir: Path, start: int) -> Iterator[Example]:
        """The examples but the first `start`. Sources that can pass over these faster than by reading them do so."""
        return islice(self.examples(split, tmp_dir), start, None)

    @abc.abstractmethod
    def present(self, tmp_dir: Path) -> bool:
        """Whether the corpus (or the folder it would be in) is there, so that nothing need be downloaded."""

    def classes(self, tmp_dir: Path) -> tuple[str, ...]:
        """The class names of all splits in order, where the source knows them without reading its examples, else ()."""
        return ()

    def notes(self, tmp_dir: Path) -> tuple[str, ...]:
        """What a user should know of the corpus below `tmp_dir` before it is read, such as parts that are not there."""
        return ()

    def download_bytes(self, tmp_dir: Path) -> int:
        """How many bytes `fetch` would download; 0 when it would download nothing."""
        return 0

    def fetch(self, tmp_dir: Path) -> None:  # noqa: B027  most corpora are got by hand
        """Download the corpus to below `tmp_dir` if it can be. Called only when the user asked for it.

        A source whose corpus is to be got by hand does nothing here; its `splits` then says what is missing.
        """


@dataclass(frozen=True)
class Port:
    """What a model must know of a feature.

    Problems whose features have equal (modality, key) share one modality net. `size` counts the symbols or classes;
    0 where values are continuous, and where there are no files yet that would tell it.
    """

    modality: str
    key: str
    size: int


@dataclass(frozen=True)
class Signature:
    """What a model must know of a problem: the ports it reads and writes, and the token that starts its decoding."""

    inputs: Port | None
    targets: Port
    command: str


@dataclass(frozen=True)
class ArraySpec:
    """Type and shape of one array of a batch; None marks rows and lengths, which vary between batches."""

    dtype: str
    shape: tuple[int | None, ...]


class Codec(abc.ABC):
    """A feature with its files at hand.

    What it draws in training is keyed by its name in the problem, or by `draws`: two features of a problem that have
    it in common are given equal generators, so that one knows what the other drew.
    """

    port: Port
    draws: str = ""
    stored_at_once: ClassVar[int] = 8  # how many values `store_all` is given at most

    @abc.abstractmethod
    def store(self, value: Any) -> bytes:
        """A raw value as a record holds it. Raises UserError for a value that cannot be carried."""

    def store_beginning(self, value: Any) -> bytes:
        """The beginning of a target, "" for none, as `store` would store it, with nothing behind that ends it.

        Raises UserError for one that cannot be gone on with, as none can but texts.
        """
        raise UserError(f"No beginning of {self.port.key} can be given.")

    def store_all(self, values: Sequence[Any]) -> list[bytes]:
        """What `store` makes of each of a few values. Raises UserError when one of them cannot be carried."""
        return [self.store(value) for value in values]

    @abc.abstractmethod
    def length(self, stored: bytes) -> int:
        """How long the stored value is, as batches are bucketed: ids of a text, frames of a sound, 1 of a picture."""

    def longest(self, hparams: DataHparams) -> int:
        """The longest length that training takes: longer examples are left out."""
        return hparams.max_length

    def measured(self, length: int) -> str:
        """A length in words, with its unit."""
        return f"{length:,} ids"

    def read_length(self, length: int, hparams: DataHparams) -> int:
        """How long is what is read at once of a value of `length`: all of it, or the longest of its windows."""
        return length

    def windows(self, stored: bytes, hparams: DataHparams) -> list[bytes]:
        """A stored value as the parts in which it is read, one at a time, where it is too long to be read at once.

        The features of an example have equally many, in one order, or one. Training draws a window, evaluation and
        decoding take all of them.
        """
        return [stored]

    def references(self, stored: bytes) -> list[bytes]:
        """A stored target as one stored value for each right answer: training draws one, evaluation asks for all."""
        return [stored]

    @abc.abstractmethod
    def load(self, stored: bytes, hparams: DataHparams, augment: np.random.Generator | None) -> np.ndarray:
        """A stored value as one example's array. `augment` is None outside training, else keyed by id and epoch."""

    @abc.abstractmethod
    def batch(self, values: Sequence[np.ndarray], rows: int, length: int) -> Arrays:
        """Stack `values`, padded to `rows` rows and `length` positions; a row without an example is marked empty."""

    @abc.abstractmethod
    def spec(self, hparams: DataHparams) -> dict[str, ArraySpec]:
        """The arrays that `batch` returns."""

    @abc.abstractmethod
    def value(self, stored: bytes) -> Any:
        """The raw value again, or another that `store` takes to the same bytes (a tree comes without its words)."""

    @abc.abstractmethod
    def symbols(self, stored: bytes) -> np.ndarray:
        """The ids or the class of a stored target, int[n]; empty for what has none. Unigram baselines count them."""

    @abc.abstractmethod
    def positions(self, length: int, hparams: DataHparams) -> int:
        """How many body positions a value of `length` takes behind its modality net: what batch_size counts."""

    @abc.abstractmethod
    def parse(self, line: str, folder: Path) -> Any:
        """A line of a file to decode as a raw value: text as it is, a picture or a sound by its path below `folder`."""

    @abc.abstractmethod
    def show(self, output: np.ndarray, source: Any = None) -> str:
        """Ids or a class, as the model puts them out, as a line of text.

        `source` is the raw input that the output answers, where the caller has it: a tree takes its words from it.
        """

    def answer(self, stored: bytes, source: Any = None) -> str:
        """A stored target in words: what is right. `source` as for `show`."""
        return self.show(self.symbols(stored), source)

    def likeliest(self, probability_C: np.ndarray, source: Any = None) -> list[tuple[str, float]]:
        """What a head that reads the memory says, best first, each with its probability; `source` as for `show`."""
        best_first = np.argsort(-probability_C, kind="stable")
        return [(self.show(place, source), float(probability_C[place])) for place in best_first]

    def joined(self, probabilities: Sequence[np.ndarray], source: Any, hparams: DataHparams) -> list[tuple[str, float]]:
        """As `likeliest`, of what a head says of each window of the input that `source` is: the mean decides."""
        return self.likeliest(np.mean(probabilities, axis=0), source)

    def well_formed(self, output: np.ndarray, source: Any = None) -> bool:
        """Whether `show` shows just what was put out, and need not repair it."""
        return True


class Feature(abc.ABC):
    """One named value of an example, before its files exist.

    Features whose `files` are equal share them: they are made once, from the samples of all such features of a call.
    """

    symbols: tuple[str, ...] = ()  # strings that a vocabulary keeps whole, as one id each: the labels of trees
    decoded_metrics: ClassVar[tuple[str, ...]] = ()  # that suit such targets, where a problem names none

    @property
    @abc.abstractmethod
    def modality(self) -> str:
        """The modality of its codec's port: asked before the files exist, so that a model may refuse it early."""

    @abc.abstractmethod
    def sample(self, value: Any) -> str:
        """What of a raw value the files are made from, in lines: text as it is encoded, the name of a class."""

    @abc.abstractmethod
    def prepare(
        self, data_dir: Path, alike: Sequence["Feature"], samples: Mapping[str, Iterable[str]], seed: int, report: Any
    ) -> None:
        """Make the files that this feature stands on below `data_dir`, unless they are there.

        `alike` are the features of the call with the same files, this one among them. `samples` streams what `sample`
        said of the training examples, by problem; whoever needs few of them draws its own sample. `report(line)` tells
        the user what was made, or how well files that were there fit the samples.
        """

    @abc.abstractmethod
    def files(self) -> tuple[str, ...]:
        """Names, below the data or run directory, of the files that `open` reads."""

    @abc.abstractmethod
    def open(self, folder: Path) -> Codec:
        """The codec that stands on the files in `folder`. Raises UserError naming a missing file."""


class FilelessFeature(Feature, abc.ABC):
    """A feature that stands on no file: its codec knows nothing of the corpus, as those of pictures and sounds."""

    @property
    def modality(self) -> str:
        return self.open(Path()).port.modality

    def sample(self, value: Any) -> str:
        return ""

    def prepare(
        self, data_dir: Path, alike: Sequence[Feature], samples: Mapping[str, Iterable[str]], seed: int, report: Any
    ) -> None:
        """There is nothing to make."""

    def files(self) -> tuple[str, ...]:
        return ()


class Problem:
    """One thing to learn. A subclass states `source`, `targets` and what differs; registering names it."""

    source: ClassVar[Source]
    inputs: ClassVar[Feature | None] = None  # None: a language model, nothing is read
    targets: ClassVar[Feature]
    command: ClassVar[str] = "generic"  # the token that starts decoding; problems with the same kind of output share it
    metrics: ClassVar[tuple[str, ...]] = ("neg_log_perplexity", "accuracy", "accuracy_per_sequence")
    decoded_metrics: ClassVar[tuple[str, ...]] = ()  # judge what is decoded; none named: those that suit the targets
    loss_multiplier: ClassVar[float] = 1.0
    batch_size_multiplier: ClassVar[float] = 1.0
    ceiling: ClassVar[str] = ""  # for made-up problems: the best that can be reached, and why

    @classmethod
    def features(cls) -> dict[str, Feature]:
        """The features by name, inputs first."""
        named = {"inputs": cls.inputs, "targets": cls.targets}
        return {name: feature for name, feature in named.items() if feature is not None}

    @classmethod
    def member(cls, name: str, **said: Any) -> None:
        """Make `cls.<name>`, a problem of which `said` states what differs from `cls`: for many that are alike.

        It is no member of its module, so that a table of the registry, or `PROBLEMS.register`, names it.
        """
        home = {"__module__": cls.__module__, "__qualname__": f"{cls.__qualname__}.{name}", "__doc__": cls.__doc__}
        setattr(cls, name, type(name, (cls,), {**home, **said}))

    @classmethod
    def judged_by(cls) -> tuple[str, ...]:
        """The metrics of decoded output, by their registered names: its own, or those that suit its targets."""
        return cls.decoded_metrics or cls.targets.decoded_metrics
