"""Adam with a step count for every net.

A net that first trains at step 1,000 of a joint run must not be treated as if its moments had settled, so the bias
correction counts the steps that the net took part in.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

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
        """Move the weights named in `gradients`; called while a step is traced.

        Args:
            gradients: float tensors by weight path; weights left out do not move, nor do their moments.
            rate: float32[], the learning rate.
            command: int32[], the row of the table of commands that this step used.

        On JAX it is called inside a `keras.StatelessScope`, which then holds what moved.
        """
        first_command = len(self.units) - len(self.commands)
        used = {unit_of(path) for path in gradients if path != COMMANDS}
        here_U = np.array([unit in used for unit in self.units], "float32")
        if COMMANDS in gradients:
            here_U = here_U + ops.one_hot(first_command + command, len(self.units), dtype="float32")
        counts_U = self.counts_U.assign(self.counts_U.value + here_U)
        move = _move_fused if keras.backend.backend() == "tensorflow" else _move
        for path, gradient in gradients.items():
            weight, m, v = self.weights[path], self.moments[f"{path}/m"], self.moments[f"{path}/v"]
            count = counts_U[first_command + command if path == COMMANDS else self.units.index(unit_of(path))]
            if path == COMMANDS:
                weight_D, m_D, v_D, gradient_D = (ops.take(x, command, axis=0) for x in (weight, m, v, gradient))
                moved_D = updated(weight_D, m_D, v_D, gradient_D, rate, count, self.hparams)
                for variable, value_D in zip((weight, m, v), moved_D, strict=True):
                    _write_row(variable, command, value_D)
            else:
                move(weight, m, v, gradient, rate, count, self.hparams)

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


def updated(
    weight: Any, m: Any, v: Any, gradient: Any, rate: Any, count: Any, hparams: TrainingHparams
) -> tuple[Any, Any, Any]:
    """What weight and moments become by step number `count`, float32[], of their net."""
    beta1, beta2 = hparams.adam_beta1, hparams.adam_beta2
    m = beta1 * m + (1.0 - beta1) * gradient
    v = beta2 * v + (1.0 - beta2) * ops.square(gradient)
    scale = rate * ops.sqrt(1.0 - beta2**count) / (1.0 - beta1**count)
    return weight - scale * m / (ops.sqrt(v) + hparams.adam_epsilon), m, v


def _move(weight: Any, m: Any, v: Any, gradient: Any, rate: Any, count: Any, hparams: TrainingHparams) -> None:
    moved = updated(weight.value, m.value, v.value, gradient, rate, count, hparams)
    for variable, value in zip((weight, m, v), moved, strict=True):
        variable.assign(value)


def _move_fused(weight: Any, m: Any, v: Any, gradient: Any, rate: Any, count: Any, hparams: TrainingHparams) -> None:
    """The same as one kernel of TensorFlow's, in place."""
    import tensorflow as tf

    tf.raw_ops.ResourceApplyAdam(
        var=weight.value.handle,
        m=m.value.handle,
        v=v.value.handle,
        beta1_power=hparams.adam_beta1**count,
        beta2_power=hparams.adam_beta2**count,
        lr=rate,
        beta1=hparams.adam_beta1,
        beta2=hparams.adam_beta2,
        epsilon=hparams.adam_epsilon,
        grad=gradient,
    )


def _write_row(variable: Any, row: Any, value_D: Any) -> None:
    """Set one row of `variable`, float32[R, D], in place where the backend can."""
    if keras.backend.backend() == "tensorflow":
        variable.value.scatter_nd_update(row[None, None], value_D[None])
    else:
        variable.assign(ops.slice_update(variable.value, (row, 0), value_D[None]))
