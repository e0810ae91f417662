"""Layers that the encoder, the mixer and the decoder are made of, built from the hparams."""

from t2t_mm.layers.attention import AttentionBlock
from t2t_mm.layers.conv import ConvBlock
from t2t_mm.layers.experts import Experts
from t2t_mm.models.multimodel.hparams import MultiModelHparams


def make_blocks(hparams: MultiModelHparams, count: int, *, causal: bool) -> list[ConvBlock]:
    """Return `count` ConvBlocks, named block_1, block_2, ..."""
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
    """Return a mixture of `count` experts with these hparams, or None if `count` is 0."""
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
    """Return an attention block with these hparams, or None if the hparam `attention` is false."""
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
