"""Rows of a TensorFlow Datasets builder, and which of their keys become which values."""

import abc
import importlib.util
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from t2t_mm.data.beam_runner import of_tfds
from t2t_mm.data.features.audio_file import RATE, AudioClip
from t2t_mm.errors import UserError
from t2t_mm.problem import DEV, TEST, TRAIN, Example, Source

HOME = "tensorflow_datasets"  # below tmp_dir: what TFDS calls its data_dir


@dataclass(frozen=True)
class Field(abc.ABC):
    """What of a row becomes a raw value."""

    encoded: ClassVar[bool] = False  # whether the row shall hold the bytes as they are stored, not what they decode to
    key: str  # of the row

    @abc.abstractmethod
    def read(self, value: Any, feature: Any) -> Any:
        """The raw value of what a row holds under `key`; `feature` is what the builder says of that key."""


class Encoded(Field):
    """A picture or a sound, as the bytes of its file."""

    encoded: ClassVar[bool] = True

    def read(self, value: Any, feature: Any) -> bytes:
        return value


class ClassName(Field):
    """A class, by its name."""

    def read(self, value: Any, feature: Any) -> str:
        return feature.int2str(int(value))


@dataclass(frozen=True)
class Truth(Field):
    """Whether one of several things holds: "yes" or "no"."""

    name: str  # of the thing

    def read(self, value: Any, feature: Any) -> str:
        return "yes" if value[self.name] else "no"


class Line(Field):
    """A text, brought to one line."""

    def read(self, value: Any, feature: Any) -> str:
        return _one_line(value)


class Samples(Field):
    """A sound that the builder keeps as 16-bit samples."""

    def read(self, value: Any, feature: Any) -> AudioClip:
        return AudioClip(np.asarray(value).astype(np.int16), feature.sample_rate or RATE)


@dataclass(frozen=True)
class Lines(Field):
    """The texts of a sequence as a tuple, each brought to one line."""

    text: str  # the key of the text in each item of the sequence

    def read(self, value: Any, feature: Any) -> tuple[str, ...]:
        return tuple(map(_one_line, value[self.text]))


def _one_line(text: bytes) -> str:
    return " ".join(text.decode("utf-8").split())


@dataclass(frozen=True)
class Tfds(Source):
    """A builder's rows: what `inputs` and `targets` read of each.

    Read from `tmp_dir/tensorflow_datasets`, in any version that is prepared there. A builder that is not prepared, but
    whose `manual` archives lie in `tensorflow_datasets/downloads/manual`, is prepared when it is first read; one
    that would have to be downloaded is so only by `fetch`. An example is named by what the builder calls it, or by its
    place in the builder's files (as in `wmt14_translate-train.tfrecord-00000-of-00016__7`) where it has no name.
    """

    builder: str  # such as "cifar10", or "coco_captions/2014" where there are several kinds
    inputs: Field
    targets: Field
    dev: str  # the builder's split for dev
    train: str = "train"  # the builder's split for train, or several joined by "+"
    test: str = ""  # the builder's split for test; none where there is none, or where it serves as dev
    name: str = "tfds_id"  # the key of what names an example
    manual: tuple[str, ...] = ()  # archives that are to be got by hand
    homepage: str = ""  # where they are to be had
    download: int = 0  # bytes that preparing fetches
    modules: tuple[str, ...] = ()  # that TFDS asks for beyond its own requirements, to prepare
    programs: tuple[str, ...] = ()  # likewise, on the PATH

    def reversed(self) -> "Tfds":
        """The same rows, read the other way."""
        return replace(self, inputs=self.targets, targets=self.inputs)

    def present(self, tmp_dir: Path) -> bool:
        return self._prepared(tmp_dir) is not None or self._archives_there(tmp_dir)

    def splits(self, tmp_dir: Path) -> tuple[str, ...]:
        self._open(tmp_dir)
        return (TRAIN, DEV, TEST) if self.test else (TRAIN, DEV)

    def classes(self, tmp_dir: Path) -> tuple[str, ...]:
        if not isinstance(self.targets, ClassName):
            return ()
        return tuple(self._open(tmp_dir).info.features[self.targets.key].names)

    def count(self, split: str, tmp_dir: Path) -> int:
        return self._open(tmp_dir).info.splits[self._split(split)].num_examples

    def examples(self, split: str, tmp_dir: Path) -> Iterator[Example]:
        return self.examples_from(split, tmp_dir, 0)

    def examples_from(self, split: str, tmp_dir: Path, start: int) -> Iterator[Example]:
        import tensorflow_datasets as tfds

        builder = self._open(tmp_dir)
        fields = {"inputs": self.inputs, "targets": self.targets}
        left = []  # of the builder's splits, behind the first `start` examples
        for part in self._split(split).split("+"):
            examples = builder.info.splits[part].num_examples
            if start < examples:
                left.append(f"{part}[{start}:]" if start else part)
            start = max(0, start - examples)
        if not left:
            return
        rows = builder.as_dataset(
            split="+".join(left),
            decoders={field.key: tfds.decode.SkipDecoding() for field in fields.values() if field.encoded},
            read_config=tfds.ReadConfig(interleave_cycle_length=1, add_tfds_id=True),  # file after file, in one order
            shuffle_files=False,
        )
        features = builder.info.features
        for row in tfds.as_numpy(rows):
            values = {name: field.read(row[field.key], features[field.key]) for name, field in fields.items()}
            yield Example(row[self.name].decode(), values)

    def _split(self, split: str) -> str:
        return {TRAIN: self.train, DEV: self.dev, TEST: self.test}[split]

    def download_bytes(self, tmp_dir: Path) -> int:
        return 0 if self.manual or self._prepared(tmp_dir) is not None else self.download

    def fetch(self, tmp_dir: Path) -> None:
        if not self.manual and self._prepared(tmp_dir) is None:
            self._prepare(tmp_dir)

    def _prepared(self, tmp_dir: Path) -> Path | None:
        """The folder of the newest prepared version, or None."""
        folders = [info.parent for info in (tmp_dir / HOME / self.builder).glob("*/dataset_info.json")]
        whole = [folder for folder in folders if re.fullmatch(r"\d+\.\d+\.\d+", folder.name)]
        return max(whole, key=lambda folder: tuple(map(int, folder.name.split("."))), default=None)

    def _archives_there(self, tmp_dir: Path) -> bool:
        return bool(self.manual) and all((_manual(tmp_dir) / archive).is_file() for archive in self.manual)

    def _open(self, tmp_dir: Path) -> Any:
        """The prepared builder. Raises UserError when it would have to be downloaded."""
        import tensorflow_datasets as tfds

        if self._prepared(tmp_dir) is None:
            if not self._archives_there(tmp_dir):
                raise UserError(self._missing(tmp_dir))
            self._prepare(tmp_dir)
        try:
            return tfds.builder_from_directory(self._prepared(tmp_dir))
        except ImportError as error:  # some features are read by packages that TFDS does not bring
            raise UserError(f"TFDS cannot read {self.builder} here: {_said(error)}") from error

    def _prepare(self, tmp_dir: Path) -> None:
        import tensorflow_datasets as tfds

        lacking = [name for name in self.modules if importlib.util.find_spec(name) is None]
        lacking += [name for name in self.programs if shutil.which(name) is None]
        if lacking:
            raise UserError(
                f"TFDS prepares {self.builder} by means of {' and '.join([*self.modules, *self.programs])}; here is no "
                f"{' or '.join(lacking)}. Install it, or use another of the layouts that docs/data.md names."
            )
        config = tfds.download.DownloadConfig(manual_dir=_manual(tmp_dir), try_download_gcs=False, **of_tfds())
        try:
            tfds.builder(self.builder, data_dir=tmp_dir / HOME).download_and_prepare(download_config=config)
        except Exception as error:  # whatever a builder trips over in foreign files
            raise UserError(f"TFDS could not prepare {self.builder} below {tmp_dir / HOME}: {_said(error)}") from error

    def _missing(self, tmp_dir: Path) -> str:
        prepared = f"{tmp_dir / HOME / self.builder} holds no prepared TFDS data set"
        if self.manual:
            where = f" (to be had from {self.homepage})" if self.homepage else ""
            return f"{prepared}, and {_manual(tmp_dir)} lacks {' or '.join(self.manual)}{where}."
        size = f" ({self.download / 1e9:,.2f} GB)" if self.download else ""
        return f"{prepared}; pass --generate_data to download it{size}."


def _said(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _manual(tmp_dir: Path) -> Path:
    return tmp_dir / HOME / "downloads" / "manual"
