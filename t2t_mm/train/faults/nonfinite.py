"""Find the first non-finite tensor of a step with a non-finite loss or gradient, and write a report of the fault."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from t2t_mm.atomic_file import atomic_write
from t2t_mm.layers.layer import Layer
from t2t_mm.layers.sequence import Seq
from t2t_mm.train.step.step_record import NotFinite, StepRecord
from t2t_mm.train.step.steps import Steps


def first_nonfinite(steps: Steps, taken: StepRecord, multiplier: float) -> str:
    """Compute a step again, operation by operation; return a sentence that names the first non-finite tensor.

    The search goes in this order: the batch, the weights, the outputs of layers in the order in which they are called,
    the loss, the gradients from the loss backwards.
    """
    try:
        bad = _first_non_finite(steps, taken, multiplier)
    except Exception as error:  # any error: it must not hide the fault that is being reported
        return f"Computed again, operation by operation, the step fails: {type(error).__name__}: {error}."
    if bad is None:
        return "Computed again, operation by operation, everything is finite."
    return f"The first tensor that is not finite is {bad}."


def _first_non_finite(steps: Steps, taken: StepRecord, multiplier: float) -> str | None:
    for batch in taken.batches:
        for feature, arrays in batch.arrays.items():
            for name, array in arrays.items():
                if not np.isfinite(array).all():
                    return f"the batch's {feature}/{name}"
    for path, value in steps.net.tensors().items():
        if not np.isfinite(value).all():
            return f"the weight {path}"
    for number, batch in enumerate(taken.batches, taken.first):
        with _watched_layers() as bad:
            nats = steps.loss(batch, taken.step, number, multiplier)
        if bad:
            return f"the output of {bad[0]}"
        if not _is_finite(nats):
            return "the loss"
        gradients = steps.gradients(batch, taken.step, number, multiplier)
        wrong = [path for path in reversed(list(gradients)) if not _is_finite(gradients[path])]
        if wrong:
            more = f" and {len(wrong) - 1} more" if wrong[1:] else ""
            return f"the gradient of {wrong[0]}{more}"
    return None


def write_fault(output_dir: Path, fault: NotFinite, blame: str, policy: str, run: Mapping[str, Any]) -> Path:
    """Write everything about the fault to `<output_dir>/faults/step-<step>.json`, which replay.py reads.

    Args:
        output_dir: the run directory.
        fault: the step and its numbers.
        blame: the sentence of `first_nonfinite`.
        policy: the value of the hparam not_finite.
        run: what the step depends on beside its batches: "seed", "train_steps" and "hparams".

    Returns the path. Raises UserError if the file cannot be written.
    """
    taken = fault.record
    content = {
        "step": taken.step,
        "problem": taken.problem,
        "nats": repr(fault.nats),  # JSON has no NaN
        "gradient_norm": repr(fault.norm),
        "worker": taken.worker,
        "workers": max(1, len(taken.all_batches)),  # if workers take a problem each: how many
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
    with atomic_write(path) as partial:
        partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return path


@contextmanager
def _watched_layers() -> Iterator[list[str]]:
    """Return a context that collects the path of the first layer that returns a non-finite output.

    A layer inside another one returns first, so the path is that of the innermost layer.
    """
    bad: list[str] = []
    call = Layer.__call__

    def watching(self: Layer, *args: Any, **kwargs: Any) -> Any:
        output = call(self, *args, **kwargs)
        if not bad and not all(map(_is_finite, _tensors(output))):
            bad.append(self.path)
        return output

    Layer.__call__ = watching  # type: ignore[method-assign]
    try:
        yield bad
    finally:
        Layer.__call__ = call  # type: ignore[method-assign]


def _tensors(output: Any) -> list[Any]:
    if isinstance(output, Seq):
        return [output.values_BLD]
    if isinstance(output, list | tuple):
        return [tensor for item in output for tensor in _tensors(item)]
    return [output] if hasattr(output, "dtype") else []


def _is_finite(tensor: Any) -> bool:
    if "float" not in keras.backend.standardize_dtype(tensor.dtype):
        return True
    return bool(np.isfinite(ops.convert_to_numpy(ops.cast(tensor, "float32"))).all())
