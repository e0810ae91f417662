"""Hparams of a Vision Transformer's body and of the head of classes on it."""

from dataclasses import dataclass
from math import inf

from t2t_mm.errors import UserError
from t2t_mm.hparam_set import check_bounds


@dataclass(frozen=True, kw_only=True)
class VitHparams:
    """Defaults: ViT-Base, arXiv 2010.11929, table 1; dropout as for ImageNet-21k and smaller sets."""

    hidden_size: int = 768  # D
    encoder_layers: int = 12
    filter_size: int = 3072  # width of the MLPs' hidden layer
    attention_heads: int = 12  # each has D / heads channels
    dropout: float = 0.1  # after each layer of the MLPs, after attention, and on the sums of patch and position
    attention_dropout: float = 0.0  # on attention weights
    label_head: str = "mlp"  # head of classes: "mlp" has a hidden layer, as in pre-training; "linear" as in fine-tuning

    def __post_init__(self) -> None:
        counts = ("hidden_size", "filter_size", "attention_heads")
        rates = ("dropout", "attention_dropout")
        check_bounds(self, dict.fromkeys(counts, (1, inf)) | dict.fromkeys(rates, (0, 0.99)))
        check_bounds(self, {"encoder_layers": (0, inf)})
        if self.hidden_size % self.attention_heads:
            received = f"received {self.hidden_size} and {self.attention_heads}"
            raise UserError(f"hidden_size must be a multiple of attention_heads; {received}.")
        if self.label_head not in ("mlp", "linear"):
            raise UserError(f"label_head is 'mlp' or 'linear'; received {self.label_head!r}.")
