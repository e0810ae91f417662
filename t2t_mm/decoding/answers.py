"""How to decode, and what comes out. Imports nothing heavy, so that commands may name these."""

import math
from dataclasses import dataclass

from t2t_mm.errors import UserError


@dataclass(frozen=True, kw_only=True)
class DecodeOptions:
    """How to decode. Class problems heed `batch_size` alone."""

    beam_size: int = 1  # 1 is greedy search
    alpha: float = 0.6  # of the length penalty; 0 ranks by probability alone
    extra_length: int = 50  # ids that an output may have beyond what its source's length lets expect
    batch_size: int = 32  # inputs at a time
    n_best: int = 1  # answers to each input, at most beam_size

    def __post_init__(self) -> None:
        for name, least in (("beam_size", 1), ("batch_size", 1), ("n_best", 1), ("alpha", 0), ("extra_length", 0)):
            if not least <= getattr(self, name) < math.inf:
                raise UserError(f"{name} must be at least {least}. Received: {getattr(self, name)}.")
        if self.n_best > self.beam_size:
            raise UserError(f"n_best must be at most beam_size, {self.beam_size}. Received: {self.n_best}.")


@dataclass(frozen=True)
class Answer:
    """One output. `score` is log-probability / length penalty for what was generated, the probability for a class."""

    text: str
    score: float
    whole: bool = True  # false for an output that reached its limit before its end


@dataclass(frozen=True)
class Decoded:
    """The answers to one input, best first: `n_best` outputs, or every class."""

    answers: tuple[Answer, ...]

    @property
    def text(self) -> str:
        """The best answer."""
        return self.answers[0].text


@dataclass(frozen=True)
class Failure:
    """Why there is no answer to one input."""

    reason: str


Result = Decoded | Failure
