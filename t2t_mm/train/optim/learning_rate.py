"""Learning rate schedules: the learning rate as a function of the step, by name.

Steps count from 1. With lr = hparams.learning_rate, W = hparams.learning_rate_warmup_steps, N = train_steps and D = the
body's hidden_size:

    warmup(step)   = min(1, step / W)                                    always 1 if W is 0
    progress(step) = max(0, step - W) / (N + 1 - W), at most 1           0 during warm-up; 1 after the last step

    constant     lr * warmup
    linear       lr * warmup * (1 - progress)
    cosine       lr * warmup * (1 + cos(pi * progress)) / 2
    exponential  lr * warmup * 0.01 ^ progress                           a hundredth at the end
    rsqrt_decay  lr * warmup * max(step, W, 1) ^ -0.5                    peak: lr * W^-0.5
    noam         lr * D^-0.5 * min(step^-0.5, step * W^-1.5)             peak: lr * (D * W)^-0.5, at step W

noam is the schedule of arXiv 1706.03762, section 5.3, and T2T's multimodel sets; rsqrt_decay is T2T's
`constant*linear_warmup*rsqrt_decay`: noam without the width.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from t2t_mm.hparam_set import TrainingHparams


@dataclass(frozen=True)
class ScheduleContext:
    """Figures of a run that a learning rate schedule may depend on."""

    warmup_steps: int
    train_steps: int
    hidden_size: int

    def warmup(self, step: int) -> float:
        """Return the factor of a linear warm-up, in (0, 1]."""
        return min(1.0, step / self.warmup_steps) if self.warmup_steps else 1.0

    def progress(self, step: int) -> float:
        """Return the part of the steps after the warm-up that is done, in [0, 1]."""
        behind = step - self.warmup_steps
        return min(1.0, behind / max(1, self.train_steps + 1 - self.warmup_steps)) if behind > 0 else 0.0


def constant(run: ScheduleContext, step: int) -> float:
    return run.warmup(step)


def linear(run: ScheduleContext, step: int) -> float:
    return run.warmup(step) * (1.0 - run.progress(step))


def cosine(run: ScheduleContext, step: int) -> float:
    return run.warmup(step) * (1.0 + math.cos(math.pi * run.progress(step))) / 2.0


def exponential(run: ScheduleContext, step: int) -> float:
    return run.warmup(step) * 0.01 ** run.progress(step)


def rsqrt_decay(run: ScheduleContext, step: int) -> float:
    return run.warmup(step) * max(step, run.warmup_steps) ** -0.5


def noam(run: ScheduleContext, step: int) -> float:
    return run.hidden_size**-0.5 * rsqrt_decay(run, step)


SCHEDULES: dict[str, Callable[[ScheduleContext, int], float]] = {
    "noam": noam,
    "rsqrt_decay": rsqrt_decay,
    "cosine": cosine,
    "linear": linear,
    "exponential": exponential,
    "constant": constant,
}


def learning_rate(hparams: TrainingHparams, hidden_size: int, train_steps: int) -> Callable[[int], float]:
    """Return a function that gives the learning rate of a step (from 1).

    Args:
        hparams: the schedule and its numbers.
        hidden_size: the width of the body.
        train_steps: the number of steps of the run.
    """
    shape = SCHEDULES[hparams.learning_rate_schedule]
    run = ScheduleContext(hparams.learning_rate_warmup_steps, train_steps, hidden_size)
    return lambda step: hparams.learning_rate * shape(run, step)
