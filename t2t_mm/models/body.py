"""The contracts of bodies: an encoder-only body, and a body with a decoder. Modality nets stand on both sides of it."""

import abc
from collections.abc import Mapping
from typing import Any, ClassVar

from t2t_mm.feature import Signature
from t2t_mm.layers.forward import Forward
from t2t_mm.layers.layer import Layer
from t2t_mm.layers.sequence import Seq

State = Any  # a nest of tensors that `step` carries from position to position


class EncoderBody(Layer, abc.ABC):
    """A body that turns a source into a memory. Without a decoder, target nets predict from the memory alone.

    A body is made from its hparams record, whose field `hidden_size` is D.

    `longest` is the number of positions that a body can tell apart, in a source and in a target; None if there is no
    limit. The code that feeds the body keeps all real positions within the limit; pads may lie beyond it.

    A body that cannot learn all problems names the modalities of inputs that it `reads` and of targets that it
    `writes`. None means any modality; a body whose `reads` is None also takes problems without inputs. `modality_nets`
    maps a port's modality to the registered modality net that this body uses instead of the one of that name.

    `problems` are those of the net around the body, known before `build`. A body that keeps something for each problem,
    such as the statistics of a batch norm, sets `per_problem`. Every problem then has compiled steps of its own.
    `forward.problem` is the problem's name in them. In decoding the net sets `problem` before `start` and `step`.

    `expert_layers` maps the path within the body of each mixture of experts whose unused experts may be pruned to the
    hparam that counts its experts.
    """

    longest: int | None = None
    problems: tuple[str, ...] = ()
    problem: str = ""
    per_problem: ClassVar[bool] = False
    reads: ClassVar[tuple[str, ...] | None] = None
    writes: ClassVar[tuple[str, ...] | None] = None
    modality_nets: ClassVar[Mapping[str, str]] = {}
    expert_layers: ClassVar[Mapping[str, str]] = {}

    def lacks(self, signature: Signature) -> str:
        """Return one sentence that says why the body, with its hparams, cannot learn such a problem; "" if it can."""
        return ""

    @abc.abstractmethod
    def encode(self, source: Seq, forward: Forward) -> Seq:
        """Turn the source into a memory. Target nets without a decoder, such as heads of classes, read it directly.

        The source of a problem without inputs is one zero vector a row.
        """


class Body(EncoderBody):
    """A body with a decoder: it also turns the memory and the targets so far into vectors that predict the next target.

    `decode` is causal: output t depends on targets 0 to t only. `step`, called on positions 0, 1, 2, ..., equals
    `decode` on the whole sequence, to 1e-4.
    """

    @abc.abstractmethod
    def decode(self, memory: Seq, target: Seq, forward: Forward) -> Seq:
        """Return vectors that predict target t + 1 at position t. `target` begins with the embedded command token."""

    @abc.abstractmethod
    def start(self, memory: Seq, positions: int) -> State:
        """Return the first state for generating up to `positions` positions for each row of `memory`."""

    def start_beams(self, memory: Seq, positions: int, beams: int) -> State:
        """Return the first state of a beam search: `beams` rows for the memory's first row, then for its second, ...

        A body that holds the memory once for all beams of a row, or that need not move caches in `select`, overrides
        this method.
        """
        return self.start(memory.repeated(beams), positions)

    @abc.abstractmethod
    def step(self, state: State, x_B1D: Any) -> tuple[Any, State]:
        """Return (output float[B, 1, D], next state) from the embedded previous output float[B, 1, D]."""

    @abc.abstractmethod
    def select(self, state: State, rows_B: Any) -> State:
        """Return the state in which row b continues row `rows_B[b]`; both read the same row of the memory.

        `state` comes from `start_beams`, by any number of steps and selections.
        """


Reader = EncoderBody  # its name in plugins written before this one
