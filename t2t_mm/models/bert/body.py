"""BERT (Devlin et al. 2018, arXiv 1810.04805): a bidirectional encoder.

B examples, L positions, D channels.
"""

from typing import Any

from keras import ops

from t2t_mm.layers.activations import gelu
from t2t_mm.layers.attention import SelfAttention
from t2t_mm.layers.dropout import dropout
from t2t_mm.layers.feed_forward import FeedForward
from t2t_mm.layers.forward import Forward
from t2t_mm.layers.layer import Layer
from t2t_mm.layers.norm import LayerNorm
from t2t_mm.layers.positions import LearnedPositions
from t2t_mm.layers.residual import Residual
from t2t_mm.layers.sequence import Seq
from t2t_mm.models.bert.hparams import BertHparams
from t2t_mm.models.body import EncoderBody

GAIN = 0.5**0.5  # of the initial attention projections, as in the Transformer


class EncoderLayer(Layer):
    """x' = LN(x + MSA(x));  x = LN(x' + FFN(x')), GELU between the FFN's layers."""

    def __init__(self, hparams: BertHparams, *, name: str) -> None:
        super().__init__(name=name)
        self.attention = SelfAttention(
            heads=hparams.attention_heads, dropout=hparams.attention_dropout, causal=False, gain=GAIN, name="attention"
        )
        self.feed_forward = FeedForward(hparams.filter_size, dropout=0.0, activation=gelu, name="feed_forward")
        self.around_attention = Residual(dropout=hparams.dropout, name="attention_residual")
        self.around_feed_forward = Residual(dropout=hparams.dropout, name="feed_forward_residual")

    def build(self, width: int) -> None:
        for part in (self.attention, self.around_attention, self.feed_forward, self.around_feed_forward):
            part.build(width)

    def call(self, x_BLD: Any, real_BL: Any, forward: Forward) -> Any:
        """Return float[B, L, D] from float[B, L, D]. No position attends to a pad."""
        x_BLD = self.around_attention.leave(x_BLD, self.attention(x_BLD, forward, real_BL), forward)
        return self.around_feed_forward.leave(x_BLD, self.feed_forward(x_BLD, forward), forward)


class Pooler(Layer):
    """tanh(x W + b) of the first position, [CLS], for heads that classify the inputs as one."""

    def build(self, width: int) -> None:
        self.weight_DD = self.add_weight(shape=(width, width), initializer="glorot_uniform", name="weight")
        self.shift_D = self.add_weight(shape=(width,), initializer="zeros", name="shift")

    def call(self, x: Any) -> Any:
        return ops.tanh(ops.matmul(x, self.weight_DD) + self.shift_D)


class Bert(EncoderBody):
    """Sums of token, segment and position embeddings, a norm, then layers with the norm last.

    The modality net makes the sums of token and segment embeddings. The pooler is applied to the memory's first
    position, so that every head that reads it, of the next sentence or of classes, starts with the pre-trained pooler.
    """

    reads = ("sentences",)
    writes = ("sentences", "label", "span")
    modality_nets = {"label": "label_token"}

    def __init__(self, hparams: BertHparams, *, name: str = "body") -> None:
        super().__init__(name=name)
        self.hparams, self.longest = hparams, hparams.max_positions
        self.positions = LearnedPositions(hparams.max_positions, name="positions")
        self.norm = LayerNorm(name="norm")
        self.stack = [EncoderLayer(hparams, name=f"layer_{i}") for i in range(1, hparams.encoder_layers + 1)]
        self.pooler = Pooler(name="pooler")

    def build(self, width: int) -> None:
        for part in [self.positions, self.norm, *self.stack, self.pooler]:
            part.build(width)

    def encode(self, source: Seq, forward: Forward) -> Seq:
        """Return Seq[B, L, D] from Seq[B, L, D]."""
        x_BLD = source.values_BLD
        positions_LD = self.positions(ops.arange(ops.shape(x_BLD)[1]))
        x_BLD = self.norm(x_BLD + ops.cast(positions_LD, x_BLD.dtype))
        x_BLD = dropout(x_BLD, self.hparams.dropout, forward, self.path)
        for layer in self.stack:
            x_BLD = layer(x_BLD, source.real_BL, forward)
        return source.with_values(ops.concatenate([self.pooler(x_BLD[:, :1]), x_BLD[:, 1:]], axis=1))
