"""The contract of every modality net: how values of one kind come into the body and go out of it."""

import abc
from dataclasses import dataclass
from typing import Any, ClassVar

from t2t_mm.feature import Port
from t2t_mm.hparam_set import HparamSet
from t2t_mm.layers.forward import Forward
from t2t_mm.layers.layer import Layer
from t2t_mm.layers.sequence import Seq

Tensors = dict[str, Any]  # one feature of a batch, by the names its codec gives


@dataclass(frozen=True)
class Loss:
    """Sums over a batch, float32[] each."""

    objective: Any  # nats, label-smoothed: what training minimises
    nats: Any  # nats, as reported
    count: Any  # targets they are spread over


class Modality(Layer, abc.ABC):
    """One modality net, shared by the problems whose ports have equal (modality, key).

    Made from its port, the width D of the body and the hparam set. A net that only reads (a picture) or
    only writes (a class) raises TypeError, naming itself, in the methods of the other direction. Before a problem has
    files, a net is made of ports without a size, to see whether it can be: what needs the size belongs in `build`.
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
        """The targets beside `judged`'s logits: (int32[B, T], which of them are real: bool[B, T])."""

    def judged(self, body: Seq, arrays: Tensors) -> Any:
        """Logits float[B, T, V] of each target: `top`'s, unless the targets say which of the body's vectors predict."""
        return self.top(body)


class Writer(Modality):
    """A modality net that writes lines of ids from the memory by itself, past the body's decoder.

    Its `loss` is given the memory. To write, `start`, `step` and `select` are as a body's, but that they go from ids to
    logits: the body's vectors have no part in it.
    """

    autoregressive = False

    @abc.abstractmethod
    def judged(self, body: Seq, arrays: Tensors) -> Any:
        """Logits float[B, T, V] of each target, given those before it."""

    @abc.abstractmethod
    def start(self, memory: Seq, positions: int, beams: int) -> Any:
        """What `step` needs to write up to `positions` ids in `beams` rows for each row of `memory`."""

    @abc.abstractmethod
    def step(self, state: Any, ids_R1: Any) -> tuple[Any, Any]:
        """(logits float[R, V] of the next id, the next state) given the previous ids int32[R, 1], 0 at first."""

    @abc.abstractmethod
    def select(self, state: Any, rows_R: Any) -> Any:
        """The state in which row r goes on from row rows_R[r], a row that reads the same row of the memory."""


def one_way(modality: Modality, direction: str) -> TypeError:
    """The error of a modality net that does not go in `direction`."""
    return TypeError(f"the {type(modality).__name__} modality cannot be used as {direction}")
