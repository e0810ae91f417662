"""Hparam sets of soft ordering: the experiments of arXiv 1711.00108.

`ordering=` parallel, permuted and single select the methods that the paper compares with. Learning rates are those of
Adam in Keras. `batch_size` counts table rows or images.
"""

from dataclasses import replace

from t2t_mm.hparam_set import DataHparams, HparamSet, TrainingHparams
from t2t_mm.models.soft_ordering.hparams import SoftOrderingHparams
from t2t_mm.registry import HPARAM_SETS


@HPARAM_SETS.register
def soft_ordering_uci() -> HparamSet:
    """Tables: four shared dense layers of 32 units, dropout 0.8; 32 rows a step.

    Known to reach on the ten UCI tables, in about 10 minutes of one core (12 seconds a thousand steps; 2 shared cores
    of a Xeon, 2026-11-21): 85.5 % mean accuracy, 76.0 % with `ordering=single` (docs/soft_ordering.md).

        t2t-mm-trainer --problems=uci --hparams_set=soft_ordering_uci --hparams=ordering=soft --train_steps=50000 --tmp_dir=corpora
    """  # noqa: E501
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
    """Pairs of digits: 64 units behind encoders whose random weights stay fixed, dropout 0.5; 64 images a step.

    Known to reach after 200 steps on a part of MNIST (2 shared cores of a Xeon, 2026-11-21; minutes not measured): 95.9
    % of mnist_pair_0_1 and 84.2 % of mnist_pair_3_8.

        t2t-mm-trainer --problems=mnist_pair_0_1,mnist_pair_3_8 --hparams_set=soft_ordering_mnist --train_steps=200 --eval_steps=5
    """  # noqa: E501
    base = soft_ordering_uci()
    return replace(
        base,
        body=SoftOrderingHparams(hidden_size=64, dropout=0.5),
        training=replace(base.training, freeze="vector_*"),
        data=DataHparams(batch_size=64),
    )


@HPARAM_SETS.register
def soft_ordering_omniglot() -> HparamSet:
    """Alphabets: four shared convolutions of 53 filters on 105 x 105 pixels, dropout 0.5; one image a step.

    Not measured. It has the sizes of the paper's experiment with 50 alphabets.
    """
    base = soft_ordering_uci()
    return replace(
        base,
        body=SoftOrderingHparams(hidden_size=53, core="conv", dropout=0.5),
        data=DataHparams(batch_size=1, image_size=105, image_patch=105, image_augment=False),
    )


@HPARAM_SETS.register
def soft_ordering_omniglot_small() -> HparamSet:
    """The model of soft_ordering_omniglot on 32 x 32 pixels, 16 images a step: minutes on two cores.

    Known to reach on eight alphabets, with `dropout=0.1` and 4,000 steps, in 3 to 9 minutes of one core (2 shared cores
    of a Xeon, 2026-11-21): 74.3 % mean accuracy, 76.8 % with `ordering=parallel`. docs/soft_ordering.md has command and
    table.
    """
    base = soft_ordering_omniglot()
    return replace(base, data=replace(base.data, batch_size=16, image_size=32))
