"""Parallel gradient accumulation on TensorFlow: the micro-batches of one step side by side, a core each.

The hparam `batches_at_once` turns it on. The operations of a small net are too short to be shared among cores: handing
them over costs what it gains. The micro-batches of a step need nothing of each other until their gradients are summed,
so each has a core to itself for most of the step. The graph of a micro-batch is traced once and called for each of
them; the result is that of sequential accumulation.
"""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from t2t_mm.train.step.step_input import Gradients, StepInput


def gradients_in_parallel(
    gradients_of: Callable[[str, StepInput], Gradients], problem: str, batches: Sequence[StepInput], spec: StepInput
) -> Gradients:
    """Return the sum of the gradients of micro-batches, each weighted by its share of the step.

    Reports, and the weights without a gradient, are those of the last micro-batch.

    Args:
        gradients_of: computes the gradients of one micro-batch of the problem.
        problem: the problem of all of them.
        batches: the micro-batches, inside a step that is being traced.
        spec: the tensor specifications of one micro-batch.
    """

    @tf.function(input_signature=[spec], autograph=False, jit_compile=False)
    def of_one(batch: StepInput) -> Gradients:
        return gradients_of(problem, batch)

    each = [of_one(batch) for batch in batches]
    shares = [batch.share for batch in batches]
    by_path = {path: _weighted_sum(shares, [one.by_path[path] for one in each]) for path in each[0].by_path}
    nats = _weighted_sum(shares, [one.nats for one in each])
    return Gradients(by_path, nats, each[-1].reports, each[-1].moved, share=1.0)


def _weighted_sum(shares: Sequence[Any], values: Sequence[Any]) -> Any:
    return tf.add_n([share * value for share, value in zip(shares, values, strict=True)])
