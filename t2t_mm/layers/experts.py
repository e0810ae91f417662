"""Sparsely gated experts (Shazeer et al., arXiv 1701.06538), with the two balance losses.

N tokens, D channels, E experts of which each token takes k, H hidden units in an expert, C slots an expert holds.
"""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from t2t_mm.errors import UserError
from t2t_mm.layers.activations import softmax
from t2t_mm.layers.dispatch import Routes, from_experts, route, to_experts
from t2t_mm.layers.dropout import dropout
from t2t_mm.layers.forward import Forward
from t2t_mm.layers.layer import Layer
from t2t_mm.layers.norm import LayerNorm
from t2t_mm.layers.replicas import Replicas

NOISE_FLOOR = 1e-2  # T2T adds it to the gate noise's scale
WAVE = 2.0  # where shapes are static: slots an expert has at a time outside training, as a multiple of an equal share,
FEW = 32  # and at least
STRANDS = 8  # rows of a matrix that are added up at once where one token meets one expert, if it has so many weights:
LARGE = 2**18


class Experts(Layer):
    """LN(x + MoE(x)): each position is sent to k of E feed-forward experts, weighed by a noisy gate.

    In training an expert holds `capacity` times an equal share of tokens; what finds no slot is left to the skip path
    and counted ("overflow"). Elsewhere nothing is dropped, so that an output does not depend on the rest of its batch.
    Where replicas share a batch, capacity and balance are those of the whole batch.
    """

    def __init__(
        self,
        *,
        experts: int,
        per_token: int,
        size: int,
        capacity: float,
        balance: float,
        branch_dropout: float = 0.0,
        name: str,
    ) -> None:
        """`branch_dropout` drops from what the experts say, before it is added to x."""
        super().__init__(name=name)
        if not 0 < per_token < experts:
            raise UserError(f"experts_per_token must be from 1 to experts - 1; received {per_token} of {experts}.")
        self.experts, self.per_token, self.size = experts, per_token, size
        self.capacity, self.balance, self.branch_dropout = capacity, balance, branch_dropout
        self.norm = LayerNorm(name="norm")

    def build(self, width: int) -> None:
        """Each expert starts as if it stood alone: variance by its own fan-in, not by that of the stack."""
        normal = keras.initializers.RandomNormal
        gate = {"shape": (width, self.experts), "initializer": "zeros", "autocast": False}
        self.gate_DE = self.add_weight(**gate, name="gate")
        self.gate_noise_DE = self.add_weight(**gate, name="gate_noise")
        self.hidden_EDH = self.add_weight(
            shape=(self.experts, width, self.size), initializer=normal(stddev=(2.0 / width) ** 0.5), name="hidden"
        )
        self.output_EHD = self.add_weight(
            shape=(self.experts, self.size, width), initializer=normal(stddev=self.size**-0.5), name="output"
        )
        self.norm.build(width)

    def call(self, x_BLD: Any, real_BL: Any, forward: Forward) -> Any:
        """float[B, L, D] to float[B, L, D]; pads take no slot and bear no weight."""
        shape = ops.shape(x_BLD)
        x_ND = ops.reshape(x_BLD, (-1, shape[-1]))
        real_N = ops.reshape(real_BL, (-1,))
        gates_Nk, expert_Nk = self._gate(x_ND, real_N, forward)
        if forward.watched is not None:
            forward.watched.load[self.path] = self._load(expert_Nk)
            forward.watched.importance[self.path] = self._importance(ops.cast(gates_Nk, "float32"), expert_Nk)
        if forward.training or keras.backend.backend() == "tensorflow":
            if forward.replicas.count > 1:
                room = self._shared_room(expert_Nk, forward.replicas)
            else:
                room = self._room(expert_Nk, forward.training), None
            routes, out_ND = self._dispatch(x_ND, gates_Nk, expert_Nk, *room)
            if forward.training:
                forward.reports[f"{self.path}/overflow"] = self._overflow(expert_Nk, routes, forward.replicas)
        else:
            out_ND = self._in_waves(x_ND, gates_Nk, expert_Nk)
        said_BLD = dropout(ops.reshape(out_ND, shape), self.branch_dropout, forward, self.norm.path)
        return self.norm(x_BLD + said_BLD)

    def step(self, x_BD: Any) -> Any:
        """One position of each row, nothing dropped: float[B, D] to float[B, D]."""
        rows = x_BD.shape[0]
        gates_Bk, expert_Bk = self._gate(x_BD, ops.ones((rows,), "bool"), Forward())
        if rows * self.per_token <= self.experts:
            out_BD = ops.stack([self._few(x_BD[b], gates_Bk[b], expert_Bk[b]) for b in range(rows)])
        else:
            out_BD = self._in_waves(x_BD, gates_Bk, expert_Bk)
        return self.norm(x_BD + out_BD)

    def _few(self, x_D: Any, gates_k: Any, expert_k: Any) -> Any:
        """A single token through slices of the experts it chose: reads k experts' weights and no others."""
        out_D = 0.0
        for j in range(self.per_token):
            hidden_H = ops.relu(_times(x_D, ops.take(self.hidden_EDH, expert_k[j], axis=0)))
            out_D = out_D + gates_k[j] * _times(hidden_H, ops.take(self.output_EHD, expert_k[j], axis=0))
        return out_D

    def _room(self, expert_Nk: Any, training: bool) -> Any:
        """Slots of an expert: int, or int32[] where a graph is to serve every number of tokens.

        There it is no more than the fullest expert needs, so that no product is computed for what all leave empty.
        """
        tokens = ops.shape(expert_Nk)[0]
        share = tokens * self.per_token / self.experts
        if keras.backend.backend() != "tensorflow":
            return min(int(np.ceil(np.float32(self.capacity) * np.float32(share))), tokens)
        fullest = ops.maximum(ops.max(self._asked(expert_Nk)), 1)
        if not training:
            return fullest
        return ops.minimum(ops.cast(ops.ceil(self.capacity * ops.cast(share, "float32")), "int32"), fullest)

    def _shared_room(self, expert_Nk: Any, replicas: Replicas) -> tuple[Any, Any]:
        """Slots of an expert here, int32[], and how many of them each may fill, int32[E], when replicas share a batch:
        tokens of the replicas in front are seated first.
        """
        asked_E, tokens_1 = self._asked(expert_Nk), ops.reshape(ops.shape(expert_Nk)[0], (1,))
        told_RF = replicas.each(ops.concatenate([asked_E, ops.cast(tokens_1, "int32")]))
        share = ops.cast(ops.sum(told_RF[:, -1]), "float32") * (self.per_token / self.experts)
        most = ops.cast(ops.ceil(self.capacity * share), "int32")
        left_E = ops.maximum(most - ops.sum(told_RF[: replicas.index, :-1], axis=0), 0)
        most_E = ops.minimum(left_E, asked_E)
        return ops.maximum(ops.max(most_E), 1), most_E

    def _asked(self, expert_Nk: Any) -> Any:
        """How many choices fell on each expert, int32[E]."""
        load_E = ops.bincount(ops.reshape(expert_Nk, (-1,)), minlength=self.experts + 1)[: self.experts]
        return ops.cast(load_E, "int32")

    def _in_waves(self, x_ND: Any, gates_Nk: Any, expert_Nk: Any) -> Any:
        """Every choice served though shapes are static: who finds no slot waits for the next wave; no gradient."""
        tokens = x_ND.shape[0]
        capacity = min(tokens, max(FEW, math.ceil(WAVE * tokens * self.per_token / self.experts)))

        def serve(waiting_Nk: Any, out_ND: Any) -> tuple[Any, Any]:
            routes, said_ND = self._dispatch(x_ND, gates_Nk, waiting_Nk, capacity)
            seated_Nk = routes.slot_Nk < self.experts * capacity
            return ops.where(seated_Nk, self.experts, waiting_Nk), out_ND + said_ND

        def someone_waits(waiting_Nk: Any, out_ND: Any) -> Any:
            return ops.any(waiting_Nk < self.experts)

        waiting_Nk, out_ND = serve(expert_Nk, ops.zeros_like(x_ND))
        if capacity < tokens:
            _, out_ND = ops.while_loop(someone_waits, serve, (waiting_Nk, out_ND))
        return out_ND

    def _overflow(self, expert_Nk: Any, routes: Routes, replicas: Replicas) -> Any:
        """The share of choices that found no slot, float32[]."""
        asked = ops.sum(ops.cast(expert_Nk < self.experts, "float32"))
        seated = ops.sum(ops.cast(routes.slot_Nk < ops.shape(routes.pair_S)[0], "float32"))
        asked, seated = ops.unstack(replicas.total(ops.stack([asked, seated])), 2)
        return 1.0 - seated / ops.maximum(asked, 1.0)

    def _dispatch(
        self, x_ND: Any, gates_Nk: Any, expert_Nk: Any, capacity: Any, most_E: Any = None
    ) -> tuple[Routes, Any]:
        """Where each choice went, and what the experts say to each token, float[N, D]."""
        routes = route(expert_Nk, self.experts, capacity, most_E)
        slots_ECD = ops.reshape(to_experts(x_ND, routes, self.per_token), (self.experts, capacity, x_ND.shape[-1]))
        hidden_ECH = ops.relu(ops.matmul(slots_ECD, self.hidden_EDH))
        said_SD = ops.reshape(ops.matmul(hidden_ECH, self.output_EHD), (-1, x_ND.shape[-1]))
        said_NkD = from_experts(said_SD, routes)
        return routes, ops.sum(said_NkD * gates_Nk[..., None], axis=1)

    def _gate(self, x_ND: Any, real_N: Any, forward: Forward) -> tuple[Any, Any]:
        """Noisy top-k gating: (gates float[N, k] that sum to 1, experts int32[N, k]); zeros and E for pads."""
        dtype, x_ND = x_ND.dtype, ops.cast(x_ND, "float32")
        clean_NE = ops.matmul(x_ND, self.gate_DE)
        real_N1 = ops.cast(real_N, "float32")[:, None]
        if forward.noise is None:
            top_Nk, expert_Nk = ops.top_k(clean_NE, self.per_token)
        else:
            scale_NE = ops.softplus(ops.matmul(x_ND, self.gate_noise_DE)) + NOISE_FLOOR
            noisy_NE = clean_NE + scale_NE * forward.noise.normal(ops.shape(clean_NE), self.path)
            best_Nk, best_index_Nk = ops.top_k(noisy_NE, self.per_token + 1)
            top_Nk, expert_Nk = best_Nk[:, : self.per_token], best_index_Nk[:, : self.per_token]
            kth_N1, next_N1 = best_Nk[:, self.per_token - 1, None], best_Nk[:, self.per_token, None]
            bar_NE = ops.where(noisy_NE > next_N1, next_N1, kth_N1)
            stays_NE = 0.5 * (1.0 + ops.erf((clean_NE - bar_NE) / scale_NE * 2.0**-0.5))
            load_E = ops.sum(stays_NE * real_N1, axis=0)
        gates_Nk = softmax(top_Nk) * real_N1
        expert_Nk = ops.where(real_N[:, None], ops.cast(expert_Nk, "int32"), self.experts)
        if forward.noise is not None:
            importance_E = self._importance(gates_Nk, expert_Nk)
            importance_E, load_E = ops.unstack(forward.replicas.total(ops.stack([importance_E, load_E])), 2)
            forward.penalties[self.path] = self.balance * (imbalance(importance_E) + imbalance(load_E))
            forward.reports[f"{self.path}/importance"] = importance_E
        return ops.cast(gates_Nk, dtype), expert_Nk

    def _importance(self, gates_Nk: Any, expert_Nk: Any) -> Any:
        """The weight that each expert bears, of all tokens; pads have none: float32[E]."""
        flat_M = ops.reshape(ops.minimum(expert_Nk, self.experts - 1), (-1,))
        return ops.segment_sum(ops.reshape(gates_Nk, (-1,)), flat_M, num_segments=self.experts)

    def _load(self, expert_Nk: Any) -> Any:
        """How many choices fell on each expert, pads left out: float32[E]."""
        chosen_M = ops.reshape(expert_Nk, (-1,))
        ones_M = ops.ones_like(chosen_M, dtype="float32")
        return ops.segment_sum(ones_M, chosen_M, num_segments=self.experts + 1)[: self.experts]


def _times(x_D: Any, slice_DF: Any) -> Any:
    """x_D @ slice_DF, for a slice that XLA makes no copy of.

    For a matrix product it would; it fuses a slice with products and sums. In a large one, rows far apart are added up
    first, which is a sum of vectors, and the sum over what is left, which is not, is short.
    """
    rows, width = slice_DF.shape
    strands = math.gcd(STRANDS, rows) if rows * width >= LARGE else 1
    x_SR1, slice_SRF = (ops.reshape(each, (strands, rows // strands, -1)) for each in (x_D, slice_DF))
    return ops.sum(sum(x_SR1[i] * slice_SRF[i] for i in range(strands)), axis=0)


def imbalance(load_E: Any) -> Any:
    """The squared coefficient of variation, (standard deviation / mean)^2.

    0 when all carry alike, E - 1 when one carries all.
    Source: arXiv 1701.06538, section 4 (importance) and appendix A (load).
    """
    return ops.var(load_E) / (ops.square(ops.mean(load_E)) + 1e-10)
