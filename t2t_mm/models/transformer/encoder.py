"""The encoder: each source position attends to all that are real (arXiv 1706.03762, section 3.1)."""

from typing import Any

from t2t_mm.layers.attention import SelfAttention
from t2t_mm.layers.forward import Forward
from t2t_mm.layers.layer import Layer
from t2t_mm.layers.sequence import Seq
from t2t_mm.models.transformer.blocks import GAIN, AddPositions, make_closing_norm, make_feed_forward, make_residual
from t2t_mm.models.transformer.hparams import TransformerHparams


class EncoderLayer(Layer):
    """Self-attention, then the feed-forward network, each with its residual."""

    def __init__(self, hparams: TransformerHparams, *, name: str) -> None:
        super().__init__(name=name)
        heads, rate = hparams.attention_heads, hparams.attention_dropout
        self.to_self = SelfAttention(heads=heads, dropout=rate, causal=False, gain=GAIN, name="self")
        self.feed_forward = make_feed_forward(hparams)
        self.around_self = make_residual(hparams, "self")
        self.around_feed_forward = make_residual(hparams, "feed_forward")

    def build(self, width: int) -> None:
        for part in (self.to_self, self.around_self, self.feed_forward, self.around_feed_forward):
            part.build(width)

    def call(self, x_BLD: Any, real_BL: Any, forward: Forward) -> Any:
        """Return float[B, L, D] from float[B, L, D]. No position attends to a pad; outputs at pads have no meaning."""
        y_BLD = self.to_self(self.around_self.enter(x_BLD), forward, real_BL)
        x_BLD = self.around_self.leave(x_BLD, y_BLD, forward)
        y_BLD = self.feed_forward(self.around_feed_forward.enter(x_BLD), forward)
        return self.around_feed_forward.leave(x_BLD, y_BLD, forward)


class Encoder(Layer):
    """The encoder: it adds positions, then applies the layers and, with pre-norms, a closing norm."""

    def __init__(self, hparams: TransformerHparams, *, name: str) -> None:
        super().__init__(name=name)
        self.placed = AddPositions(hparams, name="placed")
        self.stack = [EncoderLayer(hparams, name=f"layer_{i}") for i in range(1, hparams.encoder_layers + 1)]
        self.norm = make_closing_norm(hparams)

    def build(self, width: int) -> None:
        for layer in [self.placed, *self.stack, self.norm]:
            if layer is not None:
                layer.build(width)

    def call(self, source: Seq, forward: Forward) -> Seq:
        """Turn the source Seq[B, L, D] into the memory Seq[B, L, D]."""
        x_BLD = self.placed(source.values_BLD, forward)
        for layer in self.stack:
            x_BLD = layer(x_BLD, source.real_BL, forward)
        return source.with_values(x_BLD if self.norm is None else self.norm(x_BLD))
