"""The contract of every modality net: how values of one kind come into the body and go out of it."""

import abc
from dataclasses import dataclass
from typing import Any, ClassVar

from t2t_mm.hparam_set import HparamSet
from t2t_mm.layers.forward import Forward
from t2t_mm.layers.part import Part
from t2t_mm.layers.sequence import Seq
from t2t_mm.problem import Port

Tensors = dict[str, Any]  # one feature of a batch, by the names its codec gives


@dataclass(frozen=True)
class Loss:
    """Sums over a batch, float32[] each."""

    objective: Any  # nats, label-smoothed: what training minimises
    nats: Any  # nats, as reported
    count: Any  # targets they are spread over


class Modality(Part, abc.ABC):
    """One modality net, shared by the problems whose ports have equal (modality, key).

    Made from its port, the width D of the body and the hparam set. A net that only reads (a picture) or
    only writes (a class) raises TypeError, naming itself, in the methods of the other direction.
    """

    autoregressive: ClassVar[bool]  # whether targets pass through the body's decoder, or a head reads the memory

    def __init__(self, port: Port, hidden_size: int, hparams: HparamSet, *, name: str) -> None:
        super().__init__(name=name)
        self.port, self.hidden_size, self.hparams = port, hidden_size, hparams

    @abc.abstractmethod
    def bottom(self, arrays: Tensors, forward: Forward) -> Seq:
        """Input values to vectors of width D."""

    @abc.abstractmethod
    def targets_bottom(self, arrays: Tensors, forward: Forward) -> Seq:
        """Previous outputs to vectors of width D, not yet shifted (autoregressive targets alone)."""

    @abc.abstractmethod
    def top(self, body: Seq) -> Any:
        """Body vectors to logits: [B, L, V] for autoregressive targets, [B, 1, V] for a head that reads the memory."""

    @abc.abstractmethod
    def loss(self, body: Seq, arrays: Tensors, smoothing: float) -> Loss:
        """How badly `body` predicts the targets in `arrays`."""

    @abc.abstractmethod
    def labels(self, arrays: Tensors) -> tuple[Any, Any]:
        """The targets beside `top`'s logits: (int32[B, T], which of them are real: bool[B, T])."""


def one_way(modality: Modality, direction: str) -> TypeError:
    """The error of a modality net that does not go in `direction`."""
    return TypeError(f"the {type(modality).__name__} modality cannot be used as {direction}")
