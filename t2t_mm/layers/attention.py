"""Multi-head dot-product attention, and the attention block (arXiv 1706.05137, section 2.2).

B examples, L target positions, S source positions, D channels, N heads of K channels each. In inference, position by
position, there are J beams of each example, hence R = B * J rows, and the key/value cache has M = L * J places.
"""

from typing import Any

import keras
from keras import ops

from t2t_mm.layers.activations import softmax
from t2t_mm.layers.beam_index import visible
from t2t_mm.layers.conv import ConvBlock, ConvStep
from t2t_mm.layers.dropout import dropout
from t2t_mm.layers.forward import Forward
from t2t_mm.layers.layer import Layer
from t2t_mm.layers.norm import LayerNorm
from t2t_mm.layers.positions import add_timing, timing_signal
from t2t_mm.layers.sequence import MASKED_SCORE, Seq


class SelfAttention(Layer):
    """Multi-head self-attention: fused query/key/value projection, scores divided by sqrt(K), output projection."""

    def __init__(self, *, heads: int, dropout: float, causal: bool = True, gain: float = 1.0, name: str) -> None:
        """`gain` scales the initial projections, which are drawn from N(0, gain^2 / D)."""
        super().__init__(name=name)
        self.heads, self.dropout, self.causal, self.gain = heads, dropout, causal, gain

    def build(self, width: int) -> None:
        start = _projection(width, self.gain)
        self.qkv_D3D = self.add_weight(shape=(width, 3 * width), initializer=start, name="qkv")
        self.output_DD = self.add_weight(shape=(width, width), initializer=start, name="output")

    def call(self, x_BLD: Any, forward: Forward, real_BL: Any = None) -> Any:
        """Map float[B, L, D] to float[B, L, D].

        With a causal mask position t attends to positions 0 to t. Without one it attends to all real positions, and
        then the padding mask `real_BL` is required. A causal mask already hides padding that follows the sequence.
        """
        q_BNLK, k_BNLK, v_BNLK = (_split(x, self.heads) for x in ops.split(ops.matmul(x_BLD, self.qkv_D3D), 3, axis=-1))
        if self.causal:
            index_L = ops.arange(ops.shape(x_BLD)[1])
            mask = index_L[:, None] >= index_L[None, :]
        else:
            mask = real_BL[:, None, None, :]
        weights_BNLL = _weights(q_BNLK, k_BNLK, mask)
        context_BLD = _weighted_values(weights_BNLL, v_BNLK, self.dropout, forward, self.path)
        return ops.matmul(context_BLD, self.output_DD)

    def start(self, examples: Any, positions: int, beams: int = 1) -> tuple[Any, Any]:
        """Return an empty key/value cache for J = `beams` rows of each example.

        The keys are float[B, N, K, L * J], the values float[B, N, L * J, K].
        """
        places, width = positions * beams, self.output_DD.shape[0] // self.heads
        return ops.zeros((examples, self.heads, width, places)), ops.zeros((examples, self.heads, places, width))

    def step(self, cache: tuple[Any, Any], x_RD: Any, position: Any, paths: Any = None) -> tuple[Any, tuple[Any, Any]]:
        """Compute one position of R = B * J rows. Return (float[R, D], the next key/value cache).

        `paths` is the index table of `layers/beam_index.py`, required for J > 1. A row then computes scores against the
        keys of all rows of its example, and a mask leaves it its own history only. These are J times the products, but
        they are matrix products, and they are cheaper than copying keys and values.
        """
        beams = 1 if paths is None else paths.shape[2]
        q_BNJK, k_BNJK, v_BNJK = (
            _split(_by_example(x, beams), self.heads) for x in ops.split(ops.matmul(x_RD, self.qkv_D3D), 3, axis=-1)
        )
        keys_BNKM = ops.slice_update(cache[0], (0, 0, 0, position * beams), ops.transpose(k_BNJK, (0, 1, 3, 2)))
        values_BNMK = ops.slice_update(cache[1], (0, 0, position * beams, 0), v_BNJK)
        mask = ops.arange(keys_BNKM.shape[3]) <= position if paths is None else visible(paths, position)
        weights_BNJM = _weights(q_BNJK, ops.transpose(keys_BNKM, (0, 1, 3, 2)), mask)
        context_BJD = _weighted_values(weights_BNJM, values_BNMK, 0.0, Forward(), self.path)
        return ops.matmul(ops.reshape(context_BJD, ops.shape(x_RD)), self.output_DD), (keys_BNKM, values_BNMK)


class SourceAttention(Layer):
    """Multi-head attention from the target to the source: two pointwise convolutions give its keys and values."""

    def __init__(self, *, heads: int, dropout: float, gain: float = 1.0, name: str) -> None:
        """`gain` scales the initial projections, which are drawn from N(0, gain^2 / D)."""
        super().__init__(name=name)
        self.heads, self.dropout, self.gain = heads, dropout, gain

    def build(self, width: int) -> None:
        start = _projection(width, self.gain)
        self.query_DD = self.add_weight(shape=(width, width), initializer=start, name="query")
        self.memory_D2D = self.add_weight(shape=(width, 2 * width), initializer=start, name="key_value")
        self.output_DD = self.add_weight(shape=(width, width), initializer=start, name="output")

    def memory(self, source: Seq) -> tuple[Any, Any, Any]:
        """Return keys and values, float[B, N, S, K] each, and the padding mask, bool[B, 1, 1, S], True where real."""
        k_BSD, v_BSD = ops.split(ops.matmul(source.values_BLD, self.memory_D2D), 2, axis=-1)
        return _split(k_BSD, self.heads), _split(v_BSD, self.heads), source.real_BL[:, None, None, :]

    def call(self, x_BLD: Any, memory: tuple[Any, Any, Any], forward: Forward) -> Any:
        """Map float[B, L, D] to float[B, L, D] by attention to `memory`."""
        q_BNLK = _split(ops.matmul(x_BLD, self.query_DD), self.heads)
        k_BNSK, v_BNSK, real_B11S = memory
        weights_BNLS = _weights(q_BNLK, k_BNSK, real_B11S)
        if forward.watched is not None:
            forward.watched.attention[self.path] = ops.mean(weights_BNLS, axis=1)
        context_BLD = _weighted_values(weights_BNLS, v_BNSK, self.dropout, forward, self.path)
        return ops.matmul(context_BLD, self.output_DD)


class AttentionBlock(Layer):
    """The timing signal, two mixing convolutions, self-attention, then attention to the source.

    m = mix(x + timing);  q = LN(m + SelfAttention(m));  c = LN(q + SourceAttention(q, source)).
    The paper does not specify the residual connections, the norms and the kernels of the mixing convolutions; for the
    choices made here see docs/multimodel.md.
    """

    def __init__(
        self,
        *,
        heads: int,
        dropout: float,
        mixing: str,
        block_dropout: float,
        branch_dropout: float,
        branch_scale: float,
        name: str,
    ) -> None:
        """`mixing` is "steps" (ConvSteps) or "blocks" (ConvBlocks with `block_dropout` and `branch_scale`).

        `branch_dropout` is the dropout of the branches of these ConvBlocks, and also of the output of this block,
        which the caller adds to the block's input.
        """
        super().__init__(name=name)
        self.mixing, self.block_dropout, self.branch_scale = mixing, block_dropout, branch_scale
        self.branch_dropout = branch_dropout
        self.to_self = SelfAttention(heads=heads, dropout=dropout, name="self")
        self.to_source = SourceAttention(heads=heads, dropout=dropout, name="source")
        self.self_norm = LayerNorm(name="self_norm")
        self.source_norm = LayerNorm(name="source_norm")

    def build(self, width: int) -> None:
        if self.mixing == "steps":  # as in T2T v1.0.3: five taps, dilations 1 and 4
            self.mix = [
                ConvStep(width, 5, dilation=dilation, causal=True, name=f"mix_{i}")
                for i, dilation in enumerate((1, 4), start=1)
            ]
        else:
            self.mix = [
                ConvBlock(
                    dropout=self.block_dropout,
                    branch_dropout=self.branch_dropout,
                    branch_scale=self.branch_scale,
                    causal=True,
                    name=f"mix_{i}",
                )
                for i in (1, 2)
            ]
        for layer in [*self.mix, self.to_self, self.to_source, self.self_norm, self.source_norm]:
            layer.build(width)

    def call(self, x_BLD: Any, source: Seq, forward: Forward) -> Any:
        """Map float[B, L, D] to float[B, L, D]: for each target position, a vector computed from target and source."""
        m_BLD = add_timing(x_BLD)
        for layer in self.mix:
            m_BLD = layer(m_BLD, None, forward) if self.mixing == "blocks" else layer(m_BLD)
        q_BLD = self.self_norm(m_BLD + self.to_self(m_BLD, forward))
        c_BLD = self.source_norm(q_BLD + self.to_source(q_BLD, self.to_source.memory(source), forward))
        return dropout(c_BLD, self.branch_dropout, forward, self.path)

    def start(self, source: Seq, positions: int, beams: int = 1) -> dict[str, Any]:
        """Return the source's keys and values, and empty caches for `positions` positions, `beams` rows per example."""
        examples = ops.shape(source.values_BLD)[0]
        return {
            "memory": self.to_source.memory(source),
            "mix": [layer.start(examples * beams) for layer in self.mix],
            "self": self.to_self.start(examples, positions, beams),
        }

    def step(self, state: dict[str, Any], x_RD: Any, position: Any, paths: Any = None) -> tuple[Any, dict[str, Any]]:
        """Compute one position. Return (float[R, D], the next state). `paths` is that of `SelfAttention.step`."""
        beams = 1 if paths is None else paths.shape[2]
        m_RD = x_RD + timing_signal(ops.reshape(position, (1,)), x_RD.shape[-1])
        mix = []
        for layer, cache in zip(self.mix, state["mix"], strict=True):
            m_RD, cache = layer.step(cache, m_RD, position, paths)
            mix.append(cache)
        self_context_RD, self_cache = self.to_self.step(state["self"], m_RD, position, paths)
        q_RD = self.self_norm(m_RD + self_context_RD)
        context_BJD = self.to_source(_by_example(q_RD, beams), state["memory"], Forward())
        c_RD = self.source_norm(q_RD + ops.reshape(context_BJD, ops.shape(q_RD)))
        return c_RD, {"memory": state["memory"], "mix": mix, "self": self_cache}


def _projection(width: int, gain: float) -> Any:
    return keras.initializers.RandomNormal(stddev=gain * width**-0.5)


def _by_example(x_RD: Any, beams: int) -> Any:
    """Reshape float[B * J, D] to float[B, J, D]."""
    return ops.reshape(x_RD, (-1, beams, x_RD.shape[-1]))


def _split(x_BLD: Any, heads: int) -> Any:
    """Split the channels into heads: float[B, L, D] to float[B, N, L, K]."""
    shape = ops.shape(x_BLD)
    return ops.transpose(ops.reshape(x_BLD, (shape[0], shape[1], heads, x_BLD.shape[-1] // heads)), (0, 2, 1, 3))


def _weights(q_BNLK: Any, k_BNSK: Any, mask: Any) -> Any:
    """Return softmax(q k^T / sqrt(K)), float32[B, N, L, S]. `mask` is bool, True where a position may be attended to.

    It is broadcast to the shape of the result.
    """
    scores_BNLS = ops.matmul(q_BNLK * (q_BNLK.shape[-1] ** -0.5), ops.transpose(k_BNSK, (0, 1, 3, 2)))
    return softmax(ops.cast(scores_BNLS, "float32") + ops.where(mask, 0.0, MASKED_SCORE))


def _weighted_values(weights_BNLS: Any, v_BNSK: Any, rate: float, forward: Forward, path: str) -> Any:
    """Return the weighted sum of the values with heads joined, float[B, L, D]; weights have dropout."""
    weights_BNLS = dropout(ops.cast(weights_BNLS, v_BNSK.dtype), rate, forward, path)
    context_BLNK = ops.transpose(ops.matmul(weights_BNLS, v_BNSK), (0, 2, 1, 3))
    shape = ops.shape(context_BLNK)
    return ops.reshape(context_BLNK, (shape[0], shape[1], v_BNSK.shape[1] * v_BNSK.shape[3]))
