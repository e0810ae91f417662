"""The I/O mixer: it combines previous outputs with the encoded inputs (arXiv 1706.05137, section 2.4)."""

from typing import Any

from keras import ops

from t2t_mm.layers.forward import Forward
from t2t_mm.layers.layer import Layer
from t2t_mm.layers.sequence import Seq, zero_pads
from t2t_mm.models.multimodel.blocks import make_attention, make_blocks
from t2t_mm.models.multimodel.hparams import MultiModelHparams


class Mixer(Layer):
    """x + AttentionBlock(x, source), then causal ConvBlocks.

    Without attention (the paper's ablation) the source is added position by position, as in ByteNet, with its mean, so
    that every target position still depends on the source.
    """

    def __init__(self, hparams: MultiModelHparams, *, name: str) -> None:
        super().__init__(name=name)
        self.attention = make_attention(hparams, "attention")
        self.blocks = make_blocks(hparams, hparams.mixer_blocks, causal=True)

    def build(self, width: int) -> None:
        for layer in [self.attention, *self.blocks]:
            if layer is not None:
                layer.build(width)

    def call(self, x_BLD: Any, source: Seq, forward: Forward) -> Any:
        """Return float[B, L, D] from float[B, L, D]."""
        if self.attention is not None:
            x_BLD = x_BLD + self.attention(x_BLD, source, forward)
        else:
            x_BLD = x_BLD + aligned(source, ops.shape(x_BLD)[1])
        for block in self.blocks:
            x_BLD = block(x_BLD, None, forward)
        return x_BLD

    def start(self, source: Seq, positions: int, beams: int) -> dict[str, Any]:
        rows = ops.shape(source.values_BLD)[0] * beams
        if self.attention is not None:
            source_state = self.attention.start(source, positions, beams)
        else:
            source_state = ops.repeat(aligned(source, positions), beams, axis=0)
        return {"source": source_state, "blocks": [block.start(rows) for block in self.blocks]}

    def step(self, state: dict[str, Any], x_BD: Any, position: Any, paths: Any) -> tuple[Any, dict[str, Any]]:
        """Return (output float[B, D], next state) for one position. `paths` as in SelfAttention."""
        source_state = state["source"]
        if self.attention is not None:
            y_BD, source_state = self.attention.step(source_state, x_BD, position, paths)
        else:
            y_BD = ops.take(source_state, position, axis=1)
        x_BD = x_BD + y_BD
        caches = []
        for block, cache in zip(self.blocks, state["blocks"], strict=True):
            x_BD, cache = block.step(cache, x_BD, position, paths)
            caches.append(cache)
        return x_BD, {"source": source_state, "blocks": caches}


def aligned(source: Seq, positions: Any) -> Any:
    """Return float[B, `positions`, D]: source position t, zero after the end, at position t, plus the source's mean."""
    values_BSD = zero_pads(source.values_BLD, source.real_BL)
    count_B1 = ops.maximum(ops.sum(ops.cast(source.real_BL, values_BSD.dtype), axis=1, keepdims=True), 1.0)
    mean_B1D = (ops.sum(values_BSD, axis=1) / count_B1)[:, None]
    padded_BLD = ops.pad(values_BSD, [[0, 0], [0, positions], [0, 0]])[:, :positions]
    return padded_BLD + mean_B1D
