"""Hold out a dev set of a corpus without one: one tenth of the examples, selected by a hash of the id.

Corpora that share items share ids, so an item is in dev in all of them or in none.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from t2t_mm.errors import UserError
from t2t_mm.problem import DEV, TRAIN

ONE_IN = 10


def in_dev(example_id: str) -> bool:
    """Return True if the example is held out: the first 8 bytes of the id's SHA-256, as a number, are 0 modulo 10."""
    return in_part(example_id, ONE_IN)


def in_part(key: str, one_in: int) -> bool:
    """Return True for one in `one_in` keys: those whose hash, as in `in_dev`, is 0 modulo `one_in`."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") % one_in == 0


def by_hash(ids: Iterable[str], root: Path, kind: str) -> dict[str, list[str]]:
    """Return the ids of TRAIN and DEV, each in the given order.

    Raises UserError if either has none. `root` and `kind`, such as "images", are named in the error.
    """
    parts: dict[str, list[str]] = {TRAIN: [], DEV: []}
    for example_id in ids:
        parts[DEV if in_dev(example_id) else TRAIN].append(example_id)
    check_held_out(sum(map(len, parts.values())), len(parts[DEV]), root, kind)
    return parts


def check_held_out(count: int, dev: int, root: Path, kind: str) -> None:
    """Raise UserError if none or all of `count` examples are held out."""
    if dev in (0, count):
        raise UserError(f"{root} holds too few {kind} to hold out a tenth of them by hash: {count}.")
