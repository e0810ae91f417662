"""The encoder: ConvBlocks with experts in the middle (arXiv 1706.05137, section 2.4)."""

from t2t_mm.layers.conv import ConvBlock
from t2t_mm.layers.experts import Experts
from t2t_mm.layers.forward import Forward
from t2t_mm.layers.norm import LayerNorm
from t2t_mm.layers.part import Part
from t2t_mm.layers.sequence import Seq
from t2t_mm.layers.timing import add_timing
from t2t_mm.models.multimodel.hparams import MultiModelHparams


def make_experts(hparams: MultiModelHparams, name: str) -> Experts | None:
    """The expert layer that `hparams` describes, or None where it asks for none."""
    if hparams.experts == 0:
        return None
    return Experts(
        experts=hparams.experts,
        per_token=hparams.experts_per_token,
        size=hparams.expert_size,
        capacity=hparams.expert_capacity,
        balance=hparams.balance_loss,
        name=name,
    )


class Encoder(Part):
    """Source positions to memory: timing, ConvBlocks (SAME) around an expert layer, one closing norm."""

    def __init__(self, hparams: MultiModelHparams, *, name: str) -> None:
        super().__init__(name=name)
        count = hparams.encoder_blocks
        self.blocks = [ConvBlock(dropout=hparams.dropout, name=f"block_{i}") for i in range(1, count + 1)]
        self.experts = make_experts(hparams, "experts")
        self.norm = LayerNorm(name="norm")

    def build(self, width: int) -> None:
        for layer in [*self.blocks, self.experts, self.norm]:
            if layer is not None:
                layer.build(width)

    def call(self, source: Seq, forward: Forward) -> Seq:
        """Seq[B, L, D] to Seq[B, L, D]."""
        x_BLD = add_timing(source.values_BLD)
        for i, block in enumerate(self.blocks):
            if i == len(self.blocks) // 2 and self.experts is not None:
                x_BLD = self.experts(x_BLD, source.real_BL, forward)
            x_BLD = block(x_BLD, source.real_BL, forward)
        return source.with_values(self.norm(x_BLD))
