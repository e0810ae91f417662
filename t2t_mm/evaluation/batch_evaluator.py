"""Evaluate batches by a net without an optimizer, whose slots would take memory."""

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
    """Interface of an evaluator of batches: a `BatchEvaluator`, or the steps of a net in training."""

    def evaluate_batch(self, batch: Batch, metrics: Sequence[str]) -> dict[str, np.ndarray]:
        """Return the sums of each of `metrics` for every example of `batch`, float32[examples, sums]."""


class BatchEvaluator:
    """Teacher-forced evaluator of batches. Each kind of problem is compiled once, as in training."""

    def __init__(self, net: Net, codecs: Mapping[str, Mapping[str, Codec]], hparams: DataHparams) -> None:
        """Evaluate batches by `net`; `codecs` are by problem, then by feature."""
        self._net, self._codecs, self._hparams = net, codecs, hparams
        self._compiled: dict[Any, Callable[..., Any]] = {}

    def evaluate_batch(self, batch: Batch, metrics: Sequence[str]) -> dict[str, np.ndarray]:
        name = batch.problem
        key = (self._net.kind(name), *metrics)
        if key not in self._compiled:
            self._compiled[key] = self._compile(name, metrics)
        sums = self._compiled[key](_flat(batch.arrays) | {COMMAND: np.int32(self._net.command(name))})
        return {metric: ops.convert_to_numpy(sums_BK)[: len(batch.ids)] for metric, sums_BK in sums.items()}

    def _compile(self, problem: str, metrics: Sequence[str]) -> Callable[..., Any]:
        specs = {feature: codec.spec(self._hparams) for feature, codec in self._codecs[problem].items()}

        def sums(flat: Mapping[str, Any]) -> dict[str, Any]:
            features = {name: {array: flat[f"{name}/{array}"] for array in arrays} for name, arrays in specs.items()}
            logits_BTV, labels_BT, real_BT = self._net.teacher_forced(problem, features, flat[COMMAND])
            return {metric: METRICS[metric].sums(logits_BTV, labels_BT, real_BT) for metric in metrics}

        return for_all_shapes(sums, self._net.variables, _flat(specs) | {COMMAND: ArraySpec("int32", ())})


def _flat(features: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return one dictionary with keys like "feature/array"."""
    return {f"{feature}/{array}": value for feature, arrays in features.items() for array, value in arrays.items()}
