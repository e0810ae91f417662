"""The Vision Transformer's hparam sets: the three sizes of arXiv 2010.11929, and one for a laptop's minutes.

The large ones pre-train as the paper did; docs/vit.md says what to change to fine-tune.
"""

from dataclasses import replace

from t2t_mm.hparam_set import DataHparams, HparamSet, TrainingHparams
from t2t_mm.models.vit.hparams import VitHparams
from t2t_mm.registry import HPARAM_SETS


@HPARAM_SETS.register
def vit_b16() -> HparamSet:
    """ViT-B/16 on pictures of 224 x 224: 12 layers, width 768; a step takes 4,096 pictures, 128 at a time."""
    return HparamSet(
        "vit",
        VitHparams(),
        TrainingHparams(
            optimizer="adam_w",
            learning_rate=1e-3,
            learning_rate_schedule="linear",
            learning_rate_warmup_steps=10000,
            adam_beta1=0.9,
            adam_beta2=0.999,
            adam_epsilon=1e-8,
            weight_decay=0.1,
            clip_grad_norm=1.0,
            label_smoothing=0.0,
            accumulate_batches=32,
        ),
        DataHparams(batch_size=128 * 14**2, image_size=224, image_patch=16),
    )


@HPARAM_SETS.register
def vit_l16() -> HparamSet:
    """ViT-L/16: 24 layers, width 1,024; a step takes 4,096 pictures, 64 at a time."""
    base = vit_b16()
    return replace(
        base,
        body=VitHparams(hidden_size=1024, encoder_layers=24, filter_size=4096, attention_heads=16),
        training=replace(base.training, accumulate_batches=64),
        data=replace(base.data, batch_size=64 * 14**2),
    )


@HPARAM_SETS.register
def vit_h14() -> HparamSet:
    """ViT-H/14: 32 layers, width 1,280, patches of 14 x 14 pixels; a step takes 4,096 pictures, 32 at a time."""
    base = vit_b16()
    return replace(
        base,
        body=VitHparams(hidden_size=1280, encoder_layers=32, filter_size=5120, attention_heads=16),
        training=replace(base.training, learning_rate=3e-4, accumulate_batches=128),
        data=replace(base.data, batch_size=32 * 16**2, image_patch=14),
    )


@HPARAM_SETS.register
def vit_tiny() -> HparamSet:
    """Width 128, 6 layers, patches of 4 x 4 pixels of 32 x 32: learns small photographs in minutes on two cores."""
    base = vit_b16()
    return replace(
        base,
        body=VitHparams(
            hidden_size=128, encoder_layers=6, filter_size=256, attention_heads=4, dropout=0.0, label_head="linear"
        ),
        training=replace(
            base.training, learning_rate_schedule="cosine", learning_rate_warmup_steps=100, accumulate_batches=1
        ),
        data=replace(base.data, batch_size=64 * 8**2, image_size=32, image_patch=4),
    )
