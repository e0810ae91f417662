"""Optimizer: updates the weights that a step used by the update rule of the run, with a step count for every net.

A net that first trains at step 1,000 of a joint run must not be treated as if its moments had converged. So everything
that depends on the number of the step (bias correction, decay of exponential moving averages) counts the steps that the
net took part in.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

import keras
import numpy as np
from keras import ops

from t2t_mm.errors import UserError
from t2t_mm.hparam_set import TrainingHparams
from t2t_mm.models.net import COMMANDS, join_commands, split_commands
from t2t_mm.train.optim.adafactor import ADAFACTOR
from t2t_mm.train.optim.adam import ADAM, ADAM_W
from t2t_mm.train.optim.momentum import MOMENTUM
from t2t_mm.train.optim.muon import MUON
from t2t_mm.train.optim.rmsprop import RMSPROP
from t2t_mm.train.optim.update_rule import AVERAGE, UpdateRule

RULES: dict[str, UpdateRule] = {  # every update rule, by the name that the hparam `optimizer` takes
    "adam": ADAM,
    "adam_w": ADAM_W,
    "adafactor": ADAFACTOR,
    "momentum": MOMENTUM,
    "rmsprop": RMSPROP,
    "muon": MUON,
}


def unit_of(path: str) -> str:
    """Return the net that a weight belongs to, the first two names below the root of its path: "body/encoder"."""
    return "/".join(path.split("/")[1:3])


class Optimizer:
    """Slots and step counts of all trained weights, and the update of those that a step used.

    Step counts are kept by `unit_of` the weight and, for the table of commands, by row. With `ema_decay` each weight
    also has an exponential moving average:

        average += (1 - d) * (weight - average)      d = min(ema_decay, (1 + t) / (10 + t)), t as counted for the net
    """

    def __init__(self, weights: Sequence[Any], commands: Sequence[str], hparams: TrainingHparams) -> None:
        """Make the slots of `weights`; those of frozen weights are left out.

        Raises UserError if `hparams.freeze` contains a name that no weight has, or leaves nothing to train.
        """
        self.hparams, self.commands = hparams, list(commands)
        frozen = frozen_paths([weight.path for weight in weights], hparams.freeze)
        self.weights = {weight.path: weight for weight in weights if weight.path not in frozen}
        rule = RULES[hparams.optimizer]
        self.rules = {path: rule.for_weight(path, tuple(weight.shape)) for path, weight in self.weights.items()}
        self.slots = {path: self._new_slots(weight) for path, weight in self.weights.items()}
        units = sorted({unit_of(path) for path in self.weights if path != COMMANDS})
        self.units = units + [f"commands/{command}" for command in commands]
        self.counts_U = keras.Variable(np.zeros(len(self.units), "float32"), trainable=False, name="steps")

    def moving(self, paths: Sequence[str]) -> list[Any]:
        """Return every variable that a step on the weights at `paths` may change, weights first and in that order."""
        slots = [slot for path in paths for slot in self.slots.get(path, {}).values()]
        return [*(self.weights[path] for path in paths), *slots, self.counts_U]

    def decayed(self, gradients: dict[str, Any], command: Any) -> dict[str, Any]:
        """Return `gradients` plus those of weight decay as in T2T: weight_decay * sum(weight^2) / 2, added to the loss.

        The sum is over the weights in use that have two axes or more: no biases, no scales of norms, and of the table
        of commands only the row in use. A rule with decoupled weight decay applies it in `apply` instead.
        """
        added = dict(gradients)
        for path in filter(self._decays, gradients):
            decay = self.hparams.weight_decay * self.weights[path].value
            if path == COMMANDS:
                decay = decay * ops.one_hot(command, len(self.commands), dtype="float32")[:, None]
            added[path] = gradients[path] + decay
        return added

    def apply(self, gradients: Mapping[str, Any], rate: Any, command: Any) -> None:
        """Update the weights named in `gradients`; called while a step is traced.

        Args:
            gradients: float tensors by weight path; weights that are left out, and their slots, do not change.
            rate: float32[], the learning rate.
            command: int32[], the row of the table of commands that this step used.

        On JAX call it inside a `keras.StatelessScope`, which then holds the new values.
        """
        first_command = len(self.units) - len(self.commands)
        used = {unit_of(path) for path in gradients if path != COMMANDS}
        used_U = np.array([unit in used for unit in self.units], "float32")
        if COMMANDS in gradients:
            used_U = used_U + ops.one_hot(first_command + command, len(self.units), dtype="float32")
        counts_U = self.counts_U.assign(self.counts_U.value + used_U)
        for path, gradient in gradients.items():
            if path == COMMANDS:
                self._move_row(gradient, rate, counts_U[first_command + command], command)
            else:
                self._move(path, gradient, rate, counts_U[self.units.index(unit_of(path))])

    def decayed_where(self, gradients: dict[str, Any], used_P: Any, rows_C: Any) -> dict[str, Any]:
        """Return gradients as `decayed` does, for a step that computes which weights are in use: see `apply_where`."""
        added = dict(gradients)
        for place, path in enumerate(self.weights):
            if self._decays(path):
                marks = rows_C[:, None] if path == COMMANDS else used_P[place]
                decay = self.hparams.weight_decay * self.weights[path].value
                added[path] = gradients[path] + ops.cast(marks > 0, "float32") * decay
        return added

    def apply_where(self, gradients: Mapping[str, Any], rate: Any, used_P: Any, rows_C: Any) -> None:
        """Update weights as `apply` does, for a step that computes which weights are in use. TensorFlow only.

        Args:
            gradients: those of all weights.
            rate: float32[], the learning rate.
            used_P: float32[P], above 0 for the weights in use, in the order of `weights`; the others do not change.
            rows_C: float32[C], above 0 for the rows in use of the table of commands.

        """
        places: dict[str, list[int]] = {}
        for place, path in enumerate(self.weights):
            places.setdefault(unit_of(path), []).append(place)
        first_command = len(self.units) - len(self.commands)
        used_U = [ops.max(ops.take(used_P, places[unit], axis=0)) for unit in self.units[:first_command]]
        here_U = ops.cast(ops.concatenate([ops.stack(used_U), rows_C] if used_U else [rows_C]) > 0, "float32")
        counts_U = self.counts_U.assign(self.counts_U.value + here_U)
        for used, (path, gradient) in zip(ops.unstack(used_P, len(self.weights)), gradients.items(), strict=True):
            if path != COMMANDS:
                count = counts_U[self.units.index(unit_of(path))]
                _where(used, partial(self._move, path, gradient, rate, count))
                continue
            for row, marked in enumerate(ops.unstack(rows_C, len(self.commands))):
                command = ops.convert_to_tensor(np.int32(row))
                _where(marked, partial(self._move_row, gradient, rate, counts_U[first_command + row], command))

    def swap_averages(self) -> None:
        """Swap the weights and their exponential moving averages; do nothing without averages.

        Two swaps restore everything to the last bit.
        """
        for path, slots in self.slots.items():
            if AVERAGE in slots:
                weight, average = self.weights[path], slots[AVERAGE]
                kept = ops.copy(weight.value)
                weight.assign(average.value)
                average.assign(kept)

    def tensors(self) -> dict[str, np.ndarray]:
        """Return slots by `<weight path>/<slot>` and step counts by `steps/<unit>`, for a checkpoint."""
        slots = {f"{path}/{name}": slot.numpy() for path, slots in self.slots.items() for name, slot in slots.items()}
        counts_U = self.counts_U.numpy()
        counts = {f"steps/{unit}": counts_U[i : i + 1] for i, unit in enumerate(self.units)}
        return split_commands(slots, self.commands) | counts

    def restore(self, tensors: Mapping[str, np.ndarray]) -> None:
        """Restore slots and step counts from `tensors`, as the method `tensors` returned them.

        Those that `tensors` lacks begin anew: averages as the current weights, other slots and counts as zeros. This is
        so for parts that were frozen and for averages that were not kept.
        """
        joined = join_commands(tensors, self.commands)
        for path, slots in self.slots.items():
            for name, slot in slots.items():
                fresh = self.weights[path].numpy() if name == AVERAGE else np.zeros(slot.shape, "float32")
                slot.assign(joined.get(f"{path}/{name}", fresh))
        none = np.zeros(1, "float32")
        self.counts_U.assign(np.concatenate([tensors.get(f"steps/{unit}", none) for unit in self.units]))

    def settled(self, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return `tensors` with the average in place of every weight that does not train, if an average was kept.

        A frozen weight has no average of its own: the value that was used for evaluation and decoding stays.
        """
        frozen = {}
        for name, value in tensors.items():
            weight = name.removesuffix(f"/{AVERAGE}")
            path = COMMANDS if weight.startswith("net/commands/") else weight
            if weight != name and weight in tensors and path not in self.weights:
                frozen[weight] = value
        return {**tensors, **frozen}

    def _new_slots(self, weight: Any) -> dict[str, Any]:
        rows = weight.shape[:1] if weight.path == COMMANDS else ()
        shapes = self.rules[weight.path].slots(tuple(weight.shape[len(rows) :]))
        values = {name: np.zeros((*rows, *shape), "float32") for name, shape in shapes.items()}
        if self.hparams.ema_decay:
            values[AVERAGE] = weight.numpy()
        return {name: keras.Variable(value, trainable=False, name=name) for name, value in values.items()}

    def _decays(self, path: str) -> bool:
        """Return True if weight decay is added to the gradient of this weight."""
        return self._is_decayed(path) and not self.rules[path].decoupled

    def _shrinks(self, path: str) -> bool:
        """Return True if decoupled weight decay reduces this weight before its update."""
        return self._is_decayed(path) and self.rules[path].decoupled

    def _is_decayed(self, path: str) -> bool:
        return self.hparams.weight_decay > 0 and len(self.weights[path].shape) > 1

    def _move(self, path: str, gradient: Any, rate: Any, count: Any) -> None:
        weight, slots, rule = self.weights[path], self.slots[path], self.rules[path]
        if rule.fused and keras.backend.backend() == "tensorflow":
            if self._shrinks(path):
                weight.assign(weight.value * self._decay_factor(rate))
            rule.fused(weight, slots, gradient, rate, count, self.hparams)
            if AVERAGE in slots:
                _move_towards(slots[AVERAGE], weight, 1.0 - self._ema_decay(count))
            return
        moved, changed = self._moved(path, weight.value, {n: s.value for n, s in slots.items()}, gradient, rate, count)
        weight.assign(moved)
        for name, value in changed.items():
            slots[name].assign(value)

    def _move_row(self, gradient: Any, rate: Any, count: Any, command: Any) -> None:
        """Update the row of one command in the table of commands, which is treated as a weight of its own."""
        weight, slots = self.weights[COMMANDS], self.slots[COMMANDS]
        weight_D, gradient_D = (ops.take(x, command, axis=0) for x in (weight, gradient))
        slots_D = {name: ops.take(slot, command, axis=0) for name, slot in slots.items()}
        moved_D, changed = self._moved(COMMANDS, weight_D, slots_D, gradient_D, rate, count)
        _write_row(weight, command, moved_D)
        for name, value_D in changed.items():
            _write_row(slots[name], command, value_D)

    def _moved(
        self, path: str, weight: Any, slots: Mapping[str, Any], gradient: Any, rate: Any, count: Any
    ) -> tuple[Any, dict[str, Any]]:
        if self._shrinks(path):
            weight = weight * self._decay_factor(rate)
        moved, changed = self.rules[path].updated(weight, slots, gradient, rate, count, self.hparams)
        if AVERAGE in slots:
            changed = changed | {AVERAGE: self._average(slots[AVERAGE], moved, count)}
        return moved, changed

    def _decay_factor(self, rate: Any) -> Any:
        return 1.0 - rate * self.hparams.weight_decay

    def _average(self, average: Any, weight: Any, count: Any) -> Any:
        return average + (1.0 - self._ema_decay(count)) * (weight - average)

    def _ema_decay(self, count: Any) -> Any:
        return ops.minimum(self.hparams.ema_decay, (1.0 + count) / (10.0 + count))


def frozen_paths(paths: Sequence[str], freeze: str) -> set[str]:
    """Return those of `paths` that `freeze` names: parts of the net such as "body/encoder", separated by blanks.

    A name, written without the root "net/", stands for every weight at or below it; `*` stands for any letters. Raises
    UserError for a name without a weight, or if nothing is left to train.
    """
    frozen: set[str] = set()
    for name in freeze.split():
        named = paths_of(paths, name)
        if not named:
            parts = ", ".join(sorted({unit_of(path) for path in paths}))
            raise UserError(f"freeze={name} names no part of the net. Its parts: {parts}; paths below them work too.")
        frozen |= named
    if paths and len(frozen) == len(paths):
        raise UserError(f"freeze={freeze} leaves nothing to train; name fewer parts.")
    return frozen


def paths_of(paths: Iterable[str], name: str) -> set[str]:
    """Return those of `paths` at or below `name`, written without the root "net/"; `*` stands for any letters."""
    return {path for path in paths if any(fnmatchcase(path, f"net/{name}{end}") for end in ("", "/*"))}


def _where(mark: Any, move: Callable[[], None]) -> None:
    """Call `move` if `mark`, float32[], is above 0."""

    def moved() -> Any:
        move()
        return mark

    ops.cond(mark > 0, moved, lambda: mark)


def _move_towards(variable: Any, goal: Any, share: Any) -> None:
    """Move `variable` in place by `share` of the way to `goal`, by one TensorFlow kernel."""
    import tensorflow as tf

    tf.raw_ops.ResourceApplyGradientDescent(
        var=variable.value.handle, alpha=share, delta=variable.value - goal.value, use_locking=False
    )


def _write_row(variable: Any, row: Any, value_D: Any) -> None:
    """Set one row of `variable`, float32[R, D], in place if the backend supports it."""
    if keras.backend.backend() == "tensorflow":
        variable.value.scatter_nd_update(row[None, None], value_D[None])
    else:
        variable.assign(ops.slice_update(variable.value, (row, 0), value_D[None]))
