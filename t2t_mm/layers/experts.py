"""Sparsely gated mixture of experts (Shazeer et al., arXiv 1701.06538) with its two load balancing losses.

N tokens, D channels, E experts of which each token chooses k, H hidden units of an expert, C slots of an expert (the
expert capacity).
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
# Outside training, with static shapes, tokens are dispatched in rounds. The slots of an expert in a round are this
# multiple of an equal share, and at least MIN_ROUND_CAPACITY.
ROUND_CAPACITY_FACTOR = 2.0
MIN_ROUND_CAPACITY = 32
# The product of one token with one expert's matrix sums this many groups of rows first, if the matrix has at least
# LARGE_MATRIX weights.
ROW_GROUPS = 8
LARGE_MATRIX = 2**18


class Experts(Layer):
    """A mixture of experts, LN(x + MoE(x)): a noisy gate routes each position to k of E feed-forward experts.

    In training the expert capacity is `capacity` times an equal share of the tokens. A choice that gets no slot is
    dropped: the residual connection alone carries the token, and the drop is counted in the report "overflow". Outside
    training nothing is dropped, so that an output does not depend on the other rows of its batch. With data parallel
    replicas, expert capacity and load balancing are those of the batch of all replicas.
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
        """Check and keep the settings.

        Args:
            experts: E.
            per_token: k.
            size: H.
            capacity: the capacity factor.
            balance: the weight of the load balancing losses.
            branch_dropout: the dropout of the experts' output, before it is added to x.
        """
        super().__init__(name=name)
        if not 0 < per_token < experts:
            raise UserError(f"experts_per_token must be from 1 to experts - 1; received {per_token} of {experts}.")
        self.experts, self.per_token, self.size = experts, per_token, size
        self.capacity, self.balance, self.branch_dropout = capacity, balance, branch_dropout
        self.norm = LayerNorm(name="norm")

    def build(self, width: int) -> None:
        """Make the weights. The initial variance follows the fan-in of a single expert, not that of the stack."""
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
        """Map float[B, L, D] to float[B, L, D]. Padding gets no slot and has no weight in the losses."""
        shape = ops.shape(x_BLD)
        x_ND = ops.reshape(x_BLD, (-1, shape[-1]))
        real_N = ops.reshape(real_BL, (-1,))
        gates_Nk, expert_Nk = self._gate(x_ND, real_N, forward)
        if forward.watched is not None:
            forward.watched.load[self.path] = self._load(expert_Nk)
            forward.watched.importance[self.path] = self._importance(ops.cast(gates_Nk, "float32"), expert_Nk)
        if forward.training or keras.backend.backend() == "tensorflow":
            if forward.replicas.count > 1:
                slots = self._shared_slots(expert_Nk, forward.replicas)
            else:
                slots = self._slots(expert_Nk, forward.training), None
            routes, out_ND = self._dispatch(x_ND, gates_Nk, expert_Nk, *slots)
            if forward.training:
                forward.reports[f"{self.path}/overflow"] = self._overflow(expert_Nk, routes, forward.replicas)
        else:
            out_ND = self._in_rounds(x_ND, gates_Nk, expert_Nk)
        branch_BLD = dropout(ops.reshape(out_ND, shape), self.branch_dropout, forward, self.norm.path)
        return self.norm(x_BLD + branch_BLD)

    def step(self, x_BD: Any) -> Any:
        """Compute one position of each row, float[B, D] to float[B, D]; no choice is dropped."""
        rows = x_BD.shape[0]
        gates_Bk, expert_Bk = self._gate(x_BD, ops.ones((rows,), "bool"), Forward())
        if rows * self.per_token <= self.experts:
            out_BD = ops.stack([self._single_token(x_BD[b], gates_Bk[b], expert_Bk[b]) for b in range(rows)])
        else:
            out_BD = self._in_rounds(x_BD, gates_Bk, expert_Bk)
        return self.norm(x_BD + out_BD)

    def _single_token(self, x_D: Any, gates_k: Any, expert_k: Any) -> Any:
        """Return the output for one token, float[D]; only the weights of its k experts are read."""
        out_D = 0.0
        for j in range(self.per_token):
            hidden_H = ops.relu(_vector_matrix_product(x_D, ops.take(self.hidden_EDH, expert_k[j], axis=0)))
            output_HD = ops.take(self.output_EHD, expert_k[j], axis=0)
            out_D = out_D + gates_k[j] * _vector_matrix_product(hidden_H, output_HD)
        return out_D

    def _slots(self, expert_Nk: Any, training: bool) -> Any:
        """Return the slots of an expert: an int, or int32[] in a graph that serves every number of tokens.

        In such a graph it is at most the load of the fullest expert, so that no product is computed for slots that are
        empty in all experts.
        """
        tokens = ops.shape(expert_Nk)[0]
        share = tokens * self.per_token / self.experts
        if keras.backend.backend() != "tensorflow":
            return min(int(np.ceil(np.float32(self.capacity) * np.float32(share))), tokens)
        fullest = ops.maximum(ops.max(self._choices(expert_Nk)), 1)
        if not training:
            return fullest
        return ops.minimum(ops.cast(ops.ceil(self.capacity * ops.cast(share, "float32")), "int32"), fullest)

    def _shared_slots(self, expert_Nk: Any, replicas: Replicas) -> tuple[Any, Any]:
        """Return the slots of an expert on this replica, int32[], and how many each expert may fill, int32[E].

        The replicas share a batch and its expert capacity. Tokens of replicas with a lower index come first.
        """
        choices_E, tokens_1 = self._choices(expert_Nk), ops.reshape(ops.shape(expert_Nk)[0], (1,))
        counts_RF = replicas.each(ops.concatenate([choices_E, ops.cast(tokens_1, "int32")]))
        share = ops.cast(ops.sum(counts_RF[:, -1]), "float32") * (self.per_token / self.experts)
        capacity = ops.cast(ops.ceil(self.capacity * share), "int32")
        left_E = ops.maximum(capacity - ops.sum(counts_RF[: replicas.index, :-1], axis=0), 0)
        most_E = ops.minimum(left_E, choices_E)
        return ops.maximum(ops.max(most_E), 1), most_E

    def _choices(self, expert_Nk: Any) -> Any:
        """Return the number of choices of each expert, int32[E]."""
        load_E = ops.bincount(ops.reshape(expert_Nk, (-1,)), minlength=self.experts + 1)[: self.experts]
        return ops.cast(load_E, "int32")

    def _in_rounds(self, x_ND: Any, gates_Nk: Any, expert_Nk: Any) -> Any:
        """Return the output for all tokens, float[N, D], dropping no choice although shapes are static.

        A choice that gets no slot is dispatched again in the next round. There is no gradient.
        """
        tokens = x_ND.shape[0]
        share = ROUND_CAPACITY_FACTOR * tokens * self.per_token / self.experts
        capacity = min(tokens, max(MIN_ROUND_CAPACITY, math.ceil(share)))

        def dispatch_round(pending_Nk: Any, out_ND: Any) -> tuple[Any, Any]:
            routes, round_ND = self._dispatch(x_ND, gates_Nk, pending_Nk, capacity)
            assigned_Nk = routes.slot_Nk < self.experts * capacity
            return ops.where(assigned_Nk, self.experts, pending_Nk), out_ND + round_ND

        def any_pending(pending_Nk: Any, out_ND: Any) -> Any:
            return ops.any(pending_Nk < self.experts)

        pending_Nk, out_ND = dispatch_round(expert_Nk, ops.zeros_like(x_ND))
        if capacity < tokens:
            _, out_ND = ops.while_loop(any_pending, dispatch_round, (pending_Nk, out_ND))
        return out_ND

    def _overflow(self, expert_Nk: Any, routes: Routes, replicas: Replicas) -> Any:
        """Return the share of choices that got no slot, float32[]."""
        choices = ops.sum(ops.cast(expert_Nk < self.experts, "float32"))
        assigned = ops.sum(ops.cast(routes.slot_Nk < ops.shape(routes.pair_S)[0], "float32"))
        choices, assigned = ops.unstack(replicas.total(ops.stack([choices, assigned])), 2)
        return 1.0 - assigned / ops.maximum(choices, 1.0)

    def _dispatch(
        self, x_ND: Any, gates_Nk: Any, expert_Nk: Any, capacity: Any, most_E: Any = None
    ) -> tuple[Routes, Any]:
        """Return the routes of the choices, and the gated sum of expert outputs for each token, float[N, D]."""
        routes = route(expert_Nk, self.experts, capacity, most_E)
        slots_ECD = ops.reshape(to_experts(x_ND, routes, self.per_token), (self.experts, capacity, x_ND.shape[-1]))
        hidden_ECH = ops.relu(ops.matmul(slots_ECD, self.hidden_EDH))
        output_SD = ops.reshape(ops.matmul(hidden_ECH, self.output_EHD), (-1, x_ND.shape[-1]))
        output_NkD = from_experts(output_SD, routes)
        return routes, ops.sum(output_NkD * gates_Nk[..., None], axis=1)

    def _gate(self, x_ND: Any, real_N: Any, forward: Forward) -> tuple[Any, Any]:
        """Compute noisy top-k gating and leave the load balancing loss in `forward.penalties`.

        Return (gates, float[N, k], whose sum is 1; chosen experts, int32[N, k]). Padding has gates 0 and expert E.
        """
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
            threshold_NE = ops.where(noisy_NE > next_N1, next_N1, kth_N1)
            probability_NE = 0.5 * (1.0 + ops.erf((clean_NE - threshold_NE) / scale_NE * 2.0**-0.5))
            load_E = ops.sum(probability_NE * real_N1, axis=0)
        gates_Nk = softmax(top_Nk) * real_N1
        expert_Nk = ops.where(real_N[:, None], ops.cast(expert_Nk, "int32"), self.experts)
        if forward.noise is not None:
            importance_E = self._importance(gates_Nk, expert_Nk)
            importance_E, load_E = ops.unstack(forward.replicas.total(ops.stack([importance_E, load_E])), 2)
            forward.penalties[self.path] = self.balance * (imbalance(importance_E) + imbalance(load_E))
            forward.reports[f"{self.path}/importance"] = importance_E
        return ops.cast(gates_Nk, dtype), expert_Nk

    def _importance(self, gates_Nk: Any, expert_Nk: Any) -> Any:
        """Return each expert's sum of gates over all tokens, float32[E]. Gates of padding are 0."""
        flat_M = ops.reshape(ops.minimum(expert_Nk, self.experts - 1), (-1,))
        return ops.segment_sum(ops.reshape(gates_Nk, (-1,)), flat_M, num_segments=self.experts)

    def _load(self, expert_Nk: Any) -> Any:
        """Return the number of choices of each expert, without padding, float32[E]."""
        chosen_M = ops.reshape(expert_Nk, (-1,))
        ones_M = ops.ones_like(chosen_M, dtype="float32")
        return ops.segment_sum(ones_M, chosen_M, num_segments=self.experts + 1)[: self.experts]


def _vector_matrix_product(x_D: Any, slice_DF: Any) -> Any:
    """Return x_D @ slice_DF without a copy of the slice.

    For a matrix product XLA would copy the slice, but it fuses a slice with elementwise products and sums. In a large
    matrix, groups of rows are added elementwise first, which are fast sums of vectors. The remaining reduction over
    rows, which is slower, is then short.
    """
    rows, width = slice_DF.shape
    groups = math.gcd(ROW_GROUPS, rows) if rows * width >= LARGE_MATRIX else 1
    x_GR1, slice_GRF = (ops.reshape(each, (groups, rows // groups, -1)) for each in (x_D, slice_DF))
    return ops.sum(sum(x_GR1[i] * slice_GRF[i] for i in range(groups)), axis=0)


def imbalance(load_E: Any) -> Any:
    """Return the squared coefficient of variation, (standard deviation / mean)^2: the load balancing loss of `load_E`.

    It is 0 if all experts have the same load, and E - 1 if one expert has all of it.
    Source: arXiv 1701.06538, section 4 (importance) and appendix A (load).
    """
    return ops.var(load_E) / (ops.square(ops.mean(load_E)) + 1e-10)
