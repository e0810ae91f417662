"""A batch of sequences of vectors with its padding mask: the type that modality nets and bodies exchange."""

from dataclasses import dataclass, replace
from typing import Any

from keras import ops

MASKED_SCORE = -1e9  # the score of a position or choice that is masked out


@dataclass(frozen=True)
class Seq:
    """A batch of sequences of vectors with its padding mask. B examples, L positions, D channels."""

    values_BLD: Any
    real_BL: Any  # the padding mask, bool: True at real positions, False after the end
    grid: tuple[int, int] | None = None  # (height, width) of the image that was flattened; height * width = L
    query: "Seq | None" = None  # the question about it, for bodies that receive question and text separately

    def with_values(self, values_BLD: Any) -> "Seq":
        """Return a copy with other values and the same padding mask and grid."""
        return replace(self, values_BLD=values_BLD)

    def repeated(self, times: int) -> "Seq":
        """Return each row `times` times, the copies of a row adjacent."""
        values_BLD, real_BL = (ops.repeat(x, times, axis=0) for x in (self.values_BLD, self.real_BL))
        query = None if self.query is None else self.query.repeated(times)
        return replace(self, values_BLD=values_BLD, real_BL=real_BL, query=query)


def zero_pads(values_BLD: Any, real_BL: Any) -> Any:
    """Return `values_BLD` with zero vectors at padding positions (NaN there would stay NaN)."""
    return values_BLD * ops.cast(real_BL, values_BLD.dtype)[..., None]
