"""The MultiModel's hparam sets, from the paper's down to one for a laptop's minute."""

from dataclasses import replace

from t2t_mm.hparam_set import DataHparams, HparamSet, TrainingHparams
from t2t_mm.models.multimodel.hparams import MultiModelHparams
from t2t_mm.registry import HPARAM_SETS


@HPARAM_SETS.register
def multimodel_base() -> HparamSet:
    """The eight-problem run of arXiv 1706.05137 at half its width, with 60 experts."""
    return HparamSet("multimodel", MultiModelHparams(), TrainingHparams(), DataHparams(image_size=128))


@HPARAM_SETS.register
def multimodel_paper() -> HparamSet:
    """The paper's sizes for eight problems: width 1,024, 240 experts of which 4 are used, dropout 0.4."""
    return replace(
        multimodel_base(),
        body=MultiModelHparams(hidden_size=1024, experts=240, expert_size=1024, dropout=0.4, mixing="blocks"),
        data=DataHparams(image_size=299, audio_halvings=8, audio_flatten=True, audio_channels=2, waveform_halvings=8),
    )


@HPARAM_SETS.register
def multimodel_paper_single() -> HparamSet:
    """The paper's sizes for one problem alone: as multimodel_paper, with 60 experts."""
    paper = multimodel_paper()
    return replace(paper, body=replace(paper.body, experts=60))


@HPARAM_SETS.register
def multimodel_small() -> HparamSet:
    """Width 256, 32 experts: for one accelerator or a patient workstation."""
    return replace(
        multimodel_base(),
        body=MultiModelHparams(hidden_size=256, experts=32, expert_size=1024, dropout=0.05),
        training=TrainingHparams(learning_rate_warmup_steps=2000),
        data=DataHparams(image_size=64),
    )


@HPARAM_SETS.register
def multimodel_tiny() -> HparamSet:
    """Width 128, 16 experts: learns real corpora in minutes on two cores."""
    return replace(
        multimodel_base(),
        body=MultiModelHparams(
            hidden_size=128, experts=16, expert_size=512, attention_heads=4, attention_dropout=0.0, dropout=0.0
        ),
        training=TrainingHparams(learning_rate_warmup_steps=300),
        data=DataHparams(batch_size=1024, image_size=64),
    )


@HPARAM_SETS.register
def multimodel_demo() -> HparamSet:
    """Width 64, 8 experts, 2 + 1 + 2 blocks: the README's run and the tests."""
    return replace(
        multimodel_base(),
        body=MultiModelHparams(
            hidden_size=64,
            encoder_blocks=2,
            mixer_blocks=1,
            decoder_blocks=2,
            experts=8,
            experts_per_token=2,
            expert_size=256,
            attention_heads=4,
            attention_dropout=0.0,
            dropout=0.0,
        ),
        training=TrainingHparams(learning_rate=0.3, learning_rate_warmup_steps=100),
        data=DataHparams(batch_size=1024, image_size=32, audio_halvings=2, audio_channels=16, waveform_halvings=9),
    )
