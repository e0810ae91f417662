"""Hparams of soft ordering's body and of the order of its layers."""

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
    shared_layers: int = 4  # K, which is the depth too
    core: str = "dense"  # "dense" layers, for vectors, or "conv", for images
    ordering: str = "soft"  # soft; permuted; parallel: in their order; single: each problem has layers of its own
    ordering_seed: int = 0  # permuted: a problem's permutation depends on this and its name
    dropout: float = 0.8  # on the output of every shared layer

    def __post_init__(self) -> None:
        check_bounds(self, dict.fromkeys(("hidden_size", "shared_layers"), (1, inf)) | {"dropout": (0, 0.99)})
        if self.ordering not in ORDERINGS:
            raise UnknownName("ordering", self.ordering, ORDERINGS)
        if self.core not in CORES:
            raise UnknownName("core", self.core, CORES)

    def memory_positions(self, data: DataHparams) -> int:
        """Return L of the memory: 1 for a vector; for an image, the positions left after each layer halved its sides.

        Raises UserError if the image is too small for so many layers.
        """
        if self.core == "dense":
            return 1
        side = data.image_size >> self.shared_layers
        if not side:
            raise UserError(
                f"Each of {self.shared_layers} layers halves the image, so image_size must be at least "
                f"{1 << self.shared_layers}. Received: {data.image_size}."
            )
        return side**2
