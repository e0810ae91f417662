"""Find the weights of a net that a problem reads, so that a model of this problem alone can leave out the others."""

from collections.abc import Collection, Iterable
from typing import Any

import keras
import numpy as np
from keras import ops

from t2t_mm.data.input.batches import Batches
from t2t_mm.data.input.generated_problem import GeneratedProblem
from t2t_mm.layers.forward import Forward, Noise
from t2t_mm.models.net import COMMANDS, Net
from t2t_mm.problem import DEV


def read_by(net: Net, ready: GeneratedProblem) -> set[str]:
    """Return the paths of the weights that the problem reads in training, evaluation and decoding.

    They are recorded on one dev example, operation by operation. The table of commands is always included.
    """
    name = ready.name
    batch = Batches(ready, DEV, net.hparams.data, seed=0, training=False, only=[0]).batch(0)
    command, read = np.int32(net.command(name)), {COMMANDS}

    class ReadRecorder(keras.StatelessScope):
        """Scope that records the paths of the variables that are read in it."""

        def get_current_value(self, variable: Any) -> Any:
            read.add(variable.path)
            return super().get_current_value(variable)

    with ReadRecorder():
        net.loss(name, batch.arrays, command, Forward(Noise(ops.convert_to_tensor(np.uint32(0)))), 0.0)
        net.teacher_forced(name, batch.arrays, command)
        rows = len(next(iter(batch.arrays["targets"].values())))
        memory = net.encode(name, batch.arrays.get("inputs"), Forward(), rows)
        if net.generates(name):
            state = net.start(name, memory, positions=2)
            net.step(name, state, net.first(name, rows))
            net.embed(name, ops.zeros((rows, 1), "int32"))
        else:
            net.classify(name, memory)
    return read & {weight.path for weight in net.weights}


def parts_of(left: Iterable[str], paths: Iterable[str]) -> tuple[str, ...]:
    """Return the fewest names, without the root, that stand for the weights `left` and for no others of `paths`."""
    left = set(left)
    others = set(paths) - left
    names = set()
    for path in left:
        steps = path.split("/")
        stems = ("/".join(steps[:depth]) for depth in range(2, len(steps) + 1))
        names.add(next(stem for stem in stems if not any(f"{other}/".startswith(f"{stem}/") for other in others)))
    return tuple(sorted(name.removeprefix("net/") for name in names))


def covered(paths: Iterable[str], parts: Collection[str]) -> set[str]:
    """Return those of `paths` at or below one of `parts`, which are written without the root."""
    return {path for path in paths if any(f"{path}/".startswith(f"net/{part}/") for part in parts)}
