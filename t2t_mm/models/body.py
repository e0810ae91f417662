"""The contract of every body: what stands between the modality nets."""

import abc
from collections.abc import Mapping
from typing import Any, ClassVar, Never

from t2t_mm.feature import Signature
from t2t_mm.layers.forward import Forward
from t2t_mm.layers.layer import Layer
from t2t_mm.layers.sequence import Seq

State = Any  # a nest of tensors that `step` carries from position to position


class Body(Layer, abc.ABC):
    """Turns a source into a memory, and a memory with a target so far into vectors that predict what comes next.

    A body is made from its hparams record, whose field `hidden_size` is D. `decode` is causal: output t sees targets
    0 to t only. `step` called on positions 0, 1, 2, ... equals `decode` on the whole, to 1e-4.

    `longest` is the number of positions that a body can tell apart, of a source as of a target, or None where there is
    no end to them. Whoever brings data to the body sees to it that nothing real stands behind; pads may.

    A body that cannot take everything says which modalities of inputs it `reads` and of targets it `writes`; None is
    any, and to read any is to do without inputs too. `modality_nets` names, for a port's modality, the registered
    modality net that this body wants in place of the one of that name.

    `problems` are those of the net around the body, known when it is built. A body that keeps something for each of
    them, such as the statistics of a batch norm, says `per_problem`: every problem then has compiled steps of its own,
    in which `forward.problem` is its name, and `problem` while one is generated: the net sets it before `start` and
    `step`.

    `expert_layers` are the Experts of which unused ones may be pruned, by path within the body, each with the hparam
    that counts its experts.
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
        """What, with its hparams, keeps the body from such a problem, in a sentence; "" where nothing does."""
        return ""

    @abc.abstractmethod
    def encode(self, source: Seq, forward: Forward) -> Seq:
        """The source as a memory. Label heads read the memory itself.

        A problem without inputs has a source of one zero vector a row: nothing to read, but the rows are known.
        """

    @abc.abstractmethod
    def decode(self, memory: Seq, target: Seq, forward: Forward) -> Seq:
        """Vectors that predict target t + 1 at position t. `target` begins with the embedded command token."""

    @abc.abstractmethod
    def start(self, memory: Seq, positions: int) -> State:
        """What `step` needs to generate up to `positions` positions for each row of `memory`."""

    def start_beams(self, memory: Seq, positions: int, beams: int) -> State:
        """As `start`, for `beams` rows that read the first row of `memory`, then as many that read the second, and on.

        A body that holds a memory once for all its rows, or spares `select` the moving, has a version of its own.
        """
        return self.start(memory.repeated(beams), positions)

    @abc.abstractmethod
    def step(self, state: State, x_B1D: Any) -> tuple[Any, State]:
        """One position further: takes the embedded previous output, returns (y_B1D, next state)."""

    @abc.abstractmethod
    def select(self, state: State, rows_B: Any) -> State:
        """The state in which row b goes on from row `rows_B[b]`, a row that reads the same row of the memory.

        `state` comes from `start_beams`, by any number of steps and selections.
        """


class Reader(Body, abc.ABC):
    """A body without a decoder: heads read its memory, and nothing is written position by position.

    `writes` names the modalities of such heads, so that a problem with other targets is refused by name.
    """

    def decode(self, memory: Seq, target: Seq, forward: Forward) -> Seq:
        self._refuse()

    def start(self, memory: Seq, positions: int) -> State:
        self._refuse()

    def step(self, state: State, x_B1D: Any) -> tuple[Any, State]:
        self._refuse()

    def select(self, state: State, rows_B: Any) -> State:
        self._refuse()

    def _refuse(self) -> Never:
        raise TypeError(f"{type(self).__name__} has no decoder")
