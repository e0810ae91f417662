"""Hparams of an LSTM body and of its batch normalisation."""

from dataclasses import dataclass
from math import inf

from t2t_mm.errors import UserError
from t2t_mm.hparam_set import check_bounds


@dataclass(frozen=True, kw_only=True)
class BnLstmHparams:
    """Defaults: those of arXiv 1603.09025 for all its tasks, with one layer in the encoder and one in the decoder."""

    hidden_size: int = 100  # D: units, and channels of their inputs
    encoder_layers: int = 1  # over the inputs; 0 for language models, which have none
    decoder_layers: int = 1  # over the targets so far; 0 for classes, which are predicted from the last state
    batch_norm: bool = True  # false: a plain LSTM
    initial_gamma: float = 0.1  # initial scale of the norms
    recurrent_start: str = "orthogonal"  # initial W_h; "identity": in the block of g~, orthogonal in the others
    initial_state_noise: float = 0.0  # standard deviation of noise on h_0 in training, only with batch_norm
    input_statistics: str = "step"  # of W_x x: separate for each step; "sequence": over all steps
    attentive: bool = False  # texts with a question are read by the attentive reader
    bidirectional: bool = False  # attentive reader: LSTMs from right to left too
    attention_norm: bool = False  # attentive reader: norms on the inputs of each tanh, only with batch_norm
    statistics_steps: int = 784  # steps with population statistics; later steps use those of the last
    statistics_rate: float = 0.05  # share of the newest batch in the population statistics

    def __post_init__(self) -> None:
        check_bounds(self, {"hidden_size": (1, inf), "encoder_layers": (0, inf), "decoder_layers": (0, inf)})
        check_bounds(
            self, {"initial_state_noise": (0, inf), "statistics_steps": (1, inf), "statistics_rate": (1e-6, 1)}
        )
        choices = {"recurrent_start": ("orthogonal", "identity"), "input_statistics": ("step", "sequence")}
        for name, known in choices.items():
            if (value := getattr(self, name)) not in known:
                raise UserError(f"{name} is {known[0]!r} or {known[1]!r}; received {value!r}.")
