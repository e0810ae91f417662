"""One alphabet of Omniglot, from the original archives or unpacked."""

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path

from t2t_mm.data.features.input_file import read_input_file
from t2t_mm.data.sources.archives import readable
from t2t_mm.data.sources.hash_split import in_part
from t2t_mm.data.sources.lazy_values import LazyValues
from t2t_mm.errors import UserError
from t2t_mm.problem import DEV, TRAIN, Example, Source

SETS = ("images_background", "images_evaluation", "images_background_small1", "images_background_small2")
ONE_IN = 5  # the share of drawings held out
HOMEPAGE = "github.com/brendenlake/omniglot"


@dataclass(frozen=True)
class OmniglotAlphabet(Source):
    """Drawings `<set>/<alphabet>/character<nn>/<drawing>.png` in the first `omniglot/<set>.zip` or folder with any.

    inputs are the bytes of an image, targets the name of its folder, such as `character01`. A fifth of the drawings is
    dev, by hash of the id, which is the path without the set: `Greek/character01/0394_01.png`.
    """

    alphabet: str  # the name of its folder

    def present(self, tmp_dir: Path) -> bool:
        return self._home(tmp_dir) is not None

    def splits(self, tmp_dir: Path) -> tuple[str, ...]:
        counts = {split: len(self._names(split, tmp_dir)) for split in (TRAIN, DEV)}
        if not all(counts.values()):
            raise UserError(
                f"{self.alphabet} below {tmp_dir / 'omniglot'} has too few drawings to hold out a fifth of them by "
                f"hash: {sum(counts.values())}."
            )
        return TRAIN, DEV

    def classes(self, tmp_dir: Path) -> tuple[str, ...]:
        return tuple(sorted({name.split("/")[1] for name in self._set_and_drawings(tmp_dir)[1]}))

    def count(self, split: str, tmp_dir: Path) -> int:
        return len(self._names(split, tmp_dir))

    def examples(self, split: str, tmp_dir: Path) -> Iterator[Example]:
        return self.examples_from(split, tmp_dir, 0)

    def examples_from(self, split: str, tmp_dir: Path, start: int) -> Iterator[Example]:
        home = self._set_and_drawings(tmp_dir)[0]
        names = islice(self._names(split, tmp_dir), start, None)
        if home.is_dir():
            for name in names:
                yield Example(
                    name, LazyValues(inputs=partial(read_input_file, name, home, "image"), targets=name.split("/")[1])
                )
            return
        with zipfile.ZipFile(home) as archive:
            for name in names:
                with readable(home, name):
                    image = archive.read(f"{home.stem}/{name}")
                yield Example(name, {"inputs": image, "targets": name.split("/")[1]})

    def _names(self, split: str, tmp_dir: Path) -> list[str]:
        return [name for name in self._set_and_drawings(tmp_dir)[1] if in_part(name, ONE_IN) == (split == DEV)]

    def _set_and_drawings(self, tmp_dir: Path) -> tuple[Path, tuple[str, ...]]:
        """Return the set that the alphabet is read from, and its drawings sorted by name."""
        home = self._home(tmp_dir)
        if home is None:
            raise UserError(
                f"The alphabet {self.alphabet} is in none of {', '.join(SETS)} below {tmp_dir / 'omniglot'}, folders "
                f"or .zip files. Get it from {HOMEPAGE}."
            )
        return home, tuple(name for name in _drawings(home, _changed(home)) if name.startswith(f"{self.alphabet}/"))

    def _home(self, tmp_dir: Path) -> Path | None:
        for name in SETS:
            for home in (tmp_dir / "omniglot" / name, tmp_dir / "omniglot" / f"{name}.zip"):
                if home.is_dir() and (home / self.alphabet).is_dir():
                    return home
                if home.is_file() and any(n.startswith(f"{self.alphabet}/") for n in _drawings(home, _changed(home))):
                    return home
        return None


def _changed(home: Path) -> int:
    return home.stat().st_mtime_ns


@lru_cache(len(SETS))
def _drawings(home: Path, changed: int) -> tuple[str, ...]:
    """Return the names `<alphabet>/<character>/<drawing>.png` in a set, sorted. `changed` is its modification time."""
    if home.is_dir():
        return tuple(sorted(path.relative_to(home).as_posix() for path in home.glob("*/*/*.png")))
    with readable(home), zipfile.ZipFile(home) as archive:
        every = archive.namelist()
    inside = [name.removeprefix(f"{home.stem}/") for name in every if name.startswith(f"{home.stem}/")]
    return tuple(sorted(name for name in inside if name.endswith(".png") and name.count("/") == 2))
