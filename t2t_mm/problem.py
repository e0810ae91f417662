"""Problem: a learning task, described as data: its source, features, command and metrics.

A Source yields raw examples of each split. The Features (`feature.py`) say how the values of an example are carried.
"""

import abc
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

from t2t_mm.feature import Arrays, ArraySpec, Codec, Feature, FilelessFeature, Port, Signature

__all__ = [
    "DEV",
    "TEST",
    "TRAIN",
    "Example",
    "Problem",
    "Source",
    # Defined in feature.py; listed here because plugins may import them from this module too.
    "ArraySpec",
    "Arrays",
    "Codec",
    "Feature",
    "FilelessFeature",
    "Port",
    "Signature",
]

TRAIN, DEV, TEST = "train", "dev", "test"


@dataclass(frozen=True)
class Example:
    """One raw example: `values` by feature name, and an id that is the same in every run and on every machine."""

    id: str
    values: Mapping[str, Any]


class Source(abc.ABC):
    """A corpus: the raw examples of each split."""

    @abc.abstractmethod
    def splits(self, tmp_dir: Path) -> tuple[str, ...]:
        """Return the splits that can be read below `tmp_dir`; TRAIN and DEV are always among them.

        Raises UserError with the path and the expected layout when the corpus is missing or incomplete.
        """

    @abc.abstractmethod
    def examples(self, split: str, tmp_dir: Path) -> Iterator[Example]:
        """Yield the examples of `split`, always in the same order.

        Raises UserError naming file and line (or item) for content that cannot be read.
        """

    def count(self, split: str, tmp_dir: Path) -> int:
        """Return the number of examples of `split`. A source that knows it without reading its files overrides this."""
        return sum(1 for _ in self.examples(split, tmp_dir))

    def examples_from(self, split: str, tmp_dir: Path, start: int) -> Iterator[Example]:
        """Yield all examples but the first `start`. A source that can skip examples without reading overrides this."""
        return islice(self.examples(split, tmp_dir), start, None)

    @abc.abstractmethod
    def present(self, tmp_dir: Path) -> bool:
        """Return True if the corpus (or the folder for it) exists, so that no download is needed."""

    def classes(self, tmp_dir: Path) -> tuple[str, ...]:
        """Return the class names of all splits in order if they are known without reading the examples, else ()."""
        return ()

    def notes(self, tmp_dir: Path) -> tuple[str, ...]:
        """Return notes for the user about the corpus below `tmp_dir`, such as missing parts. They precede reading."""
        return ()

    def download_bytes(self, tmp_dir: Path) -> int:
        """Return the size in bytes of the download that `fetch` would make; 0 if it would download nothing."""
        return 0

    def fetch(self, tmp_dir: Path) -> None:  # noqa: B027  most corpora have no automatic download
        """Download the corpus to below `tmp_dir` if it can be downloaded. Called only when the user requested it.

        A source whose corpus must be obtained by hand does nothing here; its `splits` then reports what is missing.
        """


class Problem:
    """One learning task. A subclass states `source`, `targets` and what differs from the defaults."""

    source: ClassVar[Source]
    inputs: ClassVar[Feature | None] = None  # None: a language model without inputs
    targets: ClassVar[Feature]
    command: ClassVar[str] = "generic"  # the token that decoding starts with; problems with like outputs share it
    metrics: ClassVar[tuple[str, ...]] = ("neg_log_perplexity", "accuracy", "accuracy_per_sequence")
    decoded_metrics: ClassVar[tuple[str, ...]] = ()  # metrics of decoded output; (): those of the targets' feature
    loss_multiplier: ClassVar[float] = 1.0
    batch_size_multiplier: ClassVar[float] = 1.0
    ceiling: ClassVar[str] = ""  # for synthetic problems: the best result that is possible, and why

    @classmethod
    def features(cls) -> dict[str, Feature]:
        """Return the features by name, inputs first."""
        named = {"inputs": cls.inputs, "targets": cls.targets}
        return {name: feature for name, feature in named.items() if feature is not None}

    @classmethod
    def member(cls, name: str, **attributes: Any) -> None:
        """Create `cls.<name>`, a subclass that differs from `cls` in `attributes`. For families of similar problems.

        It is an attribute of `cls`, not of the module. The catalogue, or `PROBLEMS.register`, gives it its name.
        """
        home = {"__module__": cls.__module__, "__qualname__": f"{cls.__qualname__}.{name}", "__doc__": cls.__doc__}
        setattr(cls, name, type(name, (cls,), {**home, **attributes}))

    @classmethod
    def decoded_metric_names(cls) -> tuple[str, ...]:
        """Return the registered names of the metrics of decoded output: its own, or those of its targets' feature."""
        return cls.decoded_metrics or cls.targets.decoded_metrics
