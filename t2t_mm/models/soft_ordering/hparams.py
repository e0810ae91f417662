"""Sizes of a soft ordering's body, and how its layers are ordered."""

from dataclasses import dataclass
from math import inf

from t2t_mm.errors import UnknownName, UserError
from t2t_mm.hparam_set import DataHparams, check_bounds

ORDERINGS = ("soft", "permuted", "parallel", "single")
CORES = ("dense", "conv")


@dataclass(frozen=True, kw_only=True)
class SoftOrderingHparams:
    """Defaults: the UCI tasks of arXiv 1711.00108, section 4."""

    hidden_size: int = 32  # D: units of a dense layer, filters of a convolution
    shared_layers: int = 4  # K, and the depth as well
    core: str = "dense"  # of dense layers, for vectors, or of convolutions, for pictures
    ordering: str = "soft"  # soft; permuted; parallel: as they stand; single: each problem has layers of its own
    ordering_seed: int = 0  # permuted: with a problem's name, what its permutation depends on
    dropout: float = 0.8  # behind every shared layer

    def __post_init__(self) -> None:
        check_bounds(self, dict.fromkeys(("hidden_size", "shared_layers"), (1, inf)) | {"dropout": (0, 0.99)})
        if self.ordering not in ORDERINGS:
            raise UnknownName("ordering", self.ordering, ORDERINGS)
        if self.core not in CORES:
            raise UnknownName("core", self.core, CORES)

    def memory_positions(self, data: DataHparams) -> int:
        """L of what the body makes: 1 of a vector, and of a picture what is left when each layer has halved it."""
        if self.core == "dense":
            return 1
        side = data.image_size >> self.shared_layers
        if not side:
            raise UserError(
                f"Nothing is left of a picture that {self.shared_layers} layers halve: image_size must be at least "
                f"{1 << self.shared_layers}. Received: {data.image_size}."
            )
        return side**2
