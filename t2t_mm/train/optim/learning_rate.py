"""How large a step the optimizer takes: the learning rate as a function of the step, by name.

Steps count from 1. With lr = hparams.learning_rate, W = hparams.learning_rate_warmup_steps, N = train_steps and D = the
body's hidden_size:

    warmup(step)   = min(1, step / W)                                    1 throughout when W is 0
    progress(step) = max(0, step - W) / (N + 1 - W), at most 1           0 in warm-up; the step after the last one is 1

    constant     lr * warmup
    linear       lr * warmup * (1 - progress)
    cosine       lr * warmup * (1 + cos(pi * progress)) / 2
    exponential  lr * warmup * 0.01 ^ progress                           a hundredth is left at the end
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
class Run:
    """What a schedule's shape may depend on."""

    warmup_steps: int
    train_steps: int
    hidden_size: int

    def warmup(self, step: int) -> float:
        return min(1.0, step / self.warmup_steps) if self.warmup_steps else 1.0

    def progress(self, step: int) -> float:
        behind = step - self.warmup_steps
        return min(1.0, behind / max(1, self.train_steps + 1 - self.warmup_steps)) if behind > 0 else 0.0


def constant(run: Run, step: int) -> float:
    return run.warmup(step)


def linear(run: Run, step: int) -> float:
    return run.warmup(step) * (1.0 - run.progress(step))


def cosine(run: Run, step: int) -> float:
    return run.warmup(step) * (1.0 + math.cos(math.pi * run.progress(step))) / 2.0


def exponential(run: Run, step: int) -> float:
    return run.warmup(step) * 0.01 ** run.progress(step)


def rsqrt_decay(run: Run, step: int) -> float:
    return run.warmup(step) * max(step, run.warmup_steps) ** -0.5


def noam(run: Run, step: int) -> float:
    return run.hidden_size**-0.5 * rsqrt_decay(run, step)


SCHEDULES: dict[str, Callable[[Run, int], float]] = {
    "noam": noam,
    "rsqrt_decay": rsqrt_decay,
    "cosine": cosine,
    "linear": linear,
    "exponential": exponential,
    "constant": constant,
}


def learning_rate(hparams: TrainingHparams, hidden_size: int, train_steps: int) -> Callable[[int], float]:
    """The learning rate of each step (from 1) in a run of `train_steps` steps of a body `hidden_size` wide."""
    shape = SCHEDULES[hparams.learning_rate_schedule]
    run = Run(hparams.learning_rate_warmup_steps, train_steps, hidden_size)
    return lambda step: hparams.learning_rate * shape(run, step)
