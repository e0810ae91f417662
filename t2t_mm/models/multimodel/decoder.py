"""The decoder: alternating ConvBlocks and attention blocks, experts in the middle (arXiv 1706.05137, section 2.4)."""

from typing import Any

from keras import ops

from t2t_mm.layers.forward import Forward
from t2t_mm.layers.layer import Layer
from t2t_mm.layers.norm import LayerNorm
from t2t_mm.layers.sequence import Seq
from t2t_mm.models.multimodel.blocks import make_attention, make_blocks, make_experts
from t2t_mm.models.multimodel.hparams import MultiModelHparams


class Decoder(Layer):
    """The causal decoder. Each block: x = ConvBlock(x), then x = x + AttentionBlock(x, source). A norm closes it."""

    def __init__(self, hparams: MultiModelHparams, *, name: str) -> None:
        super().__init__(name=name)
        self.blocks = make_blocks(hparams, hparams.decoder_blocks, causal=True)
        self.attentions = [make_attention(hparams, f"attention_{i}") for i in range(1, hparams.decoder_blocks + 1)]
        count = hparams.experts if hparams.decoder_experts < 0 else hparams.decoder_experts
        self.experts = make_experts(hparams, count, "experts")
        self.norm = LayerNorm(name="norm")

    def build(self, width: int) -> None:
        for layer in [*self.blocks, *self.attentions, self.experts, self.norm]:
            if layer is not None:
                layer.build(width)

    def call(self, x_BLD: Any, real_BL: Any, source: Seq, forward: Forward) -> Any:
        """Return float[B, L, D] from float[B, L, D]. Only real target positions, marked by `real_BL`, use experts."""
        for i, (block, attention) in enumerate(zip(self.blocks, self.attentions, strict=True)):
            if i == len(self.blocks) // 2 and self.experts is not None:
                x_BLD = self.experts(x_BLD, real_BL, forward)
            x_BLD = block(x_BLD, None, forward)
            if attention is not None:
                x_BLD = x_BLD + attention(x_BLD, source, forward)
        return self.norm(x_BLD)

    def start(self, source: Seq, positions: int, beams: int) -> list[Any]:
        rows = ops.shape(source.values_BLD)[0] * beams
        return [
            {
                "block": block.start(rows),
                "attention": () if attention is None else attention.start(source, positions, beams),
            }
            for block, attention in zip(self.blocks, self.attentions, strict=True)
        ]

    def step(self, states: list[Any], x_BD: Any, position: Any, paths: Any) -> tuple[Any, list[Any]]:
        """Return (output float[B, D], next states) for one position. `paths` as in SelfAttention."""
        next_states = []
        for i, (block, attention, state) in enumerate(zip(self.blocks, self.attentions, states, strict=True)):
            if i == len(self.blocks) // 2 and self.experts is not None:
                x_BD = self.experts.step(x_BD)
            x_BD, caches = block.step(state["block"], x_BD, position, paths)
            attention_state = state["attention"]
            if attention is not None:
                y_BD, attention_state = attention.step(attention_state, x_BD, position, paths)
                x_BD = x_BD + y_BD
            next_states.append({"block": caches, "attention": attention_state})
        return self.norm(x_BD), next_states
