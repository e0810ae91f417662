"""Labelled pictures from a TensorFlow Datasets builder."""

import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from t2t_mm.errors import UserError
from t2t_mm.problem import DEV, TRAIN, Example, Source

HOME = "tensorflow_datasets"  # below tmp_dir: what TFDS calls its data_dir


@dataclass(frozen=True)
class Tfds(Source):
    """A builder's pictures, encoded as they are, and the names of their classes.

    Read from `tmp_dir/tensorflow_datasets`, in any version that is prepared there. A builder that is not prepared, but
    whose `manual` archives lie in `tensorflow_datasets/downloads/manual`, is prepared when it is first read; one
    that would have to be downloaded is so only by `fetch`. An example is named by what the builder calls it.
    """

    builder: str  # such as "cifar10"
    image: str  # the key of the picture
    label: str  # the key of the class
    name: str  # the key of what names an example
    dev: str  # the builder's split for dev; "train" is train
    manual: tuple[str, ...] = ()  # archives that are to be got by hand
    homepage: str = ""  # where they are to be had

    def present(self, tmp_dir: Path) -> bool:
        return self._prepared(tmp_dir) is not None or self._archives_there(tmp_dir)

    def splits(self, tmp_dir: Path) -> tuple[str, ...]:
        self._open(tmp_dir)
        return (TRAIN, DEV)

    def classes(self, tmp_dir: Path) -> tuple[str, ...]:
        return tuple(self._open(tmp_dir).info.features[self.label].names)

    def examples(self, split: str, tmp_dir: Path) -> Iterator[Example]:
        import tensorflow_datasets as tfds

        builder = self._open(tmp_dir)
        rows = builder.as_dataset(
            split={TRAIN: "train", DEV: self.dev}[split],
            decoders={self.image: tfds.decode.SkipDecoding()},
            read_config=tfds.ReadConfig(interleave_cycle_length=1),  # file after file, always in one order
            shuffle_files=False,
        )
        names = builder.info.features[self.label].names
        for row in tfds.as_numpy(rows):
            yield Example(row[self.name].decode(), {"inputs": row[self.image], "targets": names[row[self.label]]})

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
        return tfds.builder_from_directory(self._prepared(tmp_dir))

    def _prepare(self, tmp_dir: Path) -> None:
        import tensorflow_datasets as tfds

        config = tfds.download.DownloadConfig(manual_dir=_manual(tmp_dir), try_download_gcs=False)
        try:
            tfds.builder(self.builder, data_dir=tmp_dir / HOME).download_and_prepare(download_config=config)
        except (OSError, tarfile.TarError, tfds.download.DownloadError) as error:
            raise UserError(f"TFDS could not prepare {self.builder} below {tmp_dir / HOME}: {error}") from error

    def _missing(self, tmp_dir: Path) -> str:
        prepared = f"{tmp_dir / HOME / self.builder} holds no prepared TFDS data set"
        if self.manual:
            where = f" (to be had from {self.homepage})" if self.homepage else ""
            return f"{prepared}, and {_manual(tmp_dir)} lacks {' or '.join(self.manual)}{where}."
        return f"{prepared}; pass --generate_data to download it."


def _manual(tmp_dir: Path) -> Path:
    return tmp_dir / HOME / "downloads" / "manual"
