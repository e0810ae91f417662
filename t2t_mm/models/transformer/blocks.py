"""Layers that the encoder and the decoder share, made from the hparams. B examples, L positions, D channels."""

from typing import Any

from keras import ops

from t2t_mm.layers.dropout import dropout
from t2t_mm.layers.feed_forward import FeedForward
from t2t_mm.layers.forward import Forward
from t2t_mm.layers.layer import Layer
from t2t_mm.layers.norm import LayerNorm
from t2t_mm.layers.positions import LearnedPositions, timing_signal
from t2t_mm.layers.residual import Residual
from t2t_mm.models.transformer.hparams import TransformerHparams

GAIN = 0.5**0.5  # of the initial attention projections; docs/transformer.md has the measurement for a gain of 1


class AddPositions(Layer):
    """Dropout(x + position), the first layer of a stack. Positions are sines or learned rows.

    Learned rows are scaled by sqrt(D), as word embeddings are.
    """

    def __init__(self, hparams: TransformerHparams, *, name: str) -> None:
        super().__init__(name=name)
        self.dropout = hparams.dropout
        learned = hparams.positions == "learned"
        self.learned = LearnedPositions(hparams.max_positions, name="positions") if learned else None

    def build(self, width: int) -> None:
        if self.learned is not None:
            self.learned.build(width)

    def call(self, x_BLD: Any, forward: Forward) -> Any:
        """Return float[B, L, D] from float[B, L, D]."""
        signal_LD = self._signal(ops.arange(ops.shape(x_BLD)[1]), x_BLD)
        return dropout(x_BLD + signal_LD, self.dropout, forward, self.path)

    def step(self, x_BD: Any, position: Any) -> Any:
        """Return float[B, D] from the vectors float[B, D] at `position`, int32[]."""
        return x_BD + self._signal(ops.reshape(position, (1,)), x_BD)

    def _signal(self, positions_L: Any, x: Any) -> Any:
        width = x.shape[-1]
        learned = self.learned
        signal_LD = timing_signal(positions_L, width) if learned is None else learned(positions_L) * width**0.5
        return ops.cast(signal_LD, x.dtype)


def make_residual(hparams: TransformerHparams, name: str) -> Residual:
    """Return the residual connection around the sublayer `name`."""
    return Residual(dropout=hparams.dropout, norm_first=hparams.norm == "pre", name=f"{name}_residual")


def make_feed_forward(hparams: TransformerHparams) -> FeedForward:
    return FeedForward(hparams.filter_size, dropout=hparams.relu_dropout, name="feed_forward")


def make_closing_norm(hparams: TransformerHparams) -> LayerNorm | None:
    """Return the norm that closes a stack of pre-norm layers; None for post-norm layers, which end with one."""
    return LayerNorm(name="norm") if hparams.norm == "pre" else None
