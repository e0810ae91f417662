"""Target net of classes: a softmax on the flattened memory (arXiv 1711.00108, sections 4 and 5).

B examples, L positions, D channels, C classes; N = L * D.
"""

from typing import Any

from keras import ops

from t2t_mm.layers.sequence import Seq
from t2t_mm.modalities.class_head import BiasedRows, ClassHead, append_one


class LabelFlat(ClassHead):
    """A class from all positions of a memory of fixed length, which the body's hparams give as `memory_positions`.

    Rows start from Glorot's uniform distribution.
    """

    def build(self) -> None:
        self.size = self.hparams.body.memory_positions(self.hparams.data) * self.hidden_size
        self.score = BiasedRows(name="score")
        self.score.build(self.port.size, self.size, "glorot_uniform")

    def read(self, memory: Seq) -> Any:
        return append_one(ops.reshape(memory.values_BLD, (-1, self.size)))

    def rows(self) -> Any:
        return self.score()
