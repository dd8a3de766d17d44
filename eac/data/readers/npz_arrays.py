"""The array ``x`` of an ``.npz`` file, checked before it is read."""

import zipfile
import zlib
from math import prod
from pathlib import Path

import numpy as np
from numpy import ndarray

from eac.data.parsing import files
from eac.data.parsing.form import Form
from eac.errors import StreamError

_UNREADABLE = (
    *(ValueError, OSError, AttributeError, KeyError, EOFError, TypeError, NotImplementedError),
    *(SyntaxError, RuntimeError, zipfile.BadZipFile, zlib.error),
)


def read_array(path: Path, what: str, form: Form) -> ndarray:
    """The array ``x`` of a file.

    Args:
        path: The file.
        what: Begins the message of an error.
        form: Says how large an array may be.

    Raises:
        StreamError: If there is none, it is damaged, too large, or holds no numbers.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "0.npz"
        ...     np.savez(path, x=np.ones((3, 2)))
        ...     print(read_array(path, "period '0'", Form()).shape)
        (3, 2)
    """
    files.require_file(path, what)
    try:
        shape, dtype = _checked_header(path, what)
        if dtype.kind not in "biuf":
            raise StreamError(f"{what}: x in {path} holds {dtype}. Give numbers.")
        size = 1.0 * prod(shape) * max(dtype.itemsize, 4)
        form.check_memory(
            size, what, f"{path} holds an array of shape {shape}. Give shorter periods."
        )
        with np.load(path, allow_pickle=False) as archive:
            return archive["x"]
    except _UNREADABLE as error:
        raise StreamError(f"{what}: {path} cannot be read as .npz: {error}") from error


def _checked_header(path: Path, what: str) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type of the array ``x``, which must be as large as its header says."""
    with zipfile.ZipFile(path) as archive:
        names = [name.removesuffix(".npy") for name in archive.namelist()]
        if "x" not in names:
            found = ", ".join(names) or "nothing"
            raise StreamError(f"{what}: {path} has no array 'x'. It has: {found}.")
        entry = archive.getinfo("x.npy" if "x.npy" in archive.namelist() else "x")
        with archive.open(entry) as file:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0
            if version != (1, 0):
                read = np.lib.format.read_array_header_2_0
            shape, _, dtype = read(file)
            held = entry.file_size - file.tell()
    wanted = prod(shape) * dtype.itemsize
    if dtype.kind in "biuf" and (wanted != held or min(shape, default=0) < 0):
        raise StreamError(
            f"{what}: {path} is damaged: its header says {wanted:,} bytes of shape {shape}, it "
            f"holds {held:,}. Make it again."
        )
    return shape, dtype


def num_steps(path: Path) -> int:
    """Length of the array ``x`` of a file; only its header is read.

    Raises:
        StreamError: If the file cannot be read.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "0.npz"
        ...     np.savez(path, x=np.ones((3, 2)))
        ...     print(num_steps(path))
        3
    """
    what = f"period {path.stem!r}"
    try:
        shape, _ = _checked_header(path, what)
    except _UNREADABLE as error:
        raise StreamError(f"{what}: {path} cannot be read as .npz: {error}") from error
    return shape[0] if shape else 0
