"""Classes out: a softmax on all of the memory side by side (arXiv 1711.00108, sections 4 and 5).

B examples, L positions, D channels, C classes; N = L * D.
"""

from typing import Any

from keras import ops

from t2t_mm.layers.sequence import Seq
from t2t_mm.modalities.class_head import BiasedRows, ClassHead, with_one


class LabelFlat(ClassHead):
    """A class from every position of a memory whose length is known: the body's record says it, `memory_positions`.

    Rows start by Glorot's uniform.
    """

    def build(self) -> None:
        self.size = self.hparams.body.memory_positions(self.hparams.data) * self.hidden_size
        self.score = BiasedRows(name="score")
        self.score.build(self.port.size, self.size, "glorot_uniform")

    def read(self, memory: Seq) -> Any:
        return with_one(ops.reshape(memory.values_BLD, (-1, self.size)))

    def rows(self) -> Any:
        return self.score()
