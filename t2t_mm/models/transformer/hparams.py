"""Hparams of a Transformer's body."""

from dataclasses import dataclass
from math import inf

from t2t_mm.errors import UserError
from t2t_mm.hparam_set import check_bounds


@dataclass(frozen=True, kw_only=True)
class TransformerHparams:
    """Defaults: the base model of arXiv 1706.03762, table 3."""

    hidden_size: int = 512  # D, d_model in the paper
    encoder_layers: int = 6
    decoder_layers: int = 6
    filter_size: int = 2048  # d_ff: width of the feed-forward networks' hidden layer
    attention_heads: int = 8  # h; each has D / h channels
    dropout: float = 0.1  # P_drop: on the output of each sublayer, and on the sums of embedding and position
    attention_dropout: float = 0.0  # on attention weights
    relu_dropout: float = 0.0  # on the feed-forward networks' hidden layer
    norm: str = "post"  # "post": LN(x + sublayer(x)), the paper's; "pre": x + sublayer(LN(x)), one LN closes each stack
    positions: str = "sinusoidal"  # or "learned": one table for the encoder, one for the decoder
    max_positions: int = 512  # rows of each table of learned positions: the maximum length of a sequence

    def __post_init__(self) -> None:
        counts = ("hidden_size", "decoder_layers", "filter_size", "attention_heads", "max_positions")
        rates = ("dropout", "attention_dropout", "relu_dropout")
        check_bounds(self, dict.fromkeys(counts, (1, inf)) | dict.fromkeys(rates, (0, 0.99)))
        check_bounds(self, {"encoder_layers": (0, inf)})
        if self.hidden_size % self.attention_heads:
            received = f"received {self.hidden_size} and {self.attention_heads}"
            raise UserError(f"hidden_size must be a multiple of attention_heads; {received}.")
        for name, choices in {"norm": ("post", "pre"), "positions": ("sinusoidal", "learned")}.items():
            if (value := getattr(self, name)) not in choices:
                raise UserError(f"{name} is {choices[0]!r} or {choices[1]!r}; received {value!r}.")
