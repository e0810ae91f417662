"""What tracing and compiling leave of memory behind them."""

import ctypes
from collections.abc import Callable
from functools import cache


def return_free_pages() -> None:
    """Hand pages that the C library keeps for later back to the system, where it can (glibc's malloc_trim).

    Tracing a step takes hundreds of megabytes that nothing needs any more. The library would keep them, between small
    pieces that are in use, while the step's large arrays are laid beside them. Of the arrays of steps, which differ in
    size from batch to batch, it keeps more and more.
    """
    _malloc_trim()(0)


@cache
def _malloc_trim() -> Callable[[int], object]:
    try:
        trim: Callable[[int], object] = ctypes.CDLL(None).malloc_trim
    except (OSError, TypeError, AttributeError):  # another C library: Windows' (no CDLL of None), macOS', musl
        return lambda pad: 0
    return trim
