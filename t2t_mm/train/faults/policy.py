"""Policies for a step with a non-finite loss or gradient: the values of the hparam `not_finite`.

    stop      save the run as it was before the step, and end
    skip      count the step as taken: no weight is updated, and the examples of its batch are skipped
    rollback  return to the last checkpoint and continue from there with other data: the data after the bad batch

If skips or rollbacks do not help, the run ends as with `stop`.
"""

from collections import Counter

from t2t_mm.hparam_set import NOT_FINITE

SKIPS, ROLLBACKS = 10, 3  # greatest number of skips in a row, and of rollbacks to one checkpoint, before a run stops
STOP, SKIP, ROLLBACK = NOT_FINITE


class Policy:
    """Decisions about non-finite steps by one policy, with its limits."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._skipped, self._in_a_row = -1, 0  # the last step skipped, and the number of skips in a row
        self._rollbacks: Counter[int] = Counter()

    def decide(self, step: int, saved: int | None) -> tuple[str, str]:
        """Return (what to do about step `step`, why that is not the policy's own action or "").

        `saved` is the step of the last checkpoint; None if there is none.
        """
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
