"""Sounds in: a stack of ConvRes blocks over spectra or samples (arXiv 1706.05137, section 2.5.4)."""

import abc
from typing import Any

from keras import ops

from t2t_mm.layers.forward import Forward
from t2t_mm.layers.image_conv import ConvRes, Sides
from t2t_mm.layers.layer import Layer
from t2t_mm.layers.norm import LayerNorm
from t2t_mm.layers.sequence import Seq, zero_pads
from t2t_mm.modalities.base import Loss, Modality, Tensors, one_way


class Audio(Modality):
    """Moments x frequencies to a sequence of vectors: each block halves time, and none strides along frequency.

    Block i has 2^i channels, within [audio_channels, D]. What is left of a moment, F frequencies of C channels, is
    folded into one vector by a dense layer and a norm; with `audio_flatten`, the paper's letter, each frequency stays a
    position of its own, moment after moment. Lengths are padded to multiples of 2^halvings, since a convolution of
    stride 2 lies differently over an odd number of rows than over an even one; a length halves by ceil.
    """

    autoregressive = False
    frequencies: int  # F
    window: Sides

    @property
    @abc.abstractmethod
    def halvings(self) -> int:
        """Blocks, each of which halves time."""

    @abc.abstractmethod
    def picture(self, arrays: Tensors) -> Any:
        """The input as float[B, T, F, 1]."""

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
        """The arrays of a sound to Seq[B, ceil(T / 2^halvings), D], or 80 times as long when flattened."""
        x_BTFC, lengths_B = ops.cast(self.picture(arrays), forward.dtype), arrays["lengths"]
        fill = -ops.shape(x_BTFC)[1] % 2**self.halvings
        x_BTFC = ops.pad(x_BTFC, [[0, 0], [0, fill], [0, 0], [0, 0]])
        real_BT = ops.arange(ops.shape(x_BTFC)[1])[None, :] < lengths_B[:, None]
        for block in self.blocks:
            x_BTFC = block(x_BTFC, real_BT)
            real_BT = real_BT[:, ::2]
        moments, channels = ops.shape(x_BTFC)[1], x_BTFC.shape[-1]
        if self.flatten:
            x_BLC = ops.reshape(x_BTFC, (-1, moments * self.frequencies, channels))
            real_BL = ops.repeat(real_BT, self.frequencies, axis=1)
        else:
            x_BLC, real_BL = ops.reshape(x_BTFC, (-1, moments, x_BTFC.shape[2] * channels)), real_BT
        return Seq(zero_pads(self.fold(x_BLC), real_BL), real_BL)

    def targets_bottom(self, arrays: Tensors, forward: Forward) -> Seq:
        raise one_way(self, "targets")

    def top(self, body: Seq) -> Any:
        raise one_way(self, "targets")

    def loss(self, body: Seq, arrays: Tensors, smoothing: float) -> Loss:
        raise one_way(self, "targets")

    def labels(self, arrays: Tensors) -> tuple[Any, Any]:
        raise one_way(self, "targets")


class AudioSpectral(Audio):
    """{"frames": float32[B, T, 80], "lengths": int32[B]}: log-mel spectra, as `data/features/log_mel.py` makes them."""

    frequencies = 80
    window = (3, 3)

    @property
    def halvings(self) -> int:
        return int(self.hparams.data.audio_halvings)

    def picture(self, arrays: Tensors) -> Any:
        return arrays["frames"][..., None]


class AudioWaveform(Audio):
    """{"samples": float32[B, N], "lengths": int32[B]}: standardised samples, 16,000 a second."""

    frequencies = 1
    window = (3, 1)

    @property
    def halvings(self) -> int:
        return int(self.hparams.data.waveform_halvings)

    def picture(self, arrays: Tensors) -> Any:
        return arrays["samples"][:, :, None, None]


class Fold(Layer):
    """LN(x W): vectors of one width to vectors of another, without rectifying them."""

    def __init__(self, *, name: str) -> None:
        super().__init__(name=name)
        self.norm = LayerNorm(name="norm")

    def build(self, width: int, size: int) -> None:
        self.weight_CD = self.add_weight(shape=(width, size), initializer="lecun_normal", name="weight")
        self.norm.build(size)

    def call(self, x_BLC: Any) -> Any:
        return self.norm(ops.matmul(x_BLC, self.weight_CD))
