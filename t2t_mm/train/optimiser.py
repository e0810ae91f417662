"""Adam, as one fused kernel a weight, with a step count for every net.

A net that first trains at step 1,000 of a joint run must not be treated as if its moments had settled, so the bias
correction counts the steps that the net took part in.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from t2t_mm.hparam_set import TrainingHparams
from t2t_mm.models.net import COMMANDS, join_commands, split_commands


def unit_of(path: str) -> str:
    """The net that a weight belongs to, as the first two names below the root of its path: "body/encoder"."""
    return "/".join(path.split("/")[1:3])


class Adam:
    """Moments and step counts of all weights, and the update of those in use.

    theta -= rate * sqrt(1 - beta2^t) / (1 - beta1^t) * m / (sqrt(v) + epsilon), t counted by `unit_of` the weight and,
    for the table of commands, by row.
    """

    def __init__(self, weights: Sequence[Any], commands: Sequence[str], hparams: TrainingHparams) -> None:
        self.hparams = hparams
        self.weights = {weight.path: weight for weight in weights}
        self.commands = list(commands)
        self.moments = {
            f"{weight.path}/{slot}": keras.Variable(np.zeros(weight.shape, "float32"), trainable=False, name=slot)
            for weight in weights
            for slot in ("m", "v")
        }
        units = sorted({unit_of(path) for path in self.weights if path != COMMANDS})
        self.units = units + [f"commands/{command}" for command in commands]
        self.counts_U = keras.Variable(np.zeros(len(self.units), "float32"), trainable=False, name="steps")

    def apply(self, gradients: Mapping[str, Any], rate: Any, command: Any) -> None:
        """Move the weights named in `gradients` (TensorFlow backend; called while tracing a step).

        Args:
            gradients: float tensors by weight path; weights left out do not move, nor do their moments.
            rate: float32[], the learning rate.
            command: int32[], the row of the table of commands that this step used.
        """
        import tensorflow as tf

        first_command = len(self.units) - len(self.commands)
        used = {unit_of(path) for path in gradients if path != COMMANDS}
        here_U = tf.constant([unit in used for unit in self.units], "float32")
        if COMMANDS in gradients:
            here_U += tf.one_hot(first_command + command, len(self.units))
        counts_U = self.counts_U.value.assign_add(here_U)
        beta1, beta2, epsilon = self.hparams.adam_beta1, self.hparams.adam_beta2, self.hparams.adam_epsilon
        for path, gradient in gradients.items():
            weight, m, v = (x.value for x in (self.weights[path], self.moments[f"{path}/m"], self.moments[f"{path}/v"]))
            count = counts_U[first_command + command if path == COMMANDS else self.units.index(unit_of(path))]
            if path == COMMANDS:
                g = tf.gather(gradient, command)
                m_D = beta1 * tf.gather(m, command) + (1.0 - beta1) * g
                v_D = beta2 * tf.gather(v, command) + (1.0 - beta2) * tf.square(g)
                scale = rate * tf.sqrt(1.0 - beta2**count) / (1.0 - beta1**count)
                moved_D = tf.gather(weight, command) - scale * m_D / (tf.sqrt(v_D) + epsilon)
                for variable, value_D in ((m, m_D), (v, v_D), (weight, moved_D)):
                    variable.scatter_nd_update(command[None, None], value_D[None])
            else:
                tf.raw_ops.ResourceApplyAdam(
                    var=weight.handle,
                    m=m.handle,
                    v=v.handle,
                    beta1_power=beta1**count,
                    beta2_power=beta2**count,
                    lr=rate,
                    beta1=beta1,
                    beta2=beta2,
                    epsilon=epsilon,
                    grad=gradient,
                )

    def tensors(self) -> dict[str, np.ndarray]:
        """Moments by `<weight path>/<slot>` and counts by `steps/<unit>`, for a checkpoint."""
        moments = {path: moment.numpy() for path, moment in self.moments.items()}
        counts_U = self.counts_U.numpy()
        counts = {f"steps/{unit}": counts_U[i : i + 1] for i, unit in enumerate(self.units)}
        return split_commands(moments, self.commands) | counts

    def restore(self, tensors: Mapping[str, np.ndarray]) -> None:
        """Take back what `tensors` gave."""
        whole = join_commands(tensors, self.commands)
        for path, moment in self.moments.items():
            moment.assign(whole[path])
        self.counts_U.assign(np.concatenate([tensors[f"steps/{unit}"] for unit in self.units]))
