"""Trial steps: one step on the largest batch of each problem of a run, in a process of its own, to see if it fits."""

import pickle
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from t2t_mm.cores import share_cores
from t2t_mm.data.input.batches import Batches
from t2t_mm.data.input.generated_problem import open_problem
from t2t_mm.errors import UserError
from t2t_mm.hparam_set import HparamSet
from t2t_mm.problem import TRAIN
from t2t_mm.registry import PROBLEMS
from t2t_mm.run_config import RunConfig
from t2t_mm.train.memory.first_use import is_out_of_memory
from t2t_mm.train.memory.memory_limit import Ended, peak, reset_peak, watched

SMALLER = 6  # halvings of a batch size that does not fit

Watch = Callable[..., Ended]


@dataclass(frozen=True)
class TrialStep:
    """A run to try, and what its processes call first, such as loading plugins (`start`)."""

    config: RunConfig
    hparams: HparamSet
    data_dir: Path
    start: Callable[[], object] | None = None


@dataclass(frozen=True)
class Fit:
    """A trial step that fitted into memory."""

    problem: str
    batch_size: int  # the hparam
    shapes: dict[str, tuple[int, ...]]  # of the largest array of each feature of the batch
    peak: int  # bytes: peak memory of the process
    nats: float  # loss per target token, of the untrained net
    seconds: float  # compiling included


@dataclass(frozen=True)
class TrialResult:
    """The result of one problem. `at_most` is the largest batch that fitted; None if none did."""

    problem: str
    batch_size: int  # the hparam
    at_most: Fit | None

    @property
    def fits(self) -> bool:
        return self.at_most is not None and self.at_most.batch_size == self.batch_size


def try_out(trial: TrialStep, limit: int | None, watch: Watch = watched) -> list[TrialResult]:
    """Take a step on the largest batch of each problem, as a run would, in a process limited to `limit` bytes.

    If that is out of memory, smaller batches are tried. Each problem's peak counts the whole process: weights,
    optimizer, and what earlier steps left in memory.

    Raises UserError when the net alone takes more than `limit`, or for what a run would raise.
    """
    batch_size = trial.hparams.data.batch_size
    smaller = sorted({max(1, batch_size >> halvings) for halvings in range(1, SMALLER + 1)} | {1} - {batch_size})
    tried: list[TrialResult] = []
    left = list(trial.config.problems)
    while left:
        fits, over = _in_a_process(trial, [(name, batch_size) for name in left], limit, watch)
        tried += [TrialResult(fit.problem, batch_size, fit) for fit in fits]
        left = left[len(fits) :]
        if over:
            name = left.pop(0)
            fits, _ = _in_a_process(trial, [(name, size) for size in smaller if size < batch_size], limit, watch)
            tried.append(TrialResult(name, batch_size, fits[-1] if fits else None))
    return tried


def _in_a_process(
    trial: TrialStep, tries: Sequence[tuple[str, int]], limit: int | None, watch: Watch
) -> tuple[list[Fit], bool]:
    """Return the steps of `tries` that fitted, and True if the process ran out of memory before the last."""
    fits: list[Fit] = []
    messages: dict[str, Any] = {}

    def receive(message: tuple[str, Any]) -> None:
        kind, value = message
        if kind == "fits":
            fits.append(value)
        else:
            messages[kind] = value

    # Packed, since records of a plugin can only be unpacked once `start` has loaded it.
    ended = watch(take, (trial.start, pickle.dumps(replace(trial, start=None)), tuple(tries)), limit, receive)
    if "failed" in messages:
        raise UserError(messages["failed"])
    over = ended.over or "over" in messages
    if over and "built" not in messages:
        raise UserError(
            f"The net and its optimizer alone take more than the memory that is left{_gigabytes(limit)}. Choose a "
            f"smaller hparam set, or optimizer=adafactor with --hparams."
        )
    if not over and len(fits) < len(tries):
        raise UserError(
            f"The process that tried a step of {tries[len(fits)][0]} ended with code {ended.code} and no message."
        )
    return fits, over


def take(
    send: Callable[[Any], None], start: Callable[[], object] | None, packed: bytes, tries: Sequence[tuple[str, int]]
) -> None:
    """Take a step of each (problem, batch size) and send the results; runs in a process of its own."""
    try:
        if start is not None:
            start()
        trial: TrialStep = pickle.loads(packed)
        from t2t_mm.train.trainer import Trainer

        share_cores(trial.hparams.training.batches_at_once, lambda line: None)
        ready = {name: open_problem(name, PROBLEMS[name], trial.data_dir) for name in trial.config.problems}
        with tempfile.TemporaryDirectory() as nowhere:
            run = Trainer(ready, trial.hparams, replace(trial.config, output_dir=Path(nowhere), train_steps=1))
        send(("built", None))
        for name, batch_size in tries:
            hparams = replace(trial.hparams.data, batch_size=batch_size)
            batch = Batches(ready[name], TRAIN, hparams, run.seed, training=True).largest()
            reset_peak()
            started = time.perf_counter()
            batches = [batch] * trial.hparams.training.accumulate_batches
            nats = float(run.steps.train(batches, 1, 0.0, ready[name].problem.loss_multiplier).nats)
            shapes = {
                feature: max((array.shape for array in arrays.values()), key=len)
                for feature, arrays in batch.arrays.items()
            }
            send(("fits", Fit(name, batch_size, shapes, peak(), nats, time.perf_counter() - started)))
            run.steps.go_on()
    except UserError as error:
        send(("failed", str(error)))
    except Exception as error:  # of every kind: each backend says in its own way that an accelerator is full
        if is_out_of_memory(error):
            send(("over", None))
        else:
            send(("failed", f"A step could not be taken: {type(error).__name__}: {error}"))


def _gigabytes(limit: int | None) -> str:
    return "" if limit is None else f", {limit / 1e9:.1f} GB"
