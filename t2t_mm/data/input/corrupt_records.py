"""Records that can't be read, and what is done about them: the hparam `corrupt_record`.

    stop  end with a sentence that names file, record and problem
    skip  leave the record out: its batch has an empty row more, and it is counted

A batch of which nothing is left takes the first sound example of its shape. So batches stay a function of the seed, the
data and what of it is damaged: a run that goes on repeats the steps of one that was not stopped.
"""

import re
from pathlib import Path

from t2t_mm.errors import UserError
from t2t_mm.hparam_set import CORRUPT_RECORD

STOP, SKIP = CORRUPT_RECORD
FEW, SHARE = 10, 0.01  # more corrupt records than a few, and than this share of the split: not the records are to blame
PLACE = re.compile(r"(?:chunk at|at byte) (\d+)")  # as the C++ library says it; a chunk holds one record


class CorruptRecord(UserError):
    """A record that can't be read."""

    def __init__(self, path: Path, record: int, examples: int, reason: str) -> None:
        """`record` is counted from 0, of the `examples` of the file `path`, which lies in its problem's folder."""
        byte = PLACE.search(reason)
        at = f", at byte {int(byte.group(1)):,}" if byte else ""
        said = " ".join(reason.split()).rstrip(".")
        self.sentence = f"Record {record:,} of {examples:,} in {path}{at}, an example of {path.parent.name}: {said}."
        super().__init__(
            f"{self.sentence} Remove {path.parent} and generate it again, or leave such records out with "
            "--hparams=corrupt_record=skip."
        )


class Tolerance:
    """Follows the policy on one split. Threads may share it."""

    def __init__(self, policy: str, examples: int) -> None:
        self._policy, self._most = policy, max(FEW, int(SHARE * examples))
        self._examples = examples
        self.corrupt: dict[int, str] = {}  # what was left out so far: sentences, by the example's place in the split

    def leave_out(self, place: int, error: CorruptRecord) -> None:
        """Take note of a record that is left out. Raises UserError if it, or one so many, must stop the run."""
        if self._policy == STOP:
            raise error
        self.corrupt[place] = error.sentence
        if len(self.corrupt) > self._most:
            raise UserError(
                f"{len(self.corrupt):,} of {self._examples:,} examples can't be read, too many to leave out. The last: "
                f"{error.sentence}"
            )
