"""Where the first values of a run and the order of its windows come from."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor, nn

NUM_STREAMS = 1009
"""Seeds of two runs whose seeds differ do not meet within so many periods."""


def period_seed(seed: int, index: int) -> int:
    """Seed of one period, from that of its run.

    Example:
        >>> period_seed(42, 0) != period_seed(42, 1)
        True
    """
    return seed * NUM_STREAMS + index


def epoch_seed(seed: int, epoch: int) -> int:
    """Seed of one epoch, from that of its period.

    Example:
        >>> epoch_seed(7, 3)
        7000024
    """
    return (seed * 1_000_003 + epoch) % 2**63


@runtime_checkable
class Prompts(Protocol):
    """A pool of prompts whose first values may be replaced.

    Example:
        >>> from eac.nn.prompt_pool import PromptPool
        >>> isinstance(PromptPool(width=12, rank=2), Prompts)
        True
    """

    node_factor: nn.Parameter
    basis: nn.Parameter | None

    @property
    def node_ids(self) -> list[str]:
        """Ids in order of their rows."""
        ...

    def place(self, node_ids: Sequence[str], factors: Float[Tensor, "node column"]) -> None:
        """Gives nodes these rows."""
        ...


class Draws(ABC):
    """Draws the first values of a model and the order of its windows.

    Args:
        seed: Of the run.

    Attributes:
        count_rows: What is drawn depends on how many rows there are, so that none may be put aside.

    Example:
        >>> draws = OwnDraws(42)
        >>> seed_of = draws.order_seeds(0)
        >>> seed_of(0) != seed_of(1)
        True
    """

    count_rows: bool = False

    def __init__(self, seed: int):
        self.seed = seed

    @property
    @abstractmethod
    def position(self) -> int | None:
        """All that has to be kept to go on drawing; None where nothing has to be."""

    @abstractmethod
    def resumed(self, position: int | None, where: Path) -> "Draws":
        """The same after a period whose card, in the folder ``where``, keeps this position."""

    @abstractmethod
    def first_weights(self, model: nn.Module, *, keep: bool) -> None:
        """Draws first weights where a period begins; without ``keep`` for nothing."""

    @abstractmethod
    def first_prompts(self, pool: Prompts, known: int) -> None:
        """Draws the rows after the first ``known``, and with the first rows the basis."""

    @abstractmethod
    def order_seeds(self, index: int) -> Callable[[int], int]:
        """Gives the seed of the order of windows in each epoch of period ``index``."""

    @abstractmethod
    def end_period(self, epochs: int) -> None:
        """Goes on to the next period after so many epochs of training, and a test."""


class OwnDraws(Draws):
    """Keeps what model and pool drew by themselves; an epoch's order follows seed and period.

    Args:
        seed: Of the run.

    Example:
        >>> seed_of = OwnDraws(seed=42).order_seeds(index=1)
        >>> seed_of(0) == seed_of(0), seed_of(0) == seed_of(1)
        (True, False)
    """

    @property
    def position(self) -> None:
        """Nothing has to be kept."""
        return None

    def resumed(self, position: int | None, where: Path) -> "OwnDraws":
        """Itself."""
        del position, where
        return self

    def first_weights(self, model: nn.Module, *, keep: bool) -> None:
        """Leaves the weights as they were built."""
        del model, keep

    def first_prompts(self, pool: Prompts, known: int) -> None:
        """Leaves the rows as the pool drew them, each from its own id."""
        del pool, known

    def order_seeds(self, index: int) -> Callable[[int], int]:
        """A function of seed, period and epoch."""
        return partial(epoch_seed, period_seed(self.seed, index))

    def end_period(self, epochs: int) -> None:
        """Nothing to do."""
        del epochs
