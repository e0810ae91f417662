"""The dev set of a corpus that has none: every tenth example, chosen by a hash of its id.

Corpora that share items share ids, so that an item is in dev in all of them or in none.
"""

import hashlib

ONE_IN = 10


def in_dev(example_id: str) -> bool:
    """Whether the example is held out: the first 8 bytes of the id's SHA-256, as a number, leave 0 modulo 10."""
    return int.from_bytes(hashlib.sha256(example_id.encode()).digest()[:8], "big") % ONE_IN == 0
