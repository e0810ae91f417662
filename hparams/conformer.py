"""Hparam sets of the Conformer: the three models of arXiv 2005.08100, and a small one."""

from dataclasses import replace

from t2t_mm.hparam_set import DataHparams, HparamSet, TrainingHparams
from t2t_mm.models.conformer.hparams import ConformerHparams
from t2t_mm.registry import HPARAM_SETS


@HPARAM_SETS.register
def conformer_l() -> HparamSet:
    """The paper's large model: 17 blocks, width 512, 8 heads, an LSTM of 640; peak rate 0.05 / sqrt(512).

    Not measured. It is for speech_librispeech on several accelerators.
    """
    return HparamSet(
        "conformer",
        ConformerHparams(),
        TrainingHparams(
            learning_rate=5.0,  # times (512 x 10,000)^-0.5, the schedule's peak: 0.05 / sqrt(512)
            learning_rate_warmup_steps=10000,
            adam_beta1=0.9,
            adam_beta2=0.98,
            adam_epsilon=1e-9,
            weight_decay=2e-6,  # times sum(weight^2) / 2; the paper has 1e-6 times the sum
            clip_grad_norm=0.0,
        ),
        DataHparams(batch_size=4096, audio_halvings=2, spec_augment="conformer"),
    )


@HPARAM_SETS.register
def conformer_m() -> HparamSet:
    """The paper's medium model: 16 blocks, width 256, 4 heads, an LSTM of 640.

    Not measured. It is for speech_librispeech on one accelerator or more.
    """
    return replace(
        conformer_l(),
        body=ConformerHparams(hidden_size=256, encoder_layers=16, filter_size=1024, attention_heads=4),
    )


@HPARAM_SETS.register
def conformer_s() -> HparamSet:
    """The paper's small model: 16 blocks, width 144, 4 heads, an LSTM of 320.

    Not measured. It is for speech_librispeech on one accelerator.
    """
    return replace(
        conformer_l(),
        body=ConformerHparams(hidden_size=144, encoder_layers=16, filter_size=576, attention_heads=4, decoder_size=320),
    )


@HPARAM_SETS.register
def conformer_tiny() -> HparamSet:
    """Width 96, 4 blocks, kernel 15: learns spoken digits in minutes on two cores.

    Known to reach on speech_digit_strings, in 11 to 26 minutes of one core (2 shared cores of a Xeon, 2026-11-21): 0.8
    % word error rate with the LSTM decoder, 1.6 % with CTC (`way_out=ctc`). docs/conformer.md has the table.

        t2t-mm-trainer --problems=speech_digit_strings --hparams_set=conformer_tiny --tmp_dir=corpora --train_steps=2000 \\
            --hparams=way_out=decoder,spec_augment=none,learning_rate_schedule=cosine,learning_rate=0.002,learning_rate_warmup_steps=200,ema_decay=0.99
    """  # noqa: E501
    large = conformer_l()
    return replace(
        large,
        body=ConformerHparams(
            hidden_size=96,
            encoder_layers=4,
            filter_size=384,
            attention_heads=4,
            kernel_size=15,
            decoder_size=128,
        ),
        training=replace(
            large.training, learning_rate=1.0, learning_rate_warmup_steps=300, weight_decay=0.0, clip_grad_norm=2.0
        ),
        data=replace(large.data, batch_size=1024),
    )
