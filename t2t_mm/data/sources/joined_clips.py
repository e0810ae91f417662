"""Strings of spoken words, synthesised by joining clips of one speaker with short pauses."""

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

CACHED = 4096  # clips kept in memory
ReadClip = Callable[[Path], tuple[np.ndarray, int]]  # path -> samples float32[N] and sample rate


@dataclass(frozen=True)
class JoinedClips(Source):
    """Strings of words spoken by one speaker, joined from clips of `corpus` of the same split.

    An example is a function of (name, split, index) and the corpus. The speaker, the number of clips and the clips are
    drawn uniformly, and so are the lengths of the silent pauses. inputs are an `AudioClip` at the clips' own rate,
    targets the words joined by blanks. Ids are split and index, such as `train/17`.
    """

    corpus: SpokenWords
    name: str  # part of the random key of every example
    train: int = 3000  # examples
    dev: int = 300
    test: int = 300  # if the corpus has a test split
    clips: tuple[int, int] = (3, 7)  # fewest and most clips in an example
    pauses_ms: tuple[int, int] = (50, 200)  # shortest and longest pause

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
        read = lru_cache(CACHED)(_samples)  # every clip is used several times
        for index in range(start, self.count(split, tmp_dir)):
            rng = generator(self.name, split, index)
            clips = by_speaker[speakers[rng.integers(len(speakers))]]
            count = int(rng.integers(self.clips[0], self.clips[1] + 1))
            drawn = [clips[i] for i in rng.integers(len(clips), size=count)]
            pauses_ms = rng.uniform(*self.pauses_ms, size=count - 1).tolist()
            words = " ".join(self.corpus.words[clip.number] for clip in drawn)
            yield Example(f"{split}/{index}", LazyValues(inputs=partial(_join, drawn, pauses_ms, read), targets=words))


def _join(clips: Sequence[Clip], pauses_ms: Sequence[float], read: ReadClip) -> AudioClip:
    _, rate = read(clips[0].path)
    parts = []
    for clip, pause_ms in zip(clips, [*pauses_ms, 0.0], strict=True):
        samples_N, clip_rate = read(clip.path)
        if clip_rate != rate:
            raise UserError(
                f"{clip.path} has {clip_rate:,} samples a second and {clips[0].path} {rate:,}; clips of one speaker "
                f"are joined without resampling. Resample one of them."
            )
        parts += [samples_N, np.zeros(round(rate * pause_ms / 1000), np.float32)]
    return AudioClip(np.concatenate(parts), rate)


def _samples(path: Path) -> tuple[np.ndarray, int]:
    """Return the samples float32[N] of a file, its channels averaged, and its rate.

    Reading stops beyond MOST_SECONDS.
    """
    import soundfile

    try:
        with soundfile.SoundFile(path) as file:
            most = int(MOST_SECONDS * file.samplerate) + 1
            return file.read(most, dtype="float32", always_2d=True).mean(axis=1), file.samplerate
    except (soundfile.SoundFileError, OSError) as error:
        raise UserError(f"{path} is not a readable audio file ({error}).") from None
