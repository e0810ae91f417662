"""Batches judged by a net that is not in training, so that no optimizer's slots take room."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from keras import ops

from t2t_mm.data.input.batch import Batch
from t2t_mm.decoding.compiled import for_all_shapes
from t2t_mm.feature import ArraySpec, Codec
from t2t_mm.hparam_set import DataHparams
from t2t_mm.metrics.on_logits import METRICS
from t2t_mm.models.net import Net

COMMAND = "command"


class EvaluatesBatches(Protocol):
    """What evaluation asks of whatever judges: a `BatchEvaluator`, or the steps of a net in training."""

    def judge(self, batch: Batch, metrics: Sequence[str]) -> dict[str, np.ndarray]:
        """The sums of each of `metrics` for every example of `batch`, float32[examples, sums]."""


class BatchEvaluator:
    """Judges batches with the right past given. A kind of problem is compiled once, as in training."""

    def __init__(self, net: Net, codecs: Mapping[str, Mapping[str, Codec]], hparams: DataHparams) -> None:
        """`codecs` are by problem, then by feature."""
        self._net, self._codecs, self._hparams = net, codecs, hparams
        self._compiled: dict[Any, Callable[..., Any]] = {}

    def judge(self, batch: Batch, metrics: Sequence[str]) -> dict[str, np.ndarray]:
        name = batch.problem
        key = (self._net.kind(name), *metrics)
        if key not in self._compiled:
            self._compiled[key] = self._compile(name, metrics)
        sums = self._compiled[key](_flat(batch.arrays) | {COMMAND: np.int32(self._net.command(name))})
        return {metric: ops.convert_to_numpy(sums_BK)[: len(batch.ids)] for metric, sums_BK in sums.items()}

    def _compile(self, problem: str, metrics: Sequence[str]) -> Callable[..., Any]:
        specs = {feature: codec.spec(self._hparams) for feature, codec in self._codecs[problem].items()}

        def sums(flat: Mapping[str, Any]) -> dict[str, Any]:
            features = {name: {array: flat[f"{name}/{array}"] for array in found} for name, found in specs.items()}
            logits_BTV, labels_BT, real_BT = self._net.judge(problem, features, flat[COMMAND])
            return {metric: METRICS[metric].sums(logits_BTV, labels_BT, real_BT) for metric in metrics}

        return for_all_shapes(sums, self._net.variables, _flat(specs) | {COMMAND: ArraySpec("int32", ())})


def _flat(features: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What each array of each feature has, by "feature/array"."""
    return {f"{feature}/{array}": one for feature, found in features.items() for array, one in found.items()}
