"""The contracts of modality nets: an input net brings values of one kind into the body, a target net predicts them.

A class derives from `InputNet`, from one of the three kinds of target net, or, if it works both ways, from both.
"""

import abc
from dataclasses import dataclass
from typing import Any, ClassVar

from t2t_mm.errors import UserError
from t2t_mm.feature import Port
from t2t_mm.hparam_set import HparamSet
from t2t_mm.layers.forward import Forward
from t2t_mm.layers.layer import Layer
from t2t_mm.layers.sequence import Seq

Tensors = dict[str, Any]  # one feature of a batch, by the names that its codec gives


@dataclass(frozen=True)
class Loss:
    """Sums over a batch, float32[] each."""

    objective: Any  # nats, label-smoothed: training minimises this
    nats: Any  # nats without smoothing, for reports
    count: Any  # number of targets in the two sums


class ModalityNet(Layer, abc.ABC):
    """One modality net, shared by the problems whose ports have equal (modality, key).

    It is made from its port, the width D of the body and the hparam set. Before a problem has files, nets are made from
    ports without a size, to check that the model can learn the problem. So all code that needs the size is in `build`.
    """

    def __init__(self, port: Port, hidden_size: int, hparams: HparamSet, *, name: str) -> None:
        super().__init__(name=name)
        self.port, self.hidden_size, self.hparams = port, hidden_size, hparams


class InputNet(ModalityNet):
    """A modality net that turns inputs into the vectors that the body's encoder reads."""

    @abc.abstractmethod
    def bottom(self, arrays: Tensors, forward: Forward) -> Seq:
        """Turn input values into vectors of width D."""


class TargetNet(ModalityNet):
    """A modality net that predicts targets from the memory, the output of the body's encoder."""

    def __init_subclass__(cls, **options: Any) -> None:
        """Raise UserError for a class that overrides a method by its old name, since nothing would call it."""
        super().__init_subclass__(**options)
        if "judged" in vars(cls):
            raise UserError(f"{cls.__module__}.{cls.__name__} has the method `judged`: rename it to `target_logits`.")

    @abc.abstractmethod
    def top(self, body: Seq) -> Any:
        """Return logits float[B, 1, V] from the memory."""

    @abc.abstractmethod
    def loss(self, body: Seq, arrays: Tensors, smoothing: float) -> Loss:
        """Return the cross-entropy of the targets in `arrays`, predicted from `body`."""

    @abc.abstractmethod
    def labels(self, arrays: Tensors) -> tuple[Any, Any]:
        """Return the targets that belong to the rows of `target_logits`: (ids int32[B, T], real or pad bool[B, T])."""

    def target_logits(self, body: Seq, arrays: Tensors) -> Any:
        """Return logits float[B, T, V] of each target: those of `top`, unless `arrays` says which positions predict."""
        return self.top(body)


class AutoregressiveTargetNet(TargetNet):
    """A target net whose targets pass through the body's decoder: each is predicted from the memory and those before.

    The `body` of its methods is the decoder's output, teacher-forced in training.
    """

    autoregressive: ClassVar[bool] = True  # False in a plugin's net of classes that derives from Modality

    @abc.abstractmethod
    def targets_bottom(self, arrays: Tensors, forward: Forward) -> Seq:
        """Turn previous outputs into vectors of width D, not yet shifted by one position."""

    @abc.abstractmethod
    def top(self, body: Seq) -> Any:
        """Return logits float[B, L, V] of the next target at each position."""


class SelfDecodingNet(TargetNet):
    """A target net that decodes lines of ids from the memory by itself, without the body's decoder.

    Its `loss` gets the memory. In decoding, `start`, `step` and `select` do what those of a body do, but `step` takes
    ids and returns logits.
    """

    @abc.abstractmethod
    def target_logits(self, body: Seq, arrays: Tensors) -> Any:
        """Return logits float[B, T, V] of each target, teacher-forced: given the targets before it."""

    @abc.abstractmethod
    def start(self, memory: Seq, positions: int, beams: int) -> Any:
        """Return the first state for decoding up to `positions` ids in `beams` rows for each row of `memory`."""

    @abc.abstractmethod
    def step(self, state: Any, ids_R1: Any) -> tuple[Any, Any]:
        """Return (logits float[R, V] of the next id, next state) from the previous ids int32[R, 1], 0 at first."""

    @abc.abstractmethod
    def select(self, state: Any, rows_R: Any) -> Any:
        """Return the state in which row r continues row rows_R[r]; both read the same row of the memory."""


class Modality(InputNet, AutoregressiveTargetNet):
    """A modality net that works both ways: it embeds inputs and predicts targets through the body's decoder.

    Plugins written before `InputNet` and `TargetNet` derive all their nets from it, one-way nets too.
    """


Writer = SelfDecodingNet  # its name in plugins written before this one


def one_way(modality: ModalityNet, direction: str) -> TypeError:
    """Return the error that a plugin's one-way `Modality` raises; a net of today leaves such methods out."""
    return TypeError(f"the {type(modality).__name__} modality cannot be used as {direction}")
