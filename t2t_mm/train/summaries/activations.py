"""What the net does on one example and with its experts, as arrays: nothing is drawn here.

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

BATCHES = 2  # of the dev set, in which the experts' loads are counted: thousands of choices
ROOM = 1.5  # an output may have so many times the ids of the right answer,
EXTRA = 8  # and so many more


@dataclass(frozen=True)
class Written:
    """What the net wrote, greedily, and where it looked meanwhile."""

    ids_T: np.ndarray  # int32, up to and with its end, or as many as there was room for
    attention: Mapping[str, np.ndarray]  # by layer, float32[T, S]: a row sums to 1

    @property
    def whole(self) -> bool:
        """Whether it came to an end."""
        return bool(self.ids_T[-1] == EOS)


@dataclass(frozen=True)
class Work:
    """What each expert got, by layer, float[E]: sums, or shares of all there was."""

    load: Mapping[str, np.ndarray]  # of the choices
    importance: Mapping[str, np.ndarray]  # of the gates' weight


class ActivationReader:
    """Looks at a net with the weights as they stand.

    One plain graph for each kind of problem, which no batch shape compiles anew, serves everything here: decoding with
    the whole output so far read again for every id is quicker than compiling a step for the few ids of one example.
    """

    def __init__(self, net: Net, hparams: DataHparams) -> None:
        self._net, self.hparams = net, hparams
        self._compiled: dict[Any, Callable[..., Any]] = {}

    def generates(self, ready: GeneratedProblem) -> bool:
        """Whether the target is written id by id; otherwise it is a class."""
        return self._net.generates(ready.name)

    def written(self, ready: GeneratedProblem, example: FixedExample) -> Written:
        """What the net makes of an example whose target is written id by id."""
        target, stored = ready.codecs["targets"], example.stored["targets"]
        room = int(ROOM * target.length(stored)) + EXTRA
        room = min(room, self._net.longest or room)
        inputs = self._inputs(ready, example)
        ids: list[int] = []
        while True:
            so_far = np.array([*ids, PAD], np.int32)  # the pad is where the next id will stand: nothing reads it
            length = room if every_shape_is_compiled() else len(so_far)
            features = {**inputs, "targets": target.batch([so_far], 1, length)}
            logits_1V, watched = self._see(ready, features, last=len(ids))
            ids.append(PAD + 1 + int(np.argmax(logits_1V[0, PAD + 1 :])))
            if ids[-1] == EOS or len(ids) == room:
                attention = {layer: weights_1TS[0, : len(ids)] for layer, weights_1TS in watched.attention.items()}
                return Written(np.array(ids, np.int32), attention)

    def probabilities(self, ready: GeneratedProblem, example: FixedExample) -> np.ndarray:
        """float32[V]: what the net thinks of each class, for an example whose target is a class."""
        logits_V = self._see(ready, self._class_of_one(ready, example))[0][0]
        weights_V = np.exp(logits_V - logits_V.max())
        return weights_V / weights_V.sum()

    def ordering(self, ready: GeneratedProblem, example: FixedExample) -> dict[str, np.ndarray]:
        """By body, float32[J, K]: what it takes of each layer at each depth, where that differs by problem."""
        return dict(self._see(ready, self._class_of_one(ready, example))[1].ordering)

    def work(self, ready: GeneratedProblem) -> Work:
        """How the work of real positions was shared among experts, on dev batches."""
        dev = Batches(ready, DEV, self.hparams, seed=0, training=False)
        sums = self._sums(ready, (dev.batch(position) for position in range(min(BATCHES, len(dev)))))
        return Work(_shares(sums.load), _shares(sums.importance))

    def choices(self, ready: GeneratedProblem, batches: Iterable[Batch]) -> Mapping[str, np.ndarray]:
        """By layer, float64[E]: how many choices of real positions fell on each expert in all `batches`."""
        return self._sums(ready, batches).load

    def _sums(self, ready: GeneratedProblem, batches: Iterable[Batch]) -> Work:
        load: dict[str, np.ndarray] = {}
        importance: dict[str, np.ndarray] = {}
        for batch in batches:
            _, watched = self._see(ready, batch.arrays)
            for total, found in ((load, watched.load), (importance, watched.importance)):
                for layer, more_E in found.items():
                    total[layer] = total.get(layer, 0.0) + more_E.astype(np.float64)
        return Work(load, importance)

    def _class_of_one(self, ready: GeneratedProblem, example: FixedExample) -> dict[str, Arrays]:
        """The example, whose target is a class, as a batch of one row."""
        target, stored = ready.codecs["targets"], example.stored["targets"]
        value = target.load(stored, self.hparams, None)
        return {**self._inputs(ready, example), "targets": target.batch([value], 1, target.length(stored))}

    def _inputs(self, ready: GeneratedProblem, example: FixedExample) -> dict[str, Arrays]:
        """The example's input as a batch of one row without padding; nothing where nothing is read."""
        if "inputs" not in ready.codecs:
            return {}
        codec, stored = ready.codecs["inputs"], example.stored["inputs"]
        return {"inputs": codec.batch([codec.load(stored, self.hparams, None)], 1, codec.length(stored))}

    def _see(
        self, ready: GeneratedProblem, features: Mapping[str, Arrays], last: int = 0
    ) -> tuple[np.ndarray, Watched]:
        """Logits float32[B, V] at target position `last`, and what layers left, as arrays and by short names."""
        name, kind = ready.name, self._net.kind(ready.name)
        if kind not in self._compiled:
            specs = _flat({feature: codec.spec(self.hparams) for feature, codec in ready.codecs.items()})
            specs |= {"command": ArraySpec("int32", ()), "last": ArraySpec("int32", ())}
            self._compiled[kind] = for_all_shapes(self._watch(name), self._net.variables, specs)
        arrays = _flat(features) | {"command": np.int32(self._net.command(name)), "last": np.int32(last)}
        logits_BV, *left = self._compiled[kind](arrays)
        return ops.convert_to_numpy(logits_BV), Watched(*map(_named, left))

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
                logits_BV = ops.take(net.judged(problem, judged, features["targets"]), at_1, axis=1)[:, 0]
            else:
                logits_BV = net.classify(problem, judged)
            left = watched.attention, watched.load, watched.ordering, watched.importance
            return ops.cast(logits_BV, "float32"), *left

        return watch


def _shares(totals: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {layer: total_E / max(float(total_E.sum()), 1.0) for layer, total_E in totals.items()}


def _flat(features: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """One dictionary, of names like "inputs/ids"."""
    return {f"{feature}/{name}": item for feature, items in features.items() for name, item in items.items()}


def _named(tensors: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """As arrays, by the layer's path within the body."""
    return {path.removeprefix("net/body/"): ops.convert_to_numpy(tensor) for path, tensor in tensors.items()}
