"""The names of the built-in hparam sets and ranges: listing them imports this table and no set."""

SETS = {  # module below t2t_mm.hparams -> its functions
    "multimodel": (
        "multimodel_paper multimodel_paper_single multimodel_base multimodel_small multimodel_tiny multimodel_demo"
    ),
    "transformer": "transformer_base transformer_big transformer_parsing transformer_small transformer_tiny",
    "bn_lstm": (
        "bn_lstm_mnist bn_lstm_pmnist bn_lstm_rows bn_lstm_ptb bn_lstm_text8 bn_lstm_tiny bn_lstm_attentive "
        "bn_lstm_attentive_both bn_lstm_attentive_full"
    ),
    "conformer": "conformer_s conformer_m conformer_l conformer_tiny",
    "vit": "vit_b16 vit_l16 vit_h14 vit_tiny",
    "soft_ordering": "soft_ordering_uci soft_ordering_mnist soft_ordering_omniglot soft_ordering_omniglot_small",
    "bert": "bert_base bert_large bert_tiny",
}
RANGES = {"ranges": "training_range multimodel_tiny_range multimodel_base_range transformer_base_range"}  # likewise


def _functions(table: dict[str, str]) -> dict[str, str]:
    """Return name -> "module:function"."""
    return {name: f"t2t_mm.hparams.{module}:{name}" for module, names in table.items() for name in names.split()}


HPARAM_SETS = _functions(SETS)
HPARAM_RANGES = _functions(RANGES)
