"""Hparams of a Conformer's body."""

from dataclasses import dataclass
from math import inf

from t2t_mm.errors import UserError
from t2t_mm.hparam_set import check_bounds

WAYS_OUT = ("decoder", "ctc")


@dataclass(frozen=True, kw_only=True)
class ConformerHparams:
    """Defaults: the large model of arXiv 2005.08100, table 1."""

    hidden_size: int = 512  # D
    encoder_layers: int = 17
    filter_size: int = 2048  # of the feed-forward modules' hidden layers, 4 D in the paper
    attention_heads: int = 8
    kernel_size: int = 32  # taps of the depthwise convolution
    decoder_size: int = 640  # H, cells of the decoder's LSTM
    way_out: str = "decoder"  # how text is decoded: "decoder", by an LSTM with attention; "ctc", from the memory
    dropout: float = 0.1  # on each module's output, inside the feed-forward modules and after subsampling
    attention_dropout: float = 0.0  # on attention weights

    def __post_init__(self) -> None:
        counts = ("hidden_size", "encoder_layers", "filter_size", "attention_heads", "kernel_size", "decoder_size")
        rates = ("dropout", "attention_dropout")
        check_bounds(self, dict.fromkeys(counts, (1, inf)) | dict.fromkeys(rates, (0, 0.99)))
        if self.hidden_size % self.attention_heads:
            received = f"received {self.hidden_size} and {self.attention_heads}"
            raise UserError(f"hidden_size must be a multiple of attention_heads; {received}.")
        if self.way_out not in WAYS_OUT:
            raise UserError(f"way_out is 'decoder' or 'ctc'; received {self.way_out!r}.")
