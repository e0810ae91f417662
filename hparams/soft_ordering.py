"""Soft ordering's hparam sets: the experiments of arXiv 1711.00108. `ordering=` parallel, permuted, single: its rivals.

Rates are Adam's as Keras has them. `batch_size` counts rows or pictures.
"""

from dataclasses import replace

from t2t_mm.hparam_set import DataHparams, HparamSet, TrainingHparams
from t2t_mm.models.soft_ordering.hparams import SoftOrderingHparams
from t2t_mm.registry import HPARAM_SETS


@HPARAM_SETS.register
def soft_ordering_uci() -> HparamSet:
    """Tables: four shared dense layers of 32 units, dropout 0.8; 32 rows a step."""
    return HparamSet(
        "soft_ordering",
        SoftOrderingHparams(),
        TrainingHparams(
            learning_rate=1e-3,
            learning_rate_schedule="constant",
            learning_rate_warmup_steps=0,
            adam_beta1=0.9,
            adam_beta2=0.999,
            adam_epsilon=1e-7,
            clip_grad_norm=0.0,
            label_smoothing=0.0,
        ),
        DataHparams(batch_size=32),
    )


@HPARAM_SETS.register
def soft_ordering_mnist() -> HparamSet:
    """Pairs of digits: 64 units behind encoders that stay as they are drawn, dropout 0.5; 64 pictures a step."""
    base = soft_ordering_uci()
    return replace(
        base,
        body=SoftOrderingHparams(hidden_size=64, dropout=0.5),
        training=replace(base.training, freeze="vector_*"),
        data=DataHparams(batch_size=64),
    )


@HPARAM_SETS.register
def soft_ordering_omniglot() -> HparamSet:
    """Alphabets: four shared convolutions of 53 filters on 105 x 105 pixels, dropout 0.5; one picture a step."""
    base = soft_ordering_uci()
    return replace(
        base,
        body=SoftOrderingHparams(hidden_size=53, core="conv", dropout=0.5),
        data=DataHparams(batch_size=1, image_size=105, image_patch=105, image_augment=False),
    )


@HPARAM_SETS.register
def soft_ordering_omniglot_small() -> HparamSet:
    """The same on 32 x 32 pixels, 16 pictures a step: minutes on two cores."""
    base = soft_ordering_omniglot()
    return replace(base, data=replace(base.data, batch_size=16, image_size=32))
