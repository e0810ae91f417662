"""The convolution step and the ConvBlock (arXiv 1706.05137, section 2.1).

B examples, L positions, D input channels, F output channels, K taps.
"""

from typing import Any

import keras
from keras import ops

from t2t_mm.layers.beam_index import rows_at
from t2t_mm.layers.depthwise import depthwise_conv1d
from t2t_mm.layers.dropout import dropout
from t2t_mm.layers.forward import Forward
from t2t_mm.layers.layer import Layer
from t2t_mm.layers.norm import LayerNorm
from t2t_mm.layers.sequence import zero_pads

TAPS = ((3, 1), (3, 1), (15, 1), (15, 8))  # (taps, dilation) of the four steps of a ConvBlock


class ConvStep(Layer):
    """The step LN(SepConv(ReLU(x))): ReLU, depthwise separable convolution (may be dilated), layer normalization.

    There are no biases, because the norm has a learned shift. The depthwise taps start uniform within sqrt(3 / K), so
    that a channel keeps its variance. The pointwise projection also keeps the variance, for inputs halved by ReLU.
    `scale` is the initial value of the norm's learned scale.
    """

    def __init__(
        self, size: int, taps: int, *, dilation: int = 1, causal: bool = False, scale: float = 1.0, name: str
    ) -> None:
        super().__init__(name=name)
        self.size, self.taps, self.dilation, self.causal = size, taps, dilation, causal
        self.norm = LayerNorm(scale=scale, name="norm")

    def build(self, width: int) -> None:
        reach = (3.0 / self.taps) ** 0.5
        self.taps_KD = self.add_weight(
            shape=(self.taps, width), initializer=keras.initializers.RandomUniform(-reach, reach), name="depthwise"
        )
        self.pointwise_DF = self.add_weight(shape=(width, self.size), initializer="he_normal", name="pointwise")
        self.norm.build(self.size)

    def call(self, x_BLD: Any, real_BL: Any = None) -> Any:
        """Map float[B, L, D] to float[B, L, F].

        The padding mask `real_BL` is required if padding lies within reach of a real position.
        """
        x_BLD = ops.relu(x_BLD)
        if real_BL is not None:
            x_BLD = zero_pads(x_BLD, real_BL)
        mixed_BLD = depthwise_conv1d(
            x_BLD, ops.convert_to_tensor(self.taps_KD), dilation=self.dilation, causal=self.causal
        )
        return self.norm(ops.matmul(mixed_BLD, self.pointwise_DF))

    def start(self, rows: Any) -> Any:
        """Return an empty cache, float[Z, K, B, D]: a ring buffer of the last K inputs for each of Z phases.

        Z is the dilation. In this layout the inputs that one position reads are adjacent. The taps are reordered to
        match the ring buffer, since they are smaller than the inputs by a factor of B.
        """
        return ops.zeros((self.dilation, self.taps, rows, self.taps_KD.shape[1]))

    def step(self, cache_ZKBD: Any, x_BD: Any, position: Any, paths: Any = None) -> tuple[Any, Any]:
        """Compute position `position` (int32[]) of a causal step. Return (float[B, F], the next cache).

        `paths` is the index table of `layers/beam_index.py`; None if each row's inputs are stored in that row.
        """
        phase, slot = position % self.dilation, position // self.dilation % self.taps
        cache_ZKBD = ops.slice_update(cache_ZKBD, (phase, slot, 0, 0), ops.relu(x_BD)[None, None])
        ring_KBD = ops.take(cache_ZKBD, phase, axis=0)
        age_K = (slot - ops.arange(self.taps, dtype="int32")) % self.taps  # of the input in each slot, in dilations
        taps_KD = ops.take(ops.convert_to_tensor(self.taps_KD), self.taps - 1 - age_K, axis=0)
        if paths is not None:
            rows_KB = rows_at(paths, ops.maximum(position - age_K * self.dilation, 0))
            index_KB = rows_KB + ops.arange(self.taps, dtype="int32")[:, None] * ring_KBD.shape[1]
            ring_KBD = ops.take(ops.reshape(ring_KBD, (-1, ring_KBD.shape[2])), index_KB, axis=0)
        mixed_BD = ops.sum(ring_KBD * taps_KD[:, None, :], axis=0)
        return self.norm(ops.matmul(mixed_BD, self.pointwise_DF)), cache_ZKBD


class ConvBlock(Layer):
    """Four ConvSteps of one width with two residual connections from the block's input, and dropout at the end.

    hidden2 = x + step2(step1(x));  hidden4 = x + step4(step3(hidden2));  Dropout(hidden4).

    `branch_dropout` is the dropout of the branches that are added to x; x itself has none.

    `branch_scale` is the initial norm scale of steps 2 and 4, whose output is added to x. Norms usually start at 1.
    Then each block adds a branch as large as its input, and a deep stack loses the identity of a token before training
    has learned what to keep.
    """

    def __init__(
        self,
        *,
        dropout: float,
        branch_dropout: float = 0.0,
        branch_scale: float = 1.0,
        causal: bool = False,
        name: str,
    ) -> None:
        super().__init__(name=name)
        self.dropout, self.branch_dropout = dropout, branch_dropout
        self.branch_scale, self.causal = branch_scale, causal

    def build(self, width: int) -> None:
        scales = (1.0, self.branch_scale, 1.0, self.branch_scale)
        self.steps = [
            ConvStep(width, taps, dilation=dilation, causal=self.causal, scale=scale, name=f"step_{i}")
            for i, ((taps, dilation), scale) in enumerate(zip(TAPS, scales, strict=True), start=1)
        ]
        for step in self.steps:
            step.build(width)

    def call(self, x_BLD: Any, real_BL: Any, forward: Forward) -> Any:
        """Map float[B, L, D] to float[B, L, D]. A causal block ignores `real_BL`: padding follows the sequence."""
        one, two, three, four = self.steps
        real_BL = None if self.causal else real_BL
        branch_BLD = two(one(x_BLD, real_BL), real_BL)
        hidden2_BLD = x_BLD + dropout(branch_BLD, self.branch_dropout, forward, two.path)
        branch_BLD = four(three(hidden2_BLD, real_BL), real_BL)
        hidden4_BLD = x_BLD + dropout(branch_BLD, self.branch_dropout, forward, four.path)
        return dropout(hidden4_BLD, self.dropout, forward, self.path)

    def start(self, rows: Any) -> list[Any]:
        """Return empty caches for the four steps."""
        return [step.start(rows) for step in self.steps]

    def step(self, caches: list[Any], x_BD: Any, position: Any, paths: Any = None) -> tuple[Any, list[Any]]:
        """Compute one position. Return (float[B, D], the next caches). `paths` is that of `ConvStep.step`."""
        one, two, three, four = self.steps
        hidden_BD, cache1 = one.step(caches[0], x_BD, position, paths)
        hidden_BD, cache2 = two.step(caches[1], hidden_BD, position, paths)
        hidden_BD, cache3 = three.step(caches[2], x_BD + hidden_BD, position, paths)
        hidden_BD, cache4 = four.step(caches[3], hidden_BD, position, paths)
        return x_BD + hidden_BD, [cache1, cache2, cache3, cache4]
