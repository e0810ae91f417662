"""Memory that is free is returned to the system."""

import sys
from pathlib import Path

import pytest

from t2t_mm.train.memory.malloc_trim import return_free_pages

PIECE, PIECES = 4000, 20_000  # bytes: small enough to come from the heap, 80 MB together


def resident() -> int:
    """Return the bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")
def test_memory_that_was_freed_between_pieces_in_use_is_returned():
    pieces = [bytearray(PIECE) for _ in range(PIECES)]
    full = resident()
    last = pieces[-1]  # above all others, so that the heap can't shrink from its end
    del pieces
    return_free_pages()
    assert resident() < full - PIECE * PIECES * 0.8
    assert len(last) == PIECE


def test_free_pages_may_be_returned_any_number_of_times():
    for _ in range(3):
        return_free_pages()
