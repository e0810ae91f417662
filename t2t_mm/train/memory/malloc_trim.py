"""Return memory to the system that tracing and compiling have freed (malloc_trim)."""

import ctypes
from collections.abc import Callable
from functools import cache


def return_free_pages() -> None:
    """Return free memory pages that the C library keeps to the system, if the library can (glibc's malloc_trim).

    Tracing a step takes hundreds of megabytes that are free afterwards. The library would keep them, because small
    pieces in between are in use, and would place the step's large arrays beside them. It would also keep more and more
    of the steps' arrays, which differ in size from batch to batch.
    """
    _malloc_trim()(0)


@cache
def _malloc_trim() -> Callable[[int], object]:
    try:
        trim: Callable[[int], object] = ctypes.CDLL(None).malloc_trim
    except (OSError, TypeError, AttributeError):  # another C library: Windows' (no CDLL of None), macOS', musl
        return lambda pad: 0
    return trim
