"""Windows over a series: where they start, and how a batch of them is gathered.

Nothing here ever materialises all windows; a window is two numbers, a start and a length.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Int, Shaped
from torch import Tensor

from eac.errors import StreamError
from eac.typing import Part


@dataclass(frozen=True)
class Split:
    """Steps of a period that belong to each part, in order of time.

    Example:
        >>> Split.by_fraction(100, (0.6, 0.2))
        Split(train=range(0, 60), val=range(60, 80), test=range(80, 100))
    """

    train: range
    val: range
    test: range

    @staticmethod
    def by_fraction(num_steps: int, fractions: tuple[float, float]) -> "Split":
        """Cuts ``num_steps`` after the training and the validation fraction; the rest is test.

        Published: 60 % / 20 % / 20 %, cut points rounded down.
        """
        first = int(num_steps * fractions[0])
        second = int(num_steps * (fractions[0] + fractions[1]))
        return Split(range(first), range(first, second), range(second, num_steps))

    def part(self, part: Part) -> range:
        """The steps of one part."""
        return {"train": self.train, "val": self.val, "test": self.test}[part]


def window_starts(
    steps: range, window: int, horizon: int, *, period: str, part: Part
) -> Int[Tensor, " start"]:
    """First steps of all windows that lie, inputs and targets, inside ``steps``; ascending.

    Raises:
        StreamError: If ``steps`` is too short for one window.

    Example:
        >>> window_starts(range(10, 16), window=3, horizon=2, period="march", part="test").tolist()
        [10, 11]
    """
    count = len(steps) - window - horizon + 1
    if count < 1:
        raise StreamError(
            f"period {period!r}: the {part} part has {len(steps)} steps, but one window needs "
            f"{window} + {horizon}. Give a longer period, a larger share of it, or a shorter "
            "window or horizon."
        )
    return torch.arange(steps.start, steps.start + count)


def gather(
    series: Shaped[Tensor, "time node"],
    starts: Int[Tensor, " batch"],
    length: int,
    nodes: Int[Tensor, "*batch chosen"] | None = None,
) -> Shaped[Tensor, "batch chosen {length}"]:
    """The ``length`` steps from each start on; of every node a view on whole rows of time.

    ``nodes`` may be the same for all windows, or a row for each. Of a series that is laid out
    ``by_node``, every window lies in one piece of memory.

    Example:
        >>> series = torch.arange(6.0).reshape(6, 1)
        >>> gather(series, torch.tensor([0, 3]), 2).tolist()
        [[[0.0, 1.0]], [[3.0, 4.0]]]
        >>> gather(series, torch.tensor([0, 3]), 2, nodes=torch.tensor([[0], [0]])).tolist()
        [[[0.0, 1.0]], [[3.0, 4.0]]]
    """
    if nodes is not None:
        return series.unfold(0, length, 1)[starts[:, None], nodes]
    if not torch.compiler.is_compiling() and is_by_node(series):
        return series.unfold(0, length, 1)[starts]
    steps = starts[:, None] + torch.arange(length, device=starts.device)
    rows = series.index_select(0, steps.flatten())
    return rows.view(len(starts), length, series.shape[1]).transpose(1, 2)


def is_by_node(series: Shaped[Tensor, "time node"]) -> bool:
    """True where the steps of each of several nodes lie side by side in memory.

    Example:
        >>> series = torch.zeros(4, 3)
        >>> is_by_node(series), is_by_node(by_node(series))
        (False, True)
    """
    return series.stride(0) == 1 < series.shape[1]


def by_node(series: Shaped[Tensor, "time node"]) -> Shaped[Tensor, "time node"]:
    """The same series with the steps of each node side by side in memory; itself where they are.

    Example:
        >>> by_node(torch.arange(6.0).reshape(3, 2)).stride()
        (1, 3)
    """
    return series if is_by_node(series) else series.T.contiguous().T
