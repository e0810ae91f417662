"""The encoder: Conformer blocks (arXiv 2005.08100, section 2 and figure 1). B examples, L positions, D channels."""

from collections.abc import Sequence
from typing import Any

from keras import ops

from t2t_mm.layers.dropout import dropout
from t2t_mm.layers.feed_forward import FeedForward
from t2t_mm.layers.forward import Forward
from t2t_mm.layers.layer import Layer
from t2t_mm.layers.norm import LayerNorm
from t2t_mm.layers.relative_attention import RelativeSelfAttention
from t2t_mm.layers.sequence import Seq
from t2t_mm.models.conformer.convolution import ConvolutionModule
from t2t_mm.models.conformer.hparams import ConformerHparams

MODULES = ("feed_forward_1", "attention", "convolution", "feed_forward_2")
HALF = 0.5  # a feed-forward module's share of the sum


class Block(Layer):
    """Two halves of feed-forward around attention and convolution; each module reads a norm, and a norm closes.

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
        """`problems`: as BatchNorm's."""
        self.convolution.build(width, problems)
        for part in (self.feed_forward_1, self.attention, self.feed_forward_2, *self.norms, self.norm):
            part.build(width)

    def call(self, x_BLD: Any, real_BL: Any, forward: Forward) -> Any:
        """float[B, L, D] to float[B, L, D]; a pad is seen by nobody, and what becomes of it says nothing."""
        norm_1, norm_2, norm_3, norm_4 = self.norms
        x_BLD = x_BLD + HALF * self._dropped(self.feed_forward_1(norm_1(x_BLD), forward), MODULES[0], forward)
        x_BLD = x_BLD + self._dropped(self.attention(norm_2(x_BLD), real_BL, forward), MODULES[1], forward)
        x_BLD = x_BLD + self._dropped(self.convolution(norm_3(x_BLD), real_BL, forward), MODULES[2], forward)
        x_BLD = x_BLD + HALF * self._dropped(self.feed_forward_2(norm_4(x_BLD), forward), MODULES[3], forward)
        return self.norm(x_BLD)

    def _dropped(self, x_BLD: Any, module: str, forward: Forward) -> Any:
        return dropout(x_BLD, self.dropout, forward, f"{self.path}/{module}/out")


class Encoder(Layer):
    """Dropout on what comes in, then blocks."""

    def __init__(self, hparams: ConformerHparams, *, name: str) -> None:
        super().__init__(name=name)
        self.dropout = hparams.dropout
        self.stack = [Block(hparams, name=f"block_{i}") for i in range(1, hparams.encoder_layers + 1)]

    def build(self, width: int, problems: Sequence[str]) -> None:
        """`problems`: as BatchNorm's."""
        for block in self.stack:
            block.build(width, problems)

    def call(self, source: Seq, forward: Forward) -> Seq:
        """Seq[B, L, D] to Seq[B, L, D]."""
        x_BLD = dropout(source.values_BLD, self.dropout, forward, self.path)
        for block in self.stack:
            x_BLD = block(x_BLD, source.real_BL, forward)
        return source.with_values(x_BLD)
