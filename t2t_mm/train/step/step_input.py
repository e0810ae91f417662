"""The input of a training step's program, and the gradients that it computes: records instead of tuples by position."""

from typing import Any, NamedTuple


class StepInput(NamedTuple):
    """One micro-batch of a step: arrays, or their specifications where a program is declared."""

    features: Any  # arrays by feature, then by name
    command: Any  # int32[]: the row of the problem's command
    multiplier: Any  # float32[]: the weight of the problem's loss
    seed: Any  # uint32[]: of dropout and other noise
    share: Any  # float32[]: the micro-batch's part of the step's target tokens; 1 for a step of one micro-batch


class Gradients(NamedTuple):
    """The results of a forward and backward pass over one micro-batch, or over several in parallel."""

    by_path: dict[str, Any]  # float32 tensors by weight path, for the weights that the loss depends on
    nats: Any  # float32[]: nats per target token, unsmoothed and without penalties
    reports: dict[str, Any]  # what layers report for the log, by layer path
    moved: dict[str, Any]  # new values of weights without gradients, such as running statistics, by path
    share: Any  # float32[]: the part of the step's target tokens that they stand for
