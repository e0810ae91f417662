"""How an input is shown to people, and how attention is shown over it: one view for each kind of input.

T output pieces, S source positions.
"""

import abc
import os.path
from collections.abc import Sequence
from itertools import pairwise
from math import isqrt

import numpy as np
from PIL import Image

from t2t_mm.data.features.audio_file import RATE
from t2t_mm.data.features.log_mel import log_mel
from t2t_mm.data.features.tree import TreeCodec
from t2t_mm.data.vocabulary import EOS
from t2t_mm.feature import Codec
from t2t_mm.hparam_set import DataHparams
from t2t_mm.train.summaries.attention_images import MAP_WIDTH, sound_map, spectrogram, text_map, tiles
from t2t_mm.train.summaries.canvas import titled

SIDE = 224  # pixels of a picture that was read, at most


class View(abc.ABC):
    """One input."""

    def __init__(self, codec: Codec, stored: bytes, hparams: DataHparams) -> None:
        self.loaded = codec.load(stored, hparams, None)
        self.words = codec.show(self.loaded)
        self.codec, self.stored = codec, stored

    @abc.abstractmethod
    def picture(self) -> Image.Image | None:
        """The input itself, where it can be looked at."""

    @abc.abstractmethod
    def map(self, weights_TS: np.ndarray, rows: Sequence[str], title: str) -> Image.Image:
        """Attention from the output's pieces, which `rows` names, to the positions of the input."""


class Numbered(View):
    """An input of an unknown kind: its positions have numbers."""

    def picture(self) -> Image.Image | None:
        return None

    def map(self, weights_TS: np.ndarray, rows: Sequence[str], title: str) -> Image.Image:
        return numbered_map(weights_TS, rows, title)


class Line(View):
    """A line of text."""

    def picture(self) -> Image.Image | None:
        return None

    def map(self, weights_TS: np.ndarray, rows: Sequence[str], title: str) -> Image.Image:
        columns = pieces(self.codec, self.loaded.tolist())
        if len(columns) != weights_TS.shape[1]:  # a net whose positions are no pieces of text
            return numbered_map(weights_TS, rows, title)
        return text_map(weights_TS, rows, columns, title)


class ImageView(View):
    """A picture, as the net reads it."""

    def picture(self) -> Image.Image | None:
        picture = Image.fromarray(self.loaded)
        if max(picture.size) > SIDE:
            picture.thumbnail((SIDE, SIDE))
        larger = SIDE // max(picture.size)
        return picture.resize((picture.width * larger, picture.height * larger), Image.Resampling.NEAREST)

    def map(self, weights_TS: np.ndarray, rows: Sequence[str], title: str) -> Image.Image:
        if (
            isqrt(weights_TS.shape[1]) ** 2 != weights_TS.shape[1]
        ):  # a net whose positions are no squares of the picture
            return numbered_map(weights_TS, rows, title)
        return tiles(weights_TS, rows, self.loaded, title)


class AudioView(View):
    """A sound, shown as its spectra whichever form the net reads."""

    def picture(self) -> Image.Image | None:
        return titled(spectrogram(log_mel(self._samples), MAP_WIDTH), [self.words])

    def map(self, weights_TS: np.ndarray, rows: Sequence[str], title: str) -> Image.Image:
        return sound_map(weights_TS, rows, log_mel(self._samples), len(self._samples) / RATE, title)

    @property
    def _samples(self) -> np.ndarray:
        return np.frombuffer(self.stored, "<i2")


VIEWS: dict[str, type[View]] = {
    "text": Line,
    "image": ImageView,
    "audio_spectral": AudioView,
    "audio_waveform": AudioView,
}


def view(codec: Codec, stored: bytes, hparams: DataHparams) -> View:
    """The view of a stored input."""
    return VIEWS.get(codec.port.modality, Numbered)(codec, stored, hparams)


def numbered_map(weights_TS: np.ndarray, rows: Sequence[str], title: str) -> Image.Image:
    """A map whose columns are numbered from 1."""
    return text_map(weights_TS, rows, [str(s + 1) for s in range(weights_TS.shape[1])], title)


def pieces(codec: Codec, ids: Sequence[int]) -> list[str]:
    """What each id adds to the text, a blank written as "_", and "end" for the end.

    The blank with which every text begins is seen where it is an id by itself.
    """
    show = codec.text.show if isinstance(codec, TreeCodec) else codec.show
    texts = [show(np.array(ids[:count], np.int32)) for count in range(len(ids) + 1)]
    added = [after[len(os.path.commonprefix([before, after])) :] for before, after in pairwise(texts)]
    return ["end" if id == EOS else piece.replace(" ", "_") or "_" for id, piece in zip(ids, added, strict=True)]
