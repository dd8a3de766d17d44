"""An ordered sequence of periods, read one at a time."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from eac.data.core.period import NodeChange, Period
from eac.errors import StreamError


class GraphStream(ABC):
    """A stream of periods whose nodes may join, leave, return and change order.

    A reader implements ``period_names`` and ``load``; everything else follows from them. Periods
    are loaded on demand and not kept.

    Attributes:
        name: Name of the stream.
        target: What is measured, such as ``PM10``; empty where nobody said it.
        unit: Unit of the readings.
        source: Where the data come from.
        opened_from: Path by which ``open_stream`` found it; None for one made otherwise.
        open_again: Gives the stream as its files are now; None for one made otherwise.

    Example:
        >>> class Empty(GraphStream):
        ...     name = "empty"
        ...     period_names = ("january", "february")
        ...     def load(self, index):
        ...         raise StreamError(f"there is no data of {self.period_names[index]}")
        >>> stream = Empty()
        >>> len(stream), stream.index_of("february")
        (2, 1)
    """

    name: str = "stream"
    target: str = ""
    unit: str = ""
    source: str = ""
    opened_from: Path | None = None
    open_again: "Callable[[], GraphStream] | None" = None

    @property
    @abstractmethod
    def period_names(self) -> Sequence[str]:
        """Names of the periods, in order of time."""

    @abstractmethod
    def load(self, index: int) -> Period:
        """Reads and validates one period; ``index`` counts from 0."""

    def unfinished(self, index: int) -> str | None:
        """Why a period is not over by the calendar it is cut by; None where it is, or has none."""
        del index
        return None

    def __len__(self) -> int:
        return len(self.period_names)

    def __getitem__(self, index: int) -> Period:
        if not -len(self) <= index < len(self):
            raise IndexError(f"stream {self.name!r} has {len(self)} periods, no number {index}")
        return self.load(index % len(self))

    def __iter__(self) -> Iterator[Period]:
        return (self.load(index) for index in range(len(self)))

    def index_of(self, period: int | str) -> int:
        """Position of a period given by position or by name."""
        if isinstance(period, str) and period in self.period_names:
            return list(self.period_names).index(period)
        if isinstance(period, int) and 0 <= period < len(self):
            return period
        names = ", ".join(self.period_names)
        raise StreamError(f"stream {self.name!r} has no period {period!r}. It has: {names}.")


class MemoryStream(GraphStream):
    """A stream over periods that are already in memory.

    Raises:
        StreamError: If there is no period or two periods share a name.

    Example:
        >>> import torch
        >>> from eac.data.core.calendar import Calendar
        >>> from eac.data.core.graph import Graph
        >>> period = Period("march", torch.rand(48, 2), ("a", "b"), Graph.empty(2), Calendar(24))
        >>> [period.name for period in MemoryStream([period])]
        ['march']
    """

    def __init__(self, periods: Sequence[Period], *, name: str = "stream", unit: str = ""):
        names = [period.name for period in periods]
        if not names or len(set(names)) != len(names):
            raise StreamError(f"a stream needs periods with different names, got {names}.")
        self._periods = tuple(periods)
        self.name = name
        self.unit = unit

    @property
    def period_names(self) -> Sequence[str]:
        """Names of the periods, in order of time."""
        return [period.name for period in self._periods]

    def load(self, index: int) -> Period:
        """The period at ``index``."""
        return self._periods[index]


def node_changes(stream: GraphStream) -> Iterator[tuple[Period, NodeChange]]:
    """Each period with the change of its nodes against the periods before it.

    Example:
        >>> from eac.data.simulator.synthetic import SyntheticStream
        >>> stream = SyntheticStream(num_nodes=6, num_periods=2, steps_per_period=96)
        >>> [len(change.new) for period, change in node_changes(stream)][0]
        6
    """
    seen: set[str] = set()
    previous: tuple[str, ...] = ()
    for period in stream:
        yield period, NodeChange.between(period.node_ids, previous, seen)
        seen.update(period.node_ids)
        previous = period.node_ids
