"""Hparams of a MultiModel's body and modality nets."""

from dataclasses import dataclass
from math import inf

from t2t_mm.errors import UserError
from t2t_mm.hparam_set import check_bounds


@dataclass(frozen=True, kw_only=True)
class MultiModelHparams:
    """Defaults: `multimodel_base`. The paper is arXiv 1706.05137; docs/multimodel.md gives the reasons for the rest."""

    hidden_size: int = 512  # D, the width of every tensor in the body
    encoder_blocks: int = 6
    mixer_blocks: int = 2
    decoder_blocks: int = 4
    experts: int = 60  # E in each of the two mixtures of experts; 0 leaves them out
    decoder_experts: int = -1  # E in the decoder, if pruning left another number there; -1: as in the encoder
    experts_per_token: int = 4  # k
    expert_size: int = 2048  # width of an expert's one hidden layer
    expert_capacity: float = 1.5  # in training: slots of an expert, as a multiple of an equal share
    balance_loss: float = 0.01  # weight of the importance loss and of the load loss
    attention: bool = True  # false: the paper's ablation; the mixer then adds the source position by position
    attention_heads: int = 8
    attention_dropout: float = 0.1
    mixing: str = "steps"  # convolutions on the target before attention: two ConvSteps, or ConvBlocks: "blocks"
    branch_scale: float = 0.2  # initial scale of the norms that join a ConvBlock's skips; usually it is 1
    dropout: float = 0.1  # at the end of each ConvBlock; 0.4 in the paper
    branch_dropout: float = 0.0  # on what blocks, attention and experts add to their input; not on the input
    input_dropout: float = 0.0  # on the vectors that modality nets pass to the body

    def __post_init__(self) -> None:
        counts = ("hidden_size", "expert_size", "attention_heads", "experts_per_token")
        blocks = ("encoder_blocks", "mixer_blocks", "decoder_blocks", "experts", "balance_loss", "branch_scale")
        check_bounds(self, dict.fromkeys(counts, (1, inf)) | dict.fromkeys(blocks, (0, inf)))
        check_bounds(
            self, dict.fromkeys(("dropout", "branch_dropout", "input_dropout", "attention_dropout"), (0, 0.99))
        )
        check_bounds(self, {"expert_capacity": (0.1, inf)})
        if self.hidden_size % self.attention_heads:
            received = f"received {self.hidden_size} and {self.attention_heads}"
            raise UserError(f"hidden_size must be a multiple of attention_heads; {received}.")
        check_bounds(self, {"decoder_experts": (-1, inf)})
        for name in ("experts", "decoder_experts"):
            if 0 < (experts := getattr(self, name)) <= self.experts_per_token:
                received = f"received {experts} and {self.experts_per_token}"
                raise UserError(f"{name} must be 0 or more than experts_per_token; {received}.")
        if self.mixing not in ("steps", "blocks"):
            raise UserError(f"mixing is 'steps' or 'blocks'; received {self.mixing!r}.")
