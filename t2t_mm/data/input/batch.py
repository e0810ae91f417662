"""What the pipeline hands to a step."""

from dataclasses import dataclass

from t2t_mm.feature import Arrays


@dataclass(frozen=True)
class Batch:
    """Examples of one problem, padded to one shape.

    `arrays` holds, by feature name, what the feature's codec batches: text {"ids": int32[B, L], "lengths": int32[B]},
    picture {"pixels": uint8[B, H, W, 3]}, sound {"frames": float32[B, T, 80], "lengths": int32[B]}, label
    {"class": int32[B]}. Rows behind the last example are empty: length 0, class -1. `ids` names the examples, one for
    each row that is not empty; in evaluation, an example with several right answers has as many rows, one behind the
    other. `corrupt` says of records that can't be read, and which it lacks, where they lie and why.

    Where several workers share a batch, `arrays` holds the rows of one of them, at least one, and everything else is
    that of the whole batch.
    """

    problem: str
    position: int  # the place in the problem's data, counted over epochs; the batch after this one is position + 1
    ids: tuple[str, ...]
    arrays: dict[str, Arrays]
    corrupt: tuple[str, ...] = ()
    shared_targets: int | None = None  # in the whole of a batch that is shared

    @property
    def shapes(self) -> dict[str, str]:
        """Of each array, as words: {"targets/ids": "16x24"}."""
        return {
            f"{feature}/{name}": "x".join(map(str, array.shape))
            for feature, arrays in self.arrays.items()
            for name, array in arrays.items()
        }

    @property
    def targets(self) -> int:
        """Targets in the batch: the ids of texts with their end marks, one for a class."""
        if self.shared_targets is not None:
            return self.shared_targets
        arrays = self.arrays["targets"]
        return int(arrays["lengths"].sum()) if "lengths" in arrays else len(self.ids)
