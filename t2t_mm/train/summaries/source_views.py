"""Views of inputs: how each kind of input, and the attention to it, is shown as an image.

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
from t2t_mm.train.summaries.attention_images import MAP_WIDTH, audio_map, spectrogram, text_map, tiles
from t2t_mm.train.summaries.canvas import titled

SIDE = 224  # pixels: the greatest side of an input image as it is shown


class View(abc.ABC):
    """One input as it is shown to people."""

    def __init__(self, codec: Codec, stored: bytes, hparams: DataHparams) -> None:
        self.loaded = codec.load(stored, hparams, None)
        self.words = codec.show(self.loaded)
        self.codec, self.stored = codec, stored

    @abc.abstractmethod
    def image(self) -> Image.Image | None:
        """Return the input as an image; None if it has no image."""

    @abc.abstractmethod
    def map(self, weights_TS: np.ndarray, rows: Sequence[str], title: str) -> Image.Image:
        """Return a map of the attention from the output's pieces, named by `rows`, to the positions of the input."""


class Numbered(View):
    """An input of an unknown kind, whose positions are numbered."""

    def image(self) -> Image.Image | None:
        return None

    def map(self, weights_TS: np.ndarray, rows: Sequence[str], title: str) -> Image.Image:
        return numbered_map(weights_TS, rows, title)


class Line(View):
    """A line of text."""

    def image(self) -> Image.Image | None:
        return None

    def map(self, weights_TS: np.ndarray, rows: Sequence[str], title: str) -> Image.Image:
        columns = pieces(self.codec, self.loaded.tolist())
        if len(columns) != weights_TS.shape[1]:  # this net's positions are not the pieces of the text
            return numbered_map(weights_TS, rows, title)
        return text_map(weights_TS, rows, columns, title)


class ImageView(View):
    """An image, as the net reads it."""

    def image(self) -> Image.Image | None:
        image = Image.fromarray(self.loaded)
        if max(image.size) > SIDE:
            image.thumbnail((SIDE, SIDE))
        factor = SIDE // max(image.size)
        return image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)

    def map(self, weights_TS: np.ndarray, rows: Sequence[str], title: str) -> Image.Image:
        positions = weights_TS.shape[1]
        if isqrt(positions) ** 2 != positions:  # this net's positions are not the squares of the image
            return numbered_map(weights_TS, rows, title)
        return tiles(weights_TS, rows, self.loaded, title)


class AudioView(View):
    """An audio clip, shown as a spectrogram whether the net reads spectra or the waveform."""

    def image(self) -> Image.Image | None:
        return titled(spectrogram(log_mel(self._samples), MAP_WIDTH), [self.words])

    def map(self, weights_TS: np.ndarray, rows: Sequence[str], title: str) -> Image.Image:
        return audio_map(weights_TS, rows, log_mel(self._samples), len(self._samples) / RATE, title)

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
    """Return the view of a stored input."""
    return VIEWS.get(codec.port.modality, Numbered)(codec, stored, hparams)


def numbered_map(weights_TS: np.ndarray, rows: Sequence[str], title: str) -> Image.Image:
    """Return an attention map whose columns are numbered from 1."""
    return text_map(weights_TS, rows, [str(s + 1) for s in range(weights_TS.shape[1])], title)


def pieces(codec: Codec, ids: Sequence[int]) -> list[str]:
    """Return the piece of text of each id, with blanks written as "_", and "end" for the end symbol.

    The blank with which every text begins appears only if it is an id by itself.
    """
    show = codec.text.show if isinstance(codec, TreeCodec) else codec.show
    texts = [show(np.array(ids[:count], np.int32)) for count in range(len(ids) + 1)]
    added = [after[len(os.path.commonprefix([before, after])) :] for before, after in pairwise(texts)]
    return ["end" if id == EOS else piece.replace(" ", "_") or "_" for id, piece in zip(ids, added, strict=True)]
