"""A calibrator in one file beside the state of a period."""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eac.calibration.base import Calibrator
from eac.described import description
from eac.errors import CheckpointError
from eac.records.manifest import check_absent, verify
from eac.records.tensorfile import read_state, write_state
from eac.typing import StrPath

CALIBRATION_FILE = "calibration.safetensors"
START_FILE = "calibration-start.safetensors"
"""What the first period of a run began its test with; later ones begin with the one before."""
FORMAT_VERSION = 1


def save_calibrator(
    directory: StrPath, calibrator: Calibrator, name: str = CALIBRATION_FILE
) -> None:
    """Writes what a calibrator has learned, and how it was made.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from eac.calibration.rolling import RollingQuantiles
        >>> with TemporaryDirectory() as folder:
        ...     save_calibrator(folder, RollingQuantiles(horizon=2, steps_per_day=24))
        ...     print(load_calibrator(folder).horizon)
        2
    """
    tensors, values = calibrator.state()
    said = {"version": FORMAT_VERSION, "made": description(calibrator), "values": values}
    write_state(Path(directory) / name, tensors, said)


def load_calibrator(directory: StrPath, name: str = CALIBRATION_FILE) -> Calibrator | None:
    """The calibrator of a period; None where the period was trained without one.

    Raises:
        CheckpointError: If the file is damaged or of another version.

    Example:
        >>> load_calibrator("a run without a calibrator") is None
        True
    """
    path = Path(directory) / name
    if not path.is_file():
        check_absent(path)
        return None
    verify(path)
    tensors, said = read_state(path)
    try:
        if said["version"] != FORMAT_VERSION:
            raise CheckpointError(
                f"{path} has format version {said['version']}; this eac reads version "
                f"{FORMAT_VERSION}. Forecast without --level, or run the period again."
            )
        calibrator = _made(said["made"], path)
        calibrator.load(tensors, said["values"])
    except (KeyError, ValueError, TypeError) as error:
        raise CheckpointError(
            f"{path} cannot be read ({error}). Restore it, or remove it to forecast without "
            "intervals."
        ) from error
    return calibrator


def learned_by(directories: Sequence[Path]) -> Calibrator | None:
    """The calibrator of the last of these periods, which knows the sensors of the others too.

    Example:
        >>> learned_by([Path("a period without intervals")]) is None
        True
    """
    found = load_calibrator(directories[-1])
    for directory in reversed(directories[:-1]):
        earlier = None if found is None else load_calibrator(directory)
        if found is not None and earlier is not None:
            found.remember(earlier)
    return found


def _made(said: dict[str, Any], path: Path) -> Calibrator:
    """A calibrator as described; only those of this package are built."""
    module, _, name = said["class_path"].rpartition(".")
    if not module.startswith("eac.calibration."):
        raise CheckpointError(
            f"{path} names {said['class_path']}, which is no calibrator of this package. Forecast "
            "without --level."
        )
    kind = getattr(importlib.import_module(module), name, None)
    if not (isinstance(kind, type) and issubclass(kind, Calibrator)):
        raise CheckpointError(f"{path}: {said['class_path']} is no calibrator.")
    return kind(**said.get("init_args", {}))
