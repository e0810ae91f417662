"""Modality nets around one body: the model of all problems at once."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from t2t_mm.errors import UserError
from t2t_mm.feature import Signature
from t2t_mm.hparam_set import HparamSet
from t2t_mm.layers.forward import Forward
from t2t_mm.layers.layer import Layer, leaving_out
from t2t_mm.layers.sequence import Seq
from t2t_mm.modalities.base import Loss, Modality, Tensors, Writer
from t2t_mm.modalities.text import Table
from t2t_mm.models.body import State
from t2t_mm.models.ports import check_ports, net_name
from t2t_mm.registry import MODALITIES, MODELS

Features = Mapping[str, Tensors]  # a batch: "inputs" and "targets"


COMMANDS = "net/commands/rows"  # the path of the one weight whose rows have names


class Net(Layer):
    """Every problem's way through the body.

    A problem brings its Signature; nets are shared by equal ports, and a problem's command is a number that its batch
    carries (`command`), so that problems with the same kind share one compiled step.

    `left_out` names parts without the root, such as "body/decoder", of which no weight is made: those that no problem
    of the net reads.
    """

    def __init__(self, signatures: Mapping[str, Signature], hparams: HparamSet, left_out: Iterable[str] = ()) -> None:
        super().__init__(name="net")
        self.signatures, self.hparams = dict(signatures), hparams
        self.left_out = tuple(left_out)
        self.width = hparams.body.hidden_size
        self.commands = sorted({signature.command for signature in signatures.values()})
        if slashed := [command for command in self.commands if "/" in command]:
            raise UserError(f"A command holds no '/', which parts the paths of weights. Received: {slashed[0]!r}.")
        check_ports(hparams.model, signatures)
        self.body = MODELS[hparams.model](hparams.body, name="body")
        self.body.problems = tuple(sorted(signatures))
        for problem, signature in signatures.items():
            if lacking := self.body.lacks(signature):
                raise UserError(f"The model {hparams.model} cannot learn {problem} as it is set: {lacking}")
        self.modalities: dict[str, Modality] = {}
        for signature in signatures.values():
            for port in (signature.inputs, signature.targets):
                if port is not None and port.key not in self.modalities:
                    net_class = MODALITIES[net_name(hparams.model, port.modality)]
                    self.modalities[port.key] = net_class(port, self.width, hparams, name=port.key)
        self.command_table = Table(name="commands")

    def build(self) -> None:
        """Make all weights. Paths hold names alone, so they do not depend on the order of problems."""
        with leaving_out(f"net/{part}" for part in self.left_out):
            self.body.build(self.width)
            for key in sorted(self.modalities):
                self.modalities[key].build()
            self.command_table.build((len(self.commands), self.width))

    @property
    def longest(self) -> int | None:
        """The number of positions that the body can tell apart; None where there is no end to them."""
        return self.body.longest

    def tensors(self) -> dict[str, np.ndarray]:
        """Every weight by path, for a checkpoint; the table of commands as one row a name."""
        return split_commands({weight.path: weight.numpy() for weight in self.weights}, self.commands)

    def restore(self, tensors: Mapping[str, np.ndarray]) -> None:
        """Take the weights that `tensors` names; what else it holds is left."""
        whole = join_commands(tensors, self.commands)
        for weight in self.weights:
            weight.assign(whole[weight.path])

    def adapted(self, path: str, value: np.ndarray) -> np.ndarray | None:
        """`value`, trained in a net of other sizes, as the weight at `path` here; None where it cannot be.

        Moments and averages of a weight are asked for by the weight's own path.
        """
        owner, _, name = path.rpartition("/")
        layers = [layer for layer in self._flatten_layers() if layer.path == owner and isinstance(layer, Layer)]
        return layers[0].adapted(name, value) if layers else None

    @property
    def parts(self) -> set[str]:
        """The name of every layer below net/, as the paths of weights begin with it."""
        return {layer.path.removeprefix("net/") for layer in self._flatten_layers(include_self=False)}

    def kind(self, problem: str) -> tuple[Any, ...]:
        """What problems share that share a compiled step: their ports; nothing where the body tells problems apart."""
        signature = self.signatures[problem]
        return signature.inputs, signature.targets, *([problem] if self.body.per_problem else [])

    def command(self, problem: str) -> int:
        """The row of the problem's command in the table of commands."""
        return self.commands.index(self.signatures[problem].command)

    def generates(self, problem: str) -> bool:
        """Whether targets are decoded position by position; otherwise a head reads the memory."""
        return self._targets(problem).autoregressive or self._writer(problem) is not None

    def encode(self, problem: str, inputs: Tensors | None, forward: Forward, rows: Any = None) -> Seq:
        """Inputs through their modality net and the encoder. Without inputs, `rows` says how many rows there are."""
        port = self.signatures[problem].inputs
        forward.problem = problem
        if port is None:
            source = Seq(ops.zeros((rows, 1, self.width), forward.dtype), ops.ones((rows, 1), "bool"))
        else:
            with keras.name_scope(port.key):
                source = self.modalities[port.key].bottom(inputs or {}, forward)
        with keras.name_scope("body"):
            return self.body.encode(source, forward)

    def predict(self, problem: str, features: Features, command: Any, forward: Forward) -> Seq:
        """What the target's modality net judges: the decoder's output with the true targets as previous outputs, or
        the memory itself. `command` is int32[], as `command()` gives it."""
        targets = features["targets"]
        rows = ops.shape(next(iter(targets.values())))[0]
        memory = self.encode(problem, features.get("inputs"), forward, rows)
        if not self._targets(problem).autoregressive:
            return memory
        with keras.name_scope(self._targets(problem).name):
            target = self._targets(problem).targets_bottom(targets, forward)
        first_B1D = ops.broadcast_to(ops.cast(self._first(command), forward.dtype), (rows, 1, self.width))
        shifted_BLD = ops.concatenate([first_B1D, target.values_BLD[:, :-1]], axis=1)
        with keras.name_scope("body"):
            return self.body.decode(memory, target.with_values(shifted_BLD), forward)

    def loss(self, problem: str, features: Features, command: Any, forward: Forward, smoothing: float) -> Loss:
        """The loss on a batch; balance penalties are left in `forward`."""
        predicted = self.predict(problem, features, command, forward)
        with keras.name_scope(self._targets(problem).name):
            return self._targets(problem).loss(predicted, features["targets"], smoothing)

    def judge(
        self, problem: str, features: Features, command: Any, forward: Forward | None = None
    ) -> tuple[Any, Any, Any]:
        """(logits float[B, T, V], labels int32[B, T], real bool[B, T]) with the true targets as previous outputs."""
        predicted = self.predict(problem, features, command, forward or Forward())
        return self.judged(problem, predicted, features["targets"]), *self._targets(problem).labels(features["targets"])

    def judged(self, problem: str, predicted: Seq, targets: Tensors) -> Any:
        """Logits float[B, T, V] of each target, from what `predict` gave."""
        return self._targets(problem).judged(predicted, targets)

    def classify(self, problem: str, memory: Seq) -> Any:
        """Logits float[B, C] of a problem that is not generated."""
        return self._targets(problem).top(memory)[:, 0]

    def start(self, problem: str, memory: Seq, positions: int) -> State:
        """The body's state for generating up to `positions` positions for each row of `memory`."""
        self.body.problem = problem
        writer = self._writer(problem)
        return self.body.start(memory, positions) if writer is None else writer.start(memory, positions, 1)

    def start_beams(self, problem: str, memory: Seq, positions: int, beams: int) -> State:
        """The same for `beams` rows that read the first row of `memory`, then as many that read the second, and on."""
        self.body.problem = problem
        writer = self._writer(problem)
        return (self.body.start_beams if writer is None else writer.start)(memory, positions, beams)

    def first(self, problem: str, rows: int) -> Any:
        """float[B, 1, D]: the problem's command token. For a Writer, which takes ids as they are, 0 in int32[B, 1]."""
        if self._writer(problem) is not None:
            return ops.zeros((rows, 1), "int32")
        return ops.broadcast_to(self._first(self.command(problem)), (rows, 1, self.width))

    def embed(self, problem: str, ids_B1: Any) -> Any:
        """float[B, 1, D]: the previous outputs int32[B, 1]; these themselves for a Writer."""
        if self._writer(problem) is not None:
            return ids_B1
        lengths_B = ops.ones(ops.shape(ids_B1)[:1], "int32")
        return self._targets(problem).targets_bottom({"ids": ids_B1, "lengths": lengths_B}, Forward()).values_BLD

    def step(self, problem: str, state: State, x_B1D: Any) -> tuple[Any, State]:
        """One position further: (logits float[B, V], next state)."""
        self.body.problem = problem
        if (writer := self._writer(problem)) is not None:
            return writer.step(state, x_B1D)
        y_B1D, state = self.body.step(state, x_B1D)
        real_B1 = ops.ones(ops.shape(y_B1D)[:2], "bool")
        return self._targets(problem).top(Seq(y_B1D, real_B1))[:, 0], state

    def select(self, problem: str, state: State, rows_B: Any) -> State:
        """The state, from `start_beams`, in which row b goes on from row rows_B[b], which reads the same memory."""
        return (self._writer(problem) or self.body).select(state, rows_B)

    def _targets(self, problem: str) -> Modality:
        return self.modalities[self.signatures[problem].targets.key]

    def _writer(self, problem: str) -> Writer | None:
        """The targets' net if it writes past the body's decoder."""
        targets = self._targets(problem)
        return targets if isinstance(targets, Writer) else None

    def _first(self, command: Any) -> Any:
        return self.command_table(ops.reshape(command, (1, 1))) * self.width**0.5


def split_commands(tensors: Mapping[str, np.ndarray], commands: Sequence[str]) -> dict[str, np.ndarray]:
    """`tensors` with the table of commands (and what belongs to it) as one entry a command, by the command's name."""
    result = {}
    for path, value in tensors.items():
        if path.startswith(COMMANDS):
            for row, command in enumerate(commands):
                result[path.replace(COMMANDS, f"net/commands/{command}")] = value[row]
        else:
            result[path] = value
    return result


def join_commands(tensors: Mapping[str, np.ndarray], commands: Sequence[str]) -> dict[str, np.ndarray]:
    """The reverse of `split_commands`."""
    result: dict[str, np.ndarray] = {}
    tables: dict[str, dict[str, np.ndarray]] = {}
    for path, value in tensors.items():
        table, _, rest = path.removeprefix("net/commands/").partition("/")
        if path.startswith("net/commands/"):
            tables.setdefault(f"{COMMANDS}/{rest}".rstrip("/"), {})[table] = value
        else:
            result[path] = value
    return result | {path: np.stack([rows[command] for command in commands]) for path, rows in tables.items()}
