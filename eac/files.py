"""The one module that writes files: what is written is whole, or it is not there.

Each file is written under a temporary name in its own folder, flushed, synchronised with the disk
and renamed, and the folder is synchronised too. After a kill or a power cut the old file is there
or the new one. A symbolic link is never followed. Nothing else in the package writes a file.
"""

import hashlib
import io
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TypeAlias

from eac.disk import sync, sync_folder, tell
from eac.errors import WriteError, explain_write
from eac.temporary import remove_leftovers, temporary_name

StrPath: TypeAlias = str | os.PathLike[str]


@contextmanager
def writing(path: StrPath) -> Iterator[Path]:
    """Yields a temporary path to write to, and puts the file in its place at the end.

    The temporary name ends as the true one does, for writers that look at the suffix. Nothing is
    left when the block raises.

    Raises:
        WriteError: If the file cannot be written, or a link or folder is in its place.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with writing(Path(folder) / "a.txt") as temporary:
        ...         _ = temporary.write_text("x")
        ...     (Path(folder) / "a.txt").read_text()
        'x'
    """
    target = Path(path)
    with explain_write(target):
        make_folder(target.parent)
        remove_leftovers(target.parent)
        _refuse(target)
        temporary = temporary_name(target)
        try:
            tell("create", temporary)
            os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
            tell("write", temporary)
            yield temporary
            sync(temporary)
            tell("rename", target)
            os.replace(temporary, target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(target.parent)


@contextmanager
def writing_folder(path: StrPath) -> Iterator[Path]:
    """Yields a temporary folder to fill with this module, and puts it in its place at the end.

    Raises:
        WriteError: If there is something at ``path`` already, or it cannot be written.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as place:
        ...     with writing_folder(Path(place) / "run") as folder:
        ...         _ = write_text(folder / "a.txt", "eac")
        ...     print([path.name for path in (Path(place) / "run").iterdir()])
        ['a.txt']
    """
    target = Path(path)
    with explain_write(target):
        make_folder(target.parent)
        remove_leftovers(target.parent)
        if os.path.lexists(target):
            raise WriteError(f"{target} exists. Give a folder that does not, or remove it.")
        temporary = temporary_name(target)
        try:
            make_folder(temporary)
            yield temporary
            tell("rename", target)
            temporary.rename(target)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        sync_folder(target.parent)


def copy_folder(source: StrPath, target: StrPath) -> None:
    """Copies a folder with all that is in it, whole, to a place where there is nothing yet.

    Raises:
        WriteError: If there is something at ``target`` already, or it cannot be written.
    """
    with writing_folder(target) as folder:
        shutil.copytree(source, folder, dirs_exist_ok=True)
        for path in folder.rglob("*"):
            if path.is_file():
                sync(path)


def scratch_folder() -> Path:
    """A new empty folder among the system's temporary files; whoever asks removes it."""
    return Path(tempfile.mkdtemp(prefix="eac-"))


def write_bytes(path: StrPath, data: bytes | memoryview) -> str:
    """Writes ``data`` whole, and returns its SHA-256."""
    with writing(path) as temporary, temporary.open("wb") as file:
        file.write(data)
    return hashlib.sha256(data).hexdigest()


def write_text(path: StrPath, text: str) -> str:
    """Writes ``text`` as UTF-8, whole, and returns the SHA-256 of the file."""
    return write_bytes(path, text.encode("utf-8"))


def json_bytes(value: object, *, indent: int | None = 1) -> bytes:
    r"""The bytes that ``write_json`` writes.

    Example:
        >>> json_bytes({"a": 1}, indent=None)
        b'{"a": 1}\n'
    """
    text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False) + "\n"
    return text.encode("utf-8")


def write_json(path: StrPath, value: object, *, indent: int | None = 1) -> str:
    """Writes ``value`` as JSON, whole, and returns the SHA-256 of the file."""
    return write_bytes(path, json_bytes(value, indent=indent))


def write_tensors(path: StrPath, tensors: Mapping[str, Any]) -> str:
    """Writes tensors as safetensors, whole, and returns the SHA-256 of the file.

    Example:
        >>> import torch
        >>> from safetensors.torch import load_file
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     _ = write_tensors(Path(folder) / "a.safetensors", {"weight": torch.ones(2)})
        ...     print(load_file(Path(folder) / "a.safetensors"))
        {'weight': tensor([1., 1.])}
    """
    return write_bytes(path, tensor_bytes(tensors))


def tensor_bytes(tensors: Mapping[str, Any]) -> bytes:
    """The bytes that ``write_tensors`` writes."""
    from safetensors.torch import save

    return save({k: t.detach().cpu().contiguous() for k, t in tensors.items()})


def torch_bytes(value: object) -> memoryview:
    """What ``torch.save`` makes of ``value``."""
    import torch

    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getbuffer()


def write_frame(path: StrPath, frame: Any, **options: Any) -> None:
    """Writes a pandas frame as CSV or Parquet, by the suffix of ``path``, whole.

    Example:
        >>> import pandas as pd
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     write_frame(Path(folder) / "a.csv", pd.DataFrame({"y": [1, 2]}), index=False)
        ...     print((Path(folder) / "a.csv").read_text().split())
        ['y', '1', '2']
    """
    with writing(path) as temporary:
        write = frame.to_csv if temporary.suffix == ".csv" else frame.to_parquet
        write(temporary, **options)


def write_arrays(path: StrPath, **arrays: Any) -> None:
    """Writes numpy arrays as a compressed ``.npz``, whole."""
    import numpy as np

    with writing(path) as temporary:
        np.savez_compressed(temporary, **arrays)


def open_in_place(path: StrPath, *, append: bool = True) -> IO[str]:
    """Opens a lock or a log, which cannot be renamed into place; creates it where it is missing.

    Args:
        path: The file.
        append: Whether what is written goes to the end, as in a log; otherwise over the beginning.
    """
    target = Path(path)
    with explain_write(target):
        make_folder(target.parent)
        _refuse(target)
        tell("create", target)
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        handle = os.open(target, flags | (os.O_APPEND if append else 0), 0o666)
        return os.fdopen(handle, "a+" if append else "r+", encoding="utf-8")


def make_folder(path: StrPath) -> Path:
    """Makes a folder and those above it, so that they are there after a power cut too.

    Raises:
        WriteError: If a folder cannot be made, or a file is in its place.
    """
    folder = Path(path)
    with explain_write(folder):
        missing = [one for one in (folder, *folder.parents) if not one.is_dir()]
        for one in reversed(missing):
            tell("folder", one)
            one.mkdir(exist_ok=True)
            sync_folder(one.parent)
    return folder


def remove(path: StrPath) -> None:
    """Removes a file, or a link, if it is there; it stays away after a power cut too."""
    target = Path(path)
    with explain_write(target):
        if os.path.lexists(target):
            tell("remove", target)
            target.unlink(missing_ok=True)
            sync_folder(target.parent)


def remove_folder(path: StrPath) -> None:
    """Removes a folder with all that is in it, at once for any reader; links are not followed."""
    target = Path(path)
    with explain_write(target):
        if target.is_symlink() or not target.is_dir():
            remove(target)
            return
        doomed = temporary_name(target)
        tell("rename", target)
        target.rename(doomed)
        sync_folder(target.parent)
        tell("remove", doomed)
        shutil.rmtree(doomed)


def refuse_links(folder: StrPath) -> None:
    """Refuses a folder in which a symbolic link could lead a writer elsewhere.

    Raises:
        WriteError: Names the first link.
    """
    for root, folders, names in os.walk(folder):
        for name in sorted(folders + names):
            if (found := Path(root, name)).is_symlink():
                raise WriteError(
                    f"{found} is a symbolic link, which is not followed when writing. Replace it "
                    "by what it points to."
                )


def digest(path: StrPath) -> str:
    """SHA-256 of a file."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _refuse(target: Path) -> None:
    try:
        mode = target.lstat().st_mode
    except FileNotFoundError:
        return
    if stat.S_ISLNK(mode):
        raise WriteError(
            f"{target} is a symbolic link, which is not followed when writing. Remove it, or give "
            "another path."
        )
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "not an ordinary file"
        raise WriteError(f"{target} is {kind}. Give the path of a file.")
