"""Input nets of audio: a stack of ConvRes blocks over spectra or samples (arXiv 1706.05137, section 2.5.4).

B examples, T frames or samples, F frequencies, C channels, L positions, D channels of the body.
"""

import abc
from typing import Any

from keras import ops

from t2t_mm.layers.forward import Forward
from t2t_mm.layers.image_conv import ConvRes, Sides
from t2t_mm.layers.layer import Layer
from t2t_mm.layers.norm import LayerNorm
from t2t_mm.layers.sequence import Seq, zero_pads
from t2t_mm.modalities.base import InputNet, Tensors


class Audio(InputNet):
    """Input net of audio, frames x frequencies: each block halves the time axis and keeps all frequencies.

    Block i has 2^i channels, but at least `audio_channels` and at most D. At the end each frame has F frequencies of C
    channels. A dense layer and a norm fold them into one vector. With `audio_flatten`, as in the paper, each frequency
    is a position of its own instead, and the frequencies of one frame are neighbours.

    The time axis is padded to a multiple of 2^halvings, since a convolution of stride 2 aligns differently with an odd
    number of rows than with an even one. A length halves by ceil.
    """

    frequencies: int  # F
    window: Sides

    @property
    @abc.abstractmethod
    def halvings(self) -> int:
        """The number of blocks, each of which halves the time axis."""

    @abc.abstractmethod
    def image(self, arrays: Tensors) -> Any:
        """Return the input as an image of one channel, float[B, T, F, 1]."""

    def build(self) -> None:
        data, d = self.hparams.data, self.hidden_size
        sizes = [min(max(2**i, data.audio_channels), d) for i in range(1, self.halvings + 1)]
        self.blocks = [
            ConvRes(size, window=self.window, stride=(2, 1), raw=i == 1, name=f"res_{i}")
            for i, size in enumerate(sizes, start=1)
        ]
        for block, width in zip(self.blocks, [1, *sizes], strict=False):
            block.build(width)
        self.flatten = data.audio_flatten
        self.fold = Fold(name="fold")
        self.fold.build((1 if self.flatten else self.frequencies) * [1, *sizes][-1], d)

    def bottom(self, arrays: Tensors, forward: Forward) -> Seq:
        """Turn audio clips into Seq[B, ceil(T / 2^halvings), D]; flattened, it has F positions for each frame."""
        x_BTFC, lengths_B = ops.cast(self.image(arrays), forward.dtype), arrays["lengths"]
        padding = -ops.shape(x_BTFC)[1] % 2**self.halvings
        x_BTFC = ops.pad(x_BTFC, [[0, 0], [0, padding], [0, 0], [0, 0]])
        real_BT = ops.arange(ops.shape(x_BTFC)[1])[None, :] < lengths_B[:, None]
        for block in self.blocks:
            x_BTFC = block(x_BTFC, real_BT)
            real_BT = real_BT[:, ::2]
        frames, channels = ops.shape(x_BTFC)[1], x_BTFC.shape[-1]
        if self.flatten:
            x_BLC = ops.reshape(x_BTFC, (-1, frames * self.frequencies, channels))
            real_BL = ops.repeat(real_BT, self.frequencies, axis=1)
        else:
            x_BLC, real_BL = ops.reshape(x_BTFC, (-1, frames, x_BTFC.shape[2] * channels)), real_BT
        return Seq(zero_pads(self.fold(x_BLC), real_BL), real_BL)


class AudioSpectral(Audio):
    """{"frames": float32[B, T, 80], "lengths": int32[B]}: log-mel spectra, as `data/features/log_mel.py` makes them."""

    frequencies = 80
    window = (3, 3)

    @property
    def halvings(self) -> int:
        return int(self.hparams.data.audio_halvings)

    def image(self, arrays: Tensors) -> Any:
        return arrays["frames"][..., None]


class AudioWaveform(Audio):
    """{"samples": float32[B, N], "lengths": int32[B]}: standardised samples, 16,000 a second."""

    frequencies = 1
    window = (3, 1)

    @property
    def halvings(self) -> int:
        return int(self.hparams.data.waveform_halvings)

    def image(self, arrays: Tensors) -> Any:
        return arrays["samples"][:, :, None, None]


class Fold(Layer):
    """LN(x W): a projection from C to D channels without a nonlinearity, then a norm."""

    def __init__(self, *, name: str) -> None:
        super().__init__(name=name)
        self.norm = LayerNorm(name="norm")

    def build(self, width: int, size: int) -> None:
        self.weight_CD = self.add_weight(shape=(width, size), initializer="lecun_normal", name="weight")
        self.norm.build(size)

    def call(self, x_BLC: Any) -> Any:
        return self.norm(ops.matmul(x_BLC, self.weight_CD))
