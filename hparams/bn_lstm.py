"""Hparam sets of BN-LSTM: the tasks of arXiv 1603.09025, a quick one and a small one.

`batch_norm=false` makes each of them the plain LSTM, the baseline.
"""

from dataclasses import replace

from t2t_mm.hparam_set import DataHparams, HparamSet, TrainingHparams
from t2t_mm.models.bn_lstm.hparams import BnLstmHparams
from t2t_mm.registry import HPARAM_SETS

PIXELS = 784


@HPARAM_SETS.register
def bn_lstm_mnist() -> HparamSet:
    """Sequential MNIST: 100 units, W_h as the identity, noise on h_0; batches of 100, RMSProp with momentum.

    Not measured. It is for sequential_mnist, 784 steps of one pixel; the paper reaches 99.0 %.
    """
    return HparamSet(
        "bn_lstm",
        BnLstmHparams(
            decoder_layers=0,
            recurrent_start="identity",
            initial_state_noise=0.1,
            statistics_steps=PIXELS,
            statistics_rate=0.01,
        ),
        TrainingHparams(
            optimizer="rmsprop",
            momentum=0.9,
            learning_rate=1e-3,
            learning_rate_schedule="constant",
            learning_rate_warmup_steps=0,
            adam_beta1=0.9,
            adam_beta2=0.999,
            adam_epsilon=1e-8,
            clip_grad_norm=1.0,
            label_smoothing=0.0,
        ),
        DataHparams(batch_size=100 * PIXELS),
    )


@HPARAM_SETS.register
def bn_lstm_pmnist() -> HparamSet:
    """Permuted MNIST: as bn_lstm_mnist, without noise on h_0.

    Measured only in a short run: 47.0 % on the dev set after 200 batches, with statistics estimated anew (2.4 s a batch
    on one of 2 shared cores of a Xeon, 2026-11-21; docs/bn_lstm.md). The paper reaches 95.4 % on the test set.
    """
    base = bn_lstm_mnist()
    return replace(base, body=replace(base.body, initial_state_noise=0.0))


@HPARAM_SETS.register
def bn_lstm_rows() -> HparamSet:
    """MNIST in 28 rows of pixels, which is quick: as bn_lstm_mnist.

    Known to reach on 6,250 training images, after 800 steps (2 shared cores of a Xeon, 2026-11-21; minutes not
    measured): 95.4 % on the dev set, 95.2 % without batch norm (docs/bn_lstm.md).

        t2t-mm-trainer --problems=sequential_mnist_rows --hparams_set=bn_lstm_rows --tmp_dir=corpora --train_steps=800
    """
    base = bn_lstm_mnist()
    body = replace(base.body, statistics_steps=28, statistics_rate=0.05)
    return replace(base, body=body, data=replace(base.data, batch_size=100 * 28))


@HPARAM_SETS.register
def bn_lstm_ptb() -> HparamSet:
    """Characters of the Penn Treebank: 1,000 units, batches of 64 sequences of 100.

    Measured only with 100 units (`hidden_size=100`): 2.45 bits per character after 300 steps, 2.64 without batch norm
    (2 shared cores of a Xeon, 2026-11-21; docs/bn_lstm.md). The paper reaches 1.32 with 1,000 units.
    """
    base = bn_lstm_mnist()
    return replace(
        base,
        body=BnLstmHparams(hidden_size=1000, encoder_layers=0, statistics_steps=100, statistics_rate=0.05),
        training=replace(base.training, optimizer="adam", learning_rate=2e-3),
        data=DataHparams(batch_size=64 * 100),
    )


@HPARAM_SETS.register
def bn_lstm_text8() -> HparamSet:
    """Characters of text8: 2,000 units, batches of 128 sequences of 180.

    Not measured. It is for lm_text8; the paper reaches 1.36 bits per character.
    """
    base = bn_lstm_ptb()
    return replace(
        base,
        body=replace(base.body, hidden_size=2000, statistics_steps=180),
        training=replace(base.training, learning_rate=1e-3),
        data=DataHparams(batch_size=128 * 180),
    )


@HPARAM_SETS.register
def bn_lstm_attentive() -> HparamSet:
    """CNN questions about four sentences: attentive reader with 240 units; 10,240 words a batch, about 64 rows.

    Not measured. It is for qa_cnn_short; `attention_norm=true` makes it the paper's BN-everywhere.
    """
    base = bn_lstm_mnist()
    return replace(
        base,
        body=BnLstmHparams(hidden_size=240, encoder_layers=0, decoder_layers=0, attentive=True, statistics_steps=256),
        training=replace(base.training, optimizer="adam", learning_rate=8e-5, clip_grad_norm=10.0),
        data=DataHparams(batch_size=10240, max_length=256),
    )


@HPARAM_SETS.register
def bn_lstm_attentive_both() -> HparamSet:
    """The paper's best, BN-e**: norms in the attention, W_x x by whole sequences, bidirectional; about 40 rows a batch.

    Not measured. It is for qa_cnn_short; the paper's lowest validation error is 43.9 %.
    """
    base = bn_lstm_attentive()
    return replace(
        base,
        body=replace(base.body, attention_norm=True, input_statistics="sequence", bidirectional=True),
        training=replace(base.training, learning_rate=8e-4),
        data=replace(base.data, batch_size=6400),
    )


@HPARAM_SETS.register
def bn_lstm_attentive_full() -> HparamSet:
    """BN-e** for whole articles, with 120 units; 32,000 words a batch, about 40 rows.

    Not measured. It is for qa_cnn; the paper's test error is 36.3 %.
    """
    base = bn_lstm_attentive_both()
    return replace(
        base,
        body=replace(base.body, hidden_size=120, statistics_steps=2048),
        data=replace(base.data, batch_size=32000, max_length=2048),
    )


@HPARAM_SETS.register
def bn_lstm_tiny() -> HparamSet:
    """64 units, one layer in encoder and decoder: reads and writes any of the problems in minutes on two cores.

    Not measured. It is for first runs and for comparing bodies.
    """
    base = bn_lstm_ptb()
    return replace(
        base,
        body=BnLstmHparams(hidden_size=64, statistics_steps=256),
        data=DataHparams(batch_size=2048, image_size=32),
    )
