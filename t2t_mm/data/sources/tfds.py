"""Data sets of TensorFlow Datasets, and how the fields of their rows become values."""

import abc
import importlib.util
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from t2t_mm.data.beam_runner import tfds_download_options
from t2t_mm.data.features.audio_file import RATE, AudioClip
from t2t_mm.errors import UserError
from t2t_mm.problem import DEV, TEST, TRAIN, Example, Source

HOME = "tensorflow_datasets"  # below tmp_dir: TFDS's data_dir


@dataclass(frozen=True)
class Field(abc.ABC):
    """A reader of one field of a row."""

    encoded: ClassVar[bool] = False  # True if the row must hold the stored bytes without decoding
    key: str  # the field's key in the row

    @abc.abstractmethod
    def read(self, value: Any, feature: Any) -> Any:
        """Return the raw value of a row's field. `feature` is the builder's description of the field."""


class Encoded(Field):
    """An image or an audio clip as the bytes of its file."""

    encoded: ClassVar[bool] = True

    def read(self, value: Any, feature: Any) -> bytes:
        return value


class ClassName(Field):
    """A class as its name."""

    def read(self, value: Any, feature: Any) -> str:
        return feature.int2str(int(value))


@dataclass(frozen=True)
class Truth(Field):
    """One of several yes/no attributes: "yes" or "no"."""

    name: str  # of the attribute

    def read(self, value: Any, feature: Any) -> str:
        return "yes" if value[self.name] else "no"


class Line(Field):
    """A text as one line."""

    def read(self, value: Any, feature: Any) -> str:
        return _one_line(value)


class Samples(Field):
    """An audio clip that the builder keeps as 16-bit samples."""

    def read(self, value: Any, feature: Any) -> AudioClip:
        return AudioClip(np.asarray(value).astype(np.int16), feature.sample_rate or RATE)


@dataclass(frozen=True)
class Lines(Field):
    """The texts of a sequence as a tuple, each as one line."""

    text: str  # the key of the text in each item of the sequence

    def read(self, value: Any, feature: Any) -> tuple[str, ...]:
        return tuple(map(_one_line, value[self.text]))


def _one_line(text: bytes) -> str:
    return " ".join(text.decode("utf-8").split())


@dataclass(frozen=True)
class Tfds(Source):
    """The rows of a TFDS builder, from which `inputs` and `targets` read their values.

    The data is read from `tmp_dir/tensorflow_datasets`, in any version that is prepared there. A builder that is not
    prepared, but whose `manual` archives are in `tensorflow_datasets/downloads/manual`, is prepared when it is first
    read. A builder that must be downloaded is downloaded only by `fetch`. Ids are the builder's names of examples, or,
    if it has none, their places in the builder's files (such as `wmt14_translate-train.tfrecord-00000-of-00016__7`).
    """

    builder: str  # such as "cifar10", or "coco_captions/2014" if there are several configurations
    inputs: Field
    targets: Field
    dev: str  # the builder's split for dev
    train: str = "train"  # the builder's split for train, or several joined by "+"
    test: str = ""  # the builder's split for test; "" if there is none or it is used as dev
    name: str = "tfds_id"  # the key of the example's name
    manual: tuple[str, ...] = ()  # archives that the user must get by hand
    homepage: str = ""  # where to get them
    download: int = 0  # bytes that are downloaded to prepare it
    modules: tuple[str, ...] = ()  # Python modules that preparing needs beyond TFDS's own requirements
    programs: tuple[str, ...] = ()  # programs that preparing needs on the PATH

    def reversed(self) -> "Tfds":
        """Return the same rows with inputs and targets exchanged."""
        return replace(self, inputs=self.targets, targets=self.inputs)

    def present(self, tmp_dir: Path) -> bool:
        return self._prepared(tmp_dir) is not None or self._archives_present(tmp_dir)

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
        left = []  # the builder's splits after the first `start` examples
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
            read_config=tfds.ReadConfig(
                interleave_cycle_length=1, add_tfds_id=True
            ),  # one file after another, in a fixed order
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
        """Return the folder of the newest prepared version, or None."""
        folders = [info.parent for info in (tmp_dir / HOME / self.builder).glob("*/dataset_info.json")]
        versions = [folder for folder in folders if re.fullmatch(r"\d+\.\d+\.\d+", folder.name)]
        return max(versions, key=lambda folder: tuple(map(int, folder.name.split("."))), default=None)

    def _archives_present(self, tmp_dir: Path) -> bool:
        return bool(self.manual) and all((_manual(tmp_dir) / archive).is_file() for archive in self.manual)

    def _open(self, tmp_dir: Path) -> Any:
        """Return the prepared builder. Raises UserError if it would have to be downloaded."""
        import tensorflow_datasets as tfds

        if self._prepared(tmp_dir) is None:
            if not self._archives_present(tmp_dir):
                raise UserError(self._missing(tmp_dir))
            self._prepare(tmp_dir)
        try:
            return tfds.builder_from_directory(self._prepared(tmp_dir))
        except ImportError as error:  # some features need packages that TFDS does not install
            raise UserError(f"TFDS cannot read {self.builder} here: {_one_sentence(error)}") from error

    def _prepare(self, tmp_dir: Path) -> None:
        import tensorflow_datasets as tfds

        lacking = [name for name in self.modules if importlib.util.find_spec(name) is None]
        lacking += [name for name in self.programs if shutil.which(name) is None]
        if lacking:
            raise UserError(
                f"TFDS needs {' and '.join([*self.modules, *self.programs])} to prepare {self.builder}, but there is "
                f"no {' or '.join(lacking)}. Install it, or use another of the layouts that docs/data.md names."
            )
        config = tfds.download.DownloadConfig(
            manual_dir=_manual(tmp_dir), try_download_gcs=False, **tfds_download_options()
        )
        try:
            tfds.builder(self.builder, data_dir=tmp_dir / HOME).download_and_prepare(download_config=config)
        except Exception as error:  # any error of a builder on files from outside
            raise UserError(
                f"TFDS could not prepare {self.builder} below {tmp_dir / HOME}: {_one_sentence(error)}"
            ) from error

    def _missing(self, tmp_dir: Path) -> str:
        prepared = f"{tmp_dir / HOME / self.builder} holds no prepared TFDS data set"
        if self.manual:
            where = f" (get it from {self.homepage})" if self.homepage else ""
            return f"{prepared}, and {_manual(tmp_dir)} lacks {' or '.join(self.manual)}{where}."
        size = f" ({self.download / 1e9:,.2f} GB)" if self.download else ""
        return f"{prepared}; pass --generate_data to download it{size}."


def _one_sentence(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _manual(tmp_dir: Path) -> Path:
    return tmp_dir / HOME / "downloads" / "manual"
