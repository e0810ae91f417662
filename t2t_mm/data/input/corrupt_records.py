"""Unreadable records, and their handling by the hparam `corrupt_record`.

    stop  end the run with a sentence that names file, record and problem
    skip  leave the record out: its batch has one more empty row, and the record is counted

A batch without a readable example takes the first intact example of its shape. So batches are a function of the seed,
the data and its damage, and a resumed run repeats the steps of a run that was not interrupted.
"""

import re
from pathlib import Path

from t2t_mm.errors import UserError
from t2t_mm.hparam_set import CORRUPT_RECORD

STOP, SKIP = CORRUPT_RECORD
FEW, SHARE = 10, 0.01  # with more corrupt records than both, the fault is not in single records, and the run stops
PLACE = re.compile(r"(?:chunk at|at byte) (\d+)")  # in the message of the C++ library; a chunk holds one record


class CorruptRecord(UserError):
    """A record of a problem's data that cannot be read."""

    def __init__(self, path: Path, record: int, examples: int, reason: str) -> None:
        """Create the error for `record`, counted from 0, of the `examples` records of the file `path`."""
        byte = PLACE.search(reason)
        at = f", at byte {int(byte.group(1)):,}" if byte else ""
        cause = " ".join(reason.split()).rstrip(".")
        self.sentence = f"Record {record:,} of {examples:,} in {path}{at}, an example of {path.parent.name}: {cause}."
        super().__init__(
            f"{self.sentence} Remove {path.parent} and generate it again, or leave such records out with "
            "--hparams=corrupt_record=skip."
        )


class Tolerance:
    """The `corrupt_record` policy applied to one split. Threads may share it."""

    def __init__(self, policy: str, examples: int) -> None:
        self._policy, self._most = policy, max(FEW, int(SHARE * examples))
        self._examples = examples
        self.corrupt: dict[int, str] = {}  # a sentence for each record left out, by its place in the split

    def leave_out(self, place: int, error: CorruptRecord) -> None:
        """Record that an example is left out. Raises UserError if the policy is "stop", or if too many are left out."""
        if self._policy == STOP:
            raise error
        self.corrupt[place] = error.sentence
        if len(self.corrupt) > self._most:
            raise UserError(
                f"{len(self.corrupt):,} of {self._examples:,} examples can't be read, which is too many to leave out. "
                f"The last one: {error.sentence}"
            )
