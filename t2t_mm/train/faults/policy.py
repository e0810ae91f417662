"""What a run does about a step whose loss or gradient is not finite: the hparam `not_finite`.

    stop      save the run as it stood before the step, and end
    skip      count the step as taken: nothing moved, and the examples of its batch are passed over
    rollback  go back to the last checkpoint, and on from there with other data: that behind the bad batch

A run that cannot get out of it that way ends like `stop`.
"""

from collections import Counter

from t2t_mm.hparam_set import NOT_FINITE

SKIPS, ROLLBACKS = 10, 3  # in a row, and to one checkpoint: after that many a run stops
STOP, SKIP, ROLLBACK = NOT_FINITE


class Policy:
    """Decides, and gives up in the end."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._skipped, self._in_a_row = -1, 0  # the last step, and how many up to it
        self._rollbacks: Counter[int] = Counter()

    def decide(self, step: int, saved: int | None) -> tuple[str, str]:
        """(what to do about step `step`, why it is not what was asked for); `saved` is the last checkpoint's step."""
        if self.name == SKIP:
            self._in_a_row = self._in_a_row + 1 if step == self._skipped + 1 else 1
            self._skipped = step
            if self._in_a_row > SKIPS:
                return STOP, f"{SKIPS} steps in a row were skipped before. "
        if self.name == ROLLBACK:
            if saved is None:
                return STOP, "There is no checkpoint to go back to. "
            self._rollbacks[saved] += 1
            if self._rollbacks[saved] > ROLLBACKS:
                return STOP, f"The run went back to step {saved} {ROLLBACKS} times before. "
        return self.name, ""
