"""Random numbers as a function of a key: equal keys give equal numbers, whatever was drawn before."""

import hashlib

import numpy as np


def generator(*key: str | int) -> np.random.Generator:
    """Return a random generator for `key`, such as (seed, problem, "train", epoch). Equal keys draw equal numbers."""
    digest = hashlib.blake2b("\x1f".join(map(str, key)).encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))
