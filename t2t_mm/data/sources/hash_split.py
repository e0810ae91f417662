"""The dev set of a corpus that has none: every tenth example, chosen by a hash of its id.

Corpora that share items share ids, so that an item is in dev in all of them or in none.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from t2t_mm.errors import UserError
from t2t_mm.problem import DEV, TRAIN

ONE_IN = 10


def in_dev(example_id: str) -> bool:
    """Whether the example is held out: the first 8 bytes of the id's SHA-256, as a number, leave 0 modulo 10."""
    return in_part(example_id, ONE_IN)


def in_part(key: str, one_in: int) -> bool:
    """The same for another part: whether `key` is one of the one in `one_in` whose hash leaves 0."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") % one_in == 0


def by_hash(ids: Iterable[str], root: Path, kind: str) -> dict[str, list[str]]:
    """The ids of TRAIN and DEV, each in the order given.

    Raises UserError when either has none; `root` and `kind`, as in "pictures", say what there is too little of.
    """
    parts: dict[str, list[str]] = {TRAIN: [], DEV: []}
    for example_id in ids:
        parts[DEV if in_dev(example_id) else TRAIN].append(example_id)
    check_held_out(sum(map(len, parts.values())), len(parts[DEV]), root, kind)
    return parts


def check_held_out(count: int, dev: int, root: Path, kind: str) -> None:
    """Raises UserError when of `count` examples none, or every one, is held out."""
    if dev in (0, count):
        raise UserError(f"{root} holds too few {kind} to hold out a tenth of them by hash: {count}.")
