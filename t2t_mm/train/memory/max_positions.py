"""Check before the first step that all examples fit into the positions that a body has."""

from collections.abc import Sequence

from t2t_mm.data.input.generated_problem import GeneratedProblem
from t2t_mm.data.input.records import SplitReader
from t2t_mm.errors import UserError
from t2t_mm.feature import Codec
from t2t_mm.hparam_set import DataHparams
from t2t_mm.problem import DEV, TRAIN


def check_positions(
    ready: GeneratedProblem, positions: int | None, hparams: DataHparams, splits: Sequence[str] = (TRAIN, DEV)
) -> None:
    """Raise UserError if an example takes more than `positions` positions: one to train on, or any of another split.

    Examples that are too long to train on are left out of training, so they are not checked. `positions` None means no
    limit.
    """
    if positions is None:
        return
    for split in splits:
        longest_F = SplitReader(ready.folder, ready.manifest.splits[split]).lengths_NF.max(axis=0)
        for (feature, codec), longest in zip(ready.codecs.items(), longest_F.tolist(), strict=True):
            longest = codec.read_length(longest, hparams)
            length = min(longest, codec.longest(hparams)) if split == TRAIN else longest
            if (taken := codec.positions(length, hparams)) > positions:
                raise UserError(
                    f"The longest {feature} of {split} of {ready.name} take {taken:,} positions, and the model has "
                    f"{positions:,}. Raise max_positions with --hparams{_shorter(codec, hparams)}."
                )


def _shorter(codec: Codec, hparams: DataHparams) -> str:
    """Return another remedy for a codec that reads long values in windows; "" for others."""
    return ", or lower max_length" if codec.read_length(2**31, hparams) < 2**31 else ""
