"""Lightning's checkpoints of a period that is under way: written whole, and verified when read."""

import hashlib
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO

from eac.data.core.period import Period
from eac.errors import CheckpointError
from eac.files import digest, remove, torch_bytes, write_bytes, write_text
from eac.plain import logger
from eac.records.jsonfile import doctor
from eac.typing import StrPath

log = logger()

CHECKPOINTS = ("best.ckpt", "last.ckpt")
SIDECAR = ".sha256"
DATA_KEY = "eac_data"
"""Entry of a checkpoint: the fingerprint of the period it was trained on."""


class AtomicCheckpointIO(TorchCheckpointIO):
    """Lightning's checkpoints, each whole, with a digest beside it; loading runs no code.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     AtomicCheckpointIO().save_checkpoint({"epoch": 3}, Path(folder) / "last.ckpt")
        ...     print(load_checkpoint(Path(folder) / "last.ckpt"))
        {'epoch': 3}
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: StrPath, storage_options: Any | None = None
    ) -> None:
        """Writes ``checkpoint`` so that a kill leaves the old file or the new one."""
        del storage_options
        content, target = torch_bytes(checkpoint), Path(path)
        digests = [hashlib.sha256(content).hexdigest()]
        if target.is_file():  # right until it is replaced
            digests.append(digest(target))
        write_text(sidecar(target), " ".join(digests) + "\n")
        write_bytes(target, content)

    def load_checkpoint(
        self, path: StrPath, map_location: Any = "cpu", weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Reads a checkpoint after its digest was checked; tensors and plain values only."""
        del map_location, weights_only
        return load_checkpoint(Path(path))

    def remove_checkpoint(self, path: StrPath) -> None:
        """Removes a checkpoint and its digest."""
        remove(path)
        remove(sidecar(Path(path)))


def load_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint whose content is what was written; holds tensors and plain values only.

    Raises:
        CheckpointError: If it is missing or damaged.

    Example:
        >>> try:
        ...     load_checkpoint(Path("last.ckpt"))
        ... except CheckpointError as error:
        ...     print("is missing or damaged" in str(error))
        True
    """
    if not is_whole(path):
        raise CheckpointError(f"{path} is missing or damaged. {doctor(path)}")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, OSError, EOFError, pickle.UnpicklingError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"{path} cannot be read: {reason}. {doctor(path)}") from error


def resume_point(directory: Path, period: Period | None = None) -> Path | None:
    """``last.ckpt`` of a training that was interrupted, or None to begin it anew.

    A checkpoint that is damaged is said, and counts as absent: both are needed to go on. So is one
    of other data.

    Args:
        directory: Of the training.
        period: What is trained on now; None trusts that it is the same.

    Example:
        >>> resume_point(Path("a period that was never begun")) is None
        True
    """
    last = directory / "last.ckpt"
    if not last.is_file():
        return None
    damaged = [name for name in CHECKPOINTS if not is_whole(directory / name)]
    if damaged:
        log.warning("%s is missing or damaged; this training begins anew", directory / damaged[0])
        return None
    trained_on = None if period is None else load_checkpoint(last).get(DATA_KEY)
    if period is not None and trained_on not in (None, period.fingerprint()):
        log.warning(
            "period %s changed since its training was interrupted; it begins anew", period.name
        )
        return None
    return last


def remove_checkpoints(directory: Path) -> None:
    """Removes the checkpoints of a period that is done, with their digests.

    Example:
        >>> remove_checkpoints(Path("a period without checkpoints"))
    """
    for name in CHECKPOINTS:
        for folder in (directory, directory / "refit"):
            remove(folder / name)
            remove(sidecar(folder / name))


def is_whole(path: Path) -> bool:
    """Whether a checkpoint is what was written; one without a digest is checked by its own sums.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "last.ckpt"
        ...     AtomicCheckpointIO().save_checkpoint({"epoch": 3}, path)
        ...     print(is_whole(path))
        ...     _ = path.write_bytes(path.read_bytes() + b"!")
        ...     print(is_whole(path))
        True
        False
    """
    digests = sidecar(path)
    if not path.is_file():
        return False
    known = digests.is_file()
    if known and digest(path) not in digests.read_text("ascii", errors="replace").split():
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            # nothing in it is packed, so that it takes no more memory than its size
            fits = sum(part.file_size for part in archive.infolist()) <= path.stat().st_size
            # one without a digest was written by an older version
            return fits and (known or archive.testzip() is None)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError, RuntimeError):
        return False


def sidecar(path: Path) -> Path:
    """The file with the digest of a checkpoint.

    Example:
        >>> sidecar(Path("last.ckpt")).name
        'last.ckpt.sha256'
    """
    return path.with_name(path.name + SIDECAR)
