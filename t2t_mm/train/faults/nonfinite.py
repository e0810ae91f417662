"""What went wrong in a step whose loss or gradient is not finite: which tensor was the first, on which examples."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from t2t_mm.atomic_file import whole_file
from t2t_mm.layers.layer import Layer
from t2t_mm.layers.sequence import Seq
from t2t_mm.train.step.step_record import NotFinite, StepRecord
from t2t_mm.train.step.steps import Steps


def blamed(steps: Steps, taken: StepRecord, multiplier: float) -> str:
    """A sentence that names the first tensor that is not finite, of a step computed again, operation by operation.

    Looked for in this order: the batch, the weights, what each layer gives in the order in which they are called, the
    loss, the gradients from the loss backwards.
    """
    try:
        bad = _first_bad(steps, taken, multiplier)
    except Exception as error:  # whatever it is, it must not hide the fault that is to be told
        return f"Computed again, operation by operation, the step fails: {type(error).__name__}: {error}."
    if bad is None:
        return "Computed again, operation by operation, everything is finite."
    return f"The first tensor that is not finite is {bad}."


def _first_bad(steps: Steps, taken: StepRecord, multiplier: float) -> str | None:
    for batch in taken.batches:
        for feature, arrays in batch.arrays.items():
            for name, array in arrays.items():
                if not np.isfinite(array).all():
                    return f"the batch's {feature}/{name}"
    for path, value in steps.net.tensors().items():
        if not np.isfinite(value).all():
            return f"the weight {path}"
    for number, batch in enumerate(taken.batches, taken.first):
        with _watched() as bad:
            nats = steps.loss(batch, taken.step, number, multiplier)
        if bad:
            return f"the output of {bad[0]}"
        if not _finite(nats):
            return "the loss"
        gradients = steps.gradients(batch, taken.step, number, multiplier)
        wrong = [path for path in reversed(list(gradients)) if not _finite(gradients[path])]
        if wrong:
            more = f" and {len(wrong) - 1} more" if wrong[1:] else ""
            return f"the gradient of {wrong[0]}{more}"
    return None


def write_fault(output_dir: Path, fault: NotFinite, blame: str, policy: str, run: Mapping[str, Any]) -> Path:
    """Write all that is known of the fault to `<output_dir>/faults/step-<step>.json`. UserError if that fails.

    `run` says beside the batches what the step depends on: "seed", "train_steps" and "hparams". replay.py reads it.
    """
    taken = fault.record
    content = {
        "step": taken.step,
        "problem": taken.problem,
        "nats": repr(fault.nats),  # JSON has no NaN
        "gradient_norm": repr(fault.norm),
        "worker": taken.worker,
        "workers": max(1, len(taken.all_batches)),  # that took a problem each
        "blame": blame,
        "policy": policy,
        "batches": [
            {
                "position": batch.position,
                "examples": list(batch.ids),
                "shapes": {
                    f"{f}/{name}": list(a.shape) for f, arrays in batch.arrays.items() for name, a in arrays.items()
                },
            }
            for batch in taken.batches
        ],
        **run,
    }
    path = output_dir / "faults" / f"step-{taken.step}.json"
    with whole_file(path) as partial:
        partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return path


@contextmanager
def _watched() -> Iterator[list[str]]:
    """The paths of layers whose outputs are not finite, in the order in which they give them.

    A layer within another one gives its output first, so the first path is that of the innermost layer.
    """
    bad: list[str] = []
    call = Layer.__call__

    def watching(self: Layer, *args: Any, **kwargs: Any) -> Any:
        given = call(self, *args, **kwargs)
        if not bad and not all(map(_finite, _tensors(given))):
            bad.append(self.path)
        return given

    Layer.__call__ = watching  # type: ignore[method-assign]
    try:
        yield bad
    finally:
        Layer.__call__ = call  # type: ignore[method-assign]


def _tensors(given: Any) -> list[Any]:
    if isinstance(given, Seq):
        return [given.values_BLD]
    if isinstance(given, list | tuple):
        return [tensor for one in given for tensor in _tensors(one)]
    return [given] if hasattr(given, "dtype") else []


def _finite(tensor: Any) -> bool:
    if "float" not in keras.backend.standardize_dtype(tensor.dtype):
        return True
    return bool(np.isfinite(ops.convert_to_numpy(ops.cast(tensor, "float32"))).all())
