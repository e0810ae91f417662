"""Feature: how one named value of an example is carried from the raw value to the arrays of a batch, and back to text.

A Feature names the modality net that reads or writes the value, and the files (a vocabulary, a list of classes) that
it needs. Once those files exist, `Feature.open` returns a Codec. A Codec turns raw values into stored bytes, stored
bytes into arrays, and arrays into text.
"""

import abc
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from t2t_mm.errors import UserError
from t2t_mm.hparam_set import DataHparams

Arrays = dict[str, np.ndarray]  # the arrays of one feature in a batch, by name: {"ids": [B, L], "lengths": [B]}


@dataclass(frozen=True)
class Port:
    """The facts about a feature that a model needs.

    Problems whose features have equal (modality, key) share one modality net. `size` is the number of symbols or
    classes. It is 0 for continuous values, and while the files that determine it do not exist yet.
    """

    modality: str
    key: str
    size: int


@dataclass(frozen=True)
class Signature:
    """The facts about a problem that a model needs: its input port, its target port and its command token.

    The command token is the token that decoding starts with.
    """

    inputs: Port | None
    targets: Port
    command: str


@dataclass(frozen=True)
class ArraySpec:
    """The dtype and shape of one array of a batch; None for a size that varies between batches (rows, lengths)."""

    dtype: str
    shape: tuple[int | None, ...]


class Codec(abc.ABC):
    """A feature whose files have been read.

    Random numbers that it draws in training are keyed by the feature's name in the problem, or by `draws` if that is
    set. Two features of a problem with equal `draws` get equal generators, so each can reproduce the other's draws.
    """

    port: Port
    draws: str = ""
    stored_at_once: ClassVar[int] = 8  # the largest number of values that one call of `store_all` gets

    @abc.abstractmethod
    def store(self, value: Any) -> bytes:
        """Return a raw value as the bytes that a record holds. Raises UserError for a value that is not valid."""

    def store_beginning(self, value: Any) -> bytes:
        """Return the beginning of a target ("" for an empty one) as `store` would store it, but without an end symbol.

        Decoding continues from it (a forced prefix). Raises UserError where that is not possible: only texts can be
        continued.
        """
        raise UserError(f"A decoded {self.port.key} cannot be continued from a beginning; only a text can.")

    def store_all(self, values: Sequence[Any]) -> list[bytes]:
        """Return `store` of each of a few values. Raises UserError if one of them is not valid."""
        return [self.store(value) for value in values]

    @abc.abstractmethod
    def length(self, stored: bytes) -> int:
        """Return the length of a stored value, by which batches are bucketed.

        The unit depends on the feature: ids of a text, 10 ms frames of audio, 1 for an image.
        """

    def longest(self, hparams: DataHparams) -> int:
        """Return the maximum length in training. Longer examples are left out."""
        return hparams.max_length

    def measured(self, length: int) -> str:
        """Return a length with its unit, as text."""
        return f"{length:,} ids"

    def read_length(self, length: int, hparams: DataHparams) -> int:
        """Return the length that is read at once of a value of `length`: all of it, or its longest window."""
        return length

    def windows(self, stored: bytes, hparams: DataHparams) -> list[bytes]:
        """Split a stored value that is too long to be read at once into windows.

        The features of an example have one window, or the same number of windows in the same order. Training draws one
        window; evaluation and decoding use all of them.
        """
        return [stored]

    def references(self, stored: bytes) -> list[bytes]:
        """Return one stored value for each reference (right answer) of a target.

        Training draws one reference; evaluation uses all of them.
        """
        return [stored]

    @abc.abstractmethod
    def load(self, stored: bytes, hparams: DataHparams, augment: np.random.Generator | None) -> np.ndarray:
        """Return a stored value as the array of one example.

        `augment` is None outside training; in training it is a generator keyed by the example's id and the epoch.
        """

    @abc.abstractmethod
    def batch(self, values: Sequence[np.ndarray], rows: int, length: int) -> Arrays:
        """Stack `values`, padded to `rows` rows and `length` positions. A row without an example is marked empty."""

    @abc.abstractmethod
    def spec(self, hparams: DataHparams) -> dict[str, ArraySpec]:
        """Return the specs of the arrays that `batch` returns, by name."""

    @abc.abstractmethod
    def value(self, stored: bytes) -> Any:
        """Return the raw value, or one that `store` turns into the same bytes (a tree comes back without its words)."""

    @abc.abstractmethod
    def symbols(self, stored: bytes) -> np.ndarray:
        """Return the ids or the class of a stored target, int[n], for unigram baselines. Empty if it has none."""

    @abc.abstractmethod
    def positions(self, length: int, hparams: DataHparams) -> int:
        """Return the number of body positions that a value of `length` takes after its modality net.

        `batch_size` is counted in these positions.
        """

    @abc.abstractmethod
    def parse(self, line: str, folder: Path) -> Any:
        """Return the raw value for one line of a file to decode.

        For a text it is the line itself; for an image or audio clip the line is a path, relative to `folder`.
        """

    @abc.abstractmethod
    def show(self, output: np.ndarray, source: Any = None) -> str:
        """Return the model's output (ids or a class) as one line of text.

        `source` is the raw input of the example, if the caller has it: a tree takes its words from it.
        """

    def answer(self, stored: bytes, source: Any = None) -> str:
        """Return a stored target, the right answer, as text. `source` is as for `show`."""
        return self.show(self.symbols(stored), source)

    def likeliest(self, probability_C: np.ndarray, source: Any = None) -> list[tuple[str, float]]:
        """Return the answers of a classification head with their probabilities, best first. `source` as for `show`."""
        best_first = np.argsort(-probability_C, kind="stable")
        return [(self.show(place, source), float(probability_C[place])) for place in best_first]

    def joined(self, probabilities: Sequence[np.ndarray], source: Any, hparams: DataHparams) -> list[tuple[str, float]]:
        """Return the answers as `likeliest` does, from the head's probabilities for each window of the input `source`.

        The windows' mean probabilities are used.
        """
        return self.likeliest(np.mean(probabilities, axis=0), source)

    def well_formed(self, output: np.ndarray, source: Any = None) -> bool:
        """Return True if `show` can show `output` without repairing it."""
        return True


class Feature(abc.ABC):
    """One named value of an example, before its files exist.

    Features with equal `files` share them. Such files are made once per call of datagen, from the samples of all
    features that share them.
    """

    symbols: tuple[str, ...] = ()  # strings that a vocabulary keeps as one id each: the labels of trees
    decoded_metrics: ClassVar[tuple[str, ...]] = ()  # metrics for such targets, used if the problem names none

    @property
    @abc.abstractmethod
    def modality(self) -> str:
        """The modality of the codec's port. It is known before the files exist, so that a model can reject it early."""

    @abc.abstractmethod
    def sample(self, value: Any) -> str:
        """Return the lines of a raw value that the files are made from: the text to encode, or the name of a class."""

    @abc.abstractmethod
    def prepare(
        self, data_dir: Path, sharing: Sequence["Feature"], samples: Mapping[str, Iterable[str]], seed: int, report: Any
    ) -> None:
        """Make the files of this feature below `data_dir`, unless they exist.

        Args:
            data_dir: the folder of the files.
            sharing: the features of this call of datagen that have the same files, including this one.
            samples: by problem, a stream of `sample` of each training example. A feature that needs few of them draws
                its own sample.
            seed: the seed of that draw.
            report: called with a line for the user: what was made, or how well existing files fit the samples.
        """

    @abc.abstractmethod
    def files(self) -> tuple[str, ...]:
        """Return the names, below the data or run directory, of the files that `open` reads."""

    @abc.abstractmethod
    def open(self, folder: Path) -> Codec:
        """Return the codec that uses the files in `folder`. Raises UserError naming a missing file."""


class FilelessFeature(Feature, abc.ABC):
    """A feature that needs no files, such as an image or audio: its codec depends on no corpus."""

    @property
    def modality(self) -> str:
        return self.open(Path()).port.modality

    def sample(self, value: Any) -> str:
        return ""

    def prepare(
        self, data_dir: Path, sharing: Sequence[Feature], samples: Mapping[str, Iterable[str]], seed: int, report: Any
    ) -> None:
        """Do nothing: there are no files."""

    def files(self) -> tuple[str, ...]:
        return ()
