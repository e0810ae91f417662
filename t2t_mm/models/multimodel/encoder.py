"""The encoder: ConvBlocks with experts in the middle (arXiv 1706.05137, section 2.4)."""

from typing import Any

from t2t_mm.layers.forward import Forward
from t2t_mm.layers.layer import Layer
from t2t_mm.layers.norm import LayerNorm
from t2t_mm.layers.positions import add_timing
from t2t_mm.models.multimodel.blocks import make_blocks, make_experts
from t2t_mm.models.multimodel.hparams import MultiModelHparams


class Encoder(Layer):
    """The encoder: timing signal, ConvBlocks (SAME) before and after a mixture of experts, and a closing norm."""

    def __init__(self, hparams: MultiModelHparams, *, name: str) -> None:
        super().__init__(name=name)
        self.blocks = make_blocks(hparams, hparams.encoder_blocks, causal=False)
        self.experts = make_experts(hparams, hparams.experts, "experts")
        self.norm = LayerNorm(name="norm")

    def build(self, width: int) -> None:
        for layer in [*self.blocks, self.experts, self.norm]:
            if layer is not None:
                layer.build(width)

    def call(self, x_BLD: Any, real_BL: Any, forward: Forward) -> Any:
        """Return the memory float[B, L, D] from the source float[B, L, D], whose real positions `real_BL` marks."""
        x_BLD = add_timing(x_BLD)
        for i, block in enumerate(self.blocks):
            if i == len(self.blocks) // 2 and self.experts is not None:
                x_BLD = self.experts(x_BLD, real_BL, forward)
            x_BLD = block(x_BLD, real_BL, forward)
        return self.norm(x_BLD)
