"""Modality nets around one body: the model of all problems at once."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import keras
import numpy as np
from keras import ops

from t2t_mm.errors import UserError
from t2t_mm.feature import Signature
from t2t_mm.hparam_set import HparamSet
from t2t_mm.layers.forward import Forward
from t2t_mm.layers.layer import Layer, without_weights
from t2t_mm.layers.sequence import Seq
from t2t_mm.modalities.base import AutoregressiveTargetNet, Loss, SelfDecodingNet, TargetNet, Tensors
from t2t_mm.modalities.text import Table
from t2t_mm.models.body import State
from t2t_mm.models.ports import check_nets, check_ports, goes_through_decoder, net_name
from t2t_mm.registry import MODALITIES, MODELS

Features = Mapping[str, Tensors]  # a batch: "inputs" and "targets"
COMMANDS = "net/commands/rows"  # the path of the one weight whose rows have names


class Net(Layer):
    """The model of all problems: modality nets, the body and the table of commands.

    Equal ports share one modality net. A problem's command is a number that its batch carries (`command`), so that
    problems of one kind (`kind`) share one compiled step.

    `left_out` names layers without the root, such as "body/decoder", for which no weights are made, since no problem of
    the net reads them.

    Raises UserError for a problem that the model cannot learn with these hparams.
    """

    def __init__(self, signatures: Mapping[str, Signature], hparams: HparamSet, left_out: Iterable[str] = ()) -> None:
        super().__init__(name="net")
        self.signatures, self.hparams = dict(signatures), hparams
        self.left_out = tuple(left_out)
        self.width = hparams.body.hidden_size
        self.commands = sorted({signature.command for signature in signatures.values()})
        self.body, self.modalities = body_and_modality_nets(signatures, hparams)
        self.command_table = Table(name="commands")

    def build(self) -> None:
        """Make all weights. Their paths consist of names only, so they do not depend on the order of problems."""
        with without_weights(f"net/{part}" for part in self.left_out):
            self.body.build(self.width)
            for key in sorted(self.modalities):
                self.modalities[key].build()
            self.command_table.build((len(self.commands), self.width))

    @property
    def longest(self) -> int | None:
        """The number of positions that the body can tell apart; None if there is no limit."""
        return self.body.longest

    def tensors(self) -> dict[str, np.ndarray]:
        """Return every weight by path, for a checkpoint; each row of the table of commands is an entry of its own."""
        return split_commands({weight.path: weight.numpy() for weight in self.weights}, self.commands)

    def restore(self, tensors: Mapping[str, np.ndarray]) -> None:
        """Assign all weights from `tensors`, by path. Other entries of `tensors` are ignored."""
        by_path = join_commands(tensors, self.commands)
        for weight in self.weights:
            weight.assign(by_path[weight.path])

    def adapted(self, path: str, value: np.ndarray) -> np.ndarray | None:
        """Return `value`, trained in a net of other sizes, resized to the weight at `path`; None if that is impossible.

        For the moments and averages of a weight, pass the weight's own path.
        """
        owner, _, name = path.rpartition("/")
        layers = [layer for layer in self._flatten_layers() if layer.path == owner and isinstance(layer, Layer)]
        return layers[0].adapted(name, value) if layers else None

    @property
    def parts(self) -> set[str]:
        """The path of every layer below net/, as the paths of weights begin with it."""
        return {layer.path.removeprefix("net/") for layer in self._flatten_layers(include_self=False)}

    def kind(self, problem: str) -> tuple[Any, ...]:
        """Return a key: problems with equal keys share a compiled step. It is the problem's ports.

        If the body keeps something for each problem (`per_problem`), the key holds the problem's name too.
        """
        signature = self.signatures[problem]
        return signature.inputs, signature.targets, *([problem] if self.body.per_problem else [])

    def command(self, problem: str) -> int:
        """Return the row of the problem's command in the table of commands."""
        return self.commands.index(self.signatures[problem].command)

    def generates(self, problem: str) -> bool:
        """Return True if targets are decoded position by position, False if a head reads the memory."""
        return goes_through_decoder(self._targets(problem)) or self._self_decoding(problem) is not None

    def encode(self, problem: str, inputs: Tensors | None, forward: Forward, rows: Any = None) -> Seq:
        """Return the memory of a batch of inputs. For a problem without inputs, `rows` is the number of rows."""
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
        """Return the vectors that the target net predicts from: the decoder's teacher-forced output, or the memory.

        `command` is int32[], as `command()` gives it.
        """
        targets = features["targets"]
        rows = ops.shape(next(iter(targets.values())))[0]
        memory = self.encode(problem, features.get("inputs"), forward, rows)
        if not goes_through_decoder(self._targets(problem)):
            return memory
        target_net = self._autoregressive(problem)
        with keras.name_scope(target_net.name):
            target = target_net.targets_bottom(targets, forward)
        first_B1D = ops.broadcast_to(ops.cast(self._first(command), forward.dtype), (rows, 1, self.width))
        shifted_BLD = ops.concatenate([first_B1D, target.values_BLD[:, :-1]], axis=1)
        with keras.name_scope("body"):
            return self.body.decode(memory, target.with_values(shifted_BLD), forward)

    def loss(self, problem: str, features: Features, command: Any, forward: Forward, smoothing: float) -> Loss:
        """Return the loss on a batch. The load-balancing penalties of experts are left in `forward`."""
        predicted = self.predict(problem, features, command, forward)
        with keras.name_scope(self._targets(problem).name):
            return self._targets(problem).loss(predicted, features["targets"], smoothing)

    def teacher_forced(
        self, problem: str, features: Features, command: Any, forward: Forward | None = None
    ) -> tuple[Any, Any, Any]:
        """Return (logits float[B, T, V], labels int32[B, T], real bool[B, T]), the true targets as previous outputs."""
        predicted = self.predict(problem, features, command, forward or Forward())
        targets = features["targets"]
        return self.target_logits(problem, predicted, targets), *self._targets(problem).labels(targets)

    def target_logits(self, problem: str, predicted: Seq, targets: Tensors) -> Any:
        """Return logits float[B, T, V] of each target from the vectors that `predict` returns."""
        return self._targets(problem).target_logits(predicted, targets)

    def classify(self, problem: str, memory: Seq) -> Any:
        """Return logits float[B, C] of a problem that is not generated."""
        return self._targets(problem).top(memory)[:, 0]

    def start(self, problem: str, memory: Seq, positions: int) -> State:
        """Return the first state for generating up to `positions` positions for each row of `memory`."""
        self.body.problem = problem
        decoding = self._self_decoding(problem)
        return self.body.start(memory, positions) if decoding is None else decoding.start(memory, positions, 1)

    def start_beams(self, problem: str, memory: Seq, positions: int, beams: int) -> State:
        """Return the first state of a beam search: `beams` rows for the memory's first row, then for its second, ..."""
        self.body.problem = problem
        decoding = self._self_decoding(problem)
        return (self.body.start_beams if decoding is None else decoding.start)(memory, positions, beams)

    def first(self, problem: str, rows: int) -> Any:
        """Return the input of the first step: the embedded command token float[B, 1, D].

        For a SelfDecodingNet, which takes ids, it is int32[B, 1] of zeros.
        """
        if self._self_decoding(problem) is not None:
            return ops.zeros((rows, 1), "int32")
        return ops.broadcast_to(self._first(self.command(problem)), (rows, 1, self.width))

    def embed(self, problem: str, ids_B1: Any) -> Any:
        """Return the input of the next step, float[B, 1, D]: the embedded previous outputs `ids_B1`, int32[B, 1].

        For a SelfDecodingNet, which takes ids, it is `ids_B1`.
        """
        if self._self_decoding(problem) is not None:
            return ids_B1
        arrays = {"ids": ids_B1, "lengths": ops.ones(ops.shape(ids_B1)[:1], "int32")}
        return self._autoregressive(problem).targets_bottom(arrays, Forward()).values_BLD

    def step(self, problem: str, state: State, x_B1D: Any) -> tuple[Any, State]:
        """Return (logits float[B, V], next state) from the output of `first` or `embed`."""
        self.body.problem = problem
        if (decoding := self._self_decoding(problem)) is not None:
            return decoding.step(state, x_B1D)
        y_B1D, state = self.body.step(state, x_B1D)
        real_B1 = ops.ones(ops.shape(y_B1D)[:2], "bool")
        return self._targets(problem).top(Seq(y_B1D, real_B1))[:, 0], state

    def select(self, problem: str, state: State, rows_B: Any) -> State:
        """Return the state in which row b continues row rows_B[b], which reads the same row of the memory.

        `state` comes from `start_beams`, by any number of steps and selections.
        """
        return (self._self_decoding(problem) or self.body).select(state, rows_B)

    def _targets(self, problem: str) -> TargetNet:
        targets: TargetNet = self.modalities[self.signatures[problem].targets.key]
        return targets

    def _autoregressive(self, problem: str) -> AutoregressiveTargetNet:
        targets: AutoregressiveTargetNet = self.modalities[self.signatures[problem].targets.key]
        return targets

    def _self_decoding(self, problem: str) -> SelfDecodingNet | None:
        """Return the targets' net if it decodes from the memory by itself, without the body's decoder."""
        targets = self._targets(problem)
        return targets if isinstance(targets, SelfDecodingNet) else None

    def _first(self, command: Any) -> Any:
        return self.command_table(ops.reshape(command, (1, 1))) * self.width**0.5

    def objective(
        self, problem: str, features: Features, command: Any, forward: Forward, multiplier: Any, smoothing: float
    ) -> tuple[Any, Any]:
        """Return what training minimises, float32[], and the nats per target token, float32[], of a batch.

        The objective is `multiplier` times the mean loss of a target token, plus the penalties that layers left in
        `forward`. Of several replicas each returns its part: the parts add up to the values of the whole batch.
        """
        if forward.dtype == "float32":
            loss = self.loss(problem, features, command, forward, smoothing)
        else:
            low = Autocast(dtype=f"mixed_{forward.dtype}")
            loss = low(function=partial(self.loss, problem, features, command, forward, smoothing))
        count = ops.maximum(forward.replicas.total(loss.count), 1.0)
        penalties = sum(forward.penalties.values()) / forward.replicas.count
        return multiplier * loss.objective / count + penalties, loss.nats / count


def body_and_modality_nets(signatures: Mapping[str, Signature], hparams: HparamSet) -> tuple[Any, dict[str, Any]]:
    """Return the body, and the modality nets by the key of their port, all without weights.

    Raises UserError for a problem that the model cannot learn with these hparams.
    """
    if slashed := [signature.command for signature in signatures.values() if "/" in signature.command]:
        raise UserError(
            f"A problem's command must not contain '/', which separates the parts of weight paths. "
            f"Received: {slashed[0]!r}."
        )
    check_ports(hparams.model, signatures)
    body = MODELS[hparams.model](hparams.body, name="body")
    body.problems = tuple(sorted(signatures))
    for problem, signature in signatures.items():
        if reason := body.lacks(signature):
            raise UserError(f"The model {hparams.model} cannot learn {problem} with these hparams: {reason}")
    nets: dict[str, Any] = {}
    for problem, signature in signatures.items():
        for port in (signature.inputs, signature.targets):
            if port is not None and port.key not in nets:
                net_class = MODALITIES[net_name(hparams.model, port.modality)]
                nets[port.key] = net_class(port, hparams.body.hidden_size, hparams, name=port.key)
        inputs = None if signature.inputs is None else nets[signature.inputs.key]
        check_nets(hparams.model, body, problem, inputs, nets[signature.targets.key])
    return body, nets


class Autocast(keras.layers.Layer):
    """Calls a function in which weights read as the layer's type, but for those made with `autocast=False`.

    The weights themselves and their gradients stay as they are. This is what Keras does around a layer's `call`.
    """

    def call(self, *, function: Callable[[], Any]) -> Any:
        return function()


def split_commands(tensors: Mapping[str, np.ndarray], commands: Sequence[str]) -> dict[str, np.ndarray]:
    """Return `tensors` with each row of the table of commands, and of its moments, under the name of its command."""
    result = {}
    for path, value in tensors.items():
        if path.startswith(COMMANDS):
            for row, command in enumerate(commands):
                result[path.replace(COMMANDS, f"net/commands/{command}")] = value[row]
        else:
            result[path] = value
    return result


def join_commands(tensors: Mapping[str, np.ndarray], commands: Sequence[str]) -> dict[str, np.ndarray]:
    """Return `tensors` with the entries of `split_commands` joined to one table; its rows are ordered as `commands`."""
    result: dict[str, np.ndarray] = {}
    tables: dict[str, dict[str, np.ndarray]] = {}
    for path, value in tensors.items():
        table, _, rest = path.removeprefix("net/commands/").partition("/")
        if path.startswith("net/commands/"):
            tables.setdefault(f"{COMMANDS}/{rest}".rstrip("/"), {})[table] = value
        else:
            result[path] = value
    return result | {path: np.stack([rows[command] for command in commands]) for path, rows in tables.items()}
