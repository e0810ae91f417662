"""Hparams of BERT's body and of the head of classes on it."""

from dataclasses import dataclass
from math import inf

from t2t_mm.errors import UserError
from t2t_mm.hparam_set import check_bounds


@dataclass(frozen=True, kw_only=True)
class BertHparams:
    """Defaults: BERT-Base, arXiv 1810.04805, section 3."""

    hidden_size: int = 768  # H, D here
    encoder_layers: int = 12  # L
    filter_size: int = 3072  # width of the feed-forward networks' hidden layer, 4 H
    attention_heads: int = 12  # A; each has D / A channels
    dropout: float = 0.1  # on the output of each sublayer, and on the embeddings
    attention_dropout: float = 0.1  # on attention weights
    max_positions: int = 512  # rows of the table of positions: the maximum length of inputs
    label_head: str = "linear"  # head of classes on the pooler's output; "mlp" adds a hidden layer

    def __post_init__(self) -> None:
        counts = ("hidden_size", "filter_size", "attention_heads", "max_positions")
        rates = ("dropout", "attention_dropout")
        check_bounds(self, dict.fromkeys(counts, (1, inf)) | dict.fromkeys(rates, (0, 0.99)))
        check_bounds(self, {"encoder_layers": (0, inf)})
        if self.hidden_size % self.attention_heads:
            received = f"received {self.hidden_size} and {self.attention_heads}"
            raise UserError(f"hidden_size must be a multiple of attention_heads; {received}.")
        if self.label_head not in ("mlp", "linear"):
            raise UserError(f"label_head is 'mlp' or 'linear'; received {self.label_head!r}.")
