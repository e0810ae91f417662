"""Hparam sets of the Transformer: the two models of arXiv 1706.03762, its parser, and two small ones."""

from dataclasses import replace

from t2t_mm.hparam_set import DataHparams, HparamSet, TrainingHparams
from t2t_mm.models.transformer.hparams import TransformerHparams
from t2t_mm.registry import HPARAM_SETS


@HPARAM_SETS.register
def transformer_base() -> HparamSet:
    """The paper's base model: 6 + 6 layers, width 512; 4,096 positions a batch, as T2T on one accelerator.

    Not measured. It is for translation on one accelerator or more.
    """
    return HparamSet(
        "transformer",
        TransformerHparams(),
        TrainingHparams(adam_beta1=0.9, adam_beta2=0.98, adam_epsilon=1e-9, clip_grad_norm=0.0),
        DataHparams(batch_size=4096, image_size=128, shared_embedding_and_softmax_weights=True),
    )


@HPARAM_SETS.register
def transformer_big() -> HparamSet:
    """The paper's big model: width 1,024, 16 heads, dropout 0.3 (0.1 for English to French in the paper).

    Not measured. It is for large translation corpora, such as WMT, on several accelerators.
    """
    body = TransformerHparams(hidden_size=1024, filter_size=4096, attention_heads=16, dropout=0.3)
    return replace(transformer_base(), body=body)


@HPARAM_SETS.register
def transformer_parsing() -> HparamSet:
    """The paper's parser (section 6.3): 4 + 4 layers, width 1,024; dropout and learning rate as in T2T.

    Not measured. It is for parsing_wsj with all sections of the Penn Treebank.
    """
    base = transformer_base()
    return replace(
        base,
        body=TransformerHparams(
            hidden_size=1024, encoder_layers=4, decoder_layers=4, dropout=0.2, attention_dropout=0.2
        ),
        training=replace(base.training, learning_rate=0.5, learning_rate_warmup_steps=16000),
        data=replace(base.data, max_length=512),
    )


@HPARAM_SETS.register
def transformer_small() -> HparamSet:
    """T2T's small model: 2 + 2 layers, width 256.

    Not measured. It is for first runs on one accelerator.
    """
    base = transformer_base()
    return replace(
        base,
        body=TransformerHparams(
            hidden_size=256, encoder_layers=2, decoder_layers=2, filter_size=1024, attention_heads=4
        ),
        data=replace(base.data, batch_size=2048, image_size=64),
    )


@HPARAM_SETS.register
def transformer_tiny() -> HparamSet:
    """Width 128, 4 + 4 layers, 2.4 million parameters: learns real corpora in minutes on two cores.

    Known to reach on Multi30k En-De, in 51 minutes of one core (2 shared cores of a Xeon, 2026-11-21): BLEU 37.9
    greedy, 39.0 by beam search with 4 beams, 0.377 nats per character. docs/transformer.md has the table and a run on
    parsing_wsj.

        t2t-mm-trainer --problems=translate_ende_multi30k --hparams_set=transformer_tiny --tmp_dir=corpora --train_steps=9000 \\
            --hparams=batch_size=2048,dropout=0.3,attention_dropout=0.1,learning_rate_schedule=cosine,learning_rate=0.003,learning_rate_warmup_steps=1000,ema_decay=0.998
    """  # noqa: E501
    base = transformer_base()
    return replace(
        base,
        body=TransformerHparams(
            hidden_size=128, encoder_layers=4, decoder_layers=4, filter_size=256, attention_heads=4
        ),
        training=replace(base.training, learning_rate=0.5, learning_rate_warmup_steps=400, clip_grad_norm=2.0),
        data=replace(base.data, batch_size=1024, image_size=64),
    )
