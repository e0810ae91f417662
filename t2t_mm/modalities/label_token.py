"""Target net of classes: a head on the memory's first position, the class token (arXiv 2010.11929, 3.1 and 3.2)."""

from typing import Any

import keras
from keras import ops

from t2t_mm.layers.layer import Layer
from t2t_mm.layers.sequence import Seq
from t2t_mm.modalities.class_head import ClassHead, append_one


class Hidden(Layer):
    """tanh(x W + b), as wide as the body: the hidden layer of the head used in pre-training."""

    def build(self, width: int) -> None:
        self.weight_DD = self.add_weight(shape=(width, width), initializer="glorot_uniform", name="weight")
        self.shift_D = self.add_weight(shape=(width,), initializer="zeros", name="shift")

    def call(self, x_BD: Any) -> Any:
        return ops.tanh(ops.matmul(x_BD, self.weight_DD) + self.shift_D)


class Score(Layer):
    """A row of D weights and a bias for each class.

    All are zero at the start: no class is preferred, and the first step leaves the layers below unchanged. They are
    float32 in mixed precision too.
    """

    def build(self, classes: int, width: int) -> None:
        self.rows_CE = self.add_weight(
            shape=(classes, width + 1), initializer=keras.initializers.Zeros(), autocast=False, name="rows"
        )

    def call(self) -> Any:
        """Return float32[C, D + 1]."""
        return self.rows_CE.value


class LabelToken(ClassHead):
    """A class from the class token by a linear layer; if the hparam `label_head` is "mlp", a hidden layer comes first.

    The path of the weights contains the head's name, so a linear head does not start from rows that were trained on top
    of a hidden layer.
    """

    def build(self) -> None:
        head = self.hparams.body.label_head
        self.hidden = Hidden(name="hidden") if head == "mlp" else None
        if self.hidden is not None:
            self.hidden.build(self.hidden_size)
        self.score = Score(name=head)
        self.score.build(self.port.size, self.hidden_size)

    def read(self, memory: Seq) -> Any:
        x_BD = memory.values_BLD[:, 0]
        return append_one(x_BD if self.hidden is None else self.hidden(x_BD))

    def rows(self) -> Any:
        return self.score()
