"""Shared layers in an order that each task learns for itself (Meyerson and Miikkulainen 2018, arXiv 1711.00108).

B examples, L positions or a grid of H x W, D channels, J layers, K depths; there are as many depths as layers.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from t2t_mm.layers.activations import softmax
from t2t_mm.layers.dropout import dropout
from t2t_mm.layers.forward import Forward
from t2t_mm.layers.layer import Layer
from t2t_mm.layers.sequence import Seq
from t2t_mm.models.body import EncoderBody
from t2t_mm.models.soft_ordering.hparams import SoftOrderingHparams


class Dense(Layer):
    """ReLU(x W + b)."""

    def build(self, width: int) -> None:
        self.weight_DD = self.add_weight(shape=(width, width), initializer="glorot_uniform", name="weight")
        self.shift_D = self.add_weight(shape=(width,), initializer="zeros", name="shift")

    def call(self, x_BLD: Any) -> Any:
        """Return float[B, L, D] from float[B, L, D]."""
        return ops.relu(ops.matmul(x_BLD, self.weight_DD) + self.shift_D)


class Conv(Layer):
    """A 3 x 3 convolution with zeros around the edges, ReLU, and max-pooling over 2 x 2.

    An odd last row or column is dropped, as in Keras' MaxPooling2D.
    """

    def build(self, width: int) -> None:
        self.weight_33DD = self.add_weight(shape=(3, 3, width, width), initializer="glorot_uniform", name="weight")
        self.shift_D = self.add_weight(shape=(width,), initializer="zeros", name="shift")

    def call(self, x_BHWD: Any) -> Any:
        """Turn float[B, H, W, D] into float[B, H // 2, W // 2, D]."""
        y_BHWD = ops.conv(x_BHWD, ops.cast(self.weight_33DD, x_BHWD.dtype), padding="same") + self.shift_D
        return ops.max_pool(ops.relu(y_BHWD), 2, strides=2, padding="valid")


LAYERS: dict[str, type[Dense] | type[Conv]] = {"dense": Dense, "conv": Conv}


class Core(Layer):
    """The layers that tasks share: `count` layers of one kind, each of which can read the output of any other."""

    def __init__(self, kind: str, count: int, *, name: str) -> None:
        super().__init__(name=name)
        self.stack = [LAYERS[kind](name=f"layer_{j}") for j in range(1, count + 1)]

    def build(self, width: int) -> None:
        for layer in self.stack:
            layer.build(width)


class Scalings(Layer):
    """The weight of each layer at each depth for one task: a softmax over layers, uniform at the start."""

    def build(self, count: int) -> None:
        self.logits_JK = self.add_weight(shape=(count, count), initializer="zeros", autocast=False, name="logits")

    def call(self) -> Any:
        """Return float32[J, K]; each column sums to 1."""
        return ops.transpose(softmax(ops.transpose(self.logits_JK.value)))


class SoftOrdering(EncoderBody):
    """Layers that all problems share, between an encoder and a decoder of each problem: the modality nets of its ports.

    With j the layer, k the depth, i the problem, y_0 the output of the encoder and f_j layer j with its activation:

        soft       y_k = sum_j s_ijk f_j(y_(k-1))       sum_j s_ijk = 1      (equation 7)
        permuted   y_k = f_(sigma_i(k))(y_(k-1))                             (equation 3)
        parallel   y_k = f_k(y_(k-1))                                        (equation 2)
        single     as parallel, but each problem has its own layers

    Dropout is applied to the output of every layer.
    """

    per_problem = True
    reads = ("vector", "image")
    writes = ("label",)
    modality_nets = {"vector": "vector_relu", "image": "image_padded", "label": "label_flat"}

    def __init__(self, hparams: SoftOrderingHparams, *, name: str = "body") -> None:
        super().__init__(name=name)
        self.hparams = hparams

    def build(self, width: int) -> None:
        h = self.hparams
        if h.ordering == "single":
            self.alone = {p: Core(h.core, h.shared_layers, name=f"alone_{p}") for p in self.problems}
            cores = list(self.alone.values())
        else:
            self.core = Core(h.core, h.shared_layers, name="core")
            cores = [self.core]
        for core in cores:
            core.build(width)
        if h.ordering == "soft":
            self.scalings = {p: Scalings(name=f"ordering_{p}") for p in self.problems}
            for scalings in self.scalings.values():
                scalings.build(h.shared_layers)

    def encode(self, source: Seq, forward: Forward) -> Seq:
        """Turn the source into the memory, of the same shape; each layer of convolutions halves the grid's sides."""
        share_JK = self.shares(forward.problem)
        if forward.watched is not None:
            forward.watched.ordering[self.path] = ops.convert_to_tensor(share_JK)
        x = source.values_BLD
        if source.grid is None:
            return source.with_values(self._through(x, share_JK, forward))
        width = x.shape[-1]
        x = self._through(ops.reshape(x, (-1, *source.grid, width)), share_JK, forward)
        grid = x.shape[1], x.shape[2]
        x_BLD = ops.reshape(x, (-1, grid[0] * grid[1], width))
        return Seq(x_BLD, ops.ones(ops.shape(x_BLD)[:2], "bool"), grid=grid)

    def shares(self, problem: str) -> Any:
        """Return s_ijk of a problem, float32[J, K]; if the order is fixed, an array with a single 1 in each column."""
        if self.hparams.ordering == "soft":
            return self.scalings[problem]()
        count = self.hparams.shared_layers
        order_K: Sequence[int] = range(count)
        if self.hparams.ordering == "permuted":
            order_K = permutation(f"{self.hparams.ordering_seed} {problem}", count)
        return np.eye(count, dtype="float32")[:, order_K]

    def _through(self, x: Any, share_JK: Any, forward: Forward) -> Any:
        core = self.alone[forward.problem] if self.hparams.ordering == "single" else self.core
        for k in range(len(core.stack)):
            outputs = [
                dropout(layer(x), self.hparams.dropout, forward, f"{layer.path}/depth_{k + 1}") * share
                for j, layer in enumerate(core.stack)
                if (share := self._share(share_JK, j, k, x.dtype)) is not None
            ]
            x = sum(outputs[1:], start=outputs[0])
        return x

    def _share(self, share_JK: Any, j: int, k: int, dtype: Any) -> Any:
        """Return the weight of layer j at depth k; None if it is always 0, so that the layer is not computed."""
        if self.hparams.ordering == "soft":
            return ops.cast(share_JK[j, k], dtype)
        return 1.0 if share_JK[j, k] else None


def permutation(name: str, count: int) -> list[int]:
    """Return a permutation of 0 ... count - 1 that depends only on `name`, and so is the same on every machine."""
    return sorted(range(count), key=lambda n: hashlib.sha256(f"{name} {n}".encode()).digest())
