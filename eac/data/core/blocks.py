"""What the C library of Linux does with blocks of memory that are free again."""

import ctypes
import sys
from functools import cache

import torch
from torch import Tensor

PAGE = 1 << 12
NOT_NEEDED = 4
"""``MADV_DONTNEED`` of Linux."""
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
    arrow = sys.modules.get("pyarrow")  # which has its own store, if tables were read with it
    if arrow is not None:
        arrow.default_memory_pool().release_unused()
    library = _library()
    if library is not None:
        library.malloc_trim(0)


def drop_pages(*mapped: Tensor | None) -> None:
    """Takes pages of mapped files out of memory; what is read again comes from the file.

    A tensor that is not a file, None, and other systems than Linux with glibc: nothing happens.

    Example:
        >>> held = torch.ones(1 << 20)
        >>> drop_pages(held, None)
        >>> bool(held.all())
        True
    """
    library = _library()
    for tensor in mapped:
        if library is not None and tensor is not None:
            storage = tensor.untyped_storage()
            first = -(-storage.data_ptr() // PAGE) * PAGE
            size = (storage.data_ptr() + storage.nbytes() - first) // PAGE * PAGE
            if size > 0 and _is_file(first, first + size):
                library.madvise(ctypes.c_void_p(first), ctypes.c_size_t(size), NOT_NEEDED)


def _is_file(first: int, last: int) -> bool:
    """Whether these addresses are of a file, and what is written there is written to it."""
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:
            for line in maps:
                span, mode, _, _, inode = line.split()[:5]
                begin, end = (int(address, 16) for address in span.split("-"))
                if begin <= first and last <= end:
                    return inode != "0" and (mode[1] == "-" or mode[3] == "s")
    except OSError:
        pass
    return False


@cache
def _library() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL("libc.so.6")
    except OSError:
        return None
    return library if hasattr(library, "malloc_trim") else None
