"""Shared layers, in an order of its own for each task (Meyerson and Miikkulainen 2018, arXiv 1711.00108).

B examples, L positions, D channels, J layers, K depths, as many as layers.
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
from t2t_mm.models.body import Reader
from t2t_mm.models.soft_ordering.core import Core
from t2t_mm.models.soft_ordering.hparams import SoftOrderingHparams


class Scalings(Layer):
    """How much of each layer a task takes at each depth: softmax over layers, all equal at the start."""

    def build(self, count: int) -> None:
        self.logits_JK = self.add_weight(shape=(count, count), initializer="zeros", autocast=False, name="logits")

    def call(self) -> Any:
        """float32[J, K]: a column sums to 1."""
        return ops.transpose(softmax(ops.transpose(self.logits_JK.value)))


class SoftOrdering(Reader):
    """Layers shared by all problems between an encoder and a decoder of each, the modality nets of its ports.

    With j the layer, k the depth and i the problem, y_0 what the encoder made and f_j layer j with its activation:

        soft       y_k = sum_j s_ijk f_j(y_(k-1))       sum_j s_ijk = 1      (equation 7)
        permuted   y_k = f_(sigma_i(k))(y_(k-1))                             (equation 3)
        parallel   y_k = f_k(y_(k-1))                                        (equation 2)
        single     as parallel, with layers that no other problem has

    Dropout falls on what every layer makes.
    """

    hparams_class = SoftOrderingHparams
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
        """Dense: Seq[B, L, D] to the same. Convolutions: Seq[B, H * W, D] to half its grid for each layer."""
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
        """float32[J, K]: s_ijk of a problem; where the order is not learned an array, with a single 1 in a column."""
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
            made = [
                dropout(layer(x), self.hparams.dropout, forward, f"{layer.path}/depth_{k + 1}") * share
                for j, layer in enumerate(core.stack)
                if (share := self._share(share_JK, j, k, x.dtype)) is not None
            ]
            x = sum(made[1:], start=made[0])
        return x

    def _share(self, share_JK: Any, j: int, k: int, dtype: Any) -> Any:
        """What layer j counts at depth k; None for nothing at all, so that it need not be computed."""
        if self.hparams.ordering == "soft":
            return ops.cast(share_JK[j, k], dtype)
        return 1.0 if share_JK[j, k] else None


def permutation(name: str, count: int) -> list[int]:
    """Every number below `count` once, in an order that depends on `name` alone, on every machine."""
    return sorted(range(count), key=lambda n: hashlib.sha256(f"{name} {n}".encode()).digest())
