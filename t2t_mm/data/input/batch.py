"""A batch, as the input pipeline hands it to a training step."""

from dataclasses import dataclass

from t2t_mm.feature import Arrays


@dataclass(frozen=True)
class Batch:
    """Examples of one problem, padded to one shape.

    `arrays` holds, by feature name, the arrays of the feature's codec: text {"ids": int32[B, L], "lengths": int32[B]},
    image {"pixels": uint8[B, H, W, 3]}, audio {"frames": float32[B, T, 80], "lengths": int32[B]}, label {"class":
    int32[B]}. Rows after the last example are empty: length 0, class -1. `ids` names the examples, one for each row
    that is not empty. In evaluation, an example with several right answers has one row for each, one after the other.
    `corrupt` has a sentence, with place and reason, for each record that is left out because it is unreadable.

    If several workers share a batch (data parallel), `arrays` holds the rows of one worker, at least one, and all other
    fields describe the full batch.
    """

    problem: str
    position: int  # in the problem's data, counted over epochs; the next batch has position + 1
    ids: tuple[str, ...]
    arrays: dict[str, Arrays]
    corrupt: tuple[str, ...] = ()
    shared_targets: int | None = None  # the number of targets in the full batch, if workers share it

    @property
    def shapes(self) -> dict[str, str]:
        """The shape of each array, as text: {"targets/ids": "16x24"}."""
        return {
            f"{feature}/{name}": "x".join(map(str, array.shape))
            for feature, arrays in self.arrays.items()
            for name, array in arrays.items()
        }

    @property
    def targets(self) -> int:
        """The number of targets in the batch: ids of texts including end symbols, one for a class."""
        if self.shared_targets is not None:
            return self.shared_targets
        arrays = self.arrays["targets"]
        return int(arrays["lengths"].sum()) if "lengths" in arrays else len(self.ids)
