"""The decoder: each target position attends to the targets so far and to the memory (arXiv 1706.03762, section 3.1).

B examples, L positions, D channels. In decoding, J beams for each example, R = B * J rows.
"""

from typing import Any

from keras import ops

from t2t_mm.layers.attention import SelfAttention, SourceAttention
from t2t_mm.layers.forward import Forward
from t2t_mm.layers.layer import Layer
from t2t_mm.layers.sequence import Seq
from t2t_mm.models.transformer.blocks import GAIN, AddPositions, make_closing_norm, make_feed_forward, make_residual
from t2t_mm.models.transformer.hparams import TransformerHparams


class DecoderLayer(Layer):
    """Causal self-attention, attention to the memory, then the feed-forward network, each with its residual."""

    def __init__(self, hparams: TransformerHparams, *, name: str) -> None:
        super().__init__(name=name)
        heads, rate = hparams.attention_heads, hparams.attention_dropout
        self.to_self = SelfAttention(heads=heads, dropout=rate, gain=GAIN, name="self")
        self.to_source = SourceAttention(heads=heads, dropout=rate, gain=GAIN, name="source")
        self.feed_forward = make_feed_forward(hparams)
        self.around_self = make_residual(hparams, "self")
        self.around_source = make_residual(hparams, "source")
        self.around_feed_forward = make_residual(hparams, "feed_forward")

    def build(self, width: int) -> None:
        for sublayer in (self.to_self, self.to_source, self.feed_forward):
            sublayer.build(width)
        for residual in (self.around_self, self.around_source, self.around_feed_forward):
            residual.build(width)

    def call(self, x_BLD: Any, memory: Seq, forward: Forward) -> Any:
        """Return float[B, L, D] from float[B, L, D]."""
        y_BLD = self.to_self(self.around_self.enter(x_BLD), forward)
        x_BLD = self.around_self.leave(x_BLD, y_BLD, forward)
        return self._read(x_BLD, self.to_source.memory(memory), forward)

    def start(self, memory: Seq, positions: int, beams: int) -> dict[str, Any]:
        """Return the memory's keys and values, and an empty key/value cache.

        The cache has `positions` positions for each of `beams` rows an example.
        """
        examples = ops.shape(memory.values_BLD)[0]
        return {"memory": self.to_source.memory(memory), "self": self.to_self.start(examples, positions, beams)}

    def step(self, state: dict[str, Any], x_RD: Any, position: Any, paths: Any) -> tuple[Any, dict[str, Any]]:
        """Return (output float[R, D], next state) for one position. `paths` as in SelfAttention."""
        y_RD, cache = self.to_self.step(state["self"], self.around_self.enter(x_RD), position, paths)
        x_RD = self.around_self.leave(x_RD, y_RD, Forward())
        beams = 1 if paths is None else paths.shape[2]
        x_BJD = ops.reshape(x_RD, (-1, beams, x_RD.shape[-1]))  # beams of an example read one memory
        x_RD = ops.reshape(self._read(x_BJD, state["memory"], Forward()), ops.shape(x_RD))
        return x_RD, {"memory": state["memory"], "self": cache}

    def _read(self, x_BLD: Any, memory: tuple[Any, Any, Any], forward: Forward) -> Any:
        """Apply the second and the third sublayer."""
        y_BLD = self.to_source(self.around_source.enter(x_BLD), memory, forward)
        x_BLD = self.around_source.leave(x_BLD, y_BLD, forward)
        y_BLD = self.feed_forward(self.around_feed_forward.enter(x_BLD), forward)
        return self.around_feed_forward.leave(x_BLD, y_BLD, forward)


class Decoder(Layer):
    """The decoder: it adds positions, then applies the layers and, with pre-norms, a closing norm."""

    def __init__(self, hparams: TransformerHparams, *, name: str) -> None:
        super().__init__(name=name)
        self.placed = AddPositions(hparams, name="placed")
        self.stack = [DecoderLayer(hparams, name=f"layer_{i}") for i in range(1, hparams.decoder_layers + 1)]
        self.norm = make_closing_norm(hparams)

    def build(self, width: int) -> None:
        for layer in [self.placed, *self.stack, self.norm]:
            if layer is not None:
                layer.build(width)

    def call(self, x_BLD: Any, memory: Seq, forward: Forward) -> Any:
        """Return float[B, L, D] from float[B, L, D]. Pads stand at the end, so no real position attends to them."""
        x_BLD = self.placed(x_BLD, forward)
        for layer in self.stack:
            x_BLD = layer(x_BLD, memory, forward)
        return x_BLD if self.norm is None else self.norm(x_BLD)

    def start(self, memory: Seq, positions: int, beams: int) -> list[Any]:
        return [layer.start(memory, positions, beams) for layer in self.stack]

    def step(self, states: list[Any], x_RD: Any, position: Any, paths: Any) -> tuple[Any, list[Any]]:
        """Return (output float[R, D], next states) for one position. `paths` as in SelfAttention."""
        x_RD = self.placed.step(x_RD, position)
        next_states = []
        for layer, state in zip(self.stack, states, strict=True):
            x_RD, state = layer.step(state, x_RD, position, paths)
            next_states.append(state)
        return x_RD if self.norm is None else self.norm(x_RD), next_states
