"""What a run keeps of earlier periods to rehearse them: beside its last period alone."""

from pathlib import Path

from eac.artifacts.resume_points import AtomicCheckpointIO, is_whole, load_checkpoint, sidecar
from eac.data.batches.reservoir import Reservoir

PAST_FILE = "past.passing"
"""No part of the artifact: a run that lacks it reads the earlier periods again."""
_FIELDS = ("node_ids", "nodes", "rows", "seen")


def save_past(directory: Path, past: Reservoir | None) -> None:
    """Writes what is kept after a period, whole and with its digest; no file where it is empty.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     save_past(Path(folder), None)  # nothing is rehearsed
        ...     print(load_past(Path(folder)) is None)
        True
    """
    remove_past(directory)  # of a training before this one
    if past:
        content = {name: getattr(past, name) for name in _FIELDS}
        content["node_ids"] = list(past.node_ids)
        AtomicCheckpointIO().save_checkpoint(content, directory / PAST_FILE)


def load_past(directory: Path) -> Reservoir | None:
    """What was kept after a period; None where that is not there, or damaged.

    Example:
        >>> import torch
        >>> from tempfile import TemporaryDirectory
        >>> past = Reservoir(("a",), torch.tensor([[0]]), {"y": torch.ones(1, 6)}, seen=1)
        >>> with TemporaryDirectory() as folder:
        ...     save_past(Path(folder), past)
        ...     print(load_past(Path(folder)).node_ids)
        ('a',)
    """
    path = directory / PAST_FILE
    if not is_whole(path):
        return None
    kept = load_checkpoint(path)
    return Reservoir(tuple(kept["node_ids"]), kept["nodes"], kept["rows"], kept["seen"])


def past_is_damaged(directory: Path) -> bool:
    """Whether what was kept after a period, or its digest, is not as it was written.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     print(past_is_damaged(Path(folder)))  # nothing was kept
        ...     _ = (Path(folder) / PAST_FILE).write_bytes(b"half")
        ...     print(past_is_damaged(Path(folder)))
        False
        True
    """
    path = directory / PAST_FILE
    there = path.is_file(), sidecar(path).is_file()
    return any(there) and not (all(there) and is_whole(path))


def remove_past(directory: Path) -> None:
    """Removes what was kept after a period, once a later one is done.

    Example:
        >>> remove_past(Path("a period that kept nothing"))
    """
    AtomicCheckpointIO().remove_checkpoint(directory / PAST_FILE)
