"""Hparam sets of the MultiModel: from the sizes of the paper down to one that learns in minutes on two cores."""

from dataclasses import replace

from t2t_mm.hparam_set import DataHparams, HparamSet, TrainingHparams
from t2t_mm.models.multimodel.hparams import MultiModelHparams
from t2t_mm.registry import HPARAM_SETS


@HPARAM_SETS.register
def multimodel_base() -> HparamSet:
    """Half the width of arXiv 1706.05137 with 60 experts: for one accelerator.

    Quality: not measured. Cost: 2.1 s a step of 2,048 target tokens on 2 cores (AMD EPYC, 2026-11-28); 10.4 GiB of
    memory at most when it trained on Multi30k En-De (2 cores of a Xeon, 2026-11-21; docs/results.md).
    """
    return HparamSet("multimodel", MultiModelHparams(), TrainingHparams(), DataHparams(image_size=128))


@HPARAM_SETS.register
def multimodel_paper() -> HparamSet:
    """The paper's sizes for eight problems: width 1,024, 240 experts of which 4 are used, dropout 0.4.

    Not measured: 1.18 billion parameters (docs/multimodel.md). It is for repeating the paper on several accelerators.
    """
    return replace(
        multimodel_base(),
        body=MultiModelHparams(hidden_size=1024, experts=240, expert_size=1024, dropout=0.4, mixing="blocks"),
        data=DataHparams(image_size=299, audio_halvings=8, audio_flatten=True, audio_channels=2, waveform_halvings=8),
    )


@HPARAM_SETS.register
def multimodel_paper_single() -> HparamSet:
    """The paper's sizes for one problem alone: as multimodel_paper, with 60 experts.

    Not measured. It is for the paper's comparison of joint training with training alone.
    """
    paper = multimodel_paper()
    return replace(paper, body=replace(paper.body, experts=60))


@HPARAM_SETS.register
def multimodel_small() -> HparamSet:
    """Width 256, 32 experts: for one accelerator or a patient workstation.

    Not measured. It stands between multimodel_tiny and multimodel_base: 46.9 million parameters (docs/multimodel.md).
    """
    return replace(
        multimodel_base(),
        body=MultiModelHparams(hidden_size=256, experts=32, expert_size=1024, dropout=0.05),
        training=TrainingHparams(learning_rate_warmup_steps=2000),
        data=DataHparams(image_size=64),
    )


@HPARAM_SETS.register
def multimodel_tiny() -> HparamSet:
    """Width 128, 16 experts: learns real corpora in minutes on two cores.

    Known to reach (docs/results.md has the tables; corpora lie below --tmp_dir), on 2 cores of an AMD EPYC, 2026-11-28:

    Eight real problems in one model, 23 minutes: BLEU 30.2 (En-De), 35.9 (De-En), 43.2 (En-Fr) and 43.3 (Fr-En) on
    Multi30k, 62.3 % of CIFAR-10, 1.3 % word error rate on spoken digits.

        t2t-mm-trainer --tmp_dir=corpora --hparams_set=multimodel_tiny --train_steps=5000 --output_dir=joint \\
            --problems=translate_ende_multi30k-translate_deen_multi30k-translate_enfr_multi30k-translate_fren_multi30k-parsing_wsj-image_cifar10-image_captions_flickr8k-speech_digits \\
            --hparams=problem_choice=proportional,problem_temperature=3,learning_rate_schedule=cosine,learning_rate=0.003,ema_decay=0.997,optimizer=muon

    English to German alone, 20 minutes: 0.370 to 0.373 nats per character, BLEU 36.9 to 37.8 (three seeds), with fewer
    blocks and more dropout, by benchmarks/translation_quality.py and the --hparams in docs/results.md.
    """  # noqa: E501
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
    """Width 64, 8 experts, 2 + 1 + 2 blocks: the README's run and the tests.

    Known to reach, in 5 minutes and 20 seconds on 2 cores of a Xeon (2026-11-21): BLEU 99.1 to 99.9 on four synthetic
    translations, bracket F1 96.3, 52.4 % of shapes, 8.6 % word error rate on syllables (README.md).

        t2t-mm-trainer --problems=builtin --hparams_set=multimodel_demo --train_steps=1600
    """
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
