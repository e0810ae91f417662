"""The compiled steps: one for each kind of problem, shared by the problems of that kind.

A kind is a pair of ports. The command token is data; whether a step serves every shape of batch is the backend's
matter: step_tensorflow.py, step_jax.py.
"""

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from t2t_mm.data.batch import Batch
from t2t_mm.errors import UserError
from t2t_mm.hparam_set import TrainingHparams
from t2t_mm.models.net import Net
from t2t_mm.train.compiler import Compiler, Specs
from t2t_mm.train.optimiser import Adam


@dataclass(frozen=True)
class Stepped:
    """What a training step says, each a tensor of float32; asking for a value may wait until the step is done."""

    nats: Any  # [], nats per target token, unsmoothed and without penalties
    gradient_norm: Any  # [], global, before clipping
    reports: dict[str, Any]  # what layers report, by path: overflow and importance of experts


class Steps:
    """Training and evaluation steps of every problem of a net."""

    def __init__(
        self, net: Net, optimiser: Adam, specs: Mapping[str, Specs], hparams: TrainingHparams, seed: int
    ) -> None:
        """Raises UserError for a backend that trains nothing."""
        self._net, self._specs, self._seed = net, specs, seed
        self._compiler = _compiler()(net, optimiser, hparams)
        self._compiled: dict[Any, Callable[..., Any]] = {}

    def train(self, batch: Batch, step: int, rate: float, multiplier: float) -> Stepped:
        """One update on `batch` at the learning rate `rate`; the problem's loss counts `multiplier` times."""
        name = batch.problem
        run = self._once(("train", self._net.kind(name)), lambda: self._compiler.train(name, self._specs[name]))
        noise_seed = zlib.crc32(f"{self._seed} step {step}".encode())
        command = np.int32(self._net.command(name))
        return Stepped(*run(batch.arrays, command, np.float32(rate), np.float32(multiplier), np.uint32(noise_seed)))

    def judge(self, batch: Batch, metrics: Sequence[str]) -> dict[str, np.ndarray]:
        """The sums of each of `metrics` for every example of `batch`, float32[examples, sums]."""
        name = batch.problem
        key = ("judge", self._net.kind(name), *metrics)
        run = self._once(key, lambda: self._compiler.judge(name, metrics, self._specs[name]))
        sums = run(batch.arrays, np.int32(self._net.command(name)))
        return {metric: ops.convert_to_numpy(sums_BK)[: len(batch.ids)] for metric, sums_BK in sums.items()}

    @property
    def traced(self) -> int:
        """How many steps were traced so far."""
        return self._compiler.traced

    def _once(self, key: Any, compile: Callable[[], Callable[..., Any]]) -> Callable[..., Any]:
        if key not in self._compiled:
            self._compiled[key] = compile()
        return self._compiled[key]


def _compiler() -> type[Compiler]:
    """Imports the one library that the backend needs."""
    match keras.backend.backend():
        case "tensorflow":
            from t2t_mm.train.step_tensorflow import TensorFlowCompiler

            return TensorFlowCompiler
        case "jax":
            from t2t_mm.train.step_jax import JaxCompiler

            return JaxCompiler
        case other:
            raise UserError(
                f"Training runs on Keras' TensorFlow or JAX backend. Received: KERAS_BACKEND={other}; "
                "set KERAS_BACKEND=tensorflow (or leave it unset) or KERAS_BACKEND=jax."
            )
