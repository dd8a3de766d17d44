"""Files of tensors, looked at before memory is taken for what they claim to hold."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from eac.errors import CheckpointError
from eac.files import write_tensors
from eac.records.jsonfile import doctor

LARGEST = 1 << 33
"""Bytes of the largest file of tensors that is read; 100,000 sensors need some 100 MB."""
LARGEST_HEADER = 1 << 24
"""Bytes of the largest list of names and shapes at its beginning."""
_FIRST = 8
"""Bytes that hold the size of the list."""
_VALUES = "values"


def write_state(path: Path, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
    """Writes tensors, and values of JSON beside them, as one file.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> import torch
        >>> with TemporaryDirectory() as folder:
        ...     file = Path(folder, "kept.safetensors")
        ...     write_state(file, {"w": torch.ones(2)}, {"steps": 3})
        ...     print(read_state(file))
        ({'w': tensor([1., 1.])}, {'steps': 3})
    """
    import torch

    text = json.dumps(values, ensure_ascii=False).encode()
    said = torch.frombuffer(bytearray(text), dtype=torch.uint8)
    write_tensors(path, {**tensors, _VALUES: said})


def read_state(path: Path) -> tuple[dict[str, Tensor], Any]:
    """What ``write_state`` wrote.

    Raises:
        CheckpointError: If the file is missing, damaged, or too large.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    check_tensors(path)
    try:
        tensors = load_file(path)
        return tensors, json.loads(tensors.pop(_VALUES).numpy().tobytes())
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}). {doctor(path)}") from error


def check_tensors(path: Path) -> None:
    """Refuses a safetensors file that is too large, or whose list of tensors cannot be true.

    That the shapes fit the size of the file is checked by the library that reads it.

    Raises:
        CheckpointError: If it is missing, too large, or shorter than it says.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from safetensors.numpy import save_file
        >>> import numpy as np
        >>> with TemporaryDirectory() as folder:
        ...     save_file({"w": np.ones(2)}, f"{folder}/state.safetensors")
        ...     check_tensors(Path(folder, "state.safetensors"))
    """
    try:
        if not path.is_file():
            raise CheckpointError(f"{path} is missing or not a file. {doctor(path)}")
        size = path.stat().st_size
        with path.open("rb") as file:
            header = int.from_bytes(file.read(_FIRST), "little")
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}. {doctor(path)}") from error
    if size > LARGEST:
        raise CheckpointError(
            f"{path} has {size} bytes, more than the {LARGEST} that such a file can have. "
            f"{doctor(path)}"
        )
    if header > min(LARGEST_HEADER, size - _FIRST):
        raise CheckpointError(
            f"{path} is damaged: its list of tensors claims {header} bytes, and "
            f"{min(LARGEST_HEADER, max(0, size - _FIRST))} are possible. {doctor(path)}"
        )
