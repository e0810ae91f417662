"""The way around a sublayer, with its dropout and its norm (arXiv 1706.03762, section 3.1)."""

from typing import Any

from t2t_mm.layers.dropout import dropout
from t2t_mm.layers.forward import Forward
from t2t_mm.layers.layer import Layer
from t2t_mm.layers.norm import LayerNorm


class Residual(Layer):
    """LN(x + Dropout(sublayer(x))), or with the norm first x + Dropout(sublayer(LN(x))).

    In two halves, so that a sublayer may be called as it likes, with a memory or a cache:

        y = sublayer(residual.enter(x))
        x = residual.leave(x, y, forward)
    """

    def __init__(self, *, dropout: float, norm_first: bool = False, name: str) -> None:
        super().__init__(name=name)
        self.dropout, self.norm_first = dropout, norm_first
        self.norm = LayerNorm(name="norm")

    def build(self, width: int) -> None:
        self.norm.build(width)

    def enter(self, x: Any) -> Any:
        """What the sublayer reads."""
        return self.norm(x) if self.norm_first else x

    def leave(self, x: Any, y: Any, forward: Forward) -> Any:
        """What comes out, given what the sublayer made of `enter(x)`."""
        joined = x + dropout(y, self.dropout, forward, self.path)
        return joined if self.norm_first else self.norm(joined)
