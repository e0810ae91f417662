"""What encoder, mixer and decoder are put together from, as the hparams say."""

from t2t_mm.layers.attention import AttentionBlock
from t2t_mm.layers.conv import ConvBlock
from t2t_mm.layers.experts import Experts
from t2t_mm.models.multimodel.hparams import MultiModelHparams


def make_blocks(hparams: MultiModelHparams, count: int, *, causal: bool) -> list[ConvBlock]:
    """`count` ConvBlocks, named block_1 and on."""
    return [
        ConvBlock(
            dropout=hparams.dropout,
            branch_dropout=hparams.branch_dropout,
            branch_scale=hparams.branch_scale,
            causal=causal,
            name=f"block_{i}",
        )
        for i in range(1, count + 1)
    ]


def make_experts(hparams: MultiModelHparams, count: int, name: str) -> Experts | None:
    """A layer of `count` experts as `hparams` describes them, or None for none."""
    if count == 0:
        return None
    return Experts(
        experts=count,
        per_token=hparams.experts_per_token,
        size=hparams.expert_size,
        capacity=hparams.expert_capacity,
        balance=hparams.balance_loss,
        branch_dropout=hparams.branch_dropout,
        name=name,
    )


def make_attention(hparams: MultiModelHparams, name: str) -> AttentionBlock | None:
    """The attention block that `hparams` describes, or None without attention."""
    if not hparams.attention:
        return None
    return AttentionBlock(
        heads=hparams.attention_heads,
        dropout=hparams.attention_dropout,
        mixing=hparams.mixing,
        block_dropout=hparams.dropout,
        branch_dropout=hparams.branch_dropout,
        branch_scale=hparams.branch_scale,
        name=name,
    )
