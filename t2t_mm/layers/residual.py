"""The residual connection around a sublayer, with dropout and layer normalization (arXiv 1706.03762, section 3.1)."""

from typing import Any

from t2t_mm.layers.dropout import dropout
from t2t_mm.layers.forward import Forward
from t2t_mm.layers.layer import Layer
from t2t_mm.layers.norm import LayerNorm


class Residual(Layer):
    """A residual connection: LN(x + Dropout(sublayer(x))), or with `norm_first` x + Dropout(sublayer(LN(x))).

    It is called in two halves, so that the sublayer can have more arguments, such as a memory or a cache:

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
        """Return the input of the sublayer."""
        return self.norm(x) if self.norm_first else x

    def leave(self, x: Any, y: Any, forward: Forward) -> Any:
        """Return the output of the connection; `y` is the output of the sublayer for `enter(x)`."""
        joined = x + dropout(y, self.dropout, forward, self.path)
        return joined if self.norm_first else self.norm(joined)
