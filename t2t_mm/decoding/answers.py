"""Options and results of decoding. This module imports nothing heavy, so that commands can import it quickly."""

import math
from dataclasses import dataclass

from t2t_mm.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """Options of sampling.

    Ids are drawn from softmax(logits / temperature), restricted to the `top_k` most likely ids, and of these to the
    smallest set of most likely ids whose total probability reaches `top_p` (nucleus sampling).

    Raises UserError for a value out of range.
    """

    temperature: float = 1.0  # below 1 favours likely ids, above 1 unlikely ones
    top_k: int = 0  # 0: all ids
    top_p: float = 1.0  # 1: all ids
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.temperature < math.inf:
            raise UserError(
                f"The temperature of sampling must be above 0. Received: {self.temperature}. "
                "For the most likely output use search, without sampling."
            )
        if self.top_k < 0:
            raise UserError(f"top_k must be at least 0, where 0 stands for all ids. Received: {self.top_k}.")
        if not 0 < self.top_p <= 1:
            raise UserError(f"top_p is a probability above 0 and at most 1. Received: {self.top_p}.")


@dataclass(frozen=True, kw_only=True)
class DecodeOptions:
    """Options of decoding. Class problems use only `batch_size`; with `sampling` there is no beam search.

    Raises UserError for a value out of range.
    """

    beam_size: int = 1  # 1 is greedy search
    alpha: float = 0.6  # exponent of the length penalty; 0 ranks by probability only
    extra_length: int = 50  # ids beyond the length that is expected for the source, or beyond the forced prefix
    batch_size: int = 32  # inputs in a batch
    n_best: int = 1  # answers to each input: at most beam_size, or any number of samples
    sampling: Sampling | None = None  # draw answers; None searches for the most likely

    def __post_init__(self) -> None:
        for name, least in (("beam_size", 1), ("batch_size", 1), ("n_best", 1), ("alpha", 0), ("extra_length", 0)):
            if not least <= getattr(self, name) < math.inf:
                raise UserError(f"{name} must be at least {least}. Received: {getattr(self, name)}.")
        if self.sampling is None and self.n_best > self.beam_size:
            raise UserError(f"n_best must be at most beam_size, {self.beam_size}. Received: {self.n_best}.")


@dataclass(frozen=True)
class Answer:
    """One output. `score` is log-probability / length penalty for a generated text, and the probability for a class.

    A forced prefix is part of the text, counts in its length, and has probability 1.

    The probability is that of the model at temperature 1, whatever options a sample was drawn with.
    """

    text: str
    score: float
    complete: bool = True  # False for an output that reached its length limit before its end
    well_formed: bool = True  # False for an output that had to be repaired before display, such as an invalid tree


@dataclass(frozen=True)
class Decoded:
    """The answers to one input: `n_best` outputs or all classes, best first, or samples in the order of drawing."""

    answers: tuple[Answer, ...]

    @property
    def text(self) -> str:
        """The text of the first answer, which search ranks best."""
        return self.answers[0].text


@dataclass(frozen=True)
class Failure:
    """The reason why there is no answer to one input, as a sentence."""

    reason: str


Result = Decoded | Failure
