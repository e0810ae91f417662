"""Spectra in: convolutions of stride 2, then a linear layer (arXiv 2005.08100, section 2 and figure 1).

B examples, T moments, F frequencies, C channels, D channels of the body.
"""

from typing import Any

from keras import ops

from t2t_mm.errors import UserError
from t2t_mm.feature import Port
from t2t_mm.hparam_set import HparamSet
from t2t_mm.layers.layer import Layer
from t2t_mm.modalities.audio import AudioSpectral


class AudioSubsampling(AudioSpectral):
    """ReLU(Conv(x)), 3 x 3 windows and stride 2 in time and in frequency, `audio_halvings` times, to D channels; then
    the frequencies that are left are brought to one vector. Two halvings make 40 ms of the 10 ms of spectra."""

    def __init__(self, port: Port, hidden_size: int, hparams: HparamSet, *, name: str) -> None:
        """Raises UserError for `audio_flatten`, which this net cannot do."""
        super().__init__(port, hidden_size, hparams, name=name)
        if hparams.data.audio_flatten:
            raise UserError(
                "audio_flatten is for the net of ConvRes blocks; this model's halves frequencies as it halves time, "
                "and folds what is left. Set audio_flatten=false."
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
    """ReLU(Conv(x) + b), 3 x 3, stride 2, SAME: along time a window begins at every other moment."""

    def __init__(self, size: int, *, name: str) -> None:
        super().__init__(name=name)
        self.size = size

    def build(self, width: int) -> None:
        self.taps = self.add_weight(shape=(3, 3, width, self.size), initializer="he_normal", name="kernel")
        self.shift_C = self.add_weight(shape=(self.size,), initializer="zeros", name="shift")

    def call(self, x_BTFC: Any, real_BT: Any) -> Any:
        """float[B, T, F, C] to float[B, T / 2, ceil(F / 2), C]; T is even, and pads are left out."""
        x_BTFC = x_BTFC * ops.cast(real_BT, x_BTFC.dtype)[:, :, None, None]
        return ops.relu(ops.conv(x_BTFC, self.taps, strides=2, padding="same") + self.shift_C)


class Linear(Layer):
    """x W + b."""

    def build(self, width: int, size: int) -> None:
        self.weight_CD = self.add_weight(shape=(width, size), initializer="glorot_uniform", name="weight")
        self.shift_D = self.add_weight(shape=(size,), initializer="zeros", name="shift")

    def call(self, x_BLC: Any) -> Any:
        return ops.matmul(x_BLC, self.weight_CD) + self.shift_D
