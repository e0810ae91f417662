"""Activations of a net on one example, and the load of its experts, as arrays; the images are drawn elsewhere.

B rows, T target positions, S source positions, V symbols or classes, E experts, J layers, K depths.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from t2t_mm.data.input.batch import Batch
from t2t_mm.data.input.batches import Batches
from t2t_mm.data.input.generated_problem import GeneratedProblem
from t2t_mm.data.vocabulary import EOS, PAD
from t2t_mm.decoding.compiled import every_shape_is_compiled, for_all_shapes
from t2t_mm.evaluation.fixed_example import FixedExample
from t2t_mm.feature import Arrays, ArraySpec
from t2t_mm.hparam_set import DataHparams
from t2t_mm.layers.forward import Forward, Watched
from t2t_mm.models.net import Net
from t2t_mm.problem import DEV

BATCHES = 2  # dev batches on which the load of the experts is counted: thousands of choices
LENGTH_FACTOR = 1.5  # an output has at most so many times the ids of the reference,
EXTRA = 8  # plus so many


@dataclass(frozen=True)
class GreedyOutput:
    """The output of greedy decoding, and its attention to the source."""

    ids_T: np.ndarray  # int32, up to and including the end symbol, or up to the greatest length
    attention: Mapping[str, np.ndarray]  # by layer, float32[T, S]: a row sums to 1

    @property
    def complete(self) -> bool:
        """True if the output ends in the end symbol."""
        return bool(self.ids_T[-1] == EOS)


@dataclass(frozen=True)
class ExpertShares:
    """Load and importance of each expert, by layer, float[E]: sums, or shares of the total."""

    load: Mapping[str, np.ndarray]  # how often an expert was chosen
    importance: Mapping[str, np.ndarray]  # the sum of its gate values


class ActivationReader:
    """Reader of a net's activations with its current weights.

    Everything here uses one plain graph per kind of problem, which is not compiled again for new batch shapes. Decoding
    reads all of the output so far again for each id: for the few ids of one example this is quicker than compiling a
    decoding step.
    """

    def __init__(self, net: Net, hparams: DataHparams) -> None:
        self._net, self.hparams = net, hparams
        self._compiled: dict[Any, Callable[..., Any]] = {}

    def generates(self, ready: GeneratedProblem) -> bool:
        """Return True if the target is generated id by id; otherwise it is a class."""
        return self._net.generates(ready.name)

    def greedy_output(self, ready: GeneratedProblem, example: FixedExample) -> GreedyOutput:
        """Return the greedy output for an example whose target is generated id by id."""
        target, stored = ready.codecs["targets"], example.stored["targets"]
        longest = int(LENGTH_FACTOR * target.length(stored)) + EXTRA
        longest = min(longest, self._net.longest or longest)
        inputs = self._inputs(ready, example)
        ids: list[int] = []
        while True:
            so_far = np.array([*ids, PAD], np.int32)  # the pad takes the place of the next id: nothing reads it
            length = longest if every_shape_is_compiled() else len(so_far)
            features = {**inputs, "targets": target.batch([so_far], 1, length)}
            logits_1V, watched = self._read(ready, features, last=len(ids))
            ids.append(PAD + 1 + int(np.argmax(logits_1V[0, PAD + 1 :])))
            if ids[-1] == EOS or len(ids) == longest:
                attention = {layer: weights_1TS[0, : len(ids)] for layer, weights_1TS in watched.attention.items()}
                return GreedyOutput(np.array(ids, np.int32), attention)

    def probabilities(self, ready: GeneratedProblem, example: FixedExample) -> np.ndarray:
        """Return the probability of each class, float32[V], for an example whose target is a class."""
        logits_V = self._read(ready, self._class_of_one(ready, example))[0][0]
        weights_V = np.exp(logits_V - logits_V.max())
        return weights_V / weights_V.sum()

    def ordering(self, ready: GeneratedProblem, example: FixedExample) -> dict[str, np.ndarray]:
        """Return, by body, the share of each layer at each depth, float32[J, K], for a body with soft ordering."""
        return dict(self._read(ready, self._class_of_one(ready, example))[1].ordering)

    def expert_shares(self, ready: GeneratedProblem) -> ExpertShares:
        """Return each expert's share of the load and importance of the positions of dev batches, padding left out."""
        dev = Batches(ready, DEV, self.hparams, seed=0, training=False)
        sums = self._sums(ready, (dev.batch(position) for position in range(min(BATCHES, len(dev)))))
        return ExpertShares(_shares(sums.load), _shares(sums.importance))

    def choices(self, ready: GeneratedProblem, batches: Iterable[Batch]) -> Mapping[str, np.ndarray]:
        """Return, by layer, how often each expert was chosen in all `batches`, float64[E]; padding does not count."""
        return self._sums(ready, batches).load

    def _sums(self, ready: GeneratedProblem, batches: Iterable[Batch]) -> ExpertShares:
        load: dict[str, np.ndarray] = {}
        importance: dict[str, np.ndarray] = {}
        for batch in batches:
            _, watched = self._read(ready, batch.arrays)
            for total, of_batch in ((load, watched.load), (importance, watched.importance)):
                for layer, more_E in of_batch.items():
                    total[layer] = total.get(layer, 0.0) + more_E.astype(np.float64)
        return ExpertShares(load, importance)

    def _class_of_one(self, ready: GeneratedProblem, example: FixedExample) -> dict[str, Arrays]:
        """Return the example, whose target is a class, as a batch of one row."""
        target, stored = ready.codecs["targets"], example.stored["targets"]
        value = target.load(stored, self.hparams, None)
        return {**self._inputs(ready, example), "targets": target.batch([value], 1, target.length(stored))}

    def _inputs(self, ready: GeneratedProblem, example: FixedExample) -> dict[str, Arrays]:
        """Return the example's input as a batch of one row without padding; an empty dictionary without an input."""
        if "inputs" not in ready.codecs:
            return {}
        codec, stored = ready.codecs["inputs"], example.stored["inputs"]
        return {"inputs": codec.batch([codec.load(stored, self.hparams, None)], 1, codec.length(stored))}

    def _read(
        self, ready: GeneratedProblem, features: Mapping[str, Arrays], last: int = 0
    ) -> tuple[np.ndarray, Watched]:
        """Return the logits at target position `last`, float32[B, V], and what layers recorded, by short names."""
        name, kind = ready.name, self._net.kind(ready.name)
        if kind not in self._compiled:
            specs = _flat({feature: codec.spec(self.hparams) for feature, codec in ready.codecs.items()})
            specs |= {"command": ArraySpec("int32", ()), "last": ArraySpec("int32", ())}
            self._compiled[kind] = for_all_shapes(self._watch(name), self._net.variables, specs)
        arrays = _flat(features) | {"command": np.int32(self._net.command(name)), "last": np.int32(last)}
        logits_BV, *recorded = self._compiled[kind](arrays)
        return ops.convert_to_numpy(logits_BV), Watched(*map(_named, recorded))

    def _watch(self, problem: str) -> Callable[[Mapping[str, Any]], Any]:
        net = self._net

        def watch(arrays: Mapping[str, Any]) -> Any:
            features: dict[str, dict[str, Any]] = {}
            for name, array in arrays.items():
                feature, _, part = name.partition("/")
                if part:
                    features.setdefault(feature, {})[part] = array
            watched = Watched()
            judged = net.predict(problem, features, arrays["command"], Forward(watched=watched))
            if net.generates(problem):
                at_1 = ops.reshape(arrays["last"], (1,))
                logits_BV = ops.take(net.target_logits(problem, judged, features["targets"]), at_1, axis=1)[:, 0]
            else:
                logits_BV = net.classify(problem, judged)
            recorded = watched.attention, watched.load, watched.ordering, watched.importance
            return ops.cast(logits_BV, "float32"), *recorded

        return watch


def _shares(totals: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {layer: total_E / max(float(total_E.sum()), 1.0) for layer, total_E in totals.items()}


def _flat(features: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return one dictionary with names like "inputs/ids"."""
    return {f"{feature}/{name}": item for feature, items in features.items() for name, item in items.items()}


def _named(tensors: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return the tensors as arrays, by the layer's path within the body."""
    return {path.removeprefix("net/body/"): ops.convert_to_numpy(tensor) for path, tensor in tensors.items()}
