"""The state of one forward pass: training mode, random numbers, and the side outputs of layers.

Random numbers are a function of (seed of the step, layer path, element). So there is no generator state to save, and a
repeated step repeats its noise. An integer hash is as fast as the stateless generators on TensorFlow's CPU kernels and
150 times faster than Keras' dropout under XLA, and it is the same on every backend.
"""

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from keras import ops

from t2t_mm.layers.replicas import ALONE, Replicas


class Noise:
    """The random numbers of one training step.

    With data parallel replicas, each replica draws for its rows the numbers that they would get in the full batch.
    """

    def __init__(self, seed: Any, rows: Any = None, before: Any = None) -> None:
        """
        Args:
            seed: uint32[], a number drawn from (run seed, step).
            rows: int32[], the rows of the batch on this replica; None for a batch that is not shared.
            before: int32[], the rows on replicas with a lower index; None for a batch that is not shared.
        """
        self.seed, self.rows, self.before = seed, rows, before

    def bits(self, shape: Any, path: str) -> Any:
        """Return uint32 of `shape`, each a hash of (seed, path, index).

        `shape` may contain tensors; its first axis is the rows of the batch.
        """
        count = 1
        for size in shape:
            count = count * size
        # lowbias32 (C. Wellons' search for low-bias integer hashes), applied to index and key.
        x = ops.cast(ops.arange(count, dtype="int32"), "uint32")
        if self.before is not None:
            x = x + ops.cast(self.before * (count // self.rows), "uint32")
        x = x * u32(0x9E3779B9) + mix(self.seed ^ u32(zlib.crc32(path.encode())))
        return ops.reshape(mix(x), shape)

    def kept(self, shape: Any, rate: float, path: str) -> Any:
        """Return bool of `shape`, True with probability 1 - rate, rounded to 1 / 65,536.

        Two adjacent elements of a row use the two halves of one hash.
        """
        row = 1
        for size in shape[1:]:
            row = row * size
        words = (row + 1) // 2
        halves = ops.view(self.bits((shape[0], words, 1), path), "uint16")
        drawn = ops.reshape(halves, (shape[0], 2 * words))[:, :row]
        return ops.reshape(drawn >= ops.convert_to_tensor(np.uint16(round(rate * 2**16))), shape)

    def uniform(self, shape: Any, path: str) -> Any:
        """Return float32 of `shape`, uniform in [0, 1)."""
        return ops.cast(ops.right_shift(self.bits(shape, path), u32(8)), "float32") * 2.0**-24

    def normal(self, shape: Any, path: str) -> Any:
        """Return float32 of `shape`, standard normal, by Box and Muller's transform."""
        radius = ops.sqrt(-2.0 * ops.log(1.0 - self.uniform(shape, path + "/radius")))
        return radius * ops.cos(2.0 * math.pi * self.uniform(shape, path + "/angle"))


@dataclass(frozen=True)
class Watched:
    """Values that layers record for display, by layer path."""

    attention: dict[str, Any] = field(default_factory=dict)  # float32[B, L, S]: target to source, mean over heads
    load: dict[str, Any] = field(default_factory=dict)  # float32[E]: choices of each expert by real tokens
    ordering: dict[str, Any] = field(default_factory=dict)  # float32[J, K]: the weight of layer j at depth k
    importance: dict[str, Any] = field(default_factory=dict)  # float32[E]: sum of the gates of real tokens


class Forward:
    """One forward pass. Layers read `noise` (None outside training) and write `penalties`, `reports` and `moved`.

    If `watched` is set, layers also record values for display; if it is None, nothing is computed for that. `dtype` is
    the type of activations: layers keep the type of their input, so it is chosen where values enter the net. Norms,
    gates, softmaxes and losses are float32.
    """

    def __init__(
        self,
        noise: Noise | None = None,
        watched: Watched | None = None,
        dtype: str = "float32",
        replicas: Replicas = ALONE,
        inner: Callable[..., Any] | None = None,
    ) -> None:
        """`inner` is set by a step compiler: it calls the functions that are passed to `once`."""
        self.noise, self.watched, self.dtype, self.replicas, self._inner = noise, watched, dtype, replicas, inner
        self.penalties: dict[str, Any] = {}  # by layer path: added to the objective, never to a reported loss
        self.reports: dict[str, Any] = {}  # by layer path: values for the log, such as the expert load
        self.moved: dict[str, Any] = {}  # by weight path: the next values of weights without gradients
        self.problem = ""  # the problem of the batch, for layers that keep statistics of each problem

    @property
    def training(self) -> bool:
        """True in a training step, when there is noise."""
        return self.noise is not None

    def once(self, part: Callable[..., Any], *tensors: Any) -> Any:
        """Return `part(*tensors, self)`, a tensor. A traced step traces `part` once for all calls of these types.

        `part` is a method of a layer. It depends only on the layer and its arguments, and writes only penalties and
        reports to the Forward that it receives. It accepts tensors of any shape with the same number of axes and the
        same last axis.
        """
        return part(*tensors, self) if self._inner is None else self._inner(part, tensors, self)


def u32(number: int) -> Any:
    """Return `number` as a constant uint32[]."""
    return ops.convert_to_tensor(np.uint32(number))


def mix(x: Any) -> Any:
    """Return the hash lowbias32 of `x`, uint32 of any shape: each output bit depends on each bit of `x`."""
    x = ops.bitwise_xor(x, ops.right_shift(x, u32(16))) * u32(0x7FEB352D)
    x = ops.bitwise_xor(x, ops.right_shift(x, u32(15))) * u32(0x846CA68B)
    return ops.bitwise_xor(x, ops.right_shift(x, u32(16)))
