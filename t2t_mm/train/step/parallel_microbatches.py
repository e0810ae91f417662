"""Steps whose batches are computed side by side, as TensorFlow graphs: the hparam batches_at_once.

A small net's operations are too short to be shared among cores: handing over costs what it gains. Batches of one step
need nothing of each other until their gradients are added up, so each has a core to itself for most of the step. The
graph of a batch is traced once and called for each of them; what is computed is what one after the other would be.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from t2t_mm.errors import UserError
from t2t_mm.train.step.compiler import Specs
from t2t_mm.train.step.tensorflow_steps import GIVEN, TensorFlowCompiler, signature


class ParallelMicrobatchCompiler(TensorFlowCompiler):
    """Programs that take P = batches_at_once batches of one problem: features, noise seeds and shares are P each."""

    side_by_side = True

    def grouped(self, given: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        if len(given) % self.at_once:
            received = f"received {len(given)}"
            raise UserError(f"batches_at_once={self.at_once} takes so many batches together; {received}.")
        firsts = range(0, len(given), self.at_once)
        groups = [zip(*given[first : first + self.at_once], strict=True) for first in firsts]
        return [
            (features, commands[0], multipliers[0], np.array(seeds), np.array(shares))
            for features, commands, multipliers, seeds, shares in groups
        ]

    def given(self, specs: Specs) -> list[Any]:
        command, multiplier, *of_each = GIVEN
        stacked = [tf.TensorSpec([self.at_once], one.dtype) for one in of_each]
        return [(signature(specs),) * self.at_once, command, multiplier, *stacked]

    def found(self, problem: str, specs: Specs, *given: Any) -> tuple[Any, ...]:
        """Of the batches together, each by its share; reports, and weights without a gradient, are the last one's."""
        features_P, command, multiplier, seeds_P, shares_P = given

        @tf.function(input_signature=[signature(specs), *GIVEN[:-1]], autograph=False, jit_compile=False)
        def of_one(*batch: Any) -> Any:
            return self.gradients(problem, *batch)

        seeds, shares = tf.unstack(seeds_P), tf.unstack(shares_P)
        found = [of_one(features, command, multiplier, seed) for features, seed in zip(features_P, seeds, strict=True)]
        gradients_P, nats_P, reports_P, moved_P = zip(*found, strict=True)
        gradients = {path: _weighed(shares, [one[path] for one in gradients_P]) for path in gradients_P[0]}
        return gradients, _weighed(shares, nats_P), reports_P[-1], moved_P[-1], 1.0


def _weighed(shares: Sequence[Any], values: Sequence[Any]) -> Any:
    return tf.add_n([share * value for share, value in zip(shares, values, strict=True)])
