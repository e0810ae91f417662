"""Classes: a name, stored as an index."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from t2t_mm.atomic_file import atomic_write
from t2t_mm.data.features.feature_file import read_feature_file, split_lines
from t2t_mm.errors import UserError, did_you_mean
from t2t_mm.feature import Arrays, ArraySpec, Codec, Feature, Port
from t2t_mm.hparam_set import DataHparams


@dataclass(frozen=True)
class Label(Feature):
    """One of several classes. The raw value is its name.

    `classes` is the name of the list of classes; features with equal `classes` share it. `names` gives the class names
    literally, in the order of their indices. Without it, they are the names in the training data, sorted.
    """

    modality = "label"
    classes: str
    names: tuple[str, ...] = ()
    decoded_metrics = ("top_1", "top_5")

    def sample(self, value: Any) -> str:
        return str(value)

    def prepare(
        self, data_dir: Path, sharing: Sequence[Feature], samples: Mapping[str, Iterable[str]], seed: int, report: Any
    ) -> None:
        (file,) = self.files()
        path = data_dir / file
        if path.exists():
            return
        names = self.names or sorted(set(chain.from_iterable(samples.values())))
        invalid = [name for name in names if not name.strip() or "\n" in name]
        if invalid or not names:
            raise UserError(
                f"The classes of {', '.join(samples)} have names that are empty or have several lines: {invalid!r}."
            )
        with atomic_write(path) as partial:
            partial.write_text("".join(f"{name}\n" for name in names), encoding="utf-8", newline="\n")
        report(f"{file}: {len(names):,} classes of {', '.join(samples)}.")

    def files(self) -> tuple[str, ...]:
        return (f"classes.{self.classes}.txt",)

    def open(self, folder: Path) -> "LabelCodec":
        names = read_feature_file(folder / self.files()[0], "list of classes", split_lines)
        return LabelCodec(self.classes, tuple(names))


class LabelCodec(Codec):
    """A codec of classes. A record holds the index, int32 little-endian."""

    def __init__(self, classes: str, names: tuple[str, ...]) -> None:
        self.names = names
        self._index = {name: index for index, name in enumerate(names)}
        self.port = Port("label", f"label_{classes}", len(names))

    def store(self, value: Any) -> bytes:
        if value not in self._index:
            raise UserError(
                f"No class is named {value!r}. {did_you_mean(str(value), self.names)} "
                f"The list of {self.port.key} holds {len(self.names):,} classes."
            )
        return np.array([self._index[value]], "<i4").tobytes()

    def length(self, stored: bytes) -> int:
        return 1

    def longest(self, hparams: DataHparams) -> int:
        return 1

    def load(self, stored: bytes, hparams: DataHparams, augment: np.random.Generator | None) -> np.ndarray:
        return np.frombuffer(stored, "<i4")

    def batch(self, values: Sequence[np.ndarray], rows: int, length: int) -> Arrays:
        class_B = np.full(rows, -1, np.int32)
        class_B[: len(values)] = np.concatenate(values) if values else []
        return {"class": class_B}

    def spec(self, hparams: DataHparams) -> dict[str, ArraySpec]:
        return {"class": ArraySpec("int32", (None,))}

    def value(self, stored: bytes) -> Any:
        return self.show(self.symbols(stored))

    def symbols(self, stored: bytes) -> np.ndarray:
        return np.frombuffer(stored, "<i4")

    def positions(self, length: int, hparams: DataHparams) -> int:
        return 1

    def parse(self, line: str, folder: Path) -> Any:
        return line.strip()

    def show(self, output: np.ndarray, source: Any = None) -> str:
        return self.names[int(np.asarray(output).reshape(()))]
