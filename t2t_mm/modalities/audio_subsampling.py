"""Input net of spectra: convolutions of stride 2, then a linear layer (arXiv 2005.08100, section 2 and figure 1).

B examples, T frames, F frequencies, C channels, D channels of the body.
"""

from typing import Any

from keras import ops

from t2t_mm.errors import UserError
from t2t_mm.feature import Port
from t2t_mm.hparam_set import HparamSet
from t2t_mm.layers.layer import Layer
from t2t_mm.modalities.audio import AudioSpectral


class AudioSubsampling(AudioSpectral):
    """Input net of spectra: ReLU(Conv(x)) with 3 x 3 windows and stride 2, `audio_halvings` times, to D channels each.

    Each convolution halves time and frequency. A linear layer turns the frequencies that remain into one vector. Two
    halvings turn the 10 ms frames of spectra into positions of 40 ms.
    """

    def __init__(self, port: Port, hidden_size: int, hparams: HparamSet, *, name: str) -> None:
        """Raises UserError for `audio_flatten`, which this net does not support."""
        super().__init__(port, hidden_size, hparams, name=name)
        if hparams.data.audio_flatten:
            raise UserError(
                "This model's net of spectra halves the frequencies too, so it does not support audio_flatten=true, "
                "which keeps each frequency as a position. Set audio_flatten=false."
            )

    def build(self) -> None:
        self.flatten = False
        self.blocks = [HalvingConv(self.hidden_size, name=f"conv_{i}") for i in range(1, self.halvings + 1)]
        width, frequencies = 1, self.frequencies
        for block in self.blocks:
            block.build(width)
            width, frequencies = self.hidden_size, -(-frequencies // 2)
        self.fold = Linear(name="fold")
        self.fold.build(width * frequencies, self.hidden_size)


class HalvingConv(Layer):
    """ReLU(Conv(x) + b), 3 x 3, stride 2, SAME: along time, windows begin at frames 0, 2, 4, ..."""

    def __init__(self, size: int, *, name: str) -> None:
        super().__init__(name=name)
        self.size = size

    def build(self, width: int) -> None:
        self.taps = self.add_weight(shape=(3, 3, width, self.size), initializer="he_normal", name="kernel")
        self.shift_C = self.add_weight(shape=(self.size,), initializer="zeros", name="shift")

    def call(self, x_BTFC: Any, real_BT: Any) -> Any:
        """Turn float[B, T, F, C] into float[B, T / 2, ceil(F / 2), C]. T is even; pads are set to zero first."""
        x_BTFC = x_BTFC * ops.cast(real_BT, x_BTFC.dtype)[:, :, None, None]
        return ops.relu(ops.conv(x_BTFC, self.taps, strides=2, padding="same") + self.shift_C)


class Linear(Layer):
    """x W + b."""

    def build(self, width: int, size: int) -> None:
        self.weight_CD = self.add_weight(shape=(width, size), initializer="glorot_uniform", name="weight")
        self.shift_D = self.add_weight(shape=(size,), initializer="zeros", name="shift")

    def call(self, x_BLC: Any) -> Any:
        return ops.matmul(x_BLC, self.weight_CD) + self.shift_D
