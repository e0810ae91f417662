"""One pass through the net: whether it trains, its randomness, and what layers say on the side.

Randomness is a function of (seed of the step, layer path, element): nothing random has a state that must be saved,
and a repeated step repeats its noise. An integer hash is as fast as the stateless generators on TensorFlow's CPU
kernels and 150 times faster than Keras' dropout under XLA, and it is the same on every backend.
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
    """Random numbers for one training step.

    Where replicas share a batch, each draws what its rows would get if they stood in the whole of it.
    """

    def __init__(self, seed: Any, rows: Any = None, before: Any = None) -> None:
        """
        Args:
            seed: uint32[], a number drawn from (run seed, step).
            rows: int32[], those of the batch here, and
            before: int32[], those that other replicas have in front of them; None for a batch that is not shared.
        """
        self.seed, self.rows, self.before = seed, rows, before

    def bits(self, shape: Any, path: str) -> Any:
        """uint32 of `shape`, each well mixed from (seed, path, index). `shape` may hold tensors; rows come first."""
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
        """bool of `shape`, True with probability 1 - rate, to 1 / 65,536: a hash serves two neighbours in a row."""
        row = 1
        for size in shape[1:]:
            row = row * size
        words = (row + 1) // 2
        halves = ops.view(self.bits((shape[0], words, 1), path), "uint16")
        drawn = ops.reshape(halves, (shape[0], 2 * words))[:, :row]
        return ops.reshape(drawn >= ops.convert_to_tensor(np.uint16(round(rate * 2**16))), shape)

    def uniform(self, shape: Any, path: str) -> Any:
        """float32 in [0, 1) of `shape`."""
        return ops.cast(ops.right_shift(self.bits(shape, path), u32(8)), "float32") * 2.0**-24

    def normal(self, shape: Any, path: str) -> Any:
        """float32 of `shape`, standard normal, by Box and Muller's transform."""
        radius = ops.sqrt(-2.0 * ops.log(1.0 - self.uniform(shape, path + "/radius")))
        return radius * ops.cos(2.0 * math.pi * self.uniform(shape, path + "/angle"))


@dataclass(frozen=True)
class Watched:
    """What layers leave for people to look at, by layer path."""

    attention: dict[str, Any] = field(default_factory=dict)  # float32[B, L, S]: target to source, mean over heads
    load: dict[str, Any] = field(default_factory=dict)  # float32[E]: how often real tokens chose each expert
    ordering: dict[str, Any] = field(default_factory=dict)  # float32[J, K]: how much of layer j goes in at depth k
    importance: dict[str, Any] = field(default_factory=dict)  # float32[E]: the gates of real tokens, added up


class Forward:
    """One forward pass. Layers read `noise` (None outside training) and leave penalties, reports and what moved.

    A pass may be watched; one that is not computes nothing for it. `dtype` is what activations come in: layers keep
    that of what they are given, so it is chosen where values enter. Norms, gates, softmaxes and losses are float32.
    """

    def __init__(
        self,
        noise: Noise | None = None,
        watched: Watched | None = None,
        dtype: str = "float32",
        replicas: Replicas = ALONE,
        inner: Callable[..., Any] | None = None,
    ) -> None:
        """`inner`, of a compiler of steps, calls what is given to `once`."""
        self.noise, self.watched, self.dtype, self.replicas, self._inner = noise, watched, dtype, replicas, inner
        self.penalties: dict[str, Any] = {}  # by layer path: added to the objective, never to a reported loss
        self.reports: dict[str, Any] = {}  # by layer path: expert load and the like, for the log
        self.moved: dict[str, Any] = {}  # by weight path: what weights that have no gradient become in a training step
        self.problem = ""  # whose batch it is, for layers that keep something for each problem

    @property
    def training(self) -> bool:
        return self.noise is not None

    def once(self, part: Callable[..., Any], *tensors: Any) -> Any:
        """`part(*tensors, self)`, a tensor. Where steps are traced, once for all that give tensors of these types.

        `part` is a layer's method that depends on nothing but these and the layer, leaves nothing but penalties and
        reports in the Forward that it is given, and takes tensors of any shape with as many axes and the same last one.
        """
        return part(*tensors, self) if self._inner is None else self._inner(part, tensors, self)


def u32(number: int) -> Any:
    """uint32[]: a constant."""
    return ops.convert_to_tensor(np.uint32(number))


def mix(x: Any) -> Any:
    """uint32 of any shape, every bit of it depending on every bit of `x`: lowbias32."""
    x = ops.bitwise_xor(x, ops.right_shift(x, u32(16))) * u32(0x7FEB352D)
    x = ops.bitwise_xor(x, ops.right_shift(x, u32(15))) * u32(0x846CA68B)
    return ops.bitwise_xor(x, ops.right_shift(x, u32(16)))
