"""The encoder: Conformer blocks (arXiv 2005.08100, section 2 and figure 1). B examples, L positions, D channels."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from t2t_mm.layers.batch_norm import BatchNorm
from t2t_mm.layers.depthwise import depthwise_conv1d
from t2t_mm.layers.dropout import dropout
from t2t_mm.layers.feed_forward import FeedForward
from t2t_mm.layers.forward import Forward
from t2t_mm.layers.layer import Layer
from t2t_mm.layers.norm import LayerNorm
from t2t_mm.layers.relative_attention import RelativeSelfAttention
from t2t_mm.layers.sequence import Seq, zero_pads
from t2t_mm.models.conformer.hparams import ConformerHparams

MODULES = ("feed_forward_1", "attention", "convolution", "feed_forward_2")
HALF = 0.5  # weight of a feed-forward module in the residual sum


class ConvolutionModule(Layer):
    """The convolution module of section 2.2 and figure 2, with K taps.

    Pointwise to 2 D, GLU, depthwise, batch norm, swish, pointwise. The layer norm before it belongs to the block.
    GLU(a, b) = a sigmoid(b). An even number of taps reaches one position further forward than back: 32 taps see 15
    positions before and 16 after. The depthwise convolution has no bias, since the batch norm would cancel it.
    """

    def __init__(self, taps: int, *, name: str) -> None:
        super().__init__(name=name)
        self.taps = taps
        self.norm = BatchNorm(name="batch_norm")

    def build(self, width: int, problems: Sequence[str]) -> None:
        """Make the weights; `problems` as in BatchNorm."""
        reach = (3.0 / self.taps) ** 0.5
        uniform = keras.initializers.RandomUniform(-reach, reach)
        self.in_D2D = self.add_weight(shape=(width, 2 * width), initializer="glorot_uniform", name="in")
        self.in_shift_2D = self.add_weight(shape=(2 * width,), initializer="zeros", name="in_shift")
        self.taps_KD = self.add_weight(shape=(self.taps, width), initializer=uniform, name="depthwise")
        self.norm.build(width, problems)
        self.out_DD = self.add_weight(shape=(width, width), initializer="glorot_uniform", name="out")
        self.out_shift_D = self.add_weight(shape=(width,), initializer="zeros", name="out_shift")

    def call(self, x_BLD: Any, real_BL: Any, forward: Forward) -> Any:
        """Return float[B, L, D] from float[B, L, D]."""
        a_BLD, b_BLD = ops.split(ops.matmul(x_BLD, self.in_D2D) + self.in_shift_2D, 2, axis=-1)
        gated_BLD = zero_pads(a_BLD * ops.sigmoid(b_BLD), real_BL)
        mixed_BLD = depthwise_conv1d(gated_BLD, ops.convert_to_tensor(self.taps_KD))
        normal_BLD = ops.silu(self.norm(mixed_BLD, real_BL, forward))
        return ops.matmul(normal_BLD, self.out_DD) + self.out_shift_D


class Block(Layer):
    """Feed-forward, attention, convolution, feed-forward. A layer norm precedes each module, and one closes the block.

    x1 = x + FFN(LN(x)) / 2;  x2 = x1 + MHSA(LN(x1));  x3 = x2 + Conv(LN(x2));  LN(x3 + FFN(LN(x3)) / 2).
    """

    def __init__(self, hparams: ConformerHparams, *, name: str) -> None:
        super().__init__(name=name)
        self.dropout = hparams.dropout
        self.feed_forward_1, self.feed_forward_2 = (
            FeedForward(hparams.filter_size, dropout=hparams.dropout, activation=ops.silu, name=name)
            for name in ("feed_forward_1", "feed_forward_2")
        )
        self.attention = RelativeSelfAttention(
            heads=hparams.attention_heads, dropout=hparams.attention_dropout, name="attention"
        )
        self.convolution = ConvolutionModule(hparams.kernel_size, name="convolution")
        self.norms = [LayerNorm(name=f"{module}_norm") for module in MODULES]
        self.norm = LayerNorm(name="norm")

    def build(self, width: int, problems: Sequence[str]) -> None:
        """Make the weights; `problems` as in BatchNorm."""
        self.convolution.build(width, problems)
        for layer in (self.feed_forward_1, self.attention, self.feed_forward_2, *self.norms, self.norm):
            layer.build(width)

    def call(self, x_BLD: Any, real_BL: Any, forward: Forward) -> Any:
        """Return float[B, L, D] from float[B, L, D]. Real positions depend on no pad; outputs at pads are unused."""
        norm_1, norm_2, norm_3, norm_4 = self.norms
        x_BLD = x_BLD + HALF * self._dropped(self.feed_forward_1(norm_1(x_BLD), forward), MODULES[0], forward)
        x_BLD = x_BLD + self._dropped(self.attention(norm_2(x_BLD), real_BL, forward), MODULES[1], forward)
        x_BLD = x_BLD + self._dropped(self.convolution(norm_3(x_BLD), real_BL, forward), MODULES[2], forward)
        x_BLD = x_BLD + HALF * self._dropped(self.feed_forward_2(norm_4(x_BLD), forward), MODULES[3], forward)
        return self.norm(x_BLD)

    def _dropped(self, x_BLD: Any, module: str, forward: Forward) -> Any:
        return dropout(x_BLD, self.dropout, forward, f"{self.path}/{module}/out")


class Encoder(Layer):
    """Dropout on the source, then the blocks."""

    def __init__(self, hparams: ConformerHparams, *, name: str) -> None:
        super().__init__(name=name)
        self.dropout = hparams.dropout
        self.stack = [Block(hparams, name=f"block_{i}") for i in range(1, hparams.encoder_layers + 1)]

    def build(self, width: int, problems: Sequence[str]) -> None:
        """Make the weights; `problems` as in BatchNorm."""
        for block in self.stack:
            block.build(width, problems)

    def call(self, source: Seq, forward: Forward) -> Seq:
        """Turn the source Seq[B, L, D] into the memory Seq[B, L, D]."""
        x_BLD = dropout(source.values_BLD, self.dropout, forward, self.path)
        for block in self.stack:
            x_BLD = block(x_BLD, source.real_BL, forward)
        return source.with_values(x_BLD)
