"""Several words in a row, made on the spot: clips of one speaker with short pauses between them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from t2t_mm.data.features.audio_file import MOST_SECONDS, AudioClip
from t2t_mm.data.keyed_rng import generator
from t2t_mm.data.sources.lazy_values import LazyValues
from t2t_mm.data.sources.spoken_words import Clip, SpokenWords
from t2t_mm.errors import UserError
from t2t_mm.problem import DEV, TEST, TRAIN, Example, Source

KEPT = 4096  # clips in memory
Reader = Callable[[Path], tuple[np.ndarray, int]]  # samples float32[N] of a file, and how many make a second


@dataclass(frozen=True)
class JoinedClips(Source):
    """Strings of words said by one speaker, from clips of `corpus` of the same split.

    An example is a function of (name, split, index) and the corpus: a speaker, a number of clips and the clips
    themselves are drawn, each as likely as any other, and so are the pauses, which are silent. inputs are an
    `AudioClip` at the clips' own rate, targets the words joined by blanks. Named by split and index, as in `train/17`.
    """

    corpus: SpokenWords
    name: str  # the seed of all its examples
    train: int = 3000  # examples
    dev: int = 300
    test: int = 300  # where the corpus has a test split
    clips: tuple[int, int] = (3, 7)  # in an example, the fewest and the most
    pauses_ms: tuple[int, int] = (50, 200)  # the shortest and the longest

    def present(self, tmp_dir: Path) -> bool:
        return self.corpus.present(tmp_dir)

    def splits(self, tmp_dir: Path) -> tuple[str, ...]:
        return self.corpus.splits(tmp_dir)

    def count(self, split: str, tmp_dir: Path) -> int:
        return {TRAIN: self.train, DEV: self.dev, TEST: self.test}[split]

    def examples(self, split: str, tmp_dir: Path) -> Iterator[Example]:
        return self.examples_from(split, tmp_dir, 0)

    def examples_from(self, split: str, tmp_dir: Path, start: int) -> Iterator[Example]:
        by_speaker: dict[str, list[Clip]] = {}
        for clip in self.corpus.clips(tmp_dir)[split]:
            by_speaker.setdefault(clip.speaker, []).append(clip)
        speakers = sorted(by_speaker)
        read = lru_cache(KEPT)(_samples)  # every clip is heard several times
        for index in range(start, self.count(split, tmp_dir)):
            rng = generator(self.name, split, index)
            own = by_speaker[speakers[rng.integers(len(speakers))]]
            count = int(rng.integers(self.clips[0], self.clips[1] + 1))
            drawn = [own[i] for i in rng.integers(len(own), size=count)]
            pauses_ms = rng.uniform(*self.pauses_ms, size=count - 1).tolist()
            words = " ".join(self.corpus.words[clip.number] for clip in drawn)
            yield Example(
                f"{split}/{index}", LazyValues(inputs=partial(_joined, drawn, pauses_ms, read), targets=words)
            )


def _joined(clips: Sequence[Clip], pauses_ms: Sequence[float], read: Reader) -> AudioClip:
    _, rate = read(clips[0].path)
    parts = []
    for clip, pause_ms in zip(clips, [*pauses_ms, 0.0], strict=True):
        samples_N, own_rate = read(clip.path)
        if own_rate != rate:
            raise UserError(
                f"{clip.path} has {own_rate:,} samples a second and {clips[0].path} {rate:,}; clips of one speaker are "
                f"joined as they are. Resample either."
            )
        parts += [samples_N, np.zeros(round(rate * pause_ms / 1000), np.float32)]
    return AudioClip(np.concatenate(parts), rate)


def _samples(path: Path) -> tuple[np.ndarray, int]:
    """float32[N], the channels averaged, and samples a second; no more than a sound may have of what is overlong."""
    import soundfile

    try:
        with soundfile.SoundFile(path) as file:
            most = int(MOST_SECONDS * file.samplerate) + 1
            return file.read(most, dtype="float32", always_2d=True).mean(axis=1), file.samplerate
    except (soundfile.SoundFileError, OSError) as error:
        raise UserError(f"{path} is no sound that can be read ({error}).") from None
