"""A sequence of vectors with its lengths: what flows between modality nets and bodies."""

from dataclasses import dataclass, replace
from typing import Any

from keras import ops

FAR_BELOW = -1e9  # the score of what may not be seen, or chosen


@dataclass(frozen=True)
class Seq:
    """Feature values that travel with their lengths. B examples, L positions, D channels."""

    values_BLD: Any
    real_BL: Any  # bool: true where there is something, false behind the end
    grid: tuple[int, int] | None = None  # (height, width) of the picture that was flattened; height * width = L
    query: "Seq | None" = None  # what is asked about it, for bodies whose modality nets bring it apart

    def with_values(self, values_BLD: Any) -> "Seq":
        """The same lengths and grid around other values."""
        return replace(self, values_BLD=values_BLD)

    def repeated(self, times: int) -> "Seq":
        """Each row `times` times, one after the other."""
        values_BLD, real_BL = (ops.repeat(x, times, axis=0) for x in (self.values_BLD, self.real_BL))
        query = None if self.query is None else self.query.repeated(times)
        return replace(self, values_BLD=values_BLD, real_BL=real_BL, query=query)


def zero_pads(values_BLD: Any, real_BL: Any) -> Any:
    """`values_BLD` with every pad set to the zero vector, whatever it held (NaN excepted)."""
    return values_BLD * ops.cast(real_BL, values_BLD.dtype)[..., None]
