"""What the C library of Linux does with blocks of memory that are free again."""

import ctypes
from functools import cache

import torch

KEPT_BYTES = 31 << 20
"""Just below the size from which on glibc always hands blocks back."""


def keep_blocks() -> None:
    """Has blocks of up to ``KEPT_BYTES`` used again instead of handed back and cleared anew.

    The C library of Linux learns from the largest block it was ever given back, here one that is
    never touched and costs no memory. Steps then take hardly any page faults.

    Example:
        >>> keep_blocks()
    """
    torch.empty(KEPT_BYTES, dtype=torch.uint8)


def hand_back() -> None:
    """Hands what is free back to the system, such as what reading a table left; where glibc is.

    Example:
        >>> hand_back()
    """
    library = _library()
    if library is not None:
        library.malloc_trim(0)


@cache
def _library() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL("libc.so.6")
    except OSError:
        return None
    return library if hasattr(library, "malloc_trim") else None
