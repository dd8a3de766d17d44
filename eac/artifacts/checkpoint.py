"""Saved states of a run: all of period 0, and of later periods only what differs from it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from eac.errors import CheckpointError
from eac.files import write_json, write_tensors, write_torch
from eac.records.jsonfile import Fields, format_header, read_json
from eac.typing import StrPath

STATE_FILE = "state.safetensors"
CARD_FILE = "card.json"
STATE_FORMAT = "eac.state"


@dataclass(frozen=True, eq=False)
class SavedState:
    """The state of a model, tensors apart from the rest.

    Attributes:
        tensors: Parameters, buffers, and tensors inside extra states (as ``name::key``).
        extra: What ``get_extra_state`` gave that is not a tensor, by module and key.
    """

    tensors: dict[str, Tensor]
    extra: dict[str, dict[str, Any]]

    @staticmethod
    def of(model: nn.Module) -> "SavedState":
        """A copy of the state of ``model`` on the CPU."""
        tensors, extra = {}, {}
        for name, value in model.state_dict().items():
            if isinstance(value, Tensor):
                tensors[name] = value.detach().cpu().clone().contiguous()
                continue
            extra[name] = {k: v for k, v in value.items() if not isinstance(v, Tensor)}
            inner = {f"{name}::{k}": v for k, v in value.items() if isinstance(v, Tensor)}
            tensors.update({k: v.detach().cpu().clone().contiguous() for k, v in inner.items()})
        return SavedState(tensors, extra)

    def restore(self, model: nn.Module) -> None:
        """Puts the state back; every name must fit."""
        state: dict[str, Any] = {k: v for k, v in self.tensors.items() if "::" not in k}
        for name, values in self.extra.items():
            state[name] = dict(values)
        for name, tensor in self.tensors.items():
            if "::" in name:
                owner, key = name.split("::", 1)
                state[owner][key] = tensor
        try:
            model.load_state_dict(state, strict=True)
        except RuntimeError as error:
            raise CheckpointError(
                "the saved state does not fit this model; build it with the settings of the run "
                f"(config.yaml). {error}"
            ) from error


def save_state(
    directory: Path, state: SavedState, *, base_directory: Path | None, card: Mapping[str, Any]
) -> None:
    """Writes a state and its card, each whole or not at all.

    Args:
        directory: Of the period.
        state: What to save.
        base_directory: Of the period whose state is saved in full; tensors equal to its, bit for
            bit, are left out. None saves everything.
        card: Facts for the reader: node ids, scaler, metrics.
    """
    base = {} if base_directory is None else load_tensors(base_directory)
    same = sorted(k for k, v in state.tensors.items() if k in base and _same_bits(v, base[k]))
    tuned = {k: v for k, v in state.tensors.items() if k not in same}
    written = write_tensors(directory / STATE_FILE, tuned)
    header = format_header(STATE_FORMAT) | {
        "base": None if base_directory is None else base_directory.name,
        "base_sha256": None if base_directory is None else _digest(base_directory / STATE_FILE),
        "state_sha256": written,
        "same_as_base": same,
        "extra": state.extra,
    }
    write_json(directory / CARD_FILE, header | dict(card))


def load_state(directory: Path) -> SavedState:
    """Reads the state of one period, completed from its base.

    Raises:
        CheckpointError: If a file is missing, damaged, of another version, or its base changed.
    """
    card = load_card(directory)
    if _digest(directory / STATE_FILE) != card["state_sha256"]:
        raise CheckpointError(
            f"{directory / STATE_FILE} is not the file that {CARD_FILE} describes. Remove the "
            "period's directory to train it again."
        )
    tensors = load_tensors(directory)
    if card["base"] is not None:
        base_directory = directory.parent / card["base"]
        if _digest(base_directory / STATE_FILE) != card["base_sha256"]:
            raise CheckpointError(
                f"{base_directory / STATE_FILE} changed since {directory.name} was trained on top "
                "of it. Restore that file, or remove the later periods to train them again."
            )
        base = load_tensors(base_directory)
        tensors |= {name: base[name] for name in card["same_as_base"]}
    return SavedState(tensors, card["extra"])


def load_card(directory: Path) -> dict[str, Any]:
    """Reads and checks the card of one period."""
    path = directory / CARD_FILE
    return Fields.of_format(read_json(path), STATE_FORMAT, str(path)).content


def load_tensors(directory: Path) -> dict[str, Tensor]:
    """Reads the tensors saved for one period, without its base."""
    path = directory / STATE_FILE
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"{path} cannot be read ({error}). Remove the period's directory to train it again."
        ) from error


class AtomicCheckpointIO(TorchCheckpointIO):
    """Lightning's checkpoints, each written whole under another name and then renamed."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: StrPath, storage_options: Any | None = None
    ) -> None:
        """Writes ``checkpoint`` so that a kill leaves the old file or the new one."""
        del storage_options
        write_torch(path, checkpoint)


def _same_bits(a: Tensor, b: Tensor) -> bool:
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    return torch.equal(a.reshape(-1).view(torch.uint8), b.reshape(-1).view(torch.uint8))


def _digest(path: Path) -> str:
    if not path.is_file():
        raise CheckpointError(f"{path} is missing. Restore it, or train the period again.")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
