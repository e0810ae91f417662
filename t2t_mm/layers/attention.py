"""Multi-head dot-product attention, and the attention block (arXiv 1706.05137, section 2.2).

B examples, L target positions, S source positions, D channels, N heads of K channels each.
"""

from typing import Any

import keras
from keras import ops

from t2t_mm.layers.conv import ConvBlock, ConvStep
from t2t_mm.layers.dropout import dropout
from t2t_mm.layers.forward import Forward
from t2t_mm.layers.norm import LayerNorm
from t2t_mm.layers.part import Part
from t2t_mm.layers.sequence import Seq
from t2t_mm.layers.softmax import softmax
from t2t_mm.layers.timing import add_timing, timing_signal

FAR_BELOW = -1e9  # the score of what may not be seen


class SelfAttention(Part):
    """Causal self-attention with one fused projection and an output projection, scores divided by sqrt(K)."""

    def __init__(self, *, heads: int, dropout: float, name: str) -> None:
        super().__init__(name=name)
        self.heads, self.dropout = heads, dropout

    def build(self, width: int) -> None:
        self.qkv_D3D = self.add_weight(shape=(width, 3 * width), initializer=_projection(width), name="qkv")
        self.output_DD = self.add_weight(shape=(width, width), initializer=_projection(width), name="output")

    def call(self, x_BLD: Any, forward: Forward) -> Any:
        """float[B, L, D] to float[B, L, D]; position t attends to positions 0 to t."""
        q_BNLK, k_BNLK, v_BNLK = (_split(x, self.heads) for x in ops.split(ops.matmul(x_BLD, self.qkv_D3D), 3, axis=-1))
        index_L = ops.arange(ops.shape(x_BLD)[1])
        seen_LL = index_L[:, None] >= index_L[None, :]
        weights_BNLL = _weights(q_BNLK, k_BNLK, seen_LL)
        context_BLD = _read(weights_BNLL, v_BNLK, self.dropout, forward, self.path)
        return ops.matmul(context_BLD, self.output_DD)

    def start(self, rows: Any, positions: int) -> tuple[Any, Any]:
        """Empty keys and values, float[B, N, L, K] each."""
        shape = (rows, self.heads, positions, self.output_DD.shape[0] // self.heads)
        return ops.zeros(shape), ops.zeros(shape)

    def step(self, cache: tuple[Any, Any], x_BD: Any, position: Any) -> tuple[Any, tuple[Any, Any]]:
        """One position: (float[B, D], the next cache)."""
        q_BN1K, k_BN1K, v_BN1K = (
            _split(x[:, None], self.heads) for x in ops.split(ops.matmul(x_BD, self.qkv_D3D), 3, axis=-1)
        )
        keys_BNLK = ops.slice_update(cache[0], (0, 0, position, 0), k_BN1K)
        values_BNLK = ops.slice_update(cache[1], (0, 0, position, 0), v_BN1K)
        seen_L = ops.arange(keys_BNLK.shape[2]) <= position
        weights_BN1L = _weights(q_BN1K, keys_BNLK, seen_L)
        context_B1D = _read(weights_BN1L, values_BNLK, 0.0, Forward(), self.path)
        return ops.matmul(context_B1D[:, 0], self.output_DD), (keys_BNLK, values_BNLK)


class SourceAttention(Part):
    """Attention from the target to the source: keys and values by two separate pointwise convolutions of the source."""

    def __init__(self, *, heads: int, dropout: float, name: str) -> None:
        super().__init__(name=name)
        self.heads, self.dropout = heads, dropout

    def build(self, width: int) -> None:
        self.query_DD = self.add_weight(shape=(width, width), initializer=_projection(width), name="query")
        self.memory_D2D = self.add_weight(shape=(width, 2 * width), initializer=_projection(width), name="key_value")
        self.output_DD = self.add_weight(shape=(width, width), initializer=_projection(width), name="output")

    def memory(self, source: Seq) -> tuple[Any, Any, Any]:
        """Keys and values float[B, N, S, K], and which of them are real, bool[B, 1, 1, S]."""
        k_BSD, v_BSD = ops.split(ops.matmul(source.values_BLD, self.memory_D2D), 2, axis=-1)
        return _split(k_BSD, self.heads), _split(v_BSD, self.heads), source.real_BL[:, None, None, :]

    def call(self, x_BLD: Any, memory: tuple[Any, Any, Any], forward: Forward) -> Any:
        """float[B, L, D] to float[B, L, D], reading `memory`."""
        q_BNLK = _split(ops.matmul(x_BLD, self.query_DD), self.heads)
        k_BNSK, v_BNSK, real_B11S = memory
        weights_BNLS = _weights(q_BNLK, k_BNSK, real_B11S)
        if forward.watched is not None:
            forward.watched.attention[self.path] = ops.mean(weights_BNLS, axis=1)
        context_BLD = _read(weights_BNLS, v_BNSK, self.dropout, forward, self.path)
        return ops.matmul(context_BLD, self.output_DD)


class AttentionBlock(Part):
    """Timing and two convolutions mix the target, which attends to itself, then to the source.

    m = mix(x + timing);  q = LN(m + SelfAttention(m));  c = LN(q + SourceAttention(q, source)).
    The paper leaves the skips, the norms and the kernels of the mixing convolutions open: docs/multimodel.md.
    """

    def __init__(
        self, *, heads: int, dropout: float, mixing: str, block_dropout: float, branch_scale: float, name: str
    ) -> None:
        """`mixing` is "steps" or "blocks"; the last two are the ConvBlocks' and matter to the latter alone."""
        super().__init__(name=name)
        self.mixing, self.block_dropout, self.branch_scale = mixing, block_dropout, branch_scale
        self.to_self = SelfAttention(heads=heads, dropout=dropout, name="self")
        self.to_source = SourceAttention(heads=heads, dropout=dropout, name="source")
        self.self_norm = LayerNorm(name="self_norm")
        self.source_norm = LayerNorm(name="source_norm")

    def build(self, width: int) -> None:
        if self.mixing == "steps":  # as T2T v1.0.3: five taps, dilations 1 and 4
            self.mix = [
                ConvStep(width, 5, dilation=dilation, causal=True, name=f"mix_{i}")
                for i, dilation in enumerate((1, 4), start=1)
            ]
        else:
            self.mix = [
                ConvBlock(dropout=self.block_dropout, branch_scale=self.branch_scale, causal=True, name=f"mix_{i}")
                for i in (1, 2)
            ]
        for layer in [*self.mix, self.to_self, self.to_source, self.self_norm, self.source_norm]:
            layer.build(width)

    def call(self, x_BLD: Any, source: Seq, forward: Forward) -> Any:
        """float[B, L, D] to float[B, L, D]: what the source has to say to each target position."""
        m_BLD = add_timing(x_BLD)
        for layer in self.mix:
            m_BLD = layer(m_BLD, None, forward) if self.mixing == "blocks" else layer(m_BLD)
        q_BLD = self.self_norm(m_BLD + self.to_self(m_BLD, forward))
        return self.source_norm(q_BLD + self.to_source(q_BLD, self.to_source.memory(source), forward))

    def start(self, source: Seq, positions: int) -> dict[str, Any]:
        """The source's keys and values, and empty caches for `positions` positions."""
        rows = ops.shape(source.values_BLD)[0]
        return {
            "memory": self.to_source.memory(source),
            "mix": [layer.start(rows) for layer in self.mix],
            "self": self.to_self.start(rows, positions),
        }

    def step(self, state: dict[str, Any], x_BD: Any, position: Any) -> tuple[Any, dict[str, Any]]:
        """One position: (float[B, D], the next state)."""
        m_BD = x_BD + timing_signal(ops.reshape(position, (1,)), x_BD.shape[-1])
        mix = []
        for layer, cache in zip(self.mix, state["mix"], strict=True):
            m_BD, cache = layer.step(cache, m_BD, position)
            mix.append(cache)
        said_BD, seen = self.to_self.step(state["self"], m_BD, position)
        q_BD = self.self_norm(m_BD + said_BD)
        said_B1D = self.to_source(q_BD[:, None], state["memory"], Forward())
        return self.source_norm(q_BD + said_B1D[:, 0]), {"memory": state["memory"], "mix": mix, "self": seen}


def _projection(width: int) -> Any:
    return keras.initializers.RandomNormal(stddev=width**-0.5)


def _split(x_BLD: Any, heads: int) -> Any:
    shape = ops.shape(x_BLD)
    return ops.transpose(ops.reshape(x_BLD, (shape[0], shape[1], heads, x_BLD.shape[-1] // heads)), (0, 2, 1, 3))


def _weights(q_BNLK: Any, k_BNSK: Any, seen: Any) -> Any:
    """softmax(q k^T / sqrt(K)): float32[B, N, L, S]. `seen` is bool, broadcast to that shape."""
    scores_BNLS = ops.matmul(q_BNLK * (q_BNLK.shape[-1] ** -0.5), ops.transpose(k_BNSK, (0, 1, 3, 2)))
    return softmax(ops.cast(scores_BNLS, "float32") + ops.where(seen, 0.0, FAR_BELOW))


def _read(weights_BNLS: Any, v_BNSK: Any, rate: float, forward: Forward, path: str) -> Any:
    """The values by their weights, heads joined: float[B, L, D]."""
    weights_BNLS = dropout(ops.cast(weights_BNLS, v_BNSK.dtype), rate, forward, path)
    context_BLNK = ops.transpose(ops.matmul(weights_BNLS, v_BNSK), (0, 2, 1, 3))
    shape = ops.shape(context_BLNK)
    return ops.reshape(context_BLNK, (shape[0], shape[1], v_BNSK.shape[1] * v_BNSK.shape[3]))
