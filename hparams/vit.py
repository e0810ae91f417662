"""Hparam sets of the Vision Transformer: three sizes of arXiv 2010.11929, and one that learns in minutes on two cores.

The large ones pre-train as the paper did; docs/vit.md says what to change to fine-tune.
"""

from dataclasses import replace

from t2t_mm.hparam_set import DataHparams, HparamSet, TrainingHparams
from t2t_mm.models.vit.hparams import VitHparams
from t2t_mm.registry import HPARAM_SETS


@HPARAM_SETS.register
def vit_b16() -> HparamSet:
    """ViT-B/16 on images of 224 x 224: 12 layers, width 768; 4,096 images a step, in micro-batches of 128.

    Not measured. It is for pre-training on ImageNet, on one accelerator or more, by gradient accumulation.
    """
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
    """ViT-L/16: 24 layers, width 1,024; 4,096 images a step, in micro-batches of 64.

    Not measured. It is for pre-training on several accelerators.
    """
    base = vit_b16()
    return replace(
        base,
        body=VitHparams(hidden_size=1024, encoder_layers=24, filter_size=4096, attention_heads=16),
        training=replace(base.training, accumulate_batches=64),
        data=replace(base.data, batch_size=64 * 14**2),
    )


@HPARAM_SETS.register
def vit_h14() -> HparamSet:
    """ViT-H/14: 32 layers, width 1,280, patches of 14 x 14 pixels; 4,096 images a step, in micro-batches of 32.

    Not measured. It is for pre-training on several accelerators.
    """
    base = vit_b16()
    return replace(
        base,
        body=VitHparams(hidden_size=1280, encoder_layers=32, filter_size=5120, attention_heads=16),
        training=replace(base.training, learning_rate=3e-4, accumulate_batches=128),
        data=replace(base.data, batch_size=32 * 16**2, image_patch=14),
    )


@HPARAM_SETS.register
def vit_tiny() -> HparamSet:
    """Width 128, 6 layers, patches of 4 x 4 pixels of 32 x 32: learns small photographs in minutes on two cores.

    Known to reach on CIFAR-10, in 29 minutes of one core (2 shared cores of a Xeon, 2026-11-21): 59.9 % top-1, 96.1 %
    top-5 (docs/vit.md).

        t2t-mm-trainer --problems=image_cifar10 --hparams_set=vit_tiny --train_steps=4000 \\
            --hparams=optimizer=adam,weight_decay=0,learning_rate_warmup_steps=200,learning_rate_schedule=cosine,ema_decay=0.995
    """  # noqa: E501
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
