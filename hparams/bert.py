"""Hparam sets of BERT: the two sizes of arXiv 1810.04805, and one that learns in minutes on two cores.

All of them pre-train; docs/bert.md says what to change to fine-tune.
"""

from dataclasses import replace

from t2t_mm.hparam_set import DataHparams, HparamSet, TrainingHparams
from t2t_mm.models.bert.hparams import BertHparams
from t2t_mm.registry import HPARAM_SETS


@HPARAM_SETS.register
def bert_base() -> HparamSet:
    """BERT-Base: 12 layers, width 768; 256 x 512 tokens a step, in micro-batches of 32 x 512.

    Not measured. It is for pre-training on one accelerator or more, by gradient accumulation; docs/bert.md says how to
    fine-tune it on SQuAD.
    """
    return HparamSet(
        "bert",
        BertHparams(),
        TrainingHparams(
            optimizer="adam_w",
            learning_rate=1e-4,
            learning_rate_schedule="linear",
            learning_rate_warmup_steps=10000,
            adam_beta1=0.9,
            adam_beta2=0.999,
            adam_epsilon=1e-6,
            weight_decay=0.01,
            clip_grad_norm=1.0,
            label_smoothing=0.0,
            accumulate_batches=8,
        ),
        DataHparams(batch_size=32 * 512, max_length=512),
    )


@HPARAM_SETS.register
def bert_large() -> HparamSet:
    """BERT-Large: 24 layers, width 1,024; 256 x 512 tokens a step, in micro-batches of 16 x 512.

    Not measured. It is for pre-training on several accelerators.
    """
    base = bert_base()
    return replace(
        base,
        body=BertHparams(hidden_size=1024, encoder_layers=24, filter_size=4096, attention_heads=16),
        training=replace(base.training, accumulate_batches=16),
        data=replace(base.data, batch_size=16 * 512),
    )


@HPARAM_SETS.register
def bert_tiny() -> HparamSet:
    """Width 128, 4 layers, 256 positions: learns short sentences in minutes on two cores.

    Known to reach (one of 2 shared cores of a Xeon, 2026-11-21; docs/bert.md has the tables): after 5,000 steps of
    pre-training 42.1 % (PTB) and 48.2 % (Multi30k) of hidden words; then, fine-tuned for 600 steps, 92.7 % on
    word_order_multi30k, where training from scratch stays at 47.7 %. Minutes: not measured.

        t2t-mm-trainer --problems=sentences_ptb-sentences_multi30k --hparams_set=bert_tiny --train_steps=5000 --output_dir=bert
        t2t-mm-trainer --problems=word_order_multi30k --hparams_set=bert_tiny --hparams=learning_rate=0.0005 --train_steps=600 \\
            --warm_start_from=bert --output_dir=tuned
    """  # noqa: E501
    base = bert_base()
    return replace(
        base,
        body=BertHparams(
            hidden_size=128,
            encoder_layers=4,
            filter_size=512,
            attention_heads=4,
            dropout=0.0,
            attention_dropout=0.0,
            max_positions=256,
        ),
        training=replace(base.training, learning_rate=1e-3, learning_rate_warmup_steps=100, accumulate_batches=1),
        data=replace(base.data, batch_size=2048, max_length=128),
    )
