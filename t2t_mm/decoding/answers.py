"""How to decode, and what comes out. Imports nothing heavy, so that commands may name these."""

import math
from dataclasses import dataclass

from t2t_mm.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How ids are drawn, where they are not searched for.

    From softmax(logits / temperature), among the `top_k` likeliest, and of these among the fewest whose probability
    reaches `top_p`.
    """

    temperature: float = 1.0  # below 1 favours the likely, above 1 the unlikely
    top_k: int = 0  # 0: all
    top_p: float = 1.0  # 1: all
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.temperature < math.inf:
            raise UserError(
                f"The temperature of sampling must be above 0. Received: {self.temperature}. "
                "Search, without sampling, finds the likeliest."
            )
        if self.top_k < 0:
            raise UserError(f"top_k counts ids, and 0 stands for all of them. Received: {self.top_k}.")
        if not 0 < self.top_p <= 1:
            raise UserError(f"top_p is a probability above 0, at most 1. Received: {self.top_p}.")


@dataclass(frozen=True, kw_only=True)
class DecodeOptions:
    """How to decode. Class problems heed `batch_size` alone; with `sampling` there are no beams."""

    beam_size: int = 1  # 1 is greedy search
    alpha: float = 0.6  # of the length penalty; 0 ranks by probability alone
    extra_length: int = 50  # ids that an output may have beyond what its source's length, or its beginning, lets expect
    batch_size: int = 32  # inputs at a time
    n_best: int = 1  # answers to each input: at most beam_size, or any number of samples
    sampling: Sampling | None = None  # draw answers; None searches for the likeliest

    def __post_init__(self) -> None:
        for name, least in (("beam_size", 1), ("batch_size", 1), ("n_best", 1), ("alpha", 0), ("extra_length", 0)):
            if not least <= getattr(self, name) < math.inf:
                raise UserError(f"{name} must be at least {least}. Received: {getattr(self, name)}.")
        if self.sampling is None and self.n_best > self.beam_size:
            raise UserError(f"n_best must be at most beam_size, {self.beam_size}. Received: {self.n_best}.")


@dataclass(frozen=True)
class Answer:
    """One output. `score` is log-probability / length penalty for what was generated, the probability for a class.

    A beginning that was given stands in front of the text, adds to the length, and has probability 1.

    The probability is the model's own, whatever temperature or choice of ids a sample was drawn with.
    """

    text: str
    score: float
    whole: bool = True  # false for an output that reached its limit before its end
    well_formed: bool = True  # false for an output that had to be repaired to be shown: a tree that was none


@dataclass(frozen=True)
class Decoded:
    """The answers to one input: `n_best` outputs or every class, best first, or samples in the order of drawing."""

    answers: tuple[Answer, ...]

    @property
    def text(self) -> str:
        """The first answer: the best one that was searched for."""
        return self.answers[0].text


@dataclass(frozen=True)
class Failure:
    """Why there is no answer to one input."""

    reason: str


Result = Decoded | Failure
