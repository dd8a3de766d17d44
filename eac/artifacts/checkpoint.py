"""Saved states of a run: that of a base whole, of periods after it only what differs from it.

The first period is a base. A later one in which most of the state changed is a base again.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from eac.errors import CheckpointError
from eac.files import digest, write_tensors
from eac.records.jsonfile import convert, doctor
from eac.records.manifest import read_verified_json, verify
from eac.records.tensorfile import check_tensors

STATE_FILE = "state.safetensors"
CARD_FILE = "card.json"
STATE_FORMAT = "eac.state"


@dataclass(frozen=True, eq=False)
class SavedState:
    """The state of a model, tensors apart from the rest.

    Attributes:
        tensors: Parameters, buffers, and tensors inside extra states (as ``name::key``).
        extra: What ``get_extra_state`` gave that is not a tensor, by module and key.

    Example:
        >>> layer = nn.Linear(1, 1)
        >>> state = SavedState.of(layer)
        >>> with torch.no_grad():
        ...     _ = layer.weight.zero_()
        >>> state.restore(layer)
        >>> torch.equal(layer.weight, state.tensors["weight"])
        True
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


def write_state(directory: Path, state: SavedState, base_directory: Path | None) -> dict[str, Any]:
    """Writes the tensors of a state, and returns what its card says of them.

    Args:
        directory: Of the period.
        state: What to save.
        base_directory: Of the base; tensors equal to its, bit for bit, are left out, unless they
            are less than half of all numbers. None saves everything.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     card = write_state(Path(folder), SavedState.of(nn.Linear(2, 1)), None)
        ...     print(card["base"], sorted(load_tensors(Path(folder))))
        None ['bias', 'weight']
    """
    base = {} if base_directory is None else load_tensors(base_directory)
    same = sorted(k for k, v in state.tensors.items() if k in base and _same_bits(v, base[k]))
    if 2 * sum(base[k].numel() for k in same) < sum(v.numel() for v in state.tensors.values()):
        base_directory, same = None, []
    tuned = {k: v for k, v in state.tensors.items() if k not in same}
    return {
        "base": None if base_directory is None else base_directory.name,
        "base_sha256": None if base_directory is None else verify(base_directory / STATE_FILE),
        "state_sha256": write_tensors(directory / STATE_FILE, tuned),
        "same_as_base": same,
        "extra": state.extra,
    }


def load_state(directory: Path) -> SavedState:
    """Reads the state of one period, completed from its base.

    Raises:
        CheckpointError: If a file is missing, damaged, of another version, or its base changed.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from eac.artifacts.sample import write_sample_period
        >>> with TemporaryDirectory() as run:
        ...     _ = write_sample_period(Path(run))
        ...     print(load_state(Path(run, "period-00-0")).tensors)
        {'w': tensor([1., 1.])}
    """
    card, path = load_card(directory), directory / STATE_FILE
    if verify(path) != card["state_sha256"]:
        raise CheckpointError(
            f"{path} is damaged: it is not the file that {CARD_FILE} describes. {doctor(path)}"
        )
    tensors = load_tensors(directory)
    if card["base"] is not None:
        base = load_tensors(_find_base(directory, card["base"], card["base_sha256"]))
        missing = [name for name in card["same_as_base"] if name not in base]
        if missing:
            raise CheckpointError(f"{path}: its base has no tensor {missing[0]!r}. {doctor(path)}")
        tensors |= {name: base[name] for name in card["same_as_base"]}
    return SavedState(tensors, card["extra"])


def base_of(directory: Path) -> Path:
    """The folder of the base that the state of a period is completed from; its own, if whole.

    Raises:
        CheckpointError: If the base is missing, or another one.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from eac import PeriodData, SyntheticStream
        >>> from eac.artifacts.saving import save_artifact
        >>> data = PeriodData(SyntheticStream(num_nodes=3, num_periods=1, steps_per_period=200))
        >>> with TemporaryDirectory() as folder:
        ...     first, second = Path(folder, "0"), Path(folder, "1")
        ...     for place, base in ((first, None), (second, first)):
        ...         _ = save_artifact(place, SavedState({}, {}), data, base=base, parent=base)
        ...     print(base_of(second).name)
        0
    """
    card = load_card(directory)
    if card["base"] is None:
        return directory
    return _find_base(directory, card["base"], card["base_sha256"])


def _find_base(directory: Path, name: str, sha256: str) -> Path:
    """The folder of the period whose state has this digest; the name alone says nothing."""
    kept = [*directory.parent.glob("period-*"), *directory.parent.glob("imported-*")]
    others = sorted(path for path in kept if path.name != name)
    for folder in (directory.parent / Path(name).name, *others):
        if (folder / STATE_FILE).is_file() and digest(folder / STATE_FILE) == sha256:
            return folder
    path = directory.parent / Path(name).name / STATE_FILE
    raise CheckpointError(
        f"{path} is missing or not the file that {directory.name} was trained on top of. "
        f"{doctor(path)}"
    )


def load_card(directory: Path) -> dict[str, Any]:
    """Reads and checks the card of one period.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from eac.artifacts.sample import write_sample_period
        >>> with TemporaryDirectory() as run:
        ...     _ = write_sample_period(Path(run))
        ...     print(load_card(Path(run, "period-00-0"))["base"])
        None
    """
    path = directory / CARD_FILE
    card = read_verified_json(path)
    convert(_Card, card, STATE_FORMAT, str(path))
    return card


@dataclass(frozen=True)
class _Card:
    """What of a card is needed to read its state."""

    base: str | None
    base_sha256: str | None
    state_sha256: str
    same_as_base: tuple[str, ...]
    extra: dict[str, dict[str, Any]]


def load_tensors(directory: Path) -> dict[str, Tensor]:
    """Reads the tensors saved for one period, without its base.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     _ = write_state(Path(folder), SavedState({"w": torch.ones(2)}, {}), None)
        ...     print(load_tensors(Path(folder)))
        {'w': tensor([1., 1.])}
    """
    path = directory / STATE_FILE
    check_tensors(path)
    try:
        return load_file(path)
    except (OSError, SafetensorError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}). {doctor(path)}") from error


def _same_bits(a: Tensor, b: Tensor) -> bool:
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    return torch.equal(a.reshape(-1).view(torch.uint8), b.reshape(-1).view(torch.uint8))
