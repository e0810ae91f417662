"""Target net of classes: a softmax on the memory's last vector (arXiv 1603.09025, section 5.1)."""

from typing import Any

from t2t_mm.layers.lstm import last_real
from t2t_mm.layers.sequence import Seq
from t2t_mm.modalities.class_head import BiasedRows, ClassHead, append_one


class LabelLast(ClassHead):
    """A class from the memory's last real position: the last state of a recurrent net.

    Rows are orthogonal at the start.
    """

    def build(self) -> None:
        self.score = BiasedRows(name="score")
        self.score.build(self.port.size, self.hidden_size, "orthogonal")

    def read(self, memory: Seq) -> Any:
        return append_one(last_real(memory.values_BLD, memory.real_BL))

    def rows(self) -> Any:
        return self.score()
